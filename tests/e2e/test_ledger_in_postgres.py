"""A team's ledger: pawld with ``PAWL_LEDGER`` deploys, is killed and goes on; two of them share a database."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from pawl.ledger.postgres_place import schema_of
from tests.e2e.e2e_rig import error_lines, files_with
from tests.e2e.pages_rig import opened
from tests.integration.services.services_rig import PASSWORD, Database
from tests.ledger_rig import new_place
from tests.support import HELLO, Pawl, eventually, is_running, repository


@pytest.fixture
def team(place: Path, ledger_database: Database) -> Iterator[tuple[Pawl, Pawl]]:
    """Two homes, not up yet, whose pawld write different places of one database."""
    pawls = tuple(
        Pawl(place / name, env={"PAWL_LEDGER": ledger_database.url(scheme="postgresql", tail=f"?place={new_place()}")})
        for name in ("ada", "bob")
    )
    yield pawls[0], pawls[1]
    for pawl in pawls:
        pawl.destroy()


def kinds(database: Database, pawl: Pawl) -> list[str]:
    schema = schema_of(pawl.env["PAWL_LEDGER"].rpartition("=")[2])
    with closing(database.connect()) as connection:
        return [kind for [kind] in connection.run(f"SELECT kind FROM {schema}.events ORDER BY seq")]


def test_a_pawld_deploys_is_killed_goes_on_and_shares_the_database(
    team: tuple[Pawl, Pawl], place: Path, ledger_database: Database
) -> None:
    ada, bob = team
    ada.up()
    app = repository(place / "hello", HELLO)
    ada.ok("deploy", app.path)
    assert ada.get() == (200, "hello 1")
    [instance] = ada.instances()

    pid = ada.pid()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_running(pid))
    ada.ok("up")
    assert [item["pid"] for item in ada.instances()] == [instance["pid"]], "it was adopted, for the ledger knows it"
    app.commit("Another change", NOTES="")
    ada.ok("deploy", app.path)
    assert [one["outcome"] for one in ada.json("deploys", "hello")["deploys"]] == ["kept", "kept"]
    assert kinds(ledger_database, ada).count("pawld_started") == 2

    bob.up()
    assert bob.json("apps")["apps"] == []
    assert kinds(ledger_database, bob) == ["pawld_started"]

    bob.ok("deploy", app.path)
    assert bob.json("dora", "hello")["now"]["deploys"] == 1
    everywhere = ada.json("dora", "hello", "--everywhere")
    assert everywhere["now"]["deploys"] == 3
    assert {pawl.env["PAWL_LEDGER"].rpartition("=")[2] for pawl in team} <= set(everywhere["places"])
    assert "hello in " in ada.ok("dora", "hello", "--everywhere").splitlines()[0]

    browser, _ = opened(bob)
    place_of_ada = ada.env["PAWL_LEDGER"].rpartition("=")[2]
    _, elsewhere = browser.page("/").split('<h2 id="elsewhere">')
    assert f'<a href="/ledger?of={place_of_ada}">' in elsewhere
    assert "Another change" in elsewhere
    assert "Another change" in browser.page(f"/ledger?of={place_of_ada}&kind=deploys")

    shown = ada.ok("status") + ada.ok("doctor")
    assert shown.count(f"PostgreSQL 127.0.0.1:{ledger_database.port}/news, place t") == 2
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert secret not in shown
        assert files_with(ada.path, secret, leave_out=("envs",)) == []
    for item in ada.instances():
        assert b"PAWL_LEDGER" not in Path(f"/proc/{item['pid']}/environ").read_bytes()
    ada.ok("down")
    assert kinds(ledger_database, ada)[-1] == "pawld_stopped"

    del ada.env["PAWL_LEDGER"]
    done = ada.run("up")
    assert done.returncode == 1
    what, why, next_step = error_lines(done.stderr)
    assert "not in its state folder" in what
    assert "PAWL_LEDGER is not set" in why
    assert "ledger-elsewhere.json" in next_step


def test_a_second_pawld_of_the_same_place_is_refused(team: tuple[Pawl, Pawl]) -> None:
    ada, bob = team
    ada.up()
    done = bob.run("up", PAWL_LEDGER=ada.env["PAWL_LEDGER"])
    assert done.returncode == 1
    what, why, next_step = error_lines(done.stderr)
    assert "another pawld writes the place" in what
    assert "it is connected" in why
    assert "?place=NAME" in next_step
    assert PASSWORD not in done.stderr


def test_a_ledger_that_would_be_left_behind_in_the_state_folder_is_said(
    idle_pawl: Pawl, ledger_database: Database
) -> None:
    idle_pawl.up()
    idle_pawl.ok("down")
    url = ledger_database.url(tail=f"?place={new_place()}")
    for _ in range(2):
        done = idle_pawl.run("up", PAWL_LEDGER=url)
        assert done.returncode == 1
        assert "is empty, and this pawld has one with 2 events" in error_lines(done.stderr)[0]
    idle_pawl.ok("up")


@pytest.mark.parametrize(
    ("url", "code", "what", "next_step"),
    [
        ("mysql://ada:s3cret@db/news", 2, "PAWL_LEDGER is no URL of PostgreSQL", "postgresql://USER"),
        ("postgresql://ada:s3/cret@db/news", 2, "PAWL_LEDGER is no URL that can be read", "postgresql://USER"),
        ("postgresql://ada:s3cret@127.0.0.1:1/news", 1, "PostgreSQL 127.0.0.1:1/news cannot be used", "pg_isready"),
        ("postgresql://ada:s3cret@127.0.0.1:1/news?place=A%20b", 2, "cannot be the name of a place", "place=NAME"),
    ],
)
def test_a_wrong_url_is_said_without_the_password(
    idle_pawl: Pawl, url: str, code: int, what: str, next_step: str
) -> None:
    done = idle_pawl.run("up", PAWL_LEDGER=url)
    assert done.returncode == code
    lines = error_lines(done.stderr)
    assert what in lines[0]
    assert next_step in lines[-1]
    assert "s3" not in done.stderr
