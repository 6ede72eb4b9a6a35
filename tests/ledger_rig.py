"""A ledger in each of its keepers, for the tests that run on all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

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
