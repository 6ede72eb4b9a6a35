"""Facts about processes, read from ``/proc``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CONNECTED = {b"02", b"03"}  # SS_CONNECTING (not yet accepted) and SS_CONNECTED in /proc/net/unix
_TCP_OPEN = {"01", "08"}  # ESTABLISHED, CLOSE_WAIT in /proc/net/tcp


@cache
def boot_id() -> str:
    """Changes with every boot, so that a pid noted before a reboot is never mistaken for a live one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken: its pid, its start time in clock ticks since boot, and which boot."""

    pid: int
    start_ticks: int
    boot: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return self.boot == boot_id() and start_ticks(self.pid) == self.start_ticks


def identify(pid: int) -> Identity | None:
    """The identity of a running process, None when there is none."""
    ticks = start_ticks(pid)
    return None if ticks is None else Identity(pid, ticks, boot_id())


def start_ticks(pid: int) -> int | None:
    """Field 22 of ``/proc/PID/stat`` (proc(5)); None for no such process or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def tree(pid: int) -> list[int]:
    """A process and all its descendants, itself first."""
    found = [pid]
    for parent in found:
        found.extend(children(parent))
    return found


def children(pid: int) -> list[int]:
    """The processes that a process has started and not yet waited for."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found.extend(int(child) for child in file.read().split())
        except OSError:
            continue  # a thread that has just ended
    return found


def programs(shell: int) -> list[int]:
    """The processes that a shell waits for, with those of its subshells; empty for what is no shell (any more)."""
    program = _program(shell)
    if program is None or program != os.path.realpath("/bin/sh"):
        return []
    return [found for child in children(shell) for found in programs(child) or [child]]


def _program(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None


def rss_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants, in bytes; pages they share are counted for each."""
    total = 0
    for member in tree(pid):
        try:
            with open(f"/proc/{member}/statm") as file:
                total += int(file.read().split()[1]) * _PAGE_BYTES
        except (OSError, IndexError):
            continue
    return total


def session_members(session: int) -> list[int]:
    """Every process of a session (field 6 of ``/proc/PID/stat``), zombies left out."""
    found = []
    for pid in _all_pids():
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in (b"Z", b"X"):
            found.append(pid)
    return found


def marked(variable: str, value: str) -> dict[int, str]:
    """Processes whose environment has ``variable=value…``: pid to the rest of the value.

    This finds what an earlier pawld started but was killed before it could write down.
    """
    needle = f"{variable}={value}".encode()
    found: dict[int, str] = {}
    for pid in _all_pids():
        for entry in _environ(pid):
            if entry.startswith(needle):
                found[pid] = entry[len(needle) :].decode("utf-8", "replace")
    return found


def has_variable(pid: int, variable: str, value: str) -> bool:
    """Whether a process was started with ``variable=value`` in its environment."""
    return f"{variable}={value}".encode() in _environ(pid)


def _environ(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def connections(address: str) -> int:
    """Open connections to a listening address: ``unix//path`` or ``127.0.0.1:port``; those not yet accepted count."""
    if address.startswith("unix/"):
        return _unix_connections(address.removeprefix("unix/"))
    return _tcp_connections(int(address.rpartition(":")[2]))


def _unix_connections(path: str) -> int:
    ending = f" {path}\n".encode()
    with open("/proc/net/unix", "rb") as file:  # the names of others' sockets may be no text
        return sum(1 for line in file if line.endswith(ending) and line.split()[5] in _CONNECTED)


def _tcp_connections(port: int) -> int:
    wanted = f":{port:04X}"
    count = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as file:
                rows = [line.split() for line in file][1:]
        except OSError:
            continue
        count += sum(1 for row in rows if row[1].endswith(wanted) and row[3] in _TCP_OPEN)
    return count


def available_share() -> float:
    """The share of this machine's memory that is available (0..1), the tighter of machine and control group."""
    values = {}
    with open("/proc/meminfo") as file:
        for line in file:
            name, _, rest = line.partition(":")
            values[name] = int(rest.split()[0]) * 1024
    share = values["MemAvailable"] / values["MemTotal"]
    return min(share, _available_share_of_group(Path("/sys/fs/cgroup")))


def _available_share_of_group(group: Path) -> float:
    """The same of a control group (cgroup v2), 1 without a limit; file cache that can be dropped is available."""
    try:
        limit = int((group / "memory.max").read_text())  # "max" is no number
        used = int((group / "memory.current").read_text())
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return 1.0
    return max(0.0, 1 - (used - int(statistics.get("inactive_file", 0))) / limit)
