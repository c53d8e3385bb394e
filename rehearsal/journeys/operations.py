"""The schedules' functions, with something to do: lost starts, an abandoned upload, an overdue session, events."""

import psycopg

from rehearsal.journeys.live import until, watching
from rehearsal.journeys.speaking_sessions import analysed
from rehearsal.stack import Stack
from rehearsal.words import answered, require
from tests.support import image_jobs, speaking_sessions, upload_sessions
from tests.support.photographs import PHOTOGRAPH
from tests.support.recordings import tone
from tests.support.upload_sessions import pdf

# What time, or a crash, would do to rows.
LOSE_START = (
    "UPDATE uploads SET status = 'processing', attempt = 1, updated_at = now() - interval '1 day' WHERE id = %s"
)
LOSE_ANALYSIS = (
    "UPDATE speaking_sessions SET status = 'UPLOADED', attempt = 1, updated_at = now() - interval '1 day' WHERE id = %s"
)
FAIL_ANALYSIS = "UPDATE speaking_sessions SET status = 'FAILED', stage = 'failed' WHERE id = %s"
ABANDON = "UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = %s"
LEAVE_ALONE = "UPDATE upload_sessions SET expires_at = now() - interval '1 second' WHERE id = %s"


def travel(stack: Stack, database_url: str) -> str:
    """Leave work half-way; the sweeper finishes it, and events and notifications are delivered."""
    with stack.client() as http, stack.client("builder") as builder:
        failed = speaking_sessions.recorded(builder)
        require(analysed(builder, failed)["status"] == "COMPLETED", "a tone is not analysed")
        announced = answered(speaking_sessions.announce(builder, size=len(tone())), 201)
        answered(speaking_sessions.put(announced, tone()))
        unheard = announced["id"]
        lost, abandoned = image_jobs.confirmed(http), image_jobs.reserve(http)
        answered(abandoned.put(PHOTOGRAPH))
        whole, begun = pdf(), pdf(filename="begun.pdf")
        overdue = upload_sessions.create(builder, whole, begun)
        overdue.send(whole)
        answered(overdue.register(begun), 201)
        with psycopg.connect(database_url) as connection:
            connection.execute(LOSE_START, [lost.id])
            connection.execute(LOSE_ANALYSIS, [unheard])
            connection.execute(FAIL_ANALYSIS, [failed])
            connection.execute(ABANDON, [abandoned.id])
            connection.execute(LEAVE_ALONE, [overdue.id])
        with watching(stack, answered(builder.post(f"{overdue.path}/live"), 201)["liveUrl"]) as socket:
            swept = {name: count for name, count in stack.invoke("OperationsSweepFunction", {}).items() if count}
            until(socket, lambda push: push["state"]["status"] == "expired")
        expected = {"started": 2, "unconfirmed": 1, "expired": 1}
        require(expected.items() <= swept.items() and swept["purged"] and swept["objects"], f"swept: {swept}")
        require(image_jobs.wait(http, lost)["status"] == "completed", "the lost start was not made good")
        require(analysed(builder, unheard)["status"] == "COMPLETED", "the lost analysis was not made good")
        answered(builder.post(f"/api/sessions/{failed}/analyse"), 202)
        require(analysed(builder, failed)["status"] == "COMPLETED", "an analysis that was asked for again is not done")
        sent = stack.invoke("OperationsDeliverEventsFunction", {})
        require(sent.keys() == {"sent"}, f"events: {sent}")
        told = stack.invoke("OperationsDeliverNotificationsFunction", {})
        require(told["dropped"] > 0 and not told["delivered"], f"notifications without an endpoint: {told}")
    return f"schedules: the sweeper did {swept}"
