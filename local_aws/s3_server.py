"""A private S3 server from a wheel (SeaweedFS): it refuses what S3 refuses, so a presigned URL's limits are real."""

import json
import sysconfig
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local_aws import cloudformation
from local_aws.children import Child, end_orphans
from local_aws.ports import HOST, remembered_ports
from local_aws.s3_security import close_inner_ports
from local_aws.secret_files import private_directory, remembered_secret, write_private
from local_aws.server import Server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PROGRAM = Path(sysconfig.get_path("scripts")) / "weed"
REGION = cloudformation.REGION
PROBE = "is-it-ready"

# Every listener of `weed mini`; each needs ports of its own, or a second stack on the machine could not start.
LISTENERS = [
    f"{name}.{kind}" for name in ("master", "volume", "filer", "s3", "admin") for kind in ("port", "port.grpc")
]


@dataclass(frozen=True)
class Keys:
    """A pair of keys that requests are signed with."""

    access_key_id: str
    secret_access_key: str


class S3Server(Server):
    """One server on one directory, with one identity that may do everything."""

    part = "S3 server"

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory.resolve()
        self._data = self._directory / "data"
        self._log = self._directory / "s3.log"
        self._ports: dict[str, int] = {}

    @property
    def endpoint_url(self) -> str:
        """Where clients reach the server, and the host presigned URLs carry."""
        return f"http://{HOST}:{self._ports['s3.port']}"

    @cached_property
    def keys(self) -> Keys:
        """The identity's keys: random, and the same after a restart."""
        return Keys(*(remembered_secret(self._directory / name) for name in ("access-key-id", "secret-access-key")))

    def client(self) -> "S3Client":
        """Return a boto3 client of this server."""
        return client(self.endpoint_url, self.keys)

    def launch(self) -> Child:
        """Start the server on the ports of its last start."""
        private_directory(self._directory)
        private_directory(self._data)
        end_orphans("weed", self._data)
        self._ports = remembered_ports(self._directory / "ports.json", LISTENERS)
        identity = self._directory / "identity.json"
        write_private(identity, json.dumps(_identities(self.keys)))
        close_inner_ports(self._data)
        return Child(
            self.part,
            [
                # Only S3 is spoken to from outside: without `disableHttp`, filer and master serve every web page.
                *(PROGRAM, "mini", "-disableHttp", "-dir=.", f"-ip={HOST}", f"-ip.bind={HOST}"),
                *(f"-{listener}={port}" for listener, port in self._ports.items()),
                *("-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={identity}"),
                *("-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock", "-volume.preStopSeconds=0"),
                *("-master.telemetry=false", "-webdav=false", "-admin.ui=false", "-s3.autoCreateBucket=false"),
                # As on S3: without a CORS rule of the bucket's own no web page may read it.
                "-s3.allowedOrigins=http://none.invalid",
            ],
            directory=self._data,
            log=self._log,
        )

    def is_ready(self) -> bool:
        """Return whether an object can be written and read: the S3 port answers well before what keeps the bytes."""
        storage = self.client()
        try:
            ensure_bucket(storage, PROBE, [])
            storage.put_object(Bucket=PROBE, Key=PROBE, Body=b"ready")
            ready = storage.get_object(Bucket=PROBE, Key=PROBE)["Body"].read() == b"ready"
            storage.delete_object(Bucket=PROBE, Key=PROBE)
            storage.delete_bucket(Bucket=PROBE)
        except (BotoCoreError, ClientError):
            return False
        return ready

    def stop(self) -> None:
        """End the server; what was stored stays."""
        super().stop()
        for port in self._ports.values():  # the program leaves its sockets lying about
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - its choice of place
                socket.unlink(missing_ok=True)


def client(endpoint_url: str, keys: Keys) -> "S3Client":
    """Return a boto3 client that reports a failure at once instead of trying again."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        config=Config(proxies={}, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def ensure_bucket(storage: "S3Client", bucket: str, cors_rules: list[Any]) -> None:
    """Make the bucket unless it is there, with the CORS rules the template declares."""
    if bucket not in {known["Name"] for known in storage.list_buckets()["Buckets"]}:
        storage.create_bucket(Bucket=bucket)
    if cors_rules:
        storage.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": cors_rules})


def _identities(keys: Keys) -> dict[str, Any]:
    return {
        "identities": [
            {
                "name": "local",
                "credentials": [{"accessKey": keys.access_key_id, "secretKey": keys.secret_access_key}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }
        ]
    }
