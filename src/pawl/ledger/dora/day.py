"""A day, summed up as its deploys end: what the measures need of them all, so that years are read at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from pawl.ledger.dora.facts import Measured, unix_ms
from pawl.model import DeployKind, Outcome

Marks: TypeAlias = str
"""Durations to three digits, a character each: nobody looks closer. In ascending order where a day is read."""

EXACT_MS = 1000
_MANTISSAS = 900
_FIRST = 0x100  # no mark is a character that a database, or a person who looks at one, takes for something else


class Day(msgspec.Struct, frozen=True, gc=False):
    """The deploys of an app, or of all where ``app`` is empty, that count for a day (UTC).

    ``live``: normal deploys that went live and have ended; ``kept``: those of them that their watch did not take back,
    with ``commits``, at ``most`` so many in one, ``single`` of them with one at the most, and ``authors``.
    ``lead`` and ``waiting`` have a mark a commit of what was kept, ``building`` and ``observing`` a mark a kept deploy.
    ``authored`` is what takes the place of ``rebased`` in ``lead`` where the author's times are known and differ.
    ``skewed`` commits are not among them: their time is after the deploy was asked for, or none. ``rollbacks``: by
    hand, live. ``withdrawn``: as canaries; ``stopped``: failed before that.
    """

    app: str
    day: str
    live: int = 0
    kept: int = 0
    rollbacks: int = 0
    withdrawn: int = 0
    stopped: int = 0
    skewed: int = 0
    commits: int = 0
    most: int = 0
    single: int = 0
    authors: int = 0
    lead: Marks = ""
    rebased: Marks = ""
    authored: Marks = ""
    waiting: Marks = ""
    building: Marks = ""
    observing: Marks = ""


_SUMMED = tuple(name for name in Day.__struct_fields__[2:] if name != "most")
_MARKED = ("lead", "rebased", "authored", "waiting", "building", "observing")


def together(one: Day, other: Day) -> Day:
    """The day of the deploys of both, named as the first; marks of the one before those of the other."""
    sums = {name: getattr(one, name) + getattr(other, name) for name in _SUMMED}
    return Day(one.app, one.day, most=max(one.most, other.most), **sums)


def in_order(day: Day) -> Day:
    """The day with its marks in ascending order."""
    return replace(day, **{name: "".join(sorted(getattr(day, name))) for name in _MARKED})


def of_deploy(row: Measured) -> Day:
    """What a deploy that has ended adds to its day."""
    if not row.is_normal:
        return Day(row.app, row.day, rollbacks=int(row.kind == DeployKind.ROLLBACK and bool(row.live_at)))
    if not row.live_at:
        is_stopped = row.outcome == Outcome.FAILED and not row.is_withdrawn
        return Day(row.app, row.day, withdrawn=row.is_withdrawn, stopped=int(is_stopped))
    return _of_kept(row) if row.outcome == Outcome.KEPT else Day(row.app, row.day, live=1)


def _of_kept(row: Measured) -> Day:
    queued, live = unix_ms(row.queued_at), unix_ms(row.live_at)
    began = unix_ms(row.began_at) if row.began_at else queued
    known = row.committed.count(",") + 1 if row.committed else 0
    committed = _possible(row.committed, min(queued, live))
    lead = marks(live - at for at in committed)
    authored = marks(live - at for at in _possible(row.authored, min(queued, live)))
    is_rebased = authored not in ("", lead)
    return Day(
        row.app, row.day, live=1, kept=1, skewed=known - len(committed), commits=row.changes, most=row.changes,
        single=int(row.changes <= 1), authors=row.authors, lead=lead, rebased=lead if is_rebased else "",
        authored=authored if is_rebased else "", waiting=marks(began - at for at in committed),
        building=mark(live - began), observing=mark(unix_ms(row.ended_at) - live),
    )  # fmt: skip


def _possible(times: str, latest: int) -> list[int]:
    return [at for at in map(int, times.split(",") if times else ()) if 0 < at <= latest]


def marks(durations_ms: Iterable[int]) -> Marks:
    """The durations as marks, in ascending order."""
    return "".join(sorted(map(mark, durations_ms)))


def mark(duration_ms: int) -> str:
    """The character for a duration to three digits; longer ones have higher characters. Less than none is none.

    >>> [milliseconds(ord(mark(one))) for one in (-5, 999, 12_345, 99_960)]
    [0, 999, 12300, 100000]
    """
    if duration_ms < EXACT_MS:
        return chr(_FIRST + max(0, duration_ms))
    power = len(str(duration_ms)) - 3
    unit = 10**power
    return chr(_FIRST + EXACT_MS + (power - 1) * _MANTISSAS + (duration_ms + unit // 2) // unit - 100)


def milliseconds(code: int) -> int:
    """The duration that a character of this code is the mark of."""
    code -= _FIRST
    if code < EXACT_MS:
        return code
    power, mantissa = divmod(code - EXACT_MS, _MANTISSAS)
    return int((mantissa + 100) * 10 ** (power + 1))
