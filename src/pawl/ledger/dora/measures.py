"""The measures of a span, from its days summed up and what was found of single deploys: pure, without a clock."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import cache
from itertools import repeat
from statistics import median

import msgspec

from pawl.intervals import median_ranks, wilson
from pawl.ledger.dora.day import Day, Marks, milliseconds
from pawl.ledger.dora.failures import Failure

_ROUNDING = 1e-9
ENOUGH = 20
"""Below so many deploys a measure says little, and is marked so."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """``count`` of ``of``, as a share (0..1, None of none) with Wilson's 95 % interval."""

    count: int
    of: int
    share: float | None
    low: float
    high: float
    is_enough: bool


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds; the median with its 95 % interval from order statistics, None where there is none."""

    count: int
    median_s: float | None
    low_s: float | None
    high_s: float | None
    p90_s: float | None


class LeadTime(msgspec.Struct, frozen=True, kw_only=True):
    """From commit to live, for each commit of the changes that were kept.

    All to three digits. ``waiting`` (commit to the deploy's start, a commit each) and ``building`` (start to live, a
    deploy each) are its parts; ``observing`` (live to the verdict, a deploy each) comes after it. ``authored``: from
    the author's time, which a rebase leaves, where it is known, else as ``total``. ``skewed`` commits are left out:
    their time is later than the deploy was asked for, or none.
    """

    total: Durations
    authored: Durations
    waiting: Durations
    building: Durations
    observing: Durations
    skewed: int
    is_enough: bool


class Frequency(msgspec.Struct, frozen=True, kw_only=True):
    """Changes that went live and were kept. ``days_a_week``: of whole weeks, the median number of days with one."""

    deploys: int
    per_day: float
    per_week: float
    days_a_week: float | None
    weeks: int
    is_enough: bool


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """From a failed change going live to something that serves well; ``open`` ones are not over and count as such.

    The median is Kaplan and Meier's, so that what is open counts with the time it has lasted: None while less than half
    are over.
    """

    failures: int
    open: int
    times: Durations
    is_enough: bool


class Batches(msgspec.Struct, frozen=True, kw_only=True):
    """How much went live at once: commits and authors per kept deploy; ``single``: with one commit at the most."""

    deploys: int
    commits_mean: float | None
    commits_most: int
    authors_mean: float | None
    single: Share


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything measured of a span. ``deploys``: normal ones that went live and have ended.

    ``caught_before`` counts apart what never was live: ``stopped`` by a failing stage, ``withdrawn`` as a canary.
    ``elsewhere``: taken back though the cause was elsewhere; no failures.
    """

    deploys: int
    rollbacks: int
    hotfixes: int
    stopped: int
    withdrawn: int
    elsewhere: int
    lead_time: LeadTime
    frequency: Frequency
    recovery: Recovery
    change_fail: Share
    rework: Share
    batches: Batches


class Period(msgspec.Struct, frozen=True):
    """The first and the last day of a span (UTC), and how many days of it have passed: the last may go on."""

    first: date
    last: date
    length_d: float


def measures(
    days: Sequence[Day], failures: Sequence[Failure], period: Period, *, hotfixes: int = 0, elsewhere: int = 0
) -> Measures:
    """The measures of a span, from its days and failures; of one app or of all, in any order."""
    live = sum(day.live for day in days)
    rollbacks = sum(day.rollbacks for day in days)
    return Measures(
        deploys=live, rollbacks=rollbacks, hotfixes=hotfixes, stopped=sum(day.stopped for day in days),
        withdrawn=sum(day.withdrawn for day in days), elsewhere=elsewhere, lead_time=_lead_time(days),
        frequency=_frequency(days, period), recovery=recovery(failures, is_enough=live >= ENOUGH),
        change_fail=share(len(failures), live), rework=share(rollbacks + hotfixes, live + rollbacks),
        batches=_batches(days),
    )  # fmt: skip


def share(count: int, of: int) -> Share:
    """A share with its interval.

    >>> one = share(1, 10)
    >>> one.share, round(one.low, 3), round(one.high, 3), one.is_enough
    (0.1, 0.018, 0.404, False)
    """
    low, high = wilson(count, of)
    return Share(
        count=count, of=of, share=count / of if of else None, low=low, high=high, is_enough=of >= ENOUGH
    )  # fmt: skip


def durations(rows: Iterable[Marks], *, without: Iterable[Marks] = ()) -> Durations:
    """The durations of rows of marks, each in ascending order; p90 is the least value that nine of ten do not exceed.

    ``without``: marks that are not meant though they are among the rows. A value of a rank is looked for among all that
    there can be, by counting how many of each row are not above one, so that most marks are never looked at.

    >>> from pawl.ledger.dora.day import marks
    >>> six = durations([marks([1000, 8000, 13_000]), marks([2000, 3000, 5000])])
    >>> six.median_s, six.low_s, six.high_s, six.p90_s
    (4.0, 1.0, 13.0, 13.0)
    >>> durations([]).median_s is None
    True
    """
    count, at = _by_rank(rows, without)
    ends = median_ranks(count)
    return Durations(
        count=count, median_s=_middle(count, at), low_s=at(ends[0]) if ends else None,
        high_s=at(ends[1]) if ends else None, p90_s=at(math.ceil(count * 0.9)) if count else None,
    )  # fmt: skip


def median_s(rows: Iterable[Marks]) -> float | None:
    """The median alone of what :func:`durations` takes."""
    return _middle(*_by_rank(rows))


def _middle(count: int, at: Callable[[int], float]) -> float | None:
    return (at((count + 1) // 2) + at(count // 2 + 1)) / 2 if count else None


def _by_rank(rows: Iterable[Marks], without: Iterable[Marks] = ()) -> tuple[int, Callable[[int], float]]:
    """How many marks there are, and what finds the duration of a rank from 1 on."""
    known, left_out = [row for row in rows if row], [row for row in without if row]
    lowest, highest = min((row[0] for row in known), default="\0"), max((row[-1] for row in known), default="\0")
    codes = range(ord(lowest), ord(highest) + 1)

    @cache
    def up_to(code: int) -> int:
        return _up_to(known, chr(code)) - _up_to(left_out, chr(code))

    def at(rank: int) -> float:
        return milliseconds(codes[bisect_left(codes, rank, key=up_to)]) / 1000

    return sum(map(len, known)) - sum(map(len, left_out)), at


def _up_to(rows: Sequence[Marks], highest: str) -> int:
    return sum(map(bisect_right, rows, repeat(highest)))


def _lead_time(days: Sequence[Day]) -> LeadTime:
    lead = [day.lead for day in days]
    authored = [day.authored for day in days if day.authored]
    total = durations(lead)
    return LeadTime(
        total=total,
        authored=durations([*lead, *authored], without=[day.rebased for day in days]) if authored else total,
        waiting=durations(day.waiting for day in days),
        building=durations(day.building for day in days),
        observing=durations(day.observing for day in days),
        skewed=sum(day.skewed for day in days),
        is_enough=sum(day.kept for day in days) >= ENOUGH,
    )


def _frequency(days: Sequence[Day], period: Period) -> Frequency:
    deploys = sum(day.kept for day in days)
    per_day = deploys / period.length_d if period.length_d > 0 else 0.0
    weeks = ((period.last - period.first).days + 1) // 7
    active = Counter((period.last - date.fromisoformat(day)).days // 7 for day in {one.day for one in days if one.kept})
    return Frequency(
        deploys=deploys, per_day=per_day, per_week=per_day * 7,
        days_a_week=median(active[week] for week in range(weeks)) if weeks else None, weeks=weeks,
        is_enough=deploys >= ENOUGH,
    )  # fmt: skip


def recovery(failures: Sequence[Failure], *, is_enough: bool) -> Recovery:
    """How long it took until failed changes were put right, those that are not yet included.

    Formula of the median: S(t) = product over the ends t_i <= t of (1 - 1 / n_i), where n_i have lasted at least as
    long; the median is the first end with S <= 1/2, p90 with S <= 1/10. Assumes that what is open is as the rest, only
    younger. Source: Kaplan and Meier 1958, JASA 53. In the interval what is open lasts as long as it has, or for ever.

    Of 10, 20 and 60 s the second end leaves 2/3 * 1/2 = 1/3. With the 20 s still open the first leaves 2/3, the last 0:

    >>> def failure(recovery_s, recovered_at="2026-05-09T07:35:00Z"):
    ...     return Failure(
    ...         deploy="d1", app="demo", day="2026-05-09", how="rolled back", live_at="2026-05-09T07:30:00Z",
    ...         recovered_at=recovered_at, recovery_s=recovery_s)
    >>> recovery([failure(60), failure(10), failure(20)], is_enough=True).times.median_s
    20
    >>> recovery([failure(60), failure(10), failure(20, None)], is_enough=True).times.median_s
    60
    """
    lasted = sorted(failures, key=lambda one: (one.recovery_s, one.recovered_at is None))
    closed = [one for one in lasted if one.recovered_at is not None]
    ends = median_ranks(len(lasted))
    times = Durations(
        count=len(closed), median_s=_survived(lasted, 1 / 2), low_s=lasted[ends[0] - 1].recovery_s if ends else None,
        high_s=closed[ends[1] - 1].recovery_s if ends and ends[1] <= len(closed) else None,
        p90_s=_survived(lasted, 1 / 10),
    )  # fmt: skip
    return Recovery(failures=len(lasted), open=len(lasted) - len(closed), times=times, is_enough=is_enough)


def _survived(lasted: Sequence[Failure], share: float) -> float | None:
    """The first end at which at most this share goes on; None if more does to the last."""
    if all(one.recovered_at is not None for one in lasted):
        return lasted[math.ceil(len(lasted) * (1 - share - _ROUNDING)) - 1].recovery_s if lasted else None
    left = 1.0
    for number, one in enumerate(lasted):
        if one.recovered_at is not None:
            left *= 1 - 1 / (len(lasted) - number)
            if left <= share + _ROUNDING:
                return one.recovery_s
    return None


def _batches(days: Sequence[Day]) -> Batches:
    deploys = sum(day.kept for day in days)
    return Batches(
        deploys=deploys, commits_mean=sum(day.commits for day in days) / deploys if deploys else None,
        commits_most=max((day.most for day in days), default=0),
        authors_mean=sum(day.authors for day in days) / deploys if deploys else None,
        single=share(sum(day.single for day in days), deploys),
    )  # fmt: skip
