"""How many parts of an upload are under way: the web client's `Lanes`, in Node.

A clock that only moves when a part takes its time stands in for the browser's.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.stack import PROJECT

CLIENT = PROJECT / "web" / "client"
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
MOST = 4

SCRIPT = """
const { Lanes } = await import(process.argv[1] + "/upload-session-parts.js");
const { InletError } = await import(process.argv[1] + "/errors.js");
const [most, parts, size] = JSON.parse(process.argv[2]);
let now = 0;
performance.now = () => now;
const lanes = new Lanes(most);
const underWay = [];
const seen = [];
const settle = () => new Promise((resolve) => setImmediate(resolve));
const sent = parts.map(() => lanes.use(() => new Promise((...end) => underWay.push(end)), size).catch(() => {}));
for (const took of parts) {
  await settle();
  seen.push(underWay.length);
  const [resolve, reject] = underWay.shift();
  if (took === "cut") reject(new InletError("NETWORK", ""));
  else if (took === "refused") reject(new InletError("STORAGE", ""));
  else {
    now += took;
    resolve();
  }
}
await Promise.all(sent);
console.log(JSON.stringify(seen));
"""


def under_way(parts: list[int | str], most: int = MOST, size: int = 5_242_880) -> list[int]:
    """Return how many parts of a size are under way just before each ends: after so many ms, cut or refused."""
    assert NODE
    command = [NODE, "--input-type=module", "--eval", SCRIPT, CLIENT.as_uri(), json.dumps([most, parts, size])]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    found: list[int] = json.loads(ran.stdout)
    return found


pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")


def test_one_at_first_and_four_at_most() -> None:
    assert under_way([100] * 12) == [1, 2, 3, 4, 4, 4, 4, 4, 4, 3, 2, 1]


@pytest.mark.parametrize("most", [1, 2, 7])
def test_another_bound_holds_too(most: int) -> None:
    seen = under_way([100] * 30, most)
    assert seen[0] == 1
    assert max(seen) == most


def test_a_part_that_takes_its_time_opens_no_lane() -> None:
    assert under_way([4000] * 6) == [1] * 6


def test_slow_parts_close_lanes_again() -> None:
    # Time passes for all that are under way, so every one after the third has waited for those before it.
    assert under_way([100, 100, 100, *[5000] * 9])[3:] == [4, 4, 3, 2, 1, 1, 1, 1, 1]


def test_a_cut_leaves_one_lane_and_what_broke_is_not_tried_again() -> None:
    seen = under_way([100, 100, 100, "cut", *[100] * 16])
    assert max(seen[:4]) == MOST
    assert max(seen[8:]) == MOST - 1


def test_of_those_cut_together_the_first_one_counts() -> None:
    seen = under_way([100, 100, 100, *["cut"] * 4, *[100] * 16])
    assert seen[3:9] == [4, 3, 2, 1, 1, 2]
    assert max(seen[9:]) == MOST - 1


def test_a_refusal_says_nothing_about_the_line() -> None:
    assert under_way(["refused", 100, 100, "refused", 100, 100, 100])[:4] == [1, 1, 2, 3]


LIGHT = 100_000


def test_six_light_parts_share_a_lane_and_open_no_other() -> None:
    assert under_way([100] * 12, size=LIGHT) == [6] * 7 + [5, 4, 3, 2, 1]


@pytest.mark.parametrize("trouble", ["cut", 7000])
def test_light_parts_share_none_once_the_line_is_in_trouble(trouble: int | str) -> None:
    """Those under way are finished; then there is one at a time."""
    assert under_way([100, trouble, *[100] * 10], size=LIGHT) == [6, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1, 1]
