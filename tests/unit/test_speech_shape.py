"""How a speech went, as its page computes it from the words' times: pieces of pace, stretches, pauses; in Node."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from inlet.speaking_sessions.speech import numbers
from inlet.speaking_sessions.speech.numbers import Interval
from local.stack import PROJECT

NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
SHAPE = PROJECT / "web" / "app" / "speech-shape.js"
SCRIPT = """
import { readFileSync } from "node:fs";
const { wordsOf, stretches, pauses, paceOverTime, partAt } = await import(process.argv[1]);
const segments = JSON.parse(readFileSync(0, "utf8"));
const words = wordsOf(segments);
const speech = stretches(words);
console.log(JSON.stringify({
  speech,
  pauses: pauses(speech),
  pace: paceOverTime(words),
  parts: [-1, 0, 1, 1e6].map((secs) => partAt(segments, secs)),
}));
"""

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")


def shape_of(words: Sequence[tuple[str, float, float]]) -> dict[str, Any]:
    """What the page makes of words; every word is a segment of its own."""
    assert NODE
    told = [{"text": text, "startSecs": start, "endSecs": end} for text, start, end in words]
    segments = [{**word, "words": [word]} for word in told]
    command = [NODE, "--input-type=module", "-e", SCRIPT, SHAPE.as_uri()]
    made = subprocess.run(command, input=json.dumps(segments), check=True, capture_output=True, text=True)
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
    """By the same thresholds, of the same stretches: a pause of half a second counts, a shorter silence does not."""
    words = [("a", 0.5, 1), ("b", 1.49, 2), ("—", 2.1, 2.3), ("c", 2.5, 3), ("d", 5, 6), ("e", 6.1, 6.4)]
    shape = shape_of(words)
    runs = numbers.runs([Interval(start, end) for text, start, end in words if text.isalpha()])
    assert [(one["startSecs"], one["endSecs"]) for one in shape["speech"]] == runs
    assert [one["isLong"] for one in shape["pauses"]] == [False, True]


def test_the_sentence_of_a_moment_is_the_last_that_has_begun() -> None:
    assert shape_of([("a", 0.5, 1), ("b", 1, 2), ("c", 9, 10)])["parts"] == [-1, -1, 1, 2]


def test_nothing_said_has_no_shape() -> None:
    assert shape_of([]) == {"speech": [], "pauses": [], "pace": [], "parts": [-1, -1, -1, -1]}


def test_an_hour_has_no_more_bars_than_a_screen_shows() -> None:
    assert len(shape_of(spoken(0, 3600, 30))["pace"]) == 60
