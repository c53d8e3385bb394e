"""Many recordings at once, and a concurrency of two: the deployed state machine waits in line, and loses none.

Lambda refuses what exceeds a function's concurrency, here as there. The stages do their real work on the database and
the bucket; what is heard is planted instead of decoded, and the models answer at their ports. The engine's waits take a
twentieth of theirs on AWS. `RECORDINGS_IN_LINE=1000` has a thousand wait, for several minutes.
"""

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

from inlet import identifiers, keys
from inlet.speaking_sessions.speech import documents
from inlet.speaking_sessions.speech.numbers import Interval, Sound
from local_aws.sandboxes import Outcome, Throttled
from tests.support.crash import Functions
from tests.support.worlds.analyses import ANALYSE, FAIL, TRANSCRIBE, AnalysesWorld

RECORDINGS = int(os.environ.get("RECORDINGS_IN_LINE", "100"))
AT_ONCE = 2
FASTER = 20
SOUND = documents.sound_to_json(Sound(60.0, [Interval(0.0, 60.0)], -20.0, 0.0))

_PLANT = """
WITH spoken AS (
    SELECT id::uuid, 'speaker of ' || id AS sub FROM unnest(%(ids)s::text[]) AS id
), speakers AS (
    INSERT INTO users (external_id) SELECT sub FROM spoken RETURNING id, external_id
)
INSERT INTO speaking_sessions (id, user_id, status, duration_secs, language, audio_key, content_type, size, attempt)
SELECT spoken.id, speakers.id, 'UPLOADED', 60, 'en', 'sessions/' || spoken.id, 'audio/wav', 1, 1
  FROM spoken JOIN speakers ON external_id = sub
"""


class Narrow:
    """Functions of which each runs twice at once at most."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._lock = threading.Lock()
        self._running = Counter[str]()
        self.most = Counter[str]()
        self.refused = Counter[str]()

    def task(self, name: str, event: Any) -> Outcome:
        """Run a task, or refuse it as Lambda does."""
        with self._lock:
            if self._running[name] == AT_ONCE:
                self.refused[name] += 1
                raise Throttled
            self._running[name] += 1
            self.most[name] = max(self.most[name], self._running[name])
        try:
            return self._functions.task(name, event)
        finally:
            with self._lock:
                self._running[name] -= 1


def statuses(world: AnalysesWorld) -> dict[str, int]:
    found = world.rows.execute("SELECT status, count(*) FROM speaking_sessions GROUP BY status").fetchall()
    return {row["status"]: row["count"] for row in found}


@pytest.mark.timeout(900)
def test_recordings_in_line_are_all_analysed_and_paid_once(
    analyses_world: AnalysesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = analyses_world
    hurried = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / FASTER))
    monkeypatch.setitem(vars(retrier_decl), "time", hurried)
    narrow = Narrow(world.functions)
    world.engine.functions = cast("Functions", narrow)
    ids = [identifiers.new_uuid() for _ in range(RECORDINGS)]
    world.rows.execute(_PLANT, {"ids": ids})

    def arrive(session_id: str) -> None:
        world.storage.put_object(Bucket=world.bucket, Key=keys.sound(session_id), Body=SOUND)
        world.start(session_id)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(arrive, ids))
    deadline = time.monotonic() + 800
    while (now := statuses(world)).keys() & {"UPLOADED", "PROCESSING"}:
        assert time.monotonic() < deadline, now
        time.sleep(0.5)
    assert now == {"COMPLETED": RECORDINGS}
    assert all(most <= AT_ONCE for most in narrow.most.values())
    assert narrow.refused.total() > RECORDINGS, "a long line, or nothing is shown here"
    assert FAIL not in narrow.most
    assert world.rows.execute("SELECT DISTINCT attempt FROM speaking_sessions").fetchall() == [{"attempt": 1}]
    assert Counter(world.functions.bill()) == Counter((i, 1, name) for i in ids for name in (TRANSCRIBE, ANALYSE))
    for session_id in ids:
        world.wait_for_execution(session_id)
