"""The words across a preview."""

from functools import cache
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFont

WATERMARK: Final = "Inlet preview"


def mark(picture: Image.Image) -> None:
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
