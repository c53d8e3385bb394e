"""A status poll's read beside ten million image jobs, against the same read beside ten thousand.

    python -m bench.status_scale [--rows 10000000]

Two tables of one Postgres, filled with invented jobs; reads of random jobs take turns. Ten million take
some six gigabytes of disk and several minutes to make. All is removed at the end.
"""

import argparse
import hashlib
import random
import tempfile
import time
from pathlib import Path
from statistics import median

import psycopg

from bench.in_process import use
from inlet import database
from inlet.image_jobs import jobs_table
from local.stack import LocalStack

SMALL = 10_000
TURNS, READS = 20, 250
BATCH = 500_000
TARGET = 1.5
SETTINGS = {"PORT": "0", "SCHEDULE_SECONDS": "0", "POWERTOOLS_LOG_LEVEL": "ERROR"}

# The ids are spread over the index, as real ones are.
FILL = """
INSERT INTO uploads (id, email, session_token_hash, original_url, content_type, etag, confirmed_at, status, stage,
                     progress, attempt)
SELECT 'a' || left(md5(number::text), 23), 'b@example.com', encode(sha256(number::text::bytea), 'hex'),
       'uploads/' || number || '/original.jpg', 'image/jpeg', md5(number::text), now(), 'completed', 'complete', 100, 1
  FROM generate_series(%s::bigint, %s::bigint) AS number
"""


def fill(url: str, rows: int) -> None:
    """Put that many jobs into the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        for first in range(0, rows, BATCH):
            connection.execute(FILL, (first, min(first + BATCH, rows) - 1))
        connection.execute("VACUUM (ANALYZE) uploads")


def read(stack: LocalStack, url: str, rows: int) -> list[float]:
    """Read random jobs as a status poll does, on a warm connection; return the seconds of each."""
    use({**stack.environment, "DATABASE_URL": url})
    jobs_table.status("nobody")
    took = []
    for _ in range(READS):
        digest = hashlib.md5(str(random.randrange(rows)).encode(), usedforsecurity=False).hexdigest()
        started = time.perf_counter()
        row = jobs_table.status("a" + digest[:23])
        took.append(time.perf_counter() - started)
        if row is None:
            raise RuntimeError("A job that was put in is not there")
    return took


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=10_000_000)
    large = parser.parse_args().rows
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalStack(Path(directory), SETTINGS, durable=False) as stack,
    ):
        url = f"{stack.database_url}?options=-csearch_path%3D"
        urls = {SMALL: f"{url}small", large: f"{url}public"}
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA small")
            connection.execute("CREATE TABLE small.uploads (LIKE public.uploads INCLUDING ALL)")
        took: dict[int, list[float]] = {}
        for rows, url in urls.items():
            fill(url, rows)
            took[rows] = []
        for _ in range(TURNS):
            for rows, url in urls.items():
                took[rows] += read(stack, url, rows)
        database.close()
    middle = {rows: median(times) for rows, times in took.items()}
    print(f"{'status read':<32}{'ms':>8}{'ratio':>12}")
    for rows, seconds in middle.items():
        print(f"{f'beside {rows:,} jobs':<32}{seconds * 1000:>8.3f}{seconds / middle[SMALL]:>12.2f}")
    print(f"at most {TARGET}: {'holds' if middle[large] / middle[SMALL] <= TARGET else 'MISSED'}")


if __name__ == "__main__":
    main()
