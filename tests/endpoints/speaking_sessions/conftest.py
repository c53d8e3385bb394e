"""What the tests of speaking sessions over HTTP share."""

import pytest

from tests.support.stacks import Rows


@pytest.fixture
def rows(rows: Rows) -> Rows:
    """The stack's database, with no user in it yet."""
    rows.execute("TRUNCATE users, speaking_sessions, object_deletions CASCADE")
    return rows
