"""One process on this machine, known for sure: its pid alone could be another's by now.

A pid with its start time and the machine's boot names one process only, so a record of it can outlive the process
that wrote it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process; ``start_ticks`` is field 22 of ``/proc/PID/stat``."""

    pid: int
    start_ticks: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this pid now; None if there is none, or only a zombie."""
        try:
            # The name in parentheses may itself hold blanks and parentheses.
            fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
            boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]), boot_id)

    @classmethod
    def recorded(cls, path: Path) -> ProcessId | None:
        """The process recorded at ``path``, if it lives; None for no record, a broken one or a dead process."""
        try:
            record = json.loads(path.read_text())
            process = cls(int(record["pid"]), int(record["start_ticks"]), str(record["boot_id"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return process if process.is_alive() else None

    def record(self, path: Path) -> None:
        write_atomically(path, json.dumps(asdict(self)))

    def is_alive(self) -> bool:
        return ProcessId.of(self.pid) == self

    def rss_bytes(self) -> int:
        """Resident memory; 0 for a process that is gone."""
        try:
            pages = int(Path("/proc", str(self.pid), "statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")


def how_it_ended(exit_status: int | None) -> str:
    """An exit status in words.

    >>> how_it_ended(-9), how_it_ended(1), how_it_ended(None)
    ('it was ended by SIGKILL', 'it ended with status 1', 'it ended')
    """
    if exit_status is None:  # it was no child, so nobody told us
        return "it ended"
    return (
        f"it was ended by {signal.Signals(-exit_status).name}"
        if exit_status < 0
        else f"it ended with status {exit_status}"
    )


def write_atomically(path: Path, text: str) -> None:
    """Replace a small file of run state, mode 0600: a reader sees the old text or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.rename(path)


class Watched:
    """A process and its end: :attr:`ended` is done once it is gone, with its exit status if it was a child.

    Made inside a running event loop. A child is reaped here, so none is left as a zombie.
    """

    def __init__(self, process: ProcessId, *, is_child: bool) -> None:
        self.process = process
        self._is_child = is_child
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int | None] = self._loop.create_future()
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._end)

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens if it is gone."""
        if not self.ended.done():
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                return

    def forget(self) -> None:
        """Watch no longer; the process goes on."""
        if not self.ended.done():
            self.ended.cancel()
            self._close()

    def _end(self) -> None:
        self._close()
        self.ended.set_result(self._reap())

    def _reap(self) -> int | None:
        if not self._is_child:
            return None
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self.process.pid, 0)[1])
        except ChildProcessError:
            return None

    def _close(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
