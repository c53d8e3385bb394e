"""Stage 1, preparing (10 %): decode whatever was recorded, find when somebody speaks, store what models are given."""

import io
import tempfile
from pathlib import Path

from inlet import keys, storage
from inlet.errors import ObjectMissing, RecordingRejected
from inlet.speaking_sessions.rows import Analysis
from inlet.speaking_sessions.speech import documents, listening
from inlet.speaking_sessions.stage import task


def prepare(analysis: Analysis) -> None:
    """Refuse what cannot be heard for good, with words for its speaker (`RecordingRejected`)."""
    if storage.exists(keys.sound(analysis.session_id)):
        return
    try:
        content = storage.read(analysis.key)
    except ObjectMissing as error:
        raise RecordingRejected("The recording is no longer there. Please send it again.") from error
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "audio.flac"
        sound = listening.listen(io.BytesIO(content), prepared)
        storage.put_once(keys.prepared_recording(analysis.session_id), prepared.read_bytes(), "audio/flac")
    # The last: whoever finds it finds the rest.
    storage.put_once(keys.sound(analysis.session_id), documents.sound_to_json(sound), "application/json")


lambda_handler = task(prepare, during="preparing")
