"""`make seed`: after it, every fixture in events/ gets the answer a reader hopes for; seeding again resets it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.seed import seed
from local.seeds import upload_sessions
from local.seeds.image_jobs import JOBS
from local.stack import PROJECT, LocalStack

FIXTURES = sorted((PROJECT / "events").glob("*.json"))


@pytest.fixture(scope="module")
def seeded(open_stack: Callable[..., LocalStack]) -> Iterator[LocalStack]:
    """A stack of its own: other tests count on a database that holds nothing of what the fixtures name."""
    with open_stack(ANALYSIS="local") as stack:
        seed(stack.database_url, stack.storage, stack.bucket)
        yield stack


def answer_of(stack: LocalStack, fixture: Path) -> Any:
    outcome = stack.sandboxes.invoke(fixture.stem, json.loads(fixture.read_text()))
    assert outcome.error is None, outcome.error
    return outcome.payload


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.stem)
def test_every_fixture_gets_its_happy_answer(seeded: LocalStack, fixture: Path) -> None:
    answer = answer_of(seeded, fixture)
    if isinstance(answer, dict) and "statusCode" in answer:
        assert 200 <= answer["statusCode"] < 300, answer["body"]


def test_seeding_again_undoes_what_the_fixtures_did(seeded: LocalStack) -> None:
    confirm = PROJECT / "events" / "ImageJobsConfirmFunction.json"
    for _ in range(2):
        seed(seeded.database_url, seeded.storage, seeded.bucket)
        assert answer_of(seeded, confirm)["statusCode"] == 200
        assert answer_of(seeded, confirm)["statusCode"] == 409


def test_the_sweeper_leaves_the_examples_alone(seeded: LocalStack) -> None:
    assert answer_of(seeded, PROJECT / "events" / "OperationsSweepFunction.json")["failed"] == 0
    with psycopg.connect(seeded.database_url) as connection:
        kept = connection.execute("SELECT count(*) FROM uploads WHERE id LIKE 'seed%'").fetchone()
    assert kept == (len(JOBS),)


def test_the_contracts_two_upload_sessions_are_there(seeded: LocalStack) -> None:
    with psycopg.connect(seeded.database_url) as connection:
        rows = connection.execute(
            "SELECT id::text, user_id, status FROM upload_sessions WHERE id::text = ANY(%s) ORDER BY status",
            ([upload_sessions.EXPIRED_SESSION, upload_sessions.FOREIGN_SESSION],),
        ).fetchall()
    assert rows == [
        ("dddddddd-dddd-dddd-dddd-dddddddddddd", "other-user-99999999-9999-9999-9999-999999999999", "active"),
        ("eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee", "dev-user-00000000-0000-0000-0000-000000000001", "expired"),
    ]
