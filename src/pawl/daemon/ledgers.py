"""Which ledger this pawld keeps: a file in its state folder, or a place in a team's PostgreSQL (``PAWL_LEDGER``)."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from pawl.address import scheme_of
from pawl.errors import StateError, UsageError
from pawl.home import Home
from pawl.ledger.sql_ledger import SqlLedger
from pawl.ledger.sqlite_file import events_in
from pawl.ledger.store import SqliteKeeper, SqliteLedger
from pawl.postgres import SCHEMES, Server

VARIABLE = "PAWL_LEDGER"
_FORM = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"


@dataclass(frozen=True, slots=True)
class Choice:
    """A ledger that could be opened: to write it, or to read it whoever writes; ``described`` holds no secret."""

    described: str
    open: Callable[[], SqlLedger]
    open_to_read: Callable[[], SqlLedger]
    in_file: bool


class Elsewhere(msgspec.Struct, frozen=True):
    """What a state folder remembers of a ledger that is not in it."""

    place: str
    database: str


def now() -> datetime:
    return datetime.now(UTC)


def chosen(home: Home, environ: Mapping[str, str], *, is_new: bool = False) -> Choice:
    """The ledger that ``PAWL_LEDGER`` names, else the file; opens nothing. ``is_new``: where it was does not matter.

    Raises:
        UsageError: the URL cannot be read.
        StateError: the ledger was elsewhere so far, and the variable is not set.
    """
    url = environ.get(VARIABLE, "").strip()
    before = _remembered(home)
    if url:
        return _in_postgres(home, url, before)
    if before is not None and not is_new:
        raise StateError(
            "the ledger of this pawld is not in its state folder",
            why=f"it was last in {before.database}, place {before.place}, and {VARIABLE} is not set",
            next_step=f"set {VARIABLE} again; to go on with {home.ledger} instead, delete {home.ledger_elsewhere}",
        )
    return Choice(
        str(home.ledger),
        lambda: SqliteLedger(home.ledger, clock=now),
        lambda: SqlLedger(SqliteKeeper(home.ledger, is_only_read=True), clock=now),
        in_file=True,
    )


def opened(home: Home, environ: Mapping[str, str]) -> tuple[SqlLedger, str]:
    """The ledger to write, and how it is described.

    Raises:
        UsageError, StateError: it cannot be used, or its history would be left behind in the state folder.
    """
    choice = chosen(home, environ)
    ledger = choice.open()
    try:
        if not choice.in_file and _remembered(home) is None:
            _check_nothing_left_behind(home, ledger, choice)
        remember(home, choice, ledger.place)
    except BaseException:
        ledger.close()
        raise
    return ledger, choice.described


def remember(home: Home, choice: Choice, place: str) -> None:
    """Note for the next start where the ledger is, so that none begins anew by mistake."""
    if choice.in_file:
        home.ledger_elsewhere.unlink(missing_ok=True)
        return
    noted = Elsewhere(place=place, database=choice.described.rpartition(", place ")[0])
    temporary = home.ledger_elsewhere.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(noted)))
    os.replace(temporary, home.ledger_elsewhere)


def _remembered(home: Home) -> Elsewhere | None:
    try:
        return msgspec.json.decode(home.ledger_elsewhere.read_bytes(), type=Elsewhere)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise StateError(
            f"{home.ledger_elsewhere} cannot be read", why=str(error), next_step=f"delete it, with {VARIABLE} set"
        ) from error


def _in_postgres(home: Home, url: str, before: Elsewhere | None) -> Choice:
    if scheme_of(url) not in SCHEMES:
        raise UsageError(f"{VARIABLE} is no URL of PostgreSQL", next_step=f"write it as {_FORM}")
    try:
        server = Server.parse(url, variable=VARIABLE)
    except UsageError as error:
        raise UsageError(error.what, why=error.why, next_step=f"write it as {_FORM}") from error
    from pawl.ledger import postgres_errors, postgres_place, postgres_store  # only for who has such a ledger

    named = server.options.get("place") or (before.place if before else default_place(socket.gethostname(), home))
    place = postgres_place.checked(named)
    return Choice(
        f"{postgres_errors.described(server)}, place {place}",
        lambda: postgres_store.PostgresLedger(server, place, clock=now),
        lambda: SqlLedger(postgres_store.PostgresKeeper(server, place, is_only_read=True), clock=now),
        in_file=False,
    )


def default_place(host: str, home: Home) -> str:
    """What a pawld is called that was given no name: by machine and state folder.

    >>> from pathlib import Path
    >>> default_place("Web-1.example.org", Home(Path("/home/deploy/.local/state/pawl")))
    'web-1-f018df'
    """
    machine = re.sub(r"[^a-z0-9-]+", "-", host.partition(".")[0].lower()).strip("-")[:40] or "pawl"
    return f"{machine}-{hashlib.sha256(os.fsencode(home.path)).hexdigest()[:6]}"


def _check_nothing_left_behind(home: Home, ledger: SqlLedger, choice: Choice) -> None:
    left = events_in(home.ledger)
    if left and not ledger.events(limit=1):
        raise StateError(
            f"the ledger in {choice.described} is empty, and this pawld has one with {left} events",
            why=f"with another ledger than {home.ledger} it would know nothing of its apps",
            next_step=f"take it along: {VARIABLE}= pawl ledger export FILE && pawl ledger import FILE",
        )
