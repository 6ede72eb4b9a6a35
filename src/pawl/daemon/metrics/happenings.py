"""What the ledger says has happened, counted: read from its beginning once, and on from there at each scrape."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime

from pawl.daemon.metrics.exposition import Page
from pawl.ledger.base import Ledger
from pawl.ledger.events import (
    CrashLoop,
    DeployEnded,
    DeployQueued,
    Event,
    InstanceCrashed,
    MemoryExceeded,
    ProxyRestarted,
    VerdictReached,
    kind_of,
)
from pawl.ledger.records import Recorded
from pawl.model import DeployKind, Outcome

_AT_ONCE = 500  # events, some ten milliseconds
_COUNTED: tuple[type[Event], ...] = (
    DeployQueued, DeployEnded, VerdictReached, InstanceCrashed, CrashLoop, MemoryExceeded, ProxyRestarted,
)  # fmt: skip
_KINDS = frozenset(map(kind_of, _COUNTED))
_OF_A_PROCESS = {
    InstanceCrashed: "pawl_instance_crashes_total",
    CrashLoop: "pawl_crash_loops_total",
    MemoryExceeded: "pawl_memory_exceeded_total",
}
_VERDICTS = ("keep", "roll back", "inconclusive", "no data", "hard fail")


def unix(at: str) -> float:
    """An ISO 8601 time of the ledger as Unix time."""
    return datetime.fromisoformat(at).timestamp()


class LedgerTotals:
    """Counters of deploys, verdicts and crashes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seq = 0
        self._kinds: dict[str | None, DeployKind] = {}
        self._deploys: Counter[tuple[str, DeployKind, Outcome]] = Counter()
        self._verdicts: Counter[tuple[str, str]] = Counter()
        self._processes: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        self._ended: dict[str, float] = {}
        self._proxy_restarts = 0

    async def read(self) -> None:
        """Take in what was appended since the last time; other tasks run between two pieces.

        Raises:
            StateError: the ledger cannot be read.
        """
        while True:
            newest = self._ledger.events(limit=1, newest_first=True)
            found = self._ledger.events(after=self._seq, kinds=_KINDS, limit=_AT_ONCE)
            for recorded in found:
                self._add(recorded)
            if len(found) < _AT_ONCE:
                self._seq = max(self._seq, newest[0].seq if newest else 0)
                return
            self._seq = found[-1].seq
            await asyncio.sleep(0)

    def _add(self, recorded: Recorded) -> None:
        app = recorded.app or ""
        match recorded.event:
            case DeployQueued() as event:
                self._kinds[recorded.deploy] = event.deploy_kind
            case DeployEnded() as event:
                kind = self._kinds.pop(recorded.deploy, None)
                if kind is not None:  # a second end, or one of a deploy never queued, is none
                    self._deploys[app, kind, event.outcome] += 1
                    self._ended[app] = unix(recorded.at)
            case VerdictReached() as event:
                self._verdicts[app, event.observation.verdict] += 1
            case ProxyRestarted():
                self._proxy_restarts += 1
            case InstanceCrashed() | CrashLoop() | MemoryExceeded() as event:
                self._processes[_OF_A_PROCESS[type(event)]][app, event.process] += 1

    def show(self, page: Page, processes: Iterable[tuple[str, str]], apps: Iterable[str]) -> None:
        """Put every counter on the page, with 0 for these process types (app, type) and apps: what is to come."""
        for app in apps:
            for kind in DeployKind:
                for outcome in Outcome:
                    self._deploys[app, kind, outcome] += 0
            for verdict in _VERDICTS:
                self._verdicts[app, verdict] += 0
        for name in _OF_A_PROCESS.values():
            counts = self._processes[name]
            for app, process in {*counts, *processes}:
                page.add(name, counts[app, process], app=app, process=process)
        for (app, kind, outcome), count in self._deploys.items():
            page.add("pawl_deploys_total", count, app=app, kind=str(kind), outcome=str(outcome))
        for (app, verdict), count in self._verdicts.items():
            page.add("pawl_verdicts_total", count, app=app, verdict=verdict)
        for app, at in self._ended.items():
            page.add("pawl_app_last_deploy_timestamp_seconds", at, app=app)
        page.add("pawl_ledger_events_total", self._seq)
        page.add("pawl_proxy_restarts_total", self._proxy_restarts)
