"""POST /api/sessions/{id}/analyse: analyse a recording again whose analysis failed."""

from inlet import api, authentication, identifiers
from inlet.answers import Family
from inlet.errors import OF_A_SPEAKING_SESSION, AlreadyAnalysed, NotAnalysable
from inlet.settings import settings
from inlet.speaking_sessions import analyses_table, analysis, messages, speaking_sessions_table, state
from inlet.speaking_sessions.messages import RecordingReceived

app = api.Resolver(Family.SPEAKING_SESSIONS, validation=False, publish=state.publish)


@app.post(
    "/api/sessions/<id>/analyse",
    status=202,
    security=api.SIGNED_IN,
    raises=[*OF_A_SPEAKING_SESSION, AlreadyAnalysed, NotAnalysable],
)
def analyse_speaking_session(id: str) -> RecordingReceived:
    """Analyse a speaking session again.

    Only one whose analysis failed, three times in all, unless the recording itself was refused; none where recordings
    are not analysed at all. Read the session to follow it.
    """
    user, session_id = authentication.current_user(app.event), identifiers.canonical_uuid(id)
    session = speaking_sessions_table.get(user, session_id)
    if settings.analysis == "off":
        raise NotAnalysable("Recordings are not analysed here.", status=session.status)
    if session.status != "FAILED":
        raise AlreadyAnalysed(status=session.status)
    if session.final or session.attempt >= analyses_table.MAX_ATTEMPTS:
        # What failed three times may have said "try again": only a refusal's own words hold for good.
        raise NotAnalysable(session.error_message if session.final else None, status=session.status)
    execution = analysis.execution(session.id, session.attempt + 1)
    if not analyses_table.again(user, session.id, session.attempt, execution):
        raise AlreadyAnalysed(status="UPLOADED")
    session = speaking_sessions_table.get(user, session_id)
    analysis.begin(session)
    return messages.received(session)


lambda_handler = app.lambda_handler
