"""Somebody who sends a file and a recording, finds both, exports everything, deletes one, then all."""

import httpx

from rehearsal.stack import Stack
from rehearsal.words import answered, require
from tests.support import speaking_sessions
from tests.support.recordings import tone
from tests.support.upload_sessions import SESSIONS, create, pdf


def travel(stack: Stack) -> str:
    """List, export, delete."""
    with stack.client("somebody leaving") as http:
        file = pdf()
        session, unwanted = create(http, file), create(http, file)
        for one in (session, unwanted):
            one.send(file)
            answered(one.finalize())
        speaking_sessions.recorded(http)
        require(answered(http.get(SESSIONS))["total"] == 2, "the sessions are not in their user's list")
        answered(http.delete(unwanted.path, params={"completed": "true"}), 204)
        answered(unwanted.read(), 404)

        told = answered(http.get("/api/me/export"))
        ((sent,),) = (one["files"] for one in told["uploadSessions"])
        (heard,) = told["recordings"]
        require(httpx.get(sent["fileUrl"]).content == file.content, "the export's link leads to another file")
        require(httpx.get(heard["audioUrl"]).content == tone(), "the export's link leads to another recording")
        answered(http.delete("/api/me"), 202)
        require(answered(http.get(SESSIONS))["total"] == 0, "what was deleted is still in the list")
    return "users: list, one session deleted, everything exported and deleted"
