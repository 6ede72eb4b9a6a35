"""The ledger in one SQLite file: what a pawld keeps when it is not told otherwise."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from pawl.errors import StateError
from pawl.ledger import reading, schema, sqlite_file
from pawl.ledger.base import Clock
from pawl.ledger.database import HERE, Database, no_such_place
from pawl.ledger.sql_ledger import SqlLedger, rebuild_views
from pawl.ledger.sqlite_errors import damaged, translated

_WAIT_FOR_LOCK_S = 2.0

_T = TypeVar("_T")


class SqliteLedger(SqlLedger):
    """A :class:`pawl.ledger.base.Ledger` in the file ``path``, made if it is not there (its folder must be).

    A ledger of an earlier Pawl is first copied to ``<path>.before-v<N>`` and then brought forward to version N.

    Raises:
        StateError: it cannot be opened, is damaged, belongs to another program, or was written by a newer Pawl.
    """

    def __init__(self, path: Path, *, clock: Clock, migrations: Sequence[schema.Migration] = schema.MIGRATIONS) -> None:
        self._keeper: SqliteKeeper
        super().__init__(SqliteKeeper(path, migrations=migrations), clock=clock)


class SqliteKeeper:
    """A :class:`pawl.ledger.database.Keeper` in one file."""

    place = HERE

    def __init__(
        self, path: Path, *, migrations: Sequence[schema.Migration] = schema.MIGRATIONS, is_only_read: bool = False
    ) -> None:
        self.path = path
        self.connection: sqlite3.Connection | None = None
        with self._translated():
            if not is_only_read:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            address = f"{path.absolute().as_uri()}?mode={'ro' if is_only_read else 'rw'}"
            db = sqlite3.connect(address, isolation_level=None, timeout=_WAIT_FOR_LOCK_S, uri=True)
            try:
                if is_only_read:
                    sqlite_file.check_readable(db, path)
                else:
                    sqlite_file.prepare(db, path, rebuild=rebuild_views, migrations=migrations)
            except BaseException:
                db.close()
                raise
            self.connection = db

    def read(self, question: Callable[[Database], _T]) -> _T:
        db = self._open()
        with self._translated():
            return question(db)

    def write(self, change: Callable[[Database], _T]) -> _T:
        db = self._open()
        with self._translated():
            db.execute("BEGIN IMMEDIATE")
            try:
                answer = change(db)
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has ended the transaction already
                    db.execute("ROLLBACK")
                raise
        return answer

    def derive(self, db: Database) -> None:
        rebuild_views(db)

    def places(self) -> list[str]:
        self.check_open()
        return [self.place]

    def at(self, place: str) -> SqliteKeeper:
        if place != self.place:
            raise no_such_place(place, self.places())
        return self

    def check_open(self) -> None:
        self._open()

    def close(self) -> None:
        if self.connection is not None:
            connection, self.connection = self.connection, None
            with translated(self.path):
                connection.close()

    def _open(self) -> sqlite3.Connection:
        if self.connection is None:
            raise StateError(f"the ledger {self.path} is closed")
        return self.connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with translated(self.path):
            try:
                yield
            except (reading.UnreadableError, msgspec.MsgspecError) as error:
                raise damaged(self.path, str(error)) from error
