"""What the model adds to the numbers: at most five remarks, each about words that were spoken. Gemini only."""

from inlet.errors import GenerationBlocked, GenerationMalformed
from inlet.settings import settings
from inlet.speaking_sessions import analyses_table
from inlet.speaking_sessions.analyses_table import LEDGER
from inlet.speaking_sessions.rows import Analysis
from inlet.speaking_sessions.speech.documents import Transcript
from inlet.speaking_sessions.speech.hints import Insight
from inlet.speaking_sessions.speech.numbers import LEAST_WORDS, Metrics
from inlet.swallowing import swallowed

STEP = "analysing"


def ask(analysis: Analysis, transcript: Transcript, metrics: Metrics) -> list[Insight]:
    """Return the model's remarks; none of a transcript that is too short for any, and none without Gemini.

    None either where the model declines or talks nonsense.
    """
    text = transcript.text
    if settings.analysis != "gemini" or text is None or (metrics["words"] or 0) < LEAST_WORDS:
        return []
    from inlet import gemini
    from inlet.speaking_sessions import gemini_speech

    gemini.require_configured()
    call = analyses_table.call_for(analysis, STEP)
    try:
        with LEDGER.paid(call, settings.remark_dollars):
            found = gemini_speech.remark(text, metrics)
    except (GenerationBlocked, GenerationMalformed) as error:  # paid; transcript and numbers are whole without
        swallowed("no remarks", session_id=analysis.session_id, reason=type(error).__name__)
        return []
    return [
        {
            "category": one.category,
            "severity": one.severity,
            "message": one.message,
            "suggestion": one.suggestion,
            "startSecs": _when(one.quote, transcript),
        }
        for one in found
    ]


def keep(analysis: Analysis) -> None:
    """Record that the remarks are in the bucket."""
    LEDGER.answered(analyses_table.call_for(analysis, STEP))


def _when(quote: str, transcript: Transcript) -> float:
    """Return when the first word of a quote is spoken. The quote is in the transcript."""
    before = len((transcript.text or "").partition(quote)[0].split())
    words = transcript.words or []
    return round(words[min(before, len(words) - 1)].start_secs, 2)
