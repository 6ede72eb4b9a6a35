"""Graphs of a store whose every number is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pawl.dashboard.charts import figure
from pawl.dashboard.charts.chart import Chart, Line
from pawl.dashboard.graphs import app_graphs
from pawl.dashboard.spans import Span
from pawl.ledger.events import DeployEnded, DeployQueued, Switched, SwitchedBack
from pawl.ledger.memory import MemoryLedger
from pawl.model import Commit, DeployKind, Outcome
from pawl.observe.gauges import Gauge
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore
from tests.unit.observe.observe_rig import T0, counting, line

NOW = T0 + 3600
MB = 1e6


class Here:
    """A place that has a store and a ledger, and asks at once."""

    def __init__(self, store: SignalStore) -> None:
        self.now = T0
        self.ledger = MemoryLedger(clock=lambda: datetime.fromtimestamp(self.now, UTC))
        self._source = LoggedSignals(store)

    async def ask(self, question: Callable[[LoggedSignals], Any]) -> Any:
        return question(self._source)

    def graphs(self, *, began: float = T0, ended: float = NOW, app: str = "demo") -> dict[str, Chart]:
        span = Span.of({"from": str(began), "to": str(ended)}, ended)
        return {one.id: one for one in asyncio.run(app_graphs(self, app, span))}  # type: ignore[arg-type]


def seen(at: float, *, web: int = 1, worker: bool = True) -> list[Gauge]:
    """What pawld reads at one look."""
    instances = [*(f"web.{number + 1}" for number in range(web)), *(["worker.1"] if worker else [])]
    found = [Gauge("load", 0.5 if at < T0 + 600 else 1.5)]
    for one in instances:
        found += [Gauge("rss", 100 * MB, "demo", "r1", one), Gauge("cpu", 0.25, "demo", "r1", one)]
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignalStore]:
    """An hour. Ten minutes: two requests a second, one in ten an error. Ten: nobody asks. Ten: no pawld, in the second
    half of which the proxy serves one a second all the same. Then pawld is back, with a database and a queue."""
    folder = tmp_path_factory.mktemp("store")
    lines = [
        line(T0 + at / 2, status=500 if at % 10 == 0 else 404 if at % 10 == 1 else 200, duration=0.010 + 0.1 * (at % 2))
        for at in range(1200)
    ]
    lines += [line(T0 + at, duration=0.3) for at in range(1500, 1800)]
    (folder / "access.log").write_bytes(b"".join(lines))
    store, counter = counting(folder)
    counter.catch_up()
    for at in range(0, 3600, 5):
        if not 1200 <= at < 1800:
            store.add_gauges(seen(T0 + at, web=2 if 2400 <= at < 2400 + 8 * 15 + 5 else 1), T0 + at)
        if at >= 1800 and at % 15 == 10:
            service = {"app": "demo", "release": "r1"}
            store.add_gauges(
                [
                    Gauge("db_connections", 12.0, instance="main", **service),
                    Gauge("db_active", 2.0, instance="main", **service),
                    Gauge("db_bytes", 300 * MB, instance="main", **service),
                    Gauge("queue_length", 7.0, instance="celery", **service),
                    Gauge("queue_length", 0.0, instance="mail", **service),
                ],
                T0 + at,
            )
    yield store
    counter.close()
    store.close()


@pytest.fixture
def here(store: SignalStore) -> Here:
    return Here(store)


def named(chart: Chart, name: str) -> Line:
    return next(line for line in chart.lines if line.name == name)


def test_requests_are_told_by_class_and_second(here: Here) -> None:
    requests = here.graphs()["requests"]

    assert (requests.step_s, requests.shape, requests.unit) == (30, "area", "per second")
    assert [one.name for one in requests.lines] == ["2xx", "4xx", "5xx"]
    assert [named(requests, name).values[3] for name in ("2xx", "4xx", "5xx")] == pytest.approx([1.6, 0.2, 0.2])
    whole = sum(value or 0.0 for one in requests.lines for value in one.values)
    assert whole * 30 == pytest.approx(1500)


def test_nobody_asking_is_zero_and_nobody_watching_is_a_gap(here: Here) -> None:
    values = named(here.graphs()["requests"], "2xx").values

    assert set(values[20:40]) == {0.0}
    assert set(values[40:50]) == {None}
    assert values[50:60] == pytest.approx([1.0] * 10), "counted although pawld was down: the log was read later"
    assert set(values[60:]) == {0.0}


def test_times_and_errors_have_no_value_where_nobody_asked(here: Here) -> None:
    graphs = here.graphs()
    times, errors = graphs["times"], graphs["errors"]

    assert [named(times, name).values[3] for name in ("p50", "p95")] == pytest.approx([0.010, 0.110], rel=0.01)
    assert named(times, "p99").values[55] == pytest.approx(0.3, rel=0.01)
    assert errors.lines[0].values[3] == pytest.approx(0.1)
    assert errors.lines[0].values[55] == 0.0
    for one in (*times.lines, *errors.lines):
        assert set(one.values[20:50]) == {None}


def test_gauges_have_a_gap_where_nobody_watched(here: Here) -> None:
    graphs = here.graphs()

    load = graphs["load"].lines[0].values
    assert (load[0], load[25], load[45], load[-2]) == (0.5, 1.5, None, 1.5)
    memory = named(graphs["memory"], "web.1").values
    assert memory[0] == pytest.approx(100 * MB)
    assert set(memory[40:60]) == {None}
    assert named(graphs["cpu"], "worker.1").values[0] == pytest.approx(0.25)


def test_an_instance_that_ran_for_a_part_of_a_step_counts_for_that_part(here: Here) -> None:
    graphs = here.graphs()

    running = named(graphs["instances"], "web").values
    assert running[79] == 1
    assert running[80:84] == [2] * 4
    assert running[84] == pytest.approx(1 + 1 / 6)
    assert running[85] == 1
    assert named(graphs["memory"], "web.2").values[84] == pytest.approx(100 * MB / 6)
    assert named(graphs["memory"], "web.2").values[85] == 0


def test_services_are_shown_and_hold_between_two_readings(here: Here) -> None:
    graphs = here.graphs(began=T0 + 3000, ended=NOW)

    assert graphs["database"].step_s == 5
    assert set(named(graphs["database"], "all").values[3:]) == {12.0}
    assert set(named(graphs["database"], "active").values[3:]) == {2.0}
    assert set(graphs["database-size"].lines[0].values[3:]) == {300 * MB}
    assert [(one.name, one.values[-1]) for one in graphs["queues"].lines] == [("celery", 7.0), ("mail", 0.0)]


def test_a_service_that_is_not_read_any_more_does_not_hold_for_ever(here: Here) -> None:
    assert set(named(here.graphs()["database"], "all").values[:60]) == {None}


def test_only_graphs_with_values_are_shown_and_those_of_every_app(here: Here) -> None:
    assert list(here.graphs(ended=T0 + 600)) == ["requests", "times", "errors", "load", "memory", "cpu", "instances"]
    assert list(here.graphs(app="other")) == ["requests", "times", "errors", "load"]


def test_an_app_that_nobody_ever_asked_has_no_requests_and_not_nothing(here: Here) -> None:
    requests = here.graphs(app="other")["requests"]

    assert [one.name for one in requests.lines] == ["2xx", "5xx"]
    assert requests.lines[0].values[0] == 0.0
    assert requests.lines[0].values[45] is None


def test_a_step_that_goes_on_is_divided_by_what_has_passed_of_it(here: Here) -> None:
    young = here.graphs(began=T0, ended=T0 + 300 + 4)["requests"]
    older = here.graphs(began=T0 - 3600, ended=T0 + 300 + 12)["requests"]

    assert (young.step_s, older.step_s) == (5, 30)
    assert named(young, "2xx").values[-1] is None
    assert sum(one.values[-1] or 0.0 for one in older.lines) == pytest.approx(60 / 12)


def test_many_instances_are_shown_by_process_type(tmp_path: Path) -> None:
    store = SignalStore(tmp_path / "signals.db")
    store.add_gauges(seen(T0, web=12), T0)

    memory = Here(store).graphs(ended=T0 + 60)["memory"]

    assert [(one.name, one.values[0]) for one in memory.lines] == [("web", 1200 * MB), ("worker", 100 * MB)]
    store.close()


def test_deploys_are_marked_where_they_went_live_and_were_taken_back(here: Here) -> None:
    deploy(here, "d1", T0 + 100, title="<script>alert(1)</script>", ended=Outcome.KEPT)
    deploy(here, "d2", T0 + 300, title="Slower", back=T0 + 400, ended=Outcome.ROLLED_BACK)
    deploy(here, "d3", T0 + 500, title="Under way")
    deploy(here, "d4", T0 + 4000, title="Later", ended=Outcome.KEPT)
    deploy(here, "d5", T0 + 550, title="Broken", goes_live=False, ended=Outcome.FAILED)

    requests, *others = here.graphs().values()

    assert [(one.at - T0, one.title, one.outcome, one.href) for one in requests.marks] == [
        (100, "<script>alert(1)</script>", "kept", "/deploys/d1"),
        (300, "Slower", "rolled back", "/deploys/d2"),
        (400, "Taken back: Slower", "rolled back", "/deploys/d2"),
        (500, "Under way", "", "/deploys/d3"),
        (550, "Broken", "failed", "/deploys/d5"),
    ]
    assert requests.marks[0].detail.startswith("Ada, kept")
    assert all(one.marks == requests.marks for one in others)
    assert "<script" not in figure(requests, zone=UTC)


def deploy(
    here: Here, deploy: str, at: float, *, title: str, goes_live: bool = True, back: float | None = None,
    ended: Outcome | None = None,
) -> None:  # fmt: skip
    here.now = at
    commit = Commit("0" * 40, title, "Ada", "ada@example.org", "2026-02-01T00:00:00Z")
    queued = DeployQueued(deploy_kind=DeployKind.DEPLOY, release="r1", asked_by="ada", commit=commit)
    of: dict[str, Any] = {"app": "demo", "deploy": deploy}
    here.ledger.append(queued, **of)
    if goes_live:
        here.ledger.append(Switched(release="r1", settings=1, commit="0" * 40), **of)
    if back is not None:
        here.now = back
        here.ledger.append(SwitchedBack(reason="errors"), **of)
    if ended is not None:
        here.ledger.append(DeployEnded(outcome=ended, duration_s=3.0), **of)
