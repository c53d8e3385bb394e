"""Who else is on a developer's machine, any web page in the browser first, finds every door of a stack closed.

Each listener of the stack's process tree is found and tried, so that a new one is tried too.
"""

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import httpx
import psutil
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws import s3_server
from local_aws.cloudformation import ACCOUNT, REGION
from local_aws.s3_server import Keys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

BUCKET = "doors-bucket"
KEY = "private/photo"
PAGE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
WAYS = {"a page": PAGE, "a rebound name": {"Host": "evil.example"}, "anybody": {}}
KNOCKS = [
    ("GET", "/"),
    ("GET", "/status"),
    ("GET", "/dir/assign"),
    ("GET", f"/buckets/{BUCKET}/"),
    ("GET", f"/buckets/{BUCKET}/{KEY}"),
    ("GET", f"/{BUCKET}/{KEY}"),
    ("GET", f"/col/delete?collection={BUCKET}"),
    ("GET", "/moto-api/data.json"),
    ("POST", "/moto-api/reset"),
    ("POST", "/"),
    ("POST", f"/buckets/{BUCKET}/{KEY}"),
    ("PUT", f"/{BUCKET}/{KEY}"),
    ("DELETE", f"/buckets/{BUCKET}/private?recursive=true"),
    ("DELETE", f"/{BUCKET}/{KEY}"),
]
REFUSALS = {400, 401, 403, 404, 405, 421}
# These say that SeaweedFS is there and how much it holds, and no switch of its takes that back.
HARMLESS = {("master", "/"), ("volume", "/status"), ("s3", "/status")}


@dataclass(frozen=True)
class Running:
    """A stack in a process of its own."""

    process: psutil.Process
    directory: Path
    url: str
    environment: dict[str, str]

    def family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def listeners(self) -> set[tuple[str, int]]:
        """Every address that a process of the stack listens on."""
        return {
            (known.laddr.ip, known.laddr.port)
            for process in self.family()
            for known in process.net_connections("tcp")
            if known.status == psutil.CONN_LISTEN
        }

    def port_of(self, variable: str) -> int:
        return urlsplit(self.environment[variable]).port or 0

    def s3_ports(self, kind: str) -> dict[int, str]:
        """SeaweedFS's ports of a kind, and whose they are."""
        named = json.loads((self.directory / "s3" / "ports.json").read_text())
        return {port: name.partition(".")[0] for name, port in named.items() if name.endswith(kind)}

    def storage(self) -> "S3Client":
        keys = Keys(self.environment["AWS_ACCESS_KEY_ID"], self.environment["AWS_SECRET_ACCESS_KEY"])
        return s3_server.client(self.environment["AWS_ENDPOINT_URL_S3"], keys)

    def engine(self, endpoint_url: str = "") -> "SFNClient":
        return boto3.client(
            "stepfunctions",
            endpoint_url=endpoint_url or self.environment["AWS_ENDPOINT_URL_SFN"],
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack started from a shell with a token in it, on a folder that everybody may read."""
    directory = tmp_path_factory.mktemp("doors") / "stack"
    directory.mkdir(mode=0o755)
    with subprocess.Popen(
        [sys.executable, "-m", "local_aws.tests.echo_stack", str(directory)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"GITHUB_TOKEN": "canary"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield Running(psutil.Process(process.pid), directory, told["url"], told["environment"])


@pytest.fixture(scope="module")
def execution(running: Running) -> str:
    """An execution that has ended well, and an object in the bucket."""
    running.storage().put_object(Bucket=BUCKET, Key=KEY, Body=b"mine")
    engine = running.engine()
    machine = engine.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    execution = engine.start_execution(stateMachineArn=machine, name="mine", input="{}")["executionArn"]
    while engine.describe_execution(executionArn=execution)["status"] == "RUNNING":
        time.sleep(0.02)
    return execution


def knock(port: int, method: str, path: str, headers: dict[str, str]) -> httpx.Response | None:
    """Ask a port; None where what listens speaks no HTTP."""
    try:
        return httpx.request(method, f"http://127.0.0.1:{port}{path}", headers=headers, timeout=10)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.ReadTimeout):
        return None


def test_nothing_listens_beyond_this_machine(running: Running) -> None:
    assert {host for host, _ in running.listeners()} == {"127.0.0.1"}


@pytest.mark.parametrize("way", WAYS)
def test_every_listener_refuses_who_was_not_told(running: Running, execution: str, way: str) -> None:
    names = running.s3_ports("port")
    own = urlsplit(running.url).port
    tried = 0
    for _, port in running.listeners():
        for method, path in KNOCKS:
            answer = knock(port, method, path, WAYS[way])
            if answer is None:
                continue
            tried += 1
            what = (names.get(port, port), method, path, answer.status_code, answer.text[:200])
            if answer.status_code not in REFUSALS:
                assert (names.get(port), path) in HARMLESS, what
                assert not answer.content or "access-control-allow-origin" not in answer.headers, what
                assert "private" not in answer.text, what
            if port in (own, running.port_of("AWS_ENDPOINT_URL_SFN")):
                assert "access-control-allow-origin" not in answer.headers, what
    assert tried > 6 * len(KNOCKS)  # gateway, issuer, engine, and SeaweedFS's five

    assert running.storage().get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"mine"
    listed = running.storage().list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [known["Key"] for known in listed] == [KEY]
    machine = execution.replace(":execution:", ":stateMachine:").rpartition(":")[0]
    known = running.engine().list_executions(stateMachineArn=machine)["executions"]
    assert [(run["executionArn"], run["status"]) for run in known] == [(execution, "SUCCEEDED")]


def is_heard(port: int) -> bool:
    """Whether a gRPC port goes on talking to who shows no certificate, over TLS or without."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    trusting.set_alpn_protocols(["h2"])
    hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    for wrap in (lambda plain: plain, trusting.wrap_socket):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, wrap(plain) as stranger:
                stranger.sendall(hello)
                if stranger.recv(4096):
                    return True
        except (ConnectionError, ssl.SSLError):
            continue
    return False


def test_the_inner_ports_of_s3_want_a_certificate(running: Running) -> None:
    names = running.s3_ports("port.grpc")
    heard = {names[port]: is_heard(port) for _, port in running.listeners() if port in names}
    assert heard.keys() >= {"master", "volume", "filer", "s3", "admin"}
    assert not any(heard.values()), heard


def test_the_engine_is_for_who_was_told_where_and_for_no_page(running: Running, execution: str) -> None:
    told = running.environment["AWS_ENDPOINT_URL_SFN"]
    bare = told.rpartition("/")[0]
    for guessed in (bare, f"{bare}/{'A' * 43}", told[:-1]):
        with pytest.raises(ClientError) as refused:
            running.engine(guessed).list_state_machines()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-origin"}, {"Host": "evil.example"}):
        assert httpx.post(told, headers=headers).status_code == 403
    for path in ("/moto-api/", "/moto-api/reset", "/anything"):
        assert httpx.post(f"{told}{path}").status_code == 404
    assert running.engine().describe_execution(executionArn=execution)["status"] == "SUCCEEDED"


def test_an_execution_may_name_only_functions_that_the_templates_machines_name(running: Running) -> None:
    engine = running.engine()
    role = f"arn:aws:iam::{ACCOUNT}:role/any"

    def run(function: str) -> dict[str, Any]:
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:doors-{function}"
        definition = {"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": arn, "End": True}}}
        made = engine.create_state_machine(name=function, definition=json.dumps(definition), roleArn=role)
        started = engine.start_execution(stateMachineArn=made["stateMachineArn"], name="forged", input="{}")
        while (ended := engine.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
            time.sleep(0.02)
        engine.delete_state_machine(stateMachineArn=made["stateMachineArn"])
        return dict(ended)

    assert run("EchoFunction")["status"] == "SUCCEEDED"
    ended = run("HastyFunction")
    assert (ended["status"], ended["error"]) == ("FAILED", "AccessDeniedException")


def test_functions_are_no_superuser_of_the_database(running: Running) -> None:
    with psycopg.connect(running.environment["DATABASE_URL"], autocommit=True) as connection:
        role = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        assert role == (False,)
        connection.execute("CREATE TABLE mine AS SELECT 1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("COPY mine FROM PROGRAM 'id'")


def test_the_shells_secrets_reach_no_function_and_no_server(running: Running) -> None:
    told = httpx.get(f"{running.url}/echo", timeout=30).json()
    assert "GITHUB_TOKEN" not in told["environment"]
    servers = [process for process in running.family() if process != running.process]
    assert len(servers) > 4
    for process in servers:
        assert "GITHUB_TOKEN" not in process.environ(), process


def test_all_that_the_stack_keeps_is_its_owners(running: Running, execution: str) -> None:
    httpx.get(f"{running.url}/echo", timeout=30)
    kept = [running.directory, *running.directory.rglob("*")]
    assert {"functions.log", "postgres.log", "s3.log", "identity.json", "security.toml"} <= {file.name for file in kept}
    # SeaweedFS chooses the mode of one kind of file itself; nobody comes through the folders to it.
    assert [file for file in kept if file.lstat().st_mode & 0o077 and file.suffix != ".vif"] == []
    sockets = {
        Path(str(known.laddr))
        for process in running.family()
        for known in process.net_connections("unix")
        if known.laddr and Path(str(known.laddr)).is_absolute() and Path(str(known.laddr)).exists()
    }
    assert [place for place in sockets if place.stat().st_mode & 0o077] == []
