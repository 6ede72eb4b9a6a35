"""The one place that runs programs to their end: argument lists in, exit status and output out.

Long-lived instances are not run from here but by ``engines``, which must outlive them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.errors import CommandFailed, CommandTimedOut

_TAIL_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended; ``output`` is what it wrote to stdout (and to stderr, unless kept apart)."""

    exit_status: int
    output: bytes
    errors: bytes = b""

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")


async def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    log: Path | None = None,
    check: bool = True,
) -> Completed:
    """Run a program in its own session and wait for it.

    With ``log`` stdout and stderr are appended to that file (mode 0600) and ``output`` is its last 16 kB; without it
    both are held in memory, so only programs that say little may be run so. What it leaves in its process group is
    killed when it has ended; cancelling kills it, too.

    Raises:
        CommandTimedOut: it ran longer than ``timeout_s``.
        CommandFailed: it could not be started, or (with ``check``) ended non-zero.
    """
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600) if log else None
    pipe = asyncio.subprocess.PIPE
    try:
        process = await _begun(
            asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pipe if sink is None else sink,
                stderr=pipe if sink is None else sink,
                start_new_session=True,
            )
        )
    except OSError as error:
        raise CommandFailed(
            f"'{argv[0]}' could not be started", exit_status=127, why=str(error.strerror or error)
        ) from error
    finally:
        if sink is not None:
            os.close(sink)
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise CommandTimedOut(
            f"'{' '.join(argv[:4])}' was stopped", exit_status=-signal.SIGKILL,
            why=f"it ran longer than {timeout_s:g} s", detail=_last_lines(_tail(log)),
        ) from error  # fmt: skip
    finally:
        _kill_session(process.pid)
        if process.returncode is None:
            await process.wait()
    status = process.returncode if process.returncode is not None else -signal.SIGKILL
    completed = Completed(status, _tail(log).encode() if log else output or b"", errors or b"")
    if check and status != 0:
        said = (completed.errors or completed.output).decode("utf-8", "replace")
        raise CommandFailed(f"'{' '.join(argv[:4])}' {exit_text(status)}", exit_status=status, detail=_last_lines(said))
    return completed


async def _begun(creation: Coroutine[object, object, Process]) -> Process:
    """Wait until a program has begun; cancelled in this moment, it is not lost sight of but killed."""
    beginning = asyncio.ensure_future(creation)
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            process = await beginning
            _kill_session(process.pid)
            await process.wait()
        raise


def ending(error: CommandFailed) -> str:
    """How a program ended badly, in words; the ``why`` of one that was stopped says more."""
    return "was stopped" if isinstance(error, CommandTimedOut) else exit_text(error.exit_status)


def exit_text(status: int) -> str:
    """An exit status in words.

    >>> exit_text(3)
    'exited with 3'
    >>> exit_text(-9)
    'was killed by SIGKILL'
    """
    if status >= 0:
        return f"exited with {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def _kill_session(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-30:])


def _tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return file.read().decode("utf-8", "replace")
