"""What the tests share: real servers, started once a worker, and a database or a whole stack of its own for who asks.

database_url   an empty, migrated database for one test
bucket         a bucket of the worker's S3 server (name keys uniquely); `storage` is its boto3 client
inlet_settings the environment of a function, in this process, on both of the above
crash_server   where functions can be killed, with `engine`, the workflow engine they know (see crash.py)
stack          the whole local stack, one a worker, limits and schedules off; `http` is a client of its API, `rows` a
               connection to its database
start_stack    another stack with other settings, on a database and bucket of its own, stopped after the test;
               open_stack opens one that a fixture keeps longer
load_handler   a function's module in this process
aws_account    an AWS account with nothing in it, for what deploys

The worlds are functions that can be killed, with a database and a bucket of the test's own (see support/worlds):
image_jobs_world, upload_sessions_world, speaking_sessions_world, analyses_world.
"""

import faulthandler
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from local.stack import PROJECT, LocalStack
from local_aws import s3_server
from local_aws.postgres import APPLICATION, Postgres
from local_aws.s3_server import S3Server
from local_aws.sandboxes import Sandboxes
from local_aws.template import Template
from tests.support import aws, crash, handlers
from tests.support.stacks import ANY_ORIGIN, OTHER_SITE, Rows, empty_bucket, empty_database, new_stack, storage_settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from tests.support.worlds.analyses import AnalysesWorld
    from tests.support.worlds.image_jobs import ImageJobsWorld, SharedEngine
    from tests.support.worlds.speaking_sessions import SpeakingSessionsWorld
    from tests.support.worlds.upload_sessions import UploadSessionsWorld

# A worker that does not end after its last test says where it stands.
EXIT_SECONDS = 60
MIGRATED = "migrated"
SERVER_SECRET = "the-server-secret-of-all-these-tests-is-long"
# Every client would read the whole world's certificates anew, 25 ms of work; nothing here speaks TLS.
vars(httpx._transports.default)["create_ssl_context"] = cache(httpx.create_ssl_context)

_numbers = itertools.count(1)


def pytest_unconfigure() -> None:
    """After all tests and their fixtures: what still hangs is given up."""
    faulthandler.dump_traceback_later(EXIT_SECONDS, exit=True)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """This worker's database server. A test that breaks or restarts it starts one of its own instead."""
    with Postgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """This worker's S3 server."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def migrated_database(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database migrated by the function that does it in production; copied, never used."""
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {MIGRATED} OWNER {APPLICATION}")
        # What empties a database between two tests minds no foreign key.
        connection.execute(f"GRANT SET ON PARAMETER session_replication_role TO {APPLICATION}")
    sandboxes = Sandboxes(
        Template(PROJECT / "template.yaml").functions,
        {
            "STAGE": "local",
            "DATABASE_URL": postgres.database_url(MIGRATED),
            "MIGRATIONS_DIRECTORY": str(PROJECT / "migrations"),
            "BUCKET": "none",
        },
        log=tmp_path_factory.mktemp("migrations") / "functions.log",
        shared=PROJECT / "shared",
    )
    outcome = sandboxes.invoke("OperationsMigrateFunction", {})
    sandboxes.stop()
    assert outcome.error is None, outcome.error
    with psycopg.connect(postgres.database_url(MIGRATED), autocommit=True) as connection:
        connection.execute("DELETE FROM deployment")  # a copy is for the first stack that works on it
    return MIGRATED


@pytest.fixture(scope="session")
def make_database(postgres: Postgres, migrated_database: str) -> Callable[[], str]:
    """Makes a fresh, migrated database and tells its URL."""

    def make() -> str:
        name = f"test_{next(_numbers)}"
        with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER {APPLICATION} TEMPLATE {migrated_database}")
        return postgres.database_url(name)

    return make


@pytest.fixture(scope="session")
def used_databases() -> list[str]:
    """This worker's databases that a test has done with. A copy costs thirty times what emptying one does."""
    return []


@pytest.fixture
def database_url(make_database: Callable[[], str], used_databases: list[str]) -> Iterator[str]:
    """A migrated database without a row, for one test. Tests leave its tables as they are."""
    url = used_databases.pop() if used_databases else make_database()
    yield url
    empty_database(url)
    used_databases.append(url)


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """An autocommit connection to the test's own database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def make_bucket(s3: S3Server) -> Callable[[], str]:
    """Makes an empty bucket, open to every origin's pages as the template's is to its own."""

    def make() -> str:
        name = f"bucket-{next(_numbers)}"
        s3_server.ensure_bucket(s3.client(), name, [ANY_ORIGIN])
        return name

    return make


@pytest.fixture(scope="session")
def bucket(make_bucket: Callable[[], str]) -> str:
    """This worker's bucket."""
    return make_bucket()


@pytest.fixture(scope="session")
def used_buckets() -> list[str]:
    """This worker's buckets that a test has done with. Making one anew takes ten times as long as emptying it."""
    return []


@pytest.fixture
def own_bucket(make_bucket: Callable[[], str], used_buckets: list[str], storage: "S3Client") -> Iterator[str]:
    """An empty bucket for one test."""
    bucket = used_buckets.pop() if used_buckets else make_bucket()
    yield bucket
    empty_bucket(storage, bucket)
    used_buckets.append(bucket)


@pytest.fixture(scope="session")
def storage(s3: S3Server) -> "S3Client":
    """A boto3 client of this worker's S3 server."""
    return s3.client()


@pytest.fixture
def inlet_settings(database_url: str, bucket: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes `inlet` in this process use the test's database and the worker's bucket, as a function would."""
    from inlet import database, storage
    from inlet.settings import settings

    own = {"STAGE": "local", "DATABASE_URL": database_url, "SERVER_SECRET": SERVER_SECRET}
    for name, value in (own | storage_settings(s3, bucket)).items():
        monkeypatch.setenv(name, value)
    settings.reload()
    storage.client.cache_clear()
    yield
    database.close()
    settings.reload()
    storage.client.cache_clear()


@pytest.fixture(scope="session")
def open_stack(
    tmp_path_factory: pytest.TempPathFactory,
    make_database: Callable[[], str],
    make_bucket: Callable[[], str],
    s3: S3Server,
) -> Callable[..., LocalStack]:
    """`with open_stack(AUTH_BYPASS="false", …) as stack:`, on a database and bucket of its own unless told others."""

    def opened(**settings: str) -> LocalStack:
        own = {"DATABASE_URL": make_database()} | storage_settings(s3, make_bucket())
        return new_stack(tmp_path_factory.mktemp("stack"), own | settings)

    return opened


@pytest.fixture(scope="session")
def stack(open_stack: Callable[..., LocalStack]) -> Iterator[LocalStack]:
    """The whole stack as `make run` starts it, with the bypass on, limits off, and no schedule interfering."""
    with open_stack(RATE_LIMIT_BYPASS="true", ALLOWED_ORIGINS=OTHER_SITE) as running:
        yield running


@pytest.fixture
def start_stack(open_stack: Callable[..., LocalStack]) -> Iterator[Callable[..., LocalStack]]:
    """`start_stack(AUTH_BYPASS="false", …)`: a further stack, until the end of the test."""
    with ExitStack() as started:
        yield lambda **settings: started.enter_context(open_stack(**settings))


@pytest.fixture
def rows(stack: LocalStack) -> Iterator[Rows]:
    """Connect to the database of the worker's stack."""
    with psycopg.connect(stack.database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def http(stack: LocalStack) -> Iterator[httpx.Client]:
    """A client of the worker's stack."""
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def engine() -> "Iterator[SharedEngine]":
    """The deployed state machines on the local engine, for functions that can be killed."""
    from tests.support.worlds.image_jobs import SharedEngine

    shared = SharedEngine()
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def crash_server(tmp_path_factory: pytest.TempPathFactory, engine: "SharedEngine", s3: S3Server) -> Iterator[Path]:
    """Where functions can be killed. However they end, their log holds no secret."""
    environment = storage_settings(s3, "none") | engine.settings | {"STAGE": "local", "SERVER_SECRET": SERVER_SECRET}
    with crash.serving(tmp_path_factory.mktemp("crash"), environment) as (address, log):
        yield address
        written = log.read_text()
    assert "@example.com" not in written
    assert "X-Amz-Signature" not in written


@pytest.fixture(scope="session")
def aws_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where this worker's AWS account is."""
    with aws.aws(tmp_path_factory.mktemp("aws")) as url:
        yield url


@pytest.fixture
def aws_account(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an AWS account with nothing in it, and the credentials for it."""
    aws.enter(aws_url, monkeypatch)


@pytest.fixture
def load_handler() -> Callable[[str], ModuleType]:
    """`load_handler("image_jobs/create")`: a function's module in this process, freshly loaded."""
    return handlers.load


@pytest.fixture
def world_rows(database_url: str) -> Iterator[Rows]:
    """Connect to the database that the test's world works on."""
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def killable(crash_server: Path, database_url: str, own_bucket: str, tmp_path: Path) -> Callable[..., crash.Functions]:
    """`killable(RATE_LIMIT_BYPASS="true", …)`: functions that can be killed, on the test's own database and bucket."""

    def functions(**settings: str) -> crash.Functions:
        own = {"DATABASE_URL": database_url, "BUCKET": own_bucket}
        return crash.Functions(crash_server, own | settings, bill=tmp_path / "bill")

    return functions


@pytest.fixture
def image_jobs_world(
    killable: Callable[..., crash.Functions],
    engine: "SharedEngine",
    world_rows: Rows,
    own_bucket: str,
    storage: "S3Client",
    monkeypatch: pytest.MonkeyPatch,
) -> "ImageJobsWorld":
    """Set up image jobs on the deployed workflow, without the pauses between its retries."""
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

    from tests.support.worlds.image_jobs import ImageJobsWorld

    monkeypatch.setitem(vars(retrier_decl), "time", SimpleNamespace(sleep=lambda _: None))
    engine.functions = killable(RATE_LIMIT_BYPASS="true")
    return ImageJobsWorld(engine.functions, world_rows, storage, own_bucket, engine)


@pytest.fixture
def upload_sessions_world(
    killable: Callable[..., crash.Functions],
    world_rows: Rows,
    own_bucket: str,
    storage: "S3Client",
) -> "UploadSessionsWorld":
    """Set up upload sessions, thirty a day for each user."""
    from tests.support.worlds.upload_sessions import UploadSessionsWorld

    return UploadSessionsWorld(killable(UPLOAD_SESSIONS_PER_DAY="30"), world_rows, storage, own_bucket)


@pytest.fixture
def speaking_sessions_world(
    killable: Callable[..., crash.Functions],
    world_rows: Rows,
    own_bucket: str,
    storage: "S3Client",
) -> "SpeakingSessionsWorld":
    """Set up speaking sessions of one signed-in user."""
    from tests.support.worlds.speaking_sessions import SpeakingSessionsWorld

    return SpeakingSessionsWorld(killable(RECORDINGS_PER_DAY="1000"), world_rows, storage, own_bucket)


@pytest.fixture
def analyses_world(
    killable: Callable[..., crash.Functions],
    engine: "SharedEngine",
    world_rows: Rows,
    own_bucket: str,
    storage: "S3Client",
    monkeypatch: pytest.MonkeyPatch,
) -> "AnalysesWorld":
    """Set up recordings that are analysed on the deployed workflow, without the pauses between its retries."""
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

    from tests.support.worlds.analyses import SETTINGS, AnalysesWorld

    monkeypatch.setitem(vars(retrier_decl), "time", SimpleNamespace(sleep=lambda _: None))
    engine.functions = killable(RECORDINGS_PER_DAY="1000", **SETTINGS)
    return AnalysesWorld(engine.functions, world_rows, storage, own_bucket, engine)
