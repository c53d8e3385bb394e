"""How long Lambda waits for each built function to load, on its own emulator, beside four baselines.

All but one are built alike (layers from uv.lock, bytecode). They take turns, so that a busy moment meets all of them;
it is this machine that is measured: compare within the table. The last baseline has no bytecode, because a plain
`sam build` makes none, and Lambda, read-only, compiles each file again at each cold start: what is common in practice.

    python -m bench.init [--rounds N] [--only TEXT]
"""

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from statistics import median

from local_aws.emulator import emulate
from local_aws.template import Function
from scripts.build import build, build_directory, host_architecture, packaged_functions

ROOT = Path(__file__).resolve().parent.parent
BASELINES = ROOT / "bench" / "baselines"
ARCHITECTURE = host_architecture()
WORK = ROOT / ".aws-sam" / "bench"

STATUS = "ImageJobsStatusFunction"
COMPARED_LOADS = 4
EMPTY, PSYCOPG, COMMON = "empty", "empty + psycopg", "status in FastAPI"
PLAIN = "status in FastAPI, plain build"
# The database is named but never reached: nothing connects while it loads.
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "DATABASE_URL": "postgresql://postgres@127.0.0.1:1/inlet",
    "PYTHONDONTWRITEBYTECODE": "1",
}
# What the project promises of its most called endpoint, as shares of a baseline's time.
TARGETS = {PSYCOPG: 1.6, PLAIN: 0.25}


@dataclass(frozen=True)
class Candidate:
    """A function to load, with its layers."""

    function: Function
    layers: tuple[Path, ...]

    def load(self) -> float:
        """Load it once in a fresh environment; milliseconds. What it answers to an empty event is not asked here."""
        with emulate(self.function, self.layers, ENVIRONMENT) as emulator:
            emulator.invoke({})
            if "INIT RTDONE(status: success)" not in emulator.log:
                raise RuntimeError(f"{self.function.name} does not load:\n{emulator.log}")
            return emulator.init_milliseconds


def candidates() -> dict[str, Candidate]:
    """Everything that is measured, by name: the baselines, then the build's functions."""
    packaged = list(packaged_functions(build_directory(ARCHITECTURE)))
    core = next(function.layers for function in packaged if function.logical_id == STATUS)
    common = _baseline_layer("bench", "core", "site")
    measured = {
        EMPTY: Candidate(_function(EMPTY, _compiled(BASELINES / "empty")), core),
        PSYCOPG: Candidate(_function(PSYCOPG, _compiled(BASELINES / "psycopg_only")), core),
        COMMON: Candidate(_function(COMMON, _compiled(BASELINES / "fastapi_app")), (common,)),
        PLAIN: Candidate(_function(PLAIN, BASELINES / "fastapi_app"), (_without_bytecode(common),)),
    }
    for function in packaged:
        measured[function.logical_id] = Candidate(_function(function.logical_id, function.directory), function.layers)
    return measured


def measure(measured: Mapping[str, Candidate], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each over `rounds` loads, taken in turns, after one that is not counted.

    The two that the target compares are loaded more often: the lowest of five is still a matter of luck.
    """
    times: dict[str, list[float]] = {name: [] for name in measured}
    for turn in range(rounds + 1):
        for name, candidate in measured.items():
            for _ in range(COMPARED_LOADS if turn and name in (STATUS, PSYCOPG) else 1):
                milliseconds = candidate.load()
                if turn:
                    times[name].append(milliseconds)
    return times


def report(times: Mapping[str, list[float]]) -> list[str]:
    """Return the table, slowest first, and whether the targets hold.

    Shares are of the lowest times: loading always costs the same, whatever more a load took was something else's.
    """
    lowest = {name: min(values) for name, values in times.items()}
    lines = [f"{'init, ms':<32}{'median':>8}{'lowest':>8}{'/ psycopg':>12}{'/ FastAPI':>12}{'/ plain':>12}"]
    for name, milliseconds in sorted(lowest.items(), key=lambda item: -item[1]):
        shares = "".join(f"{milliseconds / lowest[baseline]:>12.2f}" for baseline in (PSYCOPG, COMMON, PLAIN))
        lines.append(f"{name:<32}{median(times[name]):>8.0f}{milliseconds:>8.0f}{shares}")
    if STATUS in lowest:
        for baseline, limit in TARGETS.items():
            share = lowest[STATUS] / lowest[baseline]
            verdict = "holds" if share <= limit else "MISSED"
            lines.append(f"{STATUS} at most {limit} x {baseline!r}: {share:.2f}, {verdict}")
    return lines


def _function(name: str, folder: Path) -> Function:
    return Function(
        name=re.sub(r"\W+", "-", name),
        arn="",
        folder=folder,
        handler="handler.lambda_handler",
        timeout=30,
        memory=512,
        environment={},
    )


def _compiled(source: Path) -> Path:
    """Return a baseline's folder as `make build` would leave it."""
    folder = WORK / source.name
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*.py"):
        (folder / file.name).write_text(file.read_text())
    compileall.compile_dir(
        folder,
        quiet=1,
        stripdir=str(folder),
        prependdir="/var/task",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    return folder


def _baseline_layer(*groups: str) -> Path:
    """Build a layer of these dependency groups, by the recipe of our own layers."""
    folder = WORK / "-".join(groups)
    requirements = WORK / "bench" / "requirements.txt"
    requirements.parent.mkdir(parents=True, exist_ok=True)
    uv = os.environ.get("UV", "uv")
    chosen = [argument for group in groups for argument in ("--only-group", group)]
    exported = subprocess.run(
        [uv, "export", "--quiet", "--locked", "--prune", "boto3", "--prune", "botocore", *chosen],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if not requirements.exists() or requirements.read_text() != exported:
        requirements.write_text(exported)
        environment = os.environ | {
            "ARTIFACTS_DIR": str(folder),
            "ARCHITECTURE": ARCHITECTURE,
            "PYTHON": sys.executable,
            "PYTHONHASHSEED": "0",
        }
        recipe = ["make", "--silent", "--makefile", str(ROOT / "layers" / "Makefile"), "build-CoreLayer", "GROUP=bench"]
        subprocess.run(recipe, cwd=WORK, env=environment, check=True)
    return folder


def _without_bytecode(layer: Path) -> Path:
    """Return the same layer as a plain `sam build` leaves it."""
    folder = layer.with_name(f"{layer.name}-plain")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(layer, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="loads of each that count")
    parser.add_argument("--only", default="", help="measure only functions whose name has this in it")
    arguments = parser.parse_args()
    build(ARCHITECTURE)
    always = (EMPTY, PSYCOPG, COMMON, PLAIN)
    measured = {name: candidate for name, candidate in candidates().items() if name in always or arguments.only in name}
    lines = report(measure(measured, arguments.rounds))
    print("\n".join(lines))
    return 1 if any(line.endswith("MISSED") for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
