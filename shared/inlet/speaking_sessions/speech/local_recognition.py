"""Words by PocketSphinx, on this machine and without a network: English only, and rough. Half of them may be wrong."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.audio.resampler import AudioResampler

from inlet.speaking_sessions.speech.listening import SAMPLE_RATE
from inlet.speaking_sessions.speech.numbers import Interval
from inlet.speaking_sessions.speech.words import Word

if TYPE_CHECKING:
    from pocketsphinx import Decoder

LANGUAGE = "en"
LONGEST_UTTERANCE_SECS = 30.0
"""The recogniser's memory grows with what it is given at once."""

_MARGIN_SECS = 0.15
"""What the recogniser is given around a stretch of speech: words begin and end softly."""
_FRAMES_A_SECOND = 100
_NO_WORD = re.compile(r"<.*>|\[.*\]|\+\+.*\+\+")
_VARIANT = re.compile(r"\(\d+\)$")


def recognise(prepared: Path, speech: Iterable[Interval]) -> list[Word]:
    """Return the words of the FLAC that `listening` made. `speech` are the stretches to look for words in."""
    samples = _samples(prepared)
    widened = (Interval(max(0.0, start - _MARGIN_SECS), end + _MARGIN_SECS) for start, end in speech)
    return [word for start, end in _short(widened) for word in _utterance(samples, start, end)]


def _utterance(samples: bytes, start: float, end: float) -> Iterator[Word]:
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(samples[2 * int(start * SAMPLE_RATE) : 2 * int(end * SAMPLE_RATE)], full_utt=True)
    decoder.end_utt()
    for segment in decoder.seg() or ():
        if not _NO_WORD.fullmatch(segment.word):
            yield Word(
                _VARIANT.sub("", segment.word),
                start + segment.start_frame / _FRAMES_A_SECOND,
                start + (segment.end_frame + 1) / _FRAMES_A_SECOND,
            )


def _short(speech: Iterable[Interval]) -> Iterator[Interval]:
    """Yield the stretches, the long ones in pieces."""
    for start, end in speech:
        while end - start > LONGEST_UTTERANCE_SECS:
            yield Interval(start, start + LONGEST_UTTERANCE_SECS)
            start += LONGEST_UTTERANCE_SECS
        yield Interval(start, end)


def _samples(prepared: Path) -> bytes:
    """Return 16-bit samples: two megabytes a minute."""
    resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(prepared)) as source:
        frames = (frame for decoded in source.decode(audio=0) for frame in resampler.resample(decoded))
        return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)


@cache
def _decoder() -> "Decoder":
    from pocketsphinx import Decoder

    return Decoder(samprate=SAMPLE_RATE, loglevel="ERROR")
