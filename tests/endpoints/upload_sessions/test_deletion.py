"""DELETE /api/mocs/uploads/sessions/{sessionId}?completed=true: a session is gone with its files."""

from dataclasses import replace

import httpx

from tests.support.stacks import Rows
from tests.support.upload_sessions import (
    MISSING,
    Bucket,
    File,
    Session,
    create,
    digest,
    file_rows,
    give_away,
    pdf,
    png,
    refused,
)


def delete(session: Session) -> httpx.Response:
    return session.http.delete(session.path, params={"completed": "true"})


def completed(http: httpx.Client, *files: File) -> Session:
    session = create(http, *files)
    for file in files:
        session.send(file)
    session.finalize().raise_for_status()
    return session


def test_a_completed_session_is_gone_with_its_files(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    file = pdf(2000, filename="private.pdf")
    session = completed(http, file, png())
    url = session.read().json()["files"][0]["fileUrl"]
    refused(session.abort(), 409, "ALREADY_COMPLETED")
    assert http.delete(session.path, params={"completed": "false"}).status_code == 409
    assert (
        http.delete(session.path, params={"completed": "yes"}).json()["error"] == "completed should be true or false."
    )

    answer = delete(session)
    assert (answer.status_code, answer.content) == (204, b"")
    for again in (delete(session), session.read(), session.finalize(), session.register(file), session.abort()):
        assert (again.status_code, again.json()) == (404, MISSING)
    assert (bucket_of.objects(session), file_rows(rows, session)) == ([], [])
    assert httpx.get(url).status_code == 404
    left = rows.execute("SELECT * FROM upload_sessions WHERE id = %s", (session.id,)).fetchone()
    assert left is not None
    assert (left["status"], left["user_id"], left["companion_token_hash"]) == ("deleted", "", None)
    named = rows.execute("SELECT FROM upload_session_declarations WHERE session_id = %s", (session.id,))
    assert named.rowcount == 0, "no name stays"


def test_unfinished_and_ended_ones_go_too_and_another_users_does_not(http: httpx.Client, rows: Rows) -> None:
    file = pdf()
    active, aborted, others = create(http, file), create(http, file), create(http, file)
    aborted.abort().raise_for_status()
    give_away(rows, others)
    assert [delete(session).status_code for session in (active, aborted, others)] == [204, 204, 404]
    assert [session.read().status_code for session in (active, aborted)] == [404, 404]
    kept = rows.execute("SELECT status FROM upload_sessions WHERE id = %s", (others.id,)).fetchone()
    assert kept == {"status": "active"}


def test_a_file_that_others_rely_on_survives(http: httpx.Client, bucket_of: Bucket) -> None:
    """The sessions that skipped it go on as if nothing had happened, one after the other; the last takes it along."""
    file = pdf(3000)
    file = replace(file, sha256=digest(file.content))
    first = completed(http, file)
    key = bucket_of.objects(first)[0]
    done, open_one, third = (create(http, file) for _ in range(3))
    assert done.finalize().status_code == 200, "nothing to send"
    revision = done.read().json()["revision"]

    assert delete(first).status_code == 204
    assert done.read().json()["revision"] > revision
    for session in (done, open_one, third):
        [shown] = session.read().json()["files"]
        assert shown["status"] in ("completed", "duplicate")
        assert httpx.get(shown["fileUrl"]).content == file.content
    assert done.finalize().json()["files"][0]["fileId"] == key.rpartition("/")[2]
    assert delete(done).status_code == 204
    assert open_one.finalize().status_code == 200
    assert open_one.abort().status_code == 409
    assert third.abort().status_code == 204
    assert httpx.get(open_one.read().json()["files"][0]["fileUrl"]).content == file.content
    assert create(http, file).read().json()["files"][0]["status"] == "duplicate"
    assert delete(open_one).status_code == 204
