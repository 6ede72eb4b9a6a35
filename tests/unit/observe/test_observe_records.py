"""Counting lines: what is read of them, what is not, and to whom they belong."""

from __future__ import annotations

import itertools

import pytest

from pawl.observe.attribution import UNKNOWN, Attribution, Tenure
from pawl.observe.paths import ROUTES_PER_APP, Known
from pawl.observe.records import Counted, Counter, Key
from pawl.observe.tally import merged
from tests.unit.observe.observe_rig import SOCKET, T0, line


def count(*lines: bytes, known: dict[str, Known] | None = None, attribution: Attribution | None = None) -> Counted:
    return Counter(attribution or Attribution(), {} if known is None else known).count(b"".join(lines))


def test_a_line_is_counted_in_its_bucket_for_its_app_release_and_route() -> None:
    known: dict[str, Known] = {}
    attribution = Attribution([Tenure(SOCKET, "demo", "a1b2c3", "web.1", T0)])
    counted = count(
        line(T0 + 3, uri="/entries/1/"),
        line(T0 + 4.999, uri="/entries/2/", duration=0.5, status=500),
        line(T0 + 5, uri="/entries/3/"),
        known=known,
        attribution=attribution,
    )
    assert (counted.lines, counted.invalid, counted.newest) == (3, 0, T0 + 5)
    number = known["demo"].numbers["GET /entries/:id/"]
    first, second = Key(int(T0), "demo", "a1b2c3", number), Key(int(T0) + 5, "demo", "a1b2c3", number)
    assert set(counted.tallies) == {first, second}
    assert counted.tallies[first].by_status["5xx"] == 1
    assert counted.tallies[first].latencies.quantile(1) == pytest.approx(0.5, rel=0.01)
    assert counted.tallies[second].requests == 1


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"   \n",
        b"not json\n",
        b'{"ts":1770000000.0}\n',
        line(T0).replace(b'"status":200', b'"status":"200"'),
        line(T0, status=1000),
        line(T0, status=-1),
        line(1e300),
        line(0),
        line(T0).replace(b'"/"', b'"\xff\xfe"'),
        b"[]\n",
        b"\x1b[31m\n",
    ],
)
def test_a_line_that_cannot_be_read_is_counted_as_such_and_harms_no_other(bad: bytes) -> None:
    counted = count(line(T0), bad, line(T0 + 1))
    assert counted.lines == 2
    assert counted.invalid == (1 if bad.strip() else 0)
    assert sum(tally.requests for tally in counted.tallies.values()) == 2


def test_the_whole_line_behind_a_torn_one_counts() -> None:
    counted = count(line(T0)[:100] + line(T0 + 1, status=500))
    assert (counted.lines, counted.invalid) == (1, 1)
    assert merged(counted.tallies.values()).errors == 1


def test_a_path_that_looks_like_the_beginning_of_a_line_is_none() -> None:
    counted = count(line(T0, uri='/x{"ts":1,"status":500}'))
    assert (counted.lines, counted.invalid) == (1, 0)


@pytest.mark.parametrize("duration", [0, -0.5, 1e-9, 1e9, 5])
def test_any_duration_counts(duration: float) -> None:
    counted = count(line(T0, duration=duration))
    assert merged(counted.tallies.values()).latencies.count == 1


def test_a_websocket_has_no_latency() -> None:
    tally = merged(count(line(T0, status=101, duration=7200)).tallies.values())
    assert (tally.requests, tally.latencies.count) == (1, 0)


@pytest.mark.parametrize("upstream", [None, "unix//somebody/else.sock"])
def test_a_request_that_no_instance_of_ours_got_is_of_an_unknown_release(upstream: str | None) -> None:
    (key,) = count(line(T0, upstream=upstream, up_ms=None, status=503)).tallies
    assert key.release == UNKNOWN


def test_a_scanner_gets_no_routes() -> None:
    known: dict[str, Known] = {}
    scan = [line(T0, uri=f"/{word}.php", status=404) for word in ("a", "b", "c")]
    down = [line(T0, uri=f"/{word}.asp", status=502, up_ms=None) for word in ("a", "b", "c")]
    counted = count(*scan, *down, line(T0, uri="/real"), known=known)
    assert list(known["demo"].numbers) == ["GET /real"]
    assert {key.route: tally.requests for key, tally in counted.tallies.items()} == {0: 6, 1: 1}


def test_a_route_that_vanishes_shows_as_404s_of_its_own() -> None:
    counted = count(line(T0, uri="/real"), line(T0, uri="/real", status=404))
    ((key, tally),) = counted.tallies.items()
    assert key.route == 1
    assert tally.by_status["404"] == 1


def test_an_app_that_answers_everything_fills_its_places_and_no_more() -> None:
    known: dict[str, Known] = {}
    words = ["".join(letters) for letters in itertools.product("abcdefghij", repeat=3)]
    lines = [line(T0, uri=f"/{word}") for word in words]
    counted = count(*lines, known=known)
    assert len(known["demo"].seen) == ROUTES_PER_APP
    assert sum(tally.requests for key, tally in counted.tallies.items() if key.route == 0) == 800


def test_addresses_that_are_looked_up_once_are_looked_up_again_when_an_instance_begins() -> None:
    attribution = Attribution()
    counter = Counter(attribution, {})
    (before,) = counter.count(line(T0)).tallies
    attribution.add(Tenure(SOCKET, "demo", "r2", "web.1", T0))
    counter.forget()
    (after,) = counter.count(line(T0)).tallies
    assert (before.release, after.release) == (UNKNOWN, "r2")
