"""How an app does just now, and how it went in the hour before: read once for all who look."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pawl.dashboard.place import Place
from pawl.errors import PawlError
from pawl.observe.signals import LoggedSignals, Window
from pawl.observe.tally import merged

_NOW_STEPS = 5
_HOUR_S = 3600
_STEP_S = 60
_FRESH_S = 4.0
_LATE_S = 60
"""Requests are counted some seconds after they end: a minute that is over for longer than this does not change."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The last minutes as one, and the last hour by the minute; ``trouble`` says why what is newest is missing."""

    now: Window | None = None
    hour: tuple[Window, ...] = ()
    trouble: str = ""

    @property
    def rates(self) -> list[float]:
        """Requests a second by the minute, without the minute that goes on."""
        return [one.rate_per_s for one in self.hour[:-1]]

    @property
    def p95s(self) -> list[float | None]:
        return [one.p95 for one in self.hour[:-1]]

    @property
    def error_shares(self) -> list[float | None]:
        return [one.error_share for one in self.hour[:-1]]


class Pulses:
    """The pulse of each app, asked again when it is older than some seconds, and only for what may have changed."""

    def __init__(self, place: Place, *, clock: Callable[[], float] = time.time) -> None:
        self._place = place
        self._clock = clock
        self._kept: dict[str, tuple[float, Pulse]] = {}

    async def of(self, apps: Sequence[str]) -> dict[str, Pulse]:
        """The pulse of each of these apps."""
        now = self._clock()
        stale = {
            app: self._kept[app][1].hour if app in self._kept else ()
            for app in apps
            if app not in self._kept or not 0 <= now - self._kept[app][0] < _FRESH_S
        }
        if stale:
            for app, pulse in (await self._read(stale, now)).items():
                self._kept[app] = (now, pulse)
        return {app: self._kept[app][1] for app in apps}

    async def _read(self, known: Mapping[str, tuple[Window, ...]], now: float) -> dict[str, Pulse]:
        try:
            return await self._place.ask(
                lambda source: {app: _pulse(source, app, hour, now) for app, hour in known.items()}
            )
        except PawlError as error:
            return {app: Pulse(trouble=error.what) for app in known}


def _pulse(source: LoggedSignals, app: str, known: tuple[Window, ...], now: float) -> Pulse:
    settled = [one for one in known if now - _HOUR_S - _STEP_S < one.began and one.ended < now - _LATE_S]
    began = settled[-1].ended if settled else now - _HOUR_S
    hour = (*settled, *source.buckets(app, began=began, ended=now, step_s=_STEP_S))
    last = hour[-_NOW_STEPS:]
    recent = Window(app, last[0].began, max(now, last[0].began + 1), merged(one.tally for one in last))
    try:
        source.check()
    except PawlError as error:
        return Pulse(recent, hour, error.what)
    return Pulse(recent, hour)
