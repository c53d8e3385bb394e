"""The `deployment` table: which stage, bucket and state machines a database belongs to.

The first stack that migrates a database claims it. Another one's migrations and scheduled functions refuse it: they
would look for its files in the wrong bucket, miss them there, and delete the rows.
"""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from inlet import database
from inlet.errors import InletError
from inlet.settings import settings

type Connection = psycopg.Connection[Any]


class ForeignDatabase(InletError):
    """The database belongs to another stack."""


_EXISTS = "SELECT to_regclass('deployment') IS NOT NULL"
_READ = "SELECT stage, bucket FROM deployment"
_CLAIM = """
INSERT INTO deployment (stage, bucket, state_machines) VALUES (%(stage)s, %(bucket)s, %(state_machines)s)
ON CONFLICT (only_row) DO UPDATE SET state_machines = excluded.state_machines
"""


def refuse_foreign() -> None:
    """Raise `ForeignDatabase` where another stack has claimed the database. Takes one round trip."""
    _compare(database.fetch_one(_READ, {}))


def refuse_foreign_before_migrating(connection: Connection) -> None:
    """Do as `refuse_foreign` on a connection to a database that may have no tables yet."""
    if _exists(connection):
        _compare(connection.cursor(row_factory=dict_row).execute(_READ).fetchone())


def claim(connection: Connection) -> None:
    """Claim a migrated database that is nobody else's, and note today's state machines."""
    if _exists(connection):
        machines = [settings.state_machine_arn, settings.analysis_state_machine_arn]
        own = {"stage": settings.stage, "bucket": settings.bucket, "state_machines": machines}
        connection.execute(_CLAIM, own)


def _exists(connection: Connection) -> bool:
    row = connection.execute(_EXISTS).fetchone()
    return bool(row and row[0])


def _compare(owner: dict[str, Any] | None) -> None:
    if owner and (owner["stage"], owner["bucket"]) != (settings.stage, settings.bucket):
        raise ForeignDatabase(
            f"This database belongs to the stage {owner['stage']} with the bucket {owner['bucket']}, and this is the"
            f" stage {settings.stage} with the bucket {settings.bucket}. Give this stage a database of its own. If it"
            " has moved with all its files, run DELETE FROM deployment, and deploy again."
        )
