"""Photographs: what is refused and why, what comes out, and that nothing else than our own refusal ever does."""

import contextlib
import io
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from inlet import imaging
from inlet.errors import ImageRejected
from tests.support import photographs

ROOT = Path(__file__).resolve().parents[2]
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "HEIF": "image/heic"}


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    value = image.getpixel((x, y))
    assert isinstance(value, tuple)
    return tuple(int(band) for band in value)


def near(found: tuple[int, ...], expected: tuple[int, ...], tolerance: int) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(found, expected, strict=True))


def refusal(content: bytes, declared_type: str) -> str:
    with pytest.raises(ImageRejected) as rejected:
        imaging.inspect(content, declared_type)
    with pytest.raises(ImageRejected) as alike:
        imaging.prepare(content, declared_type)
    assert str(alike.value) == str(rejected.value)
    return str(rejected.value)


class TestInspect:
    @pytest.mark.parametrize("picture_format", TYPES)
    @pytest.mark.parametrize("orientation", [1, 6])
    def test_a_photograph_is_measured_as_a_person_sees_it(self, picture_format: str, orientation: int) -> None:
        content = photographs.photograph(picture_format=picture_format, orientation=orientation, metadata=True)
        facts = imaging.inspect(content, TYPES[picture_format])
        assert facts == imaging.ImageFacts(240, 160, TYPES[picture_format])

    @pytest.mark.parametrize("picture_format", TYPES)
    @pytest.mark.parametrize("declared", TYPES.values())
    def test_only_the_declared_type_is_accepted(self, picture_format: str, declared: str) -> None:
        if declared == TYPES[picture_format]:
            return
        assert "but is a" in refusal(photographs.photograph(picture_format=picture_format), declared)

    @pytest.mark.parametrize(
        ("make", "declared", "sentence"),
        [
            (lambda: b"", "image/png", "empty"),
            (lambda: b"no picture at all", "image/png", "can't read this kind of file"),
            (photographs.svg, "image/png", "an SVG drawing"),
            (lambda: b"<html><body onload=alert(1)>", "image/jpeg", "a web page"),
            (photographs.pdf, "image/jpeg", "a PDF"),
            (lambda: photographs.animation("GIF"), "image/webp", "a GIF"),
            (lambda: photographs.animation("PNG"), "image/png", "animation"),
            (lambda: photographs.animation("WEBP"), "image/webp", "animation"),
            (photographs.heic_sequence, "image/heic", "animation"),
            (lambda: photographs.flat_png(8000, 5001), "image/png", "more than 40 megapixels"),
            (lambda: photographs.flat_png(20000, 10000), "image/png", "more than 40 megapixels"),
            (lambda: photographs.webp_header(16000, 16000), "image/webp", "more than 40 megapixels"),
            (lambda: photographs.flat_png(7, 100), "image/png", "less than 8 pixels"),
            (lambda: photographs.flat_png(8, 257), "image/png", "too long and narrow"),
            (lambda: photographs.text_bomb_png(chunks=1, characters=50_000_000), "image/png", "hidden text"),
            (lambda: photographs.text_bomb_png(chunks=20, characters=900_000), "image/png", "hidden text"),
            (lambda: photographs.scan_bomb_jpeg(5000), "image/jpeg", "save it again as a JPEG"),
            (lambda: photographs.photograph()[:1000], "image/jpeg", "incomplete"),
            (lambda: b"\xff\xd8\xff" + bytes(1000), "image/jpeg", "damaged"),
        ],
    )
    def test_each_refusal_says_why(self, make: Callable[[], bytes], declared: str, sentence: str) -> None:
        assert sentence in refusal(make(), declared)

    def test_the_limits_themselves_are_accepted(self) -> None:
        assert imaging.inspect(photographs.flat_png(8000, 5000), "image/png").width == 8000
        assert imaging.inspect(photographs.flat_png(8, 256), "image/png").width == 8
        assert imaging.inspect(photographs.scan_bomb_jpeg(90), "image/jpeg").width == 64

    @pytest.mark.parametrize(
        "make", [lambda: photographs.flat_png(9000, 9000), lambda: photographs.webp_header(16000, 16000)]
    )
    def test_too_many_pixels_are_refused_before_any_is_decoded(
        self, make: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
        content = make()
        assert "40 megapixels" in refusal(content, "image/png" if content[1:4] == b"PNG" else "image/webp")

    @pytest.mark.parametrize("picture_format", TYPES)
    def test_a_file_cut_anywhere_is_refused(self, picture_format: str) -> None:
        whole = photographs.photograph(picture_format=picture_format, metadata=True)
        end = len(whole) - (2 if picture_format == "JPEG" else 0)  # a JPEG's end marker may be missing
        for length in range(1, len(whole) // 2, 37):
            refusal(whole[:length], TYPES[picture_format])
        for length in (*range(len(whole) * 2 // 3, end, 37), *range(end - 18, end)):
            assert "incomplete" in refusal(whole[:length], TYPES[picture_format])

    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
    def test_a_reduced_jpeg_decode_misses_no_truncation(self, options: dict[str, object]) -> None:
        """The proof that decoding an eighth is enough: wherever the full decoder fails, `inspect` does."""
        whole = photographs.saved(photographs.noise(400, 240), "JPEG", quality=60, **options)
        end = len(whole) - 2
        for length in (*range(200, end, 211), *range(end - 38, end)):
            with pytest.raises(OSError):
                decoded(whole[:length])
            refusal(whole[:length], "image/jpeg")

    def test_a_corrupted_png_is_refused(self) -> None:
        whole = bytearray(photographs.photograph(picture_format="PNG"))
        whole[whole.index(b"IDAT") + 30] ^= 0xFF
        assert "damaged" in refusal(bytes(whole), "image/png")

    def test_bytes_that_look_like_scans_are_none(self) -> None:
        content = photographs.saved(photographs.scene(), "JPEG", comment=b"\xff\xda" * 5000)
        assert imaging.inspect(content, "image/jpeg").width == 240

    def test_a_phones_second_picture_is_a_by_product(self) -> None:
        assert imaging.inspect(photographs.multi_picture(), "image/jpeg").width == 240
        preview = decoded(imaging.preview(photographs.multi_picture(Image.new("RGB", (64, 64), "red"))).content)
        assert preview.size == (240, 160)

    def test_the_primary_picture_of_a_heic_counts(self) -> None:
        assert imaging.inspect(photographs.heic_burst(), "image/heic").width == 240

    def test_what_a_phone_appends_to_a_heic_does_no_harm(self) -> None:
        still = photographs.photograph(picture_format="HEIF")
        clip = b"\x00\x00\x00\x10ftypmp42\x00\x00\x00\x00" + b"\x00\x00\x00\x08moov"
        assert imaging.inspect(still + clip, "image/heic").width == 240
        assert imaging.inspect(still + b"SEFT" * 10, "image/heic").width == 240
        assert imaging.inspect(still + b"\x00\x00\x00\x00free", "image/heic").width == 240

    def test_a_good_thumbnail_does_not_vouch_for_the_picture(self) -> None:
        bare = photographs.photograph(picture_format="HEIF")
        pixels = bare[bare.index(b"mdat") + 4 :]
        content = photographs.photograph(picture_format="HEIF", thumbnails=[64])
        assert imaging.inspect(content, "image/heic").width == 240
        start = content.index(pixels)
        assert "damaged" in refusal(content[:start] + b"\xff" * 8 + content[start + 8 :], "image/heic")

    def test_a_heic_damaged_anywhere_is_read_or_refused(self) -> None:
        whole = photographs.saved(photographs.scene(48, 32), "HEIF")
        for position in range(12, len(whole)):
            with contextlib.suppress(ImageRejected):
                imaging.inspect(whole[:position] + b"\xff" + whole[position + 1 :], "image/heic")

    @pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize(
        "exif",
        [
            pytest.param(b"no TIFF header", id="no header"),
            pytest.param(b"MM\x00*\x00\x00\xff\xff", id="directory outside"),
            pytest.param(b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x02\x00\x00\x00\x04abc\x00", id="text"),
            pytest.param(b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x0b\x00\x00\x00\x01\x7f\x80\x00\x00", id="inf"),
        ],
    )
    def test_nonsense_for_an_orientation_means_upright(self, picture_format: str, exif: bytes) -> None:
        content = photographs.saved(photographs.scene(), picture_format, exif=b"Exif\x00\x00" + exif)
        assert imaging.inspect(content, TYPES[picture_format]).width == 240
        assert imaging.preview(content).width == 240


class TestWhatComesOut:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("make", [photographs.prepared, lambda content: imaging.preview(content).content])
    def test_every_orientation_comes_out_upright(self, orientation: int, make: Callable[[bytes], bytes]) -> None:
        picture = photographs.scene(900, 600)
        out = decoded(make(photographs.photograph(picture, orientation=orientation)))
        assert out.size == (900, 600)
        # The middle of each corner's square, averaged, so that the watermark only shifts it.
        for where, colour in photographs.UPRIGHT_CORNERS.items():
            left, top = 0 if "left" in where else 700, 0 if "top" in where else 400
            mean = out.convert("RGB").crop((left, top, left + 200, top + 200)).resize((1, 1), Image.Resampling.BOX)
            assert near(pixel(mean, 0, 0), colour, 40), where

    @pytest.mark.parametrize("picture_format", TYPES)
    @pytest.mark.parametrize("profile", [None, photographs.display_p3_profile()], ids=["no profile", "P3"])
    def test_no_metadata_survives(self, picture_format: str, profile: bytes | None) -> None:
        content = photographs.photograph(picture_format=picture_format, metadata=True, icc_profile=profile)
        assert photographs.SECRETS[3] in content
        assert photographs.SECRETS[0] in content
        for out in (photographs.prepared(content), imaging.preview(content).content):
            assert not [secret for secret in photographs.SECRETS if secret in out]
            assert not {"exif", "xmp", "icc_profile", "comment"} & decoded(out).info.keys()
            assert not decoded(out).getexif()

    def test_what_was_appended_is_gone(self) -> None:
        content = photographs.polyglot_jpeg()
        imaging.inspect(content, "image/jpeg")
        assert b"polyglot-secret" not in photographs.prepared(content) + imaging.preview(content).content

    @pytest.mark.parametrize(
        "size", [(4032, 3024), (3000, 1500), (1500, 3000), (2049, 700), (1793, 900), (4096, 128), (128, 4096)]
    )
    @pytest.mark.parametrize("picture_format", ["JPEG", "PNG"])
    def test_pictures_shrink_to_the_limit_or_to_what_is_near_it(
        self, picture_format: str, size: tuple[int, int]
    ) -> None:
        content = photographs.saved(Image.new("RGB", size, "teal"), picture_format)
        prepared, preview = decoded(photographs.prepared(content)), imaging.preview(content)
        shown = decoded(preview.content)
        for picture, limit in ((prepared, 2048), (shown, 1024)):
            assert min(limit * 7 / 8, *size) <= max(picture.size) <= limit
            assert picture.width / size[0] == pytest.approx(picture.height / size[1], rel=0.02)
        assert shown.size == (preview.width, preview.height)
        assert (prepared.format, shown.format) == ("JPEG", "WEBP")

    @pytest.mark.parametrize("size", [(300, 200), (8, 8)])
    @pytest.mark.parametrize("picture_format", ["JPEG", "PNG"])
    def test_pictures_never_grow(self, picture_format: str, size: tuple[int, int]) -> None:
        content = photographs.saved(Image.new("RGB", size, "teal"), picture_format)
        preview = imaging.preview(content)
        assert decoded(photographs.prepared(content)).size == decoded(preview.content).size == size

    @pytest.mark.parametrize("ground", ["white", "black", "grey", "saddlebrown"])
    def test_no_part_worth_keeping_is_without_the_watermark(self, ground: str) -> None:
        plain = Image.new("RGB", (1600, 1200), ground)
        marked = decoded(imaging.preview(photographs.saved(plain, "PNG")).content).convert("L")
        tone = decoded(photographs.saved(plain.resize((1, 1)), "PNG")).convert("L").getpixel((0, 0))
        assert isinstance(tone, int)
        changed = marked.point(lambda value: 255 if abs(value - tone) > 24 else 0)
        side = 192
        for left in range(0, marked.width - side, 32):
            for top in range(0, marked.height - side, 32):
                share = changed.crop((left, top, left + side, top + side)).resize((1, 1), Image.Resampling.BOX)
                value = share.getpixel((0, 0))
                assert isinstance(value, int)
                assert value > 255 * 0.03, (left, top)

    def test_a_small_picture_is_marked_too(self) -> None:
        marked = decoded(imaging.preview(photographs.saved(Image.new("RGB", (64, 48), "grey"), "PNG")).content)
        low, high = marked.convert("L").getextrema()
        assert isinstance(low, int | float)
        assert isinstance(high, int | float)
        assert high - low > 30


class TestCost:
    def test_a_phones_photograph_takes_little_memory(self, tmp_path: Path) -> None:
        """At most 0.6 of the plainest script's peak, as `bench/imaging.py` measures it at length."""
        photograph = tmp_path / "photograph.jpg"
        photograph.write_bytes(photographs.photograph(photographs.scene(4000, 3000), orientation=6))
        peak = {}
        for who in ("plain", "inlet"):
            command = [sys.executable, "bench/one_photograph.py", who, str(photograph), "ends"]
            environment = {**os.environ, "PYTHONPATH": "shared:."}
            answer = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True)
            peak[who] = int(answer.stdout.split()[1])
        assert peak["inlet"] <= 0.6 * peak["plain"]


class TestColour:
    def test_a_wide_gamut_colour_keeps_its_look(self) -> None:
        """A tone of Display P3, converted by hand: gamma 2.2 → XYZ (D50) → linear sRGB → sRGB's curve."""
        stored = (180, 120, 90)
        red, green, blue = ((band / 255) ** (round(2.2 * 256) / 256) for band in stored)
        x = 0.5151 * red + 0.2919 * green + 0.1572 * blue
        y = 0.2412 * red + 0.6922 * green + 0.0666 * blue
        z = -0.0011 * red + 0.0419 * green + 0.7841 * blue
        linear = (
            3.1339 * x - 1.6169 * y - 0.4906 * z,
            -0.9788 * x + 1.9161 * y + 0.0335 * z,
            0.0719 * x - 0.2290 * y + 1.4052 * z,
        )
        expected = tuple(round(255 * (1.055 * band ** (1 / 2.4) - 0.055)) for band in linear)
        assert max(abs(one - other) for one, other in zip(stored, expected, strict=True)) > 5

        picture = Image.new("RGB", (64, 64), stored)
        content = photographs.saved(picture, "PNG", icc_profile=photographs.display_p3_profile())
        assert near(pixel(decoded(photographs.prepared(content)), 32, 32), expected, 4)

    @pytest.mark.parametrize(
        ("picture", "picture_format", "options", "expected"),
        [
            pytest.param(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", {}, (255, 0, 0), id="cmyk"),
            pytest.param(Image.new("L", (64, 64), 77), "JPEG", {}, (77, 77, 77), id="grey"),
            pytest.param(Image.new("1", (64, 64), 1), "PNG", {}, (255, 255, 255), id="bilevel"),
            pytest.param(Image.new("RGBA", (64, 64), (255, 0, 0, 0)), "PNG", {}, (255, 255, 255), id="transparent"),
            pytest.param(
                Image.new("RGBA", (64, 64), (0, 0, 0, 128)), "WEBP", {}, (127, 127, 127), id="half transparent"
            ),
            pytest.param(Image.new("LA", (64, 64), (0, 128)), "PNG", {}, (127, 127, 127), id="half transparent grey"),
            pytest.param(
                Image.new("RGB", (64, 64), (9, 9, 9)), "PNG", {"transparency": (9, 9, 9)}, (255,) * 3, id="key"
            ),
            pytest.param(Image.new("RGB", (64, 64), "teal").quantize(4), "PNG", {}, (0, 128, 128), id="palette"),
            pytest.param(
                Image.new("P", (64, 64), 0), "PNG", {"transparency": 0}, (255, 255, 255), id="palette with key"
            ),
        ],
    )
    def test_every_kind_of_pixel_becomes_rgb_on_white(
        self, picture: Image.Image, picture_format: str, options: dict[str, object], expected: tuple[int, ...]
    ) -> None:
        content = photographs.saved(picture, picture_format, **options)
        imaging.inspect(content, TYPES[picture_format])
        out = decoded(photographs.prepared(content))
        assert out.mode == "RGB"
        assert near(pixel(out, 30, 30), expected, 3)

    def test_sixteen_bit_grey_keeps_its_tone(self) -> None:
        content = photographs.deep_png(grey=128 * 257)
        imaging.inspect(content, "image/png")
        assert near(pixel(decoded(photographs.prepared(content)), 30, 30), (128, 128, 128), 2)

    @pytest.mark.parametrize(
        "profile", [b"no profile" * 20, photographs.display_p3_profile()], ids=["broken", "of RGB"]
    )
    def test_a_profile_that_does_not_fit_is_ignored(self, profile: bytes) -> None:
        content = photographs.saved(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", icc_profile=profile)
        assert near(pixel(decoded(photographs.prepared(content)), 30, 30), (255, 0, 0), 3)


class TestNothingElseIsRaised:
    @settings(max_examples=150, deadline=None)
    @given(
        picture_format=st.sampled_from(sorted(TYPES)),
        edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6),
    )
    def test_mutated_files(self, picture_format: str, edits: list[tuple[float, bytes]]) -> None:
        content = bytearray(self.whole(picture_format))
        for place, replacement in edits:
            position = int(place * (len(content) - 1))
            content[position : position + len(replacement)] = replacement
        for use in (
            lambda: imaging.inspect(bytes(content), TYPES[picture_format]),
            lambda: imaging.preview(bytes(content)),
        ):
            with contextlib.suppress(ImageRejected):
                use()

    @settings(max_examples=100, deadline=None)
    @given(
        magic=st.sampled_from(
            [
                b"\xff\xd8\xff\xe0",
                b"\x89PNG\r\n\x1a\n",
                b"RIFF\x20\x00\x00\x00WEBPVP8X",
                b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
            ]
        ),
        rest=st.binary(max_size=200),
    )
    def test_bytes_behind_a_true_beginning(self, magic: bytes, rest: bytes) -> None:
        with pytest.raises(ImageRejected):
            imaging.preview(magic + rest)

    @settings(max_examples=60, deadline=None)
    @given(exif=st.binary(max_size=300))
    def test_any_exif(self, exif: bytes) -> None:
        content = photographs.saved(Image.new("RGB", (16, 16)), "JPEG", exif=b"Exif\x00\x00MM\x00*" + exif)
        assert imaging.inspect(content, "image/jpeg").width == 16

    @settings(max_examples=40, deadline=None)
    @given(profile=st.binary(min_size=1, max_size=200))
    def test_any_colour_profile(self, profile: bytes) -> None:
        body = photographs.display_p3_profile()
        position = 132 + zlib.crc32(profile) % (len(body) - 132)
        for icc_profile in (profile, body[:position] + profile + body[position + len(profile) :]):
            imaging.preview(photographs.saved(Image.new("RGB", (16, 16)), "PNG", icc_profile=icc_profile))

    @staticmethod
    def whole(picture_format: str) -> bytes:
        return photographs.photograph(
            photographs.scene(48, 32),
            picture_format,
            orientation=6,
            metadata=True,
            icc_profile=photographs.display_p3_profile(),
        )
