"""One process's work on one photograph, by Inlet or by the plainest Pillow script; prints seconds and peak bytes.

`bench.imaging` runs it in fresh processes. It imports next to nothing itself, so that the peak is the work's.
"""

import json  # noqa: F401 - like the next, loaded by Lambda's runtime before any code of ours
import logging  # noqa: F401
import sys
import time
from collections.abc import Callable


def plain(photograph: str, job: str) -> Callable[[], None]:
    """Do what anybody would write first: open, prove by loading, turn upright, shrink, write the words, save.

    For the whole job, it saves the model's input in between, and takes that for the model's answer.
    """
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    if photograph.endswith(".heic"):
        from pillow_heif import register_heif_opener

        register_heif_opener()

    def work() -> None:
        image: Image.Image = Image.open(photograph)
        image.load()
        image = ImageOps.exif_transpose(image)
        if job == "whole":
            image.thumbnail((2048, 2048))
            image.convert("RGB").save(photograph + ".input.jpg", quality=92)
            image = Image.open(photograph + ".input.jpg")
            image.load()
        image.thumbnail((1024, 1024))
        draw = ImageDraw.Draw(image, "RGBA")
        font = ImageFont.load_default(40)
        for top in range(0, image.height, 120):
            for left in range(0, image.width, 300):
                draw.text((left, top), "Inlet preview", font=font, fill=(255, 255, 255, 115))
        image.save(photograph + ".plain.webp", quality=80)

    return work


def inlet(photograph: str, job: str) -> Callable[[], None]:
    """Run the stages in one process, each with its own reading of the bytes; the model's answer is its input.

    `validating` makes that input too, whether it is asked for or not.
    """
    from inlet import imaging

    types = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "heic": "image/heic"}

    def work() -> None:
        with open(photograph, "rb") as file:  # noqa: PTH123 (as below)
            answer = imaging.prepare(file.read(), types[photograph.rpartition(".")[2]])
        if job == "whole":
            imaging.inspect(answer, "image/jpeg")
        with open(photograph + ".inlet.webp", "wb") as file:  # noqa: PTH123
            file.write(imaging.preview(answer).content)

    return work


def peak_bytes() -> int:
    """Return the most memory this process has held. ru_maxrss would start at the parent's size when a child execs."""
    with open("/proc/self/status") as status:  # noqa: PTH123 (pathlib would count as the work's memory)
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


if __name__ == "__main__":
    work = {"plain": plain, "inlet": inlet}[sys.argv[1]](sys.argv[2], sys.argv[3])
    start = time.perf_counter()
    work()
    print(time.perf_counter() - start, peak_bytes())
