"""A ledger as JSON lines, out and in again: one header, then one event a line, exactly as it is recorded.

::

    {"pawl_ledger":1,"version":3,"place":"here","events":2,"counters":{"deploy":1,"incident":0},"exported_at":"…Z"}
    {"seq":1,"at":"…Z","app":null,"deploy":null,"kind":"pawld_started","data":{"kind":"pawld_started",…}}
    {"seq":2,"at":"…Z","app":"demo","deploy":"d1","kind":"deploy_queued","data":{"kind":"deploy_queued",…}}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from pawl.errors import INSTALLING, StateError, UsageError
from pawl.ledger.database import Database
from pawl.ledger.events import decoded, kind_of
from pawl.ledger.records import Entry, deploy_number, incident_number
from pawl.ledger.schema import MIGRATIONS, VERSION
from pawl.ledger.sql_ledger import Row, SqlLedger, insert

FORMAT = 1
AT_A_TIME = 1000
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: the format's version, the ledger's, and what has to follow."""

    pawl_ledger: int
    version: int
    place: str
    events: int
    counters: dict[str, int]
    exported_at: str


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every other line; ``data`` is kept to the byte."""

    seq: int
    at: str
    app: str | None
    deploy: str | None
    kind: str
    data: msgspec.Raw


_headers = msgspec.json.Decoder(Header)
_lines = msgspec.json.Decoder(Line)


def exported(ledger: SqlLedger) -> Iterator[bytes]:
    """The lines of a ledger as it is now, in pieces of up to :data:`AT_A_TIME` lines; what is appended meanwhile is not
    among them."""
    events, counters = ledger.read(_extent)
    header = Header(
        pawl_ledger=FORMAT, version=VERSION, place=ledger.place, events=events, counters=counters,
        exported_at=ledger.now(),
    )  # fmt: skip
    yield msgspec.json.encode(header) + b"\n"
    for after in range(0, events, AT_A_TIME):
        rows = ledger.read(_rows_between(after, min(after + AT_A_TIME, events)))
        yield b"".join(_line(*row) for row in rows)


def _extent(db: Database) -> tuple[int, dict[str, int]]:
    events = db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
    return int(events), dict(db.execute("SELECT name, value FROM counters ORDER BY name").fetchall())


def _rows_between(after: int, last: int) -> Callable[[Database], list[Row]]:
    sql = "SELECT seq, at, app, deploy, kind, data FROM events WHERE seq > ? AND seq <= ? ORDER BY seq"
    return lambda db: db.execute(sql, (after, last)).fetchall()


def _line(seq: int, at: str, app: str | None, deploy: str | None, kind: str, data: str) -> bytes:
    return msgspec.json.encode(Line(seq, at, app, deploy, kind, msgspec.Raw(data.encode()))) + b"\n"


class Incoming:
    """The lines of an export that are read once, from a file called ``name``.

    Raises:
        UsageError: the first line is no header, or one of a newer Pawl.
    """

    def __init__(self, name: str, lines: Iterable[bytes]) -> None:
        self._name = name
        self._lines = iter(lines)
        self.header = self._header(next(self._lines, b""))

    def rows(self) -> Iterator[Row]:
        """Every event, checked, in order.

        Raises:
            UsageError: a line is not what an export has there, or lines are missing; the text has the line's number.
        """
        numbers = {"deploy": 0, "incident": 0}
        number = 1
        for number, text in enumerate(self._lines, 2):
            yield self._row(number, text, numbers)
        if number - 1 != self.header.events:
            raise self._wrong(number, f"the file ends here, after {number - 1} of {self.header.events} events")
        for name, most in numbers.items():
            if self.header.counters.get(name, 0) < most:
                raise self._wrong(1, f"the counter '{name}' is below {most}, which is in use")

    def _header(self, text: bytes) -> Header:
        try:
            header = _headers.decode(text)
        except ValueError as error:
            raise self._wrong(1, f"this is no header of an export: {error}") from error
        if header.pawl_ledger != FORMAT or header.version > VERSION:
            raise UsageError(
                f"{self._name} was written by a newer Pawl",
                why=f"its ledger has version {header.version}, this Pawl knows versions up to {VERSION}",
                next_step=f"install that Pawl ({INSTALLING})",
            )
        if header.events < 0 or any(MIGRATIONS[header.version - 1 :]):
            raise UsageError(
                f"{self._name} cannot be brought forward",
                why=f"its ledger has version {header.version}, and what was recorded is recorded otherwise now",
                next_step="start the ledger it came from with this Pawl, and export it again",
            )
        return header

    def _row(self, number: int, text: bytes, numbers: dict[str, int]) -> Row:
        try:
            line = _lines.decode(text)
            data = bytes(line.data).decode()
            event = decoded(data)
            Entry(event, line.app, line.deploy)
        except ValueError as error:
            raise self._wrong(
                number, f"this is no event: {error}" if text.endswith(b"\n") else "it is cut off"
            ) from error
        if line.seq != number - 1:
            raise self._wrong(number, f"event {number - 1} should be here, and {line.seq} is")
        if line.kind != kind_of(event) or not _TIME.fullmatch(line.at):
            raise self._wrong(number, "its kind is not that of its data, or its time is none")
        numbers["deploy"] = max(numbers["deploy"], deploy_number(line.deploy))
        numbers["incident"] = max(numbers["incident"], incident_number(event))
        return line.seq, line.at, line.app, line.deploy, line.kind, data

    def _wrong(self, number: int, why: str) -> UsageError:
        return UsageError(
            f"{self._name}:{number}: this is not a whole export of a ledger",
            why=why,
            next_step="nothing was imported; export it again: pawl ledger export FILE",
        )


def imported(ledger: SqlLedger, incoming: Incoming, *, on_progress: Callable[[int], None]) -> int:
    """Put an export into an empty ledger, all of it or nothing; how many events it were.

    Raises:
        StateError: the ledger is not empty, or cannot be written.
        UsageError: a line is not what an export has there.
    """
    is_begun = False

    def change(db: Database) -> int:
        nonlocal is_begun
        if is_begun:  # the lines are gone
            raise StateError("the connection was lost, and nothing is imported", next_step="import it again")
        is_begun = True
        events, counters = _extent(db)
        if events or any(counters.values()):
            raise StateError(
                "the ledger is not empty, and an import would mix two histories",
                why=f"it has {events} events",
                next_step="import into a new state folder, or a new place: PAWL_LEDGER=…?place=NAME",
            )
        done = 0
        for batch in batches(incoming.rows()):
            insert(db, batch)
            done += len(batch)
            on_progress(done)
        _set_counters(db, incoming.header.counters)
        return done

    return ledger.replace_record(change)


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in lists of up to :data:`AT_A_TIME`."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == AT_A_TIME:
            yield batch
            batch = []
    if batch:
        yield batch


def _set_counters(db: Database, counters: Mapping[str, int]) -> None:
    for name, value in counters.items():
        db.execute(
            "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )
