"""Starting and stopping the pawld of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from pawl.client.api import Client
from pawl.errors import PawlError, StateError, UsageError
from pawl.home import Home

_START_S = 40.0


def start(home: Home, arguments: list[str]) -> dict[str, object]:
    """Start pawld in the background and wait until it answers; what it says of itself.

    Raises:
        StateError, UsageError: it ended at once; its own words are passed on.
        StateError: it takes longer than 40 s, and goes on starting.
    """
    home.create()
    log = home.log / "pawld.log"
    _roll(log)
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    began = os.fstat(sink).st_size
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "pawl.daemon.main", *arguments],
            cwd="/", stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
            env={**os.environ, "PAWL_HOME": str(home.path)},
        )  # fmt: skip
    finally:
        os.close(sink)
    deadline = time.monotonic() + _START_S
    while process.poll() is None:
        try:
            answer = Client(home).get("ping", timeout_s=5)
            if answer["pid"] == process.pid:
                return answer
        except PawlError:
            pass  # not there yet, or too busy to answer
        if time.monotonic() > deadline:
            # To end it now would end the apps with it, which it may have taken over by now and which serve.
            raise StateError(
                f"pawld (pid {process.pid}) does not answer after {_START_S:g} s",
                why="it is still starting and was left to go on: it answers when it is ready",
                next_step=f"see: pawl status; what keeps it: {log}",
            )
        time.sleep(0.02)
    raise _why_it_ended(log, began, process.returncode)


def _roll(log: Path) -> None:
    if log.exists() and log.stat().st_size > 5_000_000:
        os.replace(log, log.with_suffix(".log.1"))


def _why_it_ended(log: Path, began: int, exit_status: int) -> PawlError:
    with log.open(errors="replace") as file:
        file.seek(began)
        lines = file.read().splitlines()
    what, *rest = [line.removeprefix("pawld: ") for line in lines if line.startswith("pawld: ")] or [""]
    if not what:
        return StateError("pawld ended at once", why=lines[-1] if lines else "", next_step=f"see: {log}")
    parts = dict(line.split(": ", 1) for line in rest if ": " in line)
    kind = UsageError if exit_status == UsageError.exit_code else StateError
    return kind(what, why=parts.get("why", ""), next_step=parts.get("next", ""))


def wait_gone(pid: int, timeout_s: float) -> bool:
    """Wait until a process has ended."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                if file.read().rpartition(b")")[2].split()[0] == b"Z":
                    return True
        except OSError:
            return True
        time.sleep(0.02)
    return False
