"""What the workflow's tests do over and over: make jobs, let time pass, sweep, wait for the end, take stock."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import httpx
import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from inlet import identifiers, keys
from local.stack import PROJECT
from local_aws.sandboxes import Outcome
from local_aws.template import Template
from local_aws.workflow_engine import WorkflowEngine
from tests.support import invocations
from tests.support.crash import Functions, Run, Trap

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FINAL = ("completed", "failed")
MINUTE = 60
DAY = 86_400


@dataclass(frozen=True)
class Reserved:
    """What the client was told when it reserved an upload."""

    id: str
    token: str
    url: str
    headers: dict[str, str]


class SharedEngine:
    """The deployed state machine on the local engine, its tasks run by the current world's functions."""

    def __init__(self) -> None:
        template = Template(PROJECT / "template.yaml", stack_name="workflow")
        self.functions: Functions | None = None
        self.moved = threading.Condition()
        self.arn = template.state_machines[0].arn
        self._engine = WorkflowEngine(template.state_machines, template.functions, self._run).start()
        self.client = self._engine.client()
        self.settings = {
            "STATE_MACHINE_ARN": self.arn,
            "STEP_FUNCTIONS_ENDPOINT_URL": self._engine.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stop(self) -> None:
        """End it."""
        self._engine.stop()

    def _run(self, name: str, event: Any) -> Outcome:
        assert self.functions is not None
        if "uploadId" not in event:  # as every handler would say, without the trouble of asking one
            return Outcome(name, "", 0, error={"errorType": "KeyError", "errorMessage": "'uploadId'"})
        try:
            return self.functions.task(name, event)
        finally:
            with self.moved:
                self.moved.notify_all()


PHOTOGRAPH = invocations.photograph()


@dataclass(frozen=True)
class World:
    """Everything a job touches."""

    functions: Functions
    database: psycopg.Connection[Any]
    storage: "S3Client"
    bucket: str
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

    def planted(self, content: bytes = PHOTOGRAPH, *, confirmed: bool = True) -> Reserved:
        """The same, put straight into the table and the bucket: for tests of what comes after."""
        upload = Reserved(identifiers.new_upload_id(), identifiers.new_session_token(), "", {})
        key = keys.original(upload.id, "png")
        etag = self.storage.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType="image/png")["ETag"]
        self.database.execute(
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

    # Time

    def pass_time(self, seconds: int) -> None:
        """Every time in the database lies that much further back."""
        columns = self.database.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'"
        ).fetchall()
        with self.database.transaction():
            for table in {table for table, _ in columns}:
                assignments = SQL(", ").join(
                    SQL("{0} = {0} - make_interval(secs => %(seconds)s)").format(Identifier(column))
                    for owner, column in columns
                    if owner == table
                )
                self.database.execute(
                    SQL("UPDATE {} SET {}").format(Identifier(table), assignments), {"seconds": seconds}
                )

    def sweep(self, trap: Trap | None = None) -> Run:
        """The schedule's sweeper."""
        return self.functions.invoke("OperationsSweepFunction", {}, trap)

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

    def objects(self) -> dict[str, str]:
        """Every object in the bucket, with its ETag."""
        pages = self.storage.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", [])}

    def snapshot(self) -> dict[str, Any]:
        """Every row of every table, and every object."""
        tables = self._rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        rows: dict[str, Any] = {
            table["tablename"]: sorted(
                map(repr, self.database.execute(SQL("SELECT * FROM {}").format(Identifier(table["tablename"]))))
            )
            for table in tables
        }
        return rows | {"bucket": self.objects()}

    def events(self, upload_id: str) -> Counter[str]:
        """How often each event of an upload stands in the outbox."""
        rows = self._rows("SELECT name FROM outbox_events WHERE distinct_id = %s", upload_id)
        return Counter(row["name"] for row in rows)

    def bill(self, upload_id: str) -> Counter[int]:
        """How often the model was paid, by attempt."""
        return Counter(attempt for job, attempt in self.functions.bill() if job == upload_id)

    def assert_nothing_is_left_over(self) -> None:
        """No row without its job, no object without its row, and of a completed job nothing but what it keeps."""
        expected: dict[str, bool] = {}  # key → must be there
        for job in self._rows(
            "SELECT uploads.*, full_key, preview_key FROM uploads LEFT JOIN results ON upload_id = uploads.id"
        ):
            if job["confirmed_at"] is None:
                expected[job["original_url"]] = False
                continue
            expected[job["original_url"]] = True
            if job["full_key"]:
                expected[job["full_key"]] = True
            if job["preview_key"]:
                expected[job["preview_key"]] = True
            if job["status"] == "completed":
                assert (job["result_url"], job["preview_url"]) == (job["full_key"], job["preview_key"])
                assert job["preview_key"]
            elif job["status"] == "failed":
                expected[f"work/{job['id']}/generated"] = False  # a further attempt need not pay for it
        objects = self.objects()
        assert not objects.keys() - expected.keys(), "objects without a row"
        assert {key for key, needed in expected.items() if needed} <= objects.keys(), "rows without their object"
        assert not self._rows("SELECT * FROM object_deletions")
        assert not self._rows("SELECT * FROM uploads WHERE status = 'processing'")

    def _rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        return self.database.cursor(row_factory=dict_row).execute(SQL(statement), parameters).fetchall()
