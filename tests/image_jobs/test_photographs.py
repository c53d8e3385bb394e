"""From a phone's file to a preview, through everything."""

from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.support import photographs
from tests.support.image_jobs import started, wait


@pytest.mark.parametrize(
    ("media_type", "picture_format", "orientation"),
    [("image/jpeg", "JPEG", 6), ("image/png", "PNG", 1), ("image/webp", "WEBP", 1), ("image/heic", "HEIF", 1)],
)
def test_a_photograph_becomes_a_clean_preview(
    http: httpx.Client, media_type: str, picture_format: str, orientation: int
) -> None:
    content = photographs.photograph(
        photographs.scene(1200, 800), picture_format, orientation=orientation, metadata=True
    )
    upload = started(http, content, media_type)
    body = wait(http, upload)
    assert body["status"] == "completed", body
    result = http.get(f"/api/results/{body['resultId']}", headers=upload.auth).json()
    preview = httpx.get(result["previewUrl"]).content
    picture = Image.open(BytesIO(preview))
    assert picture.size == (1024, 683), "upright, and at most 1024 px"
    assert not any(secret in preview for secret in photographs.SECRETS)
    assert not picture.getexif()
    assert not picture.info.keys() & {"exif", "xmp", "comment", "icc_profile"}
