"""The user's repository, as ``pawl deploy`` sees it, and the road by which its commits travel."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pawl.errors import PawlError, UsageError, encodable

# A git hook has these set for its own repository, and git believes them more than the folder it runs in.
_OF_ANOTHER_REPOSITORY = frozenset({
    "GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_NAMESPACE",
})  # fmt: skip
# One commit and nothing else, whatever the user's own configuration has git push do besides.
_ALONE = ("--no-follow-tags", "--no-signed", "--recurse-submodules=no")


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository on this machine; ``path`` is its top folder, ``inside`` the app's folder below it or empty."""

    path: Path
    inside: str = ""

    @classmethod
    def at(cls, path: Path) -> Repository:
        """The repository that ``path`` is in. The app is at its top, unless ``path`` has a pawl.toml or Procfile.

        Raises:
            UsageError: there is no such folder, or no git repository, or no git.
        """
        if not path.is_dir():
            raise UsageError(f"there is no folder '{path}'", next_step="name the app's folder: pawl deploy PATH")
        done = _git(["rev-parse", "--show-toplevel"], path)
        if done.returncode != 0:
            if "dubious ownership" in done.stderr:
                raise UsageError(
                    f"git refuses '{path}'", why="it belongs to another user",
                    next_step=f"git config --global --add safe.directory {path.resolve()}",
                )  # fmt: skip
            raise UsageError(
                f"'{path}' is not in a git repository",
                why="Pawl deploys commits",
                next_step="make it one: git init && git add -A && git commit -m 'First commit'",
            )
        top = Path(done.stdout.removesuffix("\n"))
        here = path.resolve()
        is_app = any((here / name).is_file() for name in ("pawl.toml", "Procfile"))
        return cls(top, "" if here == top or not is_app else str(here.relative_to(top)))

    @property
    def folder(self) -> Path:
        """The app's folder."""
        return self.path / self.inside

    @property
    def name(self) -> str:
        """The name of the app's folder; bytes of it that are no text are replaced."""
        return self.folder.name.encode("utf-8", "replace").decode()

    def commit(self, revision: str) -> str:
        """The full id of the commit a revision names.

        Raises:
            UsageError: it names none.
        """
        if not revision or revision.startswith("-"):
            raise UsageError(f"'{revision}' is not a revision", next_step="name a commit, branch or tag: --rev main")
        done = _git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"], self.path)
        if done.returncode == 0:
            return done.stdout.strip().splitlines()[-1]
        if revision == "HEAD":
            raise UsageError(
                f"'{self.path}' has no commit yet", next_step="make one: git add -A && git commit -m 'First commit'"
            )
        raise UsageError(f"unknown revision '{revision}' in {self.path}", next_step="see: git log --oneline --all")

    def uncommitted(self) -> list[str]:
        """The files that differ from the last commit."""
        return _git(["status", "--porcelain", "--untracked-files=normal"], self.path).stdout.splitlines()

    def branch(self) -> str:
        """The branch that is checked out; ``main`` when none is."""
        return _git(["symbolic-ref", "--quiet", "--short", "HEAD"], self.path).stdout.strip() or "main"

    def between(self, old: str | None, new: str) -> list[str]:
        """The commits after ``old`` up to ``new`` by first parents, oldest first; only ``new`` without ``old``."""
        if old is None or _git(["merge-base", "--is-ancestor", old, new], self.path).returncode != 0:
            return [new]
        return _git(["rev-list", "--reverse", "--first-parent", f"{old}..{new}"], self.path).stdout.split()

    def send(self, sha: str, store: Path) -> None:
        """Push a commit to pawld's store; only what is not there yet travels.

        Raises:
            PawlError: git could not.
        """
        push(sha, store, cwd=self.path)

    def has_remote(self, name: str) -> bool:
        return _git(["remote", "get-url", name], self.path).returncode == 0

    def set_remote(self, name: str, url: str) -> None:
        """Add a remote, or point the one of this name elsewhere."""
        verb = "set-url" if self.has_remote(name) else "add"
        done = _git(["remote", verb, name, url], self.path)
        if done.returncode != 0:
            raise PawlError(f"the remote '{name}' could not be set", why=done.stderr.strip())


def push(sha: str, store: Path, *, cwd: Path, env: Mapping[str, str] | None = None) -> None:
    """Push one commit into the store, under a name that it keeps until its deploy has taken it over.

    Raises:
        PawlError: git could not.
    """
    words = ["push", "--quiet", "--no-verify", "--force", *_ALONE, str(store), f"{sha}:refs/incoming/{sha}"]
    done = _git(["-c", "push.pushOption=", *words], cwd, env)
    if done.returncode != 0:
        raise PawlError(
            "git could not bring the commit to pawld", why=" ".join(done.stderr.split())[-300:],
            next_step="see: pawl doctor",
        )  # fmt: skip


def author(path: Path) -> str:
    """Who asks: the user's name as git has it, else the login name."""
    done = _git(["config", "user.name"], path)
    return encodable(done.stdout.strip() or os.environ.get("USER", ""))


def _git(arguments: list[str], cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    if env is None:
        env = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    try:
        return subprocess.run(
            ["git", *arguments], cwd=cwd, capture_output=True, text=True, errors="surrogateescape", check=False,
            env={**env, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UsageError("git is not installed", next_step="install it, for example: apt install git") from error
