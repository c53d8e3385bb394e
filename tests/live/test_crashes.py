"""Killed between a change and its push, or after it: the next poll tells, and the work goes on as if nobody watched."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support import invocations
from tests.support.connections_stand_in import Connections
from tests.support.crash import Functions, Trap
from tests.support.upload_sessions import pdf
from tests.support.viewers import watch
from tests.support.worlds import upload_sessions
from tests.support.worlds.analyses import AnalysesWorld, speaker
from tests.support.worlds.image_jobs import ImageJobsWorld, Reserved
from tests.support.worlds.upload_sessions import UploadSessionsWorld

PUSH = "PostToConnection"


def push_to(functions: "Functions | Any", connections: Connections) -> None:
    """Have functions that can be killed push to the stand-in."""
    functions.environment |= {
        "LIVE_ENDPOINT_URL": connections.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }


def around_pushes(effects: list[str]) -> list[Trap]:
    """A death just before and just after each push."""
    return [Trap(2 * index + after) for index, effect in enumerate(effects) if effect == PUSH for after in (0, 1)]


@pytest.fixture
def jobs(image_jobs_world: ImageJobsWorld, connections: Connections) -> ImageJobsWorld:
    push_to(image_jobs_world.functions, connections)
    return image_jobs_world


def watched_job(world: ImageJobsWorld) -> Reserved:
    job = world.planted()
    watch(world.rows, f"image_job:{job.id}", job.id)
    return job


def poll(world: ImageJobsWorld, job: Reserved) -> dict[str, Any]:
    body: dict[str, Any] = world.call("ImageJobsStatusFunction", invocations.status(job.id, job.token), 200).body
    return body


def test_a_request_that_dies_around_its_push(jobs: ImageJobsWorld, connections: Connections) -> None:
    clean = watched_job(jobs)
    effects = jobs.process(clean).effects
    assert effects == ["UPDATE uploads", "StartExecution", PUSH]
    assert jobs.wait(clean.id) == "completed"
    for trap in around_pushes(effects):
        job = watched_job(jobs)
        assert jobs.process(job, trap).error is not None
        assert poll(jobs, job)["status"] in ("processing", "completed"), "what was committed is told by a poll"
        assert jobs.process(job).status == 409
        assert jobs.wait(job.id) == "completed"
        assert connections.told(job.id)[-1]["state"] == poll(jobs, job), "and by the next push"
        assert jobs.executions(job.id) == [f"{job.id}-1"]


def test_a_stage_that_dies_around_its_push(jobs: ImageJobsWorld, connections: Connections) -> None:
    clean = watched_job(jobs)
    jobs.process(clean)
    assert jobs.wait(clean.id) == "completed"
    deaths = [(task, trap) for task, _, run in jobs.functions.tasks for trap in around_pushes(run.effects)]
    assert len(deaths) == 2 * (len(connections.told(clean.id)) - 1), "one push is the request's"

    def scenario(death: tuple[str, Trap]) -> Reserved:
        job = watched_job(jobs)
        jobs.functions.arm(death[0], job.id, death[1])
        assert jobs.process(job).status == 202
        return job

    with ThreadPoolExecutor(4) as threads:
        died = list(threads.map(scenario, deaths))
    for job, death in zip(died, deaths, strict=True):
        assert jobs.wait(job.id) == "completed", death
        assert jobs.bill(job.id) == {1: 1}, death
        last = poll(jobs, job)
        told = connections.told(job.id)
        assert last["status"] == "completed", death
        assert all(message["revision"] <= last["revision"] for message in told), death
        assert [message["state"] for message in told if message["revision"] == last["revision"]] in ([last], []), death
    jobs.assert_nothing_is_left_over()


def test_a_stage_of_an_analysis_that_dies_around_its_push(
    analyses_world: AnalysesWorld, connections: Connections
) -> None:
    world = analyses_world
    push_to(world.functions, connections)

    def watched() -> str:
        session_id = world.planted()
        watch(world.rows, f"speaking_session:{session_id}", session_id, user=speaker(session_id))
        return session_id

    clean = watched()
    world.start(clean)
    assert world.wait(clean) == "COMPLETED"
    steps = [(message["state"]["stage"], message["state"]["progress"]) for message in connections.told(clean)]
    assert steps == [
        ("preparing", 10),
        ("transcribing", 30),
        ("transcribing", 60),
        ("analysing", 80),
        ("completing", 90),
        ("complete", 100),
    ]
    deaths = [(task, trap) for task, _, run in world.functions.tasks for trap in around_pushes(run.effects)]
    assert len(deaths) == 2 * len(steps)
    for task, trap in deaths:
        session_id = watched()
        world.functions.arm(task, session_id, trap)
        world.start(session_id)
        assert world.wait(session_id) == "COMPLETED", (task, trap)
        assert world.bill(session_id).total() == 2, (task, trap)
        last = world.poll(session_id)
        told = connections.told(session_id)
        assert all(message["revision"] <= last["revision"] for message in told), (task, trap)
        shown = [message["state"] for message in told if message["revision"] == last["revision"]]
        assert [state["transcript"] for state in shown] in ([last["transcript"]], []), (task, trap)
    world.assert_nothing_is_left_over()


def test_a_push_whose_answer_is_lost_is_not_repeated(jobs: ImageJobsWorld, connections: Connections) -> None:
    job = watched_job(jobs)
    run = jobs.process(job, Trap(5, "lose"))
    assert run.status == 202
    assert jobs.wait(job.id) == "completed"
    told = Counter(message["revision"] for message in connections.told(job.id))
    assert poll(jobs, job)["revision"] in told
    # The request tells what it reads after its change: it may be what a stage has made of it since, and tells too.
    assert sum(told.values()) <= len(told) + 1


def register(world: UploadSessionsWorld, session_id: str) -> upload_sessions.Call:
    return upload_sessions.register(session_id, pdf(900))


def finalize(world: UploadSessionsWorld, session_id: str) -> upload_sessions.Call:
    world.complete(session_id, pdf(900))
    return upload_sessions.finalize(session_id)


def abort(world: UploadSessionsWorld, session_id: str) -> upload_sessions.Call:
    return upload_sessions.abort(session_id)


@pytest.mark.parametrize(("make", "last"), [(register, "registered"), (finalize, "completed"), (abort, "declared")])
def test_a_call_of_an_upload_session_that_dies_around_its_push(
    upload_sessions_world: UploadSessionsWorld,
    connections: Connections,
    make: Callable[[UploadSessionsWorld, str], upload_sessions.Call],
    last: str,
) -> None:
    world = upload_sessions_world
    push_to(world.functions, connections)

    def watched() -> str:
        session_id = world.create(pdf(900))
        watch(world.rows, f"upload_session:{session_id}", session_id, user=upload_sessions.USER)
        return session_id

    session_id = watched()
    effects = world.run(make(world, session_id)).effects
    assert effects.count(PUSH) == 1
    assert effects[-1] == PUSH, "after whatever it changes"
    for trap in around_pushes(effects):
        session_id = watched()
        call = make(world, session_id)
        assert world.run(call, trap).error is not None
        state = world.run(upload_sessions.read(session_id)).body
        assert state["files"][0]["status"] == last
        assert world.run(call).status < 300, "the client asks again"
        told = connections.told(session_id)
        assert all(message["revision"] <= world.session(session_id)["revision"] for message in told)
    world.assert_nothing_is_left_over()


def test_a_sweeper_that_dies_around_its_push(
    upload_sessions_world: UploadSessionsWorld, connections: Connections
) -> None:
    world = upload_sessions_world
    push_to(world.functions, connections)

    def overdue() -> str:
        session_id = world.create(pdf(900))
        watch(world.rows, f"upload_session:{session_id}", session_id, user=upload_sessions.USER)
        world.overdue(session_id)
        return session_id

    overdue()
    effects = world.sweep().effects
    assert effects.count(PUSH) == 2, "it has expired; it is cleaned up"
    for trap in around_pushes(effects):
        session_id = overdue()
        assert world.sweep(trap).error is not None
        assert world.session(session_id)["status"] == "expired"
        world.sweep()
    world.assert_nothing_is_left_over()
