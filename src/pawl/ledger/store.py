"""The ledger in one SQLite file: what a pawld keeps when it is not told otherwise."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from pawl.errors import StateError
from pawl.ledger import reading, schema, views
from pawl.ledger.base import Clock, Follower
from pawl.ledger.events import Event, kind_of, stored_form
from pawl.ledger.followers import Followers
from pawl.ledger.records import AppView, DeployView, Entry, Recorded, ReleaseView, deploy_number, iso_utc
from pawl.ledger.sqlite_errors import damaged, translated

_WAIT_FOR_LOCK_S = 2.0


class SqliteLedger:
    """A :class:`pawl.ledger.base.Ledger` in the file ``path``, made if it is not there (its folder must be).

    A ledger of an earlier Pawl is first copied to ``<path>.before-v<N>`` and then brought forward to version N.

    Raises:
        StateError: it cannot be opened, is damaged, belongs to another program, or was written by a newer Pawl.
    """

    def __init__(self, path: Path, *, clock: Clock, migrations: Sequence[schema.Migration] = schema.MIGRATIONS) -> None:
        self._path = path
        self._clock = clock
        self._followers = Followers()
        self._connection: sqlite3.Connection | None = None
        with translated(path), self._readable():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            db = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_FOR_LOCK_S)
            try:
                schema.prepare(db, path, rebuild=_rebuild, migrations=migrations)
            except BaseException:
                db.close()
                raise
            self._connection = db

    def append(self, event: Event, *, app: str | None = None, deploy: str | None = None) -> Recorded:
        return self.append_many([Entry(event, app, deploy)])[0]

    def append_many(self, entries: Iterable[Entry]) -> list[Recorded]:
        ready = [(entry, *stored_form(entry.event)) for entry in entries]
        at = iso_utc(self._clock())
        with self._transaction() as db:
            recorded = [_insert(db, entry, event, data, at) for entry, event, data in ready]
        self._followers.tell(recorded)
        return recorded

    def next_deploy_id(self) -> str:
        with self._transaction() as db:
            db.execute("UPDATE counters SET value = value + 1 WHERE name = 'deploy'")
            number = db.execute("SELECT value FROM counters WHERE name = 'deploy'").fetchone()[0]
        return f"d{number}"

    def events(
        self,
        *,
        app: str | None = None,
        deploy: str | None = None,
        after: int = 0,
        kinds: Collection[str] | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Recorded]:
        with self._reading() as db:
            return list(
                reading.events(
                    db, app=app, deploy=deploy, after=after, kinds=kinds, limit=limit, newest_first=newest_first
                )
            )

    def apps(self) -> list[AppView]:
        with self._reading() as db:
            return reading.apps(db)

    def app(self, name: str) -> AppView | None:
        with self._reading() as db:
            return reading.app(db, name)

    def deploys(self, app: str | None = None, *, limit: int | None = 50) -> list[DeployView]:
        most = reading.up_to(limit)
        with self._reading() as db:
            if app is None:
                return reading.deploys(db, reading.ALL, (most,))[::-1]
            return reading.deploys(db, reading.OF_APP, (app, most))[::-1]

    def deploy(self, deploy: str) -> DeployView | None:
        with self._reading() as db:
            return next(iter(reading.deploys(db, reading.ONE, (deploy,))), None)

    def unfinished(self) -> list[DeployView]:
        with self._reading() as db:
            return reading.deploys(db, reading.UNFINISHED)

    def releases(self, app: str) -> list[ReleaseView]:
        with self._reading() as db:
            return reading.releases(db, app)

    def settings_version(self, app: str) -> int:
        with self._reading() as db:
            row = db.execute("SELECT settings FROM apps WHERE name = ?", (app,)).fetchone()
            return int(row[0]) if row else 0

    def subscribe(self, follower: Follower) -> Callable[[], None]:
        self._open()
        return self._followers.add(follower)

    def rebuild(self) -> None:
        with self._readable(), self._transaction() as db:
            _rebuild(db)

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with translated(self._path):
                connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StateError(f"the ledger {self._path} is closed")
        return self._connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        db = self._open()
        with translated(self._path), self._readable():
            yield db

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (reading.UnreadableError, msgspec.MsgspecError) as error:
            raise damaged(self._path, str(error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._open()
        with translated(self._path):
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has ended the transaction already
                    db.execute("ROLLBACK")
                raise


def _insert(db: sqlite3.Connection, entry: Entry, event: Event, data: str, at: str) -> Recorded:
    seq = db.execute(
        "INSERT INTO events (at, app, deploy, kind, data) VALUES (?, ?, ?, ?, ?)",
        (at, entry.app, entry.deploy, kind_of(event), data),
    ).lastrowid
    assert seq is not None
    recorded = Recorded(seq=seq, at=at, app=entry.app, deploy=entry.deploy, event=event)
    if number := deploy_number(entry.deploy):  # an id that came from elsewhere is not given out again
        db.execute("UPDATE counters SET value = ? WHERE name = 'deploy' AND value < ?", (number, number))
    views.apply(db, recorded)
    return recorded


def _rebuild(db: sqlite3.Connection) -> None:
    views.rebuild(db, reading.events(db))
