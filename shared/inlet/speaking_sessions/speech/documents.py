"""What the stages of an analysis leave each other in the bucket, as JSON."""

import json
from dataclasses import asdict, dataclass
from typing import Literal, Self

from inlet.speaking_sessions.speech.hints import Insight
from inlet.speaking_sessions.speech.numbers import Interval, Metrics, Sound
from inlet.speaking_sessions.speech.words import Word, in_segments

type Engine = Literal["local", "gemini"]

SENTENCE_PAUSE_SECS: dict[Engine, float] = {"local": 0.4, "gemini": 2.0}
"""The pause that ends a line of a transcript: a short one where there is no punctuation that would do it."""


def sound_to_json(sound: Sound) -> bytes:
    """Write down what is heard."""
    return json.dumps(asdict(sound)).encode()


def sound_from_json(content: bytes) -> Sound:
    """Read the same."""
    members = json.loads(content)
    return Sound(**members | {"speech": [Interval(*interval) for interval in members["speech"]]})


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of a recording, and who heard them. None: the engine knows no such language."""

    engine: Engine
    language: str
    words: list[Word] | None

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read what `to_json` wrote."""
        members = json.loads(content)
        words = members["words"]
        return cls(members["engine"], members["language"], None if words is None else [Word(*word) for word in words])

    def to_json(self) -> bytes:
        """Write it down."""
        return json.dumps(asdict(self)).encode()

    @property
    def text(self) -> str | None:
        """All the words."""
        return None if self.words is None else " ".join(word.text for word in self.words)

    def row(self) -> dict[str, object] | None:
        """Return the columns of a row; None where there are no words to keep."""
        if self.words is None:
            return None
        segments = in_segments(self.words, pause_secs=SENTENCE_PAUSE_SECS[self.engine])
        return {
            "text": self.text,
            "language": self.language,
            "engine": self.engine,
            "segments": [
                {
                    "startSecs": round(segment.start_secs, 2),
                    "endSecs": round(segment.end_secs, 2),
                    "text": segment.text,
                    "words": [
                        {"text": text, "startSecs": round(start, 2), "endSecs": round(end, 2)}
                        for text, start, end in segment.words
                    ],
                }
                for segment in segments
            ],
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """The numbers of a recording, and the hints: those that follow from them, and the model's."""

    metrics: Metrics
    insights: list[Insight]

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read what `to_json` wrote."""
        return cls(**json.loads(content))

    def to_json(self) -> bytes:
        """Write it down."""
        return json.dumps(asdict(self)).encode()
