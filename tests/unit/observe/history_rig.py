"""A signal store filled with the history of an app, as counting would have left it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pawl.observe.histogram import bucket_of
from pawl.observe.paths import Known
from pawl.observe.records import Counted, Key
from pawl.observe.store import SignalStore
from pawl.observe.tail import Position
from pawl.observe.tally import CODES, Tally

_ROUTE = "GET /"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What arrives in a minute: requests, the share of errors and of scanners' 404s, and how many times slower."""

    requests: int = 300
    errors: float = 0.005
    scanned: float = 0.02
    slow: float = 1.0


HEALTHY = Traffic()
NONE = Traffic(requests=0)
Story = Callable[[int], tuple[str, Traffic]]
"""Which release serves in the minute that begins at a time, and what arrives."""


def fill(path: Path, app: str, story: Story, *, began: int, ended: int, seed: int = 1) -> None:
    """Fill the store at ``path``, minute by minute; counts scatter as independent requests do, seeded."""
    chance = random.Random(seed)
    known = Known()
    number = known.admit(_ROUTE, began // 86_400)
    assert number
    tallies: dict[Key, Tally] = {}
    for at in range(began, ended, 60):
        release, traffic = story(at)
        codes: dict[int, list[int]] = {number: [], 0: []}
        for _ in range(traffic.requests):
            is_scan = chance.random() < traffic.scanned
            status = 404 if is_scan else 500 if chance.random() < traffic.errors else 200
            took_s = traffic.slow * chance.lognormvariate(-3.5, 0.5)
            codes[0 if is_scan else number].append(CODES[status] + bucket_of(took_s))
        tallies |= {Key(at, app, release, route): Tally.of_codes(of) for route, of in codes.items() if of}
    store = SignalStore(path)
    store.commit(Counted(tallies, newest=float(ended)), {app: known}, Position(1))
    store.close()
