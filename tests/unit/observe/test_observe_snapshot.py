"""An answer is of one moment: a roll-up that commits while it is read changes nothing in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore, rows
from tests.unit.observe.observe_rig import T0, counting, line


def test_a_roll_up_between_two_levels_counts_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "access.log").write_bytes(b"".join(line(T0 + number) for number in range(60)))
    written, counter = counting(tmp_path)
    while (piece := counter._tail.read()) is not None:  # count, and tidy nothing yet
        counted = counter._counter.count(piece.data)
        written.commit(counted, counter._known, piece.position, counter._tail.inodes)
    store = SignalStore(tmp_path / "signals.db")
    source, plain, asked = LoggedSignals(store), rows._between, []

    def between(db, level, *rest, **options):  # type: ignore[no-untyped-def]
        asked.append(level.width_s)
        if asked.count(60) == 1 and level.width_s == 60:
            while written.tidy(T0 + 3600):
                pass
        return plain(db, level, *rest, **options)

    monkeypatch.setattr(rows, "_between", between)
    with store.snapshot():
        assert source.window("demo", began=T0, ended=T0 + 60).requests == 60
    assert 60 in asked
    assert source.window("demo", began=T0, ended=T0 + 60).requests == 60
    store.close()
    written.close()
