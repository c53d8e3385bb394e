"""All that belongs to a user, in one statement over the tables of `BELONGINGS`."""

from dataclasses import dataclass

from inlet import database, identifiers
from inlet.users.belongings import BELONGINGS

_FORGET = f"""
WITH {", ".join(belonging.forgotten for belonging in BELONGINGS)}
SELECT (SELECT count(*) FROM forgotten_upload_sessions) AS upload_sessions,
       (SELECT count(*) FROM forgotten_speaking_sessions) AS recordings
"""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much there was of a user who is forgotten."""

    upload_sessions: int
    recordings: int


def forget(sub: str) -> Forgotten:
    """Take everything of the user out of sight at once; the sweeper deletes it. Who is not known has nothing."""
    parameters = {"sub": sub, "subject_hash": identifiers.user_hash(sub)}
    forgotten = database.fetch_one_as(Forgotten, _FORGET, parameters)
    assert forgotten is not None  # noqa: S101 - counts always make one row
    return forgotten
