"""One instance at run time: its record, its process, and what happened to it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from pawl.engines.process.handles import Handle
from pawl.engines.process.plans import Plan
from pawl.engines.process.records import Record, Records, Role

log = logging.getLogger(__name__)


class State(StrEnum):
    """What ``pawl ps`` shows; ``waiting`` is between a crash and the next try."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    CRASH_LOOP = "crash loop"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(eq=False, slots=True)
class Instance:
    """A record with a life. ``plan`` is None only for one adopted whose release is gone."""

    record: Record
    plan: Plan | None
    handle: Handle | None = None
    state: State = State.STARTING
    last_probe: str = ""
    exit_text: str = ""
    started_monotonic: float = 0.0
    records: Records | None = field(default=None, repr=False)
    is_saved: bool = True

    @property
    def is_web(self) -> bool:
        return self.record.process == "web"

    @property
    def is_alive(self) -> bool:
        return self.handle is not None and not self.handle.exited.is_set()

    @property
    def is_serving(self) -> bool:
        """Whether requests may be sent to it."""
        return self.can_serve and self.record.role is Role.LIVE

    @property
    def can_serve(self) -> bool:
        """The same of a candidate, which serves a part of the requests at most."""
        return self.is_web and self.is_alive and self.record.is_healthy

    def change(self, **changes: object) -> None:
        """Change the record, on disk as well."""
        self.record = msgspec.structs.replace(self.record, **changes)
        self.save()

    def save(self) -> None:
        """Write the record down; what a full disk refuses is made up for later, for what runs is what counts."""
        if self.records is None:
            return
        try:
            self.records.save(self.record)
            self.is_saved = True
        except OSError as error:
            log.error("the record of %s of %s cannot be written: %s", self.record.name, self.record.app, error)
            self.is_saved = False
