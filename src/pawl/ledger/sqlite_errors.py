"""What SQLite and the file system say, in Pawl's words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pawl.errors import StateError


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors about the ledger at ``path`` into StateError; wrong use of sqlite3 stays what it is."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.Error as error:
        raise _in_our_words(error, path) from error
    except OSError as error:
        raise StateError(
            f"the ledger {path} cannot be used",
            why=error.strerror or str(error),
            next_step=f"make {path.parent} a folder that pawld may write to",
        ) from error


def damaged(path: Path, why: str) -> StateError:
    """The error for a ledger that cannot be trusted any more."""
    return StateError(
        f"the ledger {path} is damaged",
        why=why,
        next_step=f"stop pawld, move {path.name}, {path.name}-wal and {path.name}-shm out of {path.parent}, "
        "then put a backup there or start with an empty ledger",
    )


def _in_our_words(error: sqlite3.Error, path: Path) -> StateError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path, str(error))
    next_step = {
        sqlite3.SQLITE_FULL: f"free some space on the disk that holds {path.parent}; pawld then goes on by itself",
        sqlite3.SQLITE_IOERR: f"see whether the disk that holds {path.parent} is full or failing (df, dmesg)",
        sqlite3.SQLITE_READONLY: f"make {path.parent} and the ledger files in it writable for the user of pawld",
        sqlite3.SQLITE_CANTOPEN: f"make {path.parent} a folder that pawld may write to",
        sqlite3.SQLITE_BUSY: f"end the other program that uses it: fuser {path}",
        sqlite3.SQLITE_LOCKED: f"end the other program that uses it: fuser {path}",
    }.get(code, f"check the ledger: sqlite3 {path} 'PRAGMA integrity_check'")
    return StateError(f"the ledger {path} cannot be used", why=str(error), next_step=next_step)
