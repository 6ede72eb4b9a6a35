"""What the source tells of what was counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pawl.observe.attribution import Tenure
from pawl.observe.signals import LoggedSignals, SignalSource
from pawl.observe.store import SignalStore
from pawl.observe.store.schema import DAY_S, HOUR_S
from tests.unit.observe.observe_rig import SOCKET, T0, counting, line

OLD, NEW = SOCKET, "unix//run/pawl/i/2.sock"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SignalSource]:
    """Ten minutes of a request a second: the old release alone, then the new one beside it, which is slow and fails."""
    store = SignalStore(tmp_path / "signals.db")
    store.instance_began(Tenure(OLD, "demo", "old", "web.1", T0))
    store.instance_began(Tenure(NEW, "demo", "new", "web.2", T0))
    store.close()
    lines = []
    for second in range(600):
        lines.append(line(T0 + second, uri=f"/entries/{second}/", upstream=OLD, duration=0.010))
        if second >= 300:
            is_bad = second % 10 == 0
            lines.append(line(T0 + second + 0.5, uri="/", method="POST" if is_bad else "GET", upstream=NEW,
                              status=500 if is_bad else 200, duration=0.200))  # fmt: skip
    (tmp_path / "access.log").write_bytes(b"".join(lines))
    store, counter = counting(tmp_path)
    counter.catch_up()
    yield LoggedSignals(store)
    counter.close()
    store.close()


def test_a_window_tells_the_golden_signals(source: SignalSource) -> None:
    window = source.window("demo", began=T0, ended=T0 + 600, release="new")
    assert (window.requests, window.errors, window.error_share) == (300, 30, 0.1)
    assert window.by_status["2xx"] == 270
    assert window.rate_per_s == 0.5
    for told in (window.p50, window.p95, window.p99, window.mean):
        assert told == pytest.approx(0.2, rel=0.01)
    assert window.histogram.share_above(0.1) == 1


def test_both_releases_together_are_all(source: SignalSource) -> None:
    window = source.window("demo", began=T0, ended=T0 + 600)
    assert window.requests == 900
    assert window.p50 == pytest.approx(0.010, rel=0.01)
    assert window.p95 == pytest.approx(0.200, rel=0.01)


@pytest.mark.parametrize(
    ("route", "requests"),
    [("GET /entries/:id/", 600), ("/", 300), ("POST /", 30), ("GET /", 270), ("/nowhere", 0), (None, 900)],
)
def test_a_route_is_asked_for_with_or_without_its_method(
    source: SignalSource, route: str | None, requests: int
) -> None:
    assert source.window("demo", began=T0, ended=T0 + 600, route=route).requests == requests


def test_the_busiest_route_comes_first(source: SignalSource) -> None:
    routes = source.routes("demo", began=T0, ended=T0 + 600)
    assert [(one.route, one.requests) for one in routes] == [("GET /entries/:id/", 600), ("GET /", 270), ("POST /", 30)]
    assert [one.route for one in source.routes("demo", began=T0, ended=T0 + 600, release="new")] == ["GET /", "POST /"]


def test_buckets_are_all_the_steps_of_a_span(source: SignalSource) -> None:
    buckets = source.buckets("demo", began=T0 + 280, ended=T0 + 320, step_s=5, release="new")
    assert [one.requests for one in buckets] == [0, 0, 0, 0, 5, 5, 5, 5]
    assert [one.began - T0 for one in buckets] == list(range(280, 320, 5))
    assert all(one.ended == one.began + 5 for one in buckets)
    assert [one.errors for one in source.buckets("demo", began=T0, ended=T0 + 600, step_s=300)] == [0, 30]
    assert sum(one.requests for one in source.buckets("demo", began=T0, ended=T0 + 600, step_s=60, route="/")) == 300


def test_a_span_is_widened_to_whole_buckets_and_says_so(source: SignalSource) -> None:
    window = source.window("demo", began=T0 + 1, ended=T0 + 4)
    assert (window.began, window.ended, window.requests) == (T0, T0 + 5, 5)


def test_a_window_without_requests_tells_nothing_but_that(source: SignalSource) -> None:
    window = source.window("nobody", began=T0, ended=T0 + 5)
    assert (window.requests, window.error_share, window.p95, window.mean, window.rate_per_s) == (0, None, None, None, 0)
    assert source.routes("nobody", began=T0, ended=T0 + 5) == []


def test_what_is_old_is_told_by_the_minute_then_by_the_hour(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_bytes(line(T0 + 90) + line(T0 + 40 * DAY_S))
    store, counter = counting(tmp_path)
    counter.catch_up()
    source = LoggedSignals(store)
    assert [source.finest_step_s(T0 + at * DAY_S) for at in (40, 39, 11, 9, -400)] == [5, 60, 60, 3600, 86_400]
    window = source.window("demo", began=T0 + 61, ended=T0 + 119)
    assert (window.requests, window.began, window.ended) == (1, T0, T0 + HOUR_S)
    with pytest.raises(ValueError, match="no multiple of 3600 s"):
        source.buckets("demo", began=T0, ended=T0 + HOUR_S, step_s=60)
    with pytest.raises(ValueError, match="no multiple of 5 s"):
        source.buckets("demo", began=T0 + 40 * DAY_S, ended=T0 + 41 * DAY_S, step_s=7)
    counter.close()
    store.close()
