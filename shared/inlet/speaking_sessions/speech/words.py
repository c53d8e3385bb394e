"""The words of a recording, each with its time, and the sentences they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

SENTENCE_END = (".", "!", "?", "…", "。", "！", "？")
LONGEST_SEGMENT_SECS = 20.0
"""A speaker who never ends a sentence still gets lines to click on."""


class Word(NamedTuple):
    """A word as it was heard, with its punctuation; seconds from the recording's start."""

    text: str
    start_secs: float
    end_secs: float


@dataclass(frozen=True, slots=True)
class Segment:
    """Words that belong together: a sentence, or what was said between two pauses."""

    words: Sequence[Word]

    @property
    def text(self) -> str:
        """The words as they are read."""
        return " ".join(word.text for word in self.words)

    @property
    def start_secs(self) -> float:
        """When the first word begins."""
        return self.words[0].start_secs

    @property
    def end_secs(self) -> float:
        """When the last word ends."""
        return self.words[-1].end_secs


def in_segments(words: Sequence[Word], *, pause_secs: float) -> list[Segment]:
    """Divide words at the ends of sentences, at pauses of at least `pause_secs`, and before a segment gets too long."""
    segments: list[Segment] = []
    current: list[Word] = []
    for word in words:
        if current and (
            current[-1].text.endswith(SENTENCE_END)
            or word.start_secs - current[-1].end_secs >= pause_secs
            or word.end_secs - current[0].start_secs > LONGEST_SEGMENT_SECS
        ):
            segments.append(Segment(current))
            current = []
        current.append(word)
    return [*segments, Segment(current)] if current else segments
