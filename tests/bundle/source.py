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


@cache
def reachable(handler: Path) -> tuple[ast.AST, ...]:
    """A handler's module, and every definition of the shared package that it may come to use."""
    root = Module("handler", handler)
    found: list[ast.AST] = [root.tree]
    waiting = [name for name in root.references(root.tree) if name[0] != "handler"]
    seen: set[Name] = set()
    while waiting:
        module_name, name = waiting.pop()
        if (module_name, name) in seen:
            continue
        seen.add((module_name, name))
        module = shared_module(module_name)
        if (node := module.definitions.get(name)) is not None:
            found.append(node)
            waiting += module.references(node)
        elif name in module.imports:  # re-exported
            waiting.append(module.imports[name])
    return tuple(found)


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
