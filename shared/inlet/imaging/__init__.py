"""Photographs: prove one is what it claims, make it ready for the image model, make its watermarked preview.

Every refusal is an `ImageRejected` with a sentence for the person who sent the file; no exception of Pillow
or libheif leaves this package. Nothing here keeps metadata: what goes out is new pixels, upright, in sRGB,
without EXIF, XMP, comments, colour profile or anything appended to the original.

Memory decides what a stage costs, so no picture is decoded larger than needed: a JPEG is proven whole at an
eighth of its size (the decoder still reads every byte of it) and is scaled down while it is decoded.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image

from inlet.errors import ImageRejected
from inlet.imaging import jpeg, pixels, watermark, words
from inlet.imaging.opening import decoding, kind_of, open_photograph

MODEL_INPUT_SIDE: Final = 2048
PREVIEW_SIDE: Final = 1024


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
        found = kind_of(content)
        if found != declared_type:
            raise ImageRejected(words.mislabelled(declared_type, found))
        opened = open_photograph(content)
        width, height = opened.image.size
        if opened.jpeg:
            jpeg.prove(content, opened.jpeg)
        else:
            opened.image.load()
        if pixels.orientation(opened.image) in pixels.QUARTER_TURNS:
            width, height = height, width
    return ImageFacts(width, height, declared_type)


def prepare(content: bytes) -> bytes:
    """Make the image model's input: an upright sRGB JPEG of at most 2048 px without metadata."""
    output = BytesIO()
    _picture(content, MODEL_INPUT_SIDE).save(output, "JPEG", quality=92)
    return output.getvalue()


def preview(content: bytes) -> Preview:
    """Make what anybody may see: an upright sRGB WebP of at most 1024 px, watermarked all over."""
    picture = _picture(content, PREVIEW_SIDE)
    watermark.mark(picture)
    output = BytesIO()
    picture.save(output, "WEBP", quality=80)
    return Preview(output.getvalue(), picture.width, picture.height)


def _picture(content: bytes, side: int) -> Image.Image:
    """Decode to RGB: upright, in sRGB, at most `side` pixels wide and high, with nothing but pixels."""
    with decoding(content):
        opened = open_photograph(content)
        image = opened.image
        scale = min(1.0, side / max(image.size))
        opened.load(int(image.width * scale), int(image.height * scale))
        orientation, profile = pixels.orientation(image), image.info.get("icc_profile")
        image = pixels.resizable(image)
        image.thumbnail((side, side))
    image = pixels.in_srgb(pixels.flattened(image), profile)
    if method := pixels.TRANSPOSITIONS.get(orientation):
        image = image.transpose(method)
    image.info = {}
    return image
