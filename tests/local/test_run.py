"""`make run` as a person lives with it: the ready line, settings from the environment, Ctrl-C, crashes, a new start."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from local.run import containers_reach
from local.stack import PROJECT, LocalStack
from local_aws import children
from local_aws.ports import free_port
from tests.support import image_jobs, live

READY = re.compile(r"Inlet is ready: (http://127\.0\.0\.1:\d+)\b.*\n")
IMAGE = {"email": "somebody@example.com", "type": "image/jpeg"}
# A developer's own profile, proxy and tokens: none of it is Inlet's, and none may change or enter what runs.
SHELL = {"AWS_PROFILE": "nope", "AWS_ACCESS_KEY_ID": "own", "GITHUB_TOKEN": "canary"}
SHELL |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")


@dataclass
class Run:
    """A runner process with what it said."""

    process: subprocess.Popen[str]
    directory: Path
    url: str
    first_line: str

    def family(self) -> list[Any]:
        """Every process below the runner."""
        children: list[Any] = psutil.Process(self.process.pid).children(recursive=True)
        return children

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Status, further standard output, standard error."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=90)
        return self.process.returncode, output, errors


def command(directory: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    environment |= {"PYTHONPATH": "shared:.", "INLET_DIRECTORY": str(directory), "PORT": "0"} | settings
    return subprocess.Popen(
        [sys.executable, "-m", "local", *arguments],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=90)
    return process.returncode, output, errors


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """`run(AUTH_BYPASS="false", …)`: a ready stack on the test's directory."""
    started: list[subprocess.Popen[str]] = []

    def start(**settings: str) -> Run:
        process = command(tmp_path, "run", **settings)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        ready = READY.fullmatch(line)
        assert ready, (line, process.communicate(timeout=90))
        return Run(process, tmp_path, ready[1], line)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def assert_all_gone(processes: list[Any], seconds: float = 20) -> None:
    assert not children.wait_for_end(processes, seconds=seconds)


def test_a_day_with_make_run(run: Callable[..., Run]) -> None:
    first = run(AUTH_BYPASS="false", RATE_LIMIT_BYPASS="true", **SHELL)
    assert_everything_answers_at_once(first)
    assert_settings_come_from_the_environment(first)
    assert_a_second_run_says_that_one_is_running(first)
    assert_other_commands_find_the_stack(first)
    assert_a_developers_tokens_stay_out(first)
    assert_only_the_owner_may_look(first.directory)
    upload = httpx.post(f"{first.url}/api/upload", json=IMAGE).json()
    family = first.family()
    assert len(family) > 4

    status, output, errors = first.end(signal.SIGINT)
    assert (status, output) == (0, "")
    assert "Traceback" not in errors
    assert f"functions log to {first.directory / 'functions.log'}\n" in errors
    assert re.search(r"^\d\d:\d\d:\d\d  POST /api/upload 201 \d+ ms$", errors, re.MULTILINE)
    assert upload["sessionToken"] not in errors + (first.directory / "functions.log").read_text()
    assert_all_gone(family)
    assert not (first.directory / "stack.json").exists()

    second = run()
    assert_the_upload_is_still_there(second, upload)
    family = second.family()
    second.process.kill()
    second.process.wait()
    assert_all_gone(family)

    third = run()
    assert_the_upload_is_still_there(third, upload)
    family = third.family()
    next(process for process in family if process.name() == "postgres").kill()
    status, output, errors = outcome(third.process)
    assert (status, output) == (1, "")
    assert "Inlet stopped. Postgres: ended with status -9." in errors
    assert "database system is ready to accept connections" in errors  # its log's last lines
    assert "Traceback" not in errors
    assert_all_gone(family)


def test_who_watches_lives_through_a_crash_and_a_new_start(run: Callable[..., Run], tmp_path: Path) -> None:
    """Killed, the gateway tells no function that a connection ended: its row stays, and does no harm."""
    port = str(free_port())
    first = run(PORT=port)
    with httpx.Client(base_url=first.url, timeout=30) as http:
        upload = image_jobs.confirmed(http)
        with live.watching(http, upload) as watched:
            assert live.say(watched, action="hello")["state"]["status"] == "pending"
            family = first.family()
            first.process.kill()
            first.process.wait()
            with pytest.raises(ConnectionClosed):
                watched.recv(timeout=30)
    assert_all_gone(family)

    second = run(PORT=port)
    with httpx.Client(base_url=second.url, timeout=30) as http:
        assert image_jobs.status(http, upload).json()["status"] == "pending"
        with live.watching(http, upload) as watched:
            assert live.say(watched, action="hello")["state"]["status"] == "pending"
            assert image_jobs.process(http, upload).status_code == 202
            told = live.until_it_ends(watched)
        assert image_jobs.status(http, upload).json() == told[-1]["state"]
    status, _, errors = second.end(signal.SIGINT)
    assert status == 0
    assert "Traceback" not in errors


def assert_everything_answers_at_once(stack: Run) -> None:
    openapi = httpx.get(f"{stack.url}/openapi.json")
    assert openapi.status_code == 200
    assert "/api/upload" in openapi.json()["paths"]


def assert_settings_come_from_the_environment(stack: Run) -> None:
    assert httpx.get(f"{stack.url}/api/sessions").status_code == 401
    statuses = {httpx.post(f"{stack.url}/api/upload", json=IMAGE).status_code for _ in range(11)}
    assert statuses == {201}


def assert_a_second_run_says_that_one_is_running(stack: Run) -> None:
    status, output, errors = outcome(command(stack.directory, "run"))
    assert (status, output) == (1, "")
    assert f"already running at {stack.url}" in errors


def assert_other_commands_find_the_stack(stack: Run) -> None:
    status, output, errors = outcome(command(stack.directory, "seed", **SHELL))
    assert (status, errors) == (0, "")
    assert "Seeded" in output
    status, output, errors = outcome(command(stack.directory, "migrate", **SHELL))
    assert (status, output, errors) == (0, "The database is up to date.\n", "")
    preview = stack.directory / "preview.webp"
    status, output, errors = outcome(command(stack.directory, "demo", "", OUTPUT=str(preview), **SHELL))
    assert (status, output) == (0, f"{preview}\n"), errors
    told = json.loads((stack.directory / "env.json").read_text())["Parameters"]
    assert told["DATABASE_URL"].startswith("postgresql://application:")
    for server in ("S3_ENDPOINT_URL", "LIVE_ENDPOINT_URL"):
        assert told[server].startswith("http://host.docker.internal:")
    assert not any("127.0.0.1" in value for value in told.values())


def assert_the_upload_is_still_there(stack: Run, upload: dict[str, Any]) -> None:
    response = httpx.get(
        f"{stack.url}/api/status/{upload['uploadId']}", headers={"X-Session-Token": upload["sessionToken"]}
    )
    assert (response.status_code, response.json()["status"]) == (200, "pending")


def assert_a_developers_tokens_stay_out(stack: Run) -> None:
    """Look into every process, the functions' among them: by now some have been called."""
    assert not [process for process in stack.family() if "GITHUB_TOKEN" in process.environ()]


def assert_only_the_owner_may_look(directory: Path) -> None:
    kept = [directory, *directory.rglob("*")]
    assert {"stack.json", "env.json", "server-secret", "functions.log"} <= {file.name for file in kept}
    written_before = {directory / "preview.webp"}  # of the demo, which is no part of the stack
    open_to_others = {file for file in kept if file.lstat().st_mode & 0o077 and file.suffix != ".vif"}
    assert open_to_others <= written_before


@pytest.mark.parametrize(("asked", "reached"), [("", False), ("true", True)])
def test_containers_reach_the_stack_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, stack: LocalStack, asked: str, reached: bool
) -> None:
    monkeypatch.setenv("SAM_LOCAL", asked)
    monkeypatch.setattr("local.run.bridge_address", lambda: "127.0.0.2")
    port = urlsplit(stack.environment["DATABASE_URL"]).port or 0
    with containers_reach(stack), socket.socket() as container:
        assert (container.connect_ex(("127.0.0.2", port)) == 0) is reached


def test_a_port_in_use_is_said_clearly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        status, output, errors = outcome(command(tmp_path, "run", PORT=str(port)))
    assert (status, output) == (1, "")
    assert re.fullmatch(rf"Inlet stopped\. API gateway: port {port} is in use .* PORT=8123 make run\n", errors)


def test_a_port_that_is_no_number_is_said_clearly(tmp_path: Path) -> None:
    status, _, errors = outcome(command(tmp_path, "run", PORT="http"))
    assert (status, errors) == (1, "Inlet stopped. API gateway: PORT must be a number, not 'http'.\n")


def test_ctrl_c_while_starting_leaves_nothing_behind(tmp_path: Path) -> None:
    process = command(tmp_path, "run")
    deadline = time.monotonic() + 30
    while not (tmp_path / "s3" / "ports.json").exists():  # by then the S3 server is being started
        assert time.monotonic() < deadline
        time.sleep(0.01)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    status, output, errors = outcome(process)
    assert (status, output) == (0, "")
    assert "Traceback" not in errors
    assert_all_gone(family)


def test_a_bypass_on_a_deployed_stage_is_refused(start_stack: Callable[..., LocalStack]) -> None:
    stack = start_stack(STAGE="prod", AUTH_BYPASS="true")
    assert httpx.get(f"{stack.url}/api/sessions").status_code == 500
    assert "UnsafeSetting" in stack.function_log.read_text()


@pytest.mark.parametrize("name", ["", "fly"])
def test_an_unknown_command_says_which_there_are(tmp_path: Path, name: str) -> None:
    status, output, errors = outcome(command(tmp_path, *([name] if name else [])))
    assert (status, output) == (2, "")
    assert "run|demo|seed|listen|migrate" in errors


@pytest.mark.parametrize("name", ["seed", "migrate"])
def test_commands_that_need_a_stack_say_so(tmp_path: Path, name: str) -> None:
    status, output, errors = outcome(command(tmp_path, name))
    assert (status, output) == (1, "")
    assert "No stack is running" in errors
