"""The second source, against a real Prometheus that scrapes a small exporter."""

from __future__ import annotations

import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pawl.errors import StateError
from pawl.observe.prometheus import Metrics, PrometheusSignals
from pawl.observe.signals import SignalSource
from tests.support import free_port, program

EDGES = (0.01, 0.1, 1.0)
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: app
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Exporter:
    """An app's metrics, as a client library would tell them."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str, str]] = Counter()
        self.durations: Counter[tuple[str, str, str, str]] = Counter()
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.text().encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, number: int, release: str, route: str, *, status: int = 200, took_s: float = 0.05) -> None:
        method, path = route.split()
        self.requests[release, method, path, str(status)] += number
        for edge in (*map(str, EDGES), "+Inf"):
            self.durations[release, method, path, edge] += number if took_s <= float(edge) else 0

    def restart(self) -> None:
        """Counters begin anew, as those of a process do."""
        self.requests = Counter(dict.fromkeys(self.requests, 0))
        self.durations = Counter(dict.fromkeys(self.durations, 0))

    def text(self) -> str:
        lines = []
        for name, label, counter in (
            ("http_requests_total", "status", self.requests),
            ("http_request_duration_seconds_bucket", "le", self.durations),
        ):
            for (release, method, path, value), count in list(counter.items()):
                labels = f'app="demo",release="{release}",method="{method}",route="{path}",{label}="{value}"'
                lines.append(f"{name}{{{labels}}} {count}\n")
        return "".join(lines)


@pytest.fixture(scope="module")
def binary() -> str:
    return program("prometheus", package="prometheus")


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    exporter = Exporter()
    yield exporter
    exporter.server.shutdown()
    exporter.server.server_close()


@pytest.fixture
def url(binary: str, exporter: Exporter, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=exporter.server.server_port))
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(
        [binary, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
    ) as process:  # fmt: skip
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < ends, "Prometheus did not tell it in time"
        time.sleep(0.1)


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_real_prometheus_tells_the_same_as_the_log_would(url: str, exporter: Exporter) -> None:
    source: SignalSource = PrometheusSignals(url, metrics=Metrics(step_s=1))
    exporter.serve(1000, "old", "GET /feeds/")
    until(lambda: is_ready(url))

    def counted(release: str | None = None, route: str | None = None) -> int:
        return source.window("demo", began=began, ended=time.time(), release=release, route=route).requests

    began = time.time() - 60
    until(lambda: counted("old") == 1000)
    time.sleep(2)  # so that the first point asked for has a scrape before it
    began = float(int(time.time()))
    exporter.serve(40, "old", "GET /feeds/")
    exporter.serve(97, "new", "GET /feeds/")
    exporter.serve(3, "new", "POST /feeds/", status=500, took_s=0.5)
    until(lambda: counted() == 140)
    exporter.restart()
    until(lambda: "} 0" in exporter.text())
    time.sleep(2.5)  # a scrape must see the counters at 0
    exporter.serve(10, "old", "GET /feeds/")
    until(lambda: counted() == 150)

    ended = time.time()
    new = source.window("demo", began=began, ended=ended, release="new")
    assert (new.requests, new.errors, new.by_status["2xx"]) == (100, 3, 97)
    assert new.histogram.count == 100
    assert new.p50 is not None
    assert 0.01 <= new.p50 <= 0.1
    assert new.p99 is not None
    assert 0.1 <= new.p99 <= 1.0
    assert (counted("old"), counted(None, "/feeds/"), counted(None, "POST /feeds/"), counted("no")) == (50, 150, 3, 0)
    routes = source.routes("demo", began=began, ended=ended)
    assert [(one.route, one.requests, one.errors) for one in routes] == [
        ("GET /feeds/", 147, 0),
        ("POST /feeds/", 3, 3),
    ]
    buckets = source.buckets("demo", began=began, ended=ended, step_s=2, release="new")
    assert sum(one.requests for one in buckets) == 100
    assert all(one.ended - one.began == 2 for one in buckets)
    assert source.window("nobody", began=began, ended=ended).requests == 0
    with pytest.raises(ValueError, match="no multiple"):
        PrometheusSignals(url).buckets("demo", began=began, ended=ended, step_s=5)
    with pytest.raises(StateError, match="cannot be asked"):
        PrometheusSignals(url, metrics=Metrics(requests="not a metric")).window("demo", began=began, ended=ended)


def test_a_prometheus_that_is_not_there_is_said_without_its_password() -> None:
    with pytest.raises(StateError) as caught:
        PrometheusSignals("http://me:s3cret@127.0.0.1:9").window("demo", began=0, ended=60)
    assert "s3cret" not in str(caught.value)


def test_a_name_cannot_break_out_of_the_query() -> None:
    source = PrometheusSignals("http://127.0.0.1:9")
    assert source.selector("m", 'a"} or up{x="', None, None) == r'm{app="a\"} or up{x=\""}'
    assert source.selector("m", "demo", "r1", "GET /x") == 'm{app="demo",release="r1",method="GET",route="/x"}'
    assert source.selector("m", "demo", None, "/x") == 'm{app="demo",route="/x"}'
