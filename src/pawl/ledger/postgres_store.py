"""The ledger of a team in PostgreSQL: each pawld writes its own place, and can read those of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar
from uuid import uuid4

import msgspec

from pawl.address import Lost
from pawl.errors import StateError
from pawl.ledger import postgres_place, reading, schema
from pawl.ledger.base import Clock
from pawl.ledger.database import Database, Keeper, no_such_place
from pawl.ledger.postgres_errors import VARIABLE, damaged, described, in_our_words
from pawl.ledger.postgres_session import Session
from pawl.ledger.sql_ledger import SqlLedger
from pawl.postgres import Refused, Server

_WAIT_FOR_LOCK_S = 3.0
_OLDEST_SERVER = 120000

_T = TypeVar("_T")


class PostgresKeeper:
    """A :class:`pawl.ledger.database.Keeper` in one place of a database, of which it is the only writer.

    A session lock says so: it is gone when the session is, so whoever gets it knows that nothing of the writer before
    is still under way. Every transaction leaves a token of its own. With both, a connection that is lost in a COMMIT is
    no riddle: the next session finds the token of that transaction, or the one before. Any other was left by somebody
    else, and then nothing is written any more.

    What was raised as not recorded is not: if the answer to a COMMIT is lost and the database cannot be asked at once,
    the caller is told that it failed, and should it turn out to be done, it is undone before anything else is.
    """

    def __init__(
        self,
        server: Server,
        place: str,
        *,
        migrations: Sequence[schema.Migration] = schema.MIGRATIONS,
        is_only_read: bool = False,
    ) -> None:
        """``is_only_read``: another may be writing it, and nothing is made or brought forward."""
        self._server = server
        self._is_only_read = is_only_read
        self.place = postgres_place.checked(place)
        self._version = 1 + len(migrations)
        self._session: Session | None = None
        self._is_closed = False
        self._last: Session | None = None
        self._told: set[str] = set()  # tokens after which the database holds what callers were told
        self._in_doubt = ""  # the token of a transaction that callers were told has failed
        self._not_before = 0.0
        self._trouble: StateError | None = None
        with self._in_our_words():
            session = self._opened()
            try:
                self._prepare(session, migrations)
            except BaseException:
                session.close()
                raise
            self._session = session

    # The contract of a keeper

    def read(self, question: Callable[[Database], _T]) -> _T:
        return self._again(lambda session: self._asked(session, question))

    def read_at(self, place: str, question: Callable[[Database], _T]) -> _T:
        """The answer to a question to another place of the database."""
        path = f"SET LOCAL search_path = {postgres_place.schema_of(place)}"
        return self._again(lambda session: self._asked(session, question, "BEGIN READ ONLY", path))

    def write(self, change: Callable[[Database], _T]) -> _T:
        return self._again(lambda session: self._changed(session, change))

    def derive(self, db: Database) -> None:
        postgres_place.rebuild(db)

    def check_open(self) -> None:
        if self._is_closed:
            raise StateError(f"the ledger of {self.place} in {described(self._server)} is closed")

    def close(self) -> None:
        self._is_closed = True
        self._drop()

    def places(self) -> list[str]:
        """Its own place, then the others that the user may read."""
        found = self.read(postgres_place.places)
        return [self.place, *(name for name in found if name != self.place)]

    def at(self, place: str) -> Keeper:
        """The keeper of another place, for reading.

        Raises:
            UsageError: there is none of this name.
            StateError: a Pawl of another version wrote it.
        """
        if place == self.place:
            return self
        if place not in (there := self.places()):
            raise no_such_place(place, there)
        self._check_readable(place, self.read(lambda db: postgres_place.version_of(db, place)))
        return PlaceReader(self, place)

    def _check_readable(self, place: str, version: int | None) -> None:
        if version != self._version:
            raise StateError(
                f"the ledger of {place} in {described(self._server)} cannot be read",
                why=f"it has version {version}, this Pawl reads version {self._version}"
                if version
                else "there is none",
                next_step="run the same Pawl in every place",
            )

    # Sessions

    def _again(self, use: Callable[[Session], _T]) -> _T:
        """Use the session, and if it turns out to be gone another one, once."""
        self.check_open()
        with self._in_our_words():
            with suppress(_NothingCameOfItError):
                return use(self._connected())
            try:
                return use(self._connected())
            except _NothingCameOfItError as error:
                raise error.cause from error

    def _asked(self, session: Session, question: Callable[[Database], _T], *before: str) -> _T:
        try:
            for statement in before:
                session.execute(statement)
            answer = question(session)
            if before:
                session.execute("COMMIT")
        except Lost as error:
            self._drop()
            raise _NothingCameOfItError(error) from error
        except Exception:
            if before:
                session.roll_back()
            raise
        except BaseException:  # interrupted between a question and its answer, which would be taken for the next one's
            self._drop()
            raise
        return answer

    def _changed(self, session: Session, change: Callable[[Database], _T]) -> _T:
        token = str(uuid4())
        try:
            session.execute("BEGIN")
            postgres_place.sign(session, token)
            answer = change(session)
            session.flush()  # so that what the COMMIT meets with is the COMMIT's
        except Lost as error:
            self._drop()
            raise _NothingCameOfItError(error) from error
        except Exception:
            session.roll_back()
            raise
        except BaseException:
            self._drop()
            raise
        try:
            session.execute("COMMIT")
        except StateError as error:
            self._find_out(token, error)
        self._told = {token}
        return answer

    def _find_out(self, token: str, error: StateError) -> None:
        """Return if the transaction is recorded after all; the next session knows."""
        self._drop()
        before, self._told = self._told, self._told | {token}
        try:
            found = postgres_place.signature(self._connected())
        except BaseException:
            self._told, self._in_doubt = before, token
            raise
        if found != token:
            self._told = before
            raise _NothingCameOfItError(error) from error

    def _connected(self) -> Session:
        """The session, opened again if it was lost, with all that is in doubt put right."""
        if self._trouble is not None:
            raise self._trouble
        if self._session is None:
            if time.monotonic() < self._not_before:
                raise Lost("no connection", why="it was lost, and is tried again in a moment")
            began = time.monotonic()
            try:
                session = self._opened()
                try:
                    self._settle(session)
                except BaseException:
                    session.close()
                    raise
            except StateError:
                # As long as it took: a server that does not answer leaves pawld at least half of its time.
                self._not_before = 2 * time.monotonic() - began
                raise
            self._session = session
        return self._session

    def _opened(self) -> Session:
        """A new session that is the place's only writer."""
        session = Session(self._server)
        try:
            if self._is_only_read:
                session.execute("SET default_transaction_read_only = on")
            else:
                self._lock(session)
            session.execute(f"SET search_path = {postgres_place.schema_of(self.place)}")
        except BaseException:
            session.close()
            raise
        self._last = session
        return session

    def _lock(self, session: Session) -> None:
        if self._last is not None:  # our own, as the server may still see it
            session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ? AND backend_start::text = ?",
                (self._last.pid, self._last.began),
            )
        key = postgres_place.lock_of(self.place)
        deadline = time.monotonic() + _WAIT_FOR_LOCK_S
        while not session.execute(f"SELECT pg_try_advisory_lock({key})").fetchone()[0]:
            if time.monotonic() > deadline:
                raise StateError(
                    f"another pawld writes the place {self.place} in {described(self._server)}",
                    why=_holder(session, key),
                    next_step=f"stop that one, or name another place in {VARIABLE}: …?place=NAME",
                )
            time.sleep(0.05)

    def _settle(self, session: Session) -> None:
        found = postgres_place.signature(session)
        if found in self._told or self._is_only_read:
            return
        if found != self._in_doubt:
            self._trouble = StateError(
                f"the place {self.place} in {described(self._server)} is not as this pawld left it",
                why="somebody else wrote to it, or the database was put back, while the connection was lost",
                next_step=f"see that every pawld has a place of its own (…?place=NAME in {VARIABLE}), then restart it",
            )
            raise self._trouble
        token = str(uuid4())
        self._told.add(token)  # also if the answer to this COMMIT is lost: then it is found next time
        with session.without_limit():
            session.execute("BEGIN")
            postgres_place.take_back(session, token)
            session.execute("COMMIT")

    def _drop(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            session.close()

    # The start

    def _prepare(self, session: Session, migrations: Sequence[schema.Migration]) -> None:
        self._check_server(session)
        newest = self._version
        version = postgres_place.version_of(session, self.place)
        if self._is_only_read:
            self._check_readable(self.place, version)
            return
        was_put_back = (version or 0) < 0
        version = abs(version) if version else version
        if version is not None and version > newest:
            raise postgres_place.newer(self._server, self.place, version, newest)
        if version == newest and not was_put_back:
            self._told = {postgres_place.signature(session)}
            return
        token = str(uuid4())
        with session.without_limit():
            session.execute("BEGIN")
            if not version:
                postgres_place.create(session, self.place, newest, token, has_schema=version is not None)
            else:
                postgres_place.sign(session, token)
                postgres_place.bring_forward(session, migrations[version - 1 :], newest)
            session.execute("COMMIT")
        self._told = {token}

    def _check_server(self, session: Session) -> None:
        version, encoding = session.execute(
            "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')"
        ).fetchone()
        if version < _OLDEST_SERVER or encoding != "UTF8":
            raise StateError(
                f"the ledger cannot be kept in {described(self._server)}",
                why=f"it has version {version // 10000} and the encoding {encoding}; 12 and UTF8 are needed",
                next_step=f"name another database in {VARIABLE}",
            )

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except (Refused, Lost) as error:
            raise in_our_words(error, self._server) from error
        except (reading.UnreadableError, msgspec.MsgspecError) as error:
            raise damaged(self._server, self.place, str(error)) from error


class _NothingCameOfItError(Exception):
    """The session was lost, and for certain nothing was done: it may be tried again."""

    def __init__(self, cause: StateError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _holder(session: Session, key: int) -> str:
    row = session.execute(
        "SELECT a.client_addr::text, a.pid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND ((l.classid::bigint << 32) | l.objid::bigint) = ?",
        (key,),
    ).fetchone()
    if row is None:
        return "it held the lock of that place until just now"
    return f"it is connected from {row[0]}, as backend {row[1]}" if row[0] else f"it is connected as backend {row[1]}"


class PlaceReader:
    """A :class:`pawl.ledger.database.Keeper` of another pawld's place, which is only read; it uses our session."""

    def __init__(self, keeper: PostgresKeeper, place: str) -> None:
        self._keeper = keeper
        self.place = place

    def read(self, question: Callable[[Database], _T]) -> _T:
        return self._keeper.read_at(self.place, question)

    def write(self, change: Callable[[Database], _T]) -> _T:
        raise StateError(f"the ledger of {self.place} is another pawld's, and only read here")

    def derive(self, db: Database) -> None:
        postgres_place.rebuild(db)

    def check_open(self) -> None:
        self._keeper.check_open()

    def close(self) -> None:
        """Leaves the session to whose it is."""

    def places(self) -> list[str]:
        return self._keeper.places()

    def at(self, place: str) -> Keeper:
        return self._keeper.at(place)


class PostgresLedger(SqlLedger):
    """A :class:`pawl.ledger.base.Ledger` in a place of ``server``, made if it is not there.

    A ledger of an earlier Pawl is brought forward to version N; its record is first copied to ``events_before_v<N>``
    and ``counters_before_v<N>`` in the same schema, where it takes neither rights nor room on this machine and is
    there in the same transaction.

    Raises:
        StateError: it cannot be reached, another pawld writes the place, or a newer Pawl wrote it.
        UsageError: the place's name cannot be one.
    """

    def __init__(
        self,
        server: Server,
        place: str,
        *,
        clock: Clock,
        migrations: Sequence[schema.Migration] = schema.MIGRATIONS,
    ) -> None:
        self._keeper: PostgresKeeper
        super().__init__(PostgresKeeper(server, place, migrations=migrations), clock=clock)
