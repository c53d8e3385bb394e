"""Random secrets of a stack, each in a file that only its owner may read, so that they survive a restart."""

import os
import secrets
from pathlib import Path


def remembered_secret(file: Path) -> str:
    """Return the secret kept in `file`, which is made, with 32 random bytes in hexadecimal, on first use."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as fresh:
            fresh.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return file.read_text()
