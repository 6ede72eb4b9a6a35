"""What is not counted but read, every few seconds: memory, processor, open files of instances; load and memory here.

Who has which pids is not known here; the caller hands them in with the instance's name. Values that only the engine
knows (restarts, requests in flight) come from the caller as :class:`Gauge` too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Gauge:
    """One value at one time. No app: it is of the machine.

    Names and units: ``rss`` bytes, ``cpu`` cores (1.0: one core busy), ``open_files``, ``restarts`` since the instance
    began, ``in_flight`` requests; of the machine ``load`` (1 min), ``memory_available`` bytes, ``memory_used_share``
    0..1.

    Of services (``services``): ``db_connections`` of the whole server, ``db_connections_share`` 0..1 of what it lets
    ordinary users have, ``db_active`` sessions that run a statement, ``db_bytes`` of the database, all with the
    database as ``instance``; ``queue_length`` messages that wait for a worker, with the queue as ``instance``.
    """

    name: str
    value: float
    app: str = ""
    release: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Values of one gauge over a time; ``+`` merges two times."""

    count: int
    total: float
    least: float
    most: float

    @classmethod
    def of(cls, value: float) -> Reading:
        return cls(1, value, value, value)

    def __add__(self, other: Reading) -> Reading:
        return Reading(
            self.count + other.count,
            self.total + other.total,
            min(self.least, other.least),
            max(self.most, other.most),
        )

    @property
    def mean(self) -> float:
        return self.total / self.count


@dataclass(frozen=True, slots=True)
class Processes:
    """An instance and its processes, itself and all its descendants."""

    app: str
    release: str
    instance: str
    pids: tuple[int, ...]


class ProcessGauges:
    """Reads processes; ``cpu`` is the use since the reading before, so an instance's first reading has none."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._used: dict[tuple[str, int, str], float] = {}
        self._at_s = 0.0

    def read(self, instances: Iterable[Processes], *, monotonic_s: float) -> list[Gauge]:
        """The gauges of each instance that has a living process. About 30 µs a process."""
        found: list[Gauge] = []
        used: dict[tuple[str, int, str], float] = {}
        elapsed_s = monotonic_s - self._at_s
        for one in instances:
            rss, files, cpu_s, is_alive, is_known = 0, 0, 0.0, False, False
            for pid in one.pids:
                facts = self._facts(pid)
                if facts is None:
                    continue
                is_alive = True
                rss, files = rss + facts.rss_bytes, files + facts.open_files
                process = (one.instance, pid, facts.began)
                used[process] = facts.cpu_s
                if process in self._used:
                    is_known = True
                cpu_s += facts.cpu_s - self._used.get(process, 0.0)
            values = {"rss": float(rss), "open_files": float(files)} if is_alive else {}
            if is_known and elapsed_s > 0:
                values["cpu"] = cpu_s / elapsed_s
            found += [Gauge(name, value, one.app, one.release, one.instance) for name, value in values.items()]
        self._used, self._at_s = used, monotonic_s
        return found

    def _facts(self, pid: int) -> _Facts | None:
        try:
            stat = (self._proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
            files = len(os.listdir(self._proc / str(pid) / "fd"))
        except OSError:  # it has ended, or belongs to somebody else
            return None
        if stat[0] in (b"Z", b"X"):
            return None
        cpu_s = (int(stat[11]) + int(stat[12])) / _TICKS_PER_S
        return _Facts(int(stat[21]) * _PAGE_BYTES, files, cpu_s, stat[19].decode())


@dataclass(frozen=True, slots=True)
class _Facts:
    rss_bytes: int
    open_files: int
    cpu_s: float
    began: str  # in clock ticks since boot: a pid that was used again is another process


def machine_gauges(proc: Path = Path("/proc")) -> list[Gauge]:
    """The gauges of the machine.

    Raises:
        OSError: there is no such ``/proc``.
    """
    load = float((proc / "loadavg").read_text().split()[0])
    values = {}
    for line in (proc / "meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            values[name] = int(rest.split()[0]) * 1024
    available, total = values["MemAvailable"], values["MemTotal"]
    return [
        Gauge("load", load),
        Gauge("memory_available", float(available)),
        Gauge("memory_used_share", 1 - available / total),
    ]
