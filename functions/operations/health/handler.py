"""GET /api/health: tell what is deployed, and whether it reaches its database and its bucket, within a second.

Anybody may ask, so it names no address and no account, and API Gateway lets it be asked five times a second at most.
"""

import time
from collections.abc import Callable
from threading import Thread
from typing import TypedDict

from inlet import VERSION, api, schema_migrations_table, storage
from inlet.answers import Family
from inlet.logs import logger
from inlet.settings import settings

PATIENCE_SECONDS = 0.8
"""How long both are waited for together: with the way there and back, the answer comes within a second."""


class Health(TypedDict):
    """What is deployed, and what it reaches. `schema` is the newest migration."""

    healthy: bool
    version: str
    commit: str | None
    schema: str | None
    database: bool
    bucket: bool


class Check[Found]:
    """A dependency, asked in a thread of its own, so that one that hangs keeps nobody waiting.

    While it hangs it is not asked again: however often health is asked for, one thread waits.
    """

    def __init__(self, name: str, ask: Callable[[], Found]) -> None:
        self._name = name
        self._ask = ask
        self._found: Found | None = None
        self._thread = Thread()

    def begin(self) -> None:
        """Ask, unless the last question is still open."""
        if not self._thread.is_alive():
            self._found = None
            self._thread = Thread(target=self._run, daemon=True)
            self._thread.start()

    def found(self, deadline: float) -> Found | None:
        """Return the answer, or None where there is none by then (`time.monotonic`)."""
        self._thread.join(max(0, deadline - time.monotonic()))
        return None if self._thread.is_alive() else self._found

    def _run(self) -> None:
        try:
            self._found = self._ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is of no use
            logger.warning("unhealthy", extra={"dependency": self._name, "error": type(error).__name__})


app = api.Resolver(Family.OPERATIONS, validation=False)
_database = Check("database", schema_migrations_table.newest)
_bucket = Check("bucket", storage.is_there)


@app.get("/api/health", replies={200: Health, 503: Health})
def read_health() -> tuple[Health, int]:
    """Tell whether the service is well.

    Answers 503 where the database or the bucket does not answer in time.
    """
    storage.client()  # a first one takes its time, and waits for nobody
    deadline = time.monotonic() + PATIENCE_SECONDS
    _database.begin()
    _bucket.begin()
    schema, bucket = _database.found(deadline), _bucket.found(deadline) is True
    health: Health = {
        "healthy": schema is not None and bucket,
        "version": VERSION,
        "commit": settings.commit,
        "schema": schema,
        "database": schema is not None,
        "bucket": bucket,
    }
    return health, 200 if health["healthy"] else 503


lambda_handler = app.lambda_handler
