"""Image jobs: database round trips, warm latency of a status poll, and what the workflow adds to its stages.

python -m bench.image_jobs
"""

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psycopg
from PIL import Image

from bench.in_process import Context, answer, handler, request, use
from bench.wire import counting
from local.stack import LocalStack

CALLS = 1000
JOBS = 5
TARGET_READ, TARGET_WRITE = 1, 2


def photograph(side: int = 256) -> bytes:
    """Return a small JPEG: the stages' own work is not what is measured here."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def round_trips(stack: LocalStack) -> list[str]:
    """Count the database round trips of every endpoint of a whole job, with a warm connection."""
    lines = [f"{'database round trips':<32}{'count':>8}"]
    names = ("create", "confirm", "process", "status", "result")
    create, confirm, process, status, result = (handler(f"image_jobs/{name}") for name in names)
    picture = photograph()
    with counting(stack.database_url) as proxy:
        use(_environment(stack) | {"DATABASE_URL": proxy.url, "RATE_LIMIT_BYPASS": "false"})
        status(request("GET", "/api/status/warm", headers={"x-session-token": "x"}), Context)

        def counted(name: str, call: object, event: dict[str, object], target: int) -> dict[str, object]:
            before = proxy.round_trips
            reply = answer(call(event, Context))  # type: ignore[operator]
            count = proxy.round_trips - before
            lines.append(f"{name:<32}{count:>8}   at most {target}: {'holds' if count <= target else 'MISSED'}")
            return reply

        body = {"email": "bench@example.com", "type": "image/jpeg", "size": len(picture)}
        upload = counted("create", create, request("POST", "/api/upload", body), TARGET_WRITE)
        headers = {"x-session-token": str(upload["sessionToken"])}
        httpx.put(str(upload["uploadUrl"]), content=picture, headers=upload["headers"]).raise_for_status()  # type: ignore[arg-type]
        path = f"/api/upload/{upload['uploadId']}/confirm"
        counted("confirm", confirm, request("POST", path, headers=headers), TARGET_WRITE)
        event = request("POST", "/api/process", {"uploadId": upload["uploadId"]}, headers)
        counted("process", process, event, TARGET_WRITE)
        poll = request("GET", f"/api/status/{upload['uploadId']}", headers=headers)
        _await_completion(lambda: answer(status(poll, Context)))
        job = counted("status", status, poll, TARGET_READ)
        counted("result", result, request("GET", f"/api/results/{job['resultId']}", headers=headers), TARGET_READ)
    return lines


def status_latency(stack: LocalStack) -> list[str]:
    """Time a warm status poll in turns with the bare SELECT of the same row."""
    use(_environment(stack))
    create, status = handler("image_jobs/create"), handler("image_jobs/status")
    upload = answer(create(request("POST", "/api/upload", {"email": "b@example.com", "type": "image/png"}), Context))
    event = request("GET", f"/api/status/{upload['uploadId']}", headers={"x-session-token": upload["sessionToken"]})
    statement = "SELECT status, stage, progress, updated_at FROM uploads WHERE id = %s"
    ours, bare = [], []
    with psycopg.connect(stack.database_url, autocommit=True, prepare_threshold=None) as connection:
        for _ in range(CALLS):
            started = time.perf_counter()
            status(event, Context)
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            connection.execute(statement, (upload["uploadId"],)).fetchone()
            bare.append(time.perf_counter() - started)
    ratio = median(ours) / median(bare)
    return [
        f"{'warm status poll':<32}{'ms':>8}{'/ SELECT':>12}",
        f"{'bare psycopg SELECT':<32}{median(bare) * 1000:>8.2f}{1:>12.2f}",
        f"{'status handler':<32}{median(ours) * 1000:>8.2f}{ratio:>12.2f}",
    ]


def workflow_overhead(stack: LocalStack) -> list[str]:
    """Take each job's wall time from start to completion, less what its stages' invocations took themselves."""
    totals, overheads = [], []
    with httpx.Client(base_url=stack.url) as client:
        for _ in range(JOBS):
            history = _history(stack, _run_job(client))
            wall = (history[-1]["timestamp"] - history[0]["timestamp"]).total_seconds()
            scheduled = [event["timestamp"] for event in history if event["type"] == "LambdaFunctionScheduled"]
            done = [event["timestamp"] for event in history if event["type"] == "LambdaFunctionSucceeded"]
            own = sum((end - start).total_seconds() for start, end in zip(scheduled, done, strict=True))
            totals.append(wall)
            overheads.append(wall - own)
    return [
        f"{'workflow':<32}{'ms':>8}{'share':>12}",
        f"{'a job, start to end':<32}{median(totals) * 1000:>8.0f}{1:>12.2f}",
        f"{'of it not in a stage':<32}{median(overheads) * 1000:>8.0f}{median(overheads) / median(totals):>12.2f}",
    ]


def _run_job(client: httpx.Client) -> str:
    upload = client.post("/api/upload", json={"email": "b@example.com", "type": "image/jpeg"}).json()
    httpx.put(upload["uploadUrl"], content=photograph(), headers=upload["headers"]).raise_for_status()
    upload_id: str = upload["uploadId"]
    headers = {"x-session-token": upload["sessionToken"]}
    client.post(f"/api/upload/{upload_id}/confirm", headers=headers).raise_for_status()
    client.post("/api/process", json={"uploadId": upload_id}, headers=headers).raise_for_status()
    _await_completion(lambda: client.get(f"/api/status/{upload_id}", headers=headers).json())
    return upload_id


def _history(stack: LocalStack, upload_id: str) -> list[Any]:
    arn = stack.template.state_machines[0].arn.replace(":stateMachine:", ":execution:")
    return stack.engine.client().get_execution_history(executionArn=f"{arn}:{upload_id}-1", maxResults=1000)["events"]


def _await_completion(poll: Callable[[], dict[str, Any]]) -> None:
    while (job := poll())["status"] != "completed":
        if job["status"] == "failed":
            raise RuntimeError(job["errorMessage"])
        time.sleep(0.05)


def _environment(stack: LocalStack) -> dict[str, str]:
    return stack.environment | {"STATE_MACHINE_ARN": stack.template.state_machines[0].arn}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        settings = {"PORT": "0", "RATE_LIMIT_BYPASS": "true", "POWERTOOLS_LOG_LEVEL": "ERROR"}
        with LocalStack(Path(directory), settings, durable=False) as stack:
            for measured in (round_trips, status_latency, workflow_overhead):
                print("\n".join(measured(stack)), end="\n\n")


if __name__ == "__main__":
    main()
