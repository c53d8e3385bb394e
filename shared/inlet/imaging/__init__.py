"""Photographs: prove one is what it claims, make it ready for the image model, make its watermarked preview.

Every refusal is an `ImageRejected` with a sentence for the person who sent the file; no exception of Pillow
or libheif leaves this package. Nothing here keeps metadata: what goes out is new pixels, upright, in sRGB,
without EXIF, XMP, comments, colour profile or anything appended to the original.

Memory decides what a stage costs, so no picture is decoded larger than needed: a JPEG is proven whole at an
eighth of its size (the decoder still reads every byte of it) and is scaled down while it is decoded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image

from inlet.errors import ImageRejected
from inlet.imaging import pixels, words
from inlet.imaging.opening import Opened, decoding, kind_of, open_photograph

MODEL_INPUT_SIDE: Final = 2048
PREVIEW_SIDE: Final = 1024
_NEARLY: Final = 7 / 8
"""A side that a decoder, or a mean of whole pixels, makes is taken when it is this near. It costs a fraction of a
resampling to the very pixel, and most phones' pictures have 4,032, half of which is near enough."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a photograph was found to be; width and height in pixels, as a person sees it: upright."""

    width: int
    height: int
    content_type: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A watermarked WebP and its size in pixels."""

    content: bytes
    width: int
    height: int


def inspect(content: bytes, declared_type: str) -> ImageFacts:
    """Prove that `content` is one whole picture of the declared MIME type, or raise `ImageRejected`.

    Magic bytes, declared type and the decoder that opens the file agree; at most 40 megapixels, looked at
    before decoding; one frame; nothing missing at the end. Phones store by-products behind a photo (a JPEG's
    depth or gain map as MPO or Ultra HDR; a HEIC's depth, thumbnails, bursts): the primary picture counts.
    Animations and sequences are refused.
    """
    with decoding(content):
        opened = _opened_as(content, declared_type)
        width, height = opened.image.size
        opened.prove(1, 1)
        if pixels.orientation(opened.image) in pixels.QUARTER_TURNS:
            width, height = height, width
    return ImageFacts(width, height, declared_type)


def prepare(content: bytes, declared_type: str) -> bytes:
    """Prove the same as `inspect`, and make the image model's input of the same decoded pixels.

    That is an upright sRGB JPEG of at most 2048 px without metadata.
    """
    with decoding(content):
        picture = _reduced(_opened_as(content, declared_type), MODEL_INPUT_SIDE, Opened.prove)
    output = BytesIO()
    picture.save(output, "JPEG", quality=92)
    return output.getvalue()


def preview(content: bytes) -> Preview:
    """Make what anybody may see: an upright sRGB WebP of at most 1024 px, watermarked all over."""
    from inlet.imaging import watermark  # FreeType and all: nothing else here draws

    with decoding(content):
        picture = _reduced(open_photograph(content), PREVIEW_SIDE, Opened.load)
    watermark.mark(picture)
    output = BytesIO()
    picture.save(output, "WEBP", quality=80)
    return Preview(output.getvalue(), picture.width, picture.height)


def _opened_as(content: bytes, declared_type: str) -> Opened:
    """Read the header of what is to be of the declared type."""
    found = kind_of(content)
    if found != declared_type:
        raise ImageRejected(words.mislabelled(declared_type, found))
    return open_photograph(content)


def _reduced(opened: Opened, side: int, decode: Callable[[Opened, int, int], Image.Image]) -> Image.Image:
    """Decode to RGB: upright, in sRGB, at most `side` pixels wide and high, with nothing but pixels."""
    header, least = opened.image, side * _NEARLY
    scale = min(1.0, least / max(header.size))
    decoded = decode(opened, int(header.width * scale), int(header.height * scale))
    # Afterwards: Pillow decodes a PNG in search of its orientation, and what is wrong with its pixels would get lost.
    orientation, profile = pixels.orientation(header), header.info.get("icc_profile")
    image = pixels.resizable(decoded)
    if (whole := int(max(image.size) / least)) > 1:
        image = image.reduce(whole)
    del opened, header, decoded  # the whole picture's pixels are most of the memory
    image.thumbnail((side, side))
    image = pixels.in_srgb(pixels.flattened(image), profile)
    if method := pixels.TRANSPOSITIONS.get(orientation):
        image = image.transpose(method)
    image.info = {}
    return image
