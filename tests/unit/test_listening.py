"""What is heard in recordings: real speech in every container a recorder makes, and whatever else is sent as one."""

import io
import re
import subprocess
from pathlib import Path

import pytest

from inlet.errors import RecordingRejected
from inlet.speaking_sessions.speech import listening, local_recognition, numbers
from inlet.speaking_sessions.speech.numbers import Sound
from tests.support import recordings
from tests.support.recordings import ENCODINGS, Encoding

SPEECH = Path(__file__).parent.parent / "support" / "speech" / "austen.flac"
SECONDS = 24.73
# From the first sound of each sentence to its last, as a forced alignment with the text tells it.
SPOKEN = [(0.20, 6.79), (7.31, 9.84), (10.36, 15.18), (15.61, 21.22), (21.65, 24.46)]
SENTENCES = """\
and mister john dashwood had then leisure to consider how much there might be prudently in his power to do for them
he was not an ill disposed young man unless to be rather cold hearted and rather selfish is to be ill disposed
had he married a more amiable woman he might have been made still more respectable than he was
he might even have been made amiable himself"""
WORDS = re.findall("[a-z]+", SENTENCES)

pytestmark = pytest.mark.skipif("ffmpeg" in recordings.MISSING, reason="needs ffmpeg")


def hear(content: bytes, folder: Path) -> Sound:
    return listening.listen(io.BytesIO(content), folder / "audio.flac")


def made(folder: Path, *arguments: str, name: str = "made.wav") -> bytes:
    """A recording that ffmpeg makes."""
    target = folder / name
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments, str(target)], check=True, capture_output=True)
    return target.read_bytes()


def assert_is_the_speech(heard: Sound) -> None:
    """Every sentence within a third of a second, the whole time spent speaking within six percent."""
    assert heard.total_secs == pytest.approx(SECONDS, abs=0.15)
    stretches = numbers.runs(heard.speech)
    assert len(stretches) == len(SPOKEN)
    for stretch, truth in zip(stretches, SPOKEN, strict=True):
        assert stretch == pytest.approx(truth, abs=0.35)
    assert sum(end - start for start, end in stretches) == pytest.approx(22.36, rel=0.06)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sentences as they come from a microphone."""
    folder = tmp_path_factory.mktemp("spoken")
    made(folder, "-i", str(SPEECH), name="spoken.wav")
    return folder / "spoken.wav"


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_speech_is_the_same_in_every_container(encoding: Encoding, spoken: Path, tmp_path: Path) -> None:
    assert_is_the_speech(hear(recordings.encode(spoken, encoding), tmp_path))


@pytest.mark.parametrize(
    ("made_by", "name"),
    [
        (("-ar", "8000", "-c:a", "pcm_mulaw"), "telephone.wav"),
        (("-ac", "2", "-ar", "48000"), "stereo.wav"),
        (("-c:a", "libopus", "-f", "webm", "-live", "1"), "without a duration.webm"),
        (("-f", "lavfi", "-i", "color=c=black:s=64x64:r=5", "-shortest", "-c:a", "aac"), "a video.mp4"),
        (
            (
                "-f",
                "aiff",
            ),
            "recording.aiff",
        ),
        (
            (
                "-f",
                "caf",
            ),
            "recording.caf",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_speech_is_the_same_however_it_was_recorded(
    made_by: tuple[str, ...], name: str, spoken: Path, tmp_path: Path
) -> None:
    assert_is_the_speech(hear(made(tmp_path, "-i", str(spoken), *made_by, name=name), tmp_path))


def test_room_noise_is_no_speech(spoken: Path, tmp_path: Path) -> None:
    noisy = ("-filter_complex", "anoisesrc=a=0.004:d=24.7[n];[0][n]amix=inputs=2:normalize=0")
    assert_is_the_speech(hear(made(tmp_path, "-i", str(spoken), *noisy), tmp_path))


@pytest.mark.parametrize("source", ["anullsrc=d=8", "anoisesrc=d=8:a=0.2", "sine=d=8"])
def test_in_silence_noise_and_a_tone_nobody_speaks(source: str, tmp_path: Path) -> None:
    heard = hear(made(tmp_path, "-f", "lavfi", "-i", source), tmp_path)
    assert heard.total_secs == pytest.approx(8, abs=0.1)
    assert heard.speech == []
    assert heard.loudness_db is None


def test_too_loud_and_too_quiet_is_told(spoken: Path, tmp_path: Path) -> None:
    loud = hear(made(tmp_path, "-i", str(spoken), "-af", "volume=20dB"), tmp_path)
    plain = hear(spoken.read_bytes(), tmp_path)
    assert loud.clipped_share > 0.05
    assert plain.clipped_share == 0
    quiet = hear(made(tmp_path, "-i", str(spoken), "-af", "volume=-15dB"), tmp_path)
    assert plain.loudness_db is not None
    assert quiet.loudness_db == pytest.approx(plain.loudness_db - 15, abs=1.5)


def test_a_recording_that_was_cut_off_is_heard_as_far_as_it_goes(spoken: Path, tmp_path: Path) -> None:
    content = recordings.encode(spoken, next(one for one in ENCODINGS if one.name == "mp3"))
    heard = hear(content[: len(content) // 2], tmp_path)
    assert heard.total_secs == pytest.approx(SECONDS / 2, abs=0.5)
    assert numbers.runs(heard.speech)[0] == pytest.approx(SPOKEN[0], abs=0.25)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF" + bytes(500),
        b"hello " * 100,
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",  # a list of other files, which must not be opened
        b"ffconcat version 1.0\nfile /etc/hostname\n",
    ],
)
def test_what_is_no_recording_is_refused_in_words(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(RecordingRejected, match="no sound"):
        hear(content, tmp_path)


def test_a_picture_without_sound_is_refused_in_words(tmp_path: Path) -> None:
    silent = made(tmp_path, "-f", "lavfi", "-i", "color=c=black:s=64x64:d=1", name="silent.mp4")
    with pytest.raises(RecordingRejected, match="no sound"):
        hear(silent, tmp_path)


def test_more_than_an_hour_is_refused_in_words(spoken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listening.LONGEST_SECS == 3600
    monkeypatch.setattr(listening, "LONGEST_SECS", 20)
    with pytest.raises(RecordingRejected, match="longer than an hour"):
        hear(spoken.read_bytes(), tmp_path)


def test_what_models_are_given_is_the_same_speech(spoken: Path, tmp_path: Path) -> None:
    content = recordings.encode(spoken, next(one for one in ENCODINGS if one.name == "webm"))
    hear(content, tmp_path)
    prepared = (tmp_path / "audio.flac").read_bytes()
    assert prepared.startswith(b"fLaC")
    assert_is_the_speech(hear(prepared, tmp_path / ".."))


def test_most_words_of_clear_speech_are_recognised_where_they_are_spoken(tmp_path: Path) -> None:
    heard = hear(SPEECH.read_bytes(), tmp_path)
    words = local_recognition.recognise(tmp_path / "audio.flac", numbers.runs(heard.speech))
    assert len(words) == pytest.approx(len(WORDS), rel=0.1)
    right = [word for word in words if word.text in WORDS]
    assert len(right) > 0.65 * len(WORDS), "rough, and labelled so"
    assert [word.start_secs for word in words] == sorted(word.start_secs for word in words)
    (amiable, *_) = [word for word in words if word.text == "respectable"]
    assert 15.6 < amiable.start_secs < amiable.end_secs < 21.3
