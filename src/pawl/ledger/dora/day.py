"""A day of an app, summed up: what the measures need of all its deploys, so that years are read at once."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pawl.ledger.dora.facts import Measured, unix_ms
from pawl.model import DeployKind, Outcome


class Day(msgspec.Struct, frozen=True, array_like=True):
    """The deploys of an app that count for a day (UTC); durations in milliseconds, of three digits, in no order.

    ``live``: normal deploys that went live and have ended; ``kept``: those of them that their watch did not take back,
    with ``commits``, at ``most`` so many in one, ``single`` of them with one at the most, and ``authors``.
    ``lead_ms`` and ``waiting_ms`` have an entry a commit of what was kept, ``build_ms`` and ``observing_ms`` an entry a
    kept deploy. ``authored_ms`` is as ``lead_ms``, and empty where it is the same. ``skewed`` commits are not among
    them: their time is after the deploy was asked for, or none. ``rollbacks``: by hand, live. ``withdrawn``: as
    canaries; ``stopped``: failed before that.
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
    lead_ms: list[int] = []
    authored_ms: list[int] = []
    waiting_ms: list[int] = []
    build_ms: list[int] = []
    observing_ms: list[int] = []


def summed_up(app: str, day: str, rows: Iterable[Measured]) -> Day:
    """The day of the rows, which are its deploys, in any order."""
    ended = list(rows)
    normal = [row for row in ended if row.is_normal]
    live = [row for row in normal if row.live_at]
    before = [row for row in normal if not row.live_at]
    kept = [row for row in live if row.outcome == Outcome.KEPT]
    times = [_CommitTimes(row) for row in kept]
    lead_ms = _rounded(one.live - at for one in times for at in one.committed)
    authored_ms = _rounded(one.live - at for one in times for at in one.authored)
    return Day(
        app, day, live=len(live), kept=len(kept),
        rollbacks=sum(1 for row in ended if row.kind == DeployKind.ROLLBACK and row.live_at),
        withdrawn=sum(row.is_withdrawn for row in before),
        stopped=sum(1 for row in before if row.outcome == Outcome.FAILED and not row.is_withdrawn),
        skewed=sum(one.skewed for one in times), commits=sum(row.changes for row in kept),
        most=max((row.changes for row in kept), default=0), single=sum(1 for row in kept if row.changes <= 1),
        authors=sum(row.authors for row in kept),
        lead_ms=lead_ms, authored_ms=[] if authored_ms == lead_ms else authored_ms,
        waiting_ms=_rounded(one.began - at for one in times for at in one.committed),
        build_ms=_rounded(one.live - one.began for one in times),
        observing_ms=_rounded(one.ended - one.live for one in times),
    )  # fmt: skip


def _rounded(durations_ms: Iterable[int]) -> list[int]:
    return [three_digits(max(0, one)) for one in durations_ms]


def three_digits(value: int) -> int:
    """A duration to three digits: nobody looks closer, and equal ones are counted, not sorted.

    >>> three_digits(999), three_digits(12_345), three_digits(99_960)
    (999, 12300, 100000)
    """
    if value < 1000:
        return value
    unit = int(10 ** (len(str(value)) - 3))
    return (value + unit // 2) // unit * unit


class _CommitTimes:
    """The instants of a deploy and of its commits, those left out that cannot be right."""

    def __init__(self, row: Measured) -> None:
        queued = unix_ms(row.queued_at)
        self.live, self.ended = unix_ms(row.live_at), unix_ms(row.ended_at)
        self.began = unix_ms(row.began_at) if row.began_at else queued
        committed = [int(text) for text in row.committed.split(",") if text]
        self.committed = [at for at in committed if 0 < at <= min(queued, self.live)]
        self.authored = [int(text) for text in row.authored.split(",") if text]
        self.authored = [at for at in self.authored if 0 < at <= min(queued, self.live)]
        self.skewed = len(committed) - len(self.committed)
