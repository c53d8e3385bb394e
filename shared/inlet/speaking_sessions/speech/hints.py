"""Hints that follow from the numbers: ranges with their sources, never marks. docs/speech.md says where they come from.

Only English: what is fast or slow in words a minute differs from language to language.
"""

from typing import Literal, NotRequired, TypedDict

from inlet.speaking_sessions.speech.numbers import Metrics

type Severity = Literal["low", "medium", "high", "critical"]

SLOW_WORDS_PER_MINUTE = 110
FAST_WORDS_PER_MINUTE = 160
FASTEST_WORDS_PER_MINUTE = 195
MOST_FILLERS = 5.0
"""In a hundred words."""
QUIET_DB = -35.0
CLIPPED_SHARE = 0.01
MOST_LONG_PAUSES_A_MINUTE = 2.0


class Insight(TypedDict):
    """A hint for the speaker; `startSecs` where in the recording, if it is about one place."""

    category: str
    severity: Severity
    message: str
    suggestion: str | None
    startSecs: NotRequired[float]


def from_numbers(metrics: Metrics, language: str) -> list[Insight]:
    """Return what the numbers say to a speaker: at most one hint a number, none where it is in its usual range."""
    found = [_loudness(metrics), _clipping(metrics), _silence(metrics)]
    if language.partition("-")[0].lower() == "en":
        found += [_pace(metrics), _fillers(metrics)]
    return [insight for insight in found if insight]


def _pace(metrics: Metrics) -> Insight | None:
    pace = metrics["wordsPerMinute"]
    if pace is None or SLOW_WORDS_PER_MINUTE <= pace <= FAST_WORDS_PER_MINUTE:
        return None
    usual = "Presentations that are followed well have 140 to 160 words a minute, conversations 110 to 150."
    if pace < SLOW_WORDS_PER_MINUTE:
        return {
            "category": "pace",
            "severity": "low",
            "message": f"You speak {pace:.0f} words a minute. {usual}",
            "suggestion": "Shorter pauses between sentences make it livelier.",
        }
    return {
        "category": "pace",
        "severity": "high" if pace > FASTEST_WORDS_PER_MINUTE else "medium",
        "message": f"You speak {pace:.0f} words a minute. {usual}",
        "suggestion": "Stop for a breath after each thought: listeners need it more than you do.",
    }


def _fillers(metrics: Metrics) -> Insight | None:
    fillers = metrics["fillers"]
    if fillers is None or fillers["per100Words"] is None or fillers["per100Words"] < MOST_FILLERS:
        return None
    most = ", ".join(f"“{word}”" for word in list(fillers["byWord"])[:3])
    return {
        "category": "fillers",
        "severity": "medium" if fillers["per100Words"] < 2 * MOST_FILLERS else "high",
        "message": f"{fillers['count']} words fill a silence, {fillers['per100Words']:.0f} in a hundred: {most}.",
        "suggestion": "A short silence is better than a filler, and nobody minds it.",
    }


def _silence(metrics: Metrics) -> Insight | None:
    minutes = metrics["totalSecs"] / 60
    long = metrics["pauses"]["longCount"]
    if metrics["speakingSecs"] == 0:
        return {
            "category": "silence",
            "severity": "high",
            "message": "Nobody can be heard speaking.",
            "suggestion": "Check which microphone is used, and come closer to it.",
        }
    if minutes < 0.5 or long / minutes <= MOST_LONG_PAUSES_A_MINUTE:
        return None
    return {
        "category": "pauses",
        "severity": "low",
        "message": f"{long} pauses last over two seconds; the longest {metrics['pauses']['longestSecs']:.0f}.",
        "suggestion": None,
    }


def _loudness(metrics: Metrics) -> Insight | None:
    loudness = metrics["loudnessDb"]
    if loudness is None or loudness >= QUIET_DB:
        return None
    return {
        "category": "loudness",
        "severity": "medium",
        "message": "The recording is very quiet.",
        "suggestion": "Come closer to the microphone, or turn it up.",
    }


def _clipping(metrics: Metrics) -> Insight | None:
    if metrics["clippedShare"] < CLIPPED_SHARE:
        return None
    return {
        "category": "loudness",
        "severity": "medium",
        "message": "The recording is so loud in places that it is distorted.",
        "suggestion": "Keep a hand's breadth from the microphone, or turn it down.",
    }
