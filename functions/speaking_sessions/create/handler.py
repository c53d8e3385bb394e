"""POST /api/sessions: take a recording in, as a form when it is small, else announced and PUT straight to the bucket.

The row comes first and claims nothing (`CREATED`), then the object, then `UPLOADED`. If the function dies in between,
the session was never completed: the sweeper drops it with whatever lies under its key.
"""

from contextlib import suppress

from inlet import (
    api,
    authentication,
    forms,
    headers,
    identifiers,
    keys,
    limits,
    logs,
    metrics,
    object_deletions_table,
    request_body,
    storage,
)
from inlet.answers import Family
from inlet.authentication import User
from inlet.errors import (
    FormTooLarge,
    InvalidDuration,
    InvalidRecording,
    LimitExceeded,
    MissingAudio,
    RecordingTooLarge,
    SpeakingSessionNotFound,
    StorageUnavailable,
    UnsupportedType,
    UserNotFound,
    ValidationFailed,
)
from inlet.limits import Limit
from inlet.settings import settings
from inlet.speaking_sessions import analysis, messages, speaking_sessions_table, state, users_table
from inlet.speaking_sessions.media_types import extension, sniffed_type
from inlet.speaking_sessions.messages import RecordingAnnounced, RecordingReceived
from inlet.speaking_sessions.requests import CREATE_REQUEST, About, Announcement
from inlet.speaking_sessions.rows import SpeakingSession
from inlet.times import iso_utc

MAX_FORM_BYTES = 4_400_000
"""What surely fits Lambda's request of 6 MB once API Gateway has made base64 of it."""
LAMBDA_REQUEST_BYTES = 6 * 1024 * 1024

app = api.Resolver(
    Family.SPEAKING_SESSIONS, validation=False, max_form_bytes=LAMBDA_REQUEST_BYTES, publish=state.publish
)


def _limit(user: User) -> Limit:
    return Limit.of("recording", [(user.sub, settings.recordings_per_day)], window_seconds=limits.DAY_SECONDS)


@app.post(
    "/api/sessions",
    security=api.SIGNED_IN,
    guard=lambda event: _limit(authentication.current_user(event)).check(),
    replies={201: RecordingAnnounced | RecordingReceived},
    openapi={"requestBody": CREATE_REQUEST},
    raises=[
        MissingAudio,
        InvalidDuration,
        InvalidRecording,
        LimitExceeded,
        RecordingTooLarge,
        FormTooLarge,
        UnsupportedType,
        ValidationFailed,
        UserNotFound,
        SpeakingSessionNotFound,
    ],
)
def create_speaking_session() -> tuple[RecordingReceived, int]:
    """Create a speaking session.

    Send a recording of up to 4.4 MB as a form, or announce a larger one, of up to 50 MB, as JSON: the answer then says
    where to PUT it, and `POST /api/sessions/{id}/complete` comes after. The user is known from the first call on.
    """
    user = authentication.current_user(app.event)
    content_type, body = app.event["headers"].get("content-type", ""), app.body
    if not body:
        raise MissingAudio
    match headers.media_type(content_type):
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
    audio_type = sniffed_type(audio.content_type, audio.content)
    session = _create(user, about, audio_type, len(audio.content))
    try:
        storage.put_once(session.key, audio.content, audio_type)
    except StorageUnavailable:
        with suppress(SpeakingSessionNotFound):
            speaking_sessions_table.delete(user, session.id)  # with its object, should the PUT have arrived after all
        raise
    try:
        session = speaking_sessions_table.uploaded(user, session.id, audio_type, analysis.execution(session.id))
    except SpeakingSessionNotFound:  # the user has deleted it meanwhile
        object_deletions_table.note(session.key)
        raise
    metrics.put({"BytesConfirmed": len(audio.content)}, family="speaking_sessions")
    analysis.begin(session)
    return messages.received(session)


def _announce(user: User, body: bytes) -> RecordingAnnounced:
    announcement = Announcement.from_json(request_body.loads(body.decode()))
    session = _create(user, announcement.about, announcement.content_type, announcement.size)
    signed = storage.presign_put(session.key, content_type=session.content_type, size=session.size)
    return {
        **messages.received(session),
        "uploadUrl": signed.url,
        "headers": signed.headers,
        "expiresAt": iso_utc(signed.expires_at),
    }


def _create(user: User, about: About, content_type: str, size: int) -> SpeakingSession:
    _limit(user).require()
    user_id, session_id = users_table.ensure(user), identifiers.new_uuid()
    logs.about(session_id=session_id)
    key = keys.recording(user_id, session_id, extension(content_type))
    return speaking_sessions_table.create(
        session_id, user_id, about=about, key=key, content_type=content_type, size=size
    )


lambda_handler = app.lambda_handler
