"""The servers of a stack: Postgres and S3 keep their data, crash loudly, and leave nobody behind."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest
from botocore.exceptions import ClientError

from local_aws import s3_server
from local_aws.children import PartFailed, wait_for_end
from local_aws.container_bridge import ContainerBridge
from local_aws.ports import free_port, is_free, remembered_ports
from local_aws.postgres import Postgres
from local_aws.s3_server import Keys, S3Server


@pytest.fixture(scope="module")
def own_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own-postgres")


@pytest.fixture(scope="module")
def own_server(own_directory: Path) -> Iterator[Postgres]:
    with Postgres(own_directory, durable=False) as server:
        yield server


@pytest.fixture
def own_postgres(own_server: Postgres) -> Postgres:
    """A server these tests may mistreat; running again for each."""
    try:
        own_server.child.check()
    except PartFailed:
        own_server.start()
    return own_server


def remember(server: Postgres) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS remembered AS SELECT 42 AS answer")


def remembered(server: Postgres) -> int:
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT answer FROM remembered").fetchone()
    assert row is not None
    answer: int = row[0]
    return answer


def test_postgres_keeps_data_and_address_over_a_restart(own_postgres: Postgres) -> None:
    url = own_postgres.url
    remember(own_postgres)
    own_postgres.restart()
    assert own_postgres.url == url
    assert remembered(own_postgres) == 42


def test_a_thread_that_restarts_postgres_does_not_take_it_along_when_it_ends(own_postgres: Postgres) -> None:
    """The kernel ties a death signal to the thread that started the process."""
    restarting = threading.Thread(target=own_postgres.restart)
    restarting.start()
    restarting.join()
    time.sleep(0.2)
    own_postgres.child.check()


def test_postgres_starts_after_a_kill(own_postgres: Postgres) -> None:
    remember(own_postgres)
    own_postgres.child.kill()
    with pytest.raises(PartFailed, match="Postgres: ended with status -9"):
        own_postgres.child.check()
    own_postgres.start()
    assert remembered(own_postgres) == 42


def test_postgres_starts_beside_the_pid_file_of_a_living_stranger(own_postgres: Postgres, own_directory: Path) -> None:
    """After a reboot the pid in a stale file may be anybody's; Postgres by itself would refuse to start."""
    own_postgres.stop()
    pid_file = own_directory / "data" / "postmaster.pid"
    pid_file.write_text(f"{os.getppid()}\n{pid_file.parent}\n0\n5432\n\n127.0.0.1\n")
    own_postgres.start()


def test_postgres_ends_an_orphan_on_its_data(own_postgres: Postgres, own_directory: Path) -> None:
    with Postgres(own_directory, durable=False), pytest.raises(PartFailed, match="ended with status 0"):
        own_postgres.child.check()


def test_postgres_without_a_valid_data_directory_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(PartFailed, match=r"Postgres: ended with status 2(.|\n)*postgresql.conf"):
        Postgres(tmp_path).start()


def test_an_interrupted_initdb_is_done_again(tmp_path: Path) -> None:
    draft = tmp_path / "draft" / "data"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18")
    with Postgres(tmp_path, durable=False) as server:
        remember(server)


def test_postgres_wants_a_password_also_of_containers(own_postgres: Postgres) -> None:
    port = own_postgres.port
    bridge = ContainerBridge("127.0.0.2", [port])
    bridge.start()
    try:
        for host in ("127.0.0.1", "127.0.0.2"):
            for role in ("postgres", "application", "nobody"):
                with pytest.raises(psycopg.OperationalError, match="no password supplied"):
                    psycopg.connect(f"postgresql://{role}@{host}:{port}/postgres", passfile="/dev/null")
        with psycopg.connect(own_postgres.url.replace("127.0.0.1", "127.0.0.2")) as known:
            assert known.execute("SELECT 1").fetchone() == (1,)
    finally:
        bridge.stop()


def test_the_two_roles_of_postgres_have_passwords_of_their_own(own_postgres: Postgres, own_directory: Path) -> None:
    passwords = {urlsplit(url).password for url in (own_postgres.url, own_postgres.admin_url)}
    assert len(passwords) == 2
    for file in own_directory.glob("*.password"):
        assert file.read_text() in passwords
        assert file.stat().st_mode & 0o077 == 0
    facts = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    with psycopg.connect(own_postgres.url) as application, psycopg.connect(own_postgres.admin_url) as admin:
        assert application.execute(facts).fetchone() == (False,)
        assert admin.execute(facts).fetchone() == (True,)


def test_data_whose_server_asked_for_no_password_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("18")
    with pytest.raises(PartFailed, match=f"asks for no password. Remove {tmp_path}"):
        Postgres(tmp_path).start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a death signal")
def test_children_die_with_their_parent_however_it_dies(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from local_aws.children import Child\n"
        "here = Path(sys.argv[1]); child = Child('Sleeper', ['/bin/sleep', '60'], directory=here, log=here / 'log')\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert not wait_for_end([child], seconds=5)


def test_every_s3_server_has_keys_of_its_own(s3: S3Server, tmp_path: Path) -> None:
    other = S3Server(tmp_path)
    assert other.keys == S3Server(tmp_path).keys  # after a restart too
    assert not {*vars(other.keys).values()} & {*vars(s3.keys).values()}
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is left behind")
def test_nobody_reaches_the_data_where_the_kernel_forbids_namespaces() -> None:
    script = (
        "import os, sys; from pathlib import Path; from local_aws.leash import leave_root\n"
        "del os.unshare; leave_root(Path(sys.argv[1])); print((Path(sys.argv[1]) / 'PG_VERSION').read_text())\n"
        "try: os.listdir(Path(sys.argv[1]).parent)\n"
        "except PermissionError: print('no more')"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as stack:
        data = Path(stack) / "postgres" / "data"
        data.mkdir(mode=0o700, parents=True)
        data.parent.chmod(0o700)
        (data / "PG_VERSION").write_text("18")
        arguments = [sys.executable, "-c", script, str(data)]
        done = subprocess.run(arguments, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["18", "no more"]


def test_s3_does_not_take_the_developers_own_aws_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the developer's own")
    with S3Server(tmp_path) as server:
        own = s3_server.client(server.endpoint_url, Keys("AKIAIOSFODNN7EXAMPLE", "the developer's own"))
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            own.list_buckets()


def test_s3_is_ready_when_an_object_can_be_written_not_when_it_answers(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_volumes() -> Any:
        answering = client()
        answering.meta.events.register("before-call.s3.PutObject", refuse)
        return answering

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "InternalError"}}, "PutObject")

    client = s3.client
    with monkeypatch.context() as patched:
        patched.setattr(s3, "client", without_volumes)
        assert not s3.is_ready()
    assert s3.is_ready()
    assert s3_server.PROBE not in {bucket["Name"] for bucket in client().list_buckets()["Buckets"]}


def test_s3_keeps_objects_and_address_over_a_restart(tmp_path: Path) -> None:
    with S3Server(tmp_path) as server:
        url, client = server.endpoint_url, server.client()
        s3_server.ensure_bucket(client, "photos", [])
        client.put_object(Bucket="photos", Key="a/b", Body=b"bytes")
        server.restart()
        assert server.endpoint_url == url
        assert client.get_object(Bucket="photos", Key="a/b")["Body"].read() == b"bytes"
        s3_server.ensure_bucket(client, "photos", [])
        server.child.kill()
        with pytest.raises(PartFailed, match="S3 server: ended with status -9"):
            server.child.check()


def test_s3_lets_in_who_signs_with_the_key_and_nobody_else(s3: S3Server, bucket: str) -> None:
    stranger = s3_server.client(s3.endpoint_url, Keys(s3.keys.access_key_id, "guessed"))
    with pytest.raises(ClientError) as refused:
        stranger.list_objects_v2(Bucket=bucket)
    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    assert httpx.get(f"{s3.endpoint_url}/{bucket}").status_code == 403


def test_no_port_is_given_twice_while_others_are_left() -> None:
    given = [free_port() for _ in range(200)]
    assert len(set(given)) == len(given)


def test_processes_take_their_ports_from_shares_of_their_own() -> None:
    """A server needs a second until it listens; a process of another run must not be told the same port meanwhile."""
    code = "from local_aws.ports import PORTS, SHARES, free_port; print((free_port() - PORTS[0]) % SHARES); input()"
    command, here = [sys.executable, "-c", code], Path(__file__).parents[2]
    with ExitStack() as running:
        processes = [
            subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(8)
        ]
        for process in processes:
            running.enter_context(process)
        shares = [process.stdout.readline() for process in processes if process.stdout]
        for process in processes:
            process.communicate("\n")
    assert len(set(shares)) == len(processes)


def test_ports_stay_the_same_while_they_are_free(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = remembered_ports(file, ["a", "b"])
    assert first["a"] != first["b"]
    assert remembered_ports(file, ["a", "b"]) == first
    server = ContainerBridge("127.0.0.1", [first["a"]])
    server.start()
    try:
        assert not is_free(first["a"])
        second = remembered_ports(file, ["a", "b"])
    finally:
        server.stop()
    assert second["a"] != first["a"]
    assert second["b"] == first["b"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux needs the bridge")
def test_the_container_bridge_relays_to_the_loopback(s3: S3Server) -> None:
    port = int(s3.endpoint_url.rpartition(":")[2])
    bridge = ContainerBridge("127.0.0.2", [port, free_port()])
    bridge.start()
    assert httpx.get(f"http://127.0.0.2:{port}/").status_code == 403
    bridge.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.2:{port}/")
