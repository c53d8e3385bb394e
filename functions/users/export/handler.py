"""GET /api/me/export: return everything that Inlet has of the user."""

from inlet import api, authentication
from inlet.answers import Family
from inlet.deadline import Deadline
from inlet.users import exporting
from inlet.users.exporting import UserExport

RESERVE_SECONDS = 15
"""How long before its end a function begins nothing more: what it has must still be sent."""

app = api.Resolver(Family.USERS, validation=False)


@app.get(
    "/api/me/export",
    security=api.SIGNED_IN,
    openapi={
        "parameters": [
            {
                "name": "after",
                "in": "query",
                "description": "`next` of the answer before.",
                "schema": {"type": "string"},
            }
        ]
    },
)
def export_user() -> UserExport:
    """Export everything of the user.

    Returns the profile, upload sessions with their files, recordings with their transcripts and insights, newest first,
    and links to the files, valid an hour. An answer has some 4 MB. Where there is more, `next` is not null: the rest is
    at `?after={next}`.
    """
    after = (app.event.get("queryStringParameters") or {}).get("after")
    deadline = Deadline.of(app.context, reserve_seconds=RESERVE_SECONDS)
    return exporting.export(authentication.current_user(app.event).sub, after, deadline)


lambda_handler = app.lambda_handler
