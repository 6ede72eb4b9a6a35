"""``pawl signals``: exact counts of what went through the proxy, whatever happened to pawld and its log meanwhile."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pawl.demo.load import Load
from tests.e2e.e2e_rig import ISO_UTC, error_lines
from tests.support import Pawl, Repository, eventually, repository

SHOP = Path(__file__).parents[1] / "apps" / "shop"
PATHS = ("/", "/search", "/items/1", "/items/2")


@pytest.fixture
def shop(pawl: Pawl, place: Path) -> Repository:
    """A shop that is live, and was not asked for anything yet."""
    repo = repository(place / "shop", SHOP)
    pawl.ok("deploy", repo.path, "--no-observe")
    return repo


def change(pawl: Pawl, shop: Repository, **faults: object) -> str:
    """Deploy the shop with these faults; its release."""
    commit = shop.commit("A change", FAULTS=json.dumps(faults))
    pawl.ok("deploy", shop.path, "--no-observe")
    return commit[:12]


def load(pawl: Pawl, *, paths: Sequence[str] = PATHS, for_s: float = 2.0) -> tuple[int, int]:
    """Ask for these paths for a while; how many were answered, and how many of them with 5xx."""
    steady = Load(f"http://shop.localhost:{pawl.port}/", rate=40, paths=paths)
    steady.start()
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > for_s, within_s=for_s + 15)
    tally = steady.stop()
    assert set(tally.failures) <= {"HTTP 500"}, tally.failures
    assert tally.served + tally.failed > 10
    return tally.served + tally.failed, tally.failed


def signals(pawl: Pawl, *words: str) -> dict[str, Any]:
    answer: dict[str, Any] = pawl.json("signals", "shop", *words)
    return answer


def counted(pawl: Pawl, requests: int, *words: str) -> dict[str, Any]:
    """What is told once so many requests are counted; more there must not be."""
    answer: dict[str, Any] = eventually(
        lambda: found if (found := signals(pawl, *words))["requests"] >= requests else None, within_s=30
    )
    assert answer["requests"] == requests
    return answer


def by(answer: dict[str, Any], what: str, number: str = "requests") -> dict[str, int]:
    return {one[what]: one[number] for one in answer[f"{what}s"]}


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def test_every_request_is_counted_with_its_status_and_time(pawl: Pawl, shop: Repository) -> None:
    change(pawl, shop, errors=0.5)
    requests, errors = load(pawl)
    answer = counted(pawl, requests)
    assert 0 < answer["errors"] == errors < requests
    assert answer["error_share"] == errors / requests
    assert {name: count for name, count in answer["by_status"].items() if count} == {
        "2xx": requests - errors,
        "5xx": errors,
    }
    assert sum(one["requests"] for one in answer["buckets"]) == requests
    assert sum(one["errors"] for one in answer["buckets"]) == errors
    assert 0.07 < answer["p50_s"] <= answer["p95_s"] <= answer["p99_s"]
    assert 0.07 < answer["mean_s"] <= answer["p99_s"]
    assert answer["counting"] == {"lines": requests, "invalid": 0, "trouble": None}


def test_requests_to_one_view_are_one_route(pawl: Pawl, shop: Repository) -> None:
    for path in ("/items/1", "/items/2?page=7", "/items/33", "/", "/search?q=secret"):
        assert pawl.get(path, "shop")[0] == 200
    for path in ("/wp-login.php", "/.env"):
        assert pawl.get(path, "shop")[0] == 404
    answer = counted(pawl, 7)
    assert by(answer, "route") == {"GET /items/:id": 3, "(other)": 2, "GET /": 1, "GET /search": 1}
    assert by(answer, "route", "not_found") == {"GET /items/:id": 0, "(other)": 2, "GET /": 0, "GET /search": 0}
    assert answer["routes"][0]["route"] == "GET /items/:id"
    assert answer["more_routes"] == 0


def test_one_route_alone_by_its_name_a_path_or_an_address_of_it(pawl: Pawl, shop: Repository) -> None:
    release = change(pawl, shop, errors=1, on="/search")
    for path in ("/items/1", "/items/2", "/search", "/"):
        pawl.get(path, "shop")
    counted(pawl, 4)
    for wanted, route in (
        ("GET /items/:id", "GET /items/:id"),
        ("/items/:id", "/items/:id"),
        ("get /items/77", "GET /items/:id"),
    ):
        answer = signals(pawl, "--route", wanted)
        assert (answer["route"], answer["requests"], answer["errors"]) == (route, 2, 0)
        assert by(answer, "route") == {"GET /items/:id": 2}
        assert by(answer, "release") == {release: 2}
        assert sum(one["requests"] for one in answer["buckets"]) == 2
    broken = signals(pawl, "--route", "/search")
    assert (broken["requests"], broken["errors"], broken["error_share"]) == (1, 1, 1.0)


def test_releases_are_told_apart(pawl: Pawl, shop: Repository) -> None:
    first = shop.git("rev-parse", "HEAD")[:12]
    before, none = load(pawl)
    second = change(pawl, shop, errors=1, on="/search")
    after, errors = load(pawl)
    assert none == 0 < errors
    answer = counted(pawl, before + after)
    assert by(answer, "release") == {first: before, second: after}
    assert by(answer, "release", "errors") == {first: 0, second: errors}
    alone = signals(pawl, "--release", second[:7])
    assert (alone["release"], alone["requests"], alone["errors"]) == (second, after, errors)
    assert by(alone, "release") == {second: after}
    assert sum(by(alone, "route").values()) == after
    both = signals(pawl, "--route", "/search")
    split = by(both, "release", "errors")
    assert (split[first], split[second]) == (0, errors)
    assert sum(by(both, "release").values()) == both["requests"] > errors
    assert first in pawl.ok("signals", "shop")


def test_since_leaves_out_what_was_before(pawl: Pawl, shop: Repository) -> None:
    before, _ = load(pawl)
    began = (time.time() // 5 + 1) * 5  # a bucket begins there
    eventually(lambda: time.time() > began + 0.1)
    after, _ = load(pawl)
    counted(pawl, before + after, "--since", "1h")
    answer = counted(pawl, after, "--since", iso(began))
    assert answer["began"] == iso(began).replace("+00:00", ".000Z")
    assert answer["step_s"] == 5
    assert signals(pawl, "--since", "30d")["requests"] == before + after
    assert signals(pawl, "--since", "2001-01-01")["requests"] == before + after


def test_nothing_is_lost_or_doubled_over_down_and_up(pawl: Pawl, shop: Repository) -> None:
    before, _ = load(pawl)
    pawl.ok("down")  # at once, so that the last requests are not counted yet
    pawl.up()
    answered: list[int] = []

    def is_up() -> bool:
        answered.append(pawl.get("/healthz", "shop")[0])
        return answered[-1] == 200

    eventually(is_up)
    after, _ = load(pawl)
    answer = counted(pawl, before + len(answered) + after)
    assert answer["by_status"]["2xx"] == before + answered.count(200) + after
    assert answer["counting"]["lines"] == answer["requests"]


def test_nothing_is_lost_or_doubled_when_pawld_is_killed(pawl: Pawl, shop: Repository) -> None:
    steady = Load(f"http://shop.localhost:{pawl.port}/", rate=40, paths=PATHS)
    steady.start()
    try:
        for kills in range(3):
            eventually(partial(_has_served, steady, 30 * (kills + 1)), within_s=30)
            pawl.kill_pawld()
            pawl.up()
    finally:
        tally = steady.stop()
    assert not tally.failures
    answer = counted(pawl, tally.served)
    assert answer["counting"]["lines"] == tally.served
    assert by(answer, "release") == {shop.git("rev-parse", "HEAD")[:12]: tally.served}


def _has_served(steady: Load, requests: int) -> bool:
    return steady.tally.served >= requests


@pytest.mark.parametrize("fate", ["deleted", "rotated", "rotated while pawld is away"])
def test_nothing_is_lost_or_doubled_when_the_log_is(fate: str, pawl: Pawl, shop: Repository) -> None:
    log = pawl.home.log / "access.log"
    before, _ = load(pawl)
    counted(pawl, before)
    if fate == "rotated while pawld is away":
        pawl.kill_pawld()
    if fate == "deleted":
        log.unlink()
    else:
        log.rename(log.with_name("access-2026-05-09T07-35-00.000-size.log"))
    after, _ = load(pawl)
    if fate == "rotated while pawld is away":
        pawl.up()
    answer = counted(pawl, before + after)
    assert answer["counting"]["lines"] == before + after


def test_what_is_used_is_told_with_units(pawl: Pawl, shop: Repository) -> None:
    requests, _ = load(pawl)
    counted(pawl, requests)
    wanted = {"rss_bytes", "cpu_cores", "open_files", "restarts", "in_flight"}
    answer = eventually(lambda: found if wanted <= set(_of(found := signals(pawl), "web.1")) else None, within_s=40)
    used = _of(answer, "web.1")
    assert 5e6 < used["rss_bytes"]["least"] <= used["rss_bytes"]["mean"] <= used["rss_bytes"]["most"] < 5e8
    assert used["restarts"]["most"] == 0
    machine = _of(answer, "")
    assert set(machine) == {"load", "memory_available_bytes", "memory_used_share"}
    assert 0 < machine["memory_used_share"]["mean"] < 1
    assert all(set(one) == {"name", "instance", "mean", "least", "most"} for one in answer["gauges"])


def _of(answer: dict[str, Any], instance: str) -> dict[str, Any]:
    return {one["name"]: one for one in answer["gauges"] if one["instance"] == instance}


def test_the_object_is_whole_and_its_times_are_iso(pawl: Pawl, shop: Repository) -> None:
    pawl.get("/", "shop")
    answer = counted(pawl, 1)
    assert set(answer) == {
        "app", "began", "ended", "route", "release", "requests", "rate_per_s", "errors", "error_share", "by_status",
        "p50_s", "p95_s", "p99_s", "mean_s", "step_s", "buckets", "routes", "more_routes", "releases", "more_releases",
        "gauges", "counting",
    }  # fmt: skip
    assert answer["rate_per_s"] == pytest.approx(1 / _seconds(answer))
    assert 3600 <= _seconds(answer) <= 3700
    assert 60 <= len(answer["buckets"]) <= 62
    for one in [answer, *answer["buckets"]]:
        assert ISO_UTC.fullmatch(one["began"])
        assert ISO_UTC.fullmatch(one["ended"])
    times = [one["began"] for one in answer["buckets"]]
    assert times == sorted(times)
    assert answer["buckets"][-1]["ended"] == answer["ended"]
    quiet = answer["buckets"][0]
    assert (quiet["requests"], quiet["p50_s"], quiet["p95_s"], quiet["p99_s"]) == (0, None, None, None)


def _seconds(answer: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(answer[name]) for name in ("began", "ended"))
    return (ended - began).total_seconds()


def test_the_text_for_people(pawl: Pawl, shop: Repository) -> None:
    change(pawl, shop, errors=1, on="/search")
    for path in ("/", "/items/1", "/items/2", "/search"):
        pawl.get(path, "shop")
    counted(pawl, 4)
    eventually(lambda: _of(signals(pawl), "web.1"), within_s=30)
    text = pawl.ok("signals", "shop", "--since", "15m")
    head = (
        r"shop: 4 requests from [-\d]+ [:\d]+Z to [-\d]+ [:\d]+Z, [\d.e-]+ a second, 1 error \(25 %\), p50 \d+ ms, .*"
    )
    assert re.fullmatch(head, text.splitlines()[0])
    assert re.search(r"^web\.1 +\d+ MB +\d+ MB ", text, re.M)
    assert re.search(r"^this machine: load ", text, re.M)
    assert re.search(r"^GET /items/:id +2 +0 +0 +\d+ ms ", text, re.M)
    assert re.search(r"^GET /search +1 +1 \(100 %\) ", text, re.M)
    assert re.search(r"^requests a second +[▁▂▃▄▅▆▇█]+ +0 to [\d.]+, a bar is 15 s$", text, re.M)
    assert re.search(r"^p95 +[ ▁▂▃▄▅▆▇█]+ +\d+ ms to \d+ ms$", text, re.M)


def test_no_requests_are_told_in_words(pawl: Pawl, shop: Repository) -> None:
    text = pawl.ok("signals", "shop")
    assert re.match(r"shop: no requests were counted from \S+ \S+Z to \S+ \S+Z\n", text)
    assert "ROUTE" not in text
    assert "%)" not in text.splitlines()[0]
    answer = signals(pawl)
    assert (answer["requests"], answer["routes"], answer["releases"]) == (0, [], [])
    assert [answer[name] for name in ("error_share", "p50_s", "p95_s", "p99_s", "mean_s")] == [None] * 5


def test_what_cannot_be_told_is_refused_with_what_there_is(pawl: Pawl, shop: Repository) -> None:
    for path in ("/items/1", "/search", "/"):
        pawl.get(path, "shop")
    counted(pawl, 3)
    refused = {
        ("none",): "no app 'none'",
        ("shop", "--since", "yesterday"): "'yesterday' is not a time",
        ("shop", "--since", "2999-01-01"): "the span begins in the future",
        ("shop", "--route", "search"): "'search' is not a route",
        ("shop", "--route", "/serach"): "nobody asked 'shop' for '/serach'",
        ("shop", "--route", "POST /search"): "nobody asked 'shop' for 'POST /search'",
        ("shop", "--release", "nothex"): "no release 'nothex' of 'shop'",
        ("shop", "--release", ""): "no release '' of 'shop'",
    }
    for words, what in refused.items():
        done = pawl.run("signals", *words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert error_lines(done.stderr)[0] == f"error: {what}"
        assert "next" in done.stderr or "see:" in done.stderr
    assert "GET /search" in pawl.run("signals", "shop", "--route", "/serach").stderr
    assert "GET /search" in pawl.run("signals", "shop", "--route", "POST /search").stderr


def test_a_known_route_without_requests_in_the_span_is_no_error(pawl: Pawl, shop: Repository) -> None:
    pawl.get("/search", "shop")
    counted(pawl, 1)
    began = (time.time() // 5 + 1) * 5
    eventually(lambda: time.time() > began + 0.1)
    text = pawl.ok("signals", "shop", "--since", iso(began), "--route", "/search")
    assert text.startswith("shop, /search: no requests were counted from ")


def test_why_requests_are_not_counted_is_said_and_they_are_counted_later(pawl: Pawl, shop: Repository) -> None:
    pawl.get("/", "shop")
    counted(pawl, 1)
    with closing(sqlite3.connect(pawl.home.signals, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # what another program that uses the file does
        pawl.get("/", "shop")
        trouble = eventually(lambda: signals(pawl)["counting"]["trouble"], within_s=60)
        assert trouble["what"] == "requests are not counted just now"
        assert "cannot be used" in trouble["why"]
        last = pawl.ok("signals", "shop").splitlines()[-2:]
        assert last[0].startswith("requests are not counted just now: the signal store ")
        assert last[1].startswith("  next: ")
        other.execute("ROLLBACK")
    eventually(lambda: signals(pawl)["counting"]["trouble"] is None, within_s=60)
    counted(pawl, 2)
