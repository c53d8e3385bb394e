"""DELETE /api/mocs/uploads/sessions/{sessionId}: nothing of the session stays."""

import httpx

from tests.support.stacks import Rows
from tests.support.upload_sessions import PART, Bucket, create, events, file_rows, pdf, put_parts, refused, session_row


def test_abort_leaves_nothing(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    sent, half = pdf(filename="sent.pdf"), pdf(PART + 1, filename="half.pdf")
    session = create(http, sent, half)
    session.send(sent)
    put_parts(session.register(half).json()["parts"][:1], half)
    assert (len(bucket_of.objects(session)), len(bucket_of.uploads(session))) == (1, 1)

    response = session.abort()
    assert (response.status_code, response.content) == (204, b"")
    assert (bucket_of.objects(session), bucket_of.uploads(session), file_rows(rows, session)) == ([], [], [])
    assert session_row(rows, session)["failure_reason"] == "aborted"
    assert session.abort().status_code == 204, "it is as gone as before"
    failures = [properties for name, properties, _ in events(rows, session) if name == "upload_session_failed"]
    assert failures == [{"session_id": session.id, "reason": "aborted"}]
    assert session.read().json()["status"] == "aborted"
    assert refused(session.register(sent), 400, "BAD_REQUEST") == {"status": "aborted"}
    assert refused(session.finalize(), 400, "BAD_REQUEST") == {"status": "aborted"}
