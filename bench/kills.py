"""What pawld has acknowledged is there though it is killed: 100 times SIGKILL while it writes.

Four clients have a pawld open incidents and write down lessons, one after the other and without pause; each answer says
that the event is recorded. pawld is killed at a random moment of the first quarter of a second and started again, 100
times. Then every event that was acknowledged is looked for in the ledger. How the ledger alone fares, also in
PostgreSQL, is measured in [ledger](#ledger).
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import count

from bench.report import Result, Target, spread
from bench.stage import TINY, Stage, stage
from pawl.errors import Unreachable
from pawl.ledger.events import Learned
from pawl.ledger.store import SqliteLedger

_KILLS = 100
_CLIENTS = 4


def measure() -> Result:
    chance = random.Random(20260509)
    told = dict[str, str]()
    again_s = []
    with stage() as on:
        on.deploy(on.app("tiny", pawl__toml=TINY))
        for number in range(_KILLS):
            clients = [threading.Thread(target=_write, args=(on, f"{number}-{one}", told)) for one in range(_CLIENTS)]
            pid, _ = on.pids()
            for client in clients:
                client.start()
            time.sleep(chance.uniform(0.01, 0.25))
            os.kill(pid, signal.SIGKILL)
            for client in clients:
                client.join()
            began = time.monotonic()
            on.pawl.up()
            again_s.append(time.monotonic() - began)
        on.pawl.ok("down")
        with closing(SqliteLedger(on.pawl.home.ledger, clock=lambda: datetime.now(UTC))) as ledger:
            kept = {one.id: one.title for one in ledger.incidents("tiny", limit=None)}
            kept |= {one.event.text: "learned" for one in ledger.events() if isinstance(one.event, Learned)}
    lost = sum(kept.get(what) != text for what, text in told.items())
    rows = [
        [f"acknowledged before {_KILLS} kills", f"{len(told):,} events"],
        ["of them not in the ledger afterwards", f"{lost}"],
        ["`pawl up` after a kill", spread([1000 * one for one in again_s], unit="ms", digits=0)],
    ]
    figure = f"{lost} of {len(told):,}"
    targets = [Target(f"acknowledged events lost in {_KILLS} SIGKILL of pawld", figure, "0", lost == 0)]
    if len(told) < _KILLS:
        raise RuntimeError("pawld was killed before it wrote anything")
    return Result(["", "measured"], rows, targets)


def _write(on: Stage, name: str, told: dict[str, str]) -> None:
    """Write until pawld is gone; ``told`` gets what it acknowledged: incidents by their id, lessons by their text."""
    with suppress(Unreachable):
        for number in count():
            text = f"{name}-{number}"
            opened = on.client.post("apps", "tiny", "incidents", body={"title": text, "is_external": True})
            told[opened["incident"]] = text
            on.client.post("deploys", "d1", "lessons", body={"text": text})
            told[text] = "learned"
