"""What SQLite and the file system say about the signal store, in Pawl's words."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pawl.errors import StateError

_DISK = {
    sqlite3.SQLITE_FULL: "free some space on the disk that holds {}; pawld then counts on from where it was",
    sqlite3.SQLITE_IOERR: "see whether the disk that holds {} is full or failing (df, dmesg)",
    sqlite3.SQLITE_READONLY: "make {} and the files in it writable for the user of pawld",
    sqlite3.SQLITE_CANTOPEN: "make {} a folder that pawld may write to",
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors about the store at ``path`` into StateError; wrong use of sqlite3 stays what it is."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise damaged(path, str(error)) from error
        next_step = _DISK.get(code, "end the other program that uses it").format(path.parent)
        raise StateError(f"the signal store {path} cannot be used", why=str(error), next_step=next_step) from error
    except (zlib.error, struct.error) as error:
        raise damaged(path, f"a row cannot be read: {error}") from error
    except OSError as error:
        why = error.strerror or str(error)
        next_step = f"make {path.parent} a folder that pawld may write to"
        raise StateError(f"the signal store {path} cannot be used", why=why, next_step=next_step) from error


class Damaged(StateError):
    """The store cannot be trusted any more; a new one can be begun in its place."""


def damaged(path: Path, why: str) -> Damaged:
    """The error for a store that cannot be trusted any more."""
    return Damaged(
        f"the signal store {path} is damaged",
        why=why,
        next_step=f"stop pawld and move {path.name}* out of {path.parent}; what the access log still holds is counted "
        "again, older signals are lost, deploys and the ledger are not touched",
    )
