"""Gemini as a listener against a server that speaks its protocol, over real sockets: what it is sent, how it fails."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from inlet import errors
from inlet.settings import Settings, settings
from inlet.speaking_sessions import gemini_speech
from inlet.speaking_sessions.speech.words import Word
from local.stack import LocalStack
from local_aws.s3_server import S3Server
from tests.support import gemini_stand_in as stand_in
from tests.support.recordings import speechlike
from tests.support.speaking_sessions import send_form
from tests.support.stacks import new_stack, storage_settings

KEY = "test-key-that-must-never-be-seen"
URL = "https://bucket.example.com/audio.flac?X-Amz-Signature=0123456789abcdef"
TEXT = "So um the harvest was late this year and everybody waited"
METRICS: Any = {"words": 11, "totalSecs": 60.0}
SPOKEN = [f"spoken{number}" for number in range(60)]
SECRET_REMARK = "Your sixtieth word has no friends."


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[stand_in.GeminiStandIn]:
    with stand_in.GeminiStandIn() as server:
        monkeypatch.setenv("GEMINI_API_KEY", KEY)
        monkeypatch.setenv("GEMINI_BASE_URL", server.url)
        monkeypatch.setenv("GEMINI_TIMEOUT_SECONDS", "20")
        monkeypatch.delenv("TRANSCRIBE_MODEL", raising=False)
        monkeypatch.delenv("REMARK_MODEL", raising=False)
        settings.reload()
        yield server
    settings.reload()


def transcribe() -> Any:
    return gemini_speech.transcribe(URL, "en")


def remark() -> Any:
    return gemini_speech.remark(TEXT, METRICS)


both = pytest.mark.parametrize("ask", [transcribe, remark])


def one(quote: str, **changed: Any) -> dict[str, Any]:
    said = {"category": "structure", "severity": "low", "message": "Good.", "suggestion": "Go on.", "quote": quote}
    return said | changed


class TestWords:
    def test_come_with_their_times(self, google: stand_in.GeminiStandIn) -> None:
        google.script(stand_in.transcription(("Um,", "0.1s", "0.35s"), ("yes.", "1s", "1.5s")))
        assert transcribe() == [Word("Um,", 0.1, 0.35), Word("yes.", 1.0, 1.5)]
        (asked,) = google.asked
        assert asked.path == "/v1beta/models/gemini-3.5-transcribe:generateContent"
        assert asked.headers["x-goog-api-key"] == KEY
        assert asked.audio == (URL, "audio/flac")
        assert asked.body["generationConfig"]["audioTranscriptionConfig"] == {
            "language_codes": ["en"],
            "word_timestamp": True,
            "mode": "VERBATIM",
        }

    def test_none_where_none_is_heard(self, google: stand_in.GeminiStandIn) -> None:
        google.script(stand_in.transcription())
        assert transcribe() == []

    @pytest.mark.parametrize("times", [(None, None), ("soon", "1s"), ("1", "2"), ("-1s", "2s"), ("1e9s", "2s")])
    def test_without_times_are_no_answer(
        self, google: stand_in.GeminiStandIn, times: tuple[str | None, str | None]
    ) -> None:
        google.script(stand_in.transcription(("So", "0s", "0.2s"), ("late", *times)))
        with pytest.raises(errors.GenerationMalformed):
            transcribe()


class TestRemarks:
    def test_quote_what_was_said(self, google: stand_in.GeminiStandIn) -> None:
        quotes = ("the harvest was late", "the harvest is late", " ", "waited")
        google.script(stand_in.remarks(*map(one, quotes)))
        assert [found.quote for found in remark()] == ["the harvest was late", "waited"]
        (asked,) = google.asked
        assert asked.path == "/v1beta/models/gemini-3.8-flash:generateContent"
        assert TEXT in asked.prompt
        assert '"words": 11' in asked.prompt
        assert '"runs"' not in asked.prompt, "an hour has hundreds, and each is paid for"
        assert asked.body["generationConfig"]["responseMimeType"] == "application/json"

    def test_are_five_at_most(self, google: stand_in.GeminiStandIn) -> None:
        google.script(stand_in.remarks(*(one(word) for word in TEXT.split())))
        assert [found.quote for found in remark()] == TEXT.split()[:5]

    @pytest.mark.parametrize(
        "answer",
        [
            stand_in.reply(stand_in.candidate([{"text": "Well done!"}])),
            stand_in.remarks(one("waited", severity="critical")),
            stand_in.remarks(one("waited", message="x" * 501)),
            stand_in.remarks({"quote": "waited"}),
        ],
    )
    def test_of_another_shape_are_no_answer(self, google: stand_in.GeminiStandIn, answer: stand_in.Answer) -> None:
        google.script(answer)
        with pytest.raises(errors.GenerationMalformed):
            remark()


@both
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (stand_in.error(429, "RESOURCE_EXHAUSTED"), errors.GenerationUnavailable),
        (stand_in.error(500, "INTERNAL"), errors.GenerationUnavailable),
        (stand_in.error(503, "UNAVAILABLE"), errors.GenerationUnavailable),
        (stand_in.error(400, "INVALID_ARGUMENT"), errors.GenerationMisconfigured),
        (stand_in.error(403, "PERMISSION_DENIED"), errors.GenerationMisconfigured),
        (stand_in.hang_up, errors.GenerationTimedOut),
        (stand_in.reset, errors.GenerationTimedOut),
        (stand_in.blocked_prompt(), errors.GenerationBlocked),
        (stand_in.reply(stand_in.candidate(None, "SAFETY")), errors.GenerationBlocked),
        (stand_in.reply(stand_in.candidate(None)), errors.GenerationMalformed),
        (stand_in.reply({}), errors.GenerationMalformed),
        (stand_in.raw(b"no JSON"), errors.GenerationMalformed),
        (stand_in.endless, errors.GenerationMalformed),
    ],
)
def test_a_failure_is_told_by_what_it_cost(
    google: stand_in.GeminiStandIn, ask: Callable[[], Any], answer: stand_in.Answer, error: type[errors.StageError]
) -> None:
    google.script(answer)
    with pytest.raises(error) as failed:
        ask()
    told = f"{failed.value} {failed.value.details}"
    assert failed.value.__cause__ is None
    assert not re.search(f"{KEY}|Signature|harvest", told)
    assert len(google.asked) == 1
    if error is errors.GenerationBlocked:
        assert "recording" in told
        assert "photo" not in told


@both
@pytest.mark.parametrize("answer", [stand_in.drip(), stand_in.silence])
def test_a_slow_answer_is_given_up(
    google: stand_in.GeminiStandIn, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], Any], answer: stand_in.Answer
) -> None:
    monkeypatch.setattr(Settings, "gemini_timeout_seconds", 0.4)
    google.script(answer)
    started = time.monotonic()
    with pytest.raises(errors.GenerationTimedOut):
        ask()
    assert time.monotonic() - started < 10


class Run:
    """A stack whose recordings are heard by the stand-in, and all that was made of one."""

    def __init__(self, stack: LocalStack, log: Path, gemini: stand_in.GeminiStandIn) -> None:
        self.stack, self.log, self.gemini = stack, log, gemini
        self.opened = b""

    def analysed(self, http: httpx.Client) -> dict[str, Any]:
        session_id = send_form(http, speechlike()).json()["id"]
        deadline = time.monotonic() + 60
        while (detail := http.get(f"/api/sessions/{session_id}").json())["status"] not in ("COMPLETED", "FAILED"):
            assert time.monotonic() < deadline, detail
            time.sleep(0.1)
        found: dict[str, Any] = detail
        return found

    def hear(self, handler: Any) -> None:
        """Open the address that was given, as Google would, and tell sixty words."""
        self.opened = httpx.get(self.gemini.asked[-1].audio[0]).raise_for_status().content
        stand_in.transcription(
            *((word, f"{number * 0.03:.2f}s", f"{number * 0.03 + 0.02:.2f}s") for number, word in enumerate(SPOKEN))
        )(handler)


@pytest.fixture
def hearing(
    tmp_path: Path, make_database: Callable[[], str], make_bucket: Callable[[], str], s3: S3Server
) -> Iterator[Callable[..., Run]]:
    """`hearing(GEMINI_API_KEY="…")`: the stack and the stand-in, until the end of the test."""
    with ExitStack() as running:
        gemini = running.enter_context(stand_in.GeminiStandIn())

        def start(**settings: str) -> Run:
            own = {"DATABASE_URL": make_database(), "RATE_LIMIT_BYPASS": "true"} | storage_settings(s3, make_bucket())
            engine = {"ANALYSIS": "gemini", "GEMINI_BASE_URL": gemini.url}
            stack = running.enter_context(new_stack(tmp_path, own | engine | settings))
            return Run(stack, tmp_path / "functions.log", gemini)

        yield start


def test_a_recording_is_heard_and_nothing_of_it_is_told_elsewhere(hearing: Callable[..., Run]) -> None:
    heard = hearing(
        GEMINI_API_KEY=KEY,
        POSTHOG_API_KEY="phc_key",
        WEBHOOK_URL="http://127.0.0.1:9/",
        WEBHOOK_SECRETS="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    quote = " ".join(SPOKEN[57:60])
    heard.gemini.script(heard.hear, stand_in.remarks(one(quote, message=SECRET_REMARK)))
    with httpx.Client(base_url=heard.stack.url, timeout=30) as http:
        detail = heard.analysed(http)
    assert heard.opened.startswith(b"fLaC")
    assert detail["transcript"]["text"].split() == SPOKEN
    assert detail["transcript"]["engine"] == "gemini"
    assert detail["metrics"]["words"] == 60
    [said] = [insight for insight in detail["insights"] if insight["message"] == SECRET_REMARK]
    assert said["startSecs"] == 1.71

    heard.stack.sandboxes.invoke("OperationsSweepFunction", {})
    with psycopg.connect(heard.stack.database_url, autocommit=True, row_factory=dict_row) as rows:
        events = [str(row) for row in rows.execute("SELECT * FROM outbox_events").fetchall()]
        webhooks = [str(row) for row in rows.execute("SELECT * FROM notifications").fetchall()]
    assert any("recording_analysis_completed" in event for event in events)
    assert any("speaking_session.completed" in webhook for webhook in webhooks)
    log = heard.log.read_text()
    assert "transcribe" in log.lower()
    signature = heard.gemini.asked[0].audio[0].rpartition("Signature=")[2]
    for secret in (SPOKEN[30], SECRET_REMARK, signature, KEY, "X-Amz-Signature="):
        for place, text in (("log", log), ("events", str(events)), ("webhooks", str(webhooks))):
            assert secret not in text, (place, secret)


def test_without_a_key_it_waits_and_asks_nobody(hearing: Callable[..., Run]) -> None:
    waiting = hearing(GEMINI_API_KEY="")
    with httpx.Client(base_url=waiting.stack.url, timeout=30) as http:
        session_id = send_form(http, speechlike()).json()["id"]
        deadline = time.monotonic() + 60
        while "GenerationNotConfigured" not in waiting.log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        detail = http.get(f"/api/sessions/{session_id}").json()
    assert (detail["status"], detail["stage"]) == ("PROCESSING", "transcribing")
    assert not waiting.gemini.asked
