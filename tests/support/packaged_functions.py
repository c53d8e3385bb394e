"""The built functions against a running stack: what the sandboxes are to the source tree, on the emulator."""

import json
import sys
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from inlet.settings import FUNCTION_SECRETS
from local.stack import LocalStack
from local_aws.emulator import Emulator, emulate
from local_aws.sandboxes import Outcome
from scripts.build import PackagedFunction, packaged_functions

# Where the stack keeps its own copies; a packaged function brings its layer.
OWN_FILES = ("MIGRATIONS_DIRECTORY", "WEB_DIRECTORY")
# What a deployed stack refuses, and the template therefore does not name.
LOCAL_ONLY = ("AUTH_BYPASS", "DEV_USER_SUB", "RATE_LIMIT_BYPASS")


class PackagedFunctions:
    """Invokes built functions, each in an emulator of its own, started at its first invocation and kept.

    A function sees the variables that template.yaml gives it, with the stack's addresses, and no others.
    """

    def __init__(self, build: Path, stack: LocalStack) -> None:
        self._packaged = {function.logical_id: function for function in packaged_functions(build)}
        self._stack = stack
        self._emulators: dict[str, Emulator] = {}
        self._one_at_a_time: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._running = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def invoke(self, name: str, event: Any) -> Outcome:
        """As `Sandboxes.invoke`."""
        begun = time.monotonic()
        with self._one_at_a_time[name]:
            if name not in self._emulators:
                self._emulators[name] = self._running.enter_context(self._emulate(name))
            answer = self._emulators[name].invoke(event)
        return Outcome(name, "", time.monotonic() - begun, payload=answer.payload, error=answer.error)

    def log(self, name: str) -> str:
        """What a function has written."""
        return self._emulators[name].log

    def print_logs(self) -> None:
        """Print what every function has written; pytest shows it where a test failed."""
        for name in self._emulators:
            sys.stdout.write(f"--- {name}\n{self.log(name)}\n")

    def _emulate(self, name: str) -> Any:
        function, packaged = self._stack.template.functions[name], self._packaged[name]
        of_the_stack = {
            variable: value
            for variable, value in self._stack.environment.items()
            if variable in LOCAL_ONLY or (variable in packaged.variables and variable not in OWN_FILES)
        }
        return emulate(
            replace(function, folder=packaged.directory),
            packaged.layers,
            function.environment | of_the_stack | self._secrets(packaged),
        )

    def _secrets(self, packaged: PackagedFunction) -> dict[str, str]:
        """What CloudFormation would read for a function out of Secrets Manager."""
        known = self._stack.environment
        functions = json.dumps({name: known[name] for name in FUNCTION_SECRETS if name in known})
        resolved = {"SECRETS": functions, "MIGRATIONS_DATABASE_URL": known["DATABASE_URL"]}
        return {name: value for name, value in resolved.items() if name in packaged.variables}
