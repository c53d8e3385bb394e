"""A job that is under way while something else happens: its stages wait for its row, which is locked until then."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from rehearsal.stack import Stack
from rehearsal.words import require
from tests.support import image_jobs

LOCK = "SELECT FROM uploads WHERE id = %s FOR UPDATE"


@contextmanager
def a_job(stack: Stack, database_url: str, invocations: Path) -> Iterator[set[str]]:
    """Start an image job that cannot go on before the end of the block; then see it through.

    Gives a set, empty until then, of the versions that its later stages were called in.
    """
    ended_in: set[str] = set()
    with stack.client() as http:
        with psycopg.connect(database_url) as connection:
            job = image_jobs.started(http)
            connection.execute(LOCK, [job.id])
            yield ended_in
            before = len(invocations.read_text().splitlines())
            connection.rollback()
        require(image_jobs.wait(http, job, 180)["status"] == "completed", "the job under way was not completed")
    names = {name for logical_id, name in stack.functions.items() if logical_id.startswith("ImageStages")}
    calls = [line.split() for line in invocations.read_text().splitlines()[before:]]
    ended_in |= {version for name, version in calls if name in names}
