"""Everything about the measures of an app or of all, for a page or a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

import msgspec

from pawl.ledger.base import Ledger
from pawl.ledger.dora.day import Day
from pawl.ledger.dora.definitions import DEFINITIONS, Definition
from pawl.ledger.dora.failures import Failure, Found, found, of_all
from pawl.ledger.dora.measures import Durations, Measures, Period, measures, median_s, recovery, share
from pawl.ledger.dora.span import Span
from pawl.ledger.records import iso_utc

DAILY_UP_TO_D = 35
"""Longer spans are shown by the week."""

_DAY_S = 86_400
_MOST_FAILURES = 50


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A measure over time, a value a step as :class:`pawl.dashboard.charts.chart.Line` takes them: None is a gap.

    ``unit`` is one of that module's. A step without a deploy has a count of 0, and no share, median or recovery.
    """

    name: str
    unit: str
    values: list[float | None]


class OverTime(msgspec.Struct, frozen=True, kw_only=True):
    """The measures step by step, a day or a week each; ``began`` in Unix time, a midnight (UTC). The last goes on."""

    began: float
    ended: float
    step_s: int
    deploys: Row
    lead_time: Row
    recovery: Row
    change_fail: Row
    rework: Row
    failures: Row


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """How each measure compares with the span before: more, less, or '' where the intervals overlap or are missing."""

    lead_time: str = ""
    recovery: str = ""
    change_fail: str = ""
    rework: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The measures of ``app`` (None: of all apps together) in ``places`` from ``since`` to ``until`` (ISO 8601 UTC).

    ``unread`` are places that a Pawl of another version wrote, which this one cannot read.
    ``since`` is the midnight (UTC) at or before the one asked for; over more than 35 days a whole number of weeks
    before the end of the last day; and never before the first day with a deploy, for nothing is known of what was
    before. ``first_day`` is that day, None in a ledger without one. ``before``: the span of equal length before it,
    None unless the ledger knows all of it. ``failures``: newest first, at most 50.
    """

    app: str | None
    places: tuple[str, ...]
    unread: tuple[str, ...]
    since: str
    until: str
    first_day: str | None
    now: Measures
    before: Measures | None
    trends: Trends
    over_time: OverTime
    failures: tuple[Failure, ...]
    definitions: tuple[Definition, ...] = DEFINITIONS


def report(ledger: Ledger, app: str | None, since: datetime, until: datetime) -> Report:
    """The measures of an app, or of all with None, for a page or a table.

    ``until`` is now, or a moment that has passed; both have a zone. About a tenth of a second for 100,000 deploys: see
    :func:`prepared`. An app without a deploy has zeros and None.

    Raises:
        ValueError: ``since`` is not before ``until``, or one of them has no zone.
        StateError: the ledger cannot be read.
    """
    return prepared([ledger], app, since, until)()


def prepared(
    ledgers: Sequence[Ledger], app: str | None, since: datetime, until: datetime, *, unread: Sequence[str] = ()
) -> Callable[[], Report]:
    """Read what :func:`report` needs; what is returned makes the report of it, on whatever thread, and takes longer.

    Of several ledgers, each of another place, the measures are of all their deploys. Raises what ``report`` raises.
    """
    if iso_utc(since) >= iso_utc(until):
        raise ValueError("since must be before until")
    last = until.astimezone(UTC).date()
    first = _first(since.astimezone(UTC).date(), last)
    earlier = first - timedelta(days=(last - first).days + 1)
    seen = {one.place: one.measured(app, since=earlier.isoformat(), until=last.isoformat()) for one in ledgers}
    return lambda: _report(app, seen, tuple(unread), first, until)


def _report(app: str | None, seen: Mapping[str, Span], unread: tuple[str, ...], first: date, until: datetime) -> Report:
    now, last = iso_utc(until), until.astimezone(UTC).date()
    span_d = (last - first).days + 1
    earlier = first - timedelta(days=span_d)
    know = of_all([found(one.notable, one.named, now=now, place=place) for place, one in seen.items()])
    days = [day for one in seen.values() for day in one.days]
    first_day = min((one.first_day for one in seen.values() if one.first_day), default=None)
    begun = date.fromisoformat(first_day) if first_day else None
    if begun is not None and first < begun <= last:
        first = begun
    period = Period(first, last, max(1.0, _passed_d(first, until)))  # of a day that has just begun nobody can say much
    present = _of(days, know, period)
    previous = Period(earlier, first - timedelta(days=1), float(span_d))
    before = _of(days, know, previous) if begun is not None and begun <= earlier else None
    return Report(
        app=app, places=tuple(seen), unread=unread, since=iso_utc(_midnight(first)), until=now, first_day=first_day,
        now=present, before=before, trends=_trends(present, before) if before else Trends(),
        over_time=_over_time(days, know, period), failures=_newest(know.failures, period),
    )  # fmt: skip


def _first(since: date, last: date) -> date:
    days = (last - since).days + 1
    return since if days <= DAILY_UP_TO_D else last - timedelta(days=-(-days // 7) * 7 - 1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _passed_d(first: date, until: datetime) -> float:
    return (until - _midnight(first)).total_seconds() / _DAY_S


def _newest(failures: Sequence[Failure], period: Period) -> tuple[Failure, ...]:
    first, last = period.first.isoformat(), period.last.isoformat()
    return tuple(islice((one for one in reversed(failures) if first <= one.day <= last), _MOST_FAILURES))


def _of(days: Iterable[Day], know: Found, period: Period) -> Measures:
    first, last = period.first.isoformat(), period.last.isoformat()
    return measures(
        [day for day in days if first <= day.day <= last],
        [one for one in know.failures if first <= one.day <= last],
        period,
        hotfixes=sum(1 for day in know.hotfixes if first <= day <= last),
        elsewhere=sum(1 for day in know.elsewhere if first <= day <= last),
    )


def _trends(now: Measures, before: Measures) -> Trends:
    return Trends(
        lead_time=_trend(_ends(now.lead_time.total), _ends(before.lead_time.total)),
        recovery=_trend(_ends(now.recovery.times), _ends(before.recovery.times)),
        change_fail=_trend(
            (now.change_fail.low, now.change_fail.high), (before.change_fail.low, before.change_fail.high)
        ),
        rework=_trend((now.rework.low, now.rework.high), (before.rework.low, before.rework.high)),
    )


Ends = tuple[float, float]


def _ends(times: Durations) -> Ends | None:
    return None if times.low_s is None or times.high_s is None else (times.low_s, times.high_s)


def _trend(now: Ends | None, before: Ends | None) -> str:
    """Whether the intervals lie apart.

    >>> _trend((3, 4), (1, 2)), _trend((1, 2), (3, 4)), _trend((1, 3), (2, 4)), _trend(None, (1, 2))
    ('more', 'less', '', '')
    """
    if now is None or before is None:
        return ""
    return "more" if now[0] > before[1] else "less" if now[1] < before[0] else ""


class _Step:
    """What happened in a day or week."""

    def __init__(self) -> None:
        self.days: list[Day] = []
        self.failures: list[Failure] = []
        self.hotfixes = 0


def _over_time(days: Iterable[Day], know: Found, period: Period) -> OverTime:
    span_d = (period.last - period.first).days + 1
    step_d = 1 if span_d <= DAILY_UP_TO_D else 7
    count = -(-span_d // step_d)
    first = period.last - timedelta(days=count * step_d - 1)
    steps = [_Step() for _ in range(count)]

    step_of = {
        (first + timedelta(days=number)).isoformat(): steps[number // step_d] for number in range(count * step_d)
    }
    for day in days:
        if step := step_of.get(day.day):
            step.days.append(day)
    for failure in know.failures:
        if step := step_of.get(failure.day):
            step.failures.append(failure)
    for at in know.hotfixes:
        if step := step_of.get(at):
            step.hotfixes += 1
    began = _midnight(first).timestamp()
    return OverTime(
        began=began, ended=began + count * step_d * _DAY_S, step_s=step_d * _DAY_S,
        deploys=_row("deploys", "count", steps, lambda step: sum(day.kept for day in step.days)),
        lead_time=_row("change lead time", "seconds", steps, lambda step: median_s(day.lead for day in step.days)),
        recovery=_row(
            "recovery time", "seconds", steps, lambda step: recovery(step.failures, is_enough=False).times.median_s
        ),
        change_fail=_row("change fail rate", "share", steps, _fail_share),
        rework=_row("rework rate", "share", steps, _rework_share),
        failures=_row("failed", "count", steps, lambda step: len(step.failures)),
    )  # fmt: skip


def _row(name: str, unit: str, steps: Sequence[_Step], value: Callable[[_Step], float | None]) -> Row:
    return Row(name=name, unit=unit, values=[value(step) for step in steps])


def _fail_share(step: _Step) -> float | None:
    return share(len(step.failures), sum(day.live for day in step.days)).share


def _rework_share(step: _Step) -> float | None:
    rollbacks = sum(day.rollbacks for day in step.days)
    return share(rollbacks + step.hotfixes, rollbacks + sum(day.live for day in step.days)).share
