"""Recordings' types: everything that sniffing calls audio has an extension, and so has everything one may announce."""

import re
from pathlib import Path

from inlet import sniffing
from inlet.speaking_sessions.media_types import EXTENSION_OF
from inlet.speaking_sessions.requests import CREATE_REQUEST, Announcement


def test_every_kind_of_audio_that_is_recognised_has_an_extension() -> None:
    recognised = set(re.findall(r'"(audio/[\w-]+)"', Path(sniffing.__file__).read_text()))
    assert recognised == set(EXTENSION_OF)
    assert all(re.fullmatch("[a-z0-9]{2,4}", extension) for extension in EXTENSION_OF.values())


def test_every_documented_type_may_be_announced() -> None:
    documented = CREATE_REQUEST["content"]["application/json"]["schema"]["properties"]["contentType"]["enum"]
    for name in documented:
        announcement = Announcement.from_json({"contentType": name, "size": 1, "duration": 0})
        assert announcement.content_type in EXTENSION_OF
