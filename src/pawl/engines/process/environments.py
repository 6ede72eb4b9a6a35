"""Python environments: one venv for each set of dependencies, made by uv, hard-linked from one cache.

Releases with the same dependencies share an environment, so a change of code alone installs nothing. An environment
that holds the project itself (a package, a local path) belongs to one tree only.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pawl import runner
from pawl.errors import CommandFailed, CommandTimedOut, StageFailed

COMPLETE = ".complete"
VENV = "VENV"  # stands in a recipe for the environment's path
_SYSTEM_BUNDLE = (
    "/etc/ssl/certs/ca-certificates.crt"  # what this machine trusts; uv's own list knows no local authority
)
_INCLUDE = re.compile(r"\s*(?:-[rc]\s*|--(?:requirement|constraint)[\s=]\s*)(\S+)")
_URL = re.compile(r"\b(?!file:)[a-z][a-z0-9+.-]*://\S*", re.IGNORECASE)
_COMMENT = re.compile(r"(?:^|\s)#.*")
_LOCAL = re.compile(r"/|\bfile:|^\s*(?:-e\b|--editable\b|\.+(?:\[.*\])?\s*$)|\.(?:whl|zip|tar\.\w+|tgz)\b")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an environment is made: commands to run in the source folder, and the key that equal ones share."""

    key: str
    commands: tuple[tuple[str, ...], ...]
    shell_command: str = ""


class Environments:
    """The folder of environments. ``build`` is idempotent; a half-made one is made anew."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder = folder
        self._cache = cache
        self._locks: dict[str, asyncio.Lock] = {}
        self.in_use: set[str] = set()
        """Keys that a build holds on to before a release names them."""

    def path(self, key: str) -> Path:
        return self._folder / key

    async def build(self, recipe: Recipe, source: Path, *, env: Mapping[str, str], log: Path, timeout_s: float) -> bool:
        """Make the environment unless it is complete; True when it was made now.

        Raises:
            StageFailed: an install command failed; the tail of its output is in ``detail``.
        """
        async with self._locks.setdefault(recipe.key, asyncio.Lock()):
            path = self.path(recipe.key)
            if (path / COMPLETE).exists():
                return False
            if path.exists():
                await asyncio.to_thread(shutil.rmtree, path)
            try:
                await self._make(recipe, path, source, self._variables(path, env), log, timeout_s)
                (path / COMPLETE).touch()
            except BaseException:
                shutil.rmtree(path, ignore_errors=True)
                raise
            return True

    async def _make(
        self, recipe: Recipe, path: Path, source: Path, variables: Mapping[str, str], log: Path, timeout_s: float
    ) -> None:
        for command in recipe.commands:
            words = [str(path) if word == VENV else word for word in command]
            await self._run(words, source, variables, log, timeout_s)
        if recipe.shell_command:
            await self._run(["/bin/sh", "-c", recipe.shell_command], source, variables, log, timeout_s)

    def keys(self) -> list[str]:
        return [path.name for path in self._folder.iterdir() if path.is_dir()]

    def remove(self, key: str) -> None:
        """Delete an environment that no release uses; its complete mark goes first."""
        if key in self.in_use:
            return
        path = self.path(key)
        (path / COMPLETE).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)

    def _variables(self, path: Path, env: Mapping[str, str]) -> dict[str, str]:
        return {
            **({"SSL_CERT_FILE": _SYSTEM_BUNDLE} if os.path.exists(_SYSTEM_BUNDLE) else {}),
            **env,
            "UV_CACHE_DIR": env.get("UV_CACHE_DIR", str(self._cache / "uv")),
            "UV_PROJECT_ENVIRONMENT": str(path),
            "VIRTUAL_ENV": str(path),
            "UV_LINK_MODE": "hardlink",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": env.get("UV_PYTHON_DOWNLOADS", "automatic"),
            "PATH": os.pathsep.join([str(path / "bin"), str(Path(uv_binary()).parent), env.get("PATH", os.defpath)]),
        }

    async def _run(self, argv: list[str], source: Path, env: Mapping[str, str], log: Path, timeout_s: float) -> None:
        try:
            await runner.run(argv, cwd=source, env=env, log=log, timeout_s=timeout_s)
        except CommandFailed as error:
            shown = argv[2] if argv[0] == "/bin/sh" else " ".join(["uv", *argv[1:4]])
            is_late = isinstance(error, CommandTimedOut)
            mend = "raise [build] timeout_s in pawl.toml" if is_late else "mend the dependencies"
            raise StageFailed(
                f"the environment could not be built: '{shown}' {runner.ending(error)}",
                why=error.why,
                next_step=f"{mend} and deploy again; the release that was live goes on",
                detail=error.detail,
            ) from error


def uv_binary() -> str:
    """The uv that was installed with Pawl, else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv") or "uv"


def recipe(source: Path, *, tree: str, install: str, python: str | None) -> Recipe:
    """How to make the environment for a source folder whose git tree is ``tree``.

    ``install`` is ``auto`` (uv.lock, else pyproject.toml, else requirements.txt, else nothing), ``none``, or a command.
    """
    digest = hashlib.sha256(f"{sys.implementation.cache_tag} {python} {install}".encode())
    _add_files(digest, source, [".python-version"])
    digest.update(str(_pyproject(source).get("project", {}).get("requires-python")).encode())
    uv = uv_binary()
    venv = (uv, "venv", "--quiet", *_python(source, python), VENV)
    pip = (uv, "pip", "install", "--compile-bytecode")
    if install not in ("auto", "none"):
        digest.update(tree.encode())
        return _recipe(digest, [venv], shell_command=install)
    if install == "none":
        return _recipe(digest, [venv])
    _refuse_unreadable_pyproject(source)
    if (source / "uv.lock").exists() and (source / "pyproject.toml").exists():
        _add_files(digest, source, ["uv.lock", "pyproject.toml"])
        _add_tree_of_package(digest, source, tree)
        chosen = ("--python", python) if python else _default_python(source)
        return _recipe(digest, [(uv, "sync", "--frozen", "--no-dev", "--no-editable", "--compile-bytecode", *chosen)])
    if (source / "pyproject.toml").exists():
        _add_files(digest, source, ["pyproject.toml"])
        is_package = _add_tree_of_package(digest, source, tree)
        what = (".",) if is_package else ("-r", "pyproject.toml")
        return _recipe(digest, [venv, (*pip, *what)] if _has_project(source) else [venv])
    if (source / "requirements.txt").exists():
        _add_requirements(digest, source, "requirements.txt", tree, seen=set())
        return _recipe(digest, [venv, (*pip, "-r", "requirements.txt")])
    return _recipe(digest, [venv])


def _recipe(digest: hashlib._Hash, commands: list[tuple[str, ...]], *, shell_command: str = "") -> Recipe:
    return Recipe(digest.hexdigest()[:20], tuple(commands), shell_command)


def _python(source: Path, python: str | None) -> tuple[str, ...]:
    return ("--python", python) if python else _default_python(source)


def _default_python(source: Path) -> tuple[str, ...]:
    """Pawl's own interpreter, unless the project says which it wants."""
    if (source / ".python-version").exists() or "requires-python" in _pyproject(source).get("project", {}):
        return ()
    return ("--python", os.path.realpath(sys.executable))


def _pyproject(source: Path) -> dict[str, dict[str, object]]:
    try:
        data = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: table for name, table in data.items() if isinstance(table, dict)}


def _refuse_unreadable_pyproject(source: Path) -> None:
    """Nothing would be installed without a word."""
    try:
        tomllib.loads((source / "pyproject.toml").read_text("utf-8"))
    except FileNotFoundError:
        return
    except ValueError as error:
        raise StageFailed(
            "pyproject.toml cannot be read", why=str(error), next_step="mend it and deploy again"
        ) from error


def _has_project(source: Path) -> bool:
    return "project" in _pyproject(source)


def _add_tree_of_package(digest: hashlib._Hash, source: Path, tree: str) -> bool:
    data = _pyproject(source)
    tool = data.get("tool", {}).get("uv", {})
    settings = tool if isinstance(tool, dict) else {}
    is_package = bool(settings.get("package", "build-system" in data))
    if is_package or "workspace" in settings or "sources" in settings:
        digest.update(tree.encode())
    return is_package


def _add_files(digest: hashlib._Hash, source: Path, names: list[str]) -> None:
    for name in names:
        path = source / name
        digest.update(name.encode() + b"\0" + (path.read_bytes() if path.is_file() else b"") + b"\0")


def _add_requirements(digest: hashlib._Hash, source: Path, name: str, tree: str, *, seen: set[str]) -> None:
    if name in seen:
        return
    seen.add(name)
    _add_files(digest, source, [name])
    try:
        lines = (source / name).read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        if include := _INCLUDE.match(line):
            beside = os.path.normpath(Path(name).parent / include[1])
            _add_requirements(digest, source, beside, tree, seen=seen)
        elif _LOCAL.search(_URL.sub("", _COMMENT.sub("", line))):
            digest.update(tree.encode())
