"""What a SAM template declares, for this machine: all that a stack does comes from here."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from local_aws.cloudformation import Document, as_text, unqualified


@dataclass(frozen=True)
class Function:
    """One Lambda function. `timeout` in seconds, `memory` in MB; `concurrency`: executions at once, None for any."""

    name: str
    arn: str
    folder: Path
    handler: str
    timeout: float
    memory: int
    environment: dict[str, str]
    concurrency: int | None = None


@dataclass(frozen=True)
class Route:
    """One HTTP API route and the function behind it. `path` is `$default` for everything else."""

    method: str
    path: str
    function: str
    authorizer: str | None

    @property
    def key(self) -> str:
        """As in an event's `routeKey`."""
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True)
class Authorizer:
    """A JWT authorizer: whose tokens, made for whom, and of which scopes they must have one, if there are any."""

    issuer: str
    audience: list[str]
    scopes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Schedule:
    """A function to call every `seconds` with `event`."""

    function: str
    seconds: float
    event: Any


@dataclass(frozen=True)
class WebSocketRoutes:
    """A WebSocket API: the function behind each route key, and the expression that selects one for a message."""

    stage: str
    selection: str
    functions: dict[str, str]


@dataclass(frozen=True)
class StateMachine:
    """A workflow with its substitutions applied."""

    name: str
    arn: str
    definition: str


@dataclass(frozen=True)
class Template:
    """A SAM template, read for one stack name with parameter values laid over the declared defaults."""

    file: Path
    stack_name: str = "local"
    parameters: Mapping[str, str] = field(default_factory=dict)
    physical_names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _document(self) -> Document:
        return Document(self.file, self.stack_name, self.parameters, self.physical_names)

    @cached_property
    def functions(self) -> dict[str, Function]:
        """By logical id."""
        return {name: self._function(name, own) for name, own in self._document.of_type("Serverless::Function").items()}

    @cached_property
    def routes(self) -> list[Route]:
        """Every HttpApi event of every function."""
        authorization = self._http_api.get("Auth", {})
        return [
            Route(
                method=event.get("Method", "ANY").upper(),
                path=event.get("Path", "$default"),
                function=function,
                authorizer=_named(event.get("Auth", {}).get("Authorizer", authorization.get("DefaultAuthorizer"))),
            )
            for function, event in self._events("HttpApi")
        ]

    @cached_property
    def websocket_routes(self) -> WebSocketRoutes | None:
        """The WebSocket API, where there is one and clients find it."""
        by_arn = {function.arn: name for name, function in self.functions.items()}
        for declared in self._document.of_type("Serverless::WebSocketApi").values():
            if as_text(declared.get("DisableExecuteApiEndpoint", False)) == "true":
                return None
            functions = {key: by_arn[unqualified(route["FunctionArn"])] for key, route in declared["Routes"].items()}
            return WebSocketRoutes(
                declared.get("StageName", "default"), declared["RouteSelectionExpression"], functions
            )
        return None

    @cached_property
    def authorizers(self) -> dict[str, Authorizer]:
        """The API's JWT authorizers by name."""
        declared = self._http_api.get("Auth", {}).get("Authorizers", {})
        return {
            name: Authorizer(
                issuer=settings["JwtConfiguration"]["issuer"],
                audience=_listed(settings["JwtConfiguration"]["audience"]),
                scopes=_listed(settings.get("AuthorizationScopes", [])),
            )
            for name, settings in declared.items()
        }

    @cached_property
    def stage_variables(self) -> dict[str, str]:
        """What the API's stage adds to each event."""
        return {name: as_text(value) for name, value in self._http_api.get("StageVariables", {}).items()}

    @cached_property
    def cors(self) -> dict[str, Any] | None:
        """The API's CorsConfiguration, where it has one."""
        configuration = self._http_api.get("CorsConfiguration")
        return configuration if isinstance(configuration, dict) else None

    @cached_property
    def schedules(self) -> list[Schedule]:
        """Every schedule, enabled or not: a stage may switch them off, this machine wants them."""
        return [
            Schedule(function, _rate_seconds(event.get("Schedule") or event["ScheduleExpression"]), _input(event))
            for kind in ("Schedule", "ScheduleV2")
            for function, event in self._events(kind)
        ]

    @cached_property
    def state_machines(self) -> list[StateMachine]:
        """Definition files with `${Name}` replaced by the template's substitutions."""
        return [
            self._state_machine(name, properties)
            for name, properties in self._document.of_type("Serverless::StateMachine").items()
        ]

    @cached_property
    def buckets(self) -> dict[str, list[dict[str, Any]]]:
        """The CORS rules of every bucket by its physical name, in the S3 API's spelling."""
        return {
            self._document.physical_name(name): [
                {
                    "AllowedOrigins": _listed(rule["AllowedOrigins"]),
                    "AllowedMethods": _listed(rule["AllowedMethods"]),
                    "AllowedHeaders": _listed(rule.get("AllowedHeaders", [])),
                    "ExposeHeaders": _listed(rule.get("ExposedHeaders", [])),
                    "MaxAgeSeconds": int(rule.get("MaxAge", 0)),
                }
                for rule in bucket.get("CorsConfiguration", {}).get("CorsRules", [])
            ]
            for name, bucket in self._document.of_type("S3::Bucket").items()
        }

    @cached_property
    def _http_api(self) -> dict[str, Any]:
        own = next(iter(self._document.of_type("Serverless::HttpApi").values()), {})
        return self._document.section("Globals", "HttpApi") | own

    def _events(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        return [
            (function, event.get("Properties", {}))
            for function, properties in self._document.of_type("Serverless::Function").items()
            for event in properties.get("Events", {}).values()
            if event["Type"] == kind
        ]

    def _function(self, name: str, own: dict[str, Any]) -> Function:
        shared = self._document.section("Globals", "Function")
        properties = shared | own
        variables = {
            key: value
            for layer in (shared, own)
            for key, value in layer.get("Environment", {}).get("Variables", {}).items()
        }
        return Function(
            name=name,
            arn=self._document.arn(name),
            folder=(self.file.parent / properties["CodeUri"]).resolve(),
            handler=properties["Handler"],
            timeout=float(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            environment={key: text for key, value in variables.items() if not _is_secret(text := as_text(value))},
            concurrency=int(properties["ReservedConcurrentExecutions"])
            if "ReservedConcurrentExecutions" in properties
            else None,
        )

    def _state_machine(self, name: str, properties: dict[str, Any]) -> StateMachine:
        substitutions = properties.get("DefinitionSubstitutions", {})
        definition = (self.file.parent / properties["DefinitionUri"]).read_text()
        arn = self._document.arn(name)
        return StateMachine(
            name=arn.rpartition(":")[2],
            arn=arn,
            definition=re.sub(r"\$\{(\w+)}", lambda match: as_text(substitutions[match[1]]), definition),
        )


def _is_secret(text: str) -> bool:
    """Return whether CloudFormation would fetch the value from a secret store; here the environment may set it."""
    return text.startswith("{{resolve:")


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _named(authorizer: Any) -> str | None:
    return None if authorizer in (None, "NONE") else str(authorizer)


def _rate_seconds(expression: str) -> float:
    """Return the seconds between two calls: `rate(5 minutes)`."""
    match = re.fullmatch(r"rate\((\d+) (second|minute|hour|day)s?\)", expression.strip())
    if match is None:
        raise ValueError(f"The local run knows rate(…) schedules only, not {expression!r}")
    return int(match[1]) * {"second": 1, "minute": 60, "hour": 3600, "day": 86400}[match[2]]


def _input(event: dict[str, Any]) -> Any:
    """Return a schedule's constant input, else the event EventBridge itself sends."""
    if "Input" in event:
        return json.loads(event["Input"])
    return {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
