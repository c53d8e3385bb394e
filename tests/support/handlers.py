"""Loads a function's module in this process as Lambda does: from its file, under a name of its own."""

import importlib.util
import itertools
import sys
from types import ModuleType

from local.stack import PROJECT

_numbers = itertools.count(1)


def load(folder: str) -> ModuleType:
    """Return the module of `functions/{folder}/handler.py`, loaded anew at every call."""
    name = f"handler_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, PROJECT / "functions" / folder / "handler.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"There is no handler in functions/{folder}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
