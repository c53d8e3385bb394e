"""What image jobs depend on fails: the documented answer, no harm done, and all is well afterwards.

Storage and Step Functions cannot be reached; then Postgres dies, Gemini errs and PostHog hangs under the whole stack.
"""

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

from inlet import keys
from local.stack import LocalStack
from local_aws.ports import HOST, free_port
from local_aws.postgres import Postgres
from tests.support import gemini_stand_in, invocations, posthog_stand_in
from tests.support.image_jobs import EMAIL, confirmed, process, reserve, started, wait
from tests.support.worlds.image_jobs import ImageJobsWorld
from tests.support.worlds.world import MINUTE


@pytest.fixture
def nowhere() -> str:
    """An address nobody listens on."""
    return f"http://{HOST}:{free_port()}"


def test_step_functions_unreachable(world: ImageJobsWorld, nowhere: str) -> None:
    job = world.planted()
    world.functions.environment["STEP_FUNCTIONS_ENDPOINT_URL"] = nowhere
    for _ in range(2):
        refused = world.process(job)
        assert (refused.status, refused.body["error"]["code"]) == (500, "WORKFLOW_FAILED")
        assert refused.body["error"]["message"] == "We couldn't start processing. Please try again."
        assert nowhere not in refused.payload["body"]
        assert world.job(job.id)["status"] == "pending", "startable at once"
    world.pass_time(MINUTE + 1)
    assert world.sweep().payload["started"] == 0, "the client was told; nothing is owed"
    del world.functions.environment["STEP_FUNCTIONS_ENDPOINT_URL"]
    assert world.process(job).status == 202
    assert world.wait(job.id) == "completed"
    assert world.executions(job.id) == [f"{job.id}-1"]
    assert world.bill(job.id) == {1: 1}
    assert world.events(job.id)["processing_started"] == 1
    world.assert_nothing_is_left_over()


def test_a_start_that_was_thought_lost(world: ImageJobsWorld, nowhere: str) -> None:
    """Nobody heard the engine's answer, but it is at work already: the job is not taken away from it."""
    job = world.planted()
    world.functions.environment["STEP_FUNCTIONS_ENDPOINT_URL"] = nowhere
    event = invocations.process(job.id, job.token)
    with world.functions.held("ImageJobsProcessFunction", event, point=4) as giving_up:
        run = world.functions.invoke("ImageStagesValidateFunction", {"uploadId": job.id, "attempt": 1})
        assert run.error is None
        assert giving_up.release().status == 500
    assert (world.job(job.id)["status"], world.job(job.id)["stage"]) == ("processing", "validating")


def test_a_start_that_was_given_up_before_its_first_stage(world: ImageJobsWorld, nowhere: str) -> None:
    job = world.planted()
    world.functions.environment["STEP_FUNCTIONS_ENDPOINT_URL"] = nowhere
    assert world.process(job).status == 500
    del world.functions.environment["STEP_FUNCTIONS_ENDPOINT_URL"]
    for name in ("Validate", "Generate", "Store", "Watermark", "Complete"):  # the execution was started after all
        assert world.functions.invoke(f"ImageStages{name}Function", {"uploadId": job.id, "attempt": 1}).error is None
    assert world.job(job.id)["status"] == "completed"
    assert world.process(job).status == 409
    assert world.bill(job.id) == {1: 1}


def test_a_start_whose_execution_is_over_already(world: ImageJobsWorld) -> None:
    """Its name is used up; the job must neither hang nor be refused for ever."""
    job = world.planted()
    world.engine.client.start_execution(stateMachineArn=world.engine.arn, name=f"{job.id}-1", input="{}")
    world.wait_for_execution(job.id, 1)
    assert world.process(job).status == 202
    world.pass_time(MINUTE + 1)
    assert world.sweep().payload["failed"] == 1
    assert world.process(job).status == 202
    assert world.wait(job.id) == "completed"
    assert world.executions(job.id) == [f"{job.id}-1", f"{job.id}-2"]


def test_the_sweeper_without_step_functions_or_storage(world: ImageJobsWorld, nowhere: str) -> None:
    unconfirmed = world.planted(confirmed=False)
    world.pass_time(2 * 86_400)
    world.functions.environment |= {"STEP_FUNCTIONS_ENDPOINT_URL": nowhere, "S3_ENDPOINT_URL": nowhere}
    silent = world.started()
    world.pass_time(2 * MINUTE)
    run = world.functions.invoke("OperationsSweepFunction", {})
    assert run.error is not None
    assert run.error["errorType"] == "SweepIncomplete", "the alarm sees no log, only a run that failed"
    assert run.error["errorMessage"] == "reconcile_jobs, delete_objects"
    assert len(world.objects()) == 2, "not deleted, and not forgotten"
    with pytest.raises(AssertionError, match="no upload"):
        world.job(unconfirmed.id)
    for name in ("STEP_FUNCTIONS_ENDPOINT_URL", "S3_ENDPOINT_URL"):
        del world.functions.environment[name]
    assert world.sweep().payload["objects"] == 0, "its next try is in five minutes"
    world.pass_time(5 * MINUTE + 1)
    assert world.sweep().payload["objects"] >= 1, "and perhaps what the job has left between its stages meanwhile"
    assert keys.original(unconfirmed.id, "png") not in world.objects()
    assert world.wait(silent.id) == "completed"
    world.assert_nothing_is_left_over()


def test_storage_unreachable(world: ImageJobsWorld, nowhere: str) -> None:
    world.functions.environment["S3_ENDPOINT_URL"] = nowhere
    world.reserve()  # signing needs nobody
    upload = world.planted(confirmed=False)
    refused = world.functions.invoke("ImageJobsConfirmFunction", invocations.confirm(upload.id))
    assert (refused.status, refused.body["error"]["code"]) == (500, "VERIFICATION_FAILED")
    assert refused.body["error"]["message"] == "We couldn't verify your upload. Let's try again!"
    assert nowhere not in refused.payload["body"]
    job = world.planted()
    world.process(job)
    assert world.wait(job.id) == "failed"
    assert world.job(job.id)["error_message"] == "Processing failed. Please try again."
    assert len([name for name, _, _ in world.functions.tasks if name == "ImageStagesValidateFunction"]) == 9
    assert world.bill(job.id) == {}

    del world.functions.environment["S3_ENDPOINT_URL"]
    world.call("ImageJobsConfirmFunction", invocations.confirm(upload.id), 200)
    for again in (upload, job):
        assert world.process(again).status == 202
        assert world.wait(again.id) == "completed"
    world.assert_nothing_is_left_over()


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
            assert (failing.status_code, failing.json()["error"]["code"]) == (503, "UNAVAILABLE")
            assert failing.headers["retry-after"] == "2"
            assert wait(http, waiting)["status"] == "completed"
        for moment, answer in load.refused:
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")
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
            assert (outcome.error is None) == (posthog.mood == "up"), "a run that delivers nothing fails"
            return dict(outcome.payload or {})

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
