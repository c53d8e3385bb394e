"""`make requirements`: exports each layer's requirements from uv.lock, with hashes; `--check` compares."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("core", "imaging", "generation", "media", "speech", "analytics", "site")
LEFT_OUT = ("pycparser", "sounddevice")
"""pycparser reads C declarations, sounddevice a microphone; no deployed code has either."""


def export(group: str, *, without: tuple[str, ...]) -> str:
    """Return the locked requirements of a dependency group, less `without` and what only those need."""
    prune = [argument for package in without for argument in ("--prune", package)]
    command = [
        os.environ.get("UV", "uv"),
        "export",
        "--quiet",
        "--locked",
        "--no-header",
        "--no-annotate",
        "--no-emit-project",
    ]
    return subprocess.run(  # noqa: S603 - fixed words and names out of uv.lock
        [*command, "--only-group", group, *prune], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def package_names(requirements: str) -> tuple[str, ...]:
    """Return the packages that a requirements file names."""
    return tuple(line.split("==")[0] for line in requirements.splitlines() if "==" in line)


def exports() -> Iterator[tuple[Path, str]]:
    """Yield each layer's file and content. Every function has the core layer, the others leave it out."""
    core = export("core", without=LEFT_OUT)
    for layer in LAYERS:
        requirements = core if layer == "core" else export(layer, without=LEFT_OUT + package_names(core))
        header = "# Exported from uv.lock by `make requirements`; do not edit.\n"
        yield ROOT / "layers" / layer / "requirements.txt", header + requirements


def main() -> int:
    """Write the files, or say which of them disagree with uv.lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed files and change nothing")
    check = parser.parse_args().check
    stale = []
    for path, content in exports():
        if check and (not path.exists() or path.read_text() != content):
            stale.append(str(path.relative_to(ROOT)))
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    if stale:
        sys.stderr.write(f"{', '.join(stale)}: not what uv.lock says. Run `make requirements`.\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
