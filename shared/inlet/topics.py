"""Every kind of topic that can be watched, for functions that serve them all."""

from inlet import live
from inlet.image_jobs import state as image_job
from inlet.live import Readers
from inlet.speaking_sessions import state as speaking_session
from inlet.upload_sessions import state as upload_session

LIVE: Readers = {**image_job.LIVE, **upload_session.LIVE, **speaking_session.LIVE}


def publish() -> None:
    """Tell those who watch what this function has changed. Never fails."""
    live.publish(LIVE)
