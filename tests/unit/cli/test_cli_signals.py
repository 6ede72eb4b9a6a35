"""The golden signals as text: what is there is told, and what is not there has no figure."""

from __future__ import annotations

from typing import Any

from pawl.cli.signals import report

Json = dict[str, Any]


def bucket(minute: int, requests: int, p95_s: float | None, *, second: int = 0) -> Json:
    ended = f"2026-05-09T07:{minute + (second == 0):02}:{second:02}.000Z"
    return {
        "began": f"2026-05-09T07:{minute:02}:00.000Z", "ended": ended, "requests": requests, "errors": 0,
        "p50_s": p95_s, "p95_s": p95_s, "p99_s": p95_s,
    }  # fmt: skip


def answer(**changed: Any) -> Json:
    route = {
        "route": "GET /feeds/", "requests": 1200, "errors": 3, "error_share": 0.0025, "not_found": 1,
        "p50_s": 0.02, "p95_s": 0.08, "p99_s": 0.3,
    }  # fmt: skip
    release = {"release": "24f310f2ad50", "requests": 1200, "errors": 3, "error_share": 0.0025, "p95_s": 0.08}
    return {
        "app": "blog", "began": "2026-05-09T07:00:00.000Z", "ended": "2026-05-09T07:03:30.000Z", "route": None,
        "release": None, "requests": 1200, "rate_per_s": 5.714, "errors": 3, "error_share": 0.0025, "by_status": {},
        "p50_s": 0.02, "p95_s": 0.08, "p99_s": 0.3, "mean_s": 0.03, "step_s": 60,
        "buckets": [bucket(0, 60, 0.08), bucket(1, 0, None), bucket(2, 600, 0.3), bucket(3, 300, 0.08, second=30)],
        "routes": [route], "more_routes": 0, "releases": [release], "more_releases": 0, "gauges": [],
        "counting": {"lines": 1200, "invalid": 0, "trouble": None}, **changed,
    }  # fmt: skip


def gauge(name: str, instance: str, mean: float, least: float, most: float) -> Json:
    return {"name": name, "instance": instance, "mean": mean, "least": least, "most": most}


EMPTY: Json = {
    "requests": 0, "rate_per_s": 0.0, "errors": 0, "error_share": None, "p50_s": None, "p95_s": None, "p99_s": None,
    "mean_s": None, "routes": [], "releases": [], "buckets": [bucket(0, 0, None), bucket(1, 0, None)],
}  # fmt: skip


def test_the_whole_of_it() -> None:
    head = "blog: 1,200 requests from 2026-05-09 07:00:00Z to 2026-05-09 07:03:30Z, 5.71 a second, "
    assert report(answer()) == [
        f"{head}3 errors (0.25 %), p50 20 ms, p95 80 ms, p99 300 ms",
        "",
        "ROUTE        REQUESTS      ERRORS  NOT FOUND    P50    P95     P99",
        "GET /feeds/     1,200  3 (0.25 %)          1  20 ms  80 ms  300 ms",
        "",
        "requests a second  ▁▁██  0 to 10, a bar is 1 min",
        "p95                ▁ █▁  80 ms to 300 ms",
    ]


def test_no_requests_have_no_figures() -> None:
    assert report(answer(**EMPTY)) == [
        "blog: no requests were counted from 2026-05-09 07:00:00Z to 2026-05-09 07:03:30Z"
    ]


def test_what_it_is_of_stands_at_the_beginning() -> None:
    (head, *_) = report(answer(route="/feeds/", release="24f310f2ad50", requests=1, errors=1))
    assert head.startswith("blog, /feeds/, release 24f310f2ad50: 1 request from ")
    assert ", 1 error (" in head


def test_instances_services_and_the_machine() -> None:
    gauges = [
        gauge("queue_length", "celery", 2.5, 0, 1200), gauge("db_connections_share", "news", 0.4, 0.1, 0.93),
        gauge("rss_bytes", "web.1", 48e6, 40e6, 52e6), gauge("cpu_cores", "web.1", 0.123, 0, 1.5),
        gauge("open_files", "web.1", 11.5, 11, 20), gauge("in_flight", "web.1", 0.25, 0, 4),
        gauge("restarts", "web.1", 1, 0, 2), gauge("rss_bytes", "worker.1", 30e6, 30e6, 30e6),
        gauge("load", "", 0.5, 0.1, 2), gauge("memory_available_bytes", "", 2e9, 1e9, 3e9),
        gauge("new_one", "", 1, 1, 1),
    ]  # fmt: skip
    assert report(answer(**EMPTY, gauges=gauges))[1:] == [
        "",
        "INSTANCE  MEMORY   MOST   CPU  MOST  OPEN FILES  MOST  IN FLIGHT  MOST  RESTARTS",
        "web.1      48 MB  52 MB  0.12  1.50          12    20        0.2   4.0         2",
        "worker.1   30 MB  30 MB     -     -           -     -          -     -         -",
        "",
        "                                   MEAN    LEAST     MOST",
        "celery: messages that wait          2.5        0    1,200",
        "news: connections in use           40 %     10 %     93 %",
        "this machine: load                  0.5      0.1        2",
        "this machine: memory available  2000 MB  1000 MB  3000 MB",
        "this machine: new one                 1        1        1",
    ]


def test_what_is_left_out_is_said() -> None:
    texts = report(answer(more_routes=1))
    assert "and 1 more route" in texts
    other = {"release": "aaaa10f2ad50", "requests": 7, "errors": 0, "error_share": 0.0, "p95_s": None}
    texts = report(answer(releases=[*answer()["releases"], other], more_releases=4))
    place = texts.index("aaaa10f2ad50         7           0      -")
    assert texts[place - 2] == "RELEASE       REQUESTS      ERRORS    P95"
    assert texts[place + 1] == "and 4 more releases"


def test_requests_that_were_not_timed_have_no_bars_of_time() -> None:
    texts = report(answer(p50_s=None, p95_s=None, p99_s=None, buckets=[bucket(0, 1, None), bucket(1, 5, None)]))
    assert texts[0].endswith("p50 -, p95 -, p99 -")
    assert texts[-1].startswith("requests a second  ▁█")


def test_trouble_stands_at_the_end() -> None:
    trouble = {"what": "requests are not counted just now", "why": "the disk is full", "next": "free some space"}
    texts = report(answer(**EMPTY, counting={"lines": 9, "invalid": 2, "trouble": trouble}))
    assert texts[1:] == [
        "",
        "2 lines of the access log could not be read, and are not counted",
        "requests are not counted just now: the disk is full",
        "  next: free some space",
    ]


def test_names_from_outside_cannot_drive_the_terminal() -> None:
    routes = [{**answer()["routes"][0], "route": "GET /\x1b[2J"}]
    assert "\x1b" not in "\n".join(report(answer(routes=routes, route="/\x1b[2J")))
