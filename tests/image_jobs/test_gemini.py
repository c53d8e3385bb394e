"""The Gemini generator against a server that speaks its protocol, over real sockets: what it sends, how it fails."""

import gc
import gzip
import logging
import socket
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from pydantic import ValidationError

from inlet import errors
from inlet import gemini as any_gemini
from inlet.image_jobs import generation
from inlet.image_jobs.generation import gemini, prompts
from inlet.image_jobs.generation.picture import Generated
from inlet.settings import Settings, settings
from tests.support import gemini_stand_in as stand_in
from tests.support import photographs

KEY = "test-key-that-must-never-be-seen"
INPUT = photographs.photograph()
PNG = photographs.photograph(picture_format="PNG")
JPEG = photographs.photograph(picture_format="JPEG")


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[stand_in.GeminiStandIn]:
    with stand_in.GeminiStandIn() as server:
        monkeypatch.setenv("GENERATOR", "gemini")
        monkeypatch.setenv("GEMINI_API_KEY", KEY)
        monkeypatch.setenv("GEMINI_BASE_URL", server.url)
        monkeypatch.setenv("GEMINI_TIMEOUT_SECONDS", "20")
        monkeypatch.delenv("GEMINI_MODEL", raising=False)
        settings.reload()
        yield server
    settings.reload()


def set_timeout(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set what the environment, in whole seconds, is too slow for."""
    monkeypatch.setattr(Settings, "gemini_timeout_seconds", seconds)
    settings.reload()


class TestTheRequest:
    def test_carries_picture_prompt_model_and_key(self, google: stand_in.GeminiStandIn) -> None:
        google.script(stand_in.picture(PNG))
        generation.generate(INPUT)
        (asked,) = google.asked
        assert asked.path == f"/v1beta/models/{gemini.DEFAULT_MODEL}:generateContent"
        assert asked.image == INPUT
        assert asked.mime_type == "image/jpeg"
        assert asked.prompt == prompts.get_prompt("v1")
        assert asked.body["generationConfig"]["responseModalities"] == ["IMAGE"]
        assert asked.headers["x-goog-api-key"] == KEY

    def test_the_key_is_in_no_url_and_no_log(
        self, google: stand_in.GeminiStandIn, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        generation.generate(INPUT)
        assert KEY not in google.asked[0].path
        assert caplog.records
        assert KEY not in caplog.text

    def test_the_model_is_a_setting(self, google: stand_in.GeminiStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GEMINI_MODEL", "gemini-next-image")
        settings.reload()
        generation.generate(INPUT)
        assert google.asked[0].path == "/v1beta/models/gemini-next-image:generateContent"

    def test_the_default_model_is_one_the_sdk_knows(self) -> None:
        known = Path(genai.__file__).parent / "_gaos" / "types" / "interactions" / "model.py"
        assert f'"{gemini.DEFAULT_MODEL}"' in known.read_text()

    def test_an_unknown_prompt_version_asks_nobody(
        self, google: stand_in.GeminiStandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PROMPT_VERSION", "v999")
        settings.reload()
        with pytest.raises(errors.GenerationNotConfigured, match="v999"):
            generation.generate(INPUT)
        assert not google.asked


class TestAnswers:
    @pytest.mark.parametrize(
        ("content", "label", "content_type"),
        [
            (PNG, "image/png", "image/png"),
            (JPEG, "image/jpeg", "image/jpeg"),
            (photographs.photograph(picture_format="WEBP"), "image/webp", "image/webp"),
            # The picture was paid for, so the bytes decide and a wrong label does not lose it.
            (JPEG, "image/png", "image/jpeg"),
        ],
    )
    def test_a_picture(self, google: stand_in.GeminiStandIn, content: bytes, label: str, content_type: str) -> None:
        google.script(stand_in.picture(content, label, words="Here is your portrait."))
        assert generation.generate(INPUT) == Generated(content, content_type)

    def test_drafts_of_a_thinking_model_are_not_the_result(self, google: stand_in.GeminiStandIn) -> None:
        draft = stand_in.blob(JPEG, "image/jpeg", thought=True)
        google.script(stand_in.reply(stand_in.candidate([stand_in.blob(PNG), draft])))
        assert generation.generate(INPUT).content == PNG
        google.script(stand_in.reply(stand_in.candidate([draft])))
        with pytest.raises(errors.GenerationMalformed):
            generation.generate(INPUT)

    def test_url_safe_base64_is_read(self, google: stand_in.GeminiStandIn) -> None:
        part = stand_in.blob(PNG)
        part["inlineData"]["data"] = part["inlineData"]["data"].replace("+", "-").replace("/", "_")
        assert {"-", "_"} & set(part["inlineData"]["data"])
        google.script(stand_in.reply(stand_in.candidate([part])))
        assert generation.generate(INPUT).content == PNG


class TestBlocked:
    @pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "OTHER", "SOMETHING_NEW"])
    def test_a_refused_photograph(self, google: stand_in.GeminiStandIn, reason: str) -> None:
        google.script(stand_in.blocked_prompt(reason))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the SDK's, about a reason it does not know
            with pytest.raises(errors.GenerationBlocked) as blocked:
                generation.generate(INPUT)
        assert "try another" in str(blocked.value)
        assert blocked.value.details == {"reason": reason}

    @pytest.mark.parametrize("reason", ["SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "RECITATION"])
    @pytest.mark.parametrize("parts", [None, [], [{"text": "I can't do that."}]])
    def test_a_refused_result(
        self, google: stand_in.GeminiStandIn, reason: str, parts: list[dict[str, object]] | None
    ) -> None:
        google.script(stand_in.reply(stand_in.candidate(parts, reason)))
        with pytest.raises(errors.GenerationBlocked):
            generation.generate(INPUT)


class TestMalformed:
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(stand_in.reply({}), id="nothing"),
            pytest.param(stand_in.reply({"candidates": []}), id="no candidates"),
            pytest.param(stand_in.reply(stand_in.candidate(None)), id="no content"),
            pytest.param(stand_in.reply(stand_in.candidate([])), id="no parts"),
            pytest.param(stand_in.reply(stand_in.candidate([], "NO_IMAGE")), id="no image"),
            pytest.param(stand_in.reply(stand_in.candidate([{"text": "A portrait."}])), id="text only"),
            pytest.param(stand_in.picture(b""), id="empty picture"),
            pytest.param(stand_in.picture(b"sound", "audio/wav"), id="no picture"),
            pytest.param(stand_in.picture(photographs.svg(), "image/svg+xml"), id="SVG"),
            pytest.param(stand_in.picture(photographs.animation("GIF"), "image/gif"), id="GIF"),
            pytest.param(
                stand_in.reply(stand_in.candidate([{"inlineData": {"mimeType": "image/png", "data": "!!!"}}])),
                id="garbage base64",
            ),
            pytest.param(stand_in.reply(stand_in.candidate([{"inlineData": 5}])), id="wrong shape"),
            pytest.param(stand_in.reply([]), id="a list"),
            pytest.param(stand_in.raw(b'{"candidates": ['), id="half JSON"),
            pytest.param(stand_in.raw(b"<html>proxy</html>"), id="a page"),
            pytest.param(stand_in.raw(b""), id="no body"),
            pytest.param(stand_in.raw(b"\xff\xfe\x00", Content_Encoding="gzip"), id="broken gzip"),
        ],
    )
    def test_an_answer_without_a_usable_picture(self, google: stand_in.GeminiStandIn, answer: stand_in.Answer) -> None:
        google.script(answer)
        with pytest.raises(errors.GenerationMalformed):
            generation.generate(INPUT)

    def test_a_picture_over_the_size_limit(
        self, google: stand_in.GeminiStandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAX_IMAGE_BYTES", str(len(PNG) - 1))
        settings.reload()
        google.script(stand_in.picture(PNG))
        with pytest.raises(errors.GenerationMalformed):
            generation.generate(INPUT)

    def test_an_answer_that_does_not_say_how_long_it_is_is_cut_off_at_the_bound(
        self, google: stand_in.GeminiStandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(any_gemini, "MOST_ANSWER_BYTES", 4 * 1024 * 1024)
        google.script(stand_in.endless)
        with pytest.raises(errors.GenerationMalformed, match="larger than 4 MB"):
            generation.generate(INPUT)

    def test_a_compressed_answer_nobody_asked_for_is_not_unpacked(self, google: stand_in.GeminiStandIn) -> None:
        google.script(stand_in.raw(gzip.compress(bytes(1024 * 1024)), Content_Encoding="gzip"))
        with pytest.raises(errors.GenerationMalformed):
            generation.generate(INPUT)
        assert google.asked[0].headers["Accept-Encoding"] == "identity"


class TestUnavailable:
    @pytest.mark.parametrize(
        ("status", "word"),
        [
            (408, "CANCELLED"),
            (429, "RESOURCE_EXHAUSTED"),
            (500, "INTERNAL"),
            (502, "BAD_GATEWAY"),
            (503, "UNAVAILABLE"),
            (504, "DEADLINE_EXCEEDED"),
        ],
    )
    def test_an_error_status_costs_nothing_and_is_not_retried_here(
        self, google: stand_in.GeminiStandIn, status: int, word: str
    ) -> None:
        google.script(stand_in.error(status, word), stand_in.picture(PNG))
        with pytest.raises(errors.GenerationUnavailable) as refused:
            generation.generate(INPUT)
        assert (refused.value.details["status"], refused.value.details["word"]) == (status, word)
        assert len(google.asked) == 1
        assert generation.generate(INPUT).content == PNG

    def test_a_page_instead_of_an_error_body(self, google: stand_in.GeminiStandIn) -> None:
        google.script(stand_in.raw(b"<h1>Bad gateway</h1>", status=502))
        with pytest.raises(errors.GenerationUnavailable):
            generation.generate(INPUT)

    @pytest.mark.usefixtures("google")
    def test_nobody_listens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            monkeypatch.setenv("GEMINI_BASE_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
            settings.reload()
            with pytest.raises(errors.GenerationUnavailable):
                generation.generate(INPUT)

    @pytest.mark.usefixtures("google")
    def test_a_connection_that_is_never_made_is_told_from_an_answer_that_never_comes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(any_gemini, "CONNECT_SECONDS", 0.2)
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            # The queue of a listener that accepts nobody fills up; from then on the kernel answers no more.
            waiting = []
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(full.getsockname())
                waiting.append(one)
            time.sleep(0.05)
            monkeypatch.setenv("GEMINI_BASE_URL", f"http://127.0.0.1:{full.getsockname()[1]}")
            settings.reload()
            with pytest.raises(errors.GenerationUnavailable) as refused:
                generation.generate(INPUT)
            assert refused.value.details["cause"] == "ConnectTimeout"
            for one in waiting:
                one.close()


class TestTimedOut:
    @pytest.mark.parametrize("answer", [stand_in.drip(), stand_in.silence], ids=["drip", "silence"])
    def test_the_deadline_is_of_the_wall_clock(
        self, google: stand_in.GeminiStandIn, monkeypatch: pytest.MonkeyPatch, answer: stand_in.Answer
    ) -> None:
        set_timeout(monkeypatch, 0.4)
        google.script(answer)
        start = time.monotonic()
        with pytest.raises(errors.GenerationTimedOut):
            generation.generate(INPUT)
        assert 0.3 < time.monotonic() - start < 5
        assert len(google.asked) == 1

    @pytest.mark.parametrize("answer", [stand_in.hang_up, stand_in.reset], ids=["hang up", "reset"])
    def test_a_lost_answer_may_have_been_billed(self, google: stand_in.GeminiStandIn, answer: stand_in.Answer) -> None:
        google.script(answer)
        with pytest.raises(errors.GenerationTimedOut):
            generation.generate(INPUT)
        assert len(google.asked) == 1


class TestMisconfigured:
    @pytest.mark.parametrize(
        ("status", "word"),
        [(400, "INVALID_ARGUMENT"), (401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED"), (404, "NOT_FOUND")],
    )
    def test_a_refused_request(self, google: stand_in.GeminiStandIn, status: int, word: str) -> None:
        google.script(stand_in.error(status, word, message=f"API key {KEY} is not valid"))
        with pytest.raises(errors.GenerationMisconfigured) as refused:
            generation.generate(INPUT)
        shown = "".join(traceback.format_exception(refused.value)) + str(refused.value.details)
        assert KEY not in shown
        assert word in shown

    def test_a_word_that_is_none_is_not_repeated(self, google: stand_in.GeminiStandIn) -> None:
        google.script(stand_in.error(403, f"key {KEY}"))
        with pytest.raises(errors.GenerationMisconfigured) as refused:
            generation.generate(INPUT)
        assert refused.value.details["word"] is None

    @pytest.mark.parametrize("key", ["schlüssel", "two\nlines", "bell\x07"])
    @pytest.mark.usefixtures("google")
    def test_a_key_that_is_no_header(self, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
        monkeypatch.setenv("GEMINI_API_KEY", key)
        settings.reload()
        with pytest.raises(errors.GenerationNotConfigured) as refused:
            generation.generate(INPUT)
        assert key not in "".join(traceback.format_exception(refused.value))

    @pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://[", "nonsense"])
    @pytest.mark.usefixtures("google")
    def test_an_address_that_is_none(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setenv("GEMINI_BASE_URL", url)
        settings.reload()
        with pytest.raises(errors.GenerationNotConfigured):
            generation.generate(INPUT)

    def test_an_unknown_generator(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GENERATOR", "dreams")
        settings.reload()
        with pytest.raises(errors.GenerationNotConfigured, match="dreams"):
            generation.generate(INPUT)
        settings.reload()


def descendants(*roots: type[Exception]) -> list[type[Exception]]:
    found = []
    for root in roots:
        found += [root, *descendants(*root.__subclasses__())]
    return found


class TestNothingOfTheLibrariesGetsOut:
    @pytest.mark.parametrize(
        "kind",
        sorted(
            set(descendants(httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, genai_errors.APIError))
            | {ValidationError, TimeoutError, genai_errors.UnknownApiResponseError, UnicodeDecodeError},
            key=str,
        ),
    )
    @pytest.mark.usefixtures("google")
    def test_every_exception_has_a_translation(self, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
        thrown = ValidationError.from_exception_data("", []) if kind is ValidationError else kind.__new__(kind)
        if isinstance(thrown, genai_errors.APIError):
            thrown.code, thrown.status = 418, None

        async def throw(*_: object) -> types.GenerateContentResponse:
            raise thrown

        monkeypatch.setattr(any_gemini, "_ask", throw)
        with pytest.raises(errors.StageError) as ours:
            generation.generate(INPUT)
        assert type(ours.value).__name__.startswith("Generation")
        assert ours.value.details["cause"] == kind.__name__
        assert ours.value.__suppress_context__

    def test_nothing_is_left_open(self, google: stand_in.GeminiStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        set_timeout(monkeypatch, 0.3)
        google.script(stand_in.drip(), stand_in.picture(PNG))
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            with pytest.raises(errors.GenerationTimedOut):
                generation.generate(INPUT)
            set_timeout(monkeypatch, 20)
            generation.generate(INPUT)
            gc.collect()
