"""A client of image jobs, as plain as one can be."""

import re
import time
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.photographs import PHOTOGRAPH
from tests.support.stacks import Rows

EMAIL = "somebody@example.com"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SECURITY = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
}


@dataclass(frozen=True)
class Upload:
    """What `POST /api/upload` answered."""

    id: str
    token: str
    url: str
    headers: dict[str, str]

    @property
    def auth(self) -> dict[str, str]:
        """The header that proves who asks."""
        return {"X-Session-Token": self.token}

    def put(self, content: bytes = PHOTOGRAPH, *, content_type: str | None = None) -> httpx.Response:
        """The bytes, straight to the bucket; with another Content-Type than told, if one is given."""
        headers = self.headers | ({"Content-Type": content_type} if content_type else {})
        return httpx.put(self.url, content=content, headers=headers, timeout=30)


UNKNOWN = Upload("aaaaaaaaaaaaaaaaaaaaaaaa", "no-such-token", "", {})


def read(answer: httpx.Response) -> Upload:
    """The upload in an answer that must be a 201."""
    assert answer.status_code == 201, answer.text
    body = answer.json()
    return Upload(body["uploadId"], body["sessionToken"], body["uploadUrl"], body["headers"])


def reserve(http: httpx.Client, media_type: str = "image/png", /, **fields: Any) -> Upload:
    """POST /api/upload."""
    return read(http.post("/api/upload", json={"email": EMAIL, "type": media_type} | fields))


def confirm(http: httpx.Client, upload: Upload, **headers: str) -> httpx.Response:
    """POST /api/upload/{uploadId}/confirm."""
    return http.post(f"/api/upload/{upload.id}/confirm", headers=headers)


def process(http: httpx.Client, upload: Upload, **headers: str) -> httpx.Response:
    """POST /api/process."""
    return http.post("/api/process", json={"uploadId": upload.id}, headers=upload.auth | headers)


def status(http: httpx.Client, upload: Upload, **headers: str) -> httpx.Response:
    """GET /api/status/{jobId}."""
    return http.get(f"/api/status/{upload.id}", headers=upload.auth | headers)


def confirmed(http: httpx.Client, content: bytes = PHOTOGRAPH, media_type: str = "image/png") -> Upload:
    """Reserve, PUT, confirm."""
    upload = reserve(http, media_type)
    assert upload.put(content).status_code == 200
    answer = confirm(http, upload)
    assert answer.status_code == 200, answer.text
    return upload


def started(http: httpx.Client, content: bytes = PHOTOGRAPH, media_type: str = "image/png") -> Upload:
    """The same, and process."""
    upload = confirmed(http, content, media_type)
    answer = process(http, upload)
    assert answer.status_code == 202, answer.text
    return upload


def wait(http: httpx.Client, upload: Upload, seconds: float = 60) -> dict[str, Any]:
    """Poll, faster than a browser would, until the job is over; its last status."""
    deadline = time.monotonic() + seconds
    while True:
        answer = status(http, upload)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        if body["status"] in ("completed", "failed"):
            return body
        assert time.monotonic() < deadline, body
        time.sleep(0.05)


def row(rows: Rows, upload: Upload) -> dict[str, Any]:
    """Return the upload's row."""
    found = rows.execute("SELECT * FROM uploads WHERE id = %s", (upload.id,)).fetchone()
    assert found is not None
    return found


def assert_error(answer: httpx.Response, status_code: int, code: str, message: str, **more: Any) -> None:
    """Hold a refusal against the family's envelope, word for word."""
    assert answer.status_code == status_code, answer.text
    assert answer.json() == {"success": False, "error": {"code": code, "message": message}} | more
    assert SECURITY.items() <= dict(answer.headers).items()
