"""Where measurements happen: a home of their own with a pawld, apps to deploy, and the load on them."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pawl.client.api import Client
from pawl.demo.load import Load, Tally
from pawl.engines.process.records import Record, Records, Role
from tests.support import Pawl, Repository, repository

APPS = Path(__file__).with_name("apps")
TINY = '[processes.web]\ncommand = "python tiny.py $SOCKET"\nhealth = "/"\n'
"""The pawl.toml of ``bench/apps/tiny`` as an app with one web instance."""
PYTHON = sys.executable
PAWL = str(Path(sys.executable).with_name("pawl"))


@dataclass(slots=True)
class Stage:
    """A home with its pawld up, in a temporary folder; ``folder`` is for what else a measurement needs."""

    folder: Path
    pawl: Pawl
    _count: int = field(default=0)

    @property
    def client(self) -> Client:
        return Client(self.pawl.home)

    def app(self, source: str, name: str = "", **files: str) -> Repository:
        """A repository with a copy of ``bench/apps/SOURCE`` in a folder of this name, with more files committed."""
        repo = repository(self.folder / (name or source), APPS / source)
        if files:
            self.change(repo, **files)
        return repo

    def change(self, repo: Repository, **files: str) -> str:
        """Commit a small change; the release it will be."""
        self._count += 1
        return repo.commit(f"Change {self._count}", VERSION=f"{self._count}\n", **files)[:12]

    def command(self, *arguments: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start ``pawl`` as a user would, or another program named by its path."""
        words = [str(word) for word in arguments]
        argv = words if words[0].startswith("/") else [PAWL, *words]
        return subprocess.Popen(
            argv, cwd=cwd, env=self.pawl.environ(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def timed(self, *arguments: str | Path, cwd: Path | None = None) -> tuple[float, float]:
        """Run a command that must end well; when it began and ended (monotonic seconds)."""
        began = time.monotonic()
        process = self.command(*arguments, cwd=cwd)
        said, _ = process.communicate(timeout=120)
        if process.returncode != 0:
            raise RuntimeError(f"{arguments} exited with {process.returncode}\n{said}")
        return began, time.monotonic()

    def deploy(self, repo: Repository) -> tuple[float, float]:
        """Unwatched: what is measured is the deploy, not how long one cares to look on."""
        return self.timed("deploy", repo.path, "--no-observe")

    def url(self, app: str) -> str:
        return f"http://{app}.localhost:{self.pawl.port}/"

    def records(self, app: str) -> list[Record]:
        """The live web instances of an app."""
        found = Records(self.pawl.home.instances).load()
        return [item for item in found if item.app == app and item.role is Role.LIVE and item.process == "web"]

    def stages(self, app: str) -> dict[str, float]:
        """How long each stage of the app's last deploy took, in seconds."""
        last: dict[str, Any] = self.client.get("apps", app, "deploys", limit=1)["deploys"][0]
        return {stage["stage"]: stage["duration_s"] for stage in last["stages"] if stage["duration_s"] is not None}

    def signed_in(self) -> tuple[int, str]:
        """The dashboard's port, and the cookie of a session as a header has it."""
        link = self.client.post("dashboard", "link", body={})
        port = int(link["port"])
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("POST", link["path"], headers={"Origin": f"http://127.0.0.1:{port}"})
            answer = connection.getresponse()
            answer.read()
            return port, str(answer.headers["set-cookie"]).partition(";")[0]

    def pids(self) -> tuple[int, int]:
        """Of pawld and of its Caddy."""
        answer = self.client.get("ping")
        return int(answer["pid"]), int(answer["proxy"]["pid"])


@contextmanager
def stage(*, is_up: bool = True) -> Iterator[Stage]:
    """A stage; everything on it is ended and deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    packages = Path(tempfile.gettempdir()) / "pawl-bench-uv"  # so that gunicorn is fetched once, not once a stage
    pawl = Pawl(folder / "home", env={"UV_CACHE_DIR": str(packages)})
    try:
        if is_up:
            pawl.up()
        yield Stage(folder, pawl)
    finally:
        pawl.destroy()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def load(url: str, *, rate: float, connections: int = 8) -> Iterator[Load]:
    """Keep-alive clients without retries for as long as the block lasts."""
    running = Load(url, rate=rate, connections=connections)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def first_served(tally: Tally, release: str, after: float, *, within_s: float = 15.0) -> float:
    """When the first answer of a release came that was asked for after a moment (monotonic seconds).

    Raises:
        RuntimeError: none came within ``within_s``.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        times = [one.due + one.latency_s for one in reversed(tally.answers[-20_000:]) if one.release == release]
        found = [at for at in times if at > after]
        if found:
            return min(found)
        time.sleep(0.01)
    raise RuntimeError(f"release {release} has not answered")


def cpu_s(pid: int) -> float:
    """The processor time a process has had so far, all its threads, to the nanosecond."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        total += int(path.read_text().split()[0])
    return total / 1e9


def memory_bytes(pid: int, what: str = "Rss") -> int:
    """``Rss`` or ``Pss`` (shared pages counted by their share) of one process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(what)
