"""DELETE /api/me: delete everything that Inlet has of the user.

One statement takes all of it out of sight. The sweeper then deletes rows and objects, in batches, so any number goes.
What the user sends from then on is a new beginning.
"""

from typing import TypedDict

from inlet import api, authentication
from inlet.answers import Family
from inlet.users import belongings_table


class UserForgotten(TypedDict):
    """How many upload sessions and recordings are being deleted."""

    uploadSessions: int
    recordings: int


app = api.Resolver(Family.USERS, validation=False)


@app.delete("/api/me", security=api.SIGNED_IN, status=202)
def delete_user() -> tuple[UserForgotten, int]:
    """Delete everything of the user.

    Upload sessions of every state, recordings with what was heard in them, the profile, and kept answers: none of it is
    found from now on, and all of it is deleted within the next sweeps. The account at the identity provider stays.
    """
    forgotten = belongings_table.forget(authentication.current_user(app.event).sub)
    return {"uploadSessions": forgotten.upload_sessions, "recordings": forgotten.recordings}, 202


lambda_handler = app.lambda_handler
