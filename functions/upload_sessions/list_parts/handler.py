"""GET /api/mocs/uploads/sessions/{sessionId}/files/{fileId}/parts: sign parts anew, and say which the bucket has.

This is how a client resumes an upload.
"""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from inlet import api, authentication, multipart_uploads
from inlet.answers import Family
from inlet.errors import OF_A_SESSION_FILE, MultipartUploadGone, UploadLost
from inlet.upload_sessions import completion, files_table, registration, state, upload_sessions_table
from inlet.upload_sessions.messages import PartList, PartState
from inlet.upload_sessions.rules import RULES

app = api.Resolver(Family.UPLOAD_SESSIONS, publish=state.publish)


@app.get(
    "/api/mocs/uploads/sessions/<session_id>/files/<file_id>/parts",
    security=api.SIGNED_IN,
    raises=[*OF_A_SESSION_FILE, UploadLost],
)
def list_parts(
    session_id: str,
    file_id: str,
    first: Annotated[int, Query(alias="from", ge=1, le=RULES.max_parts)] = 1,
    limit: Annotated[int, Query(ge=1, le=RULES.max_listed_parts)] = 100,
) -> PartList:
    """List a file's parts.

    Returns up to `limit` parts from number `from` on: a fresh presigned PUT of each, and its ETag if the bucket has it.
    To resume an upload, send the parts that the bucket does not have.
    """
    session = upload_sessions_table.get(session_id, authentication.current_user(app.event).sub)
    slot, file = session.slot_of(file_id)
    completion.require_incomplete(slot, file)
    session.require_active()
    last = first + limit - 1
    try:
        found = list(multipart_uploads.uploaded_parts(file.key, file.multipart_upload_id, first=first, last=last))
    except MultipartUploadGone as gone:
        raise completion.outcome(session, slot, file) from gone
    uploaded = {part.number: part for part in found}
    seconds_left = files_table.seen(session, file, found)
    if seconds_left is None:
        raise completion.settled(session, file)
    return PartList(
        parts=[
            PartState(
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
