"""Writes down what happens to instances and to the proxy."""

from __future__ import annotations

import logging
from typing import Any

from pawl.engines.process.instance import Instance
from pawl.errors import StateError
from pawl.ledger.base import Ledger
from pawl.ledger.events import CrashLoop, Event, InstanceCrashed, InstanceReplaced, MemoryExceeded, ProxyRestarted

log = logging.getLogger(__name__)


class LedgerWitness:
    """Each event goes to the ledger; a ledger that cannot be written to does not stop the supervision."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def crashed(self, instance: Instance, *, restarts: int, uptime_s: float) -> None:
        record = instance.record
        self._write(
            record.app,
            InstanceCrashed(
                process=record.process, instance=record.name, release=record.release, pid=record.pid,
                exit=instance.exit_text, restarts=restarts, uptime_s=round(max(0.0, uptime_s), 3),
            ),
        )  # fmt: skip

    def crash_loop(self, instance: Instance, *, restarts: int, within_s: float) -> None:
        record = instance.record
        self._write(
            record.app,
            CrashLoop(
                process=record.process, instance=record.name, release=record.release, restarts=restarts,
                within_s=round(within_s, 3),
            ),
        )  # fmt: skip

    def memory_exceeded(self, instance: Instance, *, rss_bytes: int, limit_bytes: int) -> None:
        record = instance.record
        self._write(
            record.app,
            MemoryExceeded(
                process=record.process, instance=record.name, release=record.release, rss_bytes=rss_bytes,
                limit_bytes=limit_bytes,
            ),
        )  # fmt: skip

    def replaced(self, instance: Instance, *, reason: str) -> None:
        record = instance.record
        self._write(
            record.app,
            InstanceReplaced(
                process=record.process, instance=record.name, release=record.release, reason=reason
            ),
        )  # fmt: skip

    def proxy(self, name: str, details: dict[str, Any]) -> None:
        """What Caddy's keeper reports."""
        log.info("%s %s", name, details or "")
        if name == "proxy restarted":
            self._write(None, ProxyRestarted(reason=str(details.get("reason", "it had died"))))

    def _write(self, app: str | None, event: Event) -> None:
        log.info("%s %s", app or "", event)
        try:
            self._ledger.append(event, app=app)
        except StateError as error:
            log.error("not in the ledger: %s", error)
