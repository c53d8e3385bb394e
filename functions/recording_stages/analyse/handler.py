"""Stage 3, analysing (80 %): compute every number, and let the model add what numbers cannot tell."""

from inlet import keys, storage
from inlet.speaking_sessions import remarks
from inlet.speaking_sessions.rows import Analysis
from inlet.speaking_sessions.speech import documents, hints, numbers
from inlet.speaking_sessions.speech.documents import Findings, Transcript
from inlet.speaking_sessions.stage import task


def analyse(analysis: Analysis) -> None:
    """Store the findings, unless they are stored already."""
    session_id = analysis.session_id
    if storage.exists(keys.findings(session_id)):
        return
    sound = documents.sound_from_json(storage.read(keys.sound(session_id)))
    transcript = Transcript.from_json(storage.read(keys.transcript(session_id)))
    metrics = numbers.measure(sound, transcript.text, transcript.language)
    insights = hints.from_numbers(metrics, transcript.language) + remarks.ask(analysis, transcript, metrics)
    storage.put_once(keys.findings(session_id), Findings(metrics, insights).to_json(), "application/json")
    remarks.keep(analysis)


lambda_handler = task(analyse, during="analysing")
