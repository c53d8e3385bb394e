"""Step Functions, imitated by moto's interpreter running the deployed state machine file unchanged.

Three seams into moto, bound to its exact version and guarded by tests/test_workflow_engine.py: Task states
call our sandboxes instead of a Lambda endpoint; StartExecution is atomic per name, as AWS promises and moto, a threaded
server without a lock, does not; a definition is read once, not for every execution, where it would be a third of the
work. Executions live in memory; a restart loses those that run.
"""

import io
import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from werkzeug.serving import make_server

from local_aws import invocations
from local_aws.cloudformation import ACCOUNT, REGION, unqualified
from local_aws.engine_door import Application, EngineDoor
from local_aws.invocations import Invocations
from local_aws.ports import HOST
from local_aws.sandboxes import Outcome, Throttled
from local_aws.template import Function, StateMachine

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

Invoke = Callable[[str, Any], Outcome]

_FUNCTION = re.compile(r'"(arn:aws:lambda:[^"]+)"')
ROLE = f"arn:aws:iam::{ACCOUNT}:role/local"

# moto keeps its state per process, so several stacks in one process (tests) share it. Function ARNs carry the stack's
# name; this says which stack's sandboxes an ARN means. Only functions that a machine of the template names are here.
_functions: dict[str, tuple[Invoke, str]] = {}


class WorkflowEngine:
    """The engine of one stack: its state machines, its tasks' functions, an endpoint for boto3."""

    def __init__(
        self,
        state_machines: list[StateMachine],
        functions: Mapping[str, Function],
        invoke: Invoke,
        others: Mapping[re.Pattern[str], Application] | None = None,
    ) -> None:
        self._state_machines = state_machines
        definitions = " ".join(machine.definition for machine in state_machines)
        by_arn = {function.arn: name for name, function in functions.items()}
        self._functions = {
            arn: (invoke, by_arn[unqualified(arn)])
            for arn in set(_FUNCTION.findall(definitions))
            if unqualified(arn) in by_arn
        }
        doors: dict[re.Pattern[str], Application] = {invocations.PATH: Invocations(functions, invoke), **(others or {})}
        self._door = EngineDoor(DomainDispatcherApplication(create_backend_app), doors)
        self._server = make_server(HOST, 0, self._door, threaded=True, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="workflow-engine", daemon=True)

    @property
    def endpoint_url(self) -> str:
        """Where StartExecution and Invoke are answered, for those who are told; it is a secret of this start."""
        return f"http://{HOST}:{self._server.server_port}{self._door.path}"

    def start(self) -> Self:
        """Listen, and create the state machines."""
        _functions.update(self._functions)
        self._thread.start()
        for machine in self._state_machines:
            self.client().create_state_machine(name=machine.name, definition=machine.definition, roleArn=ROLE)
        return self

    def stop(self) -> None:
        """Stop what runs, forget the state machines, close the endpoint."""
        client = self.client()
        for machine in self._state_machines:
            with suppress(client.exceptions.StateMachineDoesNotExist):  # somebody has deleted it already
                running = client.list_executions(stateMachineArn=machine.arn, statusFilter="RUNNING")["executions"]
                for execution in running:
                    client.stop_execution(executionArn=execution["executionArn"], error="Stopped")
                client.delete_state_machine(stateMachineArn=machine.arn)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for arn in self._functions:
            _functions.pop(arn, None)

    def client(self) -> "SFNClient":
        """Return a boto3 client of this engine."""
        return boto3.client(
            "stepfunctions",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106
            config=Config(proxies={}),
        )


class _LambdaClient:
    """As much of boto3's Lambda client as moto's Task state uses."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's spelling
        """Run the function behind the ARN in its stack's sandboxes, if its template's state machines name it.

        Lambda's own refusals are named as Step Functions names them.
        """
        if known := _functions.get(FunctionName):
            invoke, name = known
            try:
                outcome = invoke(name, json.loads(Payload))
            except Throttled:
                error = {"errorType": "Lambda.TooManyRequestsException", "errorMessage": "Rate Exceeded."}
                outcome = Outcome(name, "", 0, error=error)
        else:
            words = f"No state machine of the template names {FunctionName}."
            outcome = Outcome(FunctionName, "", 0, error={"errorType": "AccessDeniedException", "errorMessage": words})
        answer = outcome.payload if outcome.error is None else outcome.error
        response = {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}
        return response if outcome.error is None else response | {"FunctionError": "Unhandled"}


def _install_seams() -> None:
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    vars(lambda_eval_utils)["boto_client_for"] = lambda **_: _LambdaClient()
    start_execution = StepFunctionsParserBackend.start_execution
    lock = threading.Lock()

    def start_one_at_a_time(self: StepFunctionsParserBackend, *arguments: Any, **named: Any) -> Any:
        with lock:
            return start_execution(self, *arguments, **named)

    StepFunctionsParserBackend.start_execution = start_one_at_a_time  # type: ignore[method-assign]
    parse = cache(AmazonStateLanguageParser.parse)

    def parse_once(definition: str) -> tuple[Any, Any]:
        _, tree = parse(definition)
        return Preprocessor().visit(tree), tree  # the program is the execution's own, its tree is only read

    AmazonStateLanguageParser.parse = staticmethod(parse_once)  # type: ignore[method-assign]
    for chatty in ("moto", "werkzeug"):  # they log every request and every failed task; our own report says it shorter
        logging.getLogger(chatty).setLevel(logging.CRITICAL)


_install_seams()
