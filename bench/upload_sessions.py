"""Upload sessions: calls to database and bucket per endpoint, batch against one by one, and a table of a million rows.

python -m bench.upload_sessions
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import botocore.client
import httpx
import psycopg

from bench.in_process import Context, Handler, answer, handler, request, use
from bench.wire import counting
from inlet.upload_sessions import endings_table
from local.stack import LocalStack

SESSIONS = "/api/mocs/uploads/sessions"
CONTENT = b"%PDF-1.7\n" + bytes(1000)
IN_A_SESSION, IN_ALL = 50, 100
MILLION = 1_000_000
CALLS = 201


def declared(name: str) -> dict[str, Any]:
    return {"category": "instruction", "filename": name, "mimeType": "application/pdf", "size": len(CONTENT)}


@contextmanager
def counting_storage() -> Iterator[list[str]]:
    """Yield the names of every call of the bucket in the block; signing is none."""
    call = vars(botocore.client.BaseClient)["_make_api_call"]
    calls: list[str] = []

    def counted(client: Any, operation: str, parameters: Any) -> Any:
        calls.append(operation)
        return call(client, operation, parameters)

    botocore.client.BaseClient._make_api_call = counted  # type: ignore[attr-defined]
    try:
        yield calls
    finally:
        botocore.client.BaseClient._make_api_call = call  # type: ignore[attr-defined]


class Counter:
    """Calls handlers in this process and writes a line on each."""

    def __init__(self, stack: LocalStack) -> None:
        self.lines = [f"{'one call':<34}{'database':>10}{'bucket':>8}   bucket's calls"]
        self._stack = stack

    def run(self) -> list[str]:
        with counting(self._stack.database_url) as proxy, counting_storage() as calls:
            use(self._stack.environment | {"DATABASE_URL": proxy.url, "RATE_LIMIT_BYPASS": ""})
            handler("upload_sessions/read")(request("GET", f"{SESSIONS}/warm"), Context)

            def call(name: str, method: str, path: str, body: Any = None) -> Any:
                trips, before = proxy.round_trips, len(calls)
                folder = name.partition(",")[0].replace(" ", "_")
                reply = handler(f"upload_sessions/{folder}")(request(method, path, body), Context)
                made = calls[before:]
                self.lines.append(f"{name:<34}{proxy.round_trips - trips:>10}{len(made):>8}   {', '.join(made)}")
                return answer(reply) if reply["body"] else None

            self._lifecycle(call)
        return self.lines

    def _lifecycle(self, call: Callable[..., Any]) -> None:
        files = [declared("a.pdf"), declared("b.pdf"), declared("c.pdf")]
        session_id = call("create", "POST", SESSIONS, {"files": files})["sessionId"]
        path = f"{SESSIONS}/{session_id}"
        registered = call("register file", "POST", f"{path}/files", files[0])
        call("register file, again", "POST", f"{path}/files", files[0])
        batch = call("register batch, of two", "POST", f"{path}/files/batch", {"files": files[1:]})
        call("list parts", "GET", f"{path}/files/{registered['fileId']}/parts")
        for file in (registered, *(result["file"] for result in batch["results"])):
            name = "complete file" if file is registered else "complete file, another"
            call(name, "POST", f"{path}/files/{file['fileId']}/complete", {"parts": [put(file["parts"][0])]})
        call("read", "GET", path)
        call("finalize, of three", "POST", f"{path}/finalize")
        call("finalize, again", "POST", f"{path}/finalize")
        other = call("create", "POST", SESSIONS, {"files": files[:1]})["sessionId"]
        call("register file", "POST", f"{SESSIONS}/{other}/files", files[0])
        call("abort", "DELETE", f"{SESSIONS}/{other}")


def put(part: dict[str, Any]) -> dict[str, Any]:
    etag = httpx.put(part["url"], content=CONTENT).raise_for_status().headers["etag"]
    return {"partNumber": part["partNumber"], "etag": etag}


def batch_against_one_by_one(stack: LocalStack) -> list[str]:
    """Upload a hundred files in two sessions of fifty, over HTTP. Print how many requests and seconds it takes."""
    lines = [f"{'100 files over HTTP':<34}{'requests':>10}{'register s':>12}{'complete s':>12}"]
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        for name, register, parallel in (
            ("one by one", one_by_one, 1),
            ("batch, completed one by one", in_a_batch, 1),
            ("batch, completed eight at a time", in_a_batch, 8),
        ):
            run(client, register, parallel, files=2)  # warm
            requests, registering, completing = 0, 0.0, 0.0
            for _ in range(IN_ALL // IN_A_SESSION):
                made, first, second = run(client, register, parallel, files=IN_A_SESSION)
                requests, registering, completing = requests + made, registering + first, completing + second
            lines.append(f"{name:<34}{requests:>10}{registering:>12.2f}{completing:>12.2f}")
    return lines


def run(client: httpx.Client, register: Any, parallel: int, *, files: int) -> tuple[int, float, float]:
    """Requests, seconds of registering, seconds of completing; the PUTs between them are not counted."""
    wanted = [declared(f"{number}.pdf") for number in range(files)]
    path = f"{SESSIONS}/{client.post(SESSIONS, json={'files': wanted}).raise_for_status().json()['sessionId']}"
    begun = time.perf_counter()
    requests, registered = register(client, path, wanted)
    registering = time.perf_counter() - begun
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda file: put(file["parts"][0]), registered))

    def complete(file: dict[str, Any], part: dict[str, Any]) -> None:
        client.post(f"{path}/files/{file['fileId']}/complete", json={"parts": [part]}).raise_for_status()

    begun = time.perf_counter()
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(complete, registered, parts))
    completing = time.perf_counter() - begun
    client.post(f"{path}/finalize").raise_for_status()
    return requests + files, registering, completing


def one_by_one(client: httpx.Client, path: str, files: list[dict[str, Any]]) -> tuple[int, list[Any]]:
    return len(files), [client.post(f"{path}/files", json=file).raise_for_status().json() for file in files]


def in_a_batch(client: httpx.Client, path: str, files: list[dict[str, Any]]) -> tuple[int, list[Any]]:
    results = client.post(f"{path}/files/batch", json={"files": files}).raise_for_status().json()["results"]
    return 1, [result["file"] for result in results]


FILL = """
INSERT INTO upload_sessions (id, user_id, status, part_size_bytes, failure_reason, created_at, ended_at, expires_at)
SELECT gen_random_uuid(), 'user ' || n %% 5000, status, 5242880, CASE status WHEN 'expired' THEN 'expired' END,
       now() - make_interval(mins => n %% 500000 + 10), CASE WHEN status <> 'active' THEN now() END,
       now() + interval '10 minutes'
  FROM generate_series(1, %(rows)s) AS n,
       LATERAL (SELECT CASE WHEN n %% 100 = 0 THEN 'active' WHEN n %% 10 = 0 THEN 'expired' ELSE 'completed' END)
               AS chosen (status)
"""


def a_million_sessions(stack: LocalStack) -> list[str]:
    """Measure what reading a session and looking for overdue ones take in an empty and in a full table."""
    use(stack.environment)
    read = handler("upload_sessions/read")
    created = answer(
        handler("upload_sessions/create")(request("POST", SESSIONS, {"files": [declared("a.pdf")]}), Context)
    )
    event = request("GET", f"{SESSIONS}/{created['sessionId']}")
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        empty = timed(read, event)
        connection.execute(FILL, {"rows": MILLION})
        connection.execute("VACUUM ANALYZE upload_sessions")
        full = timed(read, event)
        begun = time.perf_counter()
        days = len(connection.execute("SELECT * FROM upload_session_days").fetchall())
        view = time.perf_counter() - begun
    return [
        f"{'milliseconds':<34}{'empty':>10}{'10^6 rows':>12}{'ratio':>8}",
        *(f"{name:<34}{empty[name]:>10.2f}{full[name]:>12.2f}{full[name] / empty[name]:>8.2f}" for name in empty),
        f"{f'the view, all of its {days} days':<34}{'':>10}{view * 1000:>12.0f}",
    ]


def timed(read: Handler, event: dict[str, Any]) -> dict[str, float]:
    return {
        "read, the whole handler": milliseconds(lambda: answer(read(event, Context))),
        "sweep: overdue sessions": milliseconds(lambda: endings_table.expire_overdue(100)),
        "sweep: sessions to purge": milliseconds(lambda: endings_table.to_purge(100)),
    }


def milliseconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return median(times) * 1000


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        settings = {"PORT": "0", "RATE_LIMIT_BYPASS": "true", "POWERTOOLS_LOG_LEVEL": "ERROR", "SCHEDULE_SECONDS": "0"}
        with LocalStack(Path(directory), settings, durable=False) as stack:
            for measured in (lambda one: Counter(one).run(), batch_against_one_by_one, a_million_sessions):
                print("\n".join(measured(stack)), end="\n\n")


if __name__ == "__main__":
    main()
