"""Settings, read lazily from the environment. No other module reads `os.environ`.

A deployed function finds FUNCTION_SECRETS in one variable, SECRETS: a JSON object by their names. A variable of its own
wins over it.

Importing a function needs no variable. Asking for a required one that is missing raises `MissingSetting`, for one that
is not a number `InvalidSetting`; both name the variable. docs/configuration.md and template.yaml list the same names (a
test holds the three together).
"""

import json
import os
import re
from functools import cache, cached_property
from typing import Literal, cast

Stage = Literal["local", "dev", "staging", "prod"]

MAX_RETENTION_DAYS = 36_500

FUNCTION_SECRETS = frozenset(
    {"DATABASE_URL", "SERVER_SECRET", "EDGE_SECRET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"}
)
"""What the secret `inlet/STAGE/functions` holds: the two S3 keys on R2 only."""


class MissingSetting(Exception):
    """A required environment variable is absent or empty."""


class InvalidSetting(Exception):
    """An environment variable has a value that cannot be used."""


class UnsafeSetting(Exception):
    """A combination that must never run: a local-only bypass on a deployed stage."""


class Settings:
    """One attribute a setting. Units stand in the names; sizes are bytes."""

    @cached_property
    def stage(self) -> Stage:
        """Only `local` allows the bypasses. Unset means `prod`: a forgotten variable must not open a door."""
        stage = _optional("STAGE", "prod")
        if stage not in ("local", "dev", "staging", "prod"):
            raise UnsafeSetting(f"STAGE must be local, dev, staging or prod, not {stage!r}")
        return cast("Stage", stage)

    @cached_property
    def database_url(self) -> str:
        """A libpq URL of any Postgres; a pooler (Neon, RDS Proxy, PgBouncer) is fine."""
        return _required("DATABASE_URL")

    @cached_property
    def migrations_database_url(self) -> str:
        """The direct URL migrations need: advisory locks do not survive a transaction pooler."""
        return _optional("MIGRATIONS_DATABASE_URL") or self.database_url

    @cached_property
    def commit(self) -> str | None:
        """The commit that is deployed; unset where nobody knows."""
        return _optional("COMMIT") or None

    @cached_property
    def migrations_directory(self) -> str:
        """Where the numbered SQL files lie."""
        return _optional("MIGRATIONS_DIRECTORY", "/opt")

    @cached_property
    def bucket(self) -> str:
        """The one private bucket."""
        return _required("BUCKET")

    @cached_property
    def s3_endpoint_url(self) -> str | None:
        """R2's or a local server's address; unset on S3."""
        return _optional("S3_ENDPOINT_URL") or None

    @cached_property
    def s3_region(self) -> str:
        """`auto` on R2; on Lambda the function's own region."""
        return _optional("S3_REGION") or _optional("AWS_REGION") or "us-east-1"

    @cached_property
    def s3_access_key_id(self) -> str | None:
        """For R2 and local servers; unset on S3, where the function's role signs."""
        return _optional("S3_ACCESS_KEY_ID") or None

    @cached_property
    def s3_secret_access_key(self) -> str | None:
        """The secret half of `s3_access_key_id`."""
        return _optional("S3_SECRET_ACCESS_KEY") or None

    @cached_property
    def state_machine_arn(self) -> str:
        """The image workflow."""
        return _required("STATE_MACHINE_ARN")

    @cached_property
    def analysis_state_machine_arn(self) -> str:
        """The workflow that analyses recordings."""
        return _required("ANALYSIS_STATE_MACHINE_ARN")

    @cached_property
    def workflow_region(self) -> str:
        """Where the state machines are: in the function's own region, as the one template makes them."""
        return _optional("AWS_REGION") or "us-east-1"

    @cached_property
    def step_functions_endpoint_url(self) -> str | None:
        """The local engine's address; unset on AWS."""
        return _optional("STEP_FUNCTIONS_ENDPOINT_URL") or None

    @cached_property
    def server_secret(self) -> str:
        """At least 32 random characters. Keys idempotent answers, and the hashes of what a table must not tell."""
        secret = _required("SERVER_SECRET")
        if len(secret) < 32:
            raise InvalidSetting("The environment variable SERVER_SECRET must have at least 32 characters")
        return secret

    @cached_property
    def edge_secret(self) -> str | None:
        """What CloudFront proves itself by; unset where there is none: then no header tells a client's address."""
        return _optional("EDGE_SECRET") or None

    @cached_property
    def max_image_bytes(self) -> int:
        """The largest image an upload may declare or carry."""
        return _whole_number("MAX_IMAGE_BYTES", 25 * 1024 * 1024)

    @cached_property
    def uploads_per_hour(self) -> int:
        """Image uploads one client network may reserve in an hour: an IPv4 address, or an IPv6 /64."""
        return _whole_number("UPLOADS_PER_HOUR", 10)

    @cached_property
    def upload_sessions_per_day(self) -> int:
        """Upload sessions one user may create in a UTC day."""
        return _whole_number("UPLOAD_SESSIONS_PER_DAY", 100)

    @cached_property
    def recordings_per_day(self) -> int:
        """Speaking sessions one user may create in a UTC day."""
        return _whole_number("RECORDINGS_PER_DAY", 50)

    @cached_property
    def upload_retention_days(self) -> int:
        """Days that an upload session is kept once it is completed; 0: until its user deletes it."""
        return _whole_number("UPLOAD_RETENTION_DAYS", 0, most=MAX_RETENTION_DAYS)

    @cached_property
    def recording_retention_days(self) -> int:
        """Days that a recording is kept once it has arrived; 0: until its user deletes it."""
        return _whole_number("RECORDING_RETENTION_DAYS", 0, most=MAX_RETENTION_DAYS)

    @cached_property
    def model_calls_per_day(self) -> int:
        """Calls of the image model that the whole stack may make in a UTC day. There is no unlimited: 0 allows none."""
        return _whole_number("MODEL_CALLS_PER_DAY", 1000)

    @cached_property
    def image_retention_days(self) -> int:
        """How long an image job is kept, in days; a failed one a week at most. 0 keeps all."""
        return _whole_number("IMAGE_RETENTION_DAYS", 30, most=36_500)

    @cached_property
    def releases_all_results(self) -> bool:
        """Whether every finished picture is given out in full size (`full`), or only a released one (`preview`)."""
        access = _optional("RESULT_ACCESS", "preview")
        if access not in ("preview", "full"):
            raise InvalidSetting(f"The environment variable RESULT_ACCESS must be preview or full, not {access!r}")
        return access == "full"

    @cached_property
    def generator(self) -> str:
        """`local` or `gemini`."""
        return _optional("GENERATOR", "local")

    @cached_property
    def gemini_api_key(self) -> str:
        """The image model's key."""
        return _required("GEMINI_API_KEY")

    @cached_property
    def gemini_model(self) -> str | None:
        """The image model's name; unset: the generator's default."""
        return _optional("GEMINI_MODEL") or None

    @cached_property
    def gemini_base_url(self) -> str | None:
        """Another address of the image model's API; unset: Google's."""
        return _optional("GEMINI_BASE_URL") or None

    @cached_property
    def gemini_timeout_seconds(self) -> float:
        """Wall-clock limit of one model call."""
        return float(_whole_number("GEMINI_TIMEOUT_SECONDS", 120))

    @cached_property
    def prompt_version(self) -> str:
        """Which versioned prompt the model is given."""
        return _optional("PROMPT_VERSION", "v1")

    @cached_property
    def analysis(self) -> Literal["off", "local", "gemini"]:
        """Who hears recordings: nobody, this machine, or Gemini."""
        analysis = _optional("ANALYSIS", "off")
        if analysis not in ("off", "local", "gemini"):
            raise InvalidSetting(f"The environment variable ANALYSIS must be off, local or gemini, not {analysis!r}")
        return cast("Literal['off', 'local', 'gemini']", analysis)

    @cached_property
    def transcribe_model(self) -> str | None:
        """The model that writes recordings down; unset: the engine's default."""
        return _optional("TRANSCRIBE_MODEL") or None

    @cached_property
    def remark_model(self) -> str | None:
        """The model that adds remarks to the numbers; unset: the engine's default."""
        return _optional("REMARK_MODEL") or None

    @cached_property
    def posthog_api_key(self) -> str | None:
        """Unset: analytics events are dropped at delivery instead of sent."""
        return _optional("POSTHOG_API_KEY") or None

    @cached_property
    def posthog_host(self) -> str:
        """PostHog's address."""
        return _optional("POSTHOG_HOST", "https://us.i.posthog.com")

    @cached_property
    def webhook_url(self) -> str | None:
        """Where notifications go; unset: they are dropped at delivery instead of sent."""
        return _optional("WEBHOOK_URL") or None

    @cached_property
    def webhook_secrets(self) -> list[str]:
        """What signs notifications: base64, with or without `whsec_`. Each signs, so that one can be replaced."""
        return _optional("WEBHOOK_SECRETS").split()

    @cached_property
    def notifications_function(self) -> str | None:
        """The function that an ending wakes; unset where notifications go to nobody."""
        return _optional("NOTIFICATIONS_FUNCTION") or None

    @cached_property
    def live_url(self) -> str | None:
        """Where clients open a WebSocket; unset where progress is not pushed."""
        return _optional("LIVE_URL") or None

    @cached_property
    def live_endpoint_url(self) -> str | None:
        """Where messages for open connections are posted; unset where progress is not pushed."""
        return _optional("LIVE_ENDPOINT_URL") or None

    @cached_property
    def live_origins(self) -> frozenset[str]:
        """The origins whose pages may open a WebSocket."""
        return frozenset(origin.rstrip("/") for origin in _optional("LIVE_ORIGINS").split(",") if origin)

    @cached_property
    def metrics_namespace(self) -> str:
        """Under which CloudWatch keeps the metrics: one a stack."""
        return _optional("METRICS_NAMESPACE", "Inlet")

    @cached_property
    def picture_dollars(self) -> float:
        """What a call of the image model costs: an estimate, for the metrics only."""
        return _amount("PICTURE_DOLLARS", "0.04")

    @cached_property
    def speech_minute_dollars(self) -> float:
        """What a minute of sound costs to be written down by a model: an estimate, for the metrics only."""
        return _amount("SPEECH_MINUTE_DOLLARS", "0.003")

    @cached_property
    def remark_dollars(self) -> float:
        """What a model's remarks on one recording cost: an estimate, for the metrics only."""
        return _amount("REMARK_DOLLARS", "0.002")

    @property
    def trace_header(self) -> str | None:
        """The invocation's trace. Lambda sets it anew for each one, so it is not kept."""
        return _optional("_X_AMZN_TRACE_ID") or None

    @cached_property
    def web_directory(self) -> str:
        """Where the web client's files lie."""
        return _optional("WEB_DIRECTORY", "/opt")

    @cached_property
    def oidc_issuer(self) -> str | None:
        """Where people sign in; unset: the pages offer no sign-in."""
        return _optional("OIDC_ISSUER") or None

    @cached_property
    def oidc_client_id(self) -> str | None:
        """The pages' public client at the issuer; unset for the stack's own user pool, whose stage variable has it."""
        return _optional("OIDC_CLIENT_ID") or None

    @cached_property
    def oidc_scope(self) -> str:
        """What the pages ask the issuer for."""
        return _optional("OIDC_SCOPE", "openid")

    @cached_property
    def oidc_resource(self) -> str:
        """The resource indicator (RFC 8707) that the pages send; empty: none."""
        return _optional("OIDC_RESOURCE")

    @cached_property
    def oidc_endpoint_origin(self) -> str:
        """Origin of the issuer's token endpoint; empty: the issuer's own."""
        return _optional("OIDC_ENDPOINT_ORIGIN")

    @cached_property
    def auth_bypass(self) -> bool:
        """Local stage only: `dev_user_sub` is the user of every request without a token."""
        return self._local_only("AUTH_BYPASS")

    @cached_property
    def rate_limit_bypass(self) -> bool:
        """Local stage only: no limit refuses."""
        return self._local_only("RATE_LIMIT_BYPASS")

    @cached_property
    def dev_user_sub(self) -> str:
        """The user under `auth_bypass`."""
        return _optional("DEV_USER_SUB", "dev-user-00000000-0000-0000-0000-000000000001")

    def refuse_unsafe(self) -> None:
        """Raise `UnsafeSetting` where a local bypass meets a deployed stage."""
        _ = self.auth_bypass, self.rate_limit_bypass

    def reload(self) -> None:
        """Forget what was read; the next access reads the environment again."""
        self.__dict__.clear()
        _secrets.cache_clear()

    def _local_only(self, name: str) -> bool:
        wanted = _optional(name).lower() in ("1", "true", "yes")
        if wanted and self.stage != "local":
            raise UnsafeSetting(f"{name} is set on a deployed stage")
        return wanted


def _optional(name: str, default: str = "") -> str:
    value = os.environ.get(name) or (_secrets().get(name) if name in FUNCTION_SECRETS else None) or ""
    return value.strip() or default  # a secret pasted with its line's end still works


@cache
def _secrets() -> dict[str, str]:
    """Return what the secret `inlet/STAGE/functions` holds; nothing where no stack was deployed."""
    try:
        secrets = json.loads(os.environ.get("SECRETS") or "{}")
    except ValueError:
        secrets = None
    if not isinstance(secrets, dict) or not all(isinstance(value, str) for value in secrets.values()):
        raise InvalidSetting("The environment variable SECRETS must be a JSON object of texts") from None
    return secrets


def _required(name: str) -> str:
    if value := _optional(name):
        return value
    raise MissingSetting(f"The environment variable {name} is not set")


def _whole_number(name: str, default: int, *, most: int = 10**15) -> int:
    text = _optional(name, str(default))
    if not re.fullmatch("[0-9]{1,15}", text) or int(text) > most:
        raise InvalidSetting(f"The environment variable {name} must be a whole number up to {most}, not {text!r}")
    return int(text)


def _amount(name: str, default: str) -> float:
    text = _optional(name, default)
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", text):
        raise InvalidSetting(f"The environment variable {name} must be an amount such as 0.04, not {text!r}")
    return float(text)


settings = Settings()
