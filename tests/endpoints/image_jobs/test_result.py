"""GET /api/results/{resultId}: a preview to look at, and nothing of the full size."""

import json
import re
from collections.abc import Callable
from io import BytesIO
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from PIL import Image

from inlet.identifiers import token_hash
from inlet.settings import settings
from local.stack import LocalStack
from tests.support import invocations
from tests.support.image_jobs import TIME, Upload, assert_error, reserve, row, started, status, wait
from tests.support.stacks import Rows


def read(http: httpx.Client, result_id: str, upload: Upload) -> httpx.Response:
    return http.get(f"/api/results/{result_id}", headers=upload.auth)


def test_is_a_presigned_preview(http: httpx.Client, stack: LocalStack, finished: Upload, rows: Rows) -> None:
    result_id = status(http, finished).json()["resultId"]
    answer = read(http, result_id, finished)
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"success", "resultId", "previewUrl", "fullUrl", "expiresAt", "width", "height", "deletesAt"}
    assert body["fullUrl"] is None, "nobody has released it"
    assert body["deletesAt"] == status(http, finished).json()["deletesAt"]
    assert (body["success"], body["resultId"]) == (True, result_id)
    assert TIME.fullmatch(body["expiresAt"])
    url = urlsplit(body["previewUrl"])
    assert url.path == f"/{stack.bucket}/results/{result_id}/preview.webp"
    preview = httpx.get(body["previewUrl"])
    assert preview.headers["content-type"] == "image/webp"
    picture = Image.open(BytesIO(preview.content))
    assert (picture.format, picture.size) == ("WEBP", (body["width"], body["height"]))

    stored = row(rows, finished)
    assert stored["preview_url"] == f"results/{result_id}/preview.webp"
    assert re.fullmatch(f"results/{result_id}/full\\.(jpg|png|webp)", stored["result_url"])
    full = body["previewUrl"].replace(stored["preview_url"], stored["result_url"])
    assert httpx.get(full).status_code == 403, "the full size stays private"
    assert httpx.get(full.partition("?")[0]).status_code == 403
    assert httpx.put(body["previewUrl"], content=b"x").status_code == 403


def test_needs_the_token(http: httpx.Client, finished: Upload) -> None:
    result_id = status(http, finished).json()["resultId"]
    missing = http.get(f"/api/results/{result_id}")
    assert_error(missing, 401, "UNAUTHORIZED", "The X-Session-Token header is missing.")
    wrong = read(http, result_id, reserve(http))
    assert_error(wrong, 401, "UNAUTHORIZED", "The X-Session-Token does not belong to this upload.")


def test_unknown(http: httpx.Client, finished: Upload) -> None:
    assert_error(read(http, "rnothing", finished), 404, "NOT_FOUND", "Result not found.")
    assert_error(read(http, finished.id, finished), 404, "NOT_FOUND", "Result not found.")


def test_not_ready(http: httpx.Client, rows: Rows) -> None:
    upload = started(http)
    result_id = wait(http, upload)["resultId"]
    rows.execute("UPDATE uploads SET status = 'processing', progress = 90 WHERE id = %s", (upload.id,))
    answer = read(http, result_id, upload)
    assert_error(answer, 409, "NOT_READY", "Your result isn't ready yet.")
    assert answer.headers["retry-after"] == "2"
    assert status(http, upload).json()["resultId"] is None


def test_released_it_is_there_in_full_to_download(http: httpx.Client, stack: LocalStack, rows: Rows) -> None:
    upload = started(http)
    result_id = wait(http, upload)["resultId"]
    seen = status(http, upload)
    assert stack.sandboxes.invoke("OperationsReleaseFunction", {"uploadId": upload.id}).error is None
    picture = httpx.get(read(http, result_id, upload).json()["fullUrl"])
    assert re.fullmatch(r'attachment; filename="portrait\.(jpg|png|webp)";.*', picture.headers["content-disposition"])
    stored = rows.execute("SELECT width, height FROM results WHERE id = %s", (result_id,)).fetchone()
    assert stored == dict(zip(("width", "height"), Image.open(BytesIO(picture.content)).size, strict=True))
    changed = status(http, upload, **{"If-None-Match": seen.headers["etag"]})
    assert changed.status_code == 200, "who watches the status is told that there is something new"


@pytest.mark.usefixtures("inlet_settings")
def test_where_everybody_may_have_it_in_full_none_is_released(
    database: psycopg.Connection[Any], load_handler: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESULT_ACCESS", "full")
    settings.reload()
    database.execute(
        "INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, status, attempt)"
        " VALUES ('u', 'e', %s, 'k', 'image/png', 'completed', 1)",
        (token_hash("token"),),
    )
    database.execute(
        "INSERT INTO results (id, upload_id, full_key, content_type, width, height, preview_key, preview_width,"
        " preview_height) VALUES ('r', 'u', 'results/r/full.png', 'image/png', 1, 1, 'results/r/preview.webp', 1, 1)"
    )
    event = invocations.api_event(
        "GET", "/api/results/r", headers={"x-session-token": "token"}, path_parameters={"resultId": "r"}
    )
    answer = load_handler("image_jobs/result").lambda_handler(event, invocations.Context())
    body = json.loads(answer["body"])
    assert "/results/r/full.png?" in body["fullUrl"]
    assert "deletesAt" not in body, "no time is set"
