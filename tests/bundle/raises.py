"""Which of Inlet's errors an endpoint may raise, read from the code it reaches without running it.

A function raises what its `raise` statements name and what the functions it mentions raise, less what a `try` around
them catches. It *makes* the errors that it constructs without raising them: a later `raise error` may mean any of them.
A method is looked up by its name in the classes of the modules that the endpoint imports.
"""

import ast
import inspect
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from inlet import errors
from inlet.errors import InletError
from tests.bundle import source
from tests.bundle.source import Module, Name

type Kinds = frozenset[type[InletError]]

NONE: Kinds = frozenset()
ERRORS: dict[str, type[InletError]] = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, InletError)
}
EVERY: Kinds = frozenset(ERRORS.values())


@dataclass(frozen=True)
class Effects:
    """The errors a piece of code may raise, and those it makes without raising them."""

    raised: Kinds = NONE
    made: Kinds = NONE

    def __or__(self, other: "Effects") -> "Effects":
        return Effects(self.raised | other.raised, self.made | other.made)


@dataclass
class Scope:
    """What `raise` may mean in a function: the module it stands in, and the errors caught around the statement."""

    module: Module
    made: Kinds = NONE
    caught: Kinds = NONE
    caught_as: dict[str, Kinds] = field(default_factory=dict)


class Analysis:
    """The effects of one handler's functions."""

    def __init__(self, handler: Path) -> None:
        self._root = Module("handler", handler)
        self._modules = {name: source.shared_module(name) for name in source.imported_modules(handler)}
        self._modules["handler"] = self._root
        self._methods: dict[str, list[tuple[Module, ast.FunctionDef]]] = {}
        for module in self._modules.values():
            for node in module.definitions.values():
                if isinstance(node, ast.ClassDef):
                    for method in node.body:
                        if isinstance(method, ast.FunctionDef):
                            self._methods.setdefault(method.name, []).append((module, method))
        self._known: dict[int, Effects] = {}

    def raised_by(self, function: str) -> Kinds:
        """Return what a function of the handler may raise."""
        node = self._root.definitions[function]
        assert isinstance(node, ast.FunctionDef)
        return self._of_function(self._root, node).raised

    def _of_function(self, module: Module, node: ast.FunctionDef) -> Effects:
        if id(node) not in self._known:
            self._known[id(node)] = Effects()  # a function that calls itself adds nothing by that
            # Twice: the second time round, `raise error` knows what the whole function makes.
            first = self._of_block(node.body, Scope(module))
            self._known[id(node)] = self._of_block(node.body, Scope(module, made=first.made))
        return self._known[id(node)]

    def _of_block(self, statements: list[ast.stmt], scope: Scope) -> Effects:
        effects = Effects()
        for statement in statements:
            effects |= self._of_statement(statement, scope)
        return effects

    def _of_statement(self, node: ast.stmt, scope: Scope) -> Effects:
        match node:
            case ast.Raise():
                return self._of_raise(node, scope)
            case ast.Try():
                return self._of_try(node, scope)
            case ast.With():
                return self._of_with(node, scope)
            case ast.FunctionDef():  # nested: as good as called
                return self._of_block(node.body, scope)
            case ast.AnnAssign():
                return self._of_expression(node.value, scope) if node.value else Effects()
        effects = Effects()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                effects |= self._of_statement(child, scope)
            elif isinstance(child, ast.match_case):
                effects |= self._of_block(child.body, scope)
            elif isinstance(child, ast.expr):
                effects |= self._of_expression(child, scope)
        return effects

    def _of_raise(self, node: ast.Raise, scope: Scope) -> Effects:
        if node.exc is None:
            return Effects(raised=scope.caught)
        inside = self._of_expression(node.exc, scope)
        named = frozenset(kind for part in source.parts(node.exc) if (kind := self._error(part, scope)))
        variable = isinstance(node.exc, ast.Name) and not named
        if variable:
            name = node.exc.id  # type: ignore[attr-defined]
            return Effects(raised=scope.caught_as.get(name, scope.made))
        return Effects(raised=named | inside.made | inside.raised)

    def _of_try(self, node: ast.Try, scope: Scope) -> Effects:
        body = self._of_block(node.body, scope)
        effects = Effects(made=body.made)
        left = body.raised
        for clause in node.handlers:
            caught = frozenset(kind for kind in left if issubclass(kind, self._caught_by(clause, scope)))
            left -= caught
            inner = Scope(
                scope.module, scope.made, caught, scope.caught_as | ({clause.name: caught} if clause.name else {})
            )
            effects |= self._of_block(clause.body, inner)
        effects |= Effects(raised=left)
        return effects | self._of_block(node.orelse, scope) | self._of_block(node.finalbody, scope)

    def _caught_by(self, clause: ast.ExceptHandler, scope: Scope) -> tuple[type[Exception], ...]:
        if clause.type is None:
            return (Exception,)
        types = clause.type.elts if isinstance(clause.type, ast.Tuple) else [clause.type]
        if any(isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException") for kind in types):
            return (Exception,)
        return tuple(kind for node in types if (kind := self._error(node, scope)))

    def _of_with(self, node: ast.With, scope: Scope) -> Effects:
        body = self._of_block(node.body, scope)
        around = Effects()
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "suppress":
                kinds = tuple(kind for argument in call.args if (kind := self._error(argument, scope)))
                body = Effects(frozenset(kind for kind in body.raised if not issubclass(kind, kinds)), body.made)
            else:
                around |= self._of_expression(call, scope)
        return body | around

    def _of_expression(self, node: ast.expr, scope: Scope) -> Effects:
        effects = Effects()
        for part in source.parts(node):
            if isinstance(part, ast.Call) and (kind := self._error(part.func, scope)):
                effects |= Effects(made=frozenset({kind}))
            elif isinstance(part, ast.Name) and part.id in scope.caught_as:
                effects |= Effects(made=scope.caught_as[part.id])
            elif isinstance(part, ast.Name | ast.Attribute):
                effects |= self._of_mention(part, scope)
        return effects

    def _of_mention(self, node: ast.Name | ast.Attribute, scope: Scope) -> Effects:
        """Return the effects of what a name or an attribute means, as if it were called."""
        target = _target(scope.module, node)
        if target is None:
            if isinstance(node, ast.Attribute):
                effects = Effects()
                for module, method in self._methods.get(node.attr, []):
                    effects |= self._of_function(module, method)
                return effects
            return Effects()
        holder = self._modules.get(target[0])
        if holder and target[1] not in holder.definitions:  # re-exported
            target = holder.imports.get(target[1], target)
            holder = self._modules.get(target[0])
        definition = holder.definitions.get(target[1]) if holder else None
        if holder and isinstance(definition, ast.FunctionDef):
            return self._of_function(holder, definition)
        return Effects()

    def _error(self, node: ast.AST, scope: Scope) -> type[InletError] | None:
        target = _target(scope.module, node)
        return ERRORS.get(target[1]) if target and target[0] == "inlet.errors" else None


def _target(module: Module, node: ast.AST) -> Name | None:
    """Return the module and the definition that a name or an attribute of a module refers to."""
    if isinstance(node, ast.Name):
        if node.id in module.definitions:
            return (module.name, node.id)
        imported = module.imports.get(node.id)
        return imported if imported and imported[1] else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        name, definition = module.imports.get(node.value.id, ("", ""))
        if name and not definition:
            return (name, node.attr)
    return None


@cache
def analysis(handler: Path) -> Analysis:
    """Return the analysis of a handler's file."""
    return Analysis(handler)
