"""`make build`: sam builds; this bundles the pages, adds bytecode for Lambda's paths, and checks what sam does not.

A build is kept by the content of all that goes into it: asked again, an unchanged one is there at once.
"""

import argparse
import compileall
import fcntl
import hashlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).resolve().parent.parent
INPUTS = (
    "functions",
    "layers",
    "migrations",
    "scripts",
    "shared",
    "web",
    "template.yaml",
    "samconfig.toml",
    "uv.lock",
    "package-lock.json",
)
# What the layer of the pages is made of, and what `make deploy` uploads where there is an edge. Of no architecture.
WEB_DIRECTORY = ROOT / ".aws-sam" / "web"
WEB_INPUTS = ("web", "scripts/bundle.mjs", "package-lock.json")
# e_machine of an ELF header, which says whose instructions a shared library holds.
MACHINES = {"arm64": 0xB7, "x86_64": 0x3E}
# What Lambda accepts of a function and its layers together, unzipped.
UNZIPPED_LIMIT_BYTES = 250 * 1024 * 1024
STAMP = "inputs.sha256"
"""Beside a build, the digest of all that went into it."""


class BuildRefused(Exception):
    """What was built must not be deployed, or could not be built; the message says why."""


@dataclass(frozen=True, kw_only=True)
class PackagedFunction:
    """One function of a build: its folder, its layers' in the template's order, its environment variables' names.

    `places` has the layers of each place in that order: more than one where a condition chooses, None for no layer.
    """

    logical_id: str
    directory: Path
    places: tuple[tuple[Path | None, ...], ...]
    variables: frozenset[str] = frozenset()

    @property
    def layers(self) -> tuple[Path, ...]:
        """All its layers; of those that a condition chooses from, each."""
        return tuple(layer for place in self.places for layer in place if layer)


def host_architecture() -> str:
    """Return what this machine runs, by Lambda's name."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


def build_directory(architecture: str) -> Path:
    """Return where a build lies: arm64, which is deployed, where `sam deploy` looks; another beside it."""
    return ROOT / ".aws-sam" / ("build" if architecture == "arm64" else f"{architecture}/build")


def packaged_functions(directory: Path) -> Iterator[PackagedFunction]:
    """Yield the functions of the build in `directory`."""
    template = yaml_parse((directory / "template.yaml").read_text())
    common = template.get("Globals", {}).get("Function", {})
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            own = resource["Properties"]
            layers = [*common.get("Layers", []), *own.get("Layers", [])]
            yield PackagedFunction(
                logical_id=logical_id,
                directory=directory / own["CodeUri"],
                variables=frozenset(_variables(common)) | frozenset(_variables(own)),
                places=tuple(
                    tuple(_layer(template, directory, layer) for layer in one.get("Fn::If", [None, one])[1:])
                    for one in layers
                ),
            )


def _layer(template: dict[str, Any], directory: Path, reference: dict[str, str]) -> Path | None:
    if reference == {"Ref": "AWS::NoValue"}:
        return None
    content: str = template["Resources"][reference["Ref"]]["Properties"]["ContentUri"]
    return (directory / content).resolve()


def _variables(properties: dict[str, Any]) -> dict[str, Any]:
    variables: dict[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return variables


def build(architecture: str) -> bool:
    """Build for `architecture` unless the same inputs were; return whether there was anything to do."""
    directory = build_directory(architecture)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f"{architecture}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bundle_web()
        inputs = digest_of_inputs(architecture)
        stamp = directory / STAMP
        if stamp.exists() and stamp.read_text() == inputs:
            return False
        _sam_build(architecture, directory)
        functions = list(packaged_functions(directory))
        _compile(directory, functions)
        refuse_foreign_binaries(architecture, directory)
        refuse_oversize(functions)
        stamp.write_text(inputs)
    return True


def digest_of_inputs(of: str, names: tuple[str, ...] = INPUTS) -> str:
    """Return a digest of every file that goes into a build `of` an architecture, or of something else."""
    digest = hashlib.sha256(of.encode())
    for name in names:
        path = ROOT / name
        files = [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file())
        for file in files:
            if file.suffix != ".pyc":
                content = file.read_bytes()
                digest.update(f"{file.relative_to(ROOT)} {len(content)}\n".encode())
                digest.update(content)
    return digest.hexdigest()


def bundle_web() -> None:
    """Make of web/ what is served, unless the same was: each page's modules in one script, named by its content."""
    WEB_DIRECTORY.parent.mkdir(parents=True, exist_ok=True)
    with (WEB_DIRECTORY.parent / "web.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        inputs = digest_of_inputs("web", WEB_INPUTS)
        stamp = WEB_DIRECTORY.parent / "web.sha256"
        if WEB_DIRECTORY.exists() and stamp.exists() and stamp.read_text() == inputs:
            return
        stamp.unlink(missing_ok=True)
        node = Path(sys.executable).parent / "node"
        outcome = subprocess.run(  # noqa: S603 - fixed words and a folder of the build's own
            [str(node), "scripts/bundle.mjs", "web", str(WEB_DIRECTORY)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
        )
        if outcome.returncode != 0:
            raise BuildRefused(f"the pages were not bundled:\n{outcome.stdout}")
        stamp.write_text(inputs)


def _sam_build(architecture: str, directory: Path) -> None:
    environment = {
        **os.environ,
        # sam looks for the runtime's Python on PATH, layers/Makefile for the rest in variables.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "ARCHITECTURE": architecture,
    }
    cache = directory.parent / "cache"
    command = ["sam", "build", "--build-dir", str(directory), "--cache-dir", str(cache)]
    overrides = ["--parameter-overrides", f"Architecture={architecture}"]
    outcome = subprocess.run(  # noqa: S603 - fixed words and one of two architectures
        [*command, *overrides],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    if outcome.returncode != 0:
        raise BuildRefused(f"sam build failed:\n{outcome.stdout}")


def _compile(directory: Path, functions: list[PackagedFunction]) -> None:
    """Compile functions and our own layers for Lambda's paths; layers/Makefile does the third-party ones."""
    shared = {layer for function in functions for layer in function.layers if layer.is_relative_to(directory)}
    targets = [(function.directory, "/var/task") for function in functions]
    targets += [(layer, "/opt") for layer in sorted(shared) if not any(layer.rglob("__pycache__"))]
    for folder, place in targets:
        compiled = compileall.compile_dir(
            folder,
            quiet=1,
            stripdir=str(folder),
            prependdir=place,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
        if not compiled:
            raise BuildRefused(f"{folder.name} does not compile")


def refuse_foreign_binaries(architecture: str, directory: Path) -> None:
    """Refuse binaries of another machine: they would fail only on Lambda, at the first import."""
    machines = {}
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                header = file.read(20)
            if header.startswith(b"\x7fELF"):
                machines[path.relative_to(directory)] = int.from_bytes(header[18:20], "little")
    if not machines:
        raise BuildRefused("the build holds no binary at all: its layers are not what they should be")
    foreign = [str(path) for path, machine in machines.items() if machine != MACHINES[architecture]]
    if foreign:
        raise BuildRefused(f"not built for {architecture}: {', '.join(foreign)}")


def refuse_oversize(functions: list[PackagedFunction]) -> None:
    """Refuse a function that Lambda would not take for its size."""
    for function in functions:
        size = weight(function)
        if size > UNZIPPED_LIMIT_BYTES:
            raise BuildRefused(f"{function.logical_id} is {_megabytes(size)} with its layers; Lambda takes 250.0 MB")


def weight(function: PackagedFunction) -> int:
    """Return what a function weighs unzipped, in bytes, with the heaviest layers that conditions may choose for it."""
    return _size(function.directory) + sum(max(_size(layer) if layer else 0 for layer in p) for p in function.places)


@cache
def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MB"


def _report(architecture: str) -> Iterator[str]:
    """Yield what weighs what: layers, then the function that comes nearest to Lambda's limit."""
    functions = list(packaged_functions(build_directory(architecture)))
    layers = {layer.name: _size(layer) for function in functions for layer in function.layers}
    for name, size in sorted(layers.items(), key=lambda item: -item[1]):
        yield f"  {name:<18}{_megabytes(size):>10}"
    heaviest = max(functions, key=weight)
    most = f"{_megabytes(weight(heaviest))} of 250.0 MB ({heaviest.logical_id})"
    yield f"  {len(functions)} functions, with layers at most {most}"


def main() -> int:
    """Build, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", choices=sorted(MACHINES), default="arm64")
    architecture = parser.parse_args().architecture
    started = time.monotonic()
    try:
        built = build(architecture)
    except BuildRefused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    outcome = f"built in {time.monotonic() - started:.1f} s" if built else "unchanged"
    where = build_directory(architecture).relative_to(ROOT)
    sys.stdout.write("\n".join([f"{where} ({architecture}): {outcome}", *_report(architecture), ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
