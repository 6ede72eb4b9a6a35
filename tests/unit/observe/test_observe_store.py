"""The signal store: rolling up, removing, late and stray times, and what may be wrong with the file."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawl.errors import StateError
from pawl.observe.gauges import Gauge
from pawl.observe.paths import OTHER
from pawl.observe.records import Counted, Key
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore
from pawl.observe.store.schema import DAY_S, HOUR_S, LEVELS
from pawl.observe.tail import Position
from pawl.observe.tally import CODES, Tally
from tests.unit.observe.observe_rig import T0, counting, line

START = int(T0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SignalStore]:
    store = SignalStore(tmp_path / "signals.db")
    yield store
    store.close()


def add(store: SignalStore, at: float, requests: int = 1, *, app: str = "demo", release: str = "r1") -> None:
    key = Key(LEVELS[0].floor(at), app, release, 0)
    tally = Tally.of_codes([CODES[200] + 300] * requests)
    store.commit(Counted({key: tally}, requests, 0, at), {}, Position(1))


def tidied(store: SignalStore, now: float | None = None) -> None:
    while store.tidy(now):
        pass


def rows(store: SignalStore, width_s: int) -> int:
    assert store._db is not None
    return int(store._db.execute(f"SELECT count(*) FROM buckets_{width_s}").fetchone()[0])


def requests(store: SignalStore, began: float, ended: float, step_s: int | None = None) -> int:
    return sum(tally.requests for _, _, tally in store.tallies("demo", int(began), int(ended), step_s=step_s))


def test_what_is_rolled_up_is_told_once(store: SignalStore) -> None:
    for at in range(0, 3 * HOUR_S, 7):
        add(store, T0 + at)
    total = len(range(0, 3 * HOUR_S, 7))
    before = requests(store, T0, T0 + 4 * HOUR_S)
    tidied(store)
    assert before == requests(store, T0, T0 + 4 * HOUR_S) == total
    assert requests(store, T0 + 100 * 60, T0 + 175 * 60, 5) == requests(store, T0 + 100 * 60, T0 + 175 * 60)
    assert rows(store, 60) == 2 * 179, "the last minute is not over; two shards"
    assert rows(store, 3600) == 2 * 2


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 3 * HOUR_S), st.booleans()), max_size=60),
    st.integers(0, 3 * HOUR_S // 5), st.integers(0, 3 * HOUR_S // 5),
)  # fmt: skip
def test_any_span_has_what_was_counted_in_it_in_any_order_of_times_and_tidying(
    tmp_path_factory: pytest.TempPathFactory, counted: list[tuple[int, bool]], one: int, other: int
) -> None:
    with closing(SignalStore(tmp_path_factory.mktemp("s") / "signals.db")) as store:
        for at, is_tidied in counted:
            add(store, T0 + at)
            if is_tidied:
                store.tidy()
                store.tidy(T0 + at + HOUR_S)
        began, ended = sorted((one * 5, other * 5))
        assert requests(store, T0 + began, T0 + ended) == sum(1 for at, _ in counted if began <= at < ended)


def test_a_request_that_comes_late_is_added_wherever_it_was_rolled_up_to(store: SignalStore) -> None:
    add(store, T0 + 10)
    tidied(store, T0 + 2 * DAY_S)
    add(store, T0 + 11)
    for began, ended in ((0, 60), (0, HOUR_S), (0, DAY_S), (0, 30 * DAY_S)):
        assert requests(store, T0 + began, T0 + ended) == 2
    assert rows(store, 86_400) == 2


def test_each_width_is_kept_as_long_as_is_said(store: SignalStore) -> None:
    add(store, T0 + 10)
    for age_s, kept in ((HOUR_S, (5, 60)), (3 * HOUR_S, (60, 3600)), (31 * DAY_S, (3600, 86_400)), (401 * DAY_S, ())):
        tidied(store, T0 + age_s)
        there = tuple(level.width_s for level in LEVELS if rows(store, level.width_s))
        assert set(kept) <= set(there) if kept else not there, f"after {age_s} s"
        assert bool(requests(store, T0, T0 + DAY_S)) == bool(kept)


def test_a_clock_that_steps_back_breaks_nothing(store: SignalStore) -> None:
    add(store, T0 + 5000)
    tidied(store)
    for at in (100, 101, 5001, 102):
        add(store, T0 + at)
        tidied(store)
    assert requests(store, T0, T0 + 7200) == 5
    assert store.progress().newest == T0 + 102


def test_one_time_far_ahead_does_not_age_the_rest(store: SignalStore) -> None:
    add(store, T0)
    add(store, T0 + 3600 * DAY_S)
    add(store, T0 + 1)
    tidied(store)
    assert requests(store, T0, T0 + 60) == 2
    assert LoggedSignals(store).finest_step_s(T0) == 5


def test_a_piece_of_tidying_is_small(store: SignalStore) -> None:
    for at in range(0, 2 * HOUR_S, 5):
        add(store, T0 + at)
    pieces = 0
    while store.tidy():
        pieces += 1
    assert pieces >= 2 * 119, "each piece rolls one wider bucket up"


def test_apps_and_releases_are_kept_apart(store: SignalStore) -> None:
    add(store, T0, 1)
    add(store, T0, 2, release="r2")
    add(store, T0, 4, app="other")
    signals = LoggedSignals(store)

    def served(app: str, release: str | None = None) -> int:
        return signals.window(app, began=T0, ended=T0 + 5, release=release).requests

    assert [served("demo", one) for one in (None, "r1", "r2", "r3")] == [3, 1, 2, 0]
    assert [served(one) for one in ("other", "nobody")] == [4, 0]


def test_gauges_are_kept_like_requests_and_time_goes_on_without_any(store: SignalStore) -> None:
    for at in range(0, 3 * HOUR_S, 5):
        gauges = [Gauge("rss", 1e8 + at, "demo", "r1", "worker.1"), Gauge("rss", 2e8, "demo", "r1", "worker.2")]
        store.add_gauges([*gauges, Gauge("load", 0.5)], T0 + at)
        store.tidy()
    tidied(store)
    assert rows(store, 5) < 2 * (2 * 720 + 30), "the oldest are removed"
    found = list(store.gauges("demo", START, START + 3 * HOUR_S))
    worker = [reading for _, name, instance, reading in found if (name, instance) == ("rss", "worker.1")]
    assert sum(reading.count for reading in worker) == 3 * 720
    assert min(reading.least for reading in worker) == pytest.approx(1e8)
    assert max(reading.most for reading in worker) == pytest.approx(1e8 + 3 * HOUR_S - 5)
    assert sum(reading.total for reading in worker) / (3 * 720) == pytest.approx(1e8 + 5397.5, rel=1e-6)
    assert {name for _, name, _, _ in store.gauges("", START, START + HOUR_S)} == {"load"}
    assert not list(store.gauges("demo", START, START + HOUR_S, release="r2"))


def test_routes_are_the_same_after_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    for uri in ("/a", "/b", "/a"):
        with log.open("ab") as file:
            file.write(line(T0, uri=uri))
        store, counter = counting(tmp_path)
        counter.catch_up()
        numbers = store.routes()["demo"].numbers
        counter.close()
        store.close()
    assert numbers == {"GET /a": 1, "GET /b": 2}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 40 * DAY_S), st.sampled_from(["r1", "r2"]), st.booleans()), max_size=40),
    st.integers(0, 45 * DAY_S),
)
def test_what_was_ever_counted_is_the_sum_of_all_in_any_order_of_times_and_tidying(
    tmp_path_factory: pytest.TempPathFactory, counted: list[tuple[int, str, bool]], now: int
) -> None:
    with closing(SignalStore(tmp_path_factory.mktemp("s") / "signals.db")) as store:
        for at, release, is_tidied in counted:
            add(store, T0 + at, release=release)
            if is_tidied:
                store.tidy()
                store.tidy(T0 + now)
        found = {release: tally.requests for release, tally in store.ever("demo", ["r1", "r2"]).items()}
        assert found == dict(Counter(release for _, release, _ in counted))
        assert sum(tally.requests for tally in store.ever_by_route("demo", [OTHER]).values()) == len(counted)


def test_what_was_ever_counted_never_falls_while_days_are_removed(store: SignalStore) -> None:
    add(store, T0 + 10, release="old")
    add(store, T0 + 10, release="long")
    add(store, T0 + 20, 2, app="other")
    add(store, T0 + 300 * DAY_S, release="long")
    tidied(store, T0 + 350 * DAY_S)
    both = ["old", "long"]
    assert {release: tally.requests for release, tally in store.ever("demo", both).items()} == {"old": 1, "long": 2}
    tidied(store, T0 + 450 * DAY_S)
    assert {release: tally.requests for release, tally in store.ever("demo", both).items()} == {"long": 2}
    assert store.ever_by_route("demo", [OTHER])[OTHER].requests == 3
    assert not store.ever("other", ["r1"])
    assert (store.ever("nobody", both), store.ever_by_route("nobody", [OTHER])) == ({}, {})


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_a_version_before_is_brought_forward(tmp_path: Path, version: int) -> None:
    path = tmp_path / "signals.db"
    with closing(SignalStore(path)) as store:
        for day in range(3):
            add(store, T0 + day * DAY_S)
        tidied(store, T0 + 2 * DAY_S)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE buckets_600")
        db.execute("DELETE FROM counters WHERE name = 'tens_from'")
        if version == 1:
            db.execute("DROP TABLE buckets_ever")
            db.execute("UPDATE buckets_86400 SET is_rolled = 0")
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()
    for _ in range(2):
        with closing(SignalStore(path)) as store:
            assert store.ever("demo", ["r1"])["r1"].requests == 3
            tidied(store, T0 + 2 * DAY_S + HOUR_S)
            assert store.ever("demo", ["r1"])["r1"].requests == 3


def test_a_closed_store_says_so(store: SignalStore) -> None:
    store.close()
    store.close()
    with pytest.raises(StateError, match="closed"):
        store.progress()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "signals.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(StateError, match="another program"):
        SignalStore(path)
    assert path.read_bytes() == before


def test_a_store_of_a_newer_pawl_is_left_alone(tmp_path: Path) -> None:
    SignalStore(tmp_path / "signals.db").close()
    with closing(sqlite3.connect(tmp_path / "signals.db")) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="newer Pawl"):
        SignalStore(tmp_path / "signals.db")


@pytest.mark.parametrize("damage", [b"", b"no database at all, but some text" * 300])
def test_a_file_that_is_no_database(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "signals.db"
    path.write_bytes(damage)
    if damage:
        with pytest.raises(StateError, match="damaged"):
            SignalStore(path)
    else:
        SignalStore(path).close()


def test_a_row_that_cannot_be_read_is_said(store: SignalStore) -> None:
    add(store, T0)
    assert store._db is not None
    store._db.execute("UPDATE buckets_5 SET data = x'0102'")
    with pytest.raises(StateError, match="damaged"):
        requests(store, T0, T0 + 5)


def test_the_file_is_private(store: SignalStore) -> None:
    assert store._path.stat().st_mode & 0o777 == 0o600


def test_checkpoints_from_another_thread_do_not_disturb(store: SignalStore) -> None:
    threads = [threading.Thread(target=store.checkpoint) for _ in range(5)]
    for number, thread in enumerate(threads):
        add(store, T0 + number)
        thread.start()
        add(store, T0 + number)
    for thread in threads:
        thread.join()
    assert requests(store, T0, T0 + 10) == 10


def test_following_counts_what_comes_and_survives_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pawl.observe.counting._TROUBLED_S", 0.01)
    monkeypatch.setattr("pawl.observe.counting._CHECKPOINT_S", 0.02)
    store, counter = counting(tmp_path)
    log = tmp_path / "access.log"

    async def until(lines: int) -> None:
        async with asyncio.timeout(20):
            while counter.counted().lines < lines or counter.trouble:
                await asyncio.sleep(0.005)

    async def story() -> None:
        following = asyncio.create_task(counter.follow(0.01))
        for number in range(1, 6):
            with log.open("ab") as file:
                file.write(line(T0 + number))
            await until(number)
        commit = store.commit

        def broken(*_: object, **__: object) -> None:
            monkeypatch.setattr(store, "commit", commit)
            raise StateError("the disk is full")

        monkeypatch.setattr(store, "commit", broken)
        with log.open("ab") as file:
            file.write(line(T0 + 9))
        await until(6)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    asyncio.run(story())
    counter.close()
    store.close()
