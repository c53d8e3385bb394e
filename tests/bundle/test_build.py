"""What `make build` makes: bytecode for Lambda's paths, this architecture's binaries, nothing twice."""

import importlib.util
import marshal
from pathlib import Path

import pytest

from scripts import build, requirements


@pytest.fixture
def core_layer(packaged: Path) -> Path:
    return packaged / "CoreLayer" / "python"


@pytest.mark.parametrize(
    ("folder", "place"),
    [
        ("ImageJobsStatusFunction", "/var/task"),
        ("SharedLayer", "/opt"),
        ("CoreLayer", "/opt"),
    ],
)
def test_every_source_has_bytecode_for_its_place_on_lambda(packaged: Path, folder: str, place: str) -> None:
    sources = list((packaged / folder).rglob("*.py"))
    assert sources
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        assert compiled[4:8] == b"\x01\x00\x00\x00", (
            f"{source}: not an unchecked hash, so Lambda would look at the source"
        )
        assert marshal.loads(compiled[16:]).co_filename == f"{place}/{source.relative_to(packaged / folder)}"


def test_a_binary_of_another_machine_is_refused(packaged: Path) -> None:
    other = next(name for name in build.MACHINES if name != build.host_architecture())
    with pytest.raises(build.BuildRefused, match=r"not built for .*psycopg_binary"):
        build.refuse_foreign_binaries(other, packaged)


def test_a_build_without_binaries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "handler.py").touch()
    with pytest.raises(build.BuildRefused, match="no binary"):
        build.refuse_foreign_binaries("arm64", tmp_path)


def test_a_function_over_lambdas_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, folder = tmp_path / "layer", tmp_path / "function"
    for half in (layer, folder):
        half.mkdir()
        (half / "weight").write_bytes(bytes(600))
    function = build.PackagedFunction(logical_id="Heavy", directory=folder, places=((None, layer),))
    monkeypatch.setattr(build, "UNZIPPED_LIMIT_BYTES", 1200)
    build.refuse_oversize([function])
    monkeypatch.setattr(build, "UNZIPPED_LIMIT_BYTES", 1199)
    with pytest.raises(build.BuildRefused, match="Heavy"):
        build.refuse_oversize([function])


def test_of_layers_that_a_condition_chooses_from_the_heaviest_counts(tmp_path: Path) -> None:
    for name in ("light", "heavy", "always", "function"):
        (tmp_path / name).mkdir()
    (tmp_path / "light" / "weight").write_bytes(bytes(100))
    (tmp_path / "heavy" / "weight").write_bytes(bytes(600))
    (tmp_path / "always" / "weight").write_bytes(bytes(7))
    places = ((tmp_path / "always",), (tmp_path / "light", tmp_path / "heavy"))
    function = build.PackagedFunction(logical_id="Choosing", directory=tmp_path / "function", places=places)
    assert build.weight(function) == 607


def test_an_unchanged_build_is_kept_and_a_changed_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    source = tmp_path / "functions" / "handler.py"
    source.parent.mkdir()
    (tmp_path / "template.yaml").touch()
    digests = []
    for text in ("one", "two", "one"):
        source.write_text(text)
        digests.append(build.digest_of_inputs("arm64"))
    assert digests[0] == digests[2] != digests[1]
    assert build.digest_of_inputs("x86_64") != digests[0]
    (source.parent / "handler.cpython-313.pyc").touch()
    assert build.digest_of_inputs("arm64") == digests[0]
    source.rename(source.with_name("renamed.py"))
    assert build.digest_of_inputs("arm64") != digests[0]


def test_no_package_lies_in_two_layers_of_one_function(packaged: Path) -> None:
    for function in build.packaged_functions(packaged):
        names = [entry.name for layer in function.layers for entry in (layer / "python").glob("*.dist-info")]
        assert len(names) == len(set(names)), f"{function.logical_id}: {sorted(names)}"


def test_the_committed_requirements_name_every_package_with_a_hash() -> None:
    for layer in requirements.LAYERS:
        lines = (build.ROOT / "layers" / layer / "requirements.txt").read_text().splitlines()
        packages = [line for line in lines if line and not line.startswith(("#", " "))]
        assert packages
        assert all("==" in line and line.endswith("\\") for line in packages)
