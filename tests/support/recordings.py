"""Recordings for tests: spoken by espeak-ng and encoded by ffmpeg where the machine has both, or plain tones."""

import io
import math
import shutil
import struct
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Encoding:
    """How ffmpeg makes a kind of recording, what a client may call it, and what we call it."""

    name: str
    arguments: tuple[str, ...]
    declared: str
    content_type: str
    extension: str


ENCODINGS = (
    Encoding("webm", ("-c:a", "libopus", "-f", "webm"), "audio/webm;codecs=opus", "audio/webm", "webm"),
    Encoding("ogg", ("-c:a", "libopus", "-f", "ogg"), "audio/ogg; codecs=opus", "audio/ogg", "ogg"),
    Encoding("vorbis", ("-c:a", "libvorbis", "-f", "ogg"), "AUDIO/OGG", "audio/ogg", "ogg"),
    Encoding("m4a", ("-c:a", "aac", "-f", "ipod"), "audio/x-m4a", "audio/mp4", "m4a"),
    # As Safari's MediaRecorder writes it.
    Encoding(
        "mp4", ("-c:a", "aac", "-f", "mp4", "-movflags", "frag_keyframe+empty_moov"), "audio/mp4", "audio/mp4", "m4a"
    ),
    Encoding("3gp", ("-c:a", "aac", "-f", "3gp"), "audio/mp4", "audio/3gpp", "m4a"),
    Encoding("mp3", ("-c:a", "libmp3lame", "-f", "mp3"), "audio/mpeg", "audio/mpeg", "mp3"),
    Encoding("bare mp3", ("-c:a", "libmp3lame", "-id3v2_version", "0", "-f", "mp3"), "audio/mp3", "audio/mpeg", "mp3"),
    Encoding("aac", ("-c:a", "aac", "-f", "adts"), "audio/aac", "audio/aac", "aac"),
    Encoding("flac", ("-c:a", "flac", "-f", "flac"), "audio/../../x", "audio/flac", "flac"),
    Encoding("wav", ("-c:a", "pcm_s16le", "-f", "wav"), "audio/wav", "audio/wav", "wav"),
)
MISSING = [program for program in ("espeak-ng", "ffmpeg") if shutil.which(program) is None]


def speak(text: str, file: Path) -> Path:
    """A WAV file of a voice that says `text`."""
    subprocess.run(["espeak-ng", "-w", str(file), text], check=True, capture_output=True)
    return file


def encode(spoken: Path, encoding: Encoding) -> bytes:
    """The spoken words in another format, as a recorder would write them to a file."""
    target = spoken.with_name(f"encoded {encoding.name}")
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(spoken), *encoding.arguments, str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return target.read_bytes()


def tone(seconds: float = 0.1) -> bytes:
    """A WAV file made without a program: 8 kHz, mono, 16 bits, so 16,000 bytes a second."""
    samples = (int(8000 * math.sin(position / 5)) for position in range(int(8000 * seconds)))
    return wav(b"".join(struct.pack("<h", sample) for sample in samples))


def speechlike() -> bytes:
    """A second of a tone between two of silence: what is taken for somebody who speaks."""
    silence = bytes(16_000)
    return wav(silence + tone(1)[44:] + silence)


def wav(samples: bytes) -> bytes:
    """The samples with a header before them."""
    target = io.BytesIO()
    with wave.open(target, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(8000)
        recording.writeframes(samples)
    return target.getvalue()
