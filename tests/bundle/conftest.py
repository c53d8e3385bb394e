"""The build that these tests look at: for this machine, made once for all workers, kept while it is current."""

import os
import subprocess
from pathlib import Path

import pytest

from scripts.build import ROOT, build_directory, host_architecture


@pytest.fixture(scope="session")
def packaged() -> Path:
    """The directory of `make build`'s outcome, never stale: an unchanged build takes no time, another is made anew."""
    architecture = host_architecture()
    # What an outer make says of itself does not concern this one.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"
    }
    outcome = subprocess.run(
        ["make", "build", f"ARCHITECTURE={architecture}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return build_directory(architecture)
