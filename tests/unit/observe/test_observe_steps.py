"""The quick ways to add up rows come to what the slow ones come to."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.observe import lanes
from pawl.observe.gauges import Gauge, Reading
from pawl.observe.histogram import BUCKETS, Histogram
from pawl.observe.records import Counted, Key
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore, rows
from pawl.observe.store.schema import DAY_S, GAUGES
from pawl.observe.tail import Position
from pawl.observe.tally import CLASSES, CODES, NOTHING, Tally, encode, merged, merged_totals
from tests.unit.observe.observe_rig import T0, counting, line

COUNTS = st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(0, 2**40) | st.integers(0, 300), max_size=30)
STATUSES = st.lists(st.integers(0, 2**32 - 1), min_size=len(CLASSES), max_size=len(CLASSES))


def tally(statuses: list[int], counts: dict[int, int]) -> Tally:
    return Tally(lanes.of(statuses), Histogram(lanes.of_counts(counts)))


@settings(deadline=None)
@given(st.lists(st.builds(tally, STATUSES, COUNTS), max_size=8))
def test_rows_of_totals_merge_as_their_tallies_do(tallies: list[Tally]) -> None:
    assert merged_totals([encode({0: one}) for one in tallies]) == merged(tallies)


def test_many_rows_of_full_bytes_spill_into_no_neighbour() -> None:
    full = tally([2**32 - 1] * len(CLASSES), dict.fromkeys(range(100, 200), 255))

    assert merged_totals([encode({0: full})] * 1000) == merged([full] * 1000)


def test_rows_of_several_tallies_count_whole() -> None:
    one, other = tally([1] * 9, {3: 4}), tally([0, 2] + [0] * 7, {900: 1})

    assert merged_totals([encode({0: one, 7: other}), encode({0: one})]) == merged([one, other, one])
    assert merged_totals([]) == NOTHING


@given(st.lists(st.dictionaries(st.integers(0, 20), st.tuples(st.integers(1, 65_535), st.floats(0, 1e6)), max_size=5)))
def test_sums_of_gauges_are_those_of_their_readings(parts: list[dict[int, tuple[int, float]]]) -> None:
    readings = [{key: Reading(count, count * mean, 0.0, mean) for key, (count, mean) in one.items()} for one in parts]
    packed = [rows.encode(GAUGES, one) for one in readings]
    whole = rows.merge([rows.decode(GAUGES, one) for one in packed])

    sums = rows.sums(packed)

    assert {key: count for key, (count, _) in sums.items()} == {key: one.count for key, one in whole.items()}
    assert [total for _, total in sums.values()] == pytest.approx([whole[key].total for key in sums])


def test_quantiles_are_those_asked_for_one_by_one() -> None:
    chance = random.Random(3)
    took = Histogram.of_values([chance.lognormvariate(-3, 1) for _ in range(5000)])

    assert took.quantiles(0.0, 0.5, 0.95, 1.0) == [took.quantile(share) for share in (0.0, 0.5, 0.95, 1.0)]
    assert Histogram().quantiles(0.5, 0.9) == [None, None]


def test_steps_tell_what_buckets_and_gauges_tell(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_bytes(
        b"".join(line(T0 + at, app="demo" if at % 3 else "other") for at in range(600))
    )
    store, counter = counting(tmp_path)
    counter.catch_up()
    for at in range(0, 600, 5):
        store.add_gauges([Gauge("load", at / 100), Gauge("rss", 1e6 * at, "demo", "r1", "web.1")], T0 + at)
    while store.tidy():
        pass
    source = LoggedSignals(store)

    for step_s in (5, 60, 300):
        steps = source.steps("demo", began=int(T0), ended=int(T0) + 600, step_s=step_s)
        buckets = source.buckets("demo", began=T0, ended=T0 + 600, step_s=step_s)
        assert [steps[int(one.began)].tally for one in buckets] == [one.tally for one in buckets]
        for at, step in steps.items():
            (reading,) = source.gauges("demo", "rss", began=at, ended=at + step_s).values()
            assert step.gauges["rss", "web.1"] == pytest.approx((reading.count, reading.total))
            assert step.machine["load", ""][0] == step_s / 5
    assert source.steps("nobody", began=int(T0), ended=int(T0) + 60, step_s=60)[int(T0)].tally == NOTHING
    counter.close()
    store.close()


def served(store: SignalStore, at: float, requests: int = 1) -> None:
    """Requests that end at a time, counted now, whenever that is."""
    tally = Tally.of_codes([CODES[200] + 300] * requests)
    store.commit(Counted({Key(int(at // 5 * 5), "demo", "r1", 0): tally}, newest=at), {}, Position(1))


def tidied(store: SignalStore, now: float) -> None:
    while store.tidy(now):
        pass


def tens(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM buckets_600 WHERE shard = 0").fetchone()[0])


def test_ten_minutes_are_read_as_one_and_hold_what_came_late(tmp_path: Path) -> None:
    store = SignalStore(tmp_path / "signals.db")
    for at in range(0, 7200, 60):
        served(store, T0 + at, requests=3)
        store.add_gauges([Gauge("load", 2.0), Gauge("rss", 1e6, "demo", "r1", "web.1")], T0 + at)
    tidied(store, T0 + 7260)
    assert tens(tmp_path / "signals.db") == 12

    served(store, T0 + 30, requests=5)  # its row is rolled up already
    served(store, T0 + 3607, requests=7)  # a row of its own
    served(store, T0 + 7300, requests=2)  # an hour that goes on
    told = LoggedSignals(store).steps("demo", began=int(T0), ended=int(T0) + 7800, step_s=600)
    tidied(store, T0 + 7320)
    again = LoggedSignals(store).steps("demo", began=int(T0), ended=int(T0) + 7800, step_s=600)

    assert [told[at].tally.requests for at in sorted(told)] == [35, 30, 30, 30, 30, 30, 37, 30, 30, 30, 30, 30, 2]
    assert {at: one.tally for at, one in again.items()} == {at: one.tally for at, one in told.items()}
    assert [one.gauges["rss", "web.1"] for at, one in again.items() if at < T0 + 7200] == [(10, 1e7)] * 12
    assert [one.machine["load", ""] for at, one in again.items() if at < T0 + 7200] == [(10, 20.0)] * 12
    store.close()


def test_a_store_that_had_no_tens_tells_the_same_of_the_time_before(tmp_path: Path) -> None:
    path = tmp_path / "signals.db"
    store = SignalStore(path)
    for at in range(0, 3 * 3600, 60):
        served(store, T0 + at)
    tidied(store, T0 + 3 * 3600)
    store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE buckets_600")
        db.execute("DELETE FROM counters WHERE name = 'tens_from'")
        db.execute("PRAGMA user_version = 2")
        db.commit()

    store = SignalStore(path)
    for at in range(3 * 3600, 6 * 3600, 60):
        served(store, T0 + at)
    tidied(store, T0 + 6 * 3600 + 60)

    assert tens(path) == 4 * 6, "what was not rolled up yet, and what came since"
    for began in (0, 3, 4):
        first = int(T0) + began * 3600
        told = LoggedSignals(store).steps("demo", began=first, ended=int(T0) + 6 * 3600, step_s=600)
        assert [one.tally.requests for _, one in sorted(told.items())] == [10] * (6 * (6 - began))
    store.close()


def test_tens_are_removed_after_their_time(tmp_path: Path) -> None:
    store = SignalStore(tmp_path / "signals.db")
    served(store, T0)
    served(store, T0 + 4 * DAY_S)
    tidied(store, T0 + 5 * DAY_S)
    assert tens(tmp_path / "signals.db") == 2

    served(store, T0 + 9 * DAY_S)
    tidied(store, T0 + 9 * DAY_S)

    assert tens(tmp_path / "signals.db") == 1
    told = LoggedSignals(store).steps("demo", began=int(T0), ended=int(T0) + 1200, step_s=600)
    assert [one.tally.requests for one in told.values()] == [1], "the minute is there still"
    store.close()


def test_steps_have_to_fit_what_is_kept(tmp_path: Path) -> None:
    store = SignalStore(tmp_path / "signals.db")
    store.add_gauges([Gauge("load", 1.0)], T0)
    source = LoggedSignals(store)

    for began, step_s in ((int(T0) - 86_400, 5), (int(T0), 7), (int(T0) + 5, 60)):
        with pytest.raises(ValueError, match="no multiple"):
            source.steps("demo", began=began, ended=int(T0) + 60, step_s=step_s)
    store.close()
