"""The demo's story: each step is a real command, run as a user would, while the load goes on."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.demo.load import Load
from pawl.errors import PawlError

APP = "antisocial"
# An answer that had begun when its process was killed: nothing can bring the rest of it.
_CUT_OFF = "IncompleteReadError"
_CHANGES = Path(__file__).with_name("changes")
# Long enough to see what a change does at the demo's traffic, short enough to look on.
# One reader without a password, who may also read feeds that this machine serves.
_SETTINGS = ("SOLO=1", "FETCH_ALLOW_NETWORKS=127.0.0.0/8")
_OBSERVE = "\n[observe]\nduration_s = 20\n"


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the closing table."""

    title: str
    took_s: float
    served: int
    failed: int
    note: str


class Demo:
    """One run of the demo in ``folder``. ``say`` shows a line of what happens next.

    ``failures`` are the requests that failed, by reason, but for those that a bad change failed while it was live, and
    answers that were cut off with the instance that is killed.
    """

    def __init__(self, folder: Path, *, port: int | None, rate: float, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.repository = folder / APP
        self._say = say
        self._rate = rate
        self._port = port
        self._env = {**os.environ, "PAWL_HOME": str(self.home), "PAWL_LEDGER": ""}  # a demo is no part of a team's
        self._load: Load | None = None
        self.steps: list[Step] = []
        self.failures: Counter[str] = Counter()
        self.url = ""

    def run(self) -> None:
        """All steps, in order.

        Raises:
            PawlError: a step did not end as it should.
        """
        self._clear()
        first, second, third, _, fifth = self._step(
            "a git history, from the example and its patches", self._make_history
        )
        self._step("pawl up", self._up)
        self._pawl("secrets", "set", APP, "SECRET_KEY", stdin=secrets.token_urlsafe(40))
        self._pawl("env", "set", APP, *_SETTINGS)
        self._step("deploy the first commit", lambda: self._deploy(first))
        self.url = self._status()["url"]
        self._load = Load(self.url, rate=self._rate, paths=("/", "/feeds/", "/healthz"))
        self._load.start()
        self._step("a steady load alone, for 3 s", lambda: time.sleep(3))
        self._step("deploy a change with a migration", lambda: self._deploy(second), note="kept")
        self._step("deploy a change that is not healthy", lambda: self._deploy(third, status=1), note="refused")
        self._expect_release(second)
        self._step(
            "deploy a change that fails now and then", lambda: self._deploy(fifth, status=1),
            note="taken back by itself", excused=lambda _reason: True,
        )  # fmt: skip
        self._expect_release(second)
        self._step("roll back by hand", lambda: self._pawl("rollback", APP))
        self._expect_release(first)
        self._step(
            "SIGKILL one of two web instances", self._kill_one,
            note="back by itself", excused=lambda reason: reason == _CUT_OFF,
        )  # fmt: skip
        time.sleep(1)
        self._load.stop()

    def _step(
        self, title: str, action: Callable[[], Any], *, note: str = "", excused: Callable[[str], bool] = lambda _: False
    ) -> Any:  # fmt: skip
        """Take a step of the story. ``excused`` tells of which failures, by their reason, the step is the cause."""
        self._say(f"== {title}")
        before, failed_before = self._counts(), self._failed()
        began = time.monotonic()
        answer = action()
        took_s = time.monotonic() - began
        served, failed = (after - old for after, old in zip(self._counts(), before, strict=True))
        self.steps.append(Step(title, took_s, served, failed, note))
        since = self._failed() - failed_before
        self.failures += Counter({reason: count for reason, count in since.items() if not excused(reason)})
        return answer

    def _failed(self) -> Counter[str]:
        return self._load.tally.failures.copy() if self._load else Counter()

    def _counts(self) -> tuple[int, int]:
        return (self._load.tally.served, self._load.tally.failed) if self._load else (0, 0)

    def _clear(self) -> None:
        if (self.home / "run").exists():
            self._pawl("down", quiet=True)
        if self.folder.exists():
            if not (self.folder / ".pawl-demo").exists() and any(self.folder.iterdir()):
                raise PawlError(f"{self.folder} is not empty", next_step="name another folder: pawl demo --folder DIR")
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        (self.folder / ".pawl-demo").touch()

    def _make_history(self) -> list[str]:
        shutil.copytree(example(), self.repository, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3", "var"))
        self._git("init", "--quiet", "--initial-branch=main")
        with (self.repository / "pawl.toml").open("a") as config:
            config.write(_OBSERVE)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "A feed reader: subscriptions, entries and one stream")
        for patch in sorted(_CHANGES.glob("*.patch")):
            self._git("am", "--quiet", "--keep-cr", str(patch))
        return self._git("rev-list", "--reverse", "HEAD").split()

    def _git(self, *arguments: str) -> str:
        identity = {
            "GIT_AUTHOR_NAME": "Ada Lovelace", "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada Lovelace", "GIT_COMMITTER_EMAIL": "ada@example.org",
        }  # fmt: skip
        done = subprocess.run(
            ["git", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", *arguments],
            cwd=self.repository, env={**os.environ, **identity}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise PawlError(f"git {arguments[0]} failed", why=done.stderr.strip()[-300:])
        return done.stdout

    def _up(self) -> None:
        self._pawl("up", "--port", str(self._port or _free_port()))

    def _deploy(self, commit: str, *, status: int = 0) -> None:
        self._pawl("deploy", str(self.repository), "--rev", commit, status=status)

    def _pawl(self, *arguments: str, status: int = 0, stdin: str = "", quiet: bool = False) -> str:
        shown = subprocess.DEVNULL if quiet else None
        if not quiet:
            self._say(f"$ pawl {' '.join(arguments).replace(str(self.folder) + '/', '')}")
        done = subprocess.run(
            [sys.executable, "-m", "pawl.cli.main", *arguments],
            env=self._env, input=stdin, text=True, stdout=shown, stderr=shown, check=False,
        )  # fmt: skip
        if done.returncode != status and not quiet:
            raise PawlError(
                f"'pawl {arguments[0]}' exited with {done.returncode}, not {status}",
                next_step=f"PAWL_HOME={self.home} pawl logs {APP}",
            )
        return ""

    def _status(self) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "pawl.cli.main", "status", APP, "--json"],
            env=self._env, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)["apps"][0]

    def _expect_release(self, commit: str) -> None:
        live = self._status()["live"]["commit"]
        if live != commit:
            raise PawlError(f"commit {live[:7]} is live, not {commit[:7]}")

    def _kill_one(self) -> None:
        def pids() -> set[int]:
            web = next(item for item in self._status()["processes"] if item["type"] == "web")["instances"]
            return {
                item["pid"] for item in web if item["role"] == "live" and item["state"] == "running" and item["pid"]
            }

        before = pids()
        victim = min(before)
        self._say(f"$ kill -9 {victim}")
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while len(pids() - {victim}) < len(before):
            if time.monotonic() > deadline:
                raise PawlError("the killed instance has not come back within 20 s")
            time.sleep(0.1)


def example() -> Path:
    """The example app: in an installed package beside this file, in a checkout under ``examples/``."""
    packaged = Path(__file__).with_name(APP)
    return packaged if packaged.exists() else Path(__file__).parents[3] / "examples" / APP


def _free_port() -> int:
    for wanted in (8080, 0):
        try:
            with socket.create_server(("127.0.0.1", wanted)) as probe:
                return int(probe.getsockname()[1])
        except OSError:
            continue
    raise PawlError("no free port on loopback")
