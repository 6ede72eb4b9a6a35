"""The SQLite ledger where the disk, the file or another Pawl is in the way."""

from __future__ import annotations

import resource
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from pawl.errors import StateError
from pawl.ledger import schema, sqlite_file
from pawl.ledger.events import AppCreated, DeployQueued, Note, StageBegan, Switched
from pawl.ledger.records import Entry
from pawl.ledger.store import SqliteLedger
from pawl.model import DeployKind, Stage

NOTE = Note(text="x" * 2000, by="ada")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def opened(path: Path, migrations: tuple[schema.Migration, ...] = ()) -> SqliteLedger:
    return SqliteLedger(path, clock=lambda: datetime(2026, 5, 9, tzinfo=UTC), migrations=migrations)


def filled(path: Path, *, notes: int = 0) -> None:
    """A closed ledger with an app that is live."""
    ledger = opened(path)
    ledger.append(AppCreated(), app="demo")
    queued = DeployQueued(deploy_kind=DeployKind.DEPLOY, release="r1", asked_by="ada")
    ledger.append(queued, app="demo", deploy=ledger.next_deploy_id())
    ledger.append(Switched(release="r1", settings=1, commit="c"), app="demo", deploy="d1")
    ledger.append_many([Entry(NOTE)] * notes)
    ledger.close()


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        yield db
    finally:
        db.close()


def test_every_commit_is_synced(path: Path) -> None:
    ledger = opened(path)
    assert ledger._keeper.connection is not None
    assert ledger._keeper.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ledger._keeper.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    ledger.close()


def test_the_file_is_private(path: Path) -> None:
    ledger = opened(path)
    ledger.append(NOTE)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    ledger.close()


def test_all_is_there_when_it_is_opened_again(path: Path) -> None:
    filled(path)
    ledger = opened(path)
    before = ledger.apps(), ledger.deploys(), ledger.events()
    assert ledger.next_deploy_id() == "d2"
    ledger.close()
    ledger = opened(path)
    assert (ledger.apps(), ledger.deploys(), ledger.events()) == before
    assert ledger.next_deploy_id() == "d3"
    ledger.close()


def test_what_lies_in_the_ledger_cannot_be_changed_by_a_slip(path: Path) -> None:
    filled(path)
    with raw(path) as db:
        for slip in ("DELETE FROM events WHERE seq = 1", "UPDATE events SET app = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(slip)


def test_another_thread_is_refused(path: Path) -> None:
    ledger = opened(path)
    raised: list[Exception] = []

    def use() -> None:
        try:
            ledger.apps()
        except sqlite3.ProgrammingError as error:
            raised.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(raised) == 1
    ledger.close()


def test_the_place_is_the_order_when_the_clock_steps_back_and_times_are_utc(path: Path) -> None:
    summer = timezone(timedelta(hours=2))
    times = iter([datetime(2026, 5, 9, 1, 0, 0, 5, tzinfo=summer), datetime(2026, 5, 7, tzinfo=UTC)])
    ledger = SqliteLedger(path, clock=lambda: next(times))
    for deploy in ("d1", "d2"):
        queued = DeployQueued(deploy_kind=DeployKind.DEPLOY, release="r1", asked_by="ada")
        ledger.append(queued, app="demo", deploy=deploy)
    assert [one.at for one in ledger.events()] == ["2026-05-08T23:00:00.000005Z", "2026-05-07T00:00:00.000000Z"]
    assert [one.id for one in ledger.deploys()] == ["d2", "d1"]
    ledger.close()


# The disk


@contextmanager
def no_more_pages(ledger: SqliteLedger) -> Iterator[None]:
    assert ledger._keeper.connection is not None
    (most,) = ledger._keeper.connection.execute("PRAGMA max_page_count").fetchone()
    ledger._keeper.connection.execute("PRAGMA max_page_count = 1")  # SQLite takes it as: not above the present size
    yield
    ledger._keeper.connection.execute(f"PRAGMA max_page_count = {most}")


@contextmanager
def no_larger_files(ledger: SqliteLedger) -> Iterator[None]:
    """Writes fail as on a full disk: the log of SQLite may not grow."""
    size = ledger._keeper.path.with_name("ledger.db-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(ledger: SqliteLedger) -> Iterator[None]:
    assert ledger._keeper.connection is not None
    ledger._keeper.connection.execute("PRAGMA query_only = ON")
    yield
    ledger._keeper.connection.execute("PRAGMA query_only = OFF")


@contextmanager
def locked(ledger: SqliteLedger) -> Iterator[None]:
    assert ledger._keeper.connection is not None
    ledger._keeper.connection.execute("PRAGMA busy_timeout = 1")
    with raw(ledger._keeper.path) as db:
        db.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize(
    ("trouble", "why", "next_step"),
    [
        (no_more_pages, "full", "free some space"),
        (no_larger_files, "I/O|full", "full or failing|free some space"),
        (read_only, "readonly", "writable"),
        (locked, "locked", "fuser"),
    ],
)
def test_nothing_is_half_written_and_it_goes_on_when_the_cause_is_gone(
    path: Path, trouble: Callable[[SqliteLedger], Iterator[None]], why: str, next_step: str
) -> None:
    filled(path)
    ledger = opened(path)
    ledger.append(StageBegan(stage=Stage.BUILT), app="demo", deploy="d1")
    heard: list[int] = []
    ledger.subscribe(lambda recorded: heard.append(recorded.seq))
    before = ledger.apps(), ledger.deploys(), ledger.events()
    batch = [Entry(StageBegan(stage=Stage.HEALTHY), "demo", "d1"), *[Entry(NOTE)] * 50]
    with trouble(ledger):  # type: ignore[attr-defined]
        for _ in range(3):
            with pytest.raises(StateError) as raised:
                ledger.append_many(batch)
        assert raised.match(why)
        assert raised.match(next_step)
        assert str(path) in raised.value.what
        assert (ledger.apps(), ledger.deploys(), ledger.events()) == before
    assert heard == []
    assert len(ledger.append_many(batch)) == 51
    assert heard == list(range(5, 56))
    view = ledger.deploy("d1")
    assert view is not None
    assert view.status == "healthy"
    grown = ledger.apps(), ledger.deploys()
    ledger.rebuild()
    assert (ledger.apps(), ledger.deploys()) == grown
    ledger.close()
    ledger = opened(path)
    assert len(ledger.events()) == 55
    ledger.close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="nowhere"):
        opened(tmp_path / "nowhere" / "ledger.db")
    with pytest.raises(StateError, match="cannot be used"):
        opened(tmp_path)


# Damage


@pytest.mark.parametrize("content", [b"not a database, but long enough to be taken for one" * 40, b"short"])
def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"ledger\.db is damaged") as raised:
        opened(path)
    assert "put a backup there" in raised.value.next_step
    assert "ledger.db-wal" in raised.value.next_step
    assert path.read_bytes() == content


@pytest.mark.parametrize("kept", [0.3, 0.7])
def test_a_file_cut_short_is_reported(path: Path, kept: float) -> None:
    filled(path, notes=100)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(StateError, match="is damaged"):
        opened(path)


def test_overwritten_pages_are_found_at_the_start(path: Path) -> None:
    filled(path, notes=100)
    with path.open("r+b") as file:
        file.seek(16 * 4096)
        file.write(b"\xa5" * 4096 * 8)
    with pytest.raises(StateError, match="is damaged"):
        opened(path)


def test_a_large_ledger_is_checked_at_both_ends_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path, notes=1000)
    monkeypatch.setattr(sqlite_file, "_CHECKED_WHOLE_BYTES", 0)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096 * 2)
    ledger = opened(path)
    with pytest.raises(StateError, match="is damaged"):
        ledger.events()
    assert ledger.app("demo") is not None
    ledger.close()


def test_a_record_that_cannot_be_read_is_named(path: Path) -> None:
    filled(path)
    with raw(path) as db:
        db.execute("INSERT INTO events (at, kind, data) VALUES ('', 'note', '{\"kind\":\"dance\"}')")
    ledger = opened(path)
    for use in (ledger.events, ledger.rebuild):
        with pytest.raises(StateError, match="event 4 cannot be read"):
            use()
    assert ledger.append(NOTE).seq == 5
    assert [one.id for one in ledger.deploys()] == ["d1"]
    ledger.close()


# Other versions


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    with raw(path) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
        db.execute("PRAGMA user_version = 1")
    before = path.read_bytes()
    with pytest.raises(StateError, match="another program"):
        opened(path)
    assert path.read_bytes() == before


def test_a_newer_ledger_is_refused_and_left_alone(path: Path) -> None:
    filled(path)
    with raw(path) as db:
        db.execute("PRAGMA user_version = 3")
    before = path.read_bytes()
    with pytest.raises(StateError, match="written by a newer Pawl") as raised:
        opened(path, ((),))
    assert raised.value.why == "it has version 3, this Pawl knows versions up to 2"
    assert "ledger.db.before-v3" in raised.value.next_step
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]


RENAMED = (
    "DROP TRIGGER events_are_not_changed",
    """UPDATE events SET data = replace(data, '"release":"r1"', '"release":"r2"')""",
    "ALTER TABLE events ADD COLUMN pawld TEXT",
)


def test_an_older_ledger_is_copied_brought_forward_and_its_views_rebuilt(path: Path) -> None:
    filled(path)
    ledger = opened(path, ((), RENAMED))
    view = ledger.app("demo")
    assert view is not None
    assert view.live is not None
    assert view.live.release == "r2"
    assert ledger.append(NOTE).seq == 4
    assert ledger.next_deploy_id() == "d2"
    ledger.close()

    copy = path.with_name("ledger.db.before-v3")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.db", "ledger.db.before-v3"]
    old = opened(copy)
    view = old.app("demo")
    assert view is not None
    assert view.live is not None
    assert view.live.release == "r1"
    old.close()
    with pytest.raises(StateError, match="newer"):
        opened(path)
    opened(path, ((), RENAMED)).close()


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(path: Path) -> None:
    filled(path)
    with pytest.raises(StateError, match="no such table: nonsense"):
        opened(path, (RENAMED, ("DELETE FROM nonsense",)))
    ledger = opened(path)
    view = ledger.app("demo")
    assert view is not None
    assert view.live is not None
    assert view.live.release == "r1"
    ledger.close()


def test_nothing_is_migrated_without_a_copy(path: Path) -> None:
    filled(path)
    path.with_name("ledger.db.before-v2").mkdir()
    with pytest.raises(StateError, match="cannot be used"):
        opened(path, (RENAMED,))
    opened(path).close()
    assert not path.with_name("ledger.db.before-v2.part").exists()
