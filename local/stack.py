"""The whole stack on this machine: what `make run` starts, and what the tests start several of.

Order: Postgres, the S3 server and the workflow engine side by side; migrations through their own function; then, when
everything answers, the API.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from local_aws import s3_server
from local_aws.api_event import HttpRequest
from local_aws.children import PartFailed
from local_aws.cloudformation import REGION
from local_aws.gateway import Api, Gateway
from local_aws.ports import HOST, remembered_ports
from local_aws.postgres import Postgres
from local_aws.s3_server import S3Server
from local_aws.sandboxes import Outcome, Sandboxes, start_fork_server
from local_aws.schedules import Schedules
from local_aws.template import Template

if TYPE_CHECKING:
    from types import TracebackType

    from mypy_boto3_s3 import S3Client

PROJECT = Path(__file__).resolve().parent.parent
SERVER_ADDRESSES = ("DATABASE_URL", "S3_ENDPOINT_URL", "STEP_FUNCTIONS_ENDPOINT_URL")
S3_SETTINGS = ("S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "BUCKET")
OF_THE_MACHINE = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "PYTHONDONTWRITEBYTECODE")

_CAPABILITY = re.compile("(/companion/)[^/]+")  # what stock Uppy carries in its path; on AWS the log has the route only

DEFAULTS = {
    "AUTH_BYPASS": "true",
    "BUCKET": "inlet-local",
    "DEV_USER_SUB": "dev-user-00000000-0000-0000-0000-000000000001",
    "GENERATOR": "local",
    "MIGRATIONS_DIRECTORY": str(PROJECT / "migrations"),
    "PORT": "8000",
    "STAGE": "local",
    "WEB_DIRECTORY": str(PROJECT / "web"),
}


class LocalStack:
    """One stack in `directory`. `settings` are environment variables over the local defaults.

    `DATABASE_URL` uses a database that is already there instead of starting Postgres; the four S3 settings together use
    a bucket that is already there instead of starting an S3 server. `PORT` 0 takes a free one. `SCHEDULE_SECONDS` is
    the rate of every schedule in place of the template's; 0 switches them off.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str],
        *,
        template_file: Path = PROJECT / "template.yaml",
        stack_name: str = "inlet",
        durable: bool = True,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings = DEFAULTS | dict(settings)
        self._directory = directory.resolve()
        self._report = report
        self.template = Template(template_file, stack_name, self._parameters(), {"Bucket": self.bucket})
        self._postgres = None if self.settings.get("DATABASE_URL") else self._own_postgres(durable=durable)
        self._s3 = None if self._has_storage() else S3Server(self._directory / "s3")
        self._stopping: list[Callable[[], None]] = []

    # What it offers

    @property
    def url(self) -> str:
        """Of the API."""
        return self._gateway.url

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.settings["BUCKET"]

    @property
    def database_url(self) -> str:
        """Of the database."""
        return self._postgres.url if self._postgres else self.settings["DATABASE_URL"]

    @property
    def postgres(self) -> Postgres:
        """The stack's own server; not to be asked for under a `DATABASE_URL`."""
        if self._postgres is None:
            raise PartFailed("Postgres", "this stack uses a DATABASE_URL.")
        return self._postgres

    @property
    def storage(self) -> "S3Client":
        """A boto3 client of the stack's storage."""
        return s3_server.client(
            self.environment["S3_ENDPOINT_URL"],
            self.environment["S3_ACCESS_KEY_ID"],
            self.environment["S3_SECRET_ACCESS_KEY"],
        )

    @property
    def server_urls(self) -> list[str]:
        """Of everything functions talk to."""
        return [self.environment[name] for name in SERVER_ADDRESSES]

    @property
    def function_log(self) -> Path:
        """What the functions printed and logged."""
        return self._directory / "functions.log"

    # Its life

    def start(self) -> Self:
        """Start everything; on failure stop what had started and raise `PartFailed`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def check(self) -> None:
        """Raise `PartFailed` when a part has ended by itself."""
        for part in (self._postgres, self._s3):
            if part is not None:
                part.child.check()
        self._gateway.check()

    def stop(self) -> None:
        """Stop everything, the last started first."""
        while self._stopping:
            self._stopping.pop()()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        """Stop."""
        self.stop()

    def _start(self) -> None:
        self._gateway = Gateway(self._port())
        self._stopping.append(self._gateway.close)
        for server in (self._s3, self._postgres):
            if server is not None:
                server.begin()
                self._stopping.append(server.stop)
        start_fork_server()
        self._start_sandboxes()
        if self._s3:
            self._s3.wait()
            s3_server.ensure_bucket(self.storage, self.bucket, self._bucket_cors_rules())
        if self._postgres:
            self._postgres.wait()
        self._migrate()
        self._start_schedules()
        self._gateway.start(
            Api(
                self.template,
                self.sandboxes.invoke,
                auth_bypass=self.settings["AUTH_BYPASS"].lower() in ("1", "true", "yes"),
                report=self._report_request,
            )
        )
        self._stopping.append(
            self._gateway.stop
        )  # the first to stop: the rest is there until every request is answered

    def _start_sandboxes(self) -> None:
        # moto takes two seconds to import: the servers and the fork server start meanwhile.
        from local_aws.workflow_engine import WorkflowEngine

        # The engine wants to know how to invoke functions, functions want to know where the engine is.
        self.engine = WorkflowEngine(
            self.template.state_machines,
            self.template.functions,
            lambda name, event: self.sandboxes.invoke(name, event),
        ).start()
        self._stopping.append(self.engine.stop)
        self.environment = self._environment()
        self.sandboxes = Sandboxes(
            self.template.functions,
            self.environment,
            log=self.function_log,
            shared=PROJECT / "shared",
            report=self._report_invocation,
        )
        self._stopping.append(self.sandboxes.stop)

    def _migrate(self) -> None:
        outcome = self.sandboxes.invoke("OperationsMigrateFunction", {})
        if outcome.error:
            raise PartFailed("Migrations", f"{outcome.error['errorType']}: {outcome.error['errorMessage']}")

    def _start_schedules(self) -> None:
        seconds = self.settings.get("SCHEDULE_SECONDS")
        if seconds == "0":
            return
        schedules = Schedules(
            self.template.schedules, self.sandboxes.invoke, seconds=float(seconds) if seconds else None
        )
        schedules.start()
        self._stopping.append(schedules.stop)

    # Its settings

    def _parameters(self) -> dict[str, str]:
        """The template's parameters on this machine. Without JWT_ISSUER there is no issuer whose tokens could pass."""
        given = {
            "Stage": self.settings["STAGE"],
            "Generator": self.settings["GENERATOR"],
            "JwtIssuer": self.settings.get("JWT_ISSUER", ""),
        }
        if audience := self.settings.get("JWT_AUDIENCE"):
            given["JwtAudience"] = audience
        if origins := self.settings.get("ALLOWED_ORIGINS"):
            given["AllowedOrigins"] = origins
        return given

    def _environment(self) -> dict[str, str]:
        """What every function sees over its template variables. Never a developer's own AWS account."""
        own = {
            "DATABASE_URL": self.database_url,
            "STEP_FUNCTIONS_ENDPOINT_URL": self.engine.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if self._s3:
            own |= {
                "S3_ENDPOINT_URL": self._s3.endpoint_url,
                "S3_ACCESS_KEY_ID": s3_server.ACCESS_KEY_ID,
                "S3_SECRET_ACCESS_KEY": s3_server.SECRET_ACCESS_KEY,
                "S3_REGION": s3_server.REGION,
            }
        machine = {name: os.environ[name] for name in OF_THE_MACHINE if name in os.environ}
        settings = {name: value for name, value in self.settings.items() if not name.startswith("AWS_")}
        return machine | settings | own

    def _port(self) -> int:
        try:
            return int(self.settings["PORT"])
        except ValueError as error:
            raise PartFailed("API gateway", f"PORT must be a number, not {self.settings['PORT']!r}.") from error

    def _own_postgres(self, *, durable: bool) -> Postgres:
        self._directory.mkdir(parents=True, exist_ok=True)
        port = remembered_ports(self._directory / "ports.json", ["postgres"])["postgres"]
        return Postgres(self._directory / "postgres", durable=durable, port=port)

    def _has_storage(self) -> bool:
        """Whether the settings name a bucket that is already there: all of it, or none of it."""
        if not self.settings.get("S3_ENDPOINT_URL"):
            return False
        if missing := [name for name in S3_SETTINGS if not self.settings.get(name)]:
            raise PartFailed("S3 server", f"S3_ENDPOINT_URL is set, but not {', '.join(missing)}.")
        return True

    def _bucket_cors_rules(self) -> list[dict[str, object]]:
        """The template's, with this stack's own web client among the origins: it lives on a port of its own."""
        port = self.url.rpartition(":")[2]
        own = [f"http://{HOST}:{port}", f"http://localhost:{port}"]
        return [rule | {"AllowedOrigins": [*rule["AllowedOrigins"], *own]} for rule in self.template.bucket_cors_rules]

    # Its log lines

    def _report_request(self, request: HttpRequest, status: int, seconds: float) -> None:
        path = _CAPABILITY.sub(r"\1…", request.raw_path)
        self._report(f"{request.method} {path} {status} {seconds * 1000:.0f} ms")

    def _report_invocation(self, outcome: Outcome) -> None:
        is_api = any(route.function == outcome.function for route in self.template.routes)
        if outcome.error:
            failure = f"{outcome.error['errorType']}: {outcome.error['errorMessage']}"
            self._report(f"{outcome.function} failed after {outcome.seconds * 1000:.0f} ms: {failure}")
        elif not is_api:
            self._report(f"{outcome.function} {outcome.seconds * 1000:.0f} ms")
