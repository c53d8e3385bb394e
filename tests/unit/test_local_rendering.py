"""The local rendering: the same every time, another picture than the input, and labelled as what it is."""

import io
import socket
import time
from collections.abc import Iterator

import pytest
from PIL import Image, ImageChops, ImageStat

from inlet import imaging
from inlet.image_jobs import generation
from inlet.image_jobs.generation import local_rendering
from inlet.settings import settings
from tests.support import photographs


@pytest.fixture(autouse=True)
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("GENERATOR", raising=False)
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("the network was used"))
    settings.reload()
    yield
    settings.reload()


def prepared(picture: Image.Image) -> bytes:
    return imaging.prepare(photographs.saved(picture, "PNG"), "image/png")


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def test_it_is_the_default_and_deterministic() -> None:
    content = prepared(photographs.scene(900, 600))
    first = generation.generate(content)
    assert first == generation.generate(content)
    assert first.content_type == "image/jpeg"
    assert imaging.inspect(first.content, "image/jpeg") == imaging.ImageFacts(900, 600, "image/jpeg")


def test_it_is_no_copy_and_no_invention() -> None:
    content = prepared(photographs.scene(900, 600))
    before, after = opened(content), opened(generation.generate(content).content)
    change = ImageStat.Stat(ImageChops.difference(before, after)).mean
    assert all(5 < band < 60 for band in change)
    for where, colour in photographs.UPRIGHT_CORNERS.items():
        corner = after.getpixel((100 if "left" in where else 800, 100 if "top" in where else 450))
        assert isinstance(corner, tuple)
        assert corner.index(max(corner)) == colour.index(max(colour)), where


def test_noise_is_taken_out_and_edges_stay() -> None:
    half = Image.new("L", (600, 600), 80)
    half.paste(180, (300, 0, 600, 600))
    noisy = ImageChops.add(half, Image.effect_noise(half.size, 12), offset=-128).convert("RGB")
    smooth = local_rendering._denoised(noisy).convert("L")
    flat = (50, 50, 250, 550)
    assert ImageStat.Stat(smooth.crop(flat)).stddev[0] < 0.7 * ImageStat.Stat(noisy.convert("L").crop(flat)).stddev[0]
    below, above = (ImageStat.Stat(smooth.crop((left, 50, left + 2, 550))).mean[0] for left in (296, 302))
    assert above - below > 85


@pytest.mark.parametrize("ground", ["white", "black", "orange"])
def test_it_says_what_it_is_on_any_ground(ground: str) -> None:
    """The caption's letters are light, its ground is dark, in the lower left corner."""
    rendered = opened(generation.generate(prepared(Image.new("RGB", (1024, 768), ground))).content).convert("L")
    caption = rendered.crop((10, 768 - 50, 190, 768 - 10))
    darkest, lightest = caption.getextrema()
    assert isinstance(darkest, int | float)
    assert isinstance(lightest, int | float)
    assert lightest - darkest > 120


@pytest.mark.parametrize(("size", "rendered"), [((40, 20), (512, 256)), ((8, 8), (512, 512)), ((2048, 64), (2048, 64))])
def test_any_size(size: tuple[int, int], rendered: tuple[int, int]) -> None:
    content = generation.generate(prepared(Image.new("RGB", size, "teal"))).content
    assert opened(content).size == rendered
    assert imaging.preview(content)


def test_the_largest_input_takes_about_half_a_second() -> None:
    content = prepared(photographs.noise(2048, 1536))
    start = time.process_time()
    generation.generate(content)
    assert time.process_time() - start < 2  # a slow machine's share; measured 0.6 s
