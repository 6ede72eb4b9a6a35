"""One million events: how quickly they are written, how soon a ledger of them is open, and how long a search takes.

The million are 47,000 deploys of 12 apps, each queued, through its stages, watched and kept, with what the rest of
production brings: crashes and notes. They are put there as `pawl ledger import` does. Then, at that size, events are
appended as pawld does it, 100 to a transaction, each transaction on the disk before the next; a search page is 50
events, the median of 15; opening is what pawld does with its ledger at its start. PostgreSQL is a server of this
machine, with fsync and synchronous_commit on, over loopback.

At the end a program that writes without pause is killed 100 times for each of the two, and what it was told is
recorded is looked for.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.report import Result, Target, median
from pawl.ledger.events import (
    AppCreated,
    DeployEnded,
    DeployQueued,
    Event,
    InstanceCrashed,
    Note,
    StageBegan,
    StageEnded,
    Switched,
    kind_of,
)
from pawl.ledger.postgres_store import PostgresLedger
from pawl.ledger.records import Entry
from pawl.ledger.schema import VERSION
from pawl.ledger.searching import Wanted
from pawl.ledger.sql_ledger import SqlLedger
from pawl.ledger.store import SqliteLedger
from pawl.ledger.transfer import FORMAT, Header, Incoming, Line, imported
from pawl.model import Commit, DeployKind, Outcome, Stage
from pawl.postgres import Server
from tests.faults.ledger_kill_rig import Kills
from tests.integration.services import services_rig

_EVENTS = 1_000_000
_APPENDED = 20_000
_BATCH = 100
_KILLS = 100
_STAGES = (Stage.FETCHED, Stage.BUILT, Stage.TASKS_DONE, Stage.STARTED, Stage.HEALTHY, Stage.SWITCHED, Stage.DRAINED)
_AUTHORS = ("Ada", "Grace", "Edsger", "Barbara")
_SEARCHES = {
    "the newest": Wanted(),
    "of one app": Wanted(app="app-3"),
    "of one deploy": Wanted(deploy="d20000"),
    "of two kinds, of one app": Wanted(app="app-3", kinds=["deploy_ended", "instance_crashed"]),
    "an older page": Wanted(before=_EVENTS // 2),
    "since a time": Wanted(since="2026-03-01T00:00:00.000000Z", until="2026-03-02T00:00:00.000000Z"),
    "with a word that is in many": Wanted(text="kept"),
    "with a word that is nowhere, 20,000 events looked through": Wanted(text="nowhere-to-be-found"),
}


def measure() -> Result:
    rows: list[list[str]] = []
    targets: list[Target] = []
    with tempfile.TemporaryDirectory(prefix="pawl-bench-") as folder:
        path = Path(folder) / "ledger.db"
        _one("SQLite", lambda: SqliteLedger(path, clock=_now), rows, targets)
        rows.append(["SQLite", "the file", f"{path.stat().st_size / 1e6:,.0f} MB"])
        _killed("SQLite", Kills(path=Path(folder) / "killed.db"), rows, targets)
    with services_rig.database(fsync="on") as database:
        server = Server.parse(database.url(), variable="PAWL_LEDGER")
        _one("PostgreSQL", lambda: PostgresLedger(server, "bench", clock=_now), rows, targets)
        _killed("PostgreSQL", Kills(url=database.url(tail="?place=killed")), rows, targets)
    return Result(["kept in", "", "measured"], rows, targets)


def _one(name: str, opened: Callable[[], SqlLedger], rows: list[list[str]], targets: list[Target]) -> None:
    with closing(opened()) as ledger, _timed() as took:
        imported(ledger, Incoming("bench", _lines()), on_progress=lambda _: None)
    rows.append([name, "import of a million events", f"{took[0]:.0f} s, {_EVENTS / took[0]:,.0f}/s"])

    opening = []
    for _ in range(5):
        with _timed() as took:
            ledger = opened()
            ledger.unfinished(), ledger.apps()
        opening.append(took[0])
        ledger.close()
    rows.append([name, "opening it, with what pawld asks at its start", f"{median(opening) * 1000:.0f} ms"])
    targets.append(
        Target(f"a ledger of a million events is open ({name})", f"{median(opening):.2f} s", "≤ 1 s",
               median(opening) <= 1)
    )  # fmt: skip

    with closing(opened()) as ledger:
        rate = _append_rate(ledger)
        rows.append([name, f"events appended, {_BATCH} to a transaction", f"{rate:,.0f}/s"])
        targets.append(
            Target(f"events appended a second to a million, durable, in batches ({name})", f"{rate:,.0f}",
                   "≥ 1,000", rate >= 1000)
        )  # fmt: skip
        single = _single(ledger)
        rows.append([name, "one event appended, durable (median)", f"{single * 1000:.1f} ms"])
        for what, wanted in _SEARCHES.items():
            times = []
            for _ in range(15):
                with _timed() as took:
                    ledger.search(wanted)
                times.append(took[0])
            rows.append([name, f"a page of events: {what}", f"{median(times) * 1000:.1f} ms"])


def _append_rate(ledger: SqlLedger) -> float:
    source = _entries(random.Random(7), first=1_000_000)
    batches = [[next(source) for _ in range(_BATCH)] for _ in range(_APPENDED // _BATCH)]
    with _timed() as took:
        for batch in batches:
            ledger.append_many(batch)
    return _APPENDED / took[0]


def _single(ledger: SqlLedger) -> float:
    times = []
    for number in range(200):
        with _timed() as took:
            ledger.append(StageBegan(stage=Stage.BUILT), app="app-1", deploy=f"d{number + 1}")
        times.append(took[0])
    return median(times)


def _killed(name: str, kills: Kills, rows: list[list[str]], targets: list[Target]) -> None:
    for _ in range(_KILLS):
        kills.round()
    with closing(kills.opened()) as ledger:
        lost = kills.lost(ledger)
        ids = len(kills.ids) - len(set(kills.ids))
    told = len(kills.promised)
    rows.append([name, f"{_KILLS} SIGKILL of who writes", f"{lost} of {told:,} acknowledged events lost"])
    targets.append(
        Target(f"acknowledged events lost in {_KILLS} SIGKILL during writes ({name})", f"{lost} of {told:,}", "0",
               lost == 0 and ids == 0)
    )  # fmt: skip


def _lines() -> Iterator[bytes]:
    header = Header(
        pawl_ledger=FORMAT, version=VERSION, place="bench", events=_EVENTS, counters={"deploy": 2_000_000},
        exported_at="",
    )  # fmt: skip
    yield msgspec.json.encode(header) + b"\n"
    entries = _entries(random.Random(42))
    for seq in range(1, _EVENTS + 1):
        entry = next(entries)
        minute, second = divmod(seq * 31, 60)
        hour, minute = divmod(minute, 60)
        day, hour = divmod(hour, 24)
        at = f"2026-{1 + day // 28 % 12:02}-{1 + day % 28:02}T{hour:02}:{minute:02}:{second:02}.000000Z"
        data = msgspec.Raw(msgspec.json.encode(entry.event))
        yield msgspec.json.encode(Line(seq, at, entry.app, entry.deploy, kind_of(entry.event), data)) + b"\n"


def _entries(chance: random.Random, *, first: int = 0) -> Iterator[Entry]:
    """Deploys one after the other, without end, and what happens between them."""
    for number in range(12):
        yield Entry(AppCreated(), f"app-{number}")
    number = first
    while True:
        number += 1
        app, deploy = f"app-{chance.randrange(12)}", f"d{number}"
        for event in _deploy(chance, number):
            yield Entry(event, app, deploy)
        crash = InstanceCrashed(
            process="web", instance="web.1", release=f"{number:012x}", pid=number, exit="it was killed by signal 9",
            restarts=1, uptime_s=chance.uniform(1, 1e5),
        )  # fmt: skip
        yield Entry(crash, app)
        yield Entry(Note(text=f"looked at {deploy}, all well", by=chance.choice(_AUTHORS)), app, deploy)


def _deploy(chance: random.Random, number: int) -> Iterator[Event]:
    release = f"{number:012x}"
    author = chance.choice(_AUTHORS)
    commit = Commit(
        f"{number:040x}", f"Quicker feeds, part {number}", author, f"{author.lower()}@example.org",
        "2026-05-09T07:00:00Z",
    )  # fmt: skip
    yield DeployQueued(
        deploy_kind=DeployKind.DEPLOY, release=release, asked_by=author, commit=commit, commits=(commit,),
        authors=(author,),
    )  # fmt: skip
    for stage in _STAGES:
        yield StageBegan(stage=stage)
        if stage is Stage.SWITCHED:
            yield Switched(release=release, settings=1, commit=commit.sha)
        yield StageEnded(stage=stage, duration_s=chance.uniform(0.1, 9), detail="")
    yield DeployEnded(outcome=Outcome.KEPT, reason="kept: no signal worse than before", duration_s=60)


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _timed() -> Iterator[list[float]]:
    """A list that has the seconds the block took, once it is left."""
    took: list[float] = []
    began = time.perf_counter()
    yield took
    took.append(time.perf_counter() - began)
