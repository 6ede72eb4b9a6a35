"""Reading an app's Python files without running any of them: which there are, and which web app they define."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

AppKind = Literal["fastapi", "starlette", "flask", "wsgi", "asgi"]

_LARGEST_FILE = 8 * 2**20
_DEEPEST = 3
_MOST_FILES = 2_000
_SKIPPED = frozenset({
    "venv", "env", "node_modules", "site-packages", "__pycache__", "build", "dist",
    "migrations", "tests", "test", "docs", "examples", "static", "media",
})  # fmt: skip
_USUAL_FILES = ("main.py", "app.py", "asgi.py", "wsgi.py", "application.py", "server.py", "api.py", "__init__.py")
_FRAMEWORKS: dict[str, AppKind] = {
    "FastAPI": "fastapi",
    "Starlette": "starlette",
    "Flask": "flask",
    "Quart": "asgi",
    "Litestar": "asgi",
}
_FACTORIES = ("create_app", "make_app", "build_app", "get_app")
_GENERIC_NAMES = ("application", "app")


@dataclass(frozen=True, slots=True)
class WebApp:
    """A web app found in the sources: ``module:name``, under ``root`` (a folder, empty for the project's own)."""

    kind: AppKind
    module: str
    name: str
    path: Path
    root: str = ""
    is_factory: bool = False

    @property
    def is_asgi(self) -> bool:
        return self.kind in ("fastapi", "starlette", "asgi")


def read_text(path: Path) -> str:
    """The text of a file; empty when it is none, cannot be read or is far too large."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_FILE:
            return ""
        return path.read_text("utf-8", errors="replace").removeprefix("\ufeff")
    except OSError:
        return ""


def python_files(folder: Path) -> list[Path]:
    """The app's own Python files, those near the top first; tests, environments and hidden folders are left out."""
    found = sorted(_walk(folder), key=lambda path: (len(path.parts), path))
    return found[:_MOST_FILES]


def _walk(folder: Path) -> Iterator[Path]:
    for top, folders, files in os.walk(folder):
        depth = len(Path(top).relative_to(folder).parts)
        folders[:] = [
            name for name in folders if depth < _DEEPEST and name not in _SKIPPED and not name.startswith(".")
        ]
        yield from (Path(top, name) for name in files if name.endswith(".py") and not name.startswith("test_"))


def parse(path: Path) -> ast.Module | None:
    """The file's syntax tree; None where it is not Python that this Python can read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(read_text(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def module_of(path: Path, folder: Path) -> tuple[str, str] | None:
    """A file's module name and the folder it is imported from; None for a path that no import can name."""
    parts = list(PurePosixPath(path.relative_to(folder).as_posix()).with_suffix("").parts)
    root = ""
    if parts[0] == "src" and len(parts) > 1:
        root = parts.pop(0)
    if parts[-1] == "__init__":
        parts.pop()
    if not parts or not all(part.isidentifier() for part in parts):
        return None
    return ".".join(parts), root


def find_web_app(folder: Path, files: Iterable[Path]) -> WebApp | None:
    """The web app in the files with usual names: one of a known framework first, else any WSGI or ASGI callable."""
    usual = sorted(
        (path for path in files if path.name in _USUAL_FILES),
        key=lambda path: (len(path.parts), _USUAL_FILES.index(path.name), path),
    )
    trees = [(path, tree, where) for path in usual if (tree := parse(path)) and (where := module_of(path, folder))]
    for search in (_framework_app, _factory, _generic_app):
        for path, tree, (module, root) in trees:
            if found := search(tree, path):
                kind, name = found
                return WebApp(kind, module, name, path, root, is_factory=search is _factory)
    return None


def assigned_calls(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each ``name = Something(...)`` of a module's top level, as (name, "Something")."""
    for node in tree.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if targets and isinstance(node, ast.Assign | ast.AnnAssign) and (called := _called(node.value)):
            yield from ((target.id, called) for target in targets if isinstance(target, ast.Name))


def _called(node: ast.AST | None) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else None


def _framework_app(tree: ast.Module, path: Path) -> tuple[AppKind, str] | None:
    return next(((_FRAMEWORKS[call], name) for name, call in assigned_calls(tree) if call in _FRAMEWORKS), None)


def _factory(tree: ast.Module, path: Path) -> tuple[AppKind, str] | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in _FACTORIES:
            for call in map(_called, ast.walk(node)):
                if call in _FRAMEWORKS:
                    return _FRAMEWORKS[call], node.name
    return None


def _generic_app(tree: ast.Module, path: Path) -> tuple[AppKind, str] | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in _GENERIC_NAMES:
            count = len(node.args.args)
            if isinstance(node, ast.AsyncFunctionDef) and count == 3:
                return "asgi", node.name
            if isinstance(node, ast.FunctionDef) and count == 2:
                return "wsgi", node.name
    if path.name in ("wsgi.py", "asgi.py"):
        names = set(_top_names(tree))
        if name := next((name for name in _GENERIC_NAMES if name in names), None):
            return ("asgi" if path.name == "asgi.py" else "wsgi"), name
    return None


def _top_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
