"""The README's example works in a project that has nothing else of this one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx

from local_aws.tests.echo_bundle import BUNDLE

HERE = Path(__file__).parents[1]


def test_the_example_runs_another_project(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(BUNDLE, project)
    shutil.copytree(HERE, project / "local_aws", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    example = re.search(r"```python\n(.*?)```", (HERE / "README.md").read_text(), re.DOTALL)
    assert example is not None
    (project / "run.py").write_text(example[1].replace("report=print", "report=print, port=0"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    running = subprocess.Popen(
        [sys.executable, "run.py"], cwd=project, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        ready = next(line for line in running.stdout if line.startswith("ready: "))
        told = httpx.get(f"{ready.split()[1]}/echo", timeout=30).json()
        assert told["words"] == "as shared"
        assert told["environment"]["DATABASE_URL"].startswith("postgresql://")
    finally:
        running.terminate()
        running.wait(30)


def test_every_module_is_in_the_table() -> None:
    table = (HERE / "README.md").read_text().partition("## Modules")[2].partition("## What")[0]
    modules = {file.stem for file in HERE.glob("*.py")} - {"__init__"}
    assert set(re.findall(r"`(\w+)`", table)) == modules


def test_nothing_of_the_project_around_it_is_imported() -> None:
    allowed = re.compile(r"^\s*(?:from|import) (?:inlet|local|tests|scripts|bench)\b", re.MULTILINE)
    assert not [file for file in HERE.rglob("*.py") if allowed.search(file.read_text())]
