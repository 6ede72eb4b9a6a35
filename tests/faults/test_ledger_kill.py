"""SIGKILL in the middle of appends: what was acknowledged is there, and the views are those of the events."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from pawl.ledger.events import Note
from pawl.ledger.store import SqliteLedger

ROUNDS = 15

# Appends deploys without end, one event at a time and in batches; acknowledges on stdout what was promised.
WRITER = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from pawl.ledger.events import *
from pawl.ledger.records import Entry
from pawl.ledger.store import SqliteLedger
from pawl.model import DeployKind, Outcome, Stage

def acknowledge(recorded):
    os.write(1, "".join(f"{one.seq} {one.event.text if isinstance(one.event, Note) else one.kind}\\n"
                        for one in recorded).encode())

ledger = SqliteLedger(Path(sys.argv[1]), clock=lambda: datetime.now(UTC))
acknowledge([ledger.append(AppCreated(), app="demo")])
while True:
    deploy = ledger.next_deploy_id()
    os.write(1, f"id {deploy}\\n".encode())
    queued = DeployQueued(deploy_kind=DeployKind.DEPLOY, release="r" + deploy, asked_by="ada")
    acknowledge([ledger.append(queued, app="demo", deploy=deploy)])
    for stage in (Stage.FETCHED, Stage.BUILT, Stage.HEALTHY):
        acknowledge([ledger.append(StageBegan(stage=stage), app="demo", deploy=deploy)])
        acknowledge(ledger.append_many([
            Entry(StageEnded(stage=stage, duration_s=1), "demo", deploy),
            *(Entry(Note(text=f"{deploy}-{number}-" + "x" * 500, by="ada")) for number in range(20)),
        ]))
    switched = Switched(release="r" + deploy, settings=1, commit="c")
    acknowledge([ledger.append(switched, app="demo", deploy=deploy)])
    acknowledge([ledger.append(DeployEnded(outcome=Outcome.KEPT, duration_s=1), app="demo", deploy=deploy)])
"""


def killed_after(path: Path, delay_s: float) -> list[tuple[str, str]]:
    """Let a writer run, kill it ``delay_s`` after its first sign of life; returns what it acknowledged."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    with writer.stdout as pipe:
        received = os.read(pipe.fileno(), 65536)
        kill = threading.Timer(delay_s, writer.kill)
        kill.start()
        received += pipe.read()
        kill.join()
    assert writer.wait() == -9, "the writer ended by itself"
    lines = received.decode().split("\n")[:-1]
    return [(name, value) for name, _, value in (line.partition(" ") for line in lines)]


def test_nothing_acknowledged_is_lost_in_fifteen_kills(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    chance = random.Random(20260509)
    promised: dict[int, str] = {}
    ids: list[str] = []
    for _ in range(ROUNDS):
        acknowledged = killed_after(path, chance.uniform(0, 0.25))
        ids += [value for name, value in acknowledged if name == "id"]
        for name, value in acknowledged:
            if name != "id":
                assert int(name) not in promised, "a place was given out twice"
                promised[int(name)] = value

        ledger = SqliteLedger(path, clock=lambda: datetime.now(UTC))
        events = ledger.events()
        kept = {one.seq: one.event.text if isinstance(one.event, Note) else one.kind for one in events}
        assert promised.items() <= kept.items()
        assert list(kept) == list(range(1, len(kept) + 1))
        views = ledger.apps(), ledger.deploys(limit=None), ledger.unfinished(), ledger.releases("demo")
        ledger.rebuild()
        assert (ledger.apps(), ledger.deploys(limit=None), ledger.unfinished(), ledger.releases("demo")) == views
        ids.append(ledger.next_deploy_id())
        ledger.close()
    assert len(set(ids)) == len(ids), "a deploy id was given out twice"
    assert len(promised) > ROUNDS * 20, "the writers were killed before they did anything"
