"""A handle on one process, started here or adopted: when it ends, and how to end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pawl.engines.process import proc
from pawl.errors import StageFailed
from pawl.runner import exit_text


class Handle:
    """One process. Its exit is noticed through a pidfd, so a pid used again by another process is never touched."""

    def __init__(self, identity: proc.Identity, child: subprocess.Popen[bytes] | None) -> None:
        self.identity = identity
        self.exited = asyncio.Event()
        self.exit_text = "ended"
        self._child = child
        self._pidfd: int | None = None

    @classmethod
    def spawn(
        cls, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, on_exit: Callable[[], None]
    ) -> Handle:
        """Start a process in a session of its own, its output appended to ``log``.

        Raises:
            StageFailed: it could not be started.
        """
        try:
            sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                child = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    start_new_session=True,
                    umask=0o022,
                )
            finally:
                os.close(sink)
        except OSError as error:
            raise StageFailed(
                f"'{argv[-1]}' could not be started", why=f"{error.strerror}: {error.filename}"
            ) from error
        identity = proc.identify(child.pid) or proc.Identity(child.pid, 0, proc.boot_id())
        handle = cls(identity, child)
        handle._watch(on_exit)
        return handle

    @classmethod
    def adopt(cls, identity: proc.Identity, *, on_exit: Callable[[], None]) -> Handle | None:
        """A handle on a process that an earlier pawld started; None when that very process is gone."""
        handle = cls(identity, None)
        try:
            handle._pidfd = os.pidfd_open(identity.pid)
        except OSError:
            return None
        if not identity.is_alive:  # asked after the pidfd is held: from here on the pid cannot change hands
            os.close(handle._pidfd)
            return None
        handle._watch(on_exit)
        return handle

    def _watch(self, on_exit: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        if self._pidfd is None:
            self._pidfd = os.pidfd_open(self.identity.pid)
        pidfd = self._pidfd

        def ended() -> None:
            loop.remove_reader(pidfd)
            for pid in proc.session_members(self.identity.pid):  # before the pid is free for another's session
                _signal(pid, signal.SIGKILL)
            if self._child is not None:
                self.exit_text = exit_text(self._child.wait())
            os.close(pidfd)
            self._pidfd = None
            self.exited.set()
            on_exit()

        loop.add_reader(pidfd, ended)

    def release(self) -> None:
        """Stop watching and leave the process alone."""
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def send(self, number: signal.Signals, *, to_children: bool = False) -> None:
        """Signal the process, or in place of a shell that waits for them, the programs it waits for.

        What these have started themselves is theirs to end: a worker pool that is signalled beside its master would
        drop what it is at.
        """
        if self._pidfd is None:
            return
        if to_children:
            programs = proc.programs(self.identity.pid)
            for pid in programs:
                _signal(pid, number)
            if programs:
                return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    async def end(self, *, timeout_s: float, to_children: bool = False) -> bool:
        """SIGTERM, time to finish, then SIGKILL to the whole session; True when it ended within its time."""
        self.send(signal.SIGTERM, to_children=to_children)
        try:
            async with asyncio.timeout(timeout_s):
                await self.exited.wait()
        except TimeoutError:
            self.kill()
            await self.exited.wait()
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to the process and everything in its session."""
        if self.exited.is_set():
            return
        for pid in proc.session_members(self.identity.pid):
            _signal(pid, signal.SIGKILL)
        self.send(signal.SIGKILL)


def kill_marked(variable: str, value: str) -> None:
    """SIGKILL to every process whose environment has just this: what left the session of who started it, too.

    Reads all of ``/proc``, which takes some milliseconds.
    """
    for pid in proc.marked(variable, value):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            pidfd = os.pidfd_open(pid)
            try:
                if proc.has_variable(pid, variable, value):  # asked once the pid cannot change hands
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
