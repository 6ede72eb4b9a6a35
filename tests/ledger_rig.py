"""A ledger in each of its keepers, for the tests that run on all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from pawl.errors import StateError, UsageError
from pawl.ledger import schema
from pawl.ledger.base import Clock, Ledger
from pawl.ledger.memory import MemoryLedger
from pawl.ledger.postgres_errors import VARIABLE
from pawl.ledger.postgres_store import PostgresLedger
from pawl.ledger.store import SqliteLedger
from pawl.postgres import Server
from tests.integration.services.services_rig import Database

START = datetime(2026, 5, 9, 7, 30, tzinfo=UTC)
KEEPERS = ("memory", "sqlite", "postgres")
_numbers = count(1)


class TickingClock:
    """One second on each time it is asked."""

    def __init__(self) -> None:
        self._ticks = count()

    def __call__(self) -> datetime:
        return START + timedelta(seconds=next(self._ticks))


def server(database: Database, *, port: int | None = None) -> Server:
    """``port`` leads there by a way that must be able to read what is said."""
    url = database.url()
    if port is not None:
        url = url.replace(f":{database.port}/", f":{port}/") + "?sslmode=disable"
    return Server.parse(url, variable=VARIABLE)


def new_place() -> str:
    """A place that no other test has, in the database that all of them share."""
    return f"t{os.getpid()}-{next(_numbers)}"


def in_postgres(
    database: Database,
    place: str,
    *,
    clock: Clock | None = None,
    port: int | None = None,
    migrations: tuple[schema.Migration, ...] = schema.MIGRATIONS,
) -> PostgresLedger:
    return PostgresLedger(server(database, port=port), place, clock=clock or TickingClock(), migrations=migrations)


def opener(keeper: str, request: pytest.FixtureRequest, folder: Path) -> Callable[[], Ledger]:
    """What opens the same ledger each time; for the fake, a new one."""
    if keeper == "memory":
        return lambda: MemoryLedger(clock=TickingClock())
    if keeper == "sqlite":
        return lambda: SqliteLedger(folder / "ledger.db", clock=TickingClock())
    database: Database = request.getfixturevalue("ledger_database")
    place = new_place()
    return lambda: in_postgres(database, place)


class Team:
    """Ledgers in memory, each of a place of its own, that read one another as those in one database do."""

    def __init__(self) -> None:
        self.ledgers: dict[str, MemoryLedger] = {}
        self.unreadable = set[str]()

    def joined(self, name: str, *, is_readable: bool = True) -> Callable[[Clock], MemoryLedger]:
        """What makes one more of them."""

        def make(clock: Clock) -> MemoryLedger:
            self.ledgers[name] = made = _Member(self, name, clock)
            if not is_readable:
                self.unreadable.add(name)
            return made

        return make


class _Member(MemoryLedger):
    def __init__(self, team: Team, name: str, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._team, self._name = team, name

    @property
    def place(self) -> str:
        return self._name

    def places(self) -> list[str]:
        return [self._name, *sorted(set(self._team.ledgers) - {self._name})]

    def at_place(self, place: str) -> Ledger:
        if place in self._team.unreadable:
            raise StateError(f"the ledger of {place} cannot be read")
        if place not in self._team.ledgers:
            raise UsageError(f"there is no place '{place}'")
        return self._team.ledgers[place]
