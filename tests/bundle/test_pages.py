"""What `make build` makes of the pages: few files first, all others there, named by their content, compressed."""

import gzip
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from inlet.website import ASSETS, Website
from local.stack import PROJECT
from scripts import build

# Each is an invocation of the site function where no edge is in front: the page, its style sheet, its script, one more.
MOST_REQUESTS = 4
PAGES = sorted(path.stem for path in (PROJECT / "web").glob("*.html") if path.stem != "shell")


@cache
def built() -> Website:
    build.bundle_web()
    return Website(build.WEB_DIRECTORY)


def imported(script: str) -> set[str]:
    """What a script wants before it runs, and what those want."""
    names = set(re.findall(r'(?:from|import)\s*"\./([^"]+)"', built().files[script].content.decode()))
    found = {f"{ASSETS}/{name}" for name in names}
    return found.union(*map(imported, found))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_there_after_few_requests(name: str) -> None:
    html = built().page(name).content.decode()
    begun_with = re.findall(r'(?:rel="(?:stylesheet|modulepreload)" href|script[^>]* src)="([^"]+)"', html)
    own = [address.removeprefix("/web/") for address in begun_with if address.startswith("/web/")]
    assert begun_with
    requests = {name, *begun_with}.union(*(imported(file) for file in own if file.endswith(".js")))
    assert len(requests) <= MOST_REQUESTS, requests
    assert all(re.fullmatch(rf"{ASSETS}/[\w.-]+-[0-9a-f]{{8}}\.(js|css)", file) for file in own), own


def test_whatever_a_script_loads_later_is_there() -> None:
    files = built().files
    wanted = [
        f"{ASSETS}/{reference}"
        for name, file in files.items()
        if name.startswith(f"{ASSETS}/") and name.endswith(".js")
        for reference in re.findall(r'import\("\./([^"]+)"\)|new URL\("([\w.-]+\.js)"', file.content.decode())
        for reference in filter(None, reference)
    ]
    assert any("hash-worker" in name for name in wanted)
    assert any("oauth4webapi" in name for name in wanted)
    assert set(wanted) <= files.keys()


def test_a_script_has_its_source_map_and_names_no_path_of_the_machine() -> None:
    for name, file in built().files.items():
        if re.fullmatch(rf"{ASSETS}/.*\.js", name) and "-worker-" not in name:
            assert f"{name}.map" in built().files
            assert f"sourceMappingURL={name.rpartition('/')[2]}.map" in file.content.decode()
    assert not [path for path in build.WEB_DIRECTORY.rglob("*.map") if str(PROJECT) in path.read_text()]


def test_the_client_stays_a_library() -> None:
    for path in (PROJECT / "web" / "client").iterdir():
        assert built().files[f"client/{path.name}"].content == path.read_bytes()


def test_the_better_compression_that_a_browser_takes_is_chosen() -> None:
    (name,) = (name for name in built().files if re.fullmatch(rf"{ASSETS}/photo-[0-9a-f]+\.js", name))
    file = built().files[name]
    smaller, small = file.encoded("gzip, deflate, br, zstd"), file.encoded("gzip")
    assert smaller
    assert small
    assert (smaller[0], small[0]) == ("br", "gzip")
    assert len(smaller[1]) < len(small[1]) < len(file.content) / 2
    assert gzip.decompress(small[1]) == file.content
    program = "process.stdout.write(zlib.brotliDecompressSync(fs.readFileSync(0)))"
    node = [str(Path(sys.executable).parent / "node"), "-e", program]
    assert subprocess.run(node, input=smaller[1], capture_output=True, check=True).stdout == file.content
    assert file.encoded("br;q=0, gzip") == small
    assert file.encoded("identity") is file.encoded("") is None
