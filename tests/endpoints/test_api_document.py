"""schemathesis over /openapi.json, against the running stack: no 5xx, and no answer the document does not describe."""

from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from local.stack import LocalStack
from scripts import openapi
from tests.support import upload_sessions
from tests.support.image_jobs import Upload, started, wait

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
schema = schemathesis.openapi.from_dict(openapi.document())

bounded = hypothesis.settings(
    max_examples=12,
    derandomize=True,  # the same requests in every run: a failure is always somebody's doing
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def finished(stack: LocalStack) -> tuple[Upload, str]:
    """A job, and its result's id, which the second test asks about: so answers beyond 401 and 404 are seen as well."""
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        upload = started(http)
        return upload, wait(http, upload)["resultId"]


@schema.parametrize()
@bounded
def test_every_answer_is_documented(case: schemathesis.Case[Any], stack: LocalStack) -> None:
    case.call_and_validate(base_url=stack.url, checks=CHECKS, timeout=30)


@schema.include(tag="image jobs").parametrize()
@bounded
def test_every_answer_about_a_known_job_is_documented(
    case: schemathesis.Case[Any], stack: LocalStack, finished: tuple[Upload, str]
) -> None:
    upload, result_id = finished
    real = {"uploadId": upload.id, "jobId": upload.id, "resultId": result_id}
    case.headers["X-Session-Token"] = upload.token
    case.path_parameters.update({name: real[name] for name in case.path_parameters})
    if isinstance(case.body, dict) and "uploadId" in case.body:
        case.body["uploadId"] = upload.id
    case.call_and_validate(base_url=stack.url, checks=CHECKS, timeout=30)


@pytest.fixture(scope="module")
def known_session(stack: LocalStack) -> dict[str, str]:
    """A session that is and stays active, with a registered file: its path parameters."""
    file = upload_sessions.pdf()
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        created = upload_sessions.declare(http, file, file).json()
        session = upload_sessions.Session(http, created["sessionId"])
        file_id = session.register(file).json()["fileId"]
    token = created["companionPath"].rpartition("/")[2]
    return {"sessionId": session.id, "token": token, "fileId": file_id, "uploadId": file_id}


@schema.include(tag="upload sessions").exclude(method="DELETE").parametrize()
@hypothesis.settings(bounded, max_examples=8)
def test_every_answer_about_a_known_session_is_documented(
    case: schemathesis.Case[Any], stack: LocalStack, known_session: dict[str, str]
) -> None:
    case.path_parameters.update({name: known_session.get(name, value) for name, value in case.path_parameters.items()})
    case.call_and_validate(base_url=stack.url, checks=CHECKS, timeout=30)
