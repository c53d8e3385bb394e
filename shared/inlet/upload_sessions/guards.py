"""Who may write to an upload session. Asked before an Idempotency-Key is claimed (see `api.Resolver.route`)."""

from typing import Any

from inlet import authentication
from inlet.upload_sessions import upload_sessions_table


def require_owner(event: dict[str, Any], session_id: str, **_others: str) -> None:
    """Raise `UploadSessionNotFound` unless the session is the signed-in user's."""
    upload_sessions_table.get(session_id, authentication.current_user(event).sub)


def require_capability(_event: dict[str, Any], session_id: str, token: str, **_others: str) -> None:
    """Raise `UploadSessionNotFound` unless the path's token opens the session."""
    upload_sessions_table.get_for_companion(session_id, token)
