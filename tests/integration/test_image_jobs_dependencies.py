"""What image jobs depend on fails while the whole stack runs: Postgres dies, Gemini errs, PostHog hangs."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

from local.stack import LocalStack
from local_aws.postgres import Postgres
from tests.support import gemini_stand_in, posthog_stand_in
from tests.support.image_jobs import EMAIL, confirmed, process, reserve, started, wait


class Load:
    """Clients that reserve uploads one after the other, and note what they were told and when."""

    def __init__(self, url: str, clients: int) -> None:
        self.acknowledged: dict[str, float] = {}
        self.refused: list[tuple[float, httpx.Response]] = []
        self._changed = threading.Condition()
        self._stop = False
        self._threads = [threading.Thread(target=self._run, args=(url,)) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        """Until so many more uploads were acknowledged."""
        with self._changed:
            goal = len(self.acknowledged) + count
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= goal, timeout=60)

    def stop(self) -> None:
        """Let every request come to its end."""
        self._stop = True
        for thread in self._threads:
            thread.join()

    def _run(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as http:
            while not self._stop:
                answer = http.post("/api/upload", json={"email": EMAIL, "type": "image/png"})
                with self._changed:
                    if answer.status_code == 201:
                        self.acknowledged[answer.json()["uploadId"]] = time.monotonic()
                    else:
                        self.refused.append((time.monotonic(), answer))
                    self._changed.notify_all()


def test_postgres_killed_under_load(start_stack: Callable[..., LocalStack], tmp_path: Path) -> None:
    """Killed, not stopped: what was acknowledged is there when it is back, and 500s end with the outage."""
    with Postgres(tmp_path / "own", durable=True) as postgres:
        stack = start_stack(DATABASE_URL=postgres.url, RATE_LIMIT_BYPASS="true")
        with httpx.Client(base_url=stack.url, timeout=30) as http:
            waiting = confirmed(http)
            load = Load(stack.url, clients=3)
            load.wait_for(20)
            process(http, waiting)
            down = time.monotonic()
            postgres.child.kill()
            failing = process(http, waiting)
            postgres.start()
            up = time.monotonic()
            load.wait_for(20)
            load.stop()
            assert failing.status_code == 500
            assert failing.json()["error"]["code"] == "INTERNAL_ERROR"
            assert wait(http, waiting)["status"] == "completed"
        for moment, answer in load.refused:
            assert answer.status_code == 500
            assert answer.json()["error"]["code"] == "INTERNAL_ERROR"
            assert set(answer.json()) == {"success", "error", "requestId"}
            assert down <= moment <= up + 6, "a connection attempt under way may take its five seconds"
        with psycopg.connect(postgres.url) as database:
            stored = {row[0] for row in database.execute("SELECT id FROM uploads")}
            events = database.execute("SELECT count(*) FROM outbox_events WHERE name = 'upload_started'").fetchone()
        assert load.acknowledged.keys() <= stored
        assert events == (len(stored),), "change and event are one statement"


def test_gemini_failing(start_stack: Callable[..., LocalStack], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(retrier_decl), "time", SimpleNamespace(sleep=lambda _: None))  # no backoff, for once
    with gemini_stand_in.GeminiStandIn() as gemini:
        stack = start_stack(
            GENERATOR="gemini", GEMINI_API_KEY="k", GEMINI_BASE_URL=gemini.url, RATE_LIMIT_BYPASS="true"
        )
        with httpx.Client(base_url=stack.url, timeout=30) as http:
            gemini.script(gemini_stand_in.error(429, "RESOURCE_EXHAUSTED"), gemini_stand_in.error(503, "UNAVAILABLE"))
            upload = started(http)
            assert wait(http, upload)["status"] == "completed"
            assert len(gemini.asked) == 3

            gemini.script(*[gemini_stand_in.error(500, "INTERNAL")] * 4)
            upload = started(http)
            body = wait(http, upload)
            assert (body["status"], body["progress"]) == ("failed", 30)
            assert body["errorMessage"] == "Processing failed. Please try again."
            assert len(gemini.asked) == 3 + 4, "attempts are bounded"
            assert process(http, upload).status_code == 202
            assert wait(http, upload)["status"] == "completed"
            assert len(gemini.asked) == 3 + 4 + 1

            gemini.script(gemini_stand_in.blocked_prompt())
            body = wait(http, started(http))
            assert body["errorMessage"] == "The image model declined this photo. Please try another one."
            assert len(gemini.asked) == 3 + 4 + 1 + 1, "a safety block is final"


def test_posthog_hanging(start_stack: Callable[..., LocalStack]) -> None:
    with posthog_stand_in.listening() as posthog:
        stack = start_stack(POSTHOG_API_KEY="phc_test", POSTHOG_HOST=posthog.host, RATE_LIMIT_BYPASS="true")

        def deliver() -> dict[str, Any]:
            outcome = stack.sandboxes.invoke("OperationsDeliverEventsFunction", {})
            assert outcome.error is None
            return dict(outcome.payload)

        with httpx.Client(base_url=stack.url, timeout=30) as http:
            reserve(http)
            posthog.mood = "hanging"
            hanging = threading.Thread(target=deliver)
            hanging.start()
            posthog.wait_for_request(1)
            reserve(http)
            assert hanging.is_alive(), "a request waits for nobody's analytics"
            upload = started(http)
            wait(http, upload)
            hanging.join()
            assert posthog.events == []
        posthog.mood = "failing"
        deliver()
        assert posthog.events == []
        posthog.mood = "up"
        with psycopg.connect(stack.database_url, autocommit=True) as database:
            database.execute("UPDATE outbox_events SET leased_until = now() - interval '1 second'")
            recorded = database.execute("SELECT count(*) FROM outbox_events").fetchone()
            assert recorded == (deliver()["sent"],)
            assert database.execute("SELECT count(*) FROM outbox_events WHERE sent_at IS NULL").fetchone() == (0,)
        assert len({event["uuid"] for event in posthog.events}) == len(posthog.events) == recorded[0]
        once = ("upload_started", "session_created", "upload_confirmed", "processing_started", "status_complete")
        assert {
            name: count for name, count in posthog.names(upload.id).items() if name != "status_poll"
        } == dict.fromkeys(once, 1)
        sent = repr(posthog.events)
        for secret in (EMAIL, upload.token, "X-Amz-", upload.url):
            assert secret not in sent
        assert deliver() == {"sent": 0}
