"""Keeps a developer's own AWS account, proxy and secrets away from what runs here."""

import os
from collections.abc import Mapping

DIRECT = ("127.0.0.1", "localhost")
# Where botocore would look for profiles, also without a variable that names one.
NO_FILES = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
# What a program may know of the machine it runs on; the rest of a developer's shell is none of its business. The way
# to the internet belongs to it: a function may have to call a model.
OF_THE_MACHINE = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "PYTHONDONTWRITEBYTECODE")
OF_THE_NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def of_the_machine() -> dict[str, str]:
    """Return those of this process's variables that any program may see."""
    names = {*OF_THE_MACHINE, *OF_THE_NETWORK, *map(str.lower, OF_THE_NETWORK)}
    return {name: value for name, value in os.environ.items() if name in names}


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
