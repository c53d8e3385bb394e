"""AWS of this machine: MiniStack in a process of its own, and the environment in which every client finds it."""

import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from local_aws.children import Child
from local_aws.loopback import isolated
from local_aws.ports import HOST, free_port
from rehearsal.certificate import make_certificate
from rehearsal.network import Network, Server
from scripts.build import ROOT
from tests.support.issuer import Issuer

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ISSUER = "issuer.example.com"
NAMES = (
    ISSUER,
    "*.amazonaws.com",
    f"*.{REGION}.amazonaws.com",
    f"*.execute-api.{REGION}.amazonaws.com",
    "*.s3.amazonaws.com",
    f"*.s3.{REGION}.amazonaws.com",
)
START_SECONDS = 60


class Cloud:
    """AWS and an OpenID Connect issuer, from `with` on. What they say lies in `logs`, what passes in `directory`."""

    def __init__(self, directory: Path, logs: Path) -> None:
        self.decisions = logs / "decisions.jsonl"
        self.invocations = logs / "invocations"
        self._directory = directory
        self._log = logs / "aws.log"
        self.issuer = Issuer()
        self._running = ExitStack()
        self._running.callback(self.issuer.stop)
        self._port = free_port()
        self._certificate = make_certificate(directory, NAMES)
        servers = {
            ISSUER: Server(int(self.issuer.url.rpartition(":")[2]), speaks_tls=False),
            "*.amazonaws.com": Server(self._port),
        }
        self.issuer.url = f"https://{ISSUER}"
        self.network = Network(servers, self._certificate)
        self._running.callback(self.network.stop)

    def __enter__(self) -> Self:
        """Start AWS, and wait until it listens."""
        with ExitStack() as failed:
            failed.push(self._running)
            child = Child("AWS", self._command(), directory=ROOT, log=self._log)
            self._running.callback(child.kill)  # it keeps nothing that an orderly end would save
            child.wait_until(lambda: child.listens_on(self._port), seconds=START_SECONDS)
            failed.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        self._running.close()

    @property
    def environment(self) -> dict[str, str]:
        """What any client needs to come here instead of AWS: nobody's profile, and the road."""
        return {
            **isolated(os.environ),
            **self._road(),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_POLL_DELAY": "0.5",  # seconds; AWS takes longer than MiniStack
        }

    def _road(self) -> dict[str, str]:
        certificate = str(self._certificate.public)
        return {"HTTPS_PROXY": self.network.url, "AWS_CA_BUNDLE": certificate, "SSL_CERT_FILE": certificate}

    def _command(self) -> list[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._directory),
            "TMPDIR": str(self._directory),
            "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}",
            "REHEARSAL_DIRECTORY": str(self._directory),
            "REHEARSAL_DECISIONS": str(self.decisions),
            "REHEARSAL_INVOCATIONS": str(self.invocations),
            **self._road(),
            "NO_PROXY": HOST,
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_HOST": f"{REGION}.amazonaws.com",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AWS_DEFAULT_REGION": REGION,
            "AUTH": "true",
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(self._certificate.public),
            "MINISTACK_SSL_KEY": str(self._certificate.key),
            # Servers that nobody here asks for.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        variables = (f"{name}={value}" for name, value in environment.items())
        return [shutil.which("env") or "env", "-i", *variables, sys.executable, "-m", "rehearsal.ministack"]
