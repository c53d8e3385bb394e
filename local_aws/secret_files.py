"""What only its owner may read: a stack's folder, and the random secrets in it, which survive a restart."""

import os
import secrets
from pathlib import Path


def private_directory(directory: Path) -> Path:
    """Make a directory, or take the one of an earlier run, for its owner alone; return it."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    return directory


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whoever could read it before."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        file.chmod(0o600)
        opened.write(text)


def remembered_secret(file: Path) -> str:
    """Return the secret kept in `file`, which is made, with 32 random bytes in hexadecimal, on first use."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as fresh:
            fresh.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return file.read_text()
