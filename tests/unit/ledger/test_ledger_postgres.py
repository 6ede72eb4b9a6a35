"""The ledger in PostgreSQL where the connection, the server or another pawld is in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pg8000.native  # type: ignore[import-untyped]
import pytest

from pawl.errors import StateError, UsageError
from pawl.ledger import postgres_store
from pawl.ledger.events import AppCreated, DeployQueued, Note, StageBegan, Switched
from pawl.ledger.postgres_place import schema_of
from pawl.ledger.postgres_store import PostgresLedger
from pawl.ledger.records import Entry, Recorded
from pawl.model import DeployKind, Stage
from pawl.postgres import Server
from tests.integration.services.services_rig import PASSWORD, Database
from tests.ledger_rig import TickingClock, in_postgres, new_place
from tests.support import eventually, free_port
from tests.unit.ledger.lossy import Loss, Way

NOTE = Note(text="seen", by="ada")


@pytest.fixture
def home() -> str:
    return new_place()


@pytest.fixture
def way(ledger_database: Database) -> Iterator[Way]:
    made = Way(ledger_database.port)
    yield made
    made.close()


@pytest.fixture
def through(way: Way, ledger_database: Database, home: str) -> Iterator[PostgresLedger]:
    """A ledger behind the lossy way, with an app that is live."""
    ledger = in_postgres(ledger_database, home, port=way.port)
    fill(ledger)
    yield ledger
    ledger.close()


def fill(ledger: PostgresLedger) -> None:
    ledger.append(AppCreated(), app="demo")
    queued = DeployQueued(deploy_kind=DeployKind.DEPLOY, release="r1", asked_by="ada")
    ledger.append(queued, app="demo", deploy=ledger.next_deploy_id())
    ledger.append(Switched(release="r1", settings=1, commit="c"), app="demo", deploy="d1")


def asked(database: Database, sql: str) -> list[list[Any]]:
    with closing(database.connect()) as connection:
        rows: list[list[Any]] = connection.run(sql)
        return rows


def shown(ledger: PostgresLedger) -> tuple[object, ...]:
    return ledger.events(), ledger.apps(), ledger.deploys(), ledger.unfinished()


def again_at_once(ledger: PostgresLedger) -> None:
    """As if the pause after a failed try were over."""
    ledger._keeper._not_before = 0.0


# What is recorded


def test_all_is_there_when_it_is_opened_again(ledger_database: Database, home: str) -> None:
    ledger = in_postgres(ledger_database, home)
    fill(ledger)
    before = shown(ledger)
    ledger.close()
    ledger = in_postgres(ledger_database, home)
    assert shown(ledger) == before
    assert ledger.next_deploy_id() == "d2"
    assert ledger.append(NOTE).seq == 4
    ledger.close()


def test_a_commit_is_on_the_disk_even_where_the_server_is_set_not_to_wait(ledger_database: Database, home: str) -> None:
    asked(ledger_database, "ALTER ROLE app SET synchronous_commit = off")
    try:
        ledger = in_postgres(ledger_database, home)
        assert ledger._keeper.read(
            lambda db: db.execute("SELECT current_setting('synchronous_commit')").fetchone()
        ) == ["on"]
        ledger.close()
    finally:
        asked(ledger_database, "ALTER ROLE app RESET synchronous_commit")


def test_what_lies_in_the_ledger_cannot_be_changed_by_a_slip(ledger_database: Database, home: str) -> None:
    ledger = in_postgres(ledger_database, home)
    fill(ledger)
    ledger.close()
    for slip in ("DELETE FROM {}.events WHERE seq = 1", "UPDATE {}.events SET app = 'x'", "TRUNCATE {}.events"):
        with pytest.raises(pg8000.native.DatabaseError, match="append-only"):
            asked(ledger_database, slip.format(schema_of(home)))


def test_signs_that_postgresql_has_no_room_for_come_back(ledger_database: Database, home: str) -> None:
    ledger = in_postgres(ledger_database, home)
    ledger.append(AppCreated(), app="a\0b\x1ac\x1aN")
    ledger.append(AppCreated(), app="'; DROP TABLE events; --?")
    assert [app.name for app in ledger.apps()] == ["'; DROP TABLE events; --?", "a\0b\x1ac\x1aN"]
    ledger.close()


def test_names_are_sorted_by_code_point_whatever_the_language_of_the_database(
    ledger_database: Database, home: str
) -> None:
    ledger = in_postgres(ledger_database, home)
    for name in ("b", "A", "ä", "a", "B"):
        ledger.append(AppCreated(), app=name)
    assert [app.name for app in ledger.apps()] == ["A", "B", "a", "b", "ä"]
    ledger.close()


# A lost connection


def test_a_session_that_the_server_ended_is_replaced_within_the_call(ledger_database: Database, home: str) -> None:
    ledger = in_postgres(ledger_database, home)
    for use in (lambda: ledger.append(NOTE), ledger.events, ledger.next_deploy_id, ledger.rebuild):
        session = ledger._keeper._session
        assert session is not None
        ledger_database.ask(f"SELECT pg_terminate_backend({session.pid}, 5000)")
        assert use() != []
        assert ledger._keeper._session is not session
    assert [one.seq for one in ledger.events()] == [1]
    ledger.close()


@pytest.mark.parametrize("loses", [Loss.COMMITS, Loss.ANSWERS])
def test_a_commit_whose_answer_is_lost_is_recorded_once(way: Way, through: PostgresLedger, loses: Loss) -> None:
    heard: list[Recorded] = []
    through.subscribe(heard.append)
    way.loses = loses
    recorded = through.append(NOTE)
    assert way.loses is Loss.NOTHING, "the loss has happened"
    assert recorded.seq == 4
    assert through.events(after=3) == [recorded] == heard
    way.loses = loses
    assert through.next_deploy_id() in ("d2", "d3")


@pytest.mark.parametrize("loses", [Loss.COMMITS, Loss.ANSWERS])
def test_what_was_raised_as_not_recorded_is_not(way: Way, through: PostgresLedger, loses: Loss) -> None:
    before = shown(through)
    heard: list[Recorded] = []
    through.subscribe(heard.append)
    way.loses, way.is_down_after_loss = loses, True
    switched = Switched(release="r2", settings=2, commit="c2")
    batch = [Entry(StageBegan(stage=Stage.HEALTHY), "demo", "d1"), Entry(switched, "demo", "d1"), Entry(NOTE)]
    with pytest.raises(StateError, match="pg_isready"):
        through.append_many(batch)
    with pytest.raises(StateError, match="cannot be used"):
        through.append(NOTE)
    way.is_down = False
    again_at_once(through)
    assert shown(through) == before
    assert [one.seq for one in through.append_many(batch)] == [4, 5, 6] == [one.seq for one in heard]
    grown = shown(through)
    through.rebuild()
    assert shown(through) == grown


def test_a_server_that_is_down_is_not_asked_again_and_again(way: Way, through: PostgresLedger) -> None:
    way.is_down = True
    way.cut()
    with pytest.raises(StateError, match="PostgreSQL"):
        through.append(NOTE)
    through._keeper._not_before = float("inf")
    with pytest.raises(StateError, match="tried again in a moment"):
        through.append(NOTE)
    way.is_down = False
    again_at_once(through)
    assert through.append(NOTE).seq == 4


def test_nothing_is_written_any_more_where_somebody_else_wrote(
    way: Way, through: PostgresLedger, ledger_database: Database, home: str
) -> None:
    way.is_down = True
    way.cut()
    with pytest.raises(StateError, match="PostgreSQL"):
        through.append(NOTE)
    other = in_postgres(ledger_database, home)
    way.is_down = False
    again_at_once(through)
    with pytest.raises(StateError, match="another pawld writes the place"):
        through.append(NOTE)
    other.append(NOTE)
    other.close()
    again_at_once(through)
    for use in (lambda: through.append(NOTE), through.events):
        with pytest.raises(StateError, match="not as this pawld left it"):
            use()


# Two pawld


def test_a_second_pawld_of_the_same_place_is_refused(
    ledger_database: Database, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = in_postgres(ledger_database, home)
    monkeypatch.setattr(postgres_store, "_WAIT_FOR_LOCK_S", 0.1)
    with pytest.raises(StateError, match=f"another pawld writes the place {home}") as raised:
        in_postgres(ledger_database, home)
    assert "it is connected" in raised.value.why
    assert "?place=NAME" in raised.value.next_step
    assert PASSWORD not in str(raised.value)
    ledger.close()
    monkeypatch.setattr(postgres_store, "_WAIT_FOR_LOCK_S", 20.0)
    in_postgres(ledger_database, home).close()


def test_each_place_has_a_ledger_of_its_own_and_reads_the_others(ledger_database: Database) -> None:
    names = [new_place(), new_place()]
    first, second = (in_postgres(ledger_database, name) for name in names)
    fill(first)
    second.append(AppCreated(), app="blog")
    assert [app.name for app in first.apps()] == ["demo"]
    assert first.places()[0] == names[0]
    assert set(names) <= set(first.places())
    assert first.places()[1:] == sorted(first.places()[1:])

    there = second.at_place(names[0])
    assert there.place == names[0]
    assert (there.events(), there.apps(), there.deploys()) == (first.events(), first.apps(), first.deploys())
    assert there.at_place(names[1]).apps() == second.apps()
    for change in (lambda: there.append(NOTE), there.next_deploy_id, there.rebuild):
        with pytest.raises(StateError, match="only read here"):
            change()
    assert second.apps()[0].name == "blog", "its own place is where it was"
    assert second.append(NOTE).seq == 2
    there.close()
    assert second.events()
    first.close()
    second.close()


@pytest.mark.parametrize("name", ["", "Web", "-x", "a b", 'a"b', "x" * 51, "ü"])
def test_a_name_that_no_place_can_have_is_refused(ledger_database: Database, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a place"):
        in_postgres(ledger_database, name)


# Other versions


def test_a_newer_ledger_is_refused_and_left_alone(ledger_database: Database, home: str) -> None:
    ledger = in_postgres(ledger_database, home)
    fill(ledger)
    ledger.close()
    asked(ledger_database, f"UPDATE {schema_of(home)}.ledger SET version = 99")
    with pytest.raises(StateError, match="written by a newer Pawl"):
        in_postgres(ledger_database, home)
    other = in_postgres(ledger_database, new_place())
    with pytest.raises(StateError, match="it has version 99, this Pawl reads version"):
        other.at_place(home)
    other.close()
    assert asked(ledger_database, f"SELECT count(*) FROM {schema_of(home)}.events") == [[3]]


RENAMED = (
    """UPDATE events SET data = replace(data, '"release":"r1"', '"release":"r2"')""",
    "ALTER TABLE events ADD COLUMN pawld TEXT",
)


def test_an_older_ledger_is_copied_brought_forward_and_its_views_rebuilt(ledger_database: Database, home: str) -> None:
    ledger = in_postgres(ledger_database, home, migrations=((),))
    fill(ledger)
    before = ledger.events()
    ledger.close()
    ledger = in_postgres(ledger_database, home, migrations=((), RENAMED))
    view = ledger.app("demo")
    assert view is not None
    assert view.live is not None
    assert view.live.release == "r2"
    assert ledger.append(NOTE).seq == 4
    assert ledger.next_deploy_id() == "d2"
    ledger.close()
    schema = schema_of(home)
    copied = asked(ledger_database, f"SELECT seq, data FROM {schema}.events_before_v3 ORDER BY seq")
    assert [seq for seq, _ in copied] == [one.seq for one in before]
    assert '"release":"r1"' in copied[-1][1]
    assert asked(ledger_database, f"SELECT value FROM {schema}.counters_before_v3") == [[1]]

    # As docs/ledger.md says how to go back:
    asked(
        ledger_database,
        f"""BEGIN; SET LOCAL search_path = {schema}; SET LOCAL pawl.takes_back = 'yes';
        DELETE FROM events; INSERT INTO events SELECT * FROM events_before_v3;
        DELETE FROM counters; INSERT INTO counters SELECT * FROM counters_before_v3;
        UPDATE ledger SET version = -2; COMMIT""",
    )
    ledger = in_postgres(ledger_database, home, migrations=((),))
    assert (ledger.events(), [app.live and app.live.release for app in ledger.apps()]) == (before, ["r1"])
    ledger.close()
    in_postgres(ledger_database, home, migrations=((),)).close()

    in_postgres(ledger_database, home, migrations=((), (), ())).close()
    tables = asked(ledger_database, f"SELECT tablename::text FROM pg_tables WHERE schemaname = '{schema[1:-1]}'")
    assert sorted(name for [name] in tables if "before" in name) == ["counters_before_v4", "events_before_v4"]


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(ledger_database: Database, home: str) -> None:
    ledger = in_postgres(ledger_database, home, migrations=())
    fill(ledger)
    before = shown(ledger)
    ledger.close()
    with pytest.raises(StateError, match="nonsense"):
        in_postgres(ledger_database, home, migrations=(RENAMED, ("DELETE FROM nonsense",)))
    ledger = in_postgres(ledger_database, home, migrations=())
    assert shown(ledger) == before
    ledger.close()


def test_a_record_that_cannot_be_read_is_named(ledger_database: Database, home: str) -> None:
    ledger = in_postgres(ledger_database, home)
    fill(ledger)
    asked(
        ledger_database,
        f"INSERT INTO {schema_of(home)}.events VALUES (4, '', NULL, NULL, 'note', '{{\"kind\":\"dance\"}}')",
    )
    for use in (ledger.events, ledger.rebuild):
        with pytest.raises(StateError, match="event 4 cannot be read"):
            use()
    assert ledger.append(NOTE).seq == 5
    ledger.close()


# What a user may get wrong


def opened(database: Database, change: Callable[[str], str], place: str) -> PostgresLedger:
    return PostgresLedger(Server.parse(change(database.url()), variable="PAWL_LEDGER"), place, clock=TickingClock())


@pytest.mark.parametrize(
    ("change", "why", "next_step"),
    [
        (lambda url: url.replace("/news", "/olds"), 'database "olds" does not exist', "createdb --owner=app olds"),
        (lambda url: url.replace(quote(PASSWORD, safe=""), "guess"), "password authentication failed", "the password"),
        (lambda url: url.replace("//app", "//eve"), "password authentication failed", "the password in PAWL_LEDGER"),
        (lambda url: url.replace("/news", "/postgres"), "permission denied", 'GRANT CREATE ON DATABASE "postgres"'),
        (lambda url: f"postgresql://app:{quote(PASSWORD, safe='')}@127.0.0.1:{free_port()}/news", "refused", "pg_isre"),
        (lambda url: url + "?sslmode=verify-full", "certificate", "pg_isready"),
    ],
)
def test_what_is_wrong_is_said_in_three_lines_without_the_password(
    ledger_database: Database, home: str, change: Callable[[str], str], why: str, next_step: str
) -> None:
    with pytest.raises(StateError, match=r"the ledger in PostgreSQL 127\.0\.0\.1:") as raised:
        opened(ledger_database, change, home)
    assert why in raised.value.why
    assert next_step in raised.value.next_step
    assert len(str(raised.value).splitlines()) == 3
    assert PASSWORD not in str(raised.value)
    assert quote(PASSWORD, safe="") not in str(raised.value)


def test_a_connection_under_tls_is_one(ledger_database: Database, home: str) -> None:
    def trusted(url: str) -> str:
        return url.replace("127.0.0.1", "localhost") + (
            f"?sslmode=verify-full&sslrootcert={ledger_database.certificate.path}"
        )

    ledger = opened(ledger_database, trusted, home)
    assert ledger._keeper.read(
        lambda db: db.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    ) == [True]
    ledger.close()


def test_a_schema_of_another_program_is_left_alone(ledger_database: Database, home: str) -> None:
    asked(ledger_database, f"CREATE SCHEMA {schema_of(home)}")
    asked(ledger_database, f"CREATE TABLE {schema_of(home)}.recipes (name TEXT)")
    with pytest.raises(StateError, match="belongs to another program"):
        in_postgres(ledger_database, home)


def test_an_empty_schema_that_was_made_beforehand_is_taken(ledger_database: Database, home: str) -> None:
    asked(ledger_database, f"CREATE SCHEMA {schema_of(home)}")  # made beforehand, by whoever may
    ledger = in_postgres(ledger_database, home)
    fill(ledger)
    assert [app.name for app in ledger.apps()] == ["demo"]
    ledger.close()


def test_a_closed_ledger_lets_go_of_its_connection(ledger_database: Database, home: str) -> None:
    ledger = in_postgres(ledger_database, home)
    session = ledger._keeper._session
    assert session is not None
    ledger.close()
    eventually(
        lambda: ledger_database.ask(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {session.pid}") == [[0]],
        within_s=60,
    )
