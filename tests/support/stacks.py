"""Local stacks for tests, on databases and buckets of their own, and how to empty those for the next test."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Identifier

from local.stack import LocalStack
from local_aws import s3_server
from local_aws.s3_server import S3Server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

type Rows = psycopg.Connection[dict[str, Any]]

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"
OTHER_SITE = "http://localhost:8000"  # may call the worker's stack; answered by a test, not by a server
ANY_ORIGIN = {
    "AllowedOrigins": ["*"],
    "AllowedMethods": ["GET", "PUT"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag"],
}

_numbers = itertools.count(1)


def new_stack(directory: Path, settings: dict[str, str]) -> LocalStack:
    """Return a stack on free ports, under a name of its own: the engine's state is shared within a process."""
    defaults = {"PORT": "0", "SCHEDULE_SECONDS": "0", "ANALYSIS": "off"}  # a recording takes a processor for a while
    return LocalStack(directory, defaults | settings, stack_name=f"test-{next(_numbers)}", durable=False)


def storage_settings(s3: S3Server, bucket: str) -> dict[str, str]:
    """Return the four S3 settings, and the region they are signed for."""
    return {
        "S3_ENDPOINT_URL": s3.endpoint_url,
        "S3_ACCESS_KEY_ID": s3.keys.access_key_id,
        "S3_SECRET_ACCESS_KEY": s3.keys.secret_access_key,
        "S3_REGION": s3_server.REGION,
        "BUCKET": bucket,
    }


def empty_database(url: str) -> None:
    """End whatever still works on a database, and delete all its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )
        tables = connection.execute(TABLES).fetchall()
        deletions = [SQL("DELETE FROM {}").format(Identifier(table)) for (table,) in tables]
        connection.execute("SET session_replication_role = replica")  # no foreign key minds the order
        connection.execute(SQL("; ").join(deletions))


def empty_bucket(storage: "S3Client", bucket: str) -> None:
    """Delete all objects, end all uploads."""
    for page in storage.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        if objects := page.get("Contents"):
            storage.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": item["Key"]} for item in objects]})
    for uploads in storage.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in uploads.get("Uploads", []):
            storage.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
