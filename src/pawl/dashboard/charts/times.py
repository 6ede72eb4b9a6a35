"""The time axis: ticks at round local times, right over changes of the clock, and times in words.

The zone None is the machine's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_Kind = Literal["second", "minute", "hour", "day", "week", "month", "year"]
_LENGTH_S: dict[_Kind, int] = {
    "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400,
    "year": 365 * 86_400,
}  # fmt: skip
_EVERY: tuple[tuple[_Kind, tuple[int, ...]], ...] = (
    ("second", (1, 2, 5, 10, 15, 30)), ("minute", (1, 2, 5, 10, 15, 30)), ("hour", (1, 2, 3, 4, 6, 12)),
    ("day", (1, 2)), ("week", (1, 2)), ("month", (1, 2, 3, 6)), ("year", (1, 2, 5, 10, 20, 50, 100)),
)  # fmt: skip
_WIDEST: dict[_Kind, float] = {"second": 1.5}  # "12:30:15" is wider than "26 Nov" and "12:30"
_SAMPLE_S = 6 * 3600  # no clock changes twice in this time


@dataclass(frozen=True, slots=True)
class Tick:
    """A round time on the axis; ``is_day``: a day begins there, and the label names it."""

    at: float
    label: str
    is_day: bool = False


@lru_cache(8)
def ticks(began: float, ended: float, zone: tzinfo | None, *, most: int = 8) -> tuple[Tick, ...]:
    """Round local times from ``began`` to ``ended``, increasing, at most about ``most``.

    Hours are hours of the local clock: on a day of 25 hours an hour that is there twice has two ticks, on one of 23
    hours the hour that is missing has none. A day that begins at one o'clock has its tick there.

    >>> from zoneinfo import ZoneInfo
    >>> [tick.label for tick in ticks(1764104400, 1764190800, ZoneInfo("Europe/Berlin"), most=5)]
    ['26 Nov', '06:00', '12:00', '18:00']
    """
    kind, every = _interval(ended - began, most)
    found = {at: _label(at, kind, zone) for at in _moments(began, ended, kind, every, zone) if began <= at <= ended}
    return tuple(found[at] for at in sorted(found))


def _interval(span_s: float, most: int) -> tuple[_Kind, int]:
    for kind, multiples in _EVERY:
        for every in multiples:
            if span_s / (every * _LENGTH_S[kind]) * _WIDEST.get(kind, 1.0) < most:
                return kind, every
    return "year", 1000


def _moments(began: float, ended: float, kind: _Kind, every: int, zone: tzinfo | None) -> Iterator[float]:
    if kind in ("second", "minute", "hour"):
        yield from _round(began, ended, every * _LENGTH_S[kind], zone)
        return
    first, last = (_wall(at, zone).replace(hour=0, minute=0, second=0, microsecond=0) for at in (began, ended))
    for day in _days(first, last, kind, every):
        yield day.replace(tzinfo=zone).timestamp()  # one that is not there is the first moment after it


def _round(began: float, ended: float, step_s: int, zone: tzinfo | None) -> Iterator[float]:
    """When the local clock shows a multiple of the step: by each offset from UTC that the clock has on the way."""
    samples = [began + place * _SAMPLE_S for place in range(int((ended - began) // _SAMPLE_S) + 1)]
    for offset in {_offset(at, zone) for at in [*samples, ended]}:
        at = -(-(began + offset) // step_s) * step_s - offset
        while at <= ended:
            if _offset(at, zone) == offset:
                yield at
            at += step_s


def _days(first: datetime, last: datetime, kind: _Kind, every: int) -> Iterator[datetime]:
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= last:
        if _is_round(day, kind, every):
            yield day
        if kind == "year" and day.month == day.day == 1 and day.year < 9999:
            day = day.replace(year=day.year + 1)
        else:
            day += timedelta(days=1)


def _is_round(day: datetime, kind: _Kind, every: int) -> bool:
    number = day.toordinal()  # a Monday's is 1 more than a multiple of 7
    if kind == "day":
        return number % every == 0
    if kind == "week":
        return number % 7 == 1 and number // 7 % every == 0
    if kind == "month":
        return day.day == 1 and (day.month - 1) % every == 0
    return day.day == day.month == 1 and day.year % every == 0


def _offset(at: float, zone: tzinfo | None) -> float:
    offset = datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
    return offset.total_seconds() if offset else 0.0


def _wall(at: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None)


def _label(at: float, kind: _Kind, zone: tzinfo | None) -> Tick:
    wall = _wall(at, zone)
    if kind == "year" or (kind == "month" and wall.month == 1):
        return Tick(at, str(wall.year), is_day=True)
    if kind == "month":
        return Tick(at, MONTHS[wall.month - 1], is_day=True)
    if kind in ("day", "week") or (wall.hour, wall.minute, wall.second) == (0, 0, 0):
        return Tick(at, f"{wall.day} {MONTHS[wall.month - 1]}", is_day=True)
    return Tick(at, f"{wall:%H:%M:%S}" if kind == "second" else f"{wall:%H:%M}")


def named(at: float, zone: tzinfo | None, *, with_seconds: bool = False) -> str:
    """A moment for a person, with the year left out.

    >>> from datetime import UTC
    >>> named(0, UTC), named(0, UTC, with_seconds=True)
    ('1 Jan 00:00', '1 Jan 00:00:00')
    """
    wall = datetime.fromtimestamp(at, zone)
    day = f"{wall.day} {MONTHS[wall.month - 1]} {wall.hour:02}:{wall.minute:02}"
    return f"{day}:{wall.second:02}" if with_seconds else day


@lru_cache(8)  # all charts of a page have one axis
def rows(began: float, step_s: int, steps: int, zone: tzinfo | None) -> tuple[str, ...]:
    """When each step begins, for a table; with the offset from UTC where the clock changes on the way.

    >>> from datetime import UTC
    >>> rows(0, 1800, 2, UTC)
    ('1 Jan 00:00', '1 Jan 00:30')
    """
    moments = [datetime.fromtimestamp(began + place * step_s, UTC).astimezone(zone) for place in range(steps)]
    is_changing = len({moment.utcoffset() for moment in moments}) > 1
    has_seconds = step_s % 60 != 0 or began % 60 != 0
    form = "%H:%M:%S" if has_seconds else "%H:%M"
    if is_changing:
        form += " %z"
    return tuple(f"{moment.day} {MONTHS[moment.month - 1]} {moment.strftime(form)}" for moment in moments)
