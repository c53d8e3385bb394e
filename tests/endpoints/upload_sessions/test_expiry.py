"""The end of a session's time: what prolongs it, what an overdue session answers, what the sweeper removes."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from local.stack import LocalStack
from tests.support.stacks import Rows
from tests.support.upload_sessions import PART, Bucket, create, events, expire, pdf, put_parts, refused, session_row


def test_an_expired_session(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """Before the sweeper comes and after: 400, at every endpoint that would go on."""
    file = pdf()
    session = create(http, file)
    file_id = session.register(file).json()["fileId"]
    expire(rows, session)
    for _ in range(2):
        for response in (
            session.register(file),
            session.register_batch(file),
            session.parts(file_id),
            session.complete(file_id, {1: "etag"}),
            session.finalize(),
        ):
            assert refused(response, 400, "BAD_REQUEST") == {"status": "expired"}
        assert session.read().json()["status"] == "expired"
        assert len(bucket_of.uploads(session)) == 1
        rows.execute("UPDATE upload_sessions SET status = 'expired', ended_at = now() WHERE id = %s", (session.id,))


def test_accepted_calls_prolong_the_session_up_to_a_day(http: httpx.Client, rows: Rows) -> None:
    """15 minutes from each accepted call, at most 24 hours; reading and refusals prolong nothing."""
    file = pdf()
    session = create(http, file)

    def left_after(call: Any) -> float:
        rows.execute("UPDATE upload_sessions SET expires_at = now() + interval '1 minute' WHERE id = %s", (session.id,))
        call()
        row = session_row(rows, session)
        return float((row["expires_at"] - row["updated_at"]).total_seconds())

    file_id = session.register(file).json()["fileId"]
    for call in (
        lambda: session.register(file),
        lambda: session.register_batch(file),
        lambda: session.parts(file_id),
        lambda: session.complete(file_id, put_parts(session.parts(file_id).json()["parts"], file)),
    ):
        assert left_after(call) == 900
    for refused_call in (session.read, lambda: session.complete(file_id, {1: "x"}), lambda: session.parts(file_id)):
        assert left_after(refused_call) < 120

    old = create(http, file)
    rows.execute(
        "UPDATE upload_sessions SET created_at = now() - interval '23 hours 58 minutes' WHERE id = %s", (old.id,)
    )
    [part] = old.register(file).json()["parts"]
    row = session_row(rows, old)
    assert row["expires_at"] - row["created_at"] == timedelta(hours=24)
    assert int(parse_qs(urlsplit(part["url"]).query)["X-Amz-Expires"][0]) <= 120, "a part's URL outlives the session"


def test_a_parts_url_dies_before_an_idle_session(http: httpx.Client) -> None:
    """A client whose URL has lapsed is still in time to ask for another."""
    file = pdf()
    session = create(http, file)
    [part] = session.register(file).json()["parts"]
    assert parse_qs(urlsplit(part["url"]).query)["X-Amz-Expires"] == ["600"]


def test_the_sweeper_ends_what_is_overdue(http: httpx.Client, rows: Rows, stack: LocalStack, bucket_of: Bucket) -> None:
    """Past `expiresAt` a session is `expired` at the next sweep, and all it had in the bucket is gone."""
    sent, half = pdf(filename="sent.pdf"), pdf(PART + 1, filename="half.pdf")
    overdue, alive = create(http, sent, half), create(http, sent)
    overdue.send(sent)
    put_parts(overdue.register(half).json()["parts"][:1], half)
    alive.register(sent)
    expire(rows, overdue)
    for _ in range(2):
        assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
        assert session_row(rows, overdue)["status"] == "expired"
        assert (bucket_of.objects(overdue), bucket_of.uploads(overdue)) == ([], [])
        assert session_row(rows, alive)["status"] == "active"
        assert len(bucket_of.uploads(alive)) == 1
    assert [name for name, _, _ in events(rows, overdue)].count("upload_session_expired") == 1


def test_what_came_late_is_found_by_the_second_look(
    http: httpx.Client, rows: Rows, stack: LocalStack, bucket_of: Bucket
) -> None:
    """A call under way at a session's end may leave something behind, so the bucket is looked at again."""
    file = pdf()
    aborted, completed = create(http, file), create(http, file)
    aborted.abort()
    kept = completed.send(file)
    completed.finalize()
    for session in (aborted, completed):
        stack.storage.create_multipart_upload(Bucket=stack.bucket, Key=f"files/{session.id}/late")
    bucket_of.put(f"files/{aborted.id}/late", b"late")
    for session in (aborted, completed):
        assert session_row(rows, session)["purge_after"] - session_row(rows, session)["ended_at"] == timedelta(
            minutes=20
        )
    rows.execute(
        "UPDATE upload_sessions SET purge_after = now(), ended_at = now() - interval '21 minutes' WHERE id = ANY(%s)",
        ([aborted.id, completed.id],),
    )
    assert stack.sandboxes.invoke("OperationsSweepFunction", {}).error is None
    assert (bucket_of.uploads(aborted), bucket_of.uploads(completed)) == ([], [])
    assert (bucket_of.objects(aborted), bucket_of.objects(completed)) == (
        [],
        [f"files/{completed.id}/{kept['fileId']}"],
    )
    assert [session_row(rows, session)["purge_after"] for session in (aborted, completed)] == [None, None]
