"""Image jobs where functions can be killed: a client's steps, the workflow's, and what must be there in the end."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString, cast

import httpx

from inlet import identifiers, keys
from local.stack import PROJECT
from local_aws.sandboxes import Outcome
from local_aws.template import Template
from local_aws.workflow_engine import WorkflowEngine
from tests.support import invocations
from tests.support.crash import Functions, Run, Trap, subject_of
from tests.support.photographs import PHOTOGRAPH
from tests.support.worlds.world import HOUR, World

FINAL = ("completed", "failed")
STAGES = [f"ImageStages{stage}Function" for stage in ("Validate", "Generate", "Store", "Watermark", "Complete")]
FAIL = "ImageStagesFailFunction"


@dataclass(frozen=True)
class Reserved:
    """What the client was told when it reserved an upload."""

    id: str
    token: str
    url: str
    headers: dict[str, str]


class SharedEngine:
    """The deployed state machines on the local engine, their tasks run by the current world's functions.

    `arn` is that of image jobs, `analysis_arn` that of recordings.
    """

    def __init__(self) -> None:
        template = Template(PROJECT / "template.yaml", stack_name="workflow")
        self.functions: Functions | None = None
        self.moved = threading.Condition()
        self.arn, self.analysis_arn = (machine.arn for machine in template.state_machines)
        self._engine = WorkflowEngine(template.state_machines, template.functions, self._run).start()
        self.client = self._engine.client()
        self.settings = {
            "STATE_MACHINE_ARN": self.arn,
            "ANALYSIS_STATE_MACHINE_ARN": self.analysis_arn,
            "STEP_FUNCTIONS_ENDPOINT_URL": self._engine.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stop(self) -> None:
        """End it."""
        self._engine.stop()

    def _run(self, name: str, event: Any) -> Outcome:
        assert self.functions is not None
        if not subject_of(event):  # as every handler would say, without the trouble of asking one
            return Outcome(name, "", 0, error={"errorType": "KeyError", "errorMessage": "its id"})
        try:
            return self.functions.task(name, event)
        finally:
            with self.moved:
                self.moved.notify_all()


@dataclass(frozen=True)
class ImageJobsWorld(World):
    """Everything a job touches."""

    functions: Functions
    engine: SharedEngine

    # A client's steps

    def reserve(self, *, size: int | None = None) -> Reserved:
        """POST /api/upload."""
        body = self.call("ImageJobsCreateFunction", invocations.create(size=size), 201).body
        return Reserved(body["uploadId"], body["sessionToken"], body["uploadUrl"], body["headers"])

    def upload(self, content: bytes = PHOTOGRAPH) -> Reserved:
        """Reserve and PUT."""
        reserved = self.reserve()
        httpx.put(reserved.url, content=content, headers=reserved.headers).raise_for_status()
        return reserved

    def confirmed(self, content: bytes = PHOTOGRAPH) -> Reserved:
        """Reserve, PUT, confirm."""
        reserved = self.upload(content)
        self.call("ImageJobsConfirmFunction", invocations.confirm(reserved.id), 200)
        return reserved

    def process(self, job: Reserved, trap: Trap | None = None) -> Run:
        """POST /api/process."""
        return self.functions.invoke("ImageJobsProcessFunction", invocations.process(job.id, job.token), trap)

    def delete(self, job: Reserved, trap: Trap | None = None) -> Run:
        """DELETE /api/upload/{uploadId}."""
        return self.functions.invoke("ImageJobsDeleteFunction", invocations.delete(job.id, job.token), trap)

    def planted(self, content: bytes = PHOTOGRAPH, *, confirmed: bool = True) -> Reserved:
        """The same, put straight into the table and the bucket: for tests of what comes after."""
        upload = Reserved(identifiers.new_upload_id(), identifiers.new_token(), "", {})
        key = keys.original(upload.id, "png")
        etag = self.storage.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType="image/png")["ETag"]
        self.rows.execute(
            "INSERT INTO uploads"
            " (id, email, session_token_hash, original_url, content_type, etag, confirmed_at, expires_at)"
            " VALUES (%s, 'somebody@example.com', %s, %s, 'image/png', %s, %s, now() + interval '1 day')",
            (
                *(upload.id, identifiers.token_hash(upload.token), key),
                *((etag.strip('"'), datetime.now(UTC)) if confirmed else (None, None)),
            ),
        )
        return upload

    def finished(self) -> Reserved:
        """A completed job."""
        job = self.planted()
        assert self.process(job).status == 202
        assert self.wait(job.id) == "completed"
        return job

    def call(self, name: str, event: Any, status: int) -> Run:
        """An API function that must answer with `status`."""
        run = self.functions.invoke(name, event)
        assert run.status == status, run.payload
        return run

    # The workflow's steps

    def started(self) -> Reserved:
        """Return a job in processing whose execution was never started, so that the test alone moves it."""
        job = self.planted()
        self.process(job, Trap(2))
        return job

    def task(self, name: str, job: Reserved, attempt: int = 1) -> Run:
        """Run a stage as the engine would."""
        event: dict[str, Any] = {"uploadId": job.id, "attempt": attempt}
        if name == FAIL:
            event["error"] = {"Error": "States.Timeout"}
        return self.functions.invoke(name, event)

    def wait(self, upload_id: str, seconds: float = 60) -> str:
        """The job's final status, once its execution has ended too."""
        deadline = time.monotonic() + seconds
        with self.engine.moved:
            while (job := self.job(upload_id))["status"] not in FINAL:
                assert time.monotonic() < deadline, f"{upload_id} is {job['status']} in stage {job['stage']}"
                self.engine.moved.wait(1)
        self.wait_for_execution(upload_id, job["attempt"])
        return cast("str", job["status"])

    def wait_for_execution(self, upload_id: str, attempt: int) -> None:
        """Until the engine is done with an attempt."""
        while self.execution(upload_id, attempt) == "RUNNING":
            time.sleep(0.01)

    # Taking stock

    def job(self, upload_id: str) -> dict[str, Any]:
        """The upload's row."""
        row = self._rows("SELECT * FROM uploads WHERE id = %s", upload_id)
        assert row, f"no upload {upload_id}"
        return row[0]

    def execution(self, upload_id: str, attempt: int) -> str | None:
        """What the engine says of an attempt's execution."""
        client = self.engine.client
        arn = self.engine.arn.replace(":stateMachine:", ":execution:") + f":{upload_id}-{attempt}"
        try:
            return client.describe_execution(executionArn=arn)["status"]
        except client.exceptions.ExecutionDoesNotExist:
            return None

    def executions(self, upload_id: str) -> list[str]:
        """The names of all executions that were ever started for an upload."""
        pages = self.engine.client.get_paginator("list_executions").paginate(stateMachineArn=self.engine.arn)
        names = (execution["name"] for page in pages for execution in page["executions"])
        return sorted(name for name in names if name.startswith(upload_id))

    def events(self, upload_id: str) -> Counter[str]:
        """How often each event of an upload stands in the outbox."""
        rows = self._rows("SELECT name FROM outbox_events WHERE distinct_id = %s", upload_id)
        return Counter(row["name"] for row in rows)

    def bill(self, upload_id: str) -> Counter[int]:
        """How often the model was paid, by attempt."""
        return Counter(attempt for job, attempt, _ in self.functions.bill() if job == upload_id)

    def look_again(self) -> None:
        """Sweep once no stage can write any more to what is noted for deletion."""
        self.rows.execute("UPDATE object_deletions SET not_before = now(), writable_until = now()")
        self.sweep()

    def accounted_for(self) -> tuple[set[str], set[str]]:
        """Return what confirmed uploads and their results are kept in, and what an unfinished job may still have."""
        needed, allowed = set[str](), set[str]()
        for job in self._rows(
            "SELECT uploads.*, full_key, preview_key FROM uploads LEFT JOIN results ON upload_id = uploads.id"
        ):
            if job["confirmed_at"] is None:
                allowed.add(job["original_url"])
                continue
            needed |= {job["original_url"], job["full_key"], job["preview_key"]} - {None}
            if job["status"] == "completed":
                assert (job["result_url"], job["preview_url"]) == (job["full_key"], job["preview_key"])
                assert job["preview_key"]
            elif job["status"] == "failed":
                # A further attempt need not pay for it.
                allowed |= {keys.model_input(job["id"]), keys.generated(job["id"])}
        return needed, allowed

    def assert_gone(self, *jobs: Reserved) -> None:
        """Look for rows and objects of deleted jobs, now and when nobody can write any more; find none."""
        self.pass_time(2 * HOUR)
        self.sweep()
        for job in jobs:
            result_id = identifiers.result_id_for(job.id)
            for prefix in (f"uploads/{job.id}/", f"work/{job.id}/", f"results/{result_id}/"):
                assert not self.objects(prefix)
            assert not self._rows("SELECT id FROM uploads WHERE id = %s", job.id)
            assert not self._rows("SELECT id FROM results WHERE upload_id = %s", job.id)
            assert not self._rows("SELECT state FROM generations WHERE upload_id = %s", job.id)
            assert self.events(job.id)["upload_deleted"] == 1
        assert not self._rows("SELECT key FROM object_deletions")

    def assert_nothing_is_left_over(self) -> None:
        """Look again at what lay between the stages; then do as every world does, and find no job without an end."""
        self.look_again()
        super().assert_nothing_is_left_over()
        assert not self._rows("SELECT * FROM uploads WHERE status = 'processing'")

    def _rows(self, statement: LiteralString, *parameters: Any) -> list[dict[str, Any]]:
        return self.rows.execute(statement, parameters).fetchall()
