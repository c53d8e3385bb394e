"""`make secret`: what a stage must not show, in two secrets of Secrets Manager.

`inlet/STAGE/functions` goes to every function that has a database, `inlet/STAGE/restricted` one by one to the function
that needs a value. Each stage has its own, and so its own database: two stages never share one.
"""

import getpass
import json
import os
import re
import secrets
import sys
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deployment.account import Account
from deployment.words import Refused, say
from inlet.settings import FUNCTION_SECRETS

RESTRICTED_SECRETS = frozenset({"MIGRATIONS_DATABASE_URL", "GEMINI_API_KEY", "WEBHOOK_SECRETS"})
HELP = {
    "DATABASE_URL": "Postgres for the functions, through a pooler: postgresql://…",
    "MIGRATIONS_DATABASE_URL": "the same database without a pooler, for migrations: postgresql://…",
}
MADE_UP = frozenset({"SERVER_SECRET", "EDGE_SECRET"})
MADE_UP_CHARACTERS = 32


@dataclass(frozen=True)
class Secret:
    """One secret: its name, what it may hold, and what it must."""

    name: str
    known: frozenset[str]
    required: frozenset[str]


@dataclass(frozen=True)
class Version:
    """What a secret holds now, and the id of that version."""

    values: dict[str, str]
    id: str


def functions_secret(stage: str) -> Secret:
    """Return the secret of all functions with a database."""
    return Secret(f"inlet/{stage}/functions", FUNCTION_SECRETS, frozenset({"DATABASE_URL", "SERVER_SECRET"}))


def restricted_secret(stage: str) -> Secret:
    """Return the secret whose values go to one function each."""
    return Secret(f"inlet/{stage}/restricted", RESTRICTED_SECRETS, frozenset({"MIGRATIONS_DATABASE_URL"}))


def current(where: Account, secret: Secret) -> Version | None:
    """Return what the secret holds now; None where there is none."""
    try:
        found = where.client("secretsmanager").get_secret_value(SecretId=secret.name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    try:
        values = json.loads(found["SecretString"])
        return Version({str(name): str(value) for name, value in values.items()}, found["VersionId"])
    except (ValueError, AttributeError) as error:
        raise Refused(f"The secret {secret.name} is no JSON object. `make secret` writes it anew.") from error


def complete(where: Account, secret: Secret, also: frozenset[str] = frozenset()) -> Version:
    """Return what the secret holds; refuse with names when something that is needed is missing or cannot be right."""
    found = current(where, secret)
    if found is None:
        raise Refused(f"There is no secret {secret.name}. `make secret` makes it.")
    required = secret.required | also
    if missing := sorted(name for name in required if not found.values.get(name, "").strip()):
        raise Refused(f"The secret {secret.name} lacks {', '.join(missing)}. `{missing[0]}=… make secret` adds it.")
    for name in required:
        if words := problem(name, found.values[name]):
            raise Refused(f"In the secret {secret.name}: {words}")
    return found


def problem(name: str, value: str) -> str | None:
    """Return in words why a value cannot be right; None for one that may be."""
    if name.endswith("DATABASE_URL") and not value.startswith(("postgresql://", "postgres://")):
        return f"{name} must begin with postgresql://"
    if name in MADE_UP and len(value) < MADE_UP_CHARACTERS:
        return f"{name} must have at least {MADE_UP_CHARACTERS} characters"
    if name == "WEBHOOK_SECRETS" and not all(map(_is_base64, value.split())):
        return "WEBHOOK_SECRETS must be base64, with or without whsec_, and a space between two"
    return None


def write(where: Account, stage: str) -> None:
    """Create the stage's secrets, or change those values that the environment names.

    What is required and nowhere given is asked for on a terminal. The server's and the edge's are made up, once.
    No value is shown.
    """
    for secret in (functions_secret(stage), restricted_secret(stage)):
        found = current(where, secret)
        values = dict(found.values) if found else {}
        values |= {name: os.environ[name] for name in secret.known if os.environ.get(name)}
        for name in sorted((secret.required | MADE_UP & secret.known) - values.keys()):
            values[name] = secrets.token_urlsafe(48) if name in MADE_UP else _asked(name)
        for name, value in values.items():
            if words := problem(name, value):
                raise Refused(words + ".")
        _store(where.client("secretsmanager"), secret, found, values)


def _is_base64(secret: str) -> bool:
    return re.fullmatch(r"(whsec_)?[A-Za-z0-9+/]{32,}={0,2}", secret) is not None


def _asked(name: str) -> str:
    if not sys.stdin.isatty():
        raise Refused(f"{name} is missing ({HELP.get(name, 'required')}). Give it: {name}=… make secret")
    return getpass.getpass(f"{name} ({HELP.get(name, 'required')}): ").strip()


def _store(client: Any, secret: Secret, found: Version | None, values: dict[str, str]) -> None:
    names = ", ".join(sorted(values))
    if found is None:
        client.create_secret(Name=secret.name, SecretString=json.dumps(values))
        say(f"Made the secret {secret.name}: {names}")
    elif found.values != values:
        client.put_secret_value(SecretId=secret.name, SecretString=json.dumps(values))
        changed = ", ".join(sorted(name for name, value in values.items() if found.values.get(name) != value))
        say(f"Changed in the secret {secret.name}: {changed}. `make rotate` brings it to the functions.")
    else:
        say(f"The secret {secret.name} holds this already: {names}")
