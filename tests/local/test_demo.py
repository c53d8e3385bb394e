"""`make demo`: one image or recording through the running stack, and clear words when that does not work."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from local import picture
from local.addresses import Addresses
from local.demo import demo
from local.stack import PROJECT, LocalStack


@pytest.fixture
def here(tmp_path: Path, stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and the worker's stack as the one that runs."""
    monkeypatch.setenv("INLET_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("OUTPUT", raising=False)
    monkeypatch.chdir(tmp_path)
    Addresses.of(stack).save()
    return tmp_path


def test_an_image_becomes_a_preview_in_the_working_directory(
    here: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path_factory.mktemp("photos") / "at the sea.jpg"
    image.write_bytes(picture.jpeg())
    assert demo(str(image)) == 0
    assert capsys.readouterr().out == "at the sea-preview.webp\n"
    with Image.open(here / "at the sea-preview.webp") as preview:
        assert (preview.format, max(preview.size)) == ("WEBP", 1024)


def test_without_an_image_a_picture_of_our_own_is_sent(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPUT", str(here / "elsewhere.webp"))
    assert demo() == 0
    assert (here / "elsewhere.webp").read_bytes()[8:12] == b"WEBP"


def test_our_own_picture_is_the_same_every_time() -> None:
    assert picture.jpeg() == picture.jpeg()
    assert Image.open(io.BytesIO(picture.jpeg())).size == picture.SIZE


def test_a_missing_file_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo("nowhere.jpg") == 1
    errors = capsys.readouterr().err
    assert "There is no file nowhere.jpg." in errors
    assert "functions.log" not in errors  # no function had a part in it


def test_a_file_that_is_no_image_is_not_even_sent(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "notes.jpg").write_text("These are no pixels.")
    assert demo("notes.jpg") == 1
    assert "none of image/jpeg, image/png, image/webp, image/heic" in " ".join(capsys.readouterr().err.split())


def test_a_job_that_fails_says_what_its_owner_is_told_and_where_the_log_is(
    here: Path, stack: LocalStack, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "torn.jpg").write_bytes(picture.jpeg()[:5000])
    assert demo("torn.jpg") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "The demo failed." in captured.err
    assert "Processing failed" not in captured.err  # the reason is known, so it is told
    assert f"What the functions logged: {stack.function_log}\n" in captured.err
    assert not (here / "torn-preview.webp").exists()


def test_a_stack_that_does_not_answer_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = here / "stack.json"
    file.write_text(file.read_text().replace('"url": "http://127.0.0.1:', '"url": "http://127.0.0.1:9/'))
    assert demo() == 1
    assert "No answer" in capsys.readouterr().err


def test_a_recording_becomes_a_transcript_and_numbers(
    tmp_path: Path, open_stack: Callable[..., LocalStack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INLET_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("OUTPUT", raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copy(PROJECT / "tests" / "support" / "speech" / "austen.flac", tmp_path / "austen.flac")
    with open_stack(ANALYSIS="local") as stack:
        Addresses.of(stack).save()
        assert demo(audio="austen.flac") == 0
    told = json.loads((tmp_path / "austen-analysis.json").read_text())
    assert "amiable" in told["transcript"]["text"]
    assert told["transcript"]["engine"] == "local"
    assert 0 < told["metrics"]["speakingSecs"] < told["metrics"]["totalSecs"] == told["durationSecs"]


def test_a_recording_that_cannot_be_sent_is_refused_in_words(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "notes.wav").write_text("These are no sounds.")
    for audio, image, words in (
        ("nowhere.wav", "", "There is no file nowhere.wav."),
        ("notes.wav", "", "The file is none of audio/3gpp,"),
        ("notes.wav", "photo.jpg", "One thing at a time"),
    ):
        assert demo(image, audio) == 1
        assert words in " ".join(capsys.readouterr().err.split())
