"""Where the running stack is: written by `make run`, read by `make demo`, `make seed` and `make migrate`."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from local.stack import PROJECT, S3_SETTINGS, LocalStack, storage_client
from local_aws.secret_files import write_private

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def home() -> Path:
    """Return where the local stack keeps its data, logs and addresses: INLET_DIRECTORY, or `.inlet` in the project."""
    return Path(os.environ.get("INLET_DIRECTORY") or PROJECT / ".inlet")


def environment() -> dict[str, str]:
    """Return the environment, without what is set to nothing."""
    return {name: value for name, value in os.environ.items() if value}


@dataclass(frozen=True)
class Addresses:
    """A running stack's. `s3` has the four S3 settings by their names; `pid` is the runner's."""

    url: str
    database_url: str
    s3: dict[str, str]
    function_log: str
    pid: int

    @classmethod
    def of(cls, stack: LocalStack) -> Self:
        """Return the addresses of a stack in this process."""
        s3 = {name: stack.environment[name] for name in S3_SETTINGS}
        return cls(stack.url, stack.database_url, s3, str(stack.function_log), os.getpid())

    @classmethod
    def running(cls) -> Self | None:
        """Return the addresses of the stack that `make run` has started here, if it still runs."""
        file = home() / "stack.json"
        if not file.exists():
            return None
        known = cls(**json.loads(file.read_text()))
        try:
            os.kill(known.pid, 0)
        except ProcessLookupError:  # killed before it could tidy up
            return None
        return known

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.s3["BUCKET"]

    @property
    def storage(self) -> "S3Client":
        """A boto3 client of the stack's storage."""
        return storage_client(self.s3)

    def save(self) -> None:
        """Write the addresses down for the other commands."""
        write_json(home() / "stack.json", asdict(self))

    @staticmethod
    def forget() -> None:
        """Say that nothing runs any more."""
        (home() / "stack.json").unlink(missing_ok=True)


def write_json(file: Path, content: object) -> None:
    """Write a file readable by its owner only: it holds addresses and keys."""
    write_private(file, json.dumps(content, indent=2) + "\n")
