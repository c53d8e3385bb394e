"""POST /api/mocs/uploads/sessions/{sessionId}/files/batch: each file with a result of its own."""

import httpx

from tests.support.stacks import Rows
from tests.support.upload_sessions import Bucket, create, file_rows, parts_list, pdf, png


def test_a_batch_succeeds_in_part(http: httpx.Client, rows: Rows, bucket_of: Bucket) -> None:
    """Each file has the result that registering it alone would have had."""
    known, fresh, stranger = pdf(), png(), parts_list()
    session = create(http, known, fresh)
    file_id = session.register(known).json()["fileId"]
    response = session.register_batch(known, stranger, fresh, fresh)
    assert response.status_code == 200
    results = response.json()["results"]
    assert [(one["index"], one["status"]) for one in results] == [(0, 200), (1, 400), (2, 201), (3, 200)]
    assert results[0]["file"]["fileId"] == file_id
    assert results[1].keys() == {"index", "status", "error"}
    assert results[1]["error"]["code"] == "BAD_REQUEST"
    assert results[2]["file"]["fileId"] == results[3]["file"]["fileId"]
    assert results[2].keys() == {"index", "status", "file"}
    assert len(file_rows(rows, session)) == len(bucket_of.uploads(session)) == 2
