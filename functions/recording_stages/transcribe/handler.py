"""Stage 2, transcribing (30 → 60 %): have the words written down with their times, and pay for it once.

Bytes first, rows after, as the image workflow's `generate` does it: when the bucket has the transcript, no attempt asks
again, and the ledger is written before a call that is paid.
"""

from inlet import keys, storage
from inlet.speaking_sessions import analyses_table, transcription
from inlet.speaking_sessions.rows import TRANSCRIBED_PROGRESS, Analysis
from inlet.speaking_sessions.speech import documents
from inlet.speaking_sessions.stage import task


def transcribe(analysis: Analysis) -> None:
    """Store the transcript, unless it is stored already."""
    session_id = analysis.session_id
    if not storage.exists(keys.transcript(session_id)):
        sound = documents.sound_from_json(storage.read(keys.sound(session_id)))
        transcript = transcription.transcribe(analysis, sound)
        storage.put_once(keys.transcript(session_id), transcript.to_json(), "application/json")
        transcription.keep(analysis)
    analyses_table.advance(analysis, TRANSCRIBED_PROGRESS)


lambda_handler = task(transcribe, during="transcribing")
