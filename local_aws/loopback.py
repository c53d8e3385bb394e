"""Keeps a developer's own AWS account and proxy away from what talks to this machine only."""

import os
from collections.abc import Mapping

DIRECT = ("127.0.0.1", "localhost")
# Where botocore would look for profiles, also without a variable that names one.
NO_FILES = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def isolated(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` without AWS profiles, keys and regions, and with this machine exempt from any proxy."""
    known = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    exempt = ",".join(dict.fromkeys([*filter(None, known.split(",")), *DIRECT]))
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    return kept | NO_FILES | {"no_proxy": exempt, "NO_PROXY": exempt}


def isolate_process() -> None:
    """Isolate this process's own environment: moto, for one, makes boto3 sessions wherever it likes."""
    isolating = isolated(os.environ)
    for name in os.environ.keys() - isolating.keys():
        del os.environ[name]
    os.environ.update(isolating)
