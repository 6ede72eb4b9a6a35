"""What holds of the measures whatever the history: shares within bounds, estimates within intervals, apps apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.intervals import median_ranks, wilson
from pawl.ledger.dora.day import Day, in_order, mark, marks, milliseconds, together
from pawl.ledger.dora.failures import Failure
from pawl.ledger.dora.measures import durations, recovery
from pawl.ledger.dora.report import report
from pawl.ledger.memory import MemoryLedger
from pawl.ledger.records import Entry
from tests.ledger_rig import START
from tests.unit.ledger.test_ledger_histories import APPS, BEGUN, any_entry

values = st.lists(st.lists(st.integers(0, 10**9), max_size=30), max_size=6)
failures = st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), max_size=30)


class TickingClock:
    """An hour on each time it is asked, so that histories last for weeks."""

    def __init__(self) -> None:
        self._ticks = count()

    def __call__(self) -> datetime:
        return START + timedelta(hours=next(self._ticks))


def failure(recovery_s: float, *, is_open: bool) -> Failure:
    return Failure(
        deploy="d1", app="demo", day="2026-05-09", how="rolled back", live_at="2026-05-09T07:30:00Z",
        recovered_at=None if is_open else "2026-05-09T07:35:00Z", recovery_s=recovery_s,
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(history=st.lists(any_entry, max_size=60))
def test_of_any_history_shares_are_shares_and_intervals_hold_them(history: list[Entry]) -> None:
    ledger = MemoryLedger(clock=TickingClock())
    for entry in [*BEGUN, *history]:
        ledger.append_many([entry])
    seen = report(ledger, None, START - timedelta(days=1), START + timedelta(days=20))
    for one in (seen.now.change_fail, seen.now.rework, seen.now.batches.single):
        assert one.share is None if one.of == 0 else one.share == one.count / one.of
        assert 0 <= one.low <= (one.share or 0) <= one.high <= 1
    for row in (seen.over_time.change_fail, seen.over_time.rework):
        assert all(value is None or 0 <= value <= 1 for value in row.values)
    assert sum(value or 0 for value in seen.over_time.deploys.values) == seen.now.frequency.deploys
    assert all(one.recovery_s >= 0 for one in seen.failures)
    apart = [report(ledger, app, START - timedelta(days=1), START + timedelta(days=20)).now for app in set(APPS)]
    assert sum(one.deploys for one in apart) == seen.now.deploys
    assert sum(one.change_fail.count for one in apart) == seen.now.change_fail.count
    assert sum(one.hotfixes for one in apart) == seen.now.hotfixes


@settings(max_examples=40, deadline=None)
@given(history=st.lists(any_entry.filter(lambda entry: entry.app == "demo"), max_size=30), first=st.booleans())
def test_the_order_of_independent_apps_does_not_matter(history: list[Entry], first: bool) -> None:
    """The same history for an app before or after that of another one, whose deploys have other names."""
    other = [Entry(one.event, "blog", f"{one.deploy}0") for one in BEGUN if one.deploy]
    mine = [*BEGUN, *history]

    def measured(entries: list[Entry]) -> object:
        ledger = MemoryLedger(clock=lambda: datetime(2026, 5, 9, tzinfo=UTC))
        ledger.append_many(entries)
        return report(ledger, "demo", START - timedelta(days=1), START + timedelta(days=5))

    assert measured([*other, *mine]) == measured([*mine, *other]) == measured(mine)


@given(rows=values)
def test_the_median_lies_in_its_interval_and_the_order_of_rows_does_not_matter(rows: list[list[int]]) -> None:
    marked = [marks(row) for row in rows]
    seen = durations(marked)
    flat = sorted(milliseconds(ord(one)) for one in "".join(marked))
    assert seen == durations(marked[::-1]) == durations([marks(flat)])
    if flat:
        assert seen.median_s is not None
        assert seen.p90_s is not None
        assert flat[0] / 1000 <= seen.median_s <= flat[-1] / 1000
        assert sum(value / 1000 <= seen.p90_s for value in flat) >= 0.9 * len(flat)
    if seen.low_s is not None:
        assert seen.median_s is not None
        assert seen.high_s is not None
        assert seen.low_s <= seen.median_s <= seen.high_s


@given(lasted=failures)
def test_what_is_open_never_makes_a_recovery_shorter(lasted: list[tuple[float, bool]]) -> None:
    closed = recovery([failure(each, is_open=False) for each, _ in lasted], is_enough=True)
    seen = recovery([failure(each, is_open=is_open) for each, is_open in lasted], is_enough=True)
    assert seen.open == sum(is_open for _, is_open in lasted)
    assert seen.times.count + seen.open == seen.failures == len(lasted)
    if seen.times.median_s is not None:
        assert closed.times.median_s is not None
        assert seen.times.median_s >= closed.times.median_s
        assert seen.times.low_s is None or seen.times.low_s <= seen.times.median_s
        assert seen.times.high_s is None or seen.times.median_s <= seen.times.high_s


@given(value=st.integers(0, 10**15), other=st.integers(0, 10**15))
def test_a_mark_is_within_half_a_percent_and_of_the_order_of_what_it_stands_for(value: int, other: int) -> None:
    rounded = milliseconds(ord(mark(value)))
    assert abs(rounded - value) <= value / 200
    assert mark(rounded) == mark(value)
    assert (mark(value) <= mark(other)) or value > other


@given(count=st.integers(0, 400), trials=st.integers(0, 400))
def test_ranks_are_those_of_the_sample_and_wilson_widens_with_confidence(count: int, trials: int) -> None:
    ranks = median_ranks(count)
    assert ranks is None if count < 6 else ranks and 1 <= ranks[0] < ranks[1] <= count
    events = min(count, trials)
    low, high = wilson(events, trials)
    lower, higher = wilson(events, trials, confidence=0.99)
    assert lower <= low <= high <= higher


def test_the_ranks_of_a_median_are_those_of_the_tables() -> None:
    # Conover 1999, Practical Nonparametric Statistics, table A3: the sign test at 5 % in two tails
    found = {count: ranks[0] for count in (6, 8, 9, 12, 15, 20, 30) if (ranks := median_ranks(count))}
    assert found == {6: 1, 8: 1, 9: 2, 12: 3, 15: 4, 20: 6, 30: 10}


kept_days = st.builds(
    Day, st.just("demo"), st.just("2026-05-09"), kept=st.integers(0, 9), most=st.integers(0, 9),
    lead=st.lists(st.integers(0, 10**9)).map(marks),
)  # fmt: skip


@given(one=kept_days, other=kept_days)
def test_days_add_up(one: Day, other: Day) -> None:
    both = in_order(together(one, other))
    assert (both.kept, both.most) == (one.kept + other.kept, max(one.most, other.most))
    assert both.lead == "".join(sorted(one.lead + other.lead))
    assert in_order(together(Day("demo", "2026-05-09"), one)) == one


@given(kept=values, gone=values)
def test_what_is_left_out_of_durations_is_not_among_them(kept: list[list[int]], gone: list[list[int]]) -> None:
    rows, left_out = [marks(row) for row in kept], [marks(row) for row in gone]
    assert durations([*left_out, *rows], without=left_out) == durations(rows)
