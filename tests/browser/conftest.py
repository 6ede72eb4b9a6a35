"""One browser and one lively home for each module; each test is a visitor, whose visit must go by without a fault."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.browser_rig import Dashboard, Visitor, chromium
from tests.browser.lively import Lively, lively
from tests.support import running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def home() -> Iterator[Lively]:
    path = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    try:
        with running(path / "home") as pawl:
            yield lively(pawl, path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def dashboard(browser: Browser, home: Lively) -> Dashboard:
    return Dashboard.opened(browser, home.pawl)


@pytest.fixture
def visitor(browser: Browser, dashboard: Dashboard) -> Iterator[Visitor]:
    visitor = Visitor(browser, dashboard)
    yield visitor
    visitor.leave()
