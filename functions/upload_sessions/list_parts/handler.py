"""GET …/files/{fileId}/parts: fresh URLs, and which parts the bucket has already: how an upload is resumed."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from inlet import answers, api, authentication, multipart_uploads
from inlet.errors import (
    FileAlreadyCompleted,
    MultipartUploadGone,
    SessionFileNotFound,
    Unauthorized,
    UploadLost,
    UploadSessionClosed,
    UploadSessionNotFound,
    ValidationFailed,
)
from inlet.upload_sessions import completion, files_table, registration, upload_sessions_table
from inlet.upload_sessions.messages import Part, PartList
from inlet.upload_sessions.rules import RULES

app = api.resolver(answers.Family.UPLOAD_SESSIONS)


@app.get(
    "/api/mocs/uploads/sessions/<session_id>/files/<file_id>/parts",
    security=api.SIGNED_IN,
    responses=answers.documented(
        app.family,
        {200: PartList},
        Unauthorized,
        UploadSessionNotFound,
        SessionFileNotFound,
        UploadSessionClosed,
        FileAlreadyCompleted,
        UploadLost,
        ValidationFailed,
    ),
)
def list_parts(
    session_id: str,
    file_id: str,
    first: Annotated[int, Query(alias="from", ge=1, le=RULES.max_parts)] = 1,
    limit: Annotated[int, Query(ge=1, le=RULES.max_listed_parts)] = 100,
) -> PartList:
    """Parts from number `from` on: where to PUT each now, and its ETag if the bucket has it."""
    session = upload_sessions_table.get(session_id, authentication.current_user(app.event).sub)
    slot, file = session.slot_of(file_id)
    completion.refuse_completed(slot, file)
    session.require_active()
    try:
        last = first + limit - 1
        uploaded = {
            part.number: part
            for part in multipart_uploads.uploaded_parts(file.key, file.multipart_upload_id, first=first, last=last)
        }
    except MultipartUploadGone:
        completion.finish(session, slot, file)
    seconds_left = files_table.seen(session, file, uploaded.values())
    if seconds_left is None:
        completion.refuse_settled(session, file)
    return PartList(
        parts=[
            Part(
                part_number=number,
                url=registration.sign_part(file, number, size, seconds_left),
                size=size,
                uploaded=number in uploaded,
                etag=uploaded[number].etag if number in uploaded else None,
            )
            for number, size in slot.parts(session.part_size_bytes, first=first, limit=limit)
        ]
    )


lambda_handler = app.lambda_handler
