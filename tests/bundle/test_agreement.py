"""What is said twice is said the same: template, folders, fixtures, README, API document, state machine, error names,
settings, permissions, layers."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from samcli.yamlhelper import yaml_parse

from inlet import errors
from inlet.image_jobs.rows import PROGRESS, Stage
from inlet.settings import FUNCTION_SECRETS, Settings
from local.stack import PROJECT
from scripts import openapi
from tests.bundle import source

TEMPLATE: dict[str, Any] = yaml_parse((PROJECT / "template.yaml").read_text())
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
FUNCTIONS: dict[str, dict[str, Any]] = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
SHARED_PROPERTIES: dict[str, Any] = TEMPLATE["Globals"]["Function"]
STATE_MACHINE: dict[str, Any] = json.loads((PROJECT / "statemachines" / "process_image.asl.json").read_text())
TASKS = {name: state for name, state in STATE_MACHINE["States"].items() if state["Type"] == "Task"}
README = (PROJECT / "README.md").read_text()
STAGE_ERRORS = {
    kind.__name__
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.StageError) and kind is not errors.StageError
}


def handler(function: str) -> Path:
    return PROJECT.joinpath(FUNCTIONS[function]["CodeUri"], "handler.py")


def routes() -> dict[tuple[str, str], str]:
    """Method and path → function, but for the site's pages."""
    return {
        (event["Properties"]["Method"], event["Properties"]["Path"]): name
        for name, properties in FUNCTIONS.items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "HttpApi" and name != "SiteFunction"
    }


class TestFunctions:
    def test_each_folder_is_a_function_of_that_name(self) -> None:
        folders = {path.parent.relative_to(PROJECT / "functions") for path in PROJECT.glob("functions/**/handler.py")}
        named = {
            "".join(word.capitalize() for part in folder.parts for word in part.split("_")) + "Function": folder
            for folder in folders
        }
        declared = {
            name: Path(properties["CodeUri"]).relative_to("functions") for name, properties in FUNCTIONS.items()
        }
        assert named == declared

    def test_each_function_has_a_fixture(self) -> None:
        assert {file.stem for file in (PROJECT / "events").glob("*.json")} == FUNCTIONS.keys()

    @pytest.mark.parametrize("name", sorted(set(routes().values())))
    def test_a_fixture_is_an_event_of_the_function_s_own_route(self, name: str) -> None:
        event = json.loads((PROJECT / "events" / f"{name}.json").read_text())
        own = {f"{method} {path}" for (method, path), function in routes().items() if function == name}
        assert event["version"] == "2.0"
        assert event["routeKey"] in own
        method, _, path = event["routeKey"].partition(" ")
        assert event["requestContext"]["http"]["method"] == method
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))
        assert re.fullmatch(pattern, event["rawPath"])
        assert set(event.get("pathParameters", {})) == set(re.findall(r"\{(\w+)\}", path))

    def test_routes_are_those_of_the_handlers(self) -> None:
        document = openapi.document()
        documented = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
        assert documented == routes().keys()

    def test_the_api_document_is_up_to_date(self) -> None:
        assert openapi.DOCUMENT.read_text() == openapi.text(), "run `make openapi`"

    def test_only_signed_in_users_reach_families_b_and_c(self) -> None:
        for name, properties in FUNCTIONS.items():
            for event in properties.get("Events", {}).values():
                if event["Type"] == "HttpApi":
                    guarded = event["Properties"].get("Auth", {}).get("Authorizer") == "SignedIn"
                    by_capability = name == "UploadSessionsCompanionFunction"  # which stands in the path
                    assert guarded == (
                        name.startswith(("UploadSessions", "SpeakingSessions", "Users")) and not by_capability
                    ), name


class TestReadme:
    """README.md; Companion's routes, which it has in one row, stand in docs/upload_sessions.md."""

    ROW = re.compile(
        r"^\| `([A-Z]+) (/\S*)`[^|]*\| \[(\S+)\]\((?:\.\./)?functions/(\S+)/handler\.py\) \|(.*)", re.MULTILINE
    )
    ROWS = ROW.findall(README) + ROW.findall((PROJECT / "docs" / "upload_sessions.md").read_text())

    def test_the_endpoint_tables_have_every_route_and_its_folder(self) -> None:
        rows = [(method, path) for method, path, *_ in self.ROWS]
        assert len(rows) == len(set(rows)), "a route stands in two places"
        folders = {(method, path): folder for method, path, shown, folder, _ in self.ROWS if shown == folder}
        folders.pop(("GET", "/"), None)
        declared = {
            route: FUNCTIONS[name]["CodeUri"].removeprefix("functions/").rstrip("/") for route, name in routes().items()
        }
        assert folders == declared

    def test_every_function_is_named(self) -> None:
        missing = [p["CodeUri"] for p in FUNCTIONS.values() if f"({p['CodeUri'].rstrip('/')}/handler.py)" not in README]
        assert missing == []

    def test_statuses_in_the_tables_are_those_of_the_api_document(self) -> None:
        document = json.loads(openapi.DOCUMENT.read_text())
        always = {"400", "413", "415", "500", "503"}  # what any endpoint may answer need not stand in every row
        for method, path, _, _, answers in self.ROWS:
            if path.startswith("/api/"):
                shown = set(re.findall(r"\b[1-5]\d\d\b", answers))
                known = set(document["paths"][path][method.lower()]["responses"])
                assert known - always <= shown <= known, (method, path)

    def test_the_configuration_tables_have_every_setting(self) -> None:
        page = (PROJECT / "docs" / "configuration.md").read_text()
        first_columns = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
        shown = {name for column in first_columns for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", column)}
        assert settings_read() - shown == set(), "not in docs/configuration.md"
        of_others = shown - settings_read()
        local = "".join(file.read_text() for file in (PROJECT / "local").glob("*.py"))
        assert {name for name in of_others if f'"{name}"' not in local} <= {"POWERTOOLS_LOG_LEVEL"}

    def test_every_link_between_documents_leads_somewhere(self) -> None:
        for pattern in ("*.md", "docs/**/*.md", "[a-z]*/README.md", "web/client/README.md"):
            for document in PROJECT.glob(pattern):
                text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
                for target in re.findall(r"\]\(([^)\s]+)\)", text):
                    path, _, anchor = target.partition("#")
                    if "://" not in path:
                        file = document.parent / path if path else document
                        assert file.exists(), f"{document} links to {target}"
                        assert not anchor or anchor in anchors(file), f"{document} links to {target}"


def anchors(document: Path) -> set[str]:
    """The anchors that the forge makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def settings_by_attribute() -> dict[str, set[str]]:
    """Each attribute of the settings, and the environment variables it reads."""
    tree = ast.parse(inspect.getsource(Settings).strip())
    (settings,) = tree.body
    assert isinstance(settings, ast.ClassDef)
    return {
        method.name: {
            str(call.args[0].value)
            for call in source.parts(method)
            if isinstance(call, ast.Call)
            and call.args
            and isinstance(call.args[0], ast.Constant)
            and isinstance(call.args[0].value, str)
            and call.args[0].value.isupper()
        }
        for method in settings.body
        if isinstance(method, ast.FunctionDef)
    }


def settings_read() -> set[str]:
    """Every environment variable the shared package reads, but for Lambda's own."""
    return set.union(*settings_by_attribute().values()) - {"AWS_REGION"}


def used_settings(function: str) -> set[str]:
    """The environment variables a function may come to read."""
    names = settings_by_attribute()
    return {
        variable
        for node in source.reachable(handler(function))
        for part in source.parts(node)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "settings"
        for variable in names.get(part.attr, set())
    }


def variables(properties: dict[str, Any]) -> dict[str, Any]:
    """The variables that a function is given, its secrets under their own names."""
    found: dict[str, Any] = dict(properties.get("Environment", {}).get("Variables", {}))
    return dict.fromkeys(FUNCTION_SECRETS, found.pop("SECRETS")) | found if "SECRETS" in found else found


LOCAL_ONLY = {"AUTH_BYPASS", "DEV_USER_SUB", "RATE_LIMIT_BYPASS"}
"""Settings that a deployed stage refuses, or that mean nothing there."""


class TestSettings:
    def test_only_settings_reads_the_environment(self) -> None:
        for file in [*PROJECT.glob("shared/**/*.py"), *PROJECT.glob("functions/**/*.py")]:
            if file.name != "settings.py":
                assert not re.search(r"\b(environ|getenv)\b", file.read_text()), file

    def test_the_template_sets_every_setting_but_the_local_ones(self) -> None:
        everywhere = set(variables(SHARED_PROPERTIES)).union(*map(variables, FUNCTIONS.values()))
        assert everywhere - {"POWERTOOLS_LOG_LEVEL"} == settings_read() - LOCAL_ONLY

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_each_function_is_given_what_it_reads_and_nothing_else(self, name: str) -> None:
        shared, own = set(variables(SHARED_PROPERTIES)), set(variables(FUNCTIONS[name]))
        in_template = shared.union(*map(variables, FUNCTIONS.values()))
        used = used_settings(name)
        assert (used & in_template) - shared - own == set(), "read, and set for other functions, but not here"
        if "DATABASE_URL" in used - {"MIGRATIONS_DATABASE_URL"}:
            own -= FUNCTION_SECRETS  # one value for all: who needs the database has the rest with it
        assert own - used - {"POWERTOOLS_LOG_LEVEL"} == set(), "set, but never read here"

    def test_no_default_looks_like_a_secret(self) -> None:
        secretive = re.compile("(?i)(password|secret|token|key|url)$")
        for name, parameter in TEMPLATE["Parameters"].items():
            assert not (secretive.search(name) and parameter.get("Default")), name
        for owner in [SHARED_PROPERTIES, *FUNCTIONS.values()]:
            for name, value in variables(owner).items():
                if re.search("(KEY|SECRET|PASSWORD|TOKEN|DATABASE_URL)", name) and name != "POSTHOG_API_KEY":  # public
                    assert "{{resolve:secretsmanager:" in json.dumps(value), name
        text = (PROJECT / "shared" / "inlet" / "settings.py").read_text()
        for name, default in re.findall(r'_optional\("(\w+)", "([^"]+)"\)', text):
            assert not re.search("KEY|SECRET|PASSWORD|TOKEN|DATABASE", name), (name, default)

    def test_no_bypass_is_set_in_the_template(self) -> None:
        everywhere = set(variables(SHARED_PROPERTIES)).union(*map(variables, FUNCTIONS.values()))
        assert not {name for name in everywhere if "BYPASS" in name}


class TestTables:
    SQL = re.compile(r"\b(SELECT\b.*\bFROM|INSERT INTO|UPDATE\b.*\bSET|DELETE FROM|CREATE TABLE)\b", re.DOTALL)

    def test_all_sql_stands_in_table_modules(self) -> None:
        files = [*PROJECT.glob("shared/**/*.py"), *PROJECT.glob("functions/**/*.py")]
        with_sql = {
            file.name
            for file in files
            for node in source.parts(source.parsed(file))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and self.SQL.search(node.value)
        }
        assert with_sql == {file.name for file in files if file.name.endswith("_table.py")}


STAGES = list(PROGRESS)


class TestStages:
    """`PROGRESS` in image_jobs/rows.py is the list of stages; whatever repeats it says the same."""

    def test_the_schema_knows_the_stages(self) -> None:
        schema = (PROJECT / "migrations" / "0002_image_jobs.sql").read_text()
        (listed,) = re.findall(r"CHECK \(stage IN \(([^)]*)\)\)", schema)
        assert re.findall(r"'(\w+)'", listed) == [*STAGES, "failed"]

    def test_the_status_knows_the_stages(self) -> None:
        assert list(get_args(Stage.__value__)) == [*STAGES, "failed"]
        document = json.loads(openapi.DOCUMENT.read_text())
        assert document["components"]["schemas"]["Stage"]["enum"] == [*STAGES, "failed"]

    def test_each_stage_has_its_function_in_the_order_of_the_workflow(self) -> None:
        docstrings = {
            name: ast.get_docstring(ast.parse(handler(f"ImageStages{name}Function").read_text())) or ""
            for name in TASKS
            if name != "Fail"
        }
        in_order, state = [], STATE_MACHINE["StartAt"]
        while state in docstrings:
            in_order.append(state)
            state = STATE_MACHINE["States"][state].get("Next", "")
        said = [re.match(r"Stage (\d), (\w+) \((\d+)", docstrings[name]) for name in in_order]
        assert [(int(m[1]), m[2], int(m[3])) for m in said if m] == [
            (number, stage, PROGRESS[stage]) for number, stage in enumerate(STAGES, start=1)
        ]

    def test_the_readme_shows_the_stages(self) -> None:
        rows = re.findall(r"^\| (\w+) (\d+)[^|]*\| \[image_stages/", README, re.MULTILINE)
        assert [(name, int(progress)) for name, progress in rows] == list(PROGRESS.items())

    def test_the_page_shows_every_stage(self) -> None:
        shown = re.findall(r'data-stage="(\w+)"', (PROJECT / "web" / "photo.html").read_text())
        assert shown == STAGES


WAITS = {"GenerationQueued", "GenerationOverBudget", "GenerationNotConfigured"}
"""Errors of a call that must wait for its turn, for the next day, or for whoever mends our settings."""
THROTTLED = "Lambda.TooManyRequestsException"
"""What Lambda answers when a function, or the account, has no concurrency left."""


class TestStateMachine:
    def test_placeholders_substitutions_functions_and_permissions_agree(self) -> None:
        properties = RESOURCES["ProcessImageStateMachine"]["Properties"]
        assert properties["Type"] == "STANDARD", "EXPRESS would not start once per name"
        tasks = {state["Resource"].strip("${}"): name for name, state in TASKS.items()}
        assert tasks == {f"{name}FunctionArn": name for name in TASKS}
        assert properties["DefinitionSubstitutions"] == {
            f"{name}FunctionArn": {"Fn::GetAtt": [f"ImageStages{name}Function", "Arn"]} for name in TASKS
        }
        invoked = [policy["LambdaInvokePolicy"]["FunctionName"]["Ref"] for policy in properties["Policies"]]
        assert sorted(invoked) == sorted(f"ImageStages{name}Function" for name in TASKS)

    def test_error_names_are_classes(self) -> None:
        named = {error for state in TASKS.values() for retrier in state["Retry"] for error in retrier["ErrorEquals"]}
        assert named - {"States.ALL", THROTTLED} == STAGE_ERRORS, "each stage error is retried, or not, on purpose"
        assert errors.PUBLIC_STAGE_ERRORS <= STAGE_ERRORS

    @pytest.mark.parametrize("name", TASKS)
    def test_what_is_final_is_not_retried(self, name: str) -> None:
        final = {
            error for retrier in TASKS[name]["Retry"] if retrier["MaxAttempts"] == 0 for error in retrier["ErrorEquals"]
        }
        retried = {
            error for retrier in TASKS[name]["Retry"] if retrier["MaxAttempts"] for error in retrier["ErrorEquals"]
        }
        assert TASKS[name]["Retry"][-1]["ErrorEquals"] == ["States.ALL"]
        assert TASKS[name]["Retry"][-1]["MaxAttempts"] > 0, "a killed function is worth another try"
        if name == "Fail":
            assert final == set()
            return
        assert "StaleAttempt" in final
        imports = source.imported_modules(handler(f"ImageStages{name}Function"))
        assert ("ImageRejected" in final) == ("inlet.imaging" in imports)
        if name == "Generate":
            assert retried == {"GenerationTimedOut", "GenerationUnavailable", "States.ALL", THROTTLED} | WAITS
            assert {error for error in STAGE_ERRORS if error.startswith("Generation")} <= final | retried

    @pytest.mark.parametrize("name", TASKS)
    def test_every_failure_ends_in_fail(self, name: str) -> None:
        if name != "Fail":
            assert TASKS[name]["Catch"] == [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Fail"}]

    @pytest.mark.parametrize("name", TASKS)
    def test_a_function_is_dead_before_its_task_times_out(self, name: str) -> None:
        """Else a zombie could still be at work while its retry runs."""
        properties = SHARED_PROPERTIES | FUNCTIONS[f"ImageStages{name}Function"]
        assert properties["Timeout"] < TASKS[name]["TimeoutSeconds"]

    def test_the_model_call_ends_before_its_function(self) -> None:
        generate = FUNCTIONS["ImageStagesGenerateFunction"]
        assert float(variables(generate)["GEMINI_TIMEOUT_SECONDS"]) < generate["Timeout"] - 30

    def test_retries_are_jittered_and_capped(self) -> None:
        for state in TASKS.values():
            for retrier in state["Retry"]:
                if retrier["MaxAttempts"] > 1:
                    assert retrier["JitterStrategy"] == "FULL"
                    waits = set(retrier["ErrorEquals"]) <= WAITS | {THROTTLED}
                    assert retrier["MaxDelaySeconds"] <= (3600 if waits else 60)

    @pytest.mark.parametrize("name", TASKS)
    def test_a_task_without_concurrency_waits_in_line_for_hours(self, name: str) -> None:
        """Before the others: the first retrier that names an error, or States.ALL, is the only one that is asked."""
        first = TASKS[name]["Retry"][0]
        assert first["ErrorEquals"] == [THROTTLED]
        assert first["MaxAttempts"] * first["MaxDelaySeconds"] / 2 > 6 * 3600, "half the delay, with full jitter"

    def test_who_waits_in_line_outlasts_a_day_and_the_engines_history(self) -> None:
        """A state machine's execution may have 25,000 events; a retry of a task takes three."""
        retries = {error: one for one in TASKS["Generate"]["Retry"] for error in one["ErrorEquals"] if error in WAITS}
        assert retries.keys() == WAITS
        every = [one for task in TASKS.values() for one in task["Retry"]]
        assert sum(one["MaxAttempts"] for one in every) * 3 < 20_000
        longest = retries["GenerationOverBudget"]
        assert longest["MaxAttempts"] * longest["MaxDelaySeconds"] / 2 > 7 * 86_400, "half the delay, with full jitter"
        assert STATE_MACHINE["TimeoutSeconds"] >= 14 * 86_400


# What an AWS SDK call, or a presigned URL for it, needs. Without ListBucket, HeadObject and GetObject of a missing key
# answer 403 instead of 404.
PERMISSIONS = {
    "abort_multipart_upload": {"s3:AbortMultipartUpload"},
    "complete_multipart_upload": {"s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "delete_object": {"s3:DeleteObject"},
    "delete_objects": {"s3:DeleteObject"},
    "describe_execution": {"states:DescribeExecution"},
    "get_object": {"s3:GetObject", "s3:ListBucket"},
    "invoke": {"lambda:InvokeFunction"},
    "head_object": {"s3:GetObject", "s3:ListBucket"},
    "list_multipart_uploads": {"s3:ListBucketMultipartUploads"},
    "list_objects_v2": {"s3:ListBucket"},
    "list_parts": {"s3:ListMultipartUploadParts"},
    "post_to_connection": {"execute-api:ManageConnections"},
    "put_object": {"s3:PutObject"},
    "start_execution": {"states:StartExecution"},
    "upload_part": {"s3:PutObject"},
}
SDK_CALL = re.compile(
    "[a-z]+_(object|objects|objects_v2|multipart_upload|multipart_uploads|part|parts|execution)|[a-z_]+_connection|invoke"
)


def needed_permissions(function: str) -> set[str]:
    """What the calls need that a function can reach."""
    needed: set[str] = set()
    for node in source.reachable(handler(function)):
        for part in source.parts(node):
            if isinstance(part, ast.Attribute) and not isinstance(part.value, ast.Name) and part.attr in PERMISSIONS:
                needed |= PERMISSIONS[part.attr]  # client().put_object
            elif isinstance(part, ast.Constant) and part.value in PERMISSIONS:
                # Signed for somebody else, who gets the 403; or the name of a paginator.
                needed |= PERMISSIONS[part.value] - ({"s3:ListBucket"} if part.value == "get_object" else set())
    return needed


def present(declared: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is declared, with the first of what a condition chooses from."""
    return [one["Fn::If"][1] if "Fn::If" in one else one for one in declared]


def statements(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """What a function may do, with all that it may do under a condition."""
    policies = present(properties.get("Policies", []))
    return [statement for policy in policies for statement in present(policy["Statement"])]


def granted_permissions(properties: dict[str, Any]) -> set[str]:
    granted: set[str] = set()
    for statement in statements(properties):
        actions = statement["Action"]
        granted |= {actions} if isinstance(actions, str) else set(actions)
    return granted


class TestPermissions:
    def test_every_call_in_the_adapters_is_known_here(self) -> None:
        for name in ("deliverer", "live", "storage", "multipart_uploads", "workflow"):
            file = source.module_file(f"inlet.{name}")
            assert file is not None
            calls = {
                node.attr
                for node in source.parts(source.parsed(file))
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Call)
                and SDK_CALL.fullmatch(node.attr)
            }
            assert calls
            assert calls <= PERMISSIONS.keys()

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_a_function_may_do_what_its_code_calls_and_nothing_else(self, name: str) -> None:
        assert granted_permissions(FUNCTIONS[name]) == needed_permissions(name)

    def test_the_sweeper_may_ask_about_the_machine_by_its_name(self) -> None:
        name = RESOURCES["ProcessImageStateMachine"]["Properties"]["Name"]["Fn::Sub"]
        (asked,) = [
            statement["Resource"]["Fn::Sub"]
            for statement in statements(FUNCTIONS["OperationsSweepFunction"])
            if statement["Action"] == "states:DescribeExecution"
        ]
        assert asked.endswith(f":execution:{name}:*")

    def test_no_permission_is_for_everything(self) -> None:
        for name, properties in FUNCTIONS.items():
            for statement in statements(properties):
                assert statement["Resource"] != "*", name
                assert "*" not in json.dumps(statement["Action"]), name


# What each layer brings, as it is imported.
LAYERS = {
    "CoreLayer": {
        "aws_lambda_powertools",
        "boto3",
        "botocore",
        "cryptography",
        "cuid2",
        "email_validator",
        "multipart",
        "psycopg",
        "pydantic",
        "standardwebhooks",
        "urllib3",
    },
    "ImagingLayer": {"PIL", "pillow_heif"},
    "GenerationLayer": {"google", "httpx2"},
    "AnalyticsLayer": {"posthog", "requests"},
    "SiteLayer": {"mangum", "starlette"},
    "SharedLayer": {"inlet"},
    "MigrationsLayer": set[str](),
    "WebLayer": set[str](),
}


def layers_of(properties: dict[str, Any]) -> list[str]:
    """A function's layers; of those that a condition chooses from, each."""
    named = properties.get("Layers", [])
    return [layer["Ref"] for one in named for layer in one.get("Fn::If", [None, one])[1:]]


MUST_NOT_IMPORT = {
    "ImageJobsStatusFunction": {"boto3", "botocore.client", "pydantic", "cryptography", "cuid2"},
    "ImageStagesFailFunction": {"boto3", "botocore.client", "pydantic"},
    "ImageJobsProcessFunction": {"cuid2"},
    "OperationsMigrateFunction": {"boto3", "botocore.client", "pydantic"},
}
ONLY_IN_THEIR_OWN_FUNCTION = {"posthog", "requests", "google.genai", "PIL", "starlette", "fastapi", "sqlalchemy"}


class TestLayers:
    def test_all_are_used_and_known(self) -> None:
        declared = {name for name, r in RESOURCES.items() if r["Type"] == "AWS::Serverless::LayerVersion"}
        used = {layer for properties in [SHARED_PROPERTIES, *FUNCTIONS.values()] for layer in layers_of(properties)}
        assert declared == used == LAYERS.keys()

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_a_function_has_the_layers_of_what_it_imports(self, name: str) -> None:
        layers = {*layers_of(SHARED_PROPERTIES), *layers_of(FUNCTIONS[name])}
        trees = [source.Module("handler", handler(name)).tree]
        trees += [source.shared_module(module).tree for module in source.imported_modules(handler(name))]
        imported = set[str]().union(*map(source.third_party, trees)) - sys.stdlib_module_names
        brought = set[str]().union(*(LAYERS[layer] for layer in layers))
        assert imported - brought == set(), "not in any of its layers"
        for layer in layers - {"CoreLayer", "SharedLayer", "MigrationsLayer", "WebLayer"}:
            assert imported & LAYERS[layer], f"{layer} is not needed"

    @pytest.mark.parametrize("name", MUST_NOT_IMPORT)
    def test_a_function_loads_no_more_than_it_needs(self, name: str) -> None:
        """Every package that is loaded is paid for at each cold start."""
        code = "import handler, sys; print(*sys.modules)"
        path = f"{handler(name).parent}:{PROJECT / 'shared'}"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": path, "STAGE": "prod"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(done.stdout.split()) & (MUST_NOT_IMPORT[name] | ONLY_IN_THEIR_OWN_FUNCTION) == set()
