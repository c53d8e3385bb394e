"""POST /api/sessions: take a recording in; a small one comes as a form, a large one is announced and PUT to the bucket.

The row comes first and claims nothing (`CREATED`), then the object, then `UPLOADED`. Killed anywhere in between, the
session is one that was never completed: the sweeper drops it with whatever lies under its key.
"""

from contextlib import suppress

from inlet import answers, api, authentication, forms, identifiers, json_body, keys, object_deletions_table, storage
from inlet.authentication import User
from inlet.errors import (
    FormTooLarge,
    IdempotencyInProgress,
    IdempotencyMismatch,
    InvalidDuration,
    InvalidRecording,
    MissingAudio,
    RecordingTooLarge,
    SpeakingSessionNotFound,
    StorageUnavailable,
    Unauthorized,
    UnsupportedType,
    ValidationFailed,
)
from inlet.speaking_sessions import messages as models
from inlet.speaking_sessions import speaking_sessions_table, users_table
from inlet.speaking_sessions.messages import (
    EXTENSION_OF,
    About,
    Announcement,
    RecordingAnnounced,
    RecordingReceived,
    SpeakingSession,
)
from inlet.times import iso_utc

MAX_FORM_BYTES = 4_400_000
"""What surely fits Lambda's request of 6 MB once API Gateway has made base64 of it."""
LAMBDA_REQUEST_BYTES = 6 * 1024 * 1024

app = api.resolver(answers.Family.SPEAKING_SESSIONS, validation=False, max_form_bytes=LAMBDA_REQUEST_BYTES)


@app.post(
    "/api/sessions",
    security=api.SIGNED_IN,
    openapi_extensions={"requestBody": models.CREATE_REQUEST},
    responses=answers.documented(
        app.family,
        {201: RecordingAnnounced | RecordingReceived},
        Unauthorized,
        MissingAudio,
        InvalidDuration,
        InvalidRecording,
        RecordingTooLarge,
        FormTooLarge,
        UnsupportedType,
        ValidationFailed,
        IdempotencyMismatch,
        IdempotencyInProgress,
    ),
)
def create_speaking_session() -> tuple[RecordingReceived, int]:
    """A recording as a form, or the announcement of one as JSON; the user's row is made on first use."""
    user = authentication.current_user(app.event)
    content_type, body = app.event["headers"].get("content-type", ""), app.body
    if not body:
        raise MissingAudio
    match content_type.partition(";")[0].strip().lower():
        case forms.MEDIA_TYPE:
            return _take_in(user, content_type, body), 201
        case "application/json":
            return _announce(user, body), 201
        case _:
            raise UnsupportedType("Send a form (multipart/form-data) or JSON.")


def _take_in(user: User, content_type: str, body: bytes) -> RecordingReceived:
    if len(body) > MAX_FORM_BYTES:
        raise FormTooLarge
    form = forms.parse(content_type, body)
    if (audio := form.files.get("audio")) is None:
        raise MissingAudio
    about = About.from_form(form.fields)
    audio_type = models.sniffed_type(audio.content_type, audio.content)
    session = _create(user, about, audio_type, len(audio.content))
    try:
        storage.put_once(session.key, audio.content, audio_type)
    except StorageUnavailable:
        with suppress(SpeakingSessionNotFound):
            speaking_sessions_table.delete(user, session.id)  # with its object, should the PUT have arrived after all
        raise
    try:
        return models.received(speaking_sessions_table.uploaded(user, session.id))
    except SpeakingSessionNotFound:  # its owner was quicker, and deleted it
        object_deletions_table.note(session.key)
        raise


def _announce(user: User, body: bytes) -> RecordingAnnounced:
    announcement = Announcement.from_json(json_body.loads(body.decode()))
    session = _create(user, announcement.about, announcement.content_type, announcement.size)
    signed = storage.presign_put(session.key, content_type=session.content_type, size=session.size)
    return {
        **models.received(session),
        "uploadUrl": signed.url,
        "headers": signed.headers,
        "expiresAt": iso_utc(signed.expires_at),
    }


def _create(user: User, about: About, content_type: str, size: int) -> SpeakingSession:
    user_id, session_id = users_table.ensure(user), identifiers.new_uuid()
    key = keys.recording(user_id, session_id, EXTENSION_OF[content_type])
    return speaking_sessions_table.create(
        session_id, user_id, about=about, key=key, content_type=content_type, size=size
    )


lambda_handler = app.lambda_handler
