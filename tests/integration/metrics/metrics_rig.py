"""A real Prometheus that scrapes a real pawld."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import Pawl, eventually, free_port, program

SCRAPED_EVERY_S = 1
_CONFIG = """
global: {{scrape_interval: {every}s}}
scrape_configs:
  - job_name: pawl
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class _ApiConnection(http.client.HTTPConnection):
    """HTTP to the API's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("pawld", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def scrape(pawl: Pawl) -> tuple[int, str, str]:
    """``GET /metrics`` of the API: status, content type, text."""
    connection = _ApiConnection(pawl.home.socket)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read().decode()
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs."""

    url: str

    def ask(self, path: str, **query: str) -> Any:
        """A call of its API; what is under ``data``.

        Raises:
            ValueError: it refuses the question; the text says why.
        """
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}") as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from error

    def query(self, expr: str) -> dict[str, float]:
        """The samples of a query by their labels, ``a=1,b=2`` without the scraper's own."""
        found = self.ask("query", query=expr)["result"]
        return {_labels(one["metric"]): float(one["value"][1]) for one in found}

    def number(self, expr: str) -> float | None:
        """The one sample of a query."""
        values = list(self.query(expr).values())
        assert len(values) <= 1, values
        return values[0] if values else None

    def becomes(self, expr: str, wanted: float) -> None:
        """Wait until a query has this one value."""
        seen: list[float | None] = []

        def holds() -> bool:
            seen.append(self.number(expr))
            return seen[-1] == wanted

        try:
            eventually(holds, within_s=60)
        except AssertionError as error:
            raise AssertionError(f"{expr} is {seen[-1]}, not {wanted}") from error


def _labels(metric: dict[str, str]) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(metric.items()) if k not in ("__name__", "instance", "job"))


@contextmanager
def prometheus(folder: Path, port: int) -> Iterator[Prometheus]:
    """One that scrapes a port of loopback every second."""
    own, binary = free_port(), program("prometheus", package="prometheus")
    folder.mkdir()
    (folder / "prometheus.yml").write_text(_CONFIG.format(port=port, every=SCRAPED_EVERY_S))
    with (folder / "log").open("wb") as log, subprocess.Popen(
        [binary, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{own}"], stdout=log, stderr=log,
    ) as process:  # fmt: skip
        try:
            found = Prometheus(f"http://127.0.0.1:{own}")
            eventually(lambda: _is_ready(found.url), within_s=60)
            yield found
        finally:
            process.terminate()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
