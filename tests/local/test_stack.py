"""Inlet's stack: its settings, its bucket, its end; and whether its template is understood whole."""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from local.stack import PROJECT, LocalStack, settings_of_functions
from local_aws.children import PartFailed
from local_aws.ports import is_free
from local_aws.s3_server import S3Server
from local_aws.template import Template
from tests.support.stacks import OTHER_SITE


def test_the_projects_own_template_is_understood_whole() -> None:
    template = Template(PROJECT / "template.yaml", parameters={"JwtIssuer": ""})
    assert template.functions
    assert template.routes
    assert template.schedules
    assert template.state_machines
    assert any(template.buckets.values())
    for function in template.functions.values():
        assert not [name for name, value in function.environment.items() if "{{resolve:" in value or "${" in value]


def test_an_error_of_the_gateways_own_has_the_names_all_others_have(start_stack: Callable[..., LocalStack]) -> None:
    with httpx.Client(base_url=start_stack(AUTH_BYPASS="false").url) as http:
        refused = http.get("/api/sessions")
        assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHORIZED")
        too_large = http.post("/api/upload", content=bytes(10 * 1024 * 1024 + 1))
    assert (too_large.status_code, too_large.json()["code"]) == (413, "BAD_REQUEST")
    assert "straight to the bucket" in too_large.json()["error"]


def test_the_stacks_bucket_has_the_templates_cors_and_lets_its_own_pages_in(tmp_path: Path, database_url: str) -> None:
    settings = {"PORT": "0", "SCHEDULE_SECONDS": "0", "DATABASE_URL": database_url, "ALLOWED_ORIGINS": OTHER_SITE}
    with LocalStack(tmp_path, settings, stack_name="with-its-own-s3", durable=False) as stack:
        address = f"{stack.environment['S3_ENDPOINT_URL']}/{stack.bucket}/uploads/x"

        def preflight(origin: str) -> httpx.Response:
            asked = {"origin": origin, "access-control-request-method": "PUT"}
            return httpx.options(address, headers=asked | {"access-control-request-headers": "content-type"})

        own = stack.url.replace("127.0.0.1", "localhost")
        for origin in (stack.url, own, OTHER_SITE):
            assert preflight(origin).headers["access-control-allow-origin"] == origin
        assert "access-control-allow-origin" not in preflight("https://evil.example.com").headers


def test_a_stopping_stack_answers_what_it_was_asked(start_stack: Callable[..., LocalStack]) -> None:
    stack = start_stack()
    upload = httpx.post(f"{stack.url}/api/upload", json={"email": "a@example.com", "type": "image/jpeg"}).json()
    httpx.put(upload["uploadUrl"], content=b"bytes", headers=upload["headers"]).raise_for_status()
    answers: list[httpx.Response] = []
    confirming = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{stack.url}/api/upload/{upload['uploadId']}/confirm", timeout=30))
    )
    with psycopg.connect(stack.database_url) as blocking, psycopg.connect(stack.database_url, autocommit=True) as watch:
        blocking.execute("SELECT FROM uploads WHERE id = %s FOR UPDATE", (upload["uploadId"],))
        confirming.start()
        deadline = time.monotonic() + 20
        while not watch.execute(
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone():
            assert time.monotonic() < deadline, answers
            time.sleep(0.01)
        stopping = threading.Thread(target=stack.stop)
        stopping.start()
        time.sleep(0.3)
        with pytest.raises(httpx.ConnectError):
            httpx.get(stack.url)
    confirming.join()
    stopping.join()
    assert [answer.status_code for answer in answers] == [200]


def test_functions_get_the_settings_that_the_configuration_page_lists_and_no_other() -> None:
    page = (PROJECT / "docs" / "configuration.md").read_text().partition("## Settings of the local stack")[0]
    listed = {name for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    shell = dict.fromkeys([*listed, "GITHUB_TOKEN", "AWS_PROFILE", "PORT"], "x")
    assert listed > {"DATABASE_URL", "GEMINI_API_KEY", "POWERTOOLS_LOG_LEVEL"}
    assert settings_of_functions(Template(PROJECT / "template.yaml"), shell).keys() == listed


def test_the_api_answers_to_further_names_where_they_are_set(start_stack: Callable[..., LocalStack]) -> None:
    stack = start_stack(ALLOWED_HOSTS="inlet.test, other.test")
    with httpx.Client(base_url=stack.url) as http:
        assert http.get("/api/sessions", headers={"Host": "other.test"}).status_code == 200
        rebound = http.get("/api/sessions", headers={"Host": "evil.example"})
        foreign = http.post("/api/upload", headers={"Origin": "https://evil.example"})
    assert (rebound.status_code, rebound.json()["code"]) == (421, "BAD_REQUEST")
    assert "ALLOWED_HOSTS" in rebound.json()["error"]
    assert (foreign.status_code, foreign.json()["code"]) == (403, "FORBIDDEN")
    assert "ALLOWED_ORIGINS" in foreign.json()["error"]


def test_half_of_the_s3_settings_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PartFailed, match="not S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY"):
        LocalStack(tmp_path, {"S3_ENDPOINT_URL": "http://127.0.0.1:9"})


def test_a_stack_that_cannot_start_leaves_nothing_running(tmp_path: Path, s3: S3Server, bucket: str) -> None:
    settings = {
        "PORT": "0",
        "S3_ENDPOINT_URL": s3.endpoint_url,
        "S3_ACCESS_KEY_ID": s3.keys.access_key_id,
        "S3_SECRET_ACCESS_KEY": s3.keys.secret_access_key,
        "BUCKET": bucket,
        "MIGRATIONS_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nowhere",
    }
    stack = LocalStack(tmp_path, settings, stack_name="hopeless", durable=False)
    with pytest.raises(PartFailed, match="Migrations: Unforeseen: OperationalError: Connection refused"):
        stack.start()
    assert is_free(stack.postgres.port)
