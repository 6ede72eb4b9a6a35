"""A connection to PostgreSQL that takes the ledger's statements as they are.

Statements with values are prepared once for a connection. Those that answer nothing wait, and go together with the
next question: a transaction is a few ways to the server and back, however many statements it has. Every value goes as
text, and the server infers its type from where it stands. PostgreSQL keeps no NUL in a text: it is written as SUB and
``N``, and SUB as SUB and ``S``.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pawl.address import TIMEOUT_S
from pawl.ledger.database import Answer
from pawl.postgres import Server, translated

ANSWER_S = 5.0
"""How long a statement may take, and how long an answer is waited for."""

# A place whose machine lost its power must not hold its lock for hours: the server asks after it.
_SETTINGS = f"""
SET standard_conforming_strings = on;
SET client_encoding = 'UTF8';
SET statement_timeout = {round(ANSWER_S * 1000)};
SET lock_timeout = {round(ANSWER_S * 1000)};
SET idle_in_transaction_session_timeout = 0;
SET tcp_keepalives_idle = 20;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 4;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');
"""

_TYPES = {"INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "TEXT": 'TEXT COLLATE "C"'}
_TYPE = re.compile(rf"\b({'|'.join(_TYPES)})\b")
_WAITING = ("BEGIN", "INSERT ", "UPDATE ", "DELETE ")
_MOST_WAITING = 200_000  # characters
_numbered: dict[str, str] = {}


def declared(sql: str) -> str:
    """A table as SQLite declares it, in PostgreSQL's types: as wide, and sorted by code point.

    >>> declared("CREATE TABLE t (name TEXT PRIMARY KEY, size INTEGER NOT NULL, took_s REAL)")
    'CREATE TABLE t (name TEXT COLLATE "C" PRIMARY KEY, size BIGINT NOT NULL, took_s DOUBLE PRECISION)'
    """
    return _TYPE.sub(lambda found: _TYPES[found.group()], sql)


def numbered(sql: str) -> str:
    """The statement with ``$1``, ``$2``, … for each ``?``; none of the ledger's has a ``?`` of another meaning.

    >>> numbered("UPDATE apps SET live = ? WHERE name = ?")
    'UPDATE apps SET live = $1 WHERE name = $2'
    """
    if sql not in _numbered:
        first, *rest = sql.split("?")
        _numbered[sql] = first + "".join(f"${place}{part}" for place, part in enumerate(rest, 1))
    return _numbered[sql]


class _Waiting:
    """The :class:`pawl.ledger.database.Answer` of a statement that waits until somebody wants to know."""

    def __init__(self, session: Session, sql: str, statement: str) -> None:
        self._session = session
        self._sql = sql
        session.put_off(self, statement)

    @property
    def rowcount(self) -> int:
        return self._session.changed_by(self)

    def fetchone(self) -> None:
        raise AssertionError(f"this answers nothing: {self._sql}")

    def fetchall(self) -> list[Any]:
        raise AssertionError(f"this answers nothing: {self._sql}")

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError(f"this answers nothing: {self._sql}")


class Rows:
    """An :class:`pawl.ledger.database.Answer` that has all its rows."""

    def __init__(self, rows: list[list[Any]], rowcount: int) -> None:
        self._rows = iter([[_read(value) for value in row] for row in rows])
        self.rowcount = rowcount

    def fetchone(self) -> list[Any] | None:
        return next(self._rows, None)

    def fetchall(self) -> list[list[Any]]:
        return list(self._rows)

    def __iter__(self) -> Iterator[list[Any]]:
        return self._rows


def _literal(value: Any) -> str:
    """The value as PostgreSQL reads it with ``standard_conforming_strings``.

    >>> _literal("Bobby'; --"), _literal(3), _literal(None)
    ("'Bobby''; --'", "'3'", 'NULL')
    """
    text = _written(value)
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


class Session:
    """A :class:`pawl.ledger.database.Database`; opening it connects.

    An error of a statement that waits is raised by the one it goes with, by :meth:`flush` at the latest.

    Raises:
        Lost: the connection is gone, or did not come about.
        Refused: the server answered with an error; outside a transaction the session can be used on.
    """

    def __init__(self, server: Server) -> None:
        self._connection, self._line = server.connect(answers_within_s=TIMEOUT_S)
        self._prepared: dict[str, tuple[Any, ...]] = {}
        self._names: dict[str, str] = {}
        self._waiting: dict[object, str] = {}
        self._size = 0
        try:
            self._line.settimeout(ANSWER_S * 1.2)  # the server's own limit comes first, with a better reason
            self.execute(_SETTINGS)
            self.pid, self.began = self.execute(
                "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"
            ).fetchone()
        except BaseException:
            self.close()
            raise

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Answer:
        if sql.startswith(_WAITING):
            return _Waiting(self, sql, self._named(sql, values) if values else sql)
        self.flush()
        return self._now(lambda: self._with_values(sql, values) if values else self._simple(sql))

    def _named(self, sql: str, values: Sequence[Any]) -> str:
        """The statement by the name it is prepared under, with its values: it is not planned anew each time."""
        arguments = ", ".join(map(_literal, values))
        if sql not in self._names:
            name = f"pawl_{len(self._names)}"
            self._now(lambda: self._connection.execute_simple(f"PREPARE {name} AS {numbered(sql)}"))
            self._names[sql] = name
        return f"EXECUTE {self._names[sql]} ({arguments})"

    def flush(self) -> None:
        """Have all statements done that wait."""
        if self._waiting:
            statements, self._waiting = self._waiting, {}
            self._size = 0
            self._now(lambda: self._connection.execute_simple(";".join(statements.values())))

    def put_off(self, key: object, statement: str) -> None:
        """Let a statement wait; a great many go at once."""
        self._waiting[key] = statement
        self._size += len(statement)
        if self._size > _MOST_WAITING:
            self.flush()

    def changed_by(self, key: object) -> int:
        """How many rows a statement changes that waits: it is done, and those before it."""
        statement = self._waiting.pop(key)  # those after it have not been asked for yet
        self.flush()
        return self._now(lambda: self._connection.execute_simple(statement)).rowcount

    def _now(self, use: Callable[[], Any]) -> Rows:
        try:
            context = use()
        except UnicodeEncodeError:
            raise  # it is the value's fault, not the session's
        except Exception as error:  # a reply cut off in the middle can fail anywhere in the client
            raise translated(error) from error
        return Rows(context.rows or [], context.row_count)

    def _simple(self, sql: str) -> Any:
        is_declaration = sql.startswith(("CREATE TABLE", "ALTER TABLE"))
        return self._connection.execute_simple(declared(sql) if is_declaration else sql)

    def _with_values(self, sql: str, values: Sequence[Any]) -> Any:
        written = [_written(value) for value in values]
        if sql not in self._prepared:
            self._prepared[sql] = self._connection.prepare_statement(numbered(sql), ())
        name, columns, read = self._prepared[sql]
        return self._connection.execute_named(name, written, columns, read, sql)

    @contextlib.contextmanager
    def without_limit(self) -> Iterator[None]:
        """For what takes as long as the ledger is large: neither side gives up waiting."""
        self.execute("SET statement_timeout = 0")
        self._line.settimeout(None)
        yield
        self._line.settimeout(ANSWER_S * 1.2)
        self.execute(f"SET statement_timeout = {round(ANSWER_S * 1000)}")

    def roll_back(self) -> None:
        """End a transaction that came to nothing; on a lost connection the server does."""
        self._waiting.clear()
        with contextlib.suppress(Exception):
            self._connection.execute_simple("ROLLBACK")

    def close(self) -> None:
        """Give the connection up, in whatever state it is. Idempotent; does not wait."""
        with contextlib.suppress(Exception):
            self._line.settimeout(0.5)
            self._connection.close()
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()


def _written(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    text.encode()  # a lone surrogate is refused before anything is sent
    if "\0" in text or "\x1a" in text:
        text = text.replace("\x1a", "\x1aS").replace("\0", "\x1aN")
    return text


def _read(value: Any) -> Any:
    if isinstance(value, str) and "\x1a" in value:
        return value.replace("\x1aN", "\0").replace("\x1aS", "\x1a")
    return value
