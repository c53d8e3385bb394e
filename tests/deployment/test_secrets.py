"""`make secret`: made once, changed one by one, never shown, and refused by name when something is missing."""

import json

import pytest

from deployment import secrets
from deployment.account import Account, account
from deployment.words import Refused
from inlet.settings import FUNCTION_SECRETS

POOLED, DIRECT = "postgresql://inlet:pooled-password@pooler/inlet", "postgresql://inlet:direct-password@direct/inlet"


@pytest.fixture
def where(aws_account: None, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account whose Secrets Manager is empty, and a shell that names no secret."""
    for name in (*FUNCTION_SECRETS, *secrets.RESTRICTED_SECRETS):
        monkeypatch.delenv(name, raising=False)
    return account("eu-north-1")


def stored(where: Account, name: str) -> dict[str, str]:
    value = where.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    found: dict[str, str] = json.loads(value)
    return found


def test_both_are_made_from_what_is_given(
    where: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", POOLED)
    monkeypatch.setenv("MIGRATIONS_DATABASE_URL", DIRECT)
    secrets.write(where, "dev")
    functions = stored(where, "inlet/dev/functions")
    assert functions.keys() == {"DATABASE_URL", *secrets.MADE_UP}
    assert all(len(functions[name]) >= secrets.MADE_UP_CHARACTERS for name in secrets.MADE_UP)
    assert functions["SERVER_SECRET"] != functions["EDGE_SECRET"]
    assert stored(where, "inlet/dev/restricted") == {"MIGRATIONS_DATABASE_URL": DIRECT}
    said = "".join(capsys.readouterr())
    assert "DATABASE_URL" in said
    assert not any(value in said for value in (*functions.values(), DIRECT))


def test_a_value_is_added_or_changed_and_the_others_stay(where: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", POOLED)
    monkeypatch.setenv("MIGRATIONS_DATABASE_URL", DIRECT)
    secrets.write(where, "dev")
    before = secrets.complete(where, secrets.functions_secret("dev"))
    for name in ("DATABASE_URL", "MIGRATIONS_DATABASE_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("GEMINI_API_KEY", "a key")
    secrets.write(where, "dev")
    assert secrets.complete(where, secrets.functions_secret("dev")) == before, "its version too: nothing to rotate"
    assert stored(where, "inlet/dev/restricted") == {"MIGRATIONS_DATABASE_URL": DIRECT, "GEMINI_API_KEY": "a key"}


def test_what_nobody_gave_is_asked_for_by_name(where: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(Refused, match="DATABASE_URL is missing"):
        secrets.write(where, "dev")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: DIRECT if prompt.startswith("MIGRATIONS") else f"{POOLED}\n")
    secrets.write(where, "dev")
    assert stored(where, "inlet/dev/functions")["DATABASE_URL"] == POOLED
    assert stored(where, "inlet/dev/restricted") == {"MIGRATIONS_DATABASE_URL": DIRECT}


@pytest.mark.parametrize(("name", "value"), [("DATABASE_URL", "ep-a.neon.tech/inlet"), ("SERVER_SECRET", "short")])
def test_what_cannot_be_right_is_not_stored(
    where: Account, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", POOLED)
    monkeypatch.setenv(name, value)
    with pytest.raises(Refused, match=name):
        secrets.write(where, "dev")
    assert secrets.current(where, secrets.functions_secret("dev")) is None


def test_a_deployment_says_what_a_secret_lacks(where: Account) -> None:
    secret = secrets.functions_secret("prod")
    with pytest.raises(Refused, match=r"There is no secret inlet/prod/functions\. `make secret` makes it"):
        secrets.complete(where, secret)
    client = where.client("secretsmanager")
    client.create_secret(Name=secret.name, SecretString=json.dumps({"DATABASE_URL": POOLED, "SERVER_SECRET": " "}))
    with pytest.raises(Refused, match="lacks S3_ACCESS_KEY_ID, SERVER_SECRET"):
        secrets.complete(where, secret, frozenset({"S3_ACCESS_KEY_ID"}))
    client.put_secret_value(SecretId=secret.name, SecretString="no object")
    with pytest.raises(Refused, match="no JSON object"):
        secrets.complete(where, secret)
