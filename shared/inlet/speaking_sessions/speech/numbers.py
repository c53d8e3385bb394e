"""Every number about a speech, computed by us: of when somebody speaks, and of the words.

Nothing here asks a model. docs/speech.md defines each number with its threshold, and says where the ranges come from.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypedDict

PAUSE_SECS = 0.5
LONG_PAUSE_SECS = 2.0
LEAST_SECS = 30.0
"""Of less, or of fewer than `LEAST_WORDS` words, no rate is told: it would be chance."""
LEAST_WORDS = 50

FILLERS = {
    "en": (
        *("ah", "eh", "er", "erm", "hm", "hmm", "mm", "uh", "uhm", "um", "umm"),
        *("i mean", "kind of", "sort of", "you know"),
    )
}
"""By language: what fills a silence, in one word or several. Only what hardly ever has a meaning; `like` often does."""

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")


class Interval(NamedTuple):
    """A stretch of time, in seconds from the recording's start."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Sound:
    """What can be heard without understanding a word.

    `speech` are the stretches in which somebody speaks, in order and apart. `loudness_db` is the mean level of these,
    in decibels below the loudest possible; None where nobody speaks. `clipped_share` is the share of them that was too
    loud to be recorded.
    """

    total_secs: float
    speech: Sequence[Interval]
    loudness_db: float | None
    clipped_share: float


class Fillers(TypedDict):
    """How often a silence was filled, in all and by word. `per100Words` is null where words are too few."""

    count: int
    per100Words: float | None
    byWord: dict[str, int]


class Pauses(TypedDict):
    """Silences of half a second and more between the first word and the last, those of two seconds, and the longest."""

    count: int
    longCount: int
    longestSecs: float


class Run(TypedDict):
    """A stretch without a pause."""

    startSecs: float
    endSecs: float


class Metrics(TypedDict):
    """The numbers of a recording. Those of its words are null where there is no transcript, rates where it is short.

    `wordsPerMinute` counts the whole time from the first word to the last, `articulationRate` the time spent speaking.
    `vocabulary` is the share of different words. `repeatedWords` counts words said twice in a row.
    """

    totalSecs: float
    speakingSecs: float
    longestRunSecs: float
    runs: list[Run]
    pauses: Pauses
    loudnessDb: float | None
    clippedShare: float
    words: int | None
    wordsPerMinute: float | None
    articulationRate: float | None
    vocabulary: float | None
    repeatedWords: int | None
    fillers: Fillers | None


def measure(sound: Sound, text: str | None, language: str) -> Metrics:
    """Compute all numbers. `text` is the transcript, None where there is none; `language` a tag such as `en-GB`."""
    words = None if text is None else spoken_words(text)
    stretches = runs(sound.speech)
    speaking = sum(end - start for start, end in sound.speech)
    spanned = sound.speech[-1].end - sound.speech[0].start if sound.speech else 0.0
    enough = words is not None and len(words) >= LEAST_WORDS and spanned >= LEAST_SECS
    return {
        "totalSecs": _rounded(sound.total_secs),
        "speakingSecs": _rounded(speaking),
        "longestRunSecs": _rounded(max((end - start for start, end in stretches), default=0.0)),
        "runs": [{"startSecs": _rounded(start), "endSecs": _rounded(end)} for start, end in stretches],
        "pauses": _pauses(stretches),
        "loudnessDb": None if sound.loudness_db is None else round(sound.loudness_db, 1),
        "clippedShare": round(sound.clipped_share, 4),
        "words": None if words is None else len(words),
        "wordsPerMinute": _rounded(60 * len(words) / spanned) if words and enough else None,
        "articulationRate": _rounded(60 * len(words) / speaking) if words and enough and speaking else None,
        "vocabulary": round(len(set(words)) / len(words), 3) if words and enough else None,
        "repeatedWords": None if words is None else _repeated(words),
        "fillers": _fillers(words, language, enough=enough) if words is not None else None,
    }


def spoken_words(text: str) -> list[str]:
    """Return the words of a text in order, without punctuation, alike in upper and lower case."""
    return [word.replace("’", "'").casefold() for word in _WORD.findall(text)]


def runs(speech: Sequence[Interval]) -> list[Interval]:
    """Return the stretches between two pauses: shorter silences are part of them."""
    found: list[Interval] = []
    for start, end in speech:
        if found and start - found[-1].end < PAUSE_SECS:
            found[-1] = Interval(found[-1].start, end)
        else:
            found.append(Interval(start, end))
    return found


def _pauses(stretches: Sequence[Interval]) -> Pauses:
    silences = [after.start - before.end for before, after in pairwise(stretches)]
    return {
        "count": len(silences),
        "longCount": sum(silence >= LONG_PAUSE_SECS for silence in silences),
        "longestSecs": _rounded(max(silences, default=0.0)),
    }


def _fillers(words: Sequence[str], language: str, *, enough: bool) -> Fillers | None:
    """Count fillers; None in a language whose fillers we do not know."""
    known = FILLERS.get(language.partition("-")[0].lower())
    if known is None:
        return None
    phrases = {tuple(filler.split()) for filler in known}
    longest = max(map(len, phrases))
    by_word: Counter[str] = Counter()
    position = 0
    while position < len(words):
        taken = next((size for size in range(longest, 0, -1) if tuple(words[position : position + size]) in phrases), 0)
        if taken:
            by_word[" ".join(words[position : position + taken])] += 1
        position += max(1, taken)
    count = by_word.total()
    return {
        "count": count,
        "per100Words": _rounded(100 * count / len(words)) if enough else None,
        "byWord": dict(by_word.most_common()),
    }


def _repeated(words: Sequence[str]) -> int:
    return sum(word == before for before, word in pairwise(words))


def _rounded(number: float) -> float:
    return round(number, 2)
