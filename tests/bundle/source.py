"""What the source says without being run: which functions a handler can reach, and what those use."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from local.stack import PROJECT

type Name = tuple[str, str]  # a module, and what is defined in it ("" for all of it)

SHARED = PROJECT / "shared"


@cache
def parts(node: ast.AST) -> tuple[ast.AST, ...]:
    """A node and all below it. What many functions reach is walked through once."""
    return tuple(ast.walk(node))


@cache
def parsed(file: Path) -> ast.Module:
    """A file's tree; nobody may change it."""
    return ast.parse(file.read_text())


class Module:
    """One parsed file: its top-level definitions, and what its names were imported from."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.tree = parsed(file)
        self.package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        self.definitions: dict[str, ast.AST] = {}
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.definitions[node.name] = node
            elif isinstance(node, ast.Assign):
                self.definitions |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self.definitions[node.target.id] = node
        self.imports: dict[str, Name] = {}
        for imported in parts(self.tree):
            if isinstance(imported, ast.ImportFrom) and imported.module and imported.module.startswith("inlet"):
                for alias in imported.names:
                    whole = module_file(f"{imported.module}.{alias.name}")
                    target = (f"{imported.module}.{alias.name}", "") if whole else (imported.module, alias.name)
                    self.imports[alias.asname or alias.name] = target

    def references(self, node: ast.AST) -> Iterator[Name]:
        """What of the project a piece of this module mentions."""
        for part in parts(node):
            if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                module, name = self.imports.get(part.value.id, ("", ""))
                if module and not name:
                    yield (module, part.attr)
            elif isinstance(part, ast.Name):
                if part.id in self.definitions:
                    yield (self.name, part.id)
                elif part.id in self.imports and self.imports[part.id][1]:
                    yield self.imports[part.id]


def module_file(name: str) -> Path | None:
    """Where a module of the shared package lies."""
    place = SHARED.joinpath(*name.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


@cache
def shared_module(name: str) -> Module:
    """A module of the shared package."""
    file = module_file(name)
    assert file is not None, name
    return Module(name, file)


class _Reached:
    """What a handler may come to use, found by following names.

    Of a class that inherits nothing, only those methods count whose name is an attribute somewhere in what was found:
    who starts a workflow does not ask what became of one. Those of other classes, their bases may call. The same holds
    for what an object of the module is given by name: a stage that fails no job does not read what failing one does.
    """

    def __init__(self, root: Module) -> None:
        self.nodes: list[ast.AST] = []
        self._waiting: list[Name] = []
        self._seen: set[Name] = set()
        self._attributes: set[str] = set()
        self._methods: dict[str, list[tuple[Module, ast.AST]]] = {}
        self._add(root, root.tree)
        while self._waiting:
            self._follow(*self._waiting.pop())

    def _follow(self, module_name: str, name: str) -> None:
        if module_name == "handler" or (module_name, name) in self._seen:
            return
        self._seen.add((module_name, name))
        module = shared_module(module_name)
        node = module.definitions.get(name)
        if isinstance(node, ast.ClassDef) and not node.bases:
            for member in [*node.decorator_list, *node.body]:
                special = isinstance(member, ast.FunctionDef) and member.name.startswith("__")
                if not isinstance(member, ast.FunctionDef) or special or member.name in self._attributes:
                    self._add(module, member)
                else:
                    self._methods.setdefault(member.name, []).append((module, member))
        elif node is not None:
            for part in self._pieces(module, node):
                self._add(module, part)
        elif name in module.imports:  # re-exported
            self._waiting.append(module.imports[name])

    def _pieces(self, module: Module, node: ast.AST) -> Iterator[ast.AST]:
        """Yield a definition, in pieces if it makes an object of one of our classes: then its fields may wait."""
        made = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if not (
            isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and self._is_class(module, made.func.id)
        ):
            yield node
            return
        yield from (made.func, *made.args)
        for field in made.keywords:
            if field.arg is None or field.arg in self._attributes:
                yield field.value
            else:
                self._methods.setdefault(field.arg, []).append((module, field.value))

    @staticmethod
    def _is_class(module: Module, name: str) -> bool:
        if name in module.imports and module_file(module.imports[name][0]):
            module, name = shared_module(module.imports[name][0]), module.imports[name][1]
        return isinstance(module.definitions.get(name), ast.ClassDef)

    def _add(self, module: Module, node: ast.AST) -> None:
        self.nodes.append(node)
        self._waiting += module.references(node)
        fresh = {part.attr for part in parts(node) if isinstance(part, ast.Attribute)} - self._attributes
        self._attributes |= fresh
        for name in fresh:
            for method in self._methods.pop(name, []):
                self._add(*method)


@cache
def reachable(handler: Path) -> tuple[ast.AST, ...]:
    """A handler's module, and every definition of the shared package that it may come to use."""
    return tuple(_Reached(Module("handler", handler)).nodes)


@cache
def imported_modules(handler: Path) -> frozenset[str]:
    """The shared modules a handler imports, directly or not, at any time."""
    waiting, seen = list(Module("handler", handler).imports.values()), set[str]()
    while waiting:
        name, _ = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += shared_module(name).imports.values()
    return frozenset(seen)


@cache
def imports(tree: ast.AST) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """The imports of a file, at any time, but for those that only a type checker reads."""
    typing_only = {
        child
        for node in parts(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in parts(node)
    }
    return tuple(
        node for node in parts(tree) if isinstance(node, ast.Import | ast.ImportFrom) and node not in typing_only
    )


@cache
def third_party(tree: ast.AST) -> frozenset[str]:
    """The top-level packages a file imports."""
    found: set[str] = set()
    for node in imports(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif node.module:
            found.add(node.module.split(".")[0])
    return frozenset(found)
