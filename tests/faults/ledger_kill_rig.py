"""A program that writes a ledger without end and is killed, and what has to be there afterwards."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pawl.ledger.events import Note
from pawl.ledger.postgres_store import PostgresLedger
from pawl.ledger.sql_ledger import SqlLedger
from pawl.ledger.store import SqliteLedger
from pawl.postgres import Server

# Appends deploys without end, one event at a time and in batches; acknowledges on stdout what was promised.
_WRITER = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from pawl.ledger.events import *
from pawl.ledger.records import Entry
from pawl.model import DeployKind, Outcome, Stage

def acknowledge(recorded):
    os.write(1, "".join(f"{one.seq} {one.event.text if isinstance(one.event, Note) else one.kind}\\n"
                        for one in recorded).encode())

if sys.argv[1]:
    from pawl.ledger.store import SqliteLedger
    ledger = SqliteLedger(Path(sys.argv[1]), clock=lambda: datetime.now(UTC))
else:
    from pawl.ledger.postgres_store import PostgresLedger
    from pawl.postgres import Server
    server = Server.parse(os.environ["PAWL_LEDGER"], variable="PAWL_LEDGER")
    ledger = PostgresLedger(server, server.options["place"], clock=lambda: datetime.now(UTC))
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


@dataclass
class Kills:
    """A ledger under a writer that is killed again and again: a file, or a place in the PostgreSQL of ``url``."""

    path: Path | None = None
    url: str = ""
    seed: int = 20260509
    promised: dict[int, str] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def opened(self) -> SqlLedger:
        if self.path is not None:
            return SqliteLedger(self.path, clock=lambda: datetime.now(UTC))
        server = Server.parse(self.url, variable="PAWL_LEDGER")
        return PostgresLedger(server, server.options["place"], clock=lambda: datetime.now(UTC))

    def round(self) -> None:
        """Let a writer run and kill it; nothing that it acknowledged may be given out or promised again."""
        for name, value in self._killed_after(self._chance.uniform(0, 0.25)):
            if name == "id":
                self.ids.append(value)
            else:
                assert int(name) not in self.promised, "a place was given out twice"
                self.promised[int(name)] = value

    def lost(self, ledger: SqlLedger) -> int:
        """How many of the events that were acknowledged are not there, or are others; there are no gaps."""
        kept = {one.seq: one.event.text if isinstance(one.event, Note) else one.kind for one in ledger.events()}
        assert list(kept) == list(range(1, len(kept) + 1))
        return sum(kept.get(seq) != text for seq, text in self.promised.items())

    def _killed_after(self, delay_s: float) -> list[tuple[str, str]]:
        """What a writer acknowledged that was killed ``delay_s`` after its first sign of life."""
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(self.path or "")],
            stdout=subprocess.PIPE,
            env={**os.environ, "PAWL_LEDGER": self.url},
        )
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


def views_are_those_of_the_events(views: Callable[[], object], rebuild: Callable[[], None]) -> bool:
    before = views()
    rebuild()
    return views() == before
