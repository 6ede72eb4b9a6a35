"""Fixtures of the fault tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.fault_rig import Sites


@pytest.fixture(scope="session")
def sites() -> Iterator[Sites]:
    """Sites shared by the tests that leave them as sound as they found them."""
    sites = Sites()
    yield sites
    sites.destroy()
