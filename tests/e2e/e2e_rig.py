"""An app under test: its repository, its configuration, and the commands that are about it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.demo.load import Load, Tally
from tests.support import Pawl, Repository, repository

ISO_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
WEB = "python app.py --socket $SOCKET"


@dataclass(slots=True)
class App:
    """One app of a home."""

    pawl: Pawl
    name: str
    repo: Repository

    def configure(
        self, *, top: str = "", command: str = WEB, web: str = "", health: str = 'path = "/healthz"', more: str = "",
        title: str = "Configure", **files: str,
    ) -> str:  # fmt: skip
        """Write pawl.toml (``web`` and ``health`` are lines of those tables, ``more`` further tables) and commit.

        Deploys are not watched unless ``more`` says how.
        """
        more = more if "[observe]" in more else f'{more}\n[observe]\nmode = "off"'
        text = (
            f"app = {json.dumps(self.name)}\n{top}\n[processes.web]\ncommand = {json.dumps(command)}\n{web}\n"
            f"[processes.web.health]\n{health}\n{more}\n"
        )
        return self.repo.commit(title, pawl__toml=text, **files)

    def say(self, version: str) -> str:
        """A commit that changes what the app answers; its id."""
        return self.repo.commit(f"Say {version}", VERSION=version)

    def deploy(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """``pawl deploy`` of this repository, which must end with this status."""
        done = self.pawl.run("deploy", self.repo.path, *arguments)
        assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def outcome(self, *arguments: str) -> dict[str, Any]:
        """``pawl deploy --json``: its last line."""
        done = self.pawl.run("deploy", self.repo.path, "--json", *arguments)
        last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return last

    def get(self, path: str = "/") -> tuple[int, str]:
        return self.pawl.get(path, self.name)

    def pids(self, process: str = "web", role: str = "live") -> set[int]:
        return {item["pid"] for item in self.pawl.instances(self.name, process, role)}

    def journal(self) -> list[list[str]]:
        """What tests/apps/hello/worker.py wrote down: time, process, release, pid, what."""
        path = self.pawl.home.data(self.name) / "journal"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def stream(self, path: str) -> Iterator[str]:
        """The lines of an answer as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.pawl.port, timeout=60)
        try:
            connection.request("GET", path, headers={"Host": f"{self.name}.localhost:{self.pawl.port}"})
            answer = connection.getresponse()
            while line := answer.readline():
                yield line.decode()
        finally:
            connection.close()

    @contextmanager
    def load(self, *, rate: float = 60, path: str = "/") -> Iterator[Tally]:
        """A steady load, which must go by without one failure."""
        load = Load(f"http://{self.name}.localhost:{self.pawl.port}/", rate=rate, paths=(path,))
        load.start()
        try:
            yield load.tally
        finally:
            tally = load.stop()
        assert not tally.failures, tally.failures
        assert tally.served > 0


def sibling(app: App, name: str) -> App:
    """Another app of the same home, with the same files under another name."""
    folder = app.repo.path.parent / name
    shutil.copytree(app.repo.path, folder, ignore=shutil.ignore_patterns(".git"))
    repo = repository(folder.with_name(f"{name}-repo"), folder)
    other = App(app.pawl, name, repo)
    other.configure()
    return other


def error_lines(stderr: str) -> list[str]:
    """The lines of the error that a command ended with."""
    lines = stderr.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("error: ")), None)
    assert start is not None, stderr
    return lines[start:]


def below(folder: Path, *, leave_out: tuple[str, ...] = ()) -> Iterator[Path]:
    """Every file and folder below a folder, but the named ones; what comes and goes meanwhile is no error."""

    def is_no_error(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for parent, folders, files in os.walk(folder, onerror=is_no_error):
        folders[:] = [name for name in folders if name not in leave_out]
        yield from (Path(parent, name) for name in [*folders, *files] if name not in leave_out)


def files_with(folder: Path, secret: str, *, leave_out: tuple[str, ...] = ()) -> list[Path]:
    """Every file below a folder that has a text in it, but those below the named folders."""
    found = []
    for path in below(folder, leave_out=leave_out):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink() and secret.encode() in path.read_bytes():
                found.append(path)
    return found
