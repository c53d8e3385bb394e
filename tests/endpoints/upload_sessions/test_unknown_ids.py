"""Sessions and files that do not exist, or belong to somebody else, at every endpoint: all look the same."""

from collections.abc import Callable

import httpx
import pytest

from local.stack import LocalStack
from tests.support.stacks import Rows
from tests.support.upload_sessions import (
    MISSING,
    Bucket,
    Session,
    create,
    file_rows,
    give_away,
    pdf,
    refused,
    session_row,
)


def calls(session: Session, file_id: str) -> list[httpx.Response]:
    """Every call that names a session."""
    return [
        session.read(),
        session.register(pdf()),
        session.register_batch(pdf()),
        session.parts(file_id),
        session.complete(file_id, {1: "etag"}),
        session.finalize(),
        session.abort(),
    ]


@pytest.mark.parametrize(
    "session_id",
    [
        "00000000-0000-4000-8000-000000000000",
        "nonsense",
        "{00000000-0000-4000-8000-000000000000}",
        "00000000000040008000000000000000",
    ],
)
def test_no_such_session(http: httpx.Client, session_id: str) -> None:
    """At every endpoint: ids that nobody has and ids that are none."""
    session = Session(http, session_id)
    for response in calls(session, "00000000-0000-4000-8000-000000000000"):
        assert (response.status_code, response.json()) == (404, MISSING)


@pytest.mark.parametrize("session_id", ["%00", "..%2F..", "%F0%9F%98%80", "%22", "a%0Db"])
def test_an_id_that_is_no_path_segment_is_unknown(http: httpx.Client, session_id: str) -> None:
    for response in calls(Session(http, session_id), session_id):
        assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


def test_somebody_elses_session(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """At every endpoint: the same body as for a missing one, and nothing happens."""
    file = pdf()
    session = create(http, file)
    file_id = session.register(file).json()["fileId"]
    give_away(rows, session)
    before = session_row(rows, session), file_rows(rows, session), bucket_of.uploads(session)
    for response in calls(session, file_id):
        assert (response.status_code, response.json()) == (404, MISSING)
    assert (session_row(rows, session), file_rows(rows, session), bucket_of.uploads(session)) == before


@pytest.mark.parametrize("file_id", ["00000000-0000-4000-8000-000000000000", "nonsense"])
def test_no_such_file(http: httpx.Client, rows: Rows, file_id: str) -> None:
    """A missing file, and a file of another session of the same user, look the same."""
    file = pdf()
    session, other = create(http, file), create(http, file)
    elsewhere = other.register(file).json()["fileId"]
    for one in (file_id, elsewhere):
        for response in (session.parts(one), session.complete(one, {1: "etag"})):
            assert response.status_code == 404
            assert response.json() == {"error": "File not found in this upload session.", "code": "NOT_FOUND"}


def test_the_seeded_sessions_answer_as_the_contract_says(start_stack: Callable[..., LocalStack]) -> None:
    from local.seed import seed

    stack = start_stack()  # its own: other tests count on a database that holds nothing of the kind
    seed(stack.database_url, stack.storage, stack.bucket)
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        expired = Session(http, "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee")
        refused(expired.register(pdf()), 400, "BAD_REQUEST")
        foreign = Session(http, "dddddddd-dddd-dddd-dddd-dddddddddddd")
        assert foreign.register(pdf()).json() == MISSING
