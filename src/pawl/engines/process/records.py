"""What is written down of each instance, so that the next pawld can adopt it: one small JSON file each."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

import msgspec

from pawl.engines.process.proc import Identity


class Role(StrEnum):
    """What an instance is there for; roles and not history decide where the traffic goes."""

    TRIAL = "trial"
    LIVE = "live"
    WARM = "warm"
    ENDING = "ending"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One instance. ``name`` is its place (``web.1``), ``id`` is never used twice; times are Unix seconds.

    ``pid`` and ``start_ticks`` are 0 between being planned and being started. No environment is kept here: it is made
    anew from the release and the settings version, so secrets stay in one file.
    """

    id: str
    app: str
    process: str
    name: str
    release: str
    settings: int
    deploy: str
    address: str
    role: Role
    started_at: float
    log: str
    is_compound: bool
    stop_timeout_s: float
    pid: int = 0
    start_ticks: int = 0
    boot: str = ""
    restarts: int = 0
    warm_until: float = 0.0
    is_healthy: bool = False

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.start_ticks, self.boot)


class Records:
    """The folder of records. Each write replaces a whole file, so a kill leaves the old or the new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, record: Record) -> None:
        path = self._folder / f"{record.id}.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(record))
        os.replace(temporary, path)

    def delete(self, instance_id: str) -> None:
        for suffix in (".json", ".tmp", ".sock"):
            (self._folder / f"{instance_id}{suffix}").unlink(missing_ok=True)

    def load(self) -> list[Record]:
        """All records, oldest first; a file that cannot be read is removed, for its process carries a mark."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Record))
            except (OSError, msgspec.DecodeError):
                path.unlink(missing_ok=True)
        for path in self._folder.glob("*.tmp"):
            path.unlink(missing_ok=True)
        return sorted(found, key=lambda record: record.started_at)

    def socket(self, instance_id: str) -> Path:
        return self._folder / f"{instance_id}.sock"

    def sockets_without_record(self, known: set[str]) -> list[Path]:
        return [path for path in self._folder.glob("*.sock") if path.stem not in known]
