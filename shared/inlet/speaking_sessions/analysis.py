"""The beginning of an analysis: the row says which execution is wanted, and whoever wrote the row starts it."""

from inlet.errors import WorkflowUnavailable
from inlet.settings import settings
from inlet.speaking_sessions.rows import SpeakingSession
from inlet.swallowing import swallowed
from inlet.workflow import ANALYSE_RECORDING


def execution(session_id: str, attempt: int = 1) -> str | None:
    """Return the ARN of the execution that an attempt will be, or None where recordings are not analysed."""
    return None if settings.analysis == "off" else ANALYSE_RECORDING.execution_arn(session_id, attempt)


def begin(session: SpeakingSession) -> None:
    """Start the analysis of a recording that has just arrived, if it is to be analysed. Never fails.

    Where the workflow does not answer, the sweeper starts it within a minute.
    """
    if session.status != "UPLOADED" or session.attempt == 0:
        return
    try:
        ANALYSE_RECORDING.start(session.id, session.attempt)
    except WorkflowUnavailable as error:
        swallowed("start left to the sweeper", reason=str(error))
