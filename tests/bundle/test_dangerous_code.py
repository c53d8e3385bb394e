"""What the deployed source does not do, read from its syntax: build SQL from values, run text, fetch addresses."""

import ast
import re
from pathlib import Path

import pytest

from local.stack import PROJECT
from tests.bundle import source

SHARED, FUNCTIONS = PROJECT / "shared", PROJECT / "functions"
FILES = sorted([*SHARED.rglob("*.py"), *FUNCTIONS.rglob("*.py")])
RUNNERS = {"execute", "fetch_one", "fetch_one_as", "fetch_one_holding", "fetch_all"}

# `database` runs what the tables name; the migrations are files of the package.
PASSED_ON = {
    "shared/inlet/database.py": {"statement", "lock", "further_lock"},
    "shared/inlet/model_calls.py": {
        "self._claim",
        "self._outcome",
    },  # made of constants when a family's table is imported
    "shared/inlet/upload_sessions/endings_table.py": {"lock"},
    "shared/inlet/schema_migrations_table.py": {"statements"},
}

# Who opens connections, and to where: to addresses that are settings, never to one that a user's request names.
SPEAKERS = {
    "shared/inlet/custom_resource.py": {"urllib.request"},
    "shared/inlet/database.py": {"psycopg"},
    "shared/inlet/deliverer.py": {"boto3", "botocore"},
    "shared/inlet/deployment_table.py": {"psycopg"},
    "shared/inlet/gemini.py": {"google", "httpx2"},
    "shared/inlet/image_jobs/generation/gemini.py": {"google"},
    "shared/inlet/live.py": {"boto3", "botocore"},
    "shared/inlet/schema_migrations_table.py": {"psycopg"},
    "shared/inlet/speaking_sessions/gemini_speech.py": {"google"},
    "shared/inlet/storage.py": {"boto3", "botocore"},
    "shared/inlet/webhooks.py": {"urllib3"},
    "shared/inlet/workflow.py": {"boto3", "botocore"},
    "functions/operations/deliver_events/handler.py": {"posthog", "requests"},
    "functions/operations/migrate/handler.py": {"psycopg"},
}
NETWORK = {
    "aiohttp",
    "boto3",
    "botocore",
    "ftplib",
    "google",
    "http.client",
    "httpx",
    "httpx2",
    "posthog",
    "psycopg",
    "requests",
    "smtplib",
    "socket",
    "urllib.request",
    "urllib3",
}
# Modules that run what they are given, or expand it without a bound. XML is told by its first bytes and never parsed.
RUNS_TEXT = {"ctypes", "lxml", "marshal", "pickle", "shelve", "subprocess", "tarfile", "xml", "yaml", "zipfile"}
RUNNING_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}


def relative(file: Path) -> str:
    return str(file.relative_to(PROJECT))


def imported(file: Path) -> set[str]:
    """The modules that a file imports, but for those that only a type checker reads."""
    names: set[str] = set()
    for node in source.imports(source.parsed(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def of(names: set[str], known: set[str]) -> set[str]:
    return {module for module in known for name in names if name == module or name.startswith(f"{module}.")}


def constants(tree: ast.Module) -> set[str]:
    """The names that a module assigns when it is imported, before any request."""
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    return {target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_no_value_is_part_of_sql(file: Path) -> None:
    """A statement is text or a constant of its module. What a request brings goes beside it, as a parameter."""
    tree = source.parsed(file)
    known = constants(tree)
    for node in source.parts(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in RUNNERS:
            statement = node.args[1 if node.func.attr == "fetch_one_as" else 0]
            is_text = isinstance(statement, ast.Constant)
            is_constant = isinstance(statement, ast.Name) and statement.id in known
            assert is_text or is_constant or ast.unparse(statement) in PASSED_ON.get(relative(file), set())


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_only_the_adapters_open_connections(file: Path) -> None:
    assert of(imported(file), NETWORK) <= SPEAKERS.get(relative(file), set())


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_nothing_that_was_received_is_run_or_unpacked(file: Path) -> None:
    assert not of(imported(file), RUNS_TEXT)
    for node in source.parts(source.parsed(file)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in RUNNING_CALLS, ast.unparse(node)


@pytest.mark.parametrize("file", sorted((PROJECT / "web").glob("*/*.js")), ids=relative)
def test_no_script_of_the_pages_makes_markup_of_text(file: Path) -> None:
    """What a person or a model wrote is shown as text; the pages' policy is the second net."""
    makes_markup = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|\beval\(|new Function")
    assert not makes_markup.findall(file.read_text())
