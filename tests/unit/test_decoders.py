"""Which decoders see what a stranger sends: the one of the type that was recognised, of the four that are taken."""

import io
from typing import Any

import pytest
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from inlet import imaging
from inlet.errors import ImageRejected
from inlet.imaging import webp
from tests.support import photographs

TAKEN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "HEIF": "image/heic"}
OTHERS = ["AVIF", "BMP", "DDS", "EPS", "GIF", "ICNS", "ICO", "JPEG2000", "PCX", "PPM", "SGI", "TGA", "TIFF"]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The lists of decoders that Pillow was allowed to try."""
    allowed: list[list[str]] = []
    opening = Image.open

    def watched(content: Any, *, formats: list[str]) -> Image.Image:
        allowed.append(list(formats))
        return opening(content, formats=formats)

    monkeypatch.setattr(Image, "open", watched)
    return allowed


@pytest.mark.parametrize("picture_format", TAKEN)
def test_a_picture_meets_the_decoder_of_its_own_type_only(picture_format: str, tried: list[list[str]]) -> None:
    content = photographs.photograph(picture_format=picture_format)
    tried.clear()
    imaging.inspect(content, TAKEN[picture_format])
    imaging.prepare(content, TAKEN[picture_format])
    assert tried
    assert all(len(decoders) == 1 for decoders in tried)
    assert {decoder for (decoder,) in tried} == {picture_format}


@pytest.mark.parametrize("picture_format", OTHERS)
@pytest.mark.parametrize("declared", TAKEN.values())
def test_any_other_kind_of_picture_meets_none(picture_format: str, declared: str, tried: list[list[str]]) -> None:
    output = io.BytesIO()
    try:
        Image.new("RGB", (64, 64), "teal").save(output, picture_format)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow cannot write {picture_format}")
    tried.clear()
    with pytest.raises(ImageRejected):
        imaging.inspect(output.getvalue(), declared)
    assert tried == []


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_webp_decoded_in_little_memory_has_pillows_own_pixels(mode: str) -> None:
    content = io.BytesIO()
    picture = photographs.noise(97, 61)
    if mode == "RGBA":
        picture.putalpha(100)
    picture.save(content, "WEBP", quality=80)
    ours, pillows = Image.open(content), Image.open(content)
    assert isinstance(ours, WebPImageFile)
    decoded = webp.decode(ours)
    assert (decoded.mode, decoded.size) == (mode, (97, 61))
    assert decoded.tobytes() == pillows.tobytes()
