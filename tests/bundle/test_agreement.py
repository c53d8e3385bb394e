"""What is said twice is said the same: template, folders, fixtures, README, API document, state machine, error names,
settings, permissions, layers."""

import ast
import inspect
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from samcli.yamlhelper import yaml_parse

from inlet import errors
from inlet.image_jobs.rows import PROGRESS, Stage
from inlet.settings import FUNCTION_SECRETS, Settings
from inlet.speaking_sessions.rows import ANALYSIS_PROGRESS, AnalysisStage
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


@dataclass(frozen=True)
class Workflow:
    """A state machine: its resource, its file, what its tasks' functions begin with, its stages with their progress."""

    resource: str
    file: str
    prefix: str
    progress: dict[str, int]

    @property
    def machine(self) -> dict[str, Any]:
        machine: dict[str, Any] = json.loads((PROJECT / "statemachines" / f"{self.file}.asl.json").read_text())
        return machine

    @property
    def tasks(self) -> dict[str, dict[str, Any]]:
        return {name: state for name, state in self.machine["States"].items() if state["Type"] == "Task"}

    def function(self, task: str) -> str:
        return f"{self.prefix}{task}Function"


PROCESS_IMAGE = Workflow(
    "ProcessImageStateMachine",
    "process_image",
    "ImageStages",
    {str(stage): progress for stage, progress in PROGRESS.items()},
)
ANALYSE_RECORDING = Workflow(
    "AnalyseRecordingStateMachine",
    "analyse_recording",
    "RecordingStages",
    {
        stage: progress for stage, progress in ANALYSIS_PROGRESS.items() if stage != "complete"
    },  # it is entered by no task
)
WORKFLOWS = [PROCESS_IMAGE, ANALYSE_RECORDING]
TASKS: list[tuple[Workflow, str]] = [(workflow, name) for workflow in WORKFLOWS for name in workflow.tasks]
each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.file)
each_task = pytest.mark.parametrize(("workflow", "name"), TASKS, ids=[f"{one.file}-{name}" for one, name in TASKS])
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
    return set.union(*settings_by_attribute().values()) - {"AWS_REGION", "_X_AMZN_TRACE_ID"}


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
        assert everywhere - {"POWERTOOLS_LOG_LEVEL", "RELEASE"} == settings_read() - LOCAL_ONLY

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


class TestEvents:
    MADE = re.compile(r"(?:_of_upload|_of_session|record_of_user|#track)\(\s*\"(\w+)\"")

    def test_the_table_of_events_has_what_the_source_makes_and_nothing_else(self) -> None:
        rows = (PROJECT / "docs" / "api.md").read_text().partition("## Analytics events")[2]
        names = [re.findall(r"`(\w+)`", first) for first in re.findall(r"^\| ([^|]*)\|", rows, re.MULTILINE)]
        listed = {name for row in names for name in row}
        source_text = "".join(
            file.read_text() for file in [*PROJECT.glob("shared/**/*.py"), *PROJECT.glob("web/client/*.js")]
        )
        assert set(self.MADE.findall(source_text)) <= listed
        unknown = {name for name in listed if not re.search(rf"[\"']{name}[\"']", source_text)}
        assert unknown == set(), "nothing sends these"


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
        ledgers = {"model_calls.py"}  # of each family, over a table that its own module names
        assert with_sql == {file.name for file in files if file.name.endswith("_table.py")} | ledgers


STAGES = list(PROGRESS)


class TestStages:
    """`PROGRESS` in each family's rows.py is the list of stages; whatever repeats it says the same."""

    @pytest.mark.parametrize(
        ("migration", "progress"),
        [("0002_image_jobs", {**PROGRESS}), ("0012_analysis", {**ANALYSIS_PROGRESS})],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_the_schema_knows_the_stages(self, migration: str, progress: dict[str, int]) -> None:
        schema = (PROJECT / "migrations" / f"{migration}.sql").read_text()
        (listed,) = re.findall(r"CHECK \(stage IN \(([^)]*)\)\)", schema)
        assert re.findall(r"'(\w+)'", listed) == [*progress, "failed"]

    def test_the_status_knows_the_stages(self) -> None:
        assert list(get_args(Stage.__value__)) == [*STAGES, "failed"]
        assert list(get_args(AnalysisStage.__value__)) == [*ANALYSIS_PROGRESS, "failed"]
        schemas = json.loads(openapi.DOCUMENT.read_text())["components"]["schemas"]
        assert schemas["Stage"]["enum"] == [*STAGES, "failed"]
        assert schemas["AnalysisStage"]["enum"] == [*ANALYSIS_PROGRESS, "failed"]

    @each_workflow
    def test_each_stage_has_its_function_in_the_order_of_the_workflow(self, workflow: Workflow) -> None:
        docstrings = {
            name: ast.get_docstring(ast.parse(handler(workflow.function(name)).read_text())) or ""
            for name in workflow.tasks
            if name != "Fail"
        }
        in_order, state = [], workflow.machine["StartAt"]
        while state in docstrings:
            in_order.append(state)
            state = workflow.machine["States"][state].get("Next", "")
        said = [re.match(r"Stage (\d), (\w+) \((\d+)", docstrings[name]) for name in in_order]
        assert [(int(m[1]), m[2], int(m[3])) for m in said if m] == [
            (number, stage, progress) for number, (stage, progress) in enumerate(workflow.progress.items(), start=1)
        ]

    @each_workflow
    def test_the_readme_shows_the_stages(self, workflow: Workflow) -> None:
        folder = Path(FUNCTIONS[workflow.function("Fail")]["CodeUri"]).parent.name
        rows = re.findall(rf"^\| (\w+) (\d+)[^|]*\| \[{folder}/", README, re.MULTILINE)
        assert [(name, int(progress)) for name, progress in rows] == list(workflow.progress.items())

    def test_the_page_shows_every_stage(self) -> None:
        shown = re.findall(r'data-stage="(\w+)"', (PROJECT / "web" / "photo.html").read_text())
        assert shown == STAGES


WAITS = {"GenerationQueued", "GenerationOverBudget", "GenerationNotConfigured"}
"""Errors of a call that must wait for its turn, for the next day, or for whoever mends our settings."""
THROTTLED = "Lambda.TooManyRequestsException"
"""What Lambda answers when a function, or the account, has no concurrency left."""


def is_paid(function: str) -> bool:
    """Whether a function may call a model that is billed."""
    return "GEMINI_TIMEOUT_SECONDS" in variables(FUNCTIONS[function])


def mentions(function: str, name: str) -> bool:
    """Whether code that a function can reach names this class."""
    nodes = source.reachable(handler(function))
    return any(isinstance(part, ast.Name) and part.id == name for node in nodes for part in source.parts(node))


class TestStateMachine:
    def test_every_machine_of_the_template_is_known_here(self) -> None:
        machines = {name for name, one in RESOURCES.items() if one["Type"] == "AWS::Serverless::StateMachine"}
        assert machines == {workflow.resource for workflow in WORKFLOWS}

    @each_workflow
    def test_placeholders_substitutions_functions_and_permissions_agree(self, workflow: Workflow) -> None:
        properties = RESOURCES[workflow.resource]["Properties"]
        assert properties["Type"] == "STANDARD", "EXPRESS would not start once per name"
        assert properties["DefinitionUri"] == f"statemachines/{workflow.file}.asl.json"
        tasks = {state["Resource"].strip("${}"): name for name, state in workflow.tasks.items()}
        assert tasks == {f"{name}FunctionArn": name for name in workflow.tasks}
        assert properties["DefinitionSubstitutions"] == {
            f"{name}FunctionArn": {"Ref": f"{workflow.function(name)}.Version"} for name in workflow.tasks
        }
        # Any version: what runs while a deployment comes ends in the versions it began with.
        statements = [one for policy in properties["Policies"] for one in policy["Statement"]]
        (statement,) = [one for one in statements if one["Action"] == "lambda:InvokeFunction"]
        invoked = [resource["Fn::Sub"] for resource in statement["Resource"]]
        assert sorted(invoked) == sorted(f"${{{workflow.function(name)}.Arn}}:*" for name in workflow.tasks)

    def test_error_names_are_classes(self) -> None:
        named = {
            error
            for workflow, name in TASKS
            for retrier in workflow.tasks[name]["Retry"]
            for error in retrier["ErrorEquals"]
        }
        assert named - {"States.ALL", THROTTLED} == STAGE_ERRORS, "each stage error is retried, or not, on purpose"
        assert errors.PUBLIC_STAGE_ERRORS <= STAGE_ERRORS

    @each_task
    def test_what_is_final_is_not_retried(self, workflow: Workflow, name: str) -> None:
        retriers = workflow.tasks[name]["Retry"]
        final = {error for retrier in retriers if retrier["MaxAttempts"] == 0 for error in retrier["ErrorEquals"]}
        retried = {error for retrier in retriers if retrier["MaxAttempts"] for error in retrier["ErrorEquals"]}
        assert retriers[-1]["ErrorEquals"] == ["States.ALL"]
        assert retriers[-1]["MaxAttempts"] > 0, "a killed function is worth another try"
        if name == "Fail":
            assert final == set()
            return
        assert "StaleAttempt" in final
        imports = source.imported_modules(handler(workflow.function(name)))
        assert ("ImageRejected" in final) == ("inlet.imaging" in imports)
        assert ("RecordingRejected" in final) == mentions(workflow.function(name), "RecordingRejected")
        if is_paid(workflow.function(name)):
            assert retried == {"GenerationTimedOut", "GenerationUnavailable", "States.ALL", THROTTLED} | WAITS
            assert {error for error in STAGE_ERRORS if error.startswith("Generation")} <= final | retried

    @each_task
    def test_every_failure_ends_in_fail(self, workflow: Workflow, name: str) -> None:
        if name != "Fail":
            caught = workflow.tasks[name]["Catch"]
            assert caught == [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Fail"}]

    @each_task
    def test_a_function_is_dead_before_its_task_times_out(self, workflow: Workflow, name: str) -> None:
        """Else a zombie could still be at work while its retry runs."""
        properties = SHARED_PROPERTIES | FUNCTIONS[workflow.function(name)]
        assert properties["Timeout"] < workflow.tasks[name]["TimeoutSeconds"]

    def test_the_model_call_ends_before_its_function(self) -> None:
        paid = [workflow.function(name) for workflow, name in TASKS if is_paid(workflow.function(name))]
        assert len(paid) == 3
        for name in paid:
            assert float(variables(FUNCTIONS[name])["GEMINI_TIMEOUT_SECONDS"]) < FUNCTIONS[name]["Timeout"] - 30

    def test_retries_are_jittered_and_capped(self) -> None:
        for workflow, name in TASKS:
            for retrier in workflow.tasks[name]["Retry"]:
                if retrier["MaxAttempts"] > 1:
                    assert retrier["JitterStrategy"] == "FULL"
                    waits = set(retrier["ErrorEquals"]) <= WAITS | {THROTTLED}
                    assert retrier["MaxDelaySeconds"] <= (3600 if waits else 60)

    @each_task
    def test_a_task_without_concurrency_waits_in_line_for_hours(self, workflow: Workflow, name: str) -> None:
        """Before the others: the first retrier that names an error, or States.ALL, is the only one that is asked."""
        first = workflow.tasks[name]["Retry"][0]
        assert first["ErrorEquals"] == [THROTTLED]
        assert first["MaxAttempts"] * first["MaxDelaySeconds"] / 2 > 6 * 3600, "half the delay, with full jitter"

    @each_workflow
    def test_who_waits_in_line_outlasts_a_day_and_the_engines_history(self, workflow: Workflow) -> None:
        """A state machine's execution may have 25,000 events; a retry of a task takes three."""
        every = [one for task in workflow.tasks.values() for one in task["Retry"]]
        assert sum(one["MaxAttempts"] for one in every) * 3 < 20_000
        for name in workflow.tasks:
            if is_paid(workflow.function(name)):
                retriers = workflow.tasks[name]["Retry"]
                retries = {error: one for one in retriers for error in one["ErrorEquals"] if error in WAITS}
                assert retries.keys() == WAITS
                longest = retries["GenerationOverBudget"]
                days = longest["MaxAttempts"] * longest["MaxDelaySeconds"] / 2 / 86_400
                assert days > 7, "half the delay, with full jitter"
        assert workflow.machine["TimeoutSeconds"] >= 14 * 86_400


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

    def test_the_sweeper_may_ask_about_each_machine_by_its_name(self) -> None:
        names = [RESOURCES[workflow.resource]["Properties"]["Name"]["Fn::Sub"] for workflow in WORKFLOWS]
        (asked,) = [
            [resource["Fn::Sub"].partition(":execution:")[2] for resource in statement["Resource"]]
            for statement in statements(FUNCTIONS["OperationsSweepFunction"])
            if statement["Action"] == "states:DescribeExecution"
        ]
        assert asked == [f"{name}:*" for name in names]

    def test_no_permission_is_for_everything(self) -> None:
        for name, properties in FUNCTIONS.items():
            for statement in statements(properties):
                assert statement["Resource"] != "*", name
                assert "*" not in json.dumps(statement["Action"]), name


OF_THE_RUNTIME = {"snapshot_restore_py"}
"""What Lambda's Python brings by itself."""
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
    "MediaLayer": {"audioop", "av"},
    "SpeechLayer": {"audioop", "av", "pocketsphinx"},
    "AnalyticsLayer": {"posthog", "requests"},
    "SiteLayer": {"mangum", "starlette"},
    "SharedLayer": {"inlet"},
    "MigrationsLayer": set[str](),
    "WebLayer": set[str](),
}


def layers_of(properties: dict[str, Any]) -> list[str]:
    """A function's layers; of those that a condition chooses from, each."""
    named = properties.get("Layers", [])
    chosen = [layer["Ref"] for one in named for layer in one.get("Fn::If", [None, one])[1:]]
    return [name for name in chosen if name != "AWS::NoValue"]


MUST_NOT_IMPORT = {
    "ImageJobsStatusFunction": {"boto3", "botocore.client", "pydantic", "cryptography", "cuid2"},
    "ImageStagesFailFunction": {"boto3", "botocore.client", "pydantic"},
    "SpeakingSessionsListFunction": {"boto3", "botocore.client", "pydantic"},
    "RecordingStagesTranscribeFunction": {"pydantic"},
    "RecordingStagesAnalyseFunction": {"pydantic"},
    "ImageJobsProcessFunction": {"cuid2"},
    "OperationsMigrateFunction": {"boto3", "botocore.client", "pydantic"},
}
ONLY_IN_THEIR_OWN_FUNCTION = {
    "av",
    "fastapi",
    "google.genai",
    "PIL",
    "pocketsphinx",
    "posthog",
    "requests",
    "sqlalchemy",
    "starlette",
}


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
        imported = set[str]().union(*map(source.third_party, trees)) - sys.stdlib_module_names - OF_THE_RUNTIME
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
