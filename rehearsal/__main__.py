"""The rehearsal, in the order of a first day."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from local.addresses import home
from local_aws.children import PartFailed
from local_aws.postgres import Postgres
from rehearsal.cloud import Cloud
from rehearsal.day import Day
from rehearsal.words import Failed, say


def main() -> int:
    """Rehearse; return the exit status."""
    logs = home() / "rehearsal"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="rehearsal-", ignore_cleanup_errors=True) as name:
        try:
            rehearse(Path(name), logs)
        except (Failed, PartFailed, AssertionError, httpx.HTTPError, BotoCoreError, ClientError) as failure:
            say(f"FAILED: {type(failure).__name__}: {failure}")
            say(f"What was said stands in {logs}")
            return 1
    return 0


def rehearse(directory: Path, logs: Path) -> None:
    """Go through the day."""
    with Postgres(directory / "postgres", durable=False) as database, Cloud(directory, logs) as cloud:
        environment = cloud.environment
        os.environ.clear()
        os.environ.update(environment)
        day = Day(cloud, database.url, logs)
        say("AWS is there, and a database, and an issuer")
        day.first_deployment()
        day.every_family()
        day.another_origin()
        day.another_secret()
        day.another_stage()
        day.taken_down()


if __name__ == "__main__":
    sys.exit(main())
