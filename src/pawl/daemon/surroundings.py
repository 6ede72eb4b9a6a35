"""What apps stand on, read while pawld runs: their databases and queues, and the limits these are held against."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pawl.errors import PawlError
from pawl.ledger.base import Ledger
from pawl.observe.gauges import Gauge
from pawl.observe.services import Services
from pawl.observe.services.limits import Limits

READ_EVERY_S = 15.0
Environ = Callable[[str, str, int], Mapping[str, str]]


@dataclass(slots=True)
class _Kept:
    release: str
    settings: int
    services: Services


class Surroundings:
    """The services of every app that is live; ``environ`` tells what a release runs with, by app and settings."""

    def __init__(self, ledger: Ledger, environ: Environ) -> None:
        self._ledger = ledger
        self._environ = environ
        self._kept: dict[str, _Kept] = {}

    async def read(self) -> list[Gauge]:
        """One round of readings; a service that does not answer has none and keeps nobody waiting."""
        self._renew()
        rounds = await asyncio.gather(
            *(asyncio.to_thread(one.services.read) for one in self._kept.values() if one.services)
        )
        return [gauge for found in rounds for gauge in found]

    def trouble(self, app: str) -> str:
        """Why a service of the app had no reading; empty when all had one."""
        kept = self._kept.get(app)
        return kept.services.trouble if kept else ""

    def _renew(self) -> None:
        """Follow what is live: another release or other settings may name other services."""
        lives = {view.name: view.live for view in self._ledger.apps() if view.live is not None}
        for app, kept in list(self._kept.items()):
            live = lives.get(app)
            if live is None or (live.release, live.settings) != (kept.release, kept.settings):
                kept.services.close()
                del self._kept[app]
        for app, live in lives.items():
            if app not in self._kept:
                try:
                    environ = self._environ(app, live.release, live.settings)
                except PawlError:
                    continue  # its release is gone from the disk
                services = Services(environ, app=app, release=live.release)
                self._kept[app] = _Kept(live.release, live.settings, services)

    def close(self) -> None:
        """Let go of every connection."""
        for kept in self._kept.values():
            kept.services.close()


class LimitsOf:
    """The limits of one watch: called, it gives the lines said since the last call. Fed while somebody holds it."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._limits = Limits()
        self._lines: list[str] = []

    def add(self, gauges: Iterable[Gauge]) -> None:
        """Take in one round of readings, of which those of the app and of the machine count."""
        self._lines += self._limits.add(one for one in gauges if one.app in ("", self._app))

    def __call__(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines


class Fed:
    """All limits that are held just now."""

    def __init__(self) -> None:
        self._held: weakref.WeakSet[LimitsOf] = weakref.WeakSet()

    def limits(self, app: str) -> LimitsOf:
        """Limits for a watch over an app that begins now."""
        made = LimitsOf(app)
        self._held.add(made)
        return made

    def feed(self, gauges: list[Gauge]) -> None:
        for limits in list(self._held):
            limits.add(gauges)
