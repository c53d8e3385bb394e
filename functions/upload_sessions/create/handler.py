"""POST /api/mocs/uploads/sessions: create an upload session from the declaration of its files."""

from contextlib import suppress

from inlet import api, authentication, downloads, identifiers, limits, logs, tickets
from inlet.answers import Family
from inlet.authentication import User
from inlet.errors import (
    FileTooLarge,
    InstructionMissing,
    LimitExceeded,
    UnsupportedType,
    UploadSessionClosed,
    UploadSessionNotFound,
)
from inlet.limits import Limit
from inlet.settings import settings
from inlet.upload_sessions import batches, registration, state, upload_sessions_table
from inlet.upload_sessions.messages import BatchResult, CreatedSession, DeclaredFile, Duplicate, SessionRequest
from inlet.upload_sessions.rules import MB, RULES
from inlet.upload_sessions.upload_sessions_table import Created

app = api.Resolver(Family.UPLOAD_SESSIONS, publish=state.publish)


def _limit(user: User) -> Limit:
    subjects = [(user.sub, settings.upload_sessions_per_day)]
    return Limit.of("upload-session", subjects, window_seconds=limits.DAY_SECONDS)


@app.post(
    "/api/mocs/uploads/sessions",
    status=201,
    security=api.SIGNED_IN,
    guard=lambda event: _limit(authentication.current_user(event)).check(),
    raises=[InstructionMissing, UnsupportedType, FileTooLarge, LimitExceeded],
)
def create_session(session: SessionRequest) -> CreatedSession:
    """Create an upload session.

    Declare 1 to 50 files, at least one of them an instruction. The answer says in which parts to send them and which
    the user has sent before: those can be skipped. Register each other file next, or let this call register the first
    of them: `registerFirst` says how many.
    """
    user = authentication.current_user(app.event)
    _require_acceptable(session.files)
    _limit(user).require()

    session_id, token, ticket = identifiers.new_uuid(), identifiers.new_token(), identifiers.new_token()
    logs.about(session_id=session_id)
    part_size_bytes = RULES.part_bytes([file.size for file in session.files])
    created = upload_sessions_table.create(
        session_id,
        user_id=user.sub,
        part_size_bytes=part_size_bytes,
        companion_token_hash=identifiers.token_hash(token),
        ticket_hash=identifiers.token_hash(ticket) if settings.live_url else None,
        files=[file.declared for file in session.files],
    )
    return CreatedSession(
        session_id=session_id,
        part_size_bytes=part_size_bytes,
        expires_at=created.expires_at,
        duplicates=[
            Duplicate(index=index, file_id=file.id, file_url=downloads.url(file.key, session.files[index].filename))
            for index, file in created.duplicates.items()
        ],
        live_url=tickets.url(settings.live_url, ticket) if settings.live_url else None,
        companion_path=f"/api/mocs/uploads/sessions/{session_id}/companion/{token}",
        files=_register(session, session_id, user, created) if session.register_first else None,
    )


def _register(session: SessionRequest, session_id: str, user: User, created: Created) -> list[BatchResult] | None:
    """Register the first files that need sending, as a batch would; none if the session is gone already."""
    to_send = [index for index in range(len(session.files)) if index not in created.duplicates]
    first = to_send[: session.register_first]
    with suppress(UploadSessionNotFound, UploadSessionClosed):
        opened = upload_sessions_table.get(session_id, user.sub)
        outcomes = registration.register(opened, [session.files[index].declared for index in first])
        return [
            batches.registered(index, outcome, opened.part_size_bytes)
            for index, outcome in zip(first, outcomes, strict=True)
        ]
    return None


def _require_acceptable(files: list[DeclaredFile]) -> None:
    """Hold the files to their categories. Raise `InstructionMissing`, `UnsupportedType` or `FileTooLarge`."""
    if all(file.category != RULES.required_category for file in files):
        raise InstructionMissing
    for index, file in enumerate(files):
        category = RULES.categories[file.category]
        if file.mime_type not in category.mime_types:
            raise UnsupportedType(
                f"A file of category {file.category} must be {' or '.join(category.mime_types)}.", index=index
            )
        if file.size > category.max_bytes:
            raise FileTooLarge(
                f"A file of category {file.category} may have at most {category.max_bytes // MB} MB.", index=index
            )


lambda_handler = app.lambda_handler
