"""A span in steps with all that is known of an app in each: what graphs are drawn from."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pawl.observe.store import rows
from pawl.observe.store.schema import GAUGES, TOTAL, Level
from pawl.observe.tally import NOTHING, Tally, merged_totals

Sums = dict[tuple[str, str], tuple[int, float]]
"""By name and instance of a gauge: how many values it had, and their sum."""

_NOBODY = -1


@dataclass(frozen=True, slots=True)
class Step:
    """What was asked of an app, its gauges, and those of the machine it is on; empty where nothing was read."""

    tally: Tally = NOTHING
    gauges: Sums = field(default_factory=dict)
    machine: Sums = field(default_factory=dict)


def read(
    db: sqlite3.Connection,
    apps: tuple[int | None, int | None],
    called: Mapping[int, tuple[str, str]],
    began: int,
    ended: int,
    *,
    step_s: int,
    levels: Sequence[Level],
) -> dict[int, Step]:
    """The steps of which anything is known; ``apps`` are the numbers of the app and of the machine."""
    app, machine = (_NOBODY if one is None else one for one in apps)
    found: defaultdict[int, tuple[list[bytes], list[bytes], list[bytes]]] = defaultdict(lambda: ([], [], []))
    for at, whose, shard, _, data in rows.find_all(db, (app, machine), (TOTAL, GAUGES), began, ended, levels=levels):
        kind = 2 if whose == machine else 0 if shard == TOTAL else 1
        found[at // step_s * step_s][kind].append(data)

    def named(parts: Sequence[bytes]) -> Sums:
        return {called[key]: sums for key, sums in rows.sums(parts).items()}

    return {
        at: Step(merged_totals(totals), named(gauges), named(machines))
        for at, (totals, gauges, machines) in found.items()
    }
