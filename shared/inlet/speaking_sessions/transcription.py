"""Who writes down what is said, by the setting `ANALYSIS`: PocketSphinx on this machine, or Gemini, which is paid."""

import tempfile
from pathlib import Path

from inlet import keys, storage
from inlet.settings import settings
from inlet.speaking_sessions import analyses_table
from inlet.speaking_sessions.analyses_table import LEDGER
from inlet.speaking_sessions.rows import Analysis
from inlet.speaking_sessions.speech.documents import Engine, Transcript
from inlet.speaking_sessions.speech.numbers import Sound, runs

STEP = "transcribing"


def transcribe(analysis: Analysis, sound: Sound) -> Transcript:
    """Return the transcript of a prepared recording. Where nobody speaks, nobody is asked, or paid."""
    if not sound.speech:
        return Transcript(_engine(), analysis.language, [])
    if settings.analysis == "gemini":
        return _by_gemini(analysis, minutes=sound.total_secs / 60)
    return _locally(analysis, sound)


def keep(analysis: Analysis) -> None:
    """Record that the transcript is in the bucket."""
    LEDGER.answered(analyses_table.call_for(analysis, STEP))


def _engine() -> Engine:
    return "gemini" if settings.analysis == "gemini" else "local"


def _by_gemini(analysis: Analysis, *, minutes: float) -> Transcript:
    from inlet import gemini
    from inlet.speaking_sessions import gemini_speech

    gemini.require_configured()
    call = analyses_table.call_for(analysis, STEP)
    url = storage.presign_get(keys.prepared_recording(analysis.session_id)).url
    with LEDGER.paid(call, minutes * settings.speech_minute_dollars):
        return Transcript("gemini", analysis.language, gemini_speech.transcribe(url, analysis.language))


def _locally(analysis: Analysis, sound: Sound) -> Transcript:
    from inlet.speaking_sessions.speech import local_recognition

    if analysis.language.partition("-")[0].lower() != local_recognition.LANGUAGE:
        return Transcript("local", analysis.language, None)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "audio.flac"
        prepared.write_bytes(storage.read(keys.prepared_recording(analysis.session_id)))
        return Transcript("local", analysis.language, local_recognition.recognise(prepared, runs(sound.speech)))
