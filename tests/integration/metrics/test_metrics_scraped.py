"""What a real Prometheus knows of a real pawld: the numbers are right, and stay so when pawld is killed."""

from __future__ import annotations

import os
import signal
import subprocess

from tests.integration.metrics.conftest import Scraped
from tests.integration.metrics.metrics_rig import scrape
from tests.support import eventually, program


def asked(scraped: Scraped, path: str, times: int) -> int:
    """Requests, all of which must be answered with the same status; that status."""
    statuses = {scraped.pawl.get(path, "shop")[0] for _ in range(times)}
    assert len(statuses) == 1
    return statuses.pop()


def test_the_numbers_are_right_and_go_on_when_pawld_is_killed(scraped: Scraped) -> None:
    prometheus = scraped.prometheus
    first = scraped.shop.git("rev-parse", "HEAD")[:12]
    assert asked(scraped, "/", 30) == asked(scraped, "/items/7", 20) == 200
    assert asked(scraped, "/wp-login.php", 5) == 404
    prometheus.becomes('sum(pawl_requests_total{app="shop"})', 55)
    of_first = f'app="shop",release="{first}"'
    assert prometheus.query(f"sum by (status) (pawl_requests_total{{{of_first}}})") == {
        "status=2xx": 50.0, "status=404": 5.0, "status=5xx": 0.0,
    }  # fmt: skip
    assert prometheus.query('sum by (route) (pawl_route_requests_total{app="shop"})') == {
        "route=GET /": 30.0, "route=GET /items/:id": 20.0, "route=(other)": 5.0,
    }  # fmt: skip
    prometheus.becomes(f"increase(pawl_request_duration_seconds_count{{{of_first}}}[1h]) > bool 54", 1)
    p95 = prometheus.number(f"histogram_quantile(0.95, pawl_request_duration_seconds_bucket{{{of_first}}})")
    assert p95 is not None
    assert p95 > 0.01
    assert prometheus.number(f"pawl_request_duration_seconds_sum{{{of_first}}}") > 55 * 0.009  # type: ignore[operator]

    scraped.pawl.kill_pawld()
    assert asked(scraped, "/", 10) == 200  # served while nobody counts
    scraped.pawl.up()
    assert asked(scraped, "/search", 7) == 200
    prometheus.becomes('sum(pawl_requests_total{app="shop"})', 72)
    assert prometheus.number('max(resets(pawl_requests_total{app="shop"}[1h]))') == 0
    assert prometheus.number('max(resets(pawl_request_duration_seconds_count{app="shop"}[1h]))') == 0
    assert prometheus.number("pawl_access_log_lines_total") == 72
    assert prometheus.number("resets(pawl_ledger_events_total[1h])") == 0

    scraped.shop.commit("All fails", FAULTS='{"usual_s": 0.02, "errors": 1}')
    scraped.pawl.ok("deploy", scraped.shop.path)
    second = scraped.shop.git("rev-parse", "HEAD")[:12]
    prometheus.becomes(f'sum(pawl_requests_total{{app="shop",release="{second}"}})', 0)
    assert asked(scraped, "/", 12) == 500
    prometheus.becomes(f'pawl_requests_total{{app="shop",release="{second}",status="5xx"}}', 12)
    assert prometheus.number(f"sum(pawl_requests_total{{{of_first}}})") == 72
    prometheus.becomes(f'pawl_app_live_info{{app="shop",release="{second}"}}', 1)
    prometheus.becomes('pawl_deploys_total{app="shop",kind="deploy",outcome="kept"}', 2)
    assert prometheus.number('pawl_deploys_unfinished{app="shop"}') == 0


def test_what_stands_is_told_as_pawl_status_tells_it(scraped: Scraped) -> None:
    prometheus, status = scraped.prometheus, scraped.pawl.status("shop")
    prometheus.becomes('pawl_instances{app="shop",process="web",role="live",state="running"}', 1)
    release, name = status["live"]["release"], scraped.pawl.instances("shop")[0]["name"]
    rss = f'pawl_instance_resident_memory_bytes{{app="shop",place="{name}",release="{release}"}}'
    eventually(lambda: (prometheus.number(rss) or 0) > 5e6, within_s=60)
    assert eventually(lambda: prometheus.number("pawl_machine_memory_available_bytes"), within_s=60) > 1e6
    assert prometheus.number("pawl_proxy_up") == prometheus.number("pawl_access_log_counting") == 1
    assert prometheus.number("process_resident_memory_bytes") > 1e7  # type: ignore[operator]
    assert "version=0.1.0" in next(iter(prometheus.query("pawl_build_info")))
    live_since = prometheus.number(f'pawl_app_live_since_timestamp_seconds{{release="{release}"}}')
    ended = prometheus.number('pawl_app_last_deploy_timestamp_seconds{app="shop"}')
    assert live_since is not None
    assert ended is not None
    assert 0 < live_since <= ended


def test_a_crash_is_counted(scraped: Scraped) -> None:
    crashes = 'pawl_instance_crashes_total{app="shop",process="web"}'
    scraped.prometheus.becomes(crashes, 0)
    os.kill(scraped.pawl.instances("shop")[0]["pid"], signal.SIGKILL)
    scraped.prometheus.becomes(crashes, 1)
    scraped.prometheus.becomes('sum(pawl_instance_restarts_total{app="shop"})', 1)


def test_promtool_finds_nothing_to_say(scraped: Scraped) -> None:
    status, kind, text = scrape(scraped.pawl)
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    promtool = program("promtool", package="prometheus")
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_scrape_was_taken(scraped: Scraped) -> None:
    def errors() -> list[str]:
        return [one["lastError"] for one in scraped.prometheus.ask("targets")["activeTargets"]]

    eventually(lambda: errors() == [""])  # a scrape of a moment ago may have met a pawld that was being started
