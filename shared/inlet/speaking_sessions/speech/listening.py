"""Hears a recording: decodes whatever a browser or a phone made, and finds when somebody speaks.

FFmpeg decodes, as PyAV brings it. A recording comes from a stranger: only the formats of recordings are tried, none of
which may open another file or address, and nothing is held but one packet and two numbers for each 20 ms.
"""

import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import audioop
import av
from av.audio.resampler import AudioResampler

from inlet.errors import RecordingRejected
from inlet.speaking_sessions.speech.numbers import Interval, Sound

SAMPLE_RATE = 16_000
"""Samples a second of what models and recognisers are given."""
LONGEST_SECS = 60 * 60

_WINDOW_SECS = 0.02
_WINDOW = int(SAMPLE_RATE * _WINDOW_SECS)
_FULL_SCALE = 32768
_CLIPPED = 32700  # a sample at the limit, less what resampling makes of it
_FORMATS = "aac,aiff,amr,caf,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,ogg,wav,w64"
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "", "max_streams": "32"}

# Speech is what is well above the recording's own noise, and not as quiet as a room. The numbers were tried on real
# recordings (tests/unit/test_listening.py).
_QUIETEST_SPEECH_DB = -50.0
_ABOVE_NOISE_DB = 9.0
_SHORTEST_SPEECH = 0.10
_SHORTEST_SILENCE = 0.25


def listen(recording: IO[bytes], prepared: Path) -> Sound:
    """Decode a recording, write it to `prepared` as FLAC of one channel at `SAMPLE_RATE`, and say what is heard.

    Raises `RecordingRejected`, in words for its speaker, where no audio can be decoded or it is over an hour. What is
    damaged or cut off is heard as far as it goes.
    """
    levels, peaks = array("f"), array("H")
    samples = 0
    with av.open(str(prepared), "w", format="flac") as target:
        stream = target.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        for frame in _frames(recording):
            window = bytes(frame.planes[0])[: 2 * frame.samples]
            levels.append(_decibels(audioop.rms(window, 2)))
            peaks.append(min(audioop.max(window, 2), 2**16 - 1))
            samples += frame.samples
            if samples > LONGEST_SECS * SAMPLE_RATE:
                raise RecordingRejected("This recording is longer than an hour. Please send it in parts.")
            for packet in stream.encode(frame):
                target.mux(packet)
        if samples == 0:
            raise RecordingRejected("There is no sound in this file that we can decode. Please record it again.")
        for packet in stream.encode(None):
            target.mux(packet)
    return heard(levels, peaks, samples / SAMPLE_RATE)


def heard(levels: array[float], peaks: array[int], total_secs: float) -> Sound:
    """Tell speech from silence. `levels` are decibels, `peaks` the loudest samples, both by windows of 20 ms."""
    threshold = max(_QUIETEST_SPEECH_DB, _noise(levels) + _ABOVE_NOISE_DB)
    speech = _stretches([level > threshold for level in levels])
    inside = [number for start, end in speech for number in range(start, end)]
    energy = sum(10 ** (levels[number] / 10) for number in inside)
    return Sound(
        total_secs=total_secs,
        speech=[Interval(start * _WINDOW_SECS, min(end * _WINDOW_SECS, total_secs)) for start, end in speech],
        loudness_db=10 * math.log10(energy / len(inside)) if inside else None,
        clipped_share=sum(peaks[number] >= _CLIPPED for number in inside) / len(inside) if inside else 0.0,
    )


def _frames(recording: IO[bytes]) -> Iterator[av.AudioFrame]:
    """Yield the sound in windows of one channel; skip what cannot be decoded."""
    resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE, frame_size=_WINDOW)
    try:
        with av.open(recording, "r", container_options=_OPTIONS) as source:
            if not source.streams.audio:
                return
            for packet in source.demux(source.streams.audio[0]):
                try:
                    decoded = packet.decode()
                except av.error.FFmpegError:
                    continue
                for frame in decoded:
                    frame.pts = None  # gaps in a recording's clock are no silence
                    yield from resampler.resample(frame)
    except (av.error.FFmpegError, ValueError):  # at its beginning: no recording; later: cut off
        pass
    yield from resampler.resample(None)


def _noise(levels: array[float]) -> float:
    """Return the level that a tenth of the recording is below: its silences, unless there are none."""
    return sorted(levels)[len(levels) // 10]


def _stretches(loud: list[bool]) -> list[tuple[int, int]]:
    """Return where it is loud, as windows from and to: without clicks, and with the short silences within words."""
    found: list[tuple[int, int]] = []
    start = None
    for number, is_loud in enumerate([*loud, False]):
        if is_loud and start is None:
            start = number
        elif not is_loud and start is not None:
            if found and (start - found[-1][1]) * _WINDOW_SECS < _SHORTEST_SILENCE:
                found[-1] = (found[-1][0], number)
            else:
                found.append((start, number))
            start = None
    return [(start, end) for start, end in found if (end - start) * _WINDOW_SECS >= _SHORTEST_SPEECH]


def _decibels(rms: int) -> float:
    return 20 * math.log10(max(rms, 1) / _FULL_SCALE)
