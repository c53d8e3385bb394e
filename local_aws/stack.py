"""A whole stack from one template: servers, workflow engine, functions, schedules and API, in the order they need.

The servers and the engine start side by side. The function that migrates the database, if there is one, runs next;
schedules and the API open when everything answers.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from local_aws import numbers, s3_server
from local_aws.api_event import HttpRequest
from local_aws.children import PartFailed
from local_aws.cloudformation import REGION
from local_aws.gateway import Api, Gateway
from local_aws.issuer import Issuer
from local_aws.loopback import isolate_process, isolated
from local_aws.numbers import Numbers
from local_aws.ports import HOST
from local_aws.postgres import Postgres
from local_aws.s3_server import S3Server
from local_aws.sandboxes import Outcome, Sandboxes, start_fork_server
from local_aws.schedules import Schedules
from local_aws.secret_files import private_directory
from local_aws.template import Template
from local_aws.websocket_api import MANAGEMENT_PATH, WebSocketApi

if TYPE_CHECKING:
    from local_aws.workflow_engine import WorkflowEngine

# Where boto3 looks for what the engine's door leads to.
OF_ENGINE = ("AWS_ENDPOINT_URL_SFN", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI")


class Stack:
    """One stack, which keeps its log in `directory`, for its owner alone.

    shared            the folder that is on every function's path: what its layer holds
    environment       variables of every function, over the template's; of the shell's they see none but the machine's
    postgres, s3      servers to start with the stack and to stop with it; without one, functions use another
    issuer            signs people in, and lets the stack's own pages ask for it
    port              the API's; 0 takes a free one
    migrate_with      the logical id of a function that must succeed before the API opens
    allowed_hosts     names of the API beside this machine's own
    auth_bypass       lets requests without a token pass the authorizers; a bad token never passes
    schedule_seconds  the rate of every schedule in place of the template's; 0 switches them off
    own_words         by status, or "insufficient_scope": what the API adds to an answer that comes from no function
    report            is told a line about each request, each failed invocation, each task and schedule
    """

    def __init__(
        self,
        template: Template,
        directory: Path,
        *,
        shared: Path,
        environment: Mapping[str, str] | None = None,
        postgres: Postgres | None = None,
        s3: S3Server | None = None,
        issuer: Issuer | None = None,
        port: int = 8000,
        migrate_with: str = "",
        allowed_hosts: Iterable[str] = (),
        auth_bypass: bool = False,
        schedule_seconds: float | None = None,
        own_words: Mapping[int | str, Mapping[str, str]] | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.template = template
        self.environment = dict(environment or {})
        self._directory = directory.resolve()
        self._shared = shared
        self._postgres = postgres
        self.s3 = s3
        self.issuer = issuer
        self._port = port
        self._migrate_with = migrate_with
        self._allowed_hosts = allowed_hosts
        self._auth_bypass = auth_bypass
        self._schedule_seconds = schedule_seconds
        self._own_words = own_words or {}
        self._report = report
        self._engine: WorkflowEngine | None = None
        self._websockets: WebSocketApi | None = None
        self._stopping: list[Callable[[], object]] = []

    # What it offers

    @property
    def url(self) -> str:
        """The API's address."""
        return self._gateway.url

    @property
    def postgres(self) -> Postgres:
        """The stack's own database server."""
        return _started(self._postgres, Postgres.part)

    @property
    def engine(self) -> "WorkflowEngine":
        """The workflow engine of the template's state machines."""
        return _started(self._engine, "Workflow engine")

    @property
    def live_url(self) -> str | None:
        """Where clients connect to the WebSocket API, if the template has one."""
        return f"ws://{HOST}:{self._gateway.port}{self._websockets.path}" if self._websockets else None

    @property
    def numbers_url(self) -> str:
        """Where the functions' metrics are shown, added up."""
        return f"{self.url}{numbers.PATH}"

    @property
    def function_log(self) -> Path:
        """The file with all that the functions print and log."""
        return self._directory / "functions.log"

    # What a project may say otherwise

    def addresses(self) -> dict[str, str]:
        """Return the variables that tell functions where the started servers are, by the names boto3 reads itself."""
        known = {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.s3.keys.access_key_id if self.s3 else "none",
            "AWS_SECRET_ACCESS_KEY": self.s3.keys.secret_access_key if self.s3 else "none",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if self._postgres:
            known["DATABASE_URL"] = self._postgres.url
        if self.s3:
            known["AWS_ENDPOINT_URL_S3"] = self.s3.endpoint_url
        if self._engine:
            known |= dict.fromkeys(OF_ENGINE, self._engine.endpoint_url)
        return known

    def shown_path(self, request: HttpRequest) -> str:
        """Return a request's path as the report may show it."""
        return request.raw_path

    # Its life

    def start(self) -> Self:
        """Start everything; on failure stop what had started and raise `PartFailed`.

        From here on this process has no AWS account and no proxy on its way to this machine (`loopback`). Until the
        stack stops, all files that this process and its children make are for their owner alone.
        """
        isolate_process()
        before = os.umask(0o077)
        self._stopping.append(lambda: os.umask(before))
        try:
            private_directory(self._directory)
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def check(self) -> None:
        """Raise `PartFailed` when a part has ended by itself."""
        for server in (self._postgres, self.s3):
            if server is not None:
                server.child.check()
        self._gateway.check()
        if self.issuer is not None:
            self.issuer.check()

    def stop(self) -> None:
        """Stop everything, the last started first."""
        while self._stopping:
            self._stopping.pop()()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _start(self) -> None:
        self._gateway = Gateway(self._port)
        self._stopping.append(self._gateway.close)
        if declared := self.template.websocket_routes:
            self._websockets = WebSocketApi(declared, self._invoke)
        if self.issuer is not None:
            self.issuer.start(self.own_pages())
            self._stopping.append(self.issuer.stop)
        servers = [server for server in (self.s3, self._postgres) if server is not None]
        for server in servers:
            server.begin()
            self._stopping.append(server.stop)
        start_fork_server()
        self._start_engine()
        self._start_sandboxes()
        for server in servers:
            server.wait()
        self._make_buckets()
        self._migrate()
        self._start_schedules()
        api = Api(
            self.template,
            self._invoke,
            port=self._gateway.port,
            allowed_hosts=self._allowed_hosts,
            auth_bypass=self._auth_bypass,
            own_words=self._own_words,
            report=self._report_request,
            websockets=self._websockets,
            measured=Numbers(self.function_log),
        )
        self._gateway.start(api)
        # The first to stop: the rest is there until every request is answered, and every connection closed.
        self._stopping.append(self._gateway.stop)
        if self._websockets:
            self._stopping.append(self._websockets.stop)

    def _start_engine(self) -> None:
        if not self.template.state_machines and not self._websockets:
            return
        # moto takes two seconds to import: the servers and the fork server start meanwhile.
        from local_aws.workflow_engine import WorkflowEngine

        others = {MANAGEMENT_PATH: self._websockets} if self._websockets else {}
        self._engine = WorkflowEngine(
            self.template.state_machines, self.template.functions, self._invoke, others
        ).start()
        self._stopping.append(self._engine.stop)

    def _start_sandboxes(self) -> None:
        self.environment = isolated(self.environment) | self.addresses()
        self.sandboxes = Sandboxes(
            self.template.functions,
            self.environment,
            log=self.function_log,
            shared=self._shared,
            report=self._report_invocation,
        )
        self._stopping.append(self.sandboxes.stop)

    def _invoke(self, function: str, event: Any) -> Outcome:
        # The engine wants to know how to invoke functions, functions want to know where the engine is.
        return self.sandboxes.invoke(function, event)

    def _make_buckets(self) -> None:
        if self.s3 is None:
            return
        pages = self.own_pages()
        storage = self.s3.client()
        for bucket, rules in self.template.buckets.items():
            open_rules = [rule | {"AllowedOrigins": [*rule["AllowedOrigins"], *pages]} for rule in rules]
            s3_server.ensure_bucket(storage, bucket, open_rules)

    def own_pages(self) -> list[str]:
        """Return the origins of the stack's own pages."""
        return [f"http://{name}:{self._gateway.port}" for name in (HOST, "localhost")]

    def _migrate(self) -> None:
        if not self._migrate_with:
            return
        outcome = self._invoke(self._migrate_with, {})
        if outcome.error:
            raise PartFailed("Migrations", f"{outcome.error['errorType']}: {outcome.error['errorMessage']}")

    def _start_schedules(self) -> None:
        if self._schedule_seconds == 0:
            return
        schedules = Schedules(self.template.schedules, self._invoke, seconds=self._schedule_seconds)
        schedules.start()
        self._stopping.append(schedules.stop)

    # Its log lines

    def _report_request(self, request: HttpRequest, status: int, seconds: float) -> None:
        self._report(f"{request.method} {self.shown_path(request)} {status} {seconds * 1000:.0f} ms")

    def _report_invocation(self, outcome: Outcome) -> None:
        is_api = any(route.function == outcome.function for route in self.template.routes)
        if outcome.error:
            failure = f"{outcome.error['errorType']}: {outcome.error['errorMessage']}"
            self._report(f"{outcome.function} failed after {outcome.seconds * 1000:.0f} ms: {failure}")
        elif not is_api:
            self._report(f"{outcome.function} {outcome.seconds * 1000:.0f} ms")


def _started[Part](part: Part | None, name: str) -> Part:
    if part is None:
        raise PartFailed(name, "this stack has none of its own.")
    return part
