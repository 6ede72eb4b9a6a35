"""A ledger out and in again: the same to the byte, and nothing of a file that is not whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.errors import StateError, UsageError
from pawl.ledger.events import AppCreated, DeployQueued, IncidentOpened, Note, Switched
from pawl.ledger.records import Entry
from pawl.ledger.sql_ledger import SqlLedger
from pawl.ledger.store import SqliteKeeper, SqliteLedger
from pawl.ledger.transfer import Incoming, exported, imported
from pawl.model import DeployKind
from tests.integration.services.services_rig import Database
from tests.ledger_rig import START, TickingClock, in_postgres, new_place
from tests.unit.ledger.test_ledger_histories import BEGUN, answers, any_entry, tables


def lines(ledger: SqlLedger) -> list[bytes]:
    return b"".join(exported(ledger)).splitlines(keepends=True)


def events_of(export: list[bytes]) -> list[bytes]:
    """All but the header's time and place."""
    header = json.loads(export[0])
    del header["exported_at"], header["place"]
    return [json.dumps(header).encode(), *export[1:]]


def take(ledger: SqlLedger, export: list[bytes], name: str = "x.jsonl") -> list[int]:
    told: list[int] = []
    assert imported(ledger, Incoming(name, export), on_progress=told.append) == len(export) - 1
    return told


def filled(path: Path, *, notes: int = 0) -> SqliteLedger:
    ledger = SqliteLedger(path, clock=TickingClock())
    ledger.append(AppCreated(), app="demo")
    queued = DeployQueued(deploy_kind=DeployKind.DEPLOY, release="r1", asked_by="ada\0")
    ledger.append(queued, app="demo", deploy=ledger.next_deploy_id())
    ledger.append(Switched(release="r1", settings=1, commit="c"), app="demo", deploy="d1")
    opened = IncidentOpened(incident=ledger.next_incident_id(), title="Down", began_at=START, by="ada")
    ledger.append(opened, app="demo")
    ledger.append_many([Entry(Note(text="Straße “x” \\", by="ada"))] * notes)
    ledger.next_deploy_id()
    return ledger


@settings(max_examples=40, deadline=None)
@given(history=st.lists(any_entry, max_size=40))
def test_an_export_that_is_imported_is_the_same_ledger(history: list[Entry]) -> None:
    with TemporaryDirectory() as folder:
        first = SqliteLedger(Path(folder) / "a.db", clock=TickingClock())
        second = SqliteLedger(Path(folder) / "b.db", clock=TickingClock())
        first.append_many([*BEGUN, *history])
        export = lines(first)
        take(second, export)
        assert events_of(lines(second)) == events_of(export)
        assert tables(second) == tables(first)
        assert answers(second) == answers(first)
        first.close()
        second.close()


def test_from_sqlite_to_postgresql_and_back_it_is_the_same(tmp_path: Path, ledger_database: Database) -> None:
    first = filled(tmp_path / "a.db", notes=2500)
    team = in_postgres(ledger_database, new_place())
    back = SqliteLedger(tmp_path / "b.db", clock=TickingClock())
    export = lines(first)
    assert take(team, export) == [1000, 2000, 2504]
    take(back, lines(team))
    assert events_of(lines(back)) == events_of(lines(team)) == events_of(export)
    for other in (team, back):
        assert tables(other) == tables(first)
    assert [ledger.next_deploy_id() for ledger in (first, team, back)] == ["d3"] * 3
    assert [ledger.next_incident_id() for ledger in (first, team, back)] == ["i2"] * 3
    assert [ledger.append(Note(text="on", by="ada")).seq for ledger in (first, team, back)] == [2505] * 3
    for ledger in (first, team, back):
        ledger.close()


def changed(number: int, change: Callable[[bytes], bytes]) -> Callable[[list[bytes]], list[bytes]]:
    return lambda export: [change(line) if at == number else line for at, line in enumerate(export, 1)]


BROKEN: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "empty": (lambda _: [], r"x\.jsonl:1: .*\nthis is no header"),
    "no header": (lambda export: export[1:], r"x\.jsonl:1: .*\nthis is no header"),
    "a newer format": (
        changed(1, lambda line: line.replace(b'"pawl_ledger":1', b'"pawl_ledger":2')),
        "written by a newer Pawl",
    ),
    "a newer ledger": (changed(1, lambda line: line.replace(b'"version":', b'"version":9')), "written by a newer Pawl"),
    "cut off after a line": (lambda export: export[:4], r"x\.jsonl:4: .*\nthe file ends here, after 3 of 7 events"),
    "cut off in a line": (lambda export: [*export[:4], export[4][:30]], r"x\.jsonl:5: .*\nit is cut off"),
    "a line too many": (lambda export: [*export, export[-1]], r"x\.jsonl:9: .*\nevent 8 should be here, and 7 is"),
    "a line left out": (lambda export: export[:3] + export[4:], r"x\.jsonl:4: .*\nevent 3 should be here, and 4 is"),
    "no JSON": (changed(3, lambda _: b"{]\n"), r"x\.jsonl:3: .*\nthis is no event"),
    "no UTF-8": (changed(6, lambda line: line.replace("“".encode(), b"\xff")), r"x\.jsonl:6: .*\nthis is no event"),
    "an unknown kind": (
        changed(2, lambda line: line.replace(b"app_created", b"app_erected")),
        r"x\.jsonl:2: .*\nthis is no event",
    ),
    "another kind": (changed(2, lambda line: line.replace(b"app_created", b"note", 1)), r"x\.jsonl:2: .*\nits kind"),
    "no time": (changed(2, lambda line: line.replace(b"2026-", b"yore-")), r"x\.jsonl:2: .*\nits kind .* or its time"),
    "no app": (changed(2, lambda line: line.replace(b'"demo"', b"null")), r"x\.jsonl:2: .*\nthis is no event: app_cre"),
    "a counter too low": (
        changed(1, lambda line: line.replace(b'"deploy":2', b'"deploy":0')),
        r"x\.jsonl:1: .*\nthe counter 'deploy'",
    ),
}


@pytest.mark.parametrize("trouble", BROKEN)
def test_a_file_that_is_not_whole_is_refused_whole_with_the_line(tmp_path: Path, trouble: str) -> None:
    first = filled(tmp_path / "a.db", notes=3)
    break_, why = BROKEN[trouble]
    whole = lines(first)
    broken = break_(whole)
    assert broken != whole
    second = SqliteLedger(tmp_path / "b.db", clock=TickingClock())
    with pytest.raises(UsageError, match=why):
        take(second, broken)
    assert second.events() == []
    assert second.apps() == []
    take(second, whole)
    assert tables(second) == tables(first)
    first.close()
    second.close()


def test_nothing_is_imported_into_a_ledger_that_has_something(tmp_path: Path) -> None:
    first = filled(tmp_path / "a.db")
    second = SqliteLedger(tmp_path / "b.db", clock=TickingClock())
    second.next_deploy_id()
    with pytest.raises(StateError, match="is not empty"):
        take(second, lines(first))
    with pytest.raises(StateError, match="it has 4 events"):
        take(first, lines(first))
    first.close()
    second.close()


def test_what_is_appended_during_an_export_is_not_in_it(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "a.db", notes=1500)
    pieces = exported(ledger)
    begun = next(pieces)
    ledger.append(Note(text="later", by="ada"))
    assert json.loads(begun)["events"] == len(b"".join(pieces).splitlines()) == 1504
    ledger.close()


def test_a_ledger_is_exported_beside_the_pawld_that_writes_it_and_cannot_be_written_so(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "a.db")
    beside = SqlLedger(SqliteKeeper(tmp_path / "a.db", is_only_read=True), clock=TickingClock())
    assert events_of(lines(beside)) == events_of(lines(ledger))
    with pytest.raises(StateError, match="readonly"):
        beside.append(Note(text="x", by="ada"))
    beside.close()
    ledger.close()
    with pytest.raises(StateError, match="cannot be used"):
        SqliteKeeper(tmp_path / "none.db", is_only_read=True)
    assert not (tmp_path / "none.db").exists()
