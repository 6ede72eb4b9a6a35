"""How long `pawl dora` takes over 100,000 deploys, against starting a bare Python (`python -c pass`).

The ledger is made of events as pawld writes them, nine a deploy: 20 apps over 365 days, one to four commits a deploy,
one change in twenty fails and is taken back or named by an incident. The command and the bare Python are started by
turns, output to nowhere; a running pawld answers. Asked are the whole year of all apps, the usual 90 days, and the year
of one app. `first` is the first time each was asked after pawld was started.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bench.report import Result, Target, median, spread
from bench.stage import PAWL, PYTHON, Stage, stage
from pawl import model
from pawl.ledger.events import (
    DeployEnded,
    DeployQueued,
    Event,
    IncidentClosed,
    IncidentOpened,
    StageBegan,
    StageEnded,
    Switched,
    SwitchedBack,
    VerdictReached,
    kind_of,
    stored_form,
)
from pawl.ledger.observations import Observation
from pawl.ledger.records import iso_utc
from pawl.ledger.sql_ledger import Row, insert
from pawl.ledger.store import SqliteKeeper, SqliteLedger
from pawl.model import Commit, DeployKind, Outcome

DEPLOYS = 100_000
_APPS = 20
_DAYS = 365
_ROUNDS = 21
_LIMIT_MS = 200
_COMMANDS = {
    "python -c pass": [PYTHON, "-c", "pass"],
    "pawl dora --since 365d": [PAWL, "dora", "--since", "365d"],
    "pawl dora": [PAWL, "dora"],
    "pawl dora app7 --since 365d": [PAWL, "dora", "app7", "--since", "365d"],
}


def measure() -> Result:
    with stage() as on:
        on.pawl.ok("down")
        made_s = fill(on)
        on.pawl.up()
        first = {name: _ms(on, command) for name, command in _COMMANDS.items()}
        took: dict[str, list[float]] = {name: [] for name in _COMMANDS}
        for _ in range(_ROUNDS):
            for name, command in _COMMANDS.items():
                took[name].append(_ms(on, command))
    bare = median(took["python -c pass"])
    rows = [
        [f"`{name}`", spread(values, unit="ms", digits=0), f"{median(values) / bare:.1f}", f"{first[name]:.0f} ms"]
        for name, values in took.items()
    ]
    whole = median(took["pawl dora --since 365d"])
    targets = [
        Target(
            f"`pawl dora` over {DEPLOYS:,} deploys", f"{whole:.0f} ms", f"≤ {_LIMIT_MS} ms", whole <= _LIMIT_MS
        )
    ]  # fmt: skip
    notes = [f"Making all views of these {DEPLOYS * 9:,} events anew took {made_s:.0f} s."]
    return Result(["", "took", "/ bare Python", "first"], rows, targets, notes)


def _ms(on: Stage, command: list[str]) -> float:
    environ = on.pawl.environ()
    began = time.perf_counter()
    subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def fill(on: Stage) -> float:
    """Put the generated events into the home's ledger, which no pawld has open; the seconds that all views took."""
    path = on.pawl.home.ledger
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    SqliteLedger(path, clock=lambda: datetime.now(UTC)).close()
    keeper = SqliteKeeper(path)
    rows: list[Row] = []
    for seq, (at, app, deploy, event) in enumerate(history(datetime.now(UTC)), 1):
        rows.append((seq, iso_utc(at), app, deploy, kind_of(event), stored_form(event)[1]))
        if len(rows) == 10_000:
            batch, rows = rows, []
            keeper.write(lambda db, batch=batch: insert(db, batch))  # type: ignore[misc]
    keeper.write(lambda db: insert(db, rows))
    keeper.close()
    ledger = SqliteLedger(path, clock=lambda: datetime.now(UTC))
    began = time.monotonic()
    ledger.rebuild()
    took_s = time.monotonic() - began
    ledger.close()
    return took_s


Told = tuple[datetime, str, str | None, Event]


def history(now: datetime) -> Iterator[Told]:
    """The events of all deploys, in the order of their time, the last a little before ``now``."""
    rng = random.Random(4)
    gap = timedelta(days=_DAYS - 1) / DEPLOYS
    for number in range(DEPLOYS):
        app = f"app{number % _APPS}"
        yield from told(rng, number, app, now - gap * (DEPLOYS - number) - timedelta(minutes=10))


def told(rng: random.Random, number: int, app: str, at: datetime) -> Iterator[Told]:
    """The events of one deploy that is asked for at a moment."""
    deploy, sha = f"d{number + 1}", f"{number:040x}"
    commits = tuple(
        Commit(
            f"{number:036x}{one:04x}", f"Change {number}", "Ada", "ada@example.org",
            iso_utc(at - timedelta(seconds=rng.lognormvariate(9, 1.2))),
        )
        for one in range(rng.choice((1, 1, 1, 2, 4)))
    )  # fmt: skip
    queued = DeployQueued(
        deploy_kind=DeployKind.DEPLOY, release=sha[:12], asked_by="ada", commit=commits[0], settings=1, commits=commits,
        authors=("Ada <ada@example.org>",),
    )  # fmt: skip
    yield at, app, deploy, queued
    live = at + timedelta(seconds=rng.lognormvariate(3.5, 0.5))
    yield at + timedelta(seconds=1), app, deploy, StageBegan(stage=model.Stage.BUILT)
    yield live, app, deploy, StageEnded(stage=model.Stage.BUILT, duration_s=10.0)
    yield live, app, deploy, StageBegan(stage=model.Stage.SWITCHED)
    yield live, app, deploy, Switched(release=sha[:12], settings=1, commit=sha)
    yield live, app, deploy, StageBegan(stage=model.Stage.OBSERVED)
    over = live + timedelta(seconds=rng.uniform(60, 300))
    how = rng.randrange(40)
    verdict = "roll back" if how == 0 else "keep"
    seen = Observation(verdict=verdict, why="as it was", elapsed_s=60.0, duration_s=300.0)
    yield over, app, deploy, VerdictReached(observation=seen, acts=how == 0)
    if how == 0:
        yield over, app, deploy, SwitchedBack(release=f"{number - _APPS:012x}", settings=1, reason="errors")
    yield over, app, deploy, StageEnded(stage=model.Stage.OBSERVED, duration_s=60.0)
    outcome = Outcome.ROLLED_BACK if how == 0 else Outcome.KEPT
    yield over, app, deploy, DeployEnded(outcome=outcome, duration_s=(over - at).total_seconds())
    if how == 1:
        incident = f"i{number + 1}"
        opened = IncidentOpened(incident=incident, title="Slow", began_at=live, by="ada", caused_by=deploy)
        yield over, app, None, opened
        yield over, app, None, IncidentClosed(incident=incident, ended_at=over, by="ada")
