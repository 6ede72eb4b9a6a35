"""How full a database is, read from a real PostgreSQL as an app's own user."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import quote

import pytest

from pawl.observe.services import Services
from pawl.observe.services.limits import Limits
from tests.integration.services import services_rig
from tests.integration.services.services_rig import Database, values
from tests.support import eventually

OURS = "FROM pg_stat_activity WHERE application_name = 'pawl'"
FOR_USERS = 12 - 3


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with services_rig.database() as database:
        yield database


@pytest.fixture(autouse=True)
def nobody_connected(database: Database) -> None:
    """A server lets go of a closed connection a moment later."""
    eventually(lambda: database.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'") == [[0]])


def opened(url: str) -> closing[Services]:
    return closing(Services({"DATABASE_URL": url}, app="demo", release="r1"))


def test_connections_load_and_size_are_read(database: Database) -> None:
    with opened(database.url()) as services, ExitStack() as stack:
        # A connection that a test closed just before may still be on its way out.
        eventually(lambda: values(services.read())["db_connections", "news"] == 1)
        first = services.read()
        assert services.trouble == ""
        assert {(gauge.app, gauge.release, gauge.instance) for gauge in first} == {("demo", "r1", "news")}
        before = values(first)
        assert before["db_connections", "news"] == 1, "our own counts: it takes one"
        assert before["db_connections_share", "news"] == pytest.approx(1 / FOR_USERS)
        assert before["db_active", "news"] == 0

        app = stack.enter_context(closing(database.connect()))
        other_user = stack.enter_context(closing(database.connect("postgres", "postgres")))
        app.run("CREATE TABLE story AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 5000)")
        other_user.run("SELECT 1")
        after = values(services.read())
        assert after["db_connections", "news"] == 3, "those of other users and databases as well"
        assert after["db_connections_share", "news"] == pytest.approx(3 / FOR_USERS)
        assert after["db_bytes", "news"] > before["db_bytes", "news"] + 4_000_000
        assert after["db_bytes", "news"] == database.ask("SELECT pg_database_size('news')")[0][0]


def test_sessions_that_run_something_are_the_load(database: Database) -> None:
    with opened(database.url()) as services, closing(database.connect()) as busy:
        pid = busy.run("SELECT pg_backend_pid()")[0][0]
        asleep = threading.Thread(target=services_rig.answers, args=(lambda: busy.run("SELECT pg_sleep(60)"),))
        asleep.start()
        try:
            eventually(lambda: values(services.read())["db_active", "news"] == 1)
        finally:
            database.ask(f"SELECT pg_cancel_backend({pid})")
            asleep.join()
        eventually(lambda: values(services.read())["db_active", "news"] == 0)


def test_one_connection_is_kept_and_left_without_a_transaction(database: Database) -> None:
    with opened(database.url()) as services:
        assert services.read()
        [[pid, state]] = database.ask(f"SELECT pid, state {OURS}")
        assert state == "idle"
        assert services.read()
        assert services.read()
        assert database.ask(f"SELECT pid {OURS}") == [[pid]]
    eventually(lambda: database.ask(f"SELECT count(*) {OURS}") == [[0]])


def test_a_kept_connection_that_the_server_ended_is_replaced_within_the_reading(database: Database) -> None:
    with opened(database.url()) as services:
        assert services.read()
        [[pid]] = database.ask(f"SELECT pid {OURS}")
        database.ask(f"SELECT pg_terminate_backend({pid}, 5000)")
        assert services.read()
        assert services.trouble == ""
        assert database.ask(f"SELECT count(*) {OURS}") == [[1]]


def test_a_kept_connection_that_no_longer_answers_is_replaced_within_the_reading(database: Database) -> None:
    with opened(database.url()) as services:
        assert services.read()
        [[pid]] = database.ask(f"SELECT pid {OURS}")
        os.kill(pid, signal.SIGSTOP)
        try:
            assert services.read()
            assert services.trouble == ""
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_question_that_takes_too_long_is_given_up_by_the_server(database: Database) -> None:
    with opened(database.url()) as services, closing(database.connect("postgres", "news")) as admin:
        assert services.read()
        admin.run("BEGIN")
        admin.run("LOCK TABLE pg_database IN ACCESS EXCLUSIVE MODE")
        assert services.read() == []
        assert "PostgreSQL at 127.0.0.1" in services.trouble
        assert "statement timeout" in services.trouble or "no answer within 2 s" in services.trouble
        admin.run("ROLLBACK")
        eventually(services.read)
        assert services.trouble == ""


def test_a_server_that_is_full_is_seen_by_who_is_in_and_by_who_is_turned_away(database: Database) -> None:
    with opened(database.url()) as inside, opened(database.url()) as outside, ExitStack() as stack:
        assert inside.read()
        for _ in range(FOR_USERS - 1):
            stack.enter_context(closing(database.connect()))
        limits = Limits()
        lines = [line for _ in range(5) for line in limits.add(inside.read())]
        assert lines == ["database 'news' has 100 % of its connections in use, above 90 % in 3 of 3 readings"]
        eventually(lambda: values(inside.read())["db_connections", "news"] == FOR_USERS)
        assert values(outside.read()) == {("db_connections_share", "news"): 1.0}


def test_a_unix_socket_may_be_named_both_ways(database: Database) -> None:
    secret = quote(services_rig.PASSWORD, safe="")
    as_option = f"postgresql://app:{secret}@:{database.port}/news?host={database.folder}"
    as_host = f"postgresql://app:{secret}@{quote(str(database.folder), safe='')}:{database.port}/news"
    for url in (as_option, as_host):
        with opened(url) as services:
            assert services.read()
            assert services.trouble == ""
            assert database.ask(f"SELECT client_addr {OURS}") == [[None]]
        eventually(lambda: database.ask(f"SELECT count(*) {OURS}") == [[0]])


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgis"])
def test_the_scheme_may_name_a_driver(database: Database, scheme: str) -> None:
    with opened(database.url(scheme=scheme)) as services:
        assert services.read()


@pytest.mark.parametrize(
    ("tail", "is_encrypted"),
    [
        ("", True),
        ("?sslmode=prefer", True),
        ("?sslmode=disable", False),
        ("?sslmode=require", True),
        ("?sslmode=verify-ca&sslrootcert={root}", True),
        ("?sslmode=verify-full&sslrootcert={root}", True),
    ],
)
def test_the_connection_is_as_private_as_the_url_asks(database: Database, tail: str, is_encrypted: bool) -> None:
    with opened(database.url("localhost", tail=tail.format(root=database.certificate.path))) as services:
        assert services.read(), services.trouble
        assert database.ask(f"SELECT ssl FROM pg_stat_ssl WHERE pid = (SELECT pid {OURS})") == [[is_encrypted]]


@pytest.mark.parametrize(
    ("host", "tail"),
    [
        ("localhost", "?sslmode=verify-full"),
        ("127.0.0.1", "?sslmode=verify-full&sslrootcert={root}"),
        ("localhost", "?sslmode=verify-ca"),
    ],
)
def test_a_server_that_cannot_be_trusted_is_told_no_password(database: Database, host: str, tail: str) -> None:
    with opened(database.url(host, tail=tail.format(root=database.certificate.path))) as services:
        assert services.read() == []
        assert "certificate verify failed" in services.trouble


def test_a_wrong_password_is_said_without_it(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    with opened(database.url(password="hunter2-wrong")) as services:
        assert services.read() == []
        assert 'password authentication failed for user "app"' in services.trouble
        assert "hunter2" not in services.trouble + caplog.text + repr(services) + repr(vars(services))
