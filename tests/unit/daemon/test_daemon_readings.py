"""The golden signals as JSON, from a store that was filled by counting lines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pawl.daemon import readings
from pawl.daemon.pawld import Pawld
from pawl.daemon.readings import SignalsQuery
from pawl.errors import StateError, UsageError
from pawl.observe.attribution import Tenure
from pawl.observe.gauges import Gauge
from pawl.observe.signals import LoggedSignals
from tests.unit.daemon.daemon_rig import call, play, put_live
from tests.unit.observe.observe_rig import SOCKET, T0, counting, line

Json = dict[str, Any]
OTHER_SOCKET = "unix//run/pawl/i/2.sock"
DAY_S = 86_400


def told(
    folder: Path, lines: Iterable[bytes], *, gauges: Iterable[tuple[float, Gauge]] = (), now: float = T0 + 600,
    trouble: StateError | None = None, **query: Any,
) -> Json:  # fmt: skip
    """What is told of 'demo' after these lines were counted."""
    (folder / "access.log").write_bytes(b"".join(lines))
    store, counter = counting(folder)
    store.instance_began(Tenure(SOCKET, "demo", "r1", "web.1", T0 - 40 * DAY_S))
    store.instance_began(Tenure(OTHER_SOCKET, "demo", "r2", "web.1", T0 + 100))
    try:
        counter.instances_changed()
        counter.catch_up()
        for at, gauge in gauges:
            store.add_gauges([gauge], at)
        source = LoggedSignals(store, lambda: trouble)
        return readings.signals(source, "demo", SignalsQuery(**query), now=now, releases=["r1", "r2", "r10"])
    finally:
        counter.close()
        store.close()


def test_the_last_hour_is_told_when_nothing_else_is_asked(tmp_path: Path) -> None:
    answer = told(tmp_path, [line(T0 - 3300), line(T0 - 2900), line(T0 + 599, status=500)])
    assert (answer["requests"], answer["errors"], answer["error_share"]) == (2, 1, 0.5)
    assert (answer["began"], answer["ended"]) == ("2026-02-01T23:10:00.000Z", "2026-02-02T00:10:00.000Z")
    assert answer["rate_per_s"] == 2 / 3600


def test_until_ends_the_span_before_now(tmp_path: Path) -> None:
    lines = [line(T0), line(T0 + 299), line(T0 + 300)]
    answer = told(tmp_path, lines, since=T0, until=T0 + 300)
    assert (answer["requests"], answer["step_s"], answer["ended"]) == (2, 5, "2026-02-02T00:05:00.000Z")
    assert [one["requests"] for one in answer["buckets"] if one["requests"]] == [1, 1]


def test_a_step_that_is_not_over_ends_with_the_span(tmp_path: Path) -> None:
    answer = told(tmp_path, [line(T0)], since=T0 - 3000, now=T0 + 20)
    assert answer["step_s"] == 60
    assert answer["buckets"][-1]["began"] == "2026-02-02T00:00:00.000Z"
    assert answer["buckets"][-1]["ended"] == answer["ended"] == "2026-02-02T00:00:20.000Z"


def test_a_long_span_is_told_in_few_steps_and_only_as_far_as_it_is_kept(tmp_path: Path) -> None:
    lines = [line(T0 - 29 * DAY_S), line(T0 - 9 * DAY_S), line(T0)]
    month = told(tmp_path, lines, since=T0 - 30 * DAY_S)
    assert (month["requests"], month["step_s"]) == (3, DAY_S)
    assert [one["requests"] for one in month["buckets"] if one["requests"]] == [1, 1, 1]
    ever = told(tmp_path, lines, since=0.0)
    assert (ever["requests"], ever["step_s"]) == (3, 7 * DAY_S)
    assert len(ever["buckets"]) <= readings.MOST_STEPS + 2
    assert ever["began"] >= "2024-12-28"


def test_only_the_busiest_routes_are_told_and_how_many_more_there_are(tmp_path: Path) -> None:
    words = [f"/{chr(97 + number // 5)}{chr(97 + number % 5)}" for number in range(25)]
    answer = told(tmp_path, [line(T0 + 1, uri=uri) for number, uri in enumerate(words) for _ in range(number + 1)])
    assert [one["requests"] for one in answer["routes"]] == list(range(25, 5, -1))
    assert answer["more_routes"] == 5


def test_a_path_stands_for_all_its_methods(tmp_path: Path) -> None:
    lines = [line(T0, uri="/a/1"), line(T0, uri="/a/2", method="POST", status=500), line(T0, uri="/a")]
    answer = told(tmp_path, lines, route="/a/7")
    assert {one["route"]: one["requests"] for one in answer["routes"]} == {"GET /a/:id": 1, "POST /a/:id": 1}
    assert (answer["requests"], answer["errors"]) == (2, 1)


def test_what_has_no_route_can_be_asked_for(tmp_path: Path) -> None:
    answer = told(tmp_path, [line(T0, uri="/a"), line(T0, uri="/.env", status=404)], route="(other)")
    assert (answer["requests"], answer["by_status"]["404"]) == (1, 1)


def test_a_route_is_split_by_release(tmp_path: Path) -> None:
    lines = [
        line(T0, uri="/a"), line(T0, uri="/b"), line(T0 + 200, uri="/a", upstream=OTHER_SOCKET, status=500),
        line(T0 + 201, uri="/a", upstream=OTHER_SOCKET),
        line(T0 + 202, uri="/a", upstream=None, status=503, up_ms=None),
    ]  # fmt: skip
    answer = told(tmp_path, lines, route="/a")
    assert {one["release"]: (one["requests"], one["errors"]) for one in answer["releases"]} == {
        "r1": (1, 0), "r2": (2, 1), "unknown": (1, 1),
    }  # fmt: skip
    assert answer["requests"] == 4
    whole = told(tmp_path, lines)
    assert {one["release"]: one["requests"] for one in whole["releases"]} == {"r1": 2, "r2": 2, "unknown": 1}


def test_a_release_is_named_by_its_beginning_where_that_is_one_only(tmp_path: Path) -> None:
    lines = [line(T0), line(T0 + 200, upstream=OTHER_SOCKET), line(T0 + 201, upstream=OTHER_SOCKET)]
    assert told(tmp_path, lines, release="r2")["requests"] == 2
    assert told(tmp_path, lines, release="r1")["release"] == "r1"  # r10 begins like it
    assert told(tmp_path, lines, release="u")["release"] == "unknown"
    assert told(tmp_path, lines, release="r10")["requests"] == 0
    with pytest.raises(UsageError, match="'r' is the beginning of several releases of 'demo'") as caught:
        told(tmp_path, lines, release="r")
    assert caught.value.why == "it may be: r1, r10, r2"


def test_a_route_that_nobody_asked_for_is_answered_with_the_nearest(tmp_path: Path) -> None:
    lines = [line(T0, uri="/feeds/"), line(T0, uri="/feeds/", method="POST"), line(T0, uri="/about/")]
    with pytest.raises(UsageError, match="nobody asked 'demo' for 'GET /feed/'") as caught:
        told(tmp_path, lines, route="GET /feed/")
    assert caught.value.why == "the nearest: GET /feeds/, POST /feeds/"
    with pytest.raises(UsageError) as caught:
        told(tmp_path, lines, route="/xyz")
    assert "/about/" in caught.value.why
    with pytest.raises(UsageError) as caught:
        told(tmp_path, lines, route="DELETE /feeds/")
    assert caught.value.why == "the nearest: GET /feeds/, POST /feeds/"


def test_a_route_asked_for_at_another_time_has_no_requests(tmp_path: Path) -> None:
    answer = told(tmp_path, [line(T0 - 7200, uri="/feeds/"), line(T0)], route="/feeds/")
    assert (answer["requests"], answer["error_share"], answer["p95_s"], answer["routes"]) == (0, None, None, [])


def test_an_app_that_nobody_asked_for_anything_has_no_requests(tmp_path: Path) -> None:
    answer = told(tmp_path, [], route="/feeds/")
    assert (answer["requests"], answer["releases"], answer["gauges"]) == (0, [], [])


SPANS: dict[str, tuple[dict[str, Any], str]] = {
    "begins in the future": ({"since": T0 + 601}, "begins in the future"),
    "ends before it begins": ({"since": T0, "until": T0 - 1}, "ends before it begins"),
    "is long over": ({"since": 0.0, "until": 1.0}, "is over for too long"),
    "never begins": ({"since": float("nan")}, "since is not a time"),
    "never ends": ({"until": float("inf")}, "until is not a time"),
}


@pytest.mark.parametrize(("query", "problem"), SPANS.values(), ids=SPANS)
def test_a_span_that_cannot_be_is_refused(tmp_path: Path, query: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        told(tmp_path, [line(T0)], **query)


def test_gauges_are_told_with_units_those_of_services_for_every_release_and_the_machine_last(tmp_path: Path) -> None:
    gauges = [
        (T0, Gauge("rss", 1e8, "demo", "r1", "web.1")),
        (T0 + 5, Gauge("rss", 2e8, "demo", "r2", "web.1")),
        (T0, Gauge("db_connections", 12, "demo", "", "news")),
        (T0, Gauge("memory_available", 3e9)),
        (T0, Gauge("rss", 7e8, "another", "r1", "web.1")),
    ]
    both = told(tmp_path, [], gauges=gauges)["gauges"]
    assert [(one["name"], one["instance"]) for one in both] == [
        ("db_connections", "news"), ("rss_bytes", "web.1"), ("memory_available_bytes", ""),
    ]  # fmt: skip
    assert (both[1]["least"], both[1]["mean"], both[1]["most"]) == (1e8, 1.5e8, 2e8)


def test_the_gauges_of_one_release(tmp_path: Path) -> None:
    gauges = [
        (T0, Gauge("rss", 1e8, "demo", "r1", "web.1")),
        (T0 + 5, Gauge("rss", 2e8, "demo", "r2", "web.1")),
        (T0, Gauge("db_connections", 12, "demo", "", "news")),
    ]
    alone = told(tmp_path, [], gauges=gauges, release="r2")["gauges"]
    assert [(one["name"], one["most"]) for one in alone] == [("db_connections", 12), ("rss_bytes", 2e8)]


def test_counting_says_what_it_could_not_read_and_why_it_stands_still(tmp_path: Path) -> None:
    lines = [line(T0), b"no line\n"]
    assert told(tmp_path, lines)["counting"] == {"lines": 1, "invalid": 1, "trouble": None}
    trouble = StateError("the disk is full", next_step="free some space")
    assert told(tmp_path, lines, trouble=trouble)["counting"]["trouble"] == {
        "what": "requests are not counted just now", "why": "the disk is full", "next": "free some space",
    }  # fmt: skip


# Through the API

WRONG = {
    "deploys?limit=x": "Expected `int`",
    "deploys?limit=": "Expected `int`",
    "deploys?limit=0": "Expected `int` >= 1",
    "deploys?limit=99999999999999999999": "Expected `int`",
    "signals?since=x": "Expected `float",
    "signals?since=nan": "",
    "signals?sinse=1": "unknown field `sinse`",
}


def test_a_query_that_cannot_be_read_is_wrong_use_and_no_fault_of_pawld(tmp_path: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        for wrong, why in WRONG.items():
            path, _, query = wrong.partition("?")
            status, answer = await call(pawld, "GET", f"/v1/apps/hello/{path}", query=query)
            assert (status, answer["error"]["kind"]) == (400, "UsageError"), wrong
            assert why in answer["error"]["why"], wrong
        assert (await call(pawld, "GET", "/v1/apps/none/signals"))[0] == 400

    play(tmp_path, scene)


def test_a_query_that_can_be_read_is_answered(tmp_path: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        newest = [put_live(pawld), put_live(pawld, release="r2")][-1]
        status, answer = await call(pawld, "GET", "/v1/apps/hello/deploys", query="limit=1")
        assert (status, [one["deploy"] for one in answer["deploys"]]) == (200, [newest])
        assert len((await call(pawld, "GET", "/v1/apps/hello/deploys"))[1]["deploys"]) == 2
        status, answer = await call(pawld, "GET", "/v1/apps/hello/signals", query="since=1000000000&release=unknown")
        assert (status, answer["release"], answer["requests"]) == (200, "unknown", 0)
        pawld.signals.close()

    play(tmp_path, scene)
