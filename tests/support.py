"""What the tests that run the real thing share: a home, an app's repository, and the command line."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pawl.client.api import Client
from pawl.errors import PawlError
from pawl.home import Home
from tests import commands

HELLO = Path(__file__).parent / "apps" / "hello"
_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
_GIT_ENV = {
    "GIT_AUTHOR_NAME": "Ada Lovelace", "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Lovelace", "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


# Below those that the kernel gives to connections, of which any may be taken before a server comes to listen on it.
_PORTS = range(15_000, 32_768)
_NEXT = itertools.count(os.getpid() * 101)
_CLAIMS: deque[int] = deque()
_MOST_CLAIMS = 200


def free_port() -> int:
    """A free port, for this process alone: no other is given the same one while it may be in use."""
    for _ in _PORTS:
        port = _PORTS[next(_NEXT) % len(_PORTS)]
        with socket.socket() as probe, socket.socket(socket.AF_UNIX) as claim, suppress(OSError):
            claim.bind(f"\0pawl-test-port-{port}")  # a lock that the kernel lifts, however the process ends
            probe.bind(("", port))
            _CLAIMS.append(claim.detach())
            if len(_CLAIMS) > _MOST_CLAIMS:  # what had that port is long over
                os.close(_CLAIMS.popleft())
            return port
    raise AssertionError("every port is taken")


def lacking(what: str) -> NoReturn:
    """Say what this machine lacks for a test: a failure in CI, where nothing is skipped, and a skip elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def program(*names: str, package: str, folders: str = "") -> str:
    """The path of the first of these programs that is there; else a test lacks the Debian package.

    ``folders`` is where they are looked for before PATH: a pattern below ``/``.
    """
    first = map(str, sorted(Path("/").glob(folders))) if folders else ()
    path = os.pathsep.join([*first, os.environ["PATH"], "/usr/sbin", "/sbin"])
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    if found is None:
        lacking(f"the program {names[0]} is missing (Debian: apt-get install {package})")
    return found


def uv(*arguments: str, **env: str) -> None:
    """Run the uv of this environment, outside of it; it trusts what this machine trusts."""
    outside = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if os.path.exists(_TRUSTED):
        outside.setdefault("SSL_CERT_FILE", _TRUSTED)
    subprocess.run([Path(sys.executable).with_name("uv"), *arguments], env=outside | env, check=True)


def eventually(question: Callable[[], Any], *, within_s: float = 15.0) -> Any:
    """Ask again and again until the answer is true; the answer. Fails when time is up."""
    deadline = time.monotonic() + within_s
    while not (answer := question()):
        assert time.monotonic() < deadline, f"not true after {within_s:g} s: {question}"
        time.sleep(0.03)
    return answer


@dataclass(slots=True)
class Repository:
    """A git repository of an app under test."""

    path: Path

    def git(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env={**os.environ, **_GIT_ENV}, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.path / name).write_text(text)

    def commit(self, title: str = "A change", **files: str) -> str:
        """Write files (``pawl__toml`` stands for ``pawl.toml``) and commit everything; the commit's id."""
        self.write(**{name.replace("__", "."): text for name, text in files.items()})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", title)
        return self.git("rev-parse", "HEAD")


@dataclass(slots=True)
class Pawl:
    """A home and the commands run on it, as a user would run them."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0

    @property
    def home(self) -> Home:
        return Home(self.path)

    def environ(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PAWL_", "GIT_"))}
        return {**kept, **_GIT_ENV, "PAWL_HOME": str(self.path), "NO_COLOR": "1", **self.env, **more}

    def run(
        self, *arguments: str | Path, stdin: str = "", cwd: Path | None = None, timeout_s: float = 120, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """One command; its status, stdout and stderr."""
        return commands.run(
            list(map(str, arguments)), stdin=stdin, env=self.environ(**env), cwd=cwd, timeout_s=timeout_s
        )  # fmt: skip

    def spawn(self, *arguments: str | Path, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
        """One command in the background, in a group of its own as a shell would start it; for ``interrupt``."""
        return subprocess.Popen(
            [sys.executable, "-m", "pawl.cli.main", *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self.environ(**env), cwd=cwd, process_group=0,
        )  # fmt: skip

    def ok(self, *arguments: str | Path, stdin: str = "", cwd: Path | None = None) -> str:
        """One command that must succeed; its stdout."""
        done = self.run(*arguments, stdin=stdin, cwd=cwd)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str | Path) -> Any:
        """One reading command's object."""
        return json.loads(self.ok(*arguments, "--json"))

    def asked(self, *path: str, **query: Any) -> Any:
        """What pawld answers to a question of the API: for what is asked often, as a command takes long to start."""
        return Client(self.home).get(*path, **query)

    def up(self, *arguments: str, **env: str) -> None:
        """Start pawld, on a free port the first time."""
        self.port = self.port or free_port()
        words = ["up", "--port", str(self.port), *arguments]
        done = commands.run(words, stdin="", env=self.environ(**env), cwd=None, timeout_s=120)
        assert done.returncode == 0, done.stderr

    def pid(self) -> int:
        return int(self.asked("ping")["pid"])

    def kill_pawld(self) -> None:
        """SIGKILL to pawld; returns when it is gone."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_running(pid))

    def status(self, app: str = "hello") -> Any:
        return self.asked("status", app=app)["apps"][0]

    def live(self, app: str = "hello") -> str | None:
        live = self.status(app)["live"]
        return None if live is None else str(live["commit"])

    def instances(self, app: str = "hello", process: str = "web", role: str = "live") -> list[dict[str, Any]]:
        found = [item for item in self.status(app)["processes"] if item["type"] == process]
        return [instance for item in found for instance in item["instances"] if instance["role"] == role]

    def get(self, path: str = "/", app: str = "hello", *, timeout_s: float = 10) -> tuple[int, str]:
        """A request through the proxy: status and body."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("GET", path, headers={"Host": f"{app}.localhost:{self.port}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def processes(self) -> dict[int, str]:
        """Every process of this home that runs, by pid: what its PAWL_MARK says."""
        from pawl.engines.process.proc import marked

        identity = self.path / "id"
        return marked("PAWL_MARK", identity.read_text().strip() + ":") if identity.exists() else {}

    def destroy(self) -> None:
        """Stop everything of this home, by force where it must be."""
        try:
            pawld = int(Client(self.home).get("ping")["pid"])
        except PawlError:
            pawld = None
        self.run("down", "--timeout", "20")
        if pawld is not None and is_running(pawld):
            with_suppressed_kill(pawld)
        for pid in self.processes():
            with_suppressed_kill(pid)
        run = os.path.realpath(self.path / "run")
        if not run.startswith(str(self.path)):
            shutil.rmtree(run, ignore_errors=True)


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Ctrl-C in a terminal: SIGINT to the whole group; status, stdout and stderr."""
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def with_suppressed_kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def repository(path: Path, source: Path | None = None) -> Repository:
    """A new repository with a copy of ``source`` committed (nothing committed without it)."""
    if source is None:
        path.mkdir(parents=True)
    else:
        shutil.copytree(source, path)
    repo = Repository(path)
    repo.git("init", "--quiet", "--initial-branch=main")
    if source is not None:
        repo.commit("The first commit")
    return repo


@contextmanager
def running(path: Path, *arguments: str) -> Iterator[Pawl]:
    """A home with its pawld up (``arguments`` are of ``pawl up``); everything of it is ended afterwards."""
    pawl = Pawl(path)
    try:
        pawl.up(*arguments)
        yield pawl
    finally:
        pawl.destroy()
