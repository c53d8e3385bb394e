"""Photographs: prove one is what it claims, make it ready for the image model, make its watermarked preview.

Every refusal is an `ImageRejected` with a sentence for the person who sent the file; no exception of Pillow
or libheif leaves this module. Nothing here keeps metadata: what goes out is new pixels, upright, in sRGB,
without EXIF, XMP, comments, colour profile or anything appended to the original.

Memory decides what a stage costs, so no picture is decoded larger than needed: a JPEG is proven whole at an
eighth of its size (the decoder still reads every byte of it) and is scaled down while it is decoded.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Final

# With its plugins imported by name, Pillow has no reason to import all the others.
from PIL import Image, ImageChops, ImageDraw, ImageFont, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from inlet.errors import ImageRejected
from inlet.sniffing import sniff

if TYPE_CHECKING:
    from PIL import ImageCms

MAXIMUM_PIXELS: Final = 40_000_000
MINIMUM_SIDE: Final = 8
"""Pixels. Less is no photograph, and a model call would be paid for nothing."""
MAXIMUM_ASPECT: Final = 32
"""The longer side by the shorter one: a panorama has 6; a strip would vanish when it is scaled down."""
MAXIMUM_SCANS: Final = 100
"""A progressive JPEG has about ten. One more pass over all pixels costs an attacker a few bytes."""
MODEL_INPUT_SIDE: Final = 2048
PREVIEW_SIDE: Final = 1024
WATERMARK: Final = "Inlet preview"

_FORMATS: Final = {
    "image/jpeg": JpegImagePlugin.JpegImageFile.format,
    "image/png": PngImagePlugin.PngImageFile.format,
    "image/webp": WebPImagePlugin.WebPImageFile.format,
    "image/heic": "HEIF",
}
_NAMES: Final = {
    "image/jpeg": "a JPEG",
    "image/png": "a PNG",
    "image/webp": "a WebP",
    "image/heic": "a HEIC",
    "image/gif": "a GIF",
    "image/avif": "an AVIF",
    "image/svg+xml": "an SVG drawing",
    "text/html": "a web page",
    "application/pdf": "a PDF",
}

_EMPTY: Final = "This file is empty. Please choose a photo."
_UNKNOWN: Final = "We can't read this kind of file. Please choose a JPEG, PNG, WebP or HEIC photo."
_INCOMPLETE: Final = "This photo is incomplete: its end is missing. Please upload it again."
_DAMAGED: Final = "This photo is damaged and can't be opened. Please try another one."
_TOO_LARGE: Final = "This photo has more than 40 megapixels. Please choose a smaller one."
_TOO_SMALL: Final = f"This photo is less than {MINIMUM_SIDE} pixels wide or high. Please choose a larger one."
_TOO_NARROW: Final = "This picture is too long and narrow. Please choose a photo of an ordinary shape."
_MOVING: Final = "This is an animation, not a photo. Please choose a still picture."
_TOO_MUCH_TEXT: Final = "This photo carries too much hidden text. Please save it again as a plain photo."
_TOO_MANY_SCANS: Final = "This photo is stored in a way we can't accept. Please save it again as a JPEG."

# What Pillow and libheif raise on broken files, by fuzzing. Anything else is a mistake of ours and passes.
_DECODER_ERRORS: Final = (EOFError, OSError, RuntimeError, SyntaxError, ValueError)

_ORIENTATION_TAG: Final = 0x0112
_TRANSPOSITIONS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUARTER_TURNS: Final = frozenset({5, 6, 7, 8})
_JPEG_MARKER: Final = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
_PNG_END: Final = b"IEND\xaeB`\x82"

# Both are process-wide. Decoders that allocate as they open a file ask Pillow for the first.
Image.MAX_IMAGE_PIXELS = MAXIMUM_PIXELS
PngImagePlugin.MAX_TEXT_MEMORY = 4 * 1024 * 1024


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
    found = sniff(content)
    if found in _FORMATS and found != declared_type:
        declared = _NAMES.get(declared_type, "something else")
        raise ImageRejected(f"This photo was sent as {declared} but is {_NAMES[found]}. Please send it again.")
    with _decoding():
        image = _open(content)
        width, height = image.size
        image.draft(None, (1, 1))
        image.load()
        if _orientation(image) in _QUARTER_TURNS:
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
    _watermark(picture)
    output = BytesIO()
    picture.save(output, "WEBP", quality=80)
    return Preview(output.getvalue(), picture.width, picture.height)


@contextmanager
def _decoding() -> Iterator[None]:
    """Turn whatever a decoder complains of into a sentence for a person."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd but readable files, which helps nobody here, and of too many pixels, which
            # is to be an error.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageRejected(_TOO_LARGE) from None
    except _DECODER_ERRORS as error:
        if "MAX_TEXT" in str(error):
            raise ImageRejected(_TOO_MUCH_TEXT) from None
        raise ImageRejected(_INCOMPLETE if "truncated" in str(error) else _DAMAGED) from error


def _open(content: bytes) -> Image.Image:
    """Open the header, refusing what can be told from it; only the sniffed type's decoder is ever tried."""
    found = sniff(content) or ""
    if found not in _FORMATS:
        raise ImageRejected(_refusal(content, found))
    if found == "image/jpeg" and _scans(content) > MAXIMUM_SCANS:
        raise ImageRejected(_TOO_MANY_SCANS)
    if found == "image/png" and content.rfind(_PNG_END) < 0:
        raise ImageRejected(_INCOMPLETE)
    if found == "image/webp" and len(content) < 8 + int.from_bytes(content[4:8], "little"):
        raise ImageRejected(_INCOMPLETE)
    if found == "image/heic":
        _refuse_heic(content)
        _register_heic()
    image = Image.open(BytesIO(content), formats=[_FORMATS[found]])
    if min(image.size) < MINIMUM_SIDE:
        raise ImageRejected(_TOO_SMALL)
    if max(image.size) > MAXIMUM_ASPECT * min(image.size):
        raise ImageRejected(_TOO_NARROW)
    if found in ("image/png", "image/webp") and getattr(image, "n_frames", 1) > 1:
        raise ImageRejected(_MOVING)
    return image


def _refusal(content: bytes, found: str) -> str:
    if not content:
        return _EMPTY
    if found == "image/heic-sequence":
        return _MOVING
    if name := _NAMES.get(found):
        return f"This is {name}, which we can't read. Please choose a JPEG, PNG, WebP or HEIC photo."
    return _UNKNOWN


def _scans(content: bytes) -> int:
    """Count the scans of a JPEG's first picture by walking its markers, up to one over the limit."""
    scans = position = 0
    while scans <= MAXIMUM_SCANS and (marker := _JPEG_MARKER.search(content, position)):
        if marker[1] == b"\xd9":
            break
        scans += marker[1] == b"\xda"
        position = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2])
    return scans


def _refuse_heic(content: bytes) -> None:
    """Walk the boxes of the top level: `moov` is a sequence, and what runs past the end was cut off."""
    position = 0
    while len(head := content[position : position + 16]) >= 8:
        size, kind = int.from_bytes(head[:4]), head[4:8]
        if kind == b"moov":
            raise ImageRejected(_MOVING)
        if size == 1:
            size = int.from_bytes(head[8:])
        if size < 8 or (kind == b"ftyp" and position):
            return  # the last box, or a clip that a phone wrote behind the picture
        position += size
        if position > len(content) and kind in (b"meta", b"mdat", b"idat"):
            raise ImageRejected(_INCOMPLETE)


@cache
def _register_heic() -> None:
    # Imported for HEIC only: the library costs every other start. An embedded thumbnail may show something
    # else than the picture, and further images are never read.
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def _orientation(image: Image.Image) -> int:
    """Read the EXIF orientation, 1 to 8; broken EXIF says nothing and is no reason to refuse a photo."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except _DECODER_ERRORS:
        return 1
    return orientation if orientation in _TRANSPOSITIONS else 1


def _picture(content: bytes, side: int) -> Image.Image:
    """Decode to RGB: upright, in sRGB, at most `side` pixels wide and high, with nothing but pixels."""
    with _decoding():
        image = _open(content)
        scale = min(1.0, side / max(image.size))
        image.draft(None, (int(image.width * scale), int(image.height * scale)))
        image.load()
        orientation, profile = _orientation(image), image.info.get("icc_profile")
        image = _resizable(image)
        image.thumbnail((side, side))
        image = _in_srgb(_flattened(image), profile)
    if method := _TRANSPOSITIONS.get(orientation):
        image = image.transpose(method)
    image.info = {}
    return image


def _resizable(image: Image.Image) -> Image.Image:
    """Bring any mode to one that scales well: L, RGB, RGBA or CMYK."""
    if image.mode.startswith("I"):  # 16-bit grey; a plain conversion would clip all but the darkest tones
        image = image.point(lambda value: value / 256)
        return image.convert("L")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _flattened(image: Image.Image) -> Image.Image:
    """Put a transparent picture on white, as paper would show it."""
    if image.mode != "RGBA":
        return image
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB from the embedded ICC profile, so that dropping it does not change the colours."""
    if profile:
        from PIL import ImageCms

        try:
            converted = ImageCms.profileToProfile(image, BytesIO(profile), _srgb(), outputMode="RGB")
        except (ImageCms.PyCMSError, *_DECODER_ERRORS):
            converted = None  # a broken profile, or one for another kind of pixels: viewers ignore it too
        if converted is not None:
            return converted
    return image if image.mode == "RGB" else image.convert("RGB")


@cache
def _srgb() -> "ImageCms.ImageCmsProfile":
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _watermark(picture: Image.Image) -> None:
    """Mark the whole picture, densely enough that any part worth keeping carries the words."""
    outline, letters = _stamp(max(picture.size) // 26)
    step_x, step_y = outline.width, outline.height * 5 // 6
    for row, y in enumerate(range(-step_y // 2, picture.height, step_y)):
        for x in range(-step_x // 2 * (1 + row % 2), picture.width, step_x):
            picture.paste("black", (x, y), outline)
            picture.paste("white", (x, y), letters)


@cache
def _stamp(font_size: int) -> tuple[Image.Image, Image.Image]:
    """Draw the words once, slanted: masks for a dark outline and light letters, seen on any ground."""
    font = ImageFont.load_default(max(font_size, 8))
    stroke = max(1, font_size // 16)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(WATERMARK, stroke_width=stroke))

    def drawn(width: int) -> Image.Image:
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).text((-left, -top), WATERMARK, fill=255, font=font, stroke_width=width)
        return mask.rotate(30, Image.Resampling.BICUBIC, expand=True)

    letters = drawn(0)
    outline = ImageChops.subtract(drawn(stroke), letters)
    return outline.point(lambda value: value * 2 // 5), letters.point(lambda value: value // 2)
