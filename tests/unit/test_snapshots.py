"""Copies of one snapshot share no id, no token, no jitter and no connection."""

import json
import os
import subprocess
import sys

import pytest

from local.stack import PROJECT
from tests.bundle.test_agreement import FUNCTIONS, handler

RESTORED = [name for name, properties in FUNCTIONS.items() if "SnapStart" in properties]


def test_two_copies_of_one_snapshot_share_nothing(inlet_settings: None) -> None:
    path = f"{handler('ImageJobsCreateFunction').parent}:{PROJECT / 'shared'}"
    done = subprocess.run(
        [sys.executable, str(PROJECT / "tests" / "support" / "restored_twice.py")],
        input=(PROJECT / "events" / "ImageJobsCreateFunction.json").read_text(),
        env=dict(os.environ) | {"PYTHONPATH": path, "POWERTOOLS_LOG_LEVEL": "CRITICAL"},
        capture_output=True,
        text=True,
        check=True,
    )
    one, other = map(json.loads, done.stderr.splitlines())
    for name in ("uploadId", "sessionToken"):
        assert one["answer"][name] != other["answer"][name]
    assert one["jitter"] != other["jitter"]
    assert one["backend"] != other["backend"]


def test_a_copy_leaves_the_connection_of_its_snapshot(inlet_settings: None) -> None:
    import snapshot_restore_py

    from inlet import database

    def backend() -> object:
        return database.fetch_one("SELECT pg_backend_pid() AS pid", {})

    before = backend()
    assert backend() == before
    for hook, arguments, options in snapshot_restore_py.get_after_restore():
        hook(*arguments, **options)
    assert backend() != before


@pytest.mark.parametrize("name", RESTORED)
def test_initialising_a_restored_function_opens_nothing(name: str) -> None:
    """No setting but the stage is there, and no connection is open: a snapshot has neither a secret nor a socket."""
    code = "import handler, os; print([os.readlink(f) for f in os.scandir('/proc/self/fd')])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{handler(name).parent}:{PROJECT / 'shared'}", "STAGE": "prod"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pipe:" in done.stdout
    assert "socket:" not in done.stdout
