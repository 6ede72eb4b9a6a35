"""Counters of requests never fall and miss nothing: across restarts, while the store is being read, at every bound."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.daemon.metrics.catalogue import FAMILIES
from pawl.daemon.metrics.exposition import Page
from pawl.daemon.metrics.requests import EDGES_S, MOST_RELEASES, MOST_ROUTES, RequestTotals, spread_of
from pawl.errors import StateError
from pawl.observe.attribution import Tenure
from pawl.observe.counting import Counting
from pawl.observe.histogram import Histogram
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore
from pawl.observe.store.schema import DAY_S
from tests.unit.observe.observe_rig import SOCKET, T0, line

Answer = TypeVar("Answer")
Counts = dict[tuple[str, ...], float]


class Machine:
    """A store, what is counted into it, and the totals, as one pawld has them."""

    def __init__(self, folder: Path) -> None:
        self.path, self.log = folder / "signals.db", folder / "access.log"
        self.store = SignalStore(self.path)
        self.counting = Counting(self.store, self.log)
        self.while_read: Callable[[], object] = lambda: None
        self.now = T0
        self.reads = 0
        self.totals = RequestTotals(self.ask, now=lambda: self.now)
        self.counting.on_counted = self.totals.counted

    async def ask(self, question: Callable[[LoggedSignals], Answer], /) -> Answer:
        """As pawld's reading thread: an answer of one moment, which reaches the loop after others had their turn."""
        self.reads += 1
        reader = SignalStore(self.path)
        try:
            with reader.snapshot():
                answer = question(LoggedSignals(reader))
        finally:
            reader.close()
        self.while_read()
        return answer

    def serve(self, *lines: bytes) -> None:
        with self.log.open("ab") as log:
            log.writelines(lines)
        self.counting.catch_up()

    def release(self, name: str, address: str, *, at: float = T0 - 60) -> None:
        self.store.instance_began(Tenure(address, "demo", name, f"web.{name}", at))
        self.counting.instances_changed()

    def read(self, *releases: str, app: str = "demo") -> None:
        run(self.totals.read({app: set(releases)}))

    def told(self, metric: str = "pawl_requests_total") -> Counts:
        page = Page(FAMILIES)
        self.totals.show(page)
        return {key: count for key, count in page._numbers[metric].items() if count}

    def close(self) -> None:
        self.counting.close()
        self.store.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with begun(tmp_path) as machine:
        yield machine


@contextmanager
def begun(folder: Path) -> Iterator[Machine]:
    machine = Machine(folder)
    try:
        yield machine
    finally:
        machine.close()


def test_requests_are_told_by_release_route_and_status(machine: Machine) -> None:
    machine.release("r1", SOCKET)
    machine.serve(line(T0), line(T0, status=404, uri="/x"), line(T0, status=503, upstream=None, up_ms=None))
    machine.read("r1")
    assert machine.told() == {("demo", "r1", "2xx"): 1, ("demo", "r1", "404"): 1, ("demo", "unknown", "5xx"): 1}
    machine.serve(line(T0 + 1), line(T0 + 1, uri="/items/1"), line(T0 + 1, uri="/items/2"))
    machine.read("r1")
    assert machine.told()["demo", "r1", "2xx"] == 4
    assert machine.told("pawl_route_requests_total") == {
        ("demo", "GET /", "2xx"): 2, ("demo", "GET /", "5xx"): 1, ("demo", "GET /items/:id", "2xx"): 2,
        ("demo", "(other)", "404"): 1,
    }  # fmt: skip


def test_a_new_pawld_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    with begun(tmp_path) as first:
        first.release("r1", SOCKET)
        first.serve(*[line(T0)] * 5)
        first.read("r1")
        before = first.told()
    with begun(tmp_path) as second:
        second.serve(line(T0 + 9))
        second.read("r1")
        assert second.told() == {key: count + 1 for key, count in before.items()}


def test_nothing_is_kept_before_somebody_asks(machine: Machine) -> None:
    machine.serve(line(T0))
    assert (machine.told(), machine.reads) == ({}, 0)


def test_the_store_is_read_once_while_nothing_new_turns_up(machine: Machine) -> None:
    machine.release("r1", SOCKET)
    machine.serve(line(T0))
    machine.read("r1")
    for at in range(20):
        machine.serve(line(T0 + at))
        machine.read("r1")
    assert machine.reads == 1
    assert machine.told() == {("demo", "r1", "2xx"): 21}


def test_what_is_counted_while_the_store_is_read_is_neither_lost_nor_doubled(machine: Machine) -> None:
    machine.release("r1", SOCKET)
    machine.serve(line(T0))
    machine.while_read = lambda: machine.serve(line(T0 + 1), line(T0 + 2))
    machine.read("r1")
    machine.while_read = lambda: None
    assert machine.told() == {("demo", "r1", "2xx"): 3}
    machine.serve(line(T0 + 3))
    machine.read("r1")
    assert machine.told() == {("demo", "r1", "2xx"): 4}


def test_a_release_and_a_route_that_turn_up_while_the_store_is_read_are_whole(machine: Machine) -> None:
    machine.release("r1", SOCKET)
    machine.serve(line(T0))
    machine.release("r2", "unix//2.sock")
    machine.while_read = lambda: machine.serve(line(T0 + 1, upstream="unix//2.sock", uri="/new"))
    machine.read("r1")
    assert machine.reads == 2
    assert machine.told() == {("demo", "r1", "2xx"): 1, ("demo", "r2", "2xx"): 2}
    assert machine.told("pawl_route_requests_total")["demo", "GET /new", "2xx"] == 2


def test_a_new_release_begins_with_0_before_its_first_request(machine: Machine) -> None:
    machine.serve(line(T0))
    machine.read("r9")
    page = Page(FAMILIES)
    machine.totals.show(page)
    assert 'pawl_requests_total{app="demo",release="r9",status="5xx"} 0' in page.text()


def test_a_release_of_long_ago_has_its_numbers_when_it_comes_back(machine: Machine) -> None:
    machine.release("old", SOCKET)
    machine.serve(*[line(T0)] * 4)
    machine.release("new", "unix//2.sock", at=T0 + 1)
    machine.serve(line(T0 + 3 * DAY_S, upstream="unix//2.sock"))
    machine.now = T0 + 3 * DAY_S
    machine.read("new")
    assert ("demo", "old", "2xx") not in machine.told()
    machine.serve(line(T0 + 3 * DAY_S + 1))
    machine.read("new")
    assert machine.told()["demo", "old", "2xx"] == 5


def test_releases_and_routes_are_bounded_and_what_is_told_stays_right(machine: Machine) -> None:
    for number in range(MOST_RELEASES + 5):
        machine.release(f"r{number}", f"unix//{number}.sock")
        machine.serve(*[line(T0, upstream=f"unix//{number}.sock")] * (number + 1))
    machine.serve(*[line(T0, upstream="unix//0.sock", uri=f"/page-{chr(97 + number)}") for number in range(26)] * 2)
    machine.read("r0", "r14")
    for _ in range(3):
        machine.serve(line(T0 + 5, upstream="unix//0.sock"), line(T0 + 5, upstream="unix//1.sock", uri="/page-z"))
        machine.read("r0", "r14")
    assert machine.reads == 1
    told = machine.told()
    assert len({release for _, release, _ in told}) == MOST_RELEASES
    assert told["demo", "r0", "2xx"] == 1 + 52 + 3
    assert told["demo", "r14", "2xx"] == 15
    routes = machine.told("pawl_route_requests_total")
    assert len(routes) == MOST_ROUTES
    assert routes["demo", "GET /", "2xx"] == sum(range(1, MOST_RELEASES + 6)) + 3


def test_an_app_that_is_gone_is_not_told(machine: Machine) -> None:
    machine.serve(line(T0))
    machine.read("r1")
    machine.read(app="other")
    assert machine.told() == {}


def test_what_was_known_is_known_while_the_store_cannot_be_read(machine: Machine) -> None:
    machine.release("r1", SOCKET)
    machine.serve(line(T0))
    machine.read("r1")

    def fail() -> None:
        raise StateError("the disk is gone")

    machine.while_read = fail
    with pytest.raises(StateError):
        machine.read("r1", "r2")
    machine.serve(line(T0 + 1))
    assert machine.told() == {("demo", "r1", "2xx"): 2}
    machine.while_read = lambda: None
    machine.read("r1", "r2")
    assert machine.told() == {("demo", "r1", "2xx"): 2}


@given(st.lists(st.floats(1e-6, 100), max_size=200))
def test_buckets_hold_exactly_what_lies_below_their_edges(values: list[float]) -> None:
    spread = spread_of(Histogram.of_values(values))
    for edge, count in spread.ladder:
        # An edge is told with six digits, and a time may lie between those and the edge itself.
        below = sum(value < edge * (1 - 1e-5) for value in values)
        around = sum(edge * (1 - 1e-5) <= value <= edge * (1 + 1e-5) for value in values) if edge < math.inf else 0
        assert below <= count <= below + around
    assert spread.total == pytest.approx(sum(max(value, 1e-5) for value in values), rel=0.0101)


def test_the_edges_are_within_1_percent_of_what_people_ask_for() -> None:
    wanted = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
    assert list(EDGES_S) == [pytest.approx(edge, rel=0.01) for edge in wanted]
