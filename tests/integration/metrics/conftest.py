"""One pawld with an app under load, and one Prometheus that scrapes it, for all tests of a module."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.metrics.metrics_rig import Prometheus, prometheus
from tests.support import Pawl, Repository, free_port, repository, running

SHOP = Path(__file__).parents[2] / "apps" / "shop"
_TOML = """app = "shop"
[processes.web]
command = "python app.py --socket $SOCKET"
[processes.web.health]
path = "/healthz"
[observe]
mode = "off"
"""


@dataclass(frozen=True, slots=True)
class Scraped:
    """An app, its pawld, and the Prometheus that has seen it since before the first request."""

    pawl: Pawl
    shop: Repository
    prometheus: Prometheus


@pytest.fixture(scope="module")
def scraped() -> Iterator[Scraped]:
    path = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    try:
        port = free_port()
        with (
            running(path / "home", "--dashboard-port", str(port)) as pawl,
            prometheus(path / "prometheus", port) as found,
        ):
            shop = repository(path / "shop", SHOP)
            shop.commit("Answer quickly", pawl__toml=_TOML, FAULTS='{"usual_s": 0.02}')
            pawl.ok("deploy", shop.path)
            found.becomes('pawl_app_live_info{app="shop"}', 1)
            found.becomes('sum(pawl_requests_total{app="shop",release!="unknown"})', 0)
            yield Scraped(pawl, shop, found)
    finally:
        shutil.rmtree(path, ignore_errors=True)
