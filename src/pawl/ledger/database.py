"""What the ledger asks of a database, so that one set of statements serves every one.

Statements are in the SQL that SQLite (from 3.24 on) and PostgreSQL share: ``?`` for values, ``ON CONFLICT`` but neither
``RETURNING`` nor ``IS NOT DISTINCT FROM``, which older SQLites lack. Tables are declared with SQLite's types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from pawl.errors import UsageError

ALL_ROWS = 2**63 - 1
"""A LIMIT that is none."""

HERE = "here"
"""The name of the place of a ledger that has no others beside it."""

_T = TypeVar("_T")


class Answer(Protocol):
    """What a statement gave: its rows, each read once, or how many it changed."""

    @property
    def rowcount(self) -> int:
        """The rows that the statement changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """A connection, as far as statements need it; ``sqlite3.Connection`` is one."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Answer:
        """Run one statement; blocks."""


class Keeper(Protocol):
    """Where a ledger is kept: it has the connection, and knows what its errors mean."""

    @property
    def place(self) -> str:
        """The name of the place whose ledger it is."""

    def read(self, question: Callable[[Database], _T]) -> _T:
        """The answer to a question.

        Raises:
            StateError: it cannot be asked, is damaged or closed.
        """

    def write(self, change: Callable[[Database], _T]) -> _T:
        """Do the change in one transaction and return what it returned; durable on return, nothing done on an error.

        ``change`` may be called a second time, after nothing came of the first.

        Raises:
            StateError: it cannot be written, is damaged or closed; and what the change itself raises.
        """

    def derive(self, db: Database) -> None:
        """Derive all views again from the events, within a transaction of :meth:`write`."""

    def places(self) -> list[str]:
        """The places whose ledgers can be read, its own first."""

    def at(self, place: str) -> Keeper:
        """What keeps the ledger of another place, for reading only; for its own place, itself.

        Raises:
            UsageError: there is no such place.
        """

    def check_open(self) -> None:
        """Raise StateError if it is closed."""

    def close(self) -> None:
        """Let go of the connection. Idempotent."""


def no_such_place(place: str, there: Sequence[str]) -> UsageError:
    return UsageError(f"there is no place '{place}' beside this ledger", why=f"there are: {', '.join(there)}")
