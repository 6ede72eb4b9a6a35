"""What the tests of a watch stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pawl.deploys import observing
from pawl.observe.attribution import Tenure
from tests.unit.deploys.machine_rig import BEFORE_S, NEW, OLD, RATE, Machine
from tests.unit.observe.observe_rig import T0, counting


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine on which the old release has served for five minutes."""
    store, counter = counting(tmp_path)
    store.instance_began(Tenure(OLD, "demo", "old", "web.1", T0 - 86_400))
    store.instance_began(Tenure(NEW, "demo", "new", "web.1", T0 - 86_400))
    machine = Machine(tmp_path / "access.log", store, counter, {})
    for second in range(BEFORE_S):
        machine.serve(OLD, T0 + second, statuses=[200] * RATE)
    counter.catch_up()
    monkeypatch.setattr(observing, "time", machine)
    yield machine
    counter.close()
    store.close()
