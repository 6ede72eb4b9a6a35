"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import support
from tests.integration.services import services_rig
from tests.integration.services.services_rig import Database

# A shell without job control starts what it puts in the background with SIGINT ignored, and programs hand that on to
# theirs; those that are sent Ctrl-C here are to hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more of what else this machine does than of what is tested.
settings.register_profile(
    "pawl", settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None, suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("pawl")

_SHORT = ("tests/unit/", "tests/contracts/", "tests/judge/", "tests/docs/")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, for several runners are given one file after the other: the short ones fill what is left."""
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.nodeid.startswith(_SHORT), -sizes[item.path]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What this machine lacks, a line each with the number of tests that were left out for it."""
    reasons = Counter(str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []))
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} left out: {reason.removeprefix('Skipped: ')}")


@pytest.fixture
def place() -> Iterator[Path]:
    """A new folder with a short path, for sockets live in it."""
    path = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def pawl(place: Path) -> Iterator[support.Pawl]:
    """A home with its pawld up."""
    with support.running(place / "home") as pawl:
        yield pawl


@pytest.fixture
def idle_pawl(place: Path) -> Iterator[support.Pawl]:
    """A home where no pawld runs yet."""
    pawl = support.Pawl(place / "home")
    yield pawl
    pawl.destroy()


@pytest.fixture
def hello(place: Path) -> support.Repository:
    """The repository of a small web app that needs no dependencies: see tests/apps/hello."""
    return support.repository(place / "hello", support.HELLO)


@pytest.fixture(scope="session")
def ledger_database() -> Iterator[Database]:
    """One PostgreSQL for all tests of the ledger: each takes a place of its own in it."""
    with services_rig.database() as database:
        yield database
