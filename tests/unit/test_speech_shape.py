"""How a speech went, as its page computes it: pieces of pace from the words' times, pauses; in Node."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from inlet.speaking_sessions.speech import numbers
from inlet.speaking_sessions.speech.numbers import Interval, Run, Sound
from local.stack import PROJECT

NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
SHAPE = PROJECT / "web" / "app" / "speech-shape.js"
SCRIPT = """
import { readFileSync } from "node:fs";
const { wordsOf, pauses, paceOverTime, partAt } = await import(process.argv[1]);
const { segments, runs } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify({
  pauses: pauses(runs),
  pace: paceOverTime(wordsOf(segments)),
  parts: [-1, 0, 1, 1e6].map((secs) => partAt(segments, secs)),
}));
"""

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")


def shape_of(words: Sequence[tuple[str, float, float]], runs: Sequence[Run] = ()) -> dict[str, Any]:
    """What the page makes of words, every one a segment of its own, and of stretches without a pause."""
    assert NODE
    told = [{"text": text, "startSecs": start, "endSecs": end} for text, start, end in words]
    segments = [{**word, "words": [word]} for word in told]
    command = [NODE, "--input-type=module", "-e", SCRIPT, SHAPE.as_uri()]
    made = subprocess.run(
        command, input=json.dumps({"segments": segments, "runs": runs}), check=True, capture_output=True, text=True
    )
    shape: dict[str, Any] = json.loads(made.stdout)
    return shape


def spoken(start: float, end: float, per_minute: float) -> list[tuple[str, float, float]]:
    """Words in an even pace."""
    each = 60 / per_minute
    starts = [start + index * each for index in range(round((end - start) / each))]
    return [("word", one, one + 0.9 * each) for one in starts]


def test_a_pace_that_changes_is_seen_where_it_changes() -> None:
    words = [*spoken(4, 34, 90), *spoken(34, 64, 180)]
    pace = shape_of(words)["pace"]
    assert [piece["startSecs"] for piece in pace] == pytest.approx([4, 19, 34, 49], abs=0.2)
    assert [piece["wordsPerMinute"] for piece in pace] == pytest.approx([90, 90, 180, 180], abs=5)
    counted = sum(piece["wordsPerMinute"] * (piece["endSecs"] - piece["startSecs"]) / 60 for piece in pace)
    assert counted == pytest.approx(len(words)), "every word is in one piece"


def test_pauses_are_those_the_numbers_count() -> None:
    speech = [Interval(*one) for one in [(0.5, 1), (1.49, 2), (2.5, 3), (5, 6), (6.1, 6.4)]]
    found = numbers.measure(Sound(7.0, speech, -20.0, 0.0), None, "de")
    drawn = shape_of([], found["runs"])["pauses"]
    assert [(one["startSecs"], one["endSecs"], one["isLong"]) for one in drawn] == [(2, 2.5, False), (3, 5, True)]
    assert (found["pauses"]["count"], found["pauses"]["longCount"]) == (2, 1)


def test_the_sentence_of_a_moment_is_the_last_that_has_begun() -> None:
    assert shape_of([("a", 0.5, 1), ("b", 1, 2), ("c", 9, 10)])["parts"] == [-1, -1, 1, 2]


def test_nothing_said_has_no_shape() -> None:
    assert shape_of([]) == {"pauses": [], "pace": [], "parts": [-1, -1, -1, -1]}


def test_an_hour_has_no_more_bars_than_a_screen_shows() -> None:
    assert len(shape_of(spoken(0, 3600, 30))["pace"]) == 60
