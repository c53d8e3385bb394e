"""What leaves a stage or an operation: words that are fit to be shown, and nothing that a library quotes."""

import logging
from typing import Any

import psycopg
import pytest

from inlet import background
from inlet.database import StatementFailed
from inlet.errors import GenerationBlocked, ImageRejected, InletError, StorageUnavailable
from tests.support.invocations import Context

PASSWORD = "hunter2-of-the-database"


def raising(error: Exception) -> Any:
    @background.function
    def lambda_handler(_event: dict[str, Any], _context: Any) -> None:
        try:
            raise psycopg.OperationalError(f"no such host in postgres:/inlet:{PASSWORD}@db")
        except psycopg.Error as cause:
            raise error from cause

    return lambda_handler


@pytest.mark.parametrize("error", [ImageRejected("Too small."), GenerationBlocked(), StorageUnavailable("gone")])
def test_an_error_of_ours_keeps_class_and_words_and_is_one_line(
    error: InletError, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(type(error), match=str(error)) as raised:
        raising(error)({}, Context())
    assert not caplog.records, "the runtime logs it"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    frames = [entry for entry in raised.traceback if "test_background" not in str(entry.path)]
    assert len(frames) == 1, "of the edge alone"


@pytest.mark.parametrize(
    "error",
    [
        psycopg.ProgrammingError(f'missing "=" after "postgres:/inlet:{PASSWORD}@db" in connection info string'),
        psycopg.errors.CheckViolation(f"Failing row contains ({PASSWORD})"),
        ValueError(f"postgresql://inlet:{PASSWORD}@db/inlet is no number"),
    ],
)
def test_a_library_s_words_reach_neither_the_runtime_nor_our_log(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(background.Unforeseen, match=type(error).__name__) as raised:
        raising(error)({}, Context())
    assert PASSWORD not in f"{raised.value!r} {raised.value.__cause__!r}"
    assert raised.value.__suppress_context__
    (record,) = caplog.records
    said = logging.getLogger("inlet").handlers[0].format(record)
    assert "test_background.py" in said, "where it happened"
    assert PASSWORD not in said


def test_a_refused_statement_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(StatementFailed, match="CheckViolation"):
        raising(StatementFailed("CheckViolation: new row violates (never)"))({}, Context())
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('connection to server at "db", port 5432 failed: FATAL:  no such user xxx', "FATAL:  no such user xxx"),
        (f"failed to resolve host '{PASSWORD}@db': Name or service not known", "failed to resolve host"),
        (f"nobody knows {PASSWORD}", ""),
    ],
)
def test_who_deploys_reads_why_no_connection_was_made(said: str, told: str) -> None:
    with pytest.raises(background.Unforeseen) as raised:
        raising(psycopg.OperationalError(said))({}, Context())
    assert str(raised.value) == ("OperationalError" + (f": {told}" if told else ""))
