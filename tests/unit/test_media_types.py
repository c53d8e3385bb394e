"""Recordings' types: everything that sniffing calls audio has an extension, and so has everything one may announce."""

import re
from pathlib import Path

import pytest

from inlet import audio_sniffing, sniffing
from inlet.errors import InvalidRecording, MissingAudio
from inlet.speaking_sessions.media_types import EXTENSION_OF, OTHER_NAMES
from inlet.speaking_sessions.requests import CREATE_REQUEST, Announcement


def test_every_kind_of_audio_that_is_recognised_has_an_extension() -> None:
    source = "".join(Path(str(module.__file__)).read_text() for module in (sniffing, audio_sniffing))
    recognised = set(re.findall(r'"(audio/[\w-]+)"', source))
    assert recognised == set(EXTENSION_OF)
    assert all(re.fullmatch("[a-z0-9]{2,4}", extension) for extension in EXTENSION_OF.values())


@pytest.mark.parametrize("declared", [*EXTENSION_OF, *OTHER_NAMES, "audio/x-hx-aac-adts", "Audio/Ogg; codecs=opus"])
def test_any_audio_may_be_announced(declared: str) -> None:
    assert announced(declared).content_type.startswith("audio/")
    documented = CREATE_REQUEST["content"]["application/json"]["schema"]["properties"]["contentType"]["pattern"]
    assert re.match(documented, declared.lower())


@pytest.mark.parametrize("declared", ["video/webm", "audio/", "audio/../x", "audio/a b", "text/html", "", 7, None])
def test_nothing_else_may(declared: object) -> None:
    with pytest.raises((InvalidRecording, MissingAudio)):
        announced(declared)


def announced(declared: object) -> Announcement:
    return Announcement.from_json({"contentType": declared, "size": 1, "duration": 0})
