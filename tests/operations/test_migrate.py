"""Migrations: applied once, in order, whole or not at all, by one at a time, and never changed afterwards."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from inlet import schema_migrations_table
from inlet.database import StatementFailed
from inlet.settings import settings
from local.stack import PROJECT
from local_aws.postgres import APPLICATION, Postgres
from tests.support.invocations import Context


@pytest.fixture
def empty_database(postgres: Postgres) -> Iterator[str]:
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE migrations_test OWNER {APPLICATION}")
        yield postgres.database_url("migrations_test")
        connection.execute("DROP DATABASE migrations_test WITH (FORCE)")


@pytest.fixture
def handler(
    empty_database: str, tmp_path: Path, load_handler: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The function, looking for files in `tmp_path`."""
    monkeypatch.setenv("STAGE", "local")
    monkeypatch.setenv("DATABASE_URL", "postgresql://pooler.invalid/none")  # migrations take the direct address
    monkeypatch.setenv("MIGRATIONS_DATABASE_URL", empty_database)
    monkeypatch.setenv("MIGRATIONS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("BUCKET", "inlet-dev")
    monkeypatch.setenv("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:123456789012:stateMachine:inlet-dev")
    monkeypatch.setenv(
        "ANALYSIS_STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:123456789012:stateMachine:inlet-dev-analyse"
    )
    settings.reload()
    yield load_handler("operations/migrate")
    settings.reload()


def migrate(handler: Any) -> list[str]:
    applied: list[str] = handler.lambda_handler({}, Context())["applied"]
    return applied


def write(directory: Path, **files: str) -> None:
    for name, statements in files.items():
        (directory / f"{name.removeprefix('n')}.sql").write_text(statements)


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows} - {"schema_migrations"}


def test_each_is_applied_once_and_in_order(handler: Any, tmp_path: Path, empty_database: str) -> None:
    write(tmp_path, n0002_more="ALTER TABLE a ADD y int; CREATE TABLE b ()", n0001_first="CREATE TABLE a ()", notes="x")
    assert migrate(handler) == ["0001_first.sql", "0002_more.sql"]
    assert migrate(handler) == []
    write(tmp_path, n0003_third="CREATE TABLE c ()")
    assert migrate(handler) == ["0003_third.sql"]
    assert tables(empty_database) == {"a", "b", "c"}


def test_a_broken_one_leaves_nothing_behind(handler: Any, tmp_path: Path, empty_database: str) -> None:
    write(tmp_path, n0001_first="CREATE TABLE a ()", n0002_broken="CREATE TABLE b (); SELECT 1 / 0")
    with pytest.raises(StatementFailed):
        migrate(handler)
    assert tables(empty_database) == {"a"}
    write(tmp_path, n0002_broken="CREATE TABLE b ()")
    assert migrate(handler) == ["0002_broken.sql"]


def test_what_was_applied_must_not_change_or_vanish(handler: Any, tmp_path: Path) -> None:
    write(tmp_path, n0001_first="CREATE TABLE a ()")
    migrate(handler)
    write(tmp_path, n0001_first="CREATE TABLE a (x int)", n0002_next="CREATE TABLE b ()")
    with pytest.raises(handler.MigrationChanged, match="0001_first"):
        migrate(handler)
    (tmp_path / "0001_first.sql").unlink()
    with pytest.raises(handler.MigrationChanged, match="missing here"):
        migrate(handler)
    (tmp_path / "0002_next.sql").unlink()
    with pytest.raises(handler.NoMigrations):
        migrate(handler)


def test_a_release_of_before_lives_with_a_newer_schema(handler: Any, tmp_path: Path) -> None:
    write(tmp_path, n0001_first="CREATE TABLE a ()", n0002_next="CREATE TABLE b ()")
    migrate(handler)
    (tmp_path / "0002_next.sql").unlink()
    assert migrate(handler) == []


def test_a_table_in_use_makes_nobody_wait_for_long(
    handler: Any, tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a long query holds the table, the migration gives way to everybody else, and gets its turn later."""
    monkeypatch.setattr(schema_migrations_table, "_TABLE_WAIT", "SET LOCAL lock_timeout = '50ms'")
    monkeypatch.setattr(schema_migrations_table, "TABLE_PAUSE_SECONDS", 0.1)
    write(tmp_path, n0001_first="CREATE TABLE a (); INSERT INTO a DEFAULT VALUES")
    migrate(handler)
    write(tmp_path, n0002_next="ALTER TABLE a ADD x int")
    with psycopg.connect(empty_database) as long_query, ThreadPoolExecutor(1) as thread:
        long_query.execute("SELECT * FROM a")
        migrating = thread.submit(migrate, handler)
        with psycopg.connect(empty_database, autocommit=True) as other:
            other.execute("SET statement_timeout = '2s'")
            for _ in range(20):
                other.execute("SELECT * FROM a")
        assert not migrating.done()
        long_query.rollback()
        assert migrating.result() == ["0002_next.sql"]
        monkeypatch.setattr(schema_migrations_table, "TABLE_TRIES", 2)
        write(tmp_path, n0003_last="ALTER TABLE a ADD y int")
        long_query.execute("SELECT * FROM a")
        with pytest.raises(schema_migrations_table.MigrationsBusy, match="0003_last"):
            migrate(handler)


def test_two_at_once_take_turns(handler: Any, tmp_path: Path) -> None:
    write(tmp_path, n0001_first="CREATE TABLE a (); SELECT pg_sleep(0.3)", n0002_next="CREATE TABLE b ()")
    with ThreadPoolExecutor(4) as threads:
        outcomes = [future.result() for future in [threads.submit(migrate, handler) for _ in range(4)]]
    assert sorted(outcomes, key=len) == [[], [], [], ["0001_first.sql", "0002_next.sql"]]


def test_who_never_gets_the_lock_says_so(
    handler: Any, tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, n0001_first="CREATE TABLE a ()")
    monkeypatch.setattr(schema_migrations_table, "LOCK_SECONDS", 0.3)
    with psycopg.connect(empty_database, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (schema_migrations_table.LOCK,))
        with pytest.raises(schema_migrations_table.MigrationsBusy):
            migrate(handler)


def test_an_old_server_is_refused_in_words(
    handler: Any, tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, n0001_first="CREATE TABLE a ()")
    monkeypatch.setattr(schema_migrations_table, "OLDEST_SERVER", 99)
    with pytest.raises(schema_migrations_table.PostgresTooOld, match="Inlet needs Postgres 99 or newer"):
        migrate(handler)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT FROM pg_tables WHERE schemaname = 'public'").fetchall() == []


def test_the_project_s_own_follow_each_other(migrated_database: str, postgres: Postgres) -> None:
    names = [file.name for file in sorted((PROJECT / "migrations").glob("*.sql"))]
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    with psycopg.connect(postgres.database_url(migrated_database)) as connection:
        applied = connection.execute("SELECT name FROM schema_migrations ORDER BY name").fetchall()
    assert [row[0] for row in applied] == names
