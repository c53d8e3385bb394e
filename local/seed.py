"""`make seed`: the example data in the running stack. Seeding again resets it and touches nothing else."""

import sys
from typing import TYPE_CHECKING

import psycopg

from local.addresses import Addresses
from local.seeds import image_jobs, live, speaking_sessions, upload_sessions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def main() -> int:
    """Seed the running stack; return the exit status."""
    if (running := Addresses.running()) is None:
        print("No stack is running. Start it first: make run", file=sys.stderr)
        return 1
    seed(running.database_url, running.storage, running.bucket)
    print("Seeded: every fixture in events/ now finds what it asks for.")
    return 0


def seed(database_url: str, storage: "S3Client", bucket: str) -> None:
    """Put every example where it belongs, as it was at first."""
    with psycopg.connect(database_url) as connection:
        image_jobs.seed(connection, storage, bucket)
        upload_sessions.seed(connection, storage, bucket)
        speaking_sessions.seed(connection, storage, bucket)
        live.seed(connection)
