"""One list says what belongs to a user: the schema holds nothing that nobody has decided about."""

import json
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from inlet.users import entries, exporting
from inlet.users.belongings import BELONGINGS, LISTS, OF_IMAGE_JOBS, OF_NOBODY
from tests.support.worlds.speaking_sessions import SUB
from tests.users.conftest import UsersWorld

COLUMNS = """
SELECT table_name, array_agg(column_name::text)
  FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
 WHERE table_schema = 'public' AND table_type = 'BASE TABLE' GROUP BY table_name
"""
TABLES = {table: columns for belonging in BELONGINGS for table, columns in belonging.tables.items()}


def test_every_table_and_column_is_somebodys(database: psycopg.Connection[Any]) -> None:
    """A table that is new here: does it belong to a user? Then it stands in BELONGINGS, is exported and deleted."""
    schema = {table: set(columns) for table, columns in database.execute(COLUMNS)}
    decided = TABLES.keys() | OF_IMAGE_JOBS | OF_NOBODY
    assert schema.keys() == decided, f"nobody decided about {schema.keys() ^ decided}"
    assert len(TABLES) + len(OF_IMAGE_JOBS) + len(OF_NOBODY) == len(decided), "a table has two owners"
    for table, columns in TABLES.items():
        assert not columns.shown & columns.internal
        assert schema[table] == columns.shown | columns.internal, f"nobody decided about {table}"
    assert LISTS.keys() <= exporting.UserExport.__annotations__.keys()
    assert entries.LINK_SECONDS == 3600


def test_what_is_to_be_shown_is_in_the_export_and_all_of_it_is_deleted(world: UsersWorld) -> None:
    world.has_everything()
    exported = json.dumps(world.export())
    for table, columns in TABLES.items():
        rows = world.rows.execute(SQL("SELECT * FROM {}").format(Identifier(table))).fetchall()
        if (
            table == "upload_session_files"
        ):  # of another one's duplicate the id is shown with the file that is relied on
            rows = [row for row in rows if row["status"] == "completed"]
        assert rows, f"the user has nothing in {table}"
        for row in rows:
            for column in columns.shown:
                assert shown(row[column]) in exported, (table, column)
    assert world.forget().status == 202
    world.pass_days_with_sweeps()
    for table in TABLES:
        assert world.rows.execute(SQL("SELECT FROM {}").format(Identifier(table))).rowcount == 0, table
    assert world.objects() == {}
    assert world.uploads() == set()
    assert world.mentions(SUB) == []


def shown(value: Any) -> str:
    """Return a column's value as JSON has it."""
    if hasattr(value, "isoformat"):
        return str(value.isoformat(timespec="milliseconds")).partition("+")[0]
    return json.dumps(value if isinstance(value, str | int | float | list | dict | None) else str(value)).strip('"')
