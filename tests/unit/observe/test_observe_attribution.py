"""Whose an address was when."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.observe.attribution import UNKNOWN, Attribution, Tenure
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore
from tests.unit.observe.observe_rig import T0, counting, line

PORT = "tcp/127.0.0.1:8001"
FIRST = Tenure(PORT, "demo", "r1", "web.1", T0, T0 + 100)
SECOND = Tenure(PORT, "demo", "r2", "web.1", T0 + 200)


@pytest.mark.parametrize(
    ("at", "release"), [(-5, "r1"), (0, "r1"), (99, "r1"), (150, "r1"), (200, "r2"), (9e9, "r2")]
)  # the time between the two is the first one's: what is refused there is its failure
def test_a_port_that_was_used_again_is_told_apart_by_time(at: float, release: str) -> None:
    assert Attribution([SECOND, FIRST]).release("demo", PORT, T0 + at) == release


def test_an_address_of_another_app_is_unknown() -> None:
    assert Attribution([FIRST]).release("other", PORT, T0) == UNKNOWN


def test_ended_tenures_are_forgotten_in_time() -> None:
    attribution = Attribution([FIRST, SECOND])
    attribution.forget(T0 + 100)
    assert attribution.is_reused(PORT)
    attribution.forget(T0 + 101)
    assert not attribution.is_reused(PORT)
    assert attribution.release("demo", PORT, T0) == "r2"


def test_lines_read_after_a_restart_are_still_attributed(tmp_path: Path) -> None:
    store = SignalStore(tmp_path / "signals.db")
    store.instance_began(FIRST)
    store.instance_ended(PORT, T0 + 100)
    store.instance_ended(PORT, T0 + 150)
    store.instance_began(SECOND)
    store.instance_began(Tenure(PORT, "demo", "r2", "web.1", T0 + 999))
    store.close()
    (tmp_path / "access.log").write_bytes(b"".join(line(T0 + at, upstream=PORT) for at in (1, 2, 250)))
    store, counter = counting(tmp_path)
    counter.catch_up()
    signals = LoggedSignals(store)
    assert [signals.window("demo", began=T0, ended=T0 + 300, release=one).requests for one in ("r1", "r2")] == [2, 1]
    assert {release: tally.requests for release, tally in store.releases("demo", int(T0), int(T0) + 300).items()} == {
        "r1": 2,
        "r2": 1,
    }
    assert store.attribution.current(PORT) == SECOND
    store.instances_are([PORT], T0 + 300)
    assert store.attribution.currents() == [SECOND]
    store.instances_are([], T0 + 300)
    assert store.attribution.currents() == []
    counter.close()
    store.close()
