"""Which packages a project depends on, by its own files; nothing is installed, resolved or imported."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.config.sources import read_text

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*(?=$|[<>=!~;@#(,])")
_NOT_FOR_PRODUCTION = re.compile(r"dev|test|lint|doc|ci\b|local")
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
# An extra that brings a server with it.
_EXTRAS = {("fastapi", "standard"): "uvicorn", ("fastapi", "all"): "uvicorn"}


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Normalised names: what the project asks for in production, and what a lock file adds."""

    direct: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()
    is_packaged: bool = False
    """The project itself is installed along with them."""

    def has(self, name: str) -> bool:
        return name in self.direct or name in self.locked

    def first(self, names: Iterable[str]) -> str | None:
        """The first of the names among what is asked for, else among what is locked."""
        wanted = tuple(names)
        for there in (self.direct, self.locked):
            if found := next((name for name in wanted if name in there), None):
                return found
        return None


def find(folder: Path) -> Dependencies:
    """What ``pyproject.toml``, ``Pipfile``, ``requirements*.txt`` and lock files say; an unreadable one, nothing."""
    pyproject = _toml(folder / "pyproject.toml")
    requirements = [*_pyproject_requirements(pyproject), *_requirements_files(folder)]
    poetry = _table(pyproject, "tool", "poetry", "dependencies")
    pipfile = _table(_toml(folder / "Pipfile"), "packages")
    direct = {name for line in requirements for name in _names(line)} | {*map(_normal, (*poetry, *pipfile))}
    locked = {
        _normal(str(package.get("name", "")))
        for lock in _LOCKS
        for package in _list(_toml(folder / lock), "package", "packages")
        if isinstance(package, dict)
    }
    is_packaged = "build-system" in pyproject and _table(pyproject, "tool", "uv").get("package") is not False
    return Dependencies(frozenset(direct), frozenset(locked), is_packaged)


def _pyproject_requirements(pyproject: dict[str, Any]) -> list[str]:
    listed = _list(_table(pyproject, "project"), "dependencies")
    return [line for line in listed if isinstance(line, str)]


def _requirements_files(folder: Path) -> Iterator[str]:
    for path in sorted([*folder.glob("requirements*.txt"), *folder.glob("requirements/*.txt")]):
        if not _NOT_FOR_PRODUCTION.search(path.name):
            yield from read_text(path).splitlines()


def _names(requirement: str) -> Iterator[str]:
    match = _REQUIREMENT.match(requirement)
    if match is None:
        return
    name = _normal(match[1])
    yield name
    for extra in (match[2] or "").split(","):
        if brought := _EXTRAS.get((name, extra.strip())):
            yield brought


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except (ValueError, RecursionError):
        return {}


def _table(data: object, *keys: str) -> dict[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _list(table: dict[str, Any], *keys: str) -> list[Any]:
    return [item for key in keys if isinstance(table.get(key), list) for item in table[key]]
