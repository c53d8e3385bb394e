"""Inlet on this machine: the stack of local_aws with Inlet's template, settings and names.

`make run` starts one; tests and benchmarks start several.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws import s3_server
from local_aws.api_event import HttpRequest
from local_aws.children import PartFailed
from local_aws.issuer import Issuer
from local_aws.ports import remembered_ports
from local_aws.postgres import Postgres
from local_aws.s3_server import Keys, S3Server
from local_aws.secret_files import remembered_secret
from local_aws.stack import Stack
from local_aws.template import Template

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PROJECT = Path(__file__).resolve().parent.parent
SERVER_ADDRESSES = ("DATABASE_URL", "S3_ENDPOINT_URL", "STEP_FUNCTIONS_ENDPOINT_URL")
S3_SETTINGS = ("S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "BUCKET")
MIGRATE = "OperationsMigrateFunction"
STACK_NAME = "inlet"

DEFAULTS = {
    "ACCESS_TOKEN_SECONDS": "900",
    "ANALYSIS": "local",
    "AUTH_BYPASS": "true",
    "BUCKET": "inlet-local",
    "DEV_USER_SUB": "dev-user-00000000-0000-0000-0000-000000000001",
    "GENERATOR": "local",
    "MIGRATIONS_DIRECTORY": str(PROJECT / "migrations"),
    "PORT": "8000",
    "STAGE": "local",
    "WEB_DIRECTORY": str(PROJECT / "web"),
}
# Template parameters that a setting gives a value, if it is set.
PARAMETERS = {
    "Stage": "STAGE",
    "Analysis": "ANALYSIS",
    "Generator": "GENERATOR",
    "GenerateConcurrency": "GENERATE_CONCURRENCY",
    "JwtIssuer": "JWT_ISSUER",
    "JwtAudience": "JWT_AUDIENCE",
    "JwtScope": "JWT_SCOPE",
    "AllowedOrigins": "ALLOWED_ORIGINS",
    "BucketName": "BUCKET",
    "PosthogApiKey": "POSTHOG_API_KEY",
    "WebhookUrl": "WEBHOOK_URL",
    "LiveUpdates": "LIVE_UPDATES",
}
# What the local issuer is asked for, as the template has it for a user pool of the stack's own.
CLIENT_ID = "inlet-pages"
SCOPE = "inlet/api"
RESOURCE = "https://inlet.internal/api"
# Not empty: for that the template makes a user pool, which is not on this machine.
NO_ISSUER = "none"
# Beside AWS's `message`, as all other errors of the API have them.
OWN_WORDS: dict[int | str, dict[str, str]] = {
    401: {"error": "Unauthorized", "code": "UNAUTHORIZED"},
    403: {
        "error": "With AUTH_BYPASS on, only the stack's own pages may write. ALLOWED_ORIGINS names further origins.",
        "code": "FORBIDDEN",
    },
    421: {
        "error": "This API answers to the names of its own machine. ALLOWED_HOSTS names further ones.",
        "code": "BAD_REQUEST",
    },
    "insufficient_scope": {"error": "The token lacks the scope that this API wants.", "code": "FORBIDDEN"},
    413: {
        "error": "The request is too large. Large files go straight to the bucket: send JSON, and PUT to the URL it"
        " answers.",
        "code": "BAD_REQUEST",
    },
}

_CAPABILITY = re.compile("(/companion/)[^/]+")  # what stock Uppy carries in its path; on AWS the log has the route only


class LocalStack(Stack):
    """One stack in `directory`. `settings` are environment variables over the local defaults.

    `DATABASE_URL` uses a database that is already there instead of starting Postgres; the four S3 settings together use
    a bucket that is already there instead of starting an S3 server. `PORT` 0 takes a free one. `SCHEDULE_SECONDS` is
    the rate of every schedule in place of the template's; 0 switches them off. `JWT_ISSUER` names an issuer that is
    already there; without one, and without `AUTH_BYPASS`, the stack starts its own. Functions get those settings that
    they read, and no other.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str],
        *,
        stack_name: str = STACK_NAME,
        durable: bool = True,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        directory = directory.resolve()
        own = {
            "SERVER_SECRET": remembered_secret(directory / "server-secret"),
            "WEBHOOK_SECRETS": remembered_secret(directory / "webhook-secret"),
        }
        settings = DEFAULTS | own | dict(settings)
        self.bucket = settings["BUCKET"]
        self._further_origins = [origin for origin in settings.get("ALLOWED_ORIGINS", "").split(",") if origin]
        issuer = _issuer(directory, settings)
        parameters = _parameters(settings, issuer)
        if parameters["JwtIssuer"] == NO_ISSUER:
            settings["OIDC_ISSUER"] = ""
        template = Template(PROJECT / "template.yaml", stack_name, parameters)
        super().__init__(
            template,
            directory,
            shared=PROJECT / "shared",
            environment=settings_of_functions(template, settings),
            postgres=None if settings.get("DATABASE_URL") else _postgres(directory, durable=durable),
            s3=None if _has_storage(settings) else S3Server(directory / "s3"),
            issuer=issuer,
            port=_port(settings),
            migrate_with=MIGRATE,
            allowed_hosts=[host.strip() for host in settings.get("ALLOWED_HOSTS", "").split(",") if host.strip()],
            auth_bypass=is_on(settings["AUTH_BYPASS"]),
            schedule_seconds=float(settings["SCHEDULE_SECONDS"]) if settings.get("SCHEDULE_SECONDS") else None,
            own_words=OWN_WORDS,
            report=report,
        )

    @property
    def database_url(self) -> str:
        """The address of the database."""
        return self.environment["DATABASE_URL"]

    @property
    def storage(self) -> "S3Client":
        """A boto3 client of the stack's storage."""
        return storage_client(self.environment)

    @property
    def server_urls(self) -> list[str]:
        """The addresses of all servers that functions talk to."""
        return [self.environment[name] for name in SERVER_ADDRESSES]

    def addresses(self) -> dict[str, str]:
        """Return the servers' addresses by the names Inlet's settings have, beside those of boto3."""
        known = super().addresses() | {"STEP_FUNCTIONS_ENDPOINT_URL": self.engine.endpoint_url}
        if self.live_url:
            known |= {
                "LIVE_URL": self.live_url,
                "LIVE_ENDPOINT_URL": self.engine.endpoint_url,
                "LIVE_ORIGINS": ",".join([*self.own_pages(), *self._further_origins]),
            }
        if self.s3:
            known |= {
                "S3_ENDPOINT_URL": self.s3.endpoint_url,
                "S3_ACCESS_KEY_ID": self.s3.keys.access_key_id,
                "S3_SECRET_ACCESS_KEY": self.s3.keys.secret_access_key,
                "S3_REGION": s3_server.REGION,
            }
        return known

    def shown_path(self, request: HttpRequest) -> str:
        """Return a request's path without what gives access."""
        return _CAPABILITY.sub(r"\1…", request.raw_path)


def settings_of_functions(template: Template, settings: Mapping[str, str]) -> dict[str, str]:
    """Return those settings that a function reads: the code names them, or the template.

    The rest of a developer's shell, tokens among it, is kept from code that decodes strangers' files.
    """
    names = set(re.findall(r'"([A-Z][A-Z0-9_]+)"', (PROJECT / "shared" / "inlet" / "settings.py").read_text()))
    names |= {name for function in template.functions.values() for name in function.environment}
    return {name: value for name, value in settings.items() if name in names}


def storage_client(settings: Mapping[str, str]) -> "S3Client":
    """Return a boto3 client of the storage that the S3 settings name."""
    keys = Keys(settings["S3_ACCESS_KEY_ID"], settings["S3_SECRET_ACCESS_KEY"])
    return s3_server.client(settings["S3_ENDPOINT_URL"], keys)


def is_on(setting: str | None) -> bool:
    """Return whether a setting switches something on, as the functions read it."""
    return (setting or "").lower() in ("1", "true", "yes")


def _parameters(settings: Mapping[str, str], issuer: Issuer | None) -> dict[str, str]:
    """Return the template's parameters on this machine: without an issuer, none whose tokens could pass."""
    given = {name: settings[setting] for name, setting in PARAMETERS.items() if settings.get(setting)}
    if issuer is None:
        return {"JwtIssuer": NO_ISSUER} | given
    return given | {
        "JwtIssuer": issuer.url,
        "JwtAudience": RESOURCE,
        "JwtScope": SCOPE,
        "OidcClientId": CLIENT_ID,
        "OidcScope": "openid email",
        "OidcResource": RESOURCE,
    }


def _issuer(directory: Path, settings: Mapping[str, str]) -> Issuer | None:
    """Return an issuer of the stack's own where people must sign in and no other one is named."""
    if is_on(settings["AUTH_BYPASS"]) or settings.get("JWT_ISSUER"):
        return None
    port = _remembered_port(directory, "issuer")
    try:
        seconds = float(settings["ACCESS_TOKEN_SECONDS"])
    except ValueError as error:
        raise PartFailed("Issuer", "ACCESS_TOKEN_SECONDS must be a number.") from error
    return Issuer(port, client_id=CLIENT_ID, scopes=[SCOPE], access_seconds=seconds)


def _port(settings: Mapping[str, str]) -> int:
    try:
        return int(settings["PORT"])
    except ValueError as error:
        raise PartFailed("API gateway", f"PORT must be a number, not {settings['PORT']!r}.") from error


def _postgres(directory: Path, *, durable: bool) -> Postgres:
    port = _remembered_port(directory, "postgres")
    return Postgres(directory / "postgres", database="inlet", durable=durable, port=port)


def _remembered_port(directory: Path, name: str) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    return remembered_ports(directory / "ports.json", [name])[name]


def _has_storage(settings: Mapping[str, str]) -> bool:
    """Return whether the settings name a bucket that is already there: all of it, or none of it."""
    if not settings.get("S3_ENDPOINT_URL"):
        return False
    if missing := [name for name in S3_SETTINGS if not settings.get(name)]:
        raise PartFailed("S3 server", f"S3_ENDPOINT_URL is set, but not {', '.join(missing)}.")
    return True
