"""A world: functions that can be killed, and all they touch. Every family's world is one of these, with its own steps.

A world has a database and a bucket to itself, so a test may compare everything there is before and after.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Identifier

from tests.support.crash import Functions, Run, Trap
from tests.support.stacks import Rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from tests.support.in_process import InProcess

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_TIMES = """
SELECT relname AS table, array_agg(attname::text) AS columns FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
   AND atttypid = 'timestamptz'::regtype AND NOT attisdropped
 GROUP BY relname
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"


@dataclass(frozen=True)
class World:
    """Functions, their database and their bucket."""

    functions: "Functions | InProcess"
    rows: Rows
    storage: "S3Client"
    bucket: str

    # Time

    def pass_time(self, seconds: int) -> None:
        """Put every time in the database that much further back."""
        found = self.rows.execute(_TIMES).fetchall()
        with self.rows.transaction():
            for row in found:
                changes = SQL(", ").join(
                    SQL("{0} = {0} - make_interval(secs => %(seconds)s)").format(Identifier(column))
                    for column in row["columns"]
                )
                update = SQL("UPDATE {} SET {}").format(Identifier(row["table"]), changes)
                self.rows.execute(update, {"seconds": seconds})

    def sweep(self, trap: Trap | None = None) -> Run:
        """Run the schedule's sweeper; without a trap it must succeed."""
        run = self.functions.invoke("OperationsSweepFunction", {}, trap)
        assert trap or run.error is None, run.error
        return run

    def pass_days_with_sweeps(self) -> None:
        """Let enough days pass for everything to be swept that ever will be: what one sweep ends, the next looks at."""
        for _ in range(3):
            self.pass_time(2 * DAY)
            self.sweep()

    # Taking stock

    def objects(self, prefix: str = "") -> dict[str, str]:
        """Return the key and the ETag of every object in the bucket."""
        pages = self.storage.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", [])}

    def uploads(self) -> set[tuple[str, str]]:
        """Return the key and the id of every open multipart upload in the bucket."""
        listed = self.storage.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return {(upload["Key"], upload["UploadId"]) for upload in listed}

    def content(self, key: str) -> bytes:
        """Return an object's bytes."""
        return self.storage.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def snapshot(self) -> dict[str, Any]:
        """Return every row of every table, and every object."""
        rows: dict[str, Any] = {
            table: sorted(map(repr, self.rows.execute(SQL("SELECT * FROM {}").format(Identifier(table)))))
            for table in self._tables()
        }
        return rows | {"bucket": self.objects()}

    def assert_nothing_is_left_over(self) -> None:
        """Hold rows against objects: each has its other half, no upload is open, nothing is still to be deleted."""
        needed, allowed = self.accounted_for()
        objects = self.objects().keys()
        assert not objects - needed - allowed, "objects without a row"
        assert not needed - objects, "rows without their object"
        assert not self.uploads(), "open multipart uploads"
        assert not self.rows.execute("SELECT * FROM object_deletions").fetchall(), "objects still to be deleted"

    def accounted_for(self) -> tuple[set[str], set[str]]:
        """Return the keys that the family's rows need in the bucket, and those they put up with."""
        raise NotImplementedError

    def _tables(self) -> list[str]:
        return [row["tablename"] for row in self.rows.execute(_TABLES)]
