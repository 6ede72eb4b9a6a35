"""The one machine that these tests share: looking changes nothing on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.migrations.migrations_rig import Machine, a_machine


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    with a_machine() as machine:
        yield machine
