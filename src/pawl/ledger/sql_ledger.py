"""The contract of the ledger in SQL, wherever it is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from pawl.ledger import incidents, reading, searching, views
from pawl.ledger.base import Clock, Follower, Ledger
from pawl.ledger.database import Database, Keeper
from pawl.ledger.dora import stored
from pawl.ledger.dora.span import Span
from pawl.ledger.events import Event, IncidentClosed, IncidentOpened, decoded, kind_of, stored_form
from pawl.ledger.followers import Followers
from pawl.ledger.records import (
    AppView,
    DeployView,
    Entry,
    IncidentView,
    Recorded,
    ReleaseView,
    deploy_number,
    incident_number,
    iso_utc,
)
from pawl.ledger.searching import Found, Wanted

# Rows written by one statement: few sizes, so that a database can keep them prepared; 600 values are none too many.
_CHUNKS = (100, 10, 1)
_OF_INCIDENTS = (kind_of(IncidentOpened), kind_of(IncidentClosed))


_T = TypeVar("_T")


class SqlLedger:
    """A :class:`pawl.ledger.base.Ledger` that a keeper keeps."""

    def __init__(self, keeper: Keeper, *, clock: Clock) -> None:
        self._keeper = keeper
        self._clock = clock
        self._followers = Followers()

    def append(self, event: Event, *, app: str | None = None, deploy: str | None = None) -> Recorded:
        return self.append_many([Entry(event, app, deploy)])[0]

    def append_many(self, entries: Iterable[Entry]) -> list[Recorded]:
        ready = [_Ready(entry, *stored_form(entry.event)) for entry in entries]
        at = iso_utc(self._clock())
        recorded = self._keeper.write(lambda db: _record(db, ready, at))
        self._followers.tell(recorded)
        return recorded

    def next_deploy_id(self) -> str:
        return f"d{self._keeper.write(lambda db: _next_number(db, 'deploy'))}"

    def next_incident_id(self) -> str:
        return f"i{self._keeper.write(lambda db: _next_number(db, 'incident'))}"

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
        return self._keeper.read(
            lambda db: list(
                reading.events(
                    db, app=app, deploy=deploy, after=after, kinds=kinds, limit=limit, newest_first=newest_first
                )
            )
        )

    def search(self, wanted: Wanted) -> Found:
        return self._keeper.read(lambda db: searching.search(db, wanted))

    def apps(self) -> list[AppView]:
        return self._keeper.read(reading.apps)

    def app(self, name: str) -> AppView | None:
        return self._keeper.read(lambda db: reading.app(db, name))

    def deploys(self, app: str | None = None, *, limit: int | None = 50) -> list[DeployView]:
        most = reading.up_to(limit)
        which, values = (reading.ALL, (most,)) if app is None else (reading.OF_APP, (app, most))
        return self._keeper.read(lambda db: reading.deploys(db, which, values))[::-1]

    def deploy(self, deploy: str) -> DeployView | None:
        return next(iter(self._keeper.read(lambda db: reading.deploys(db, reading.ONE, (deploy,)))), None)

    def unfinished(self) -> list[DeployView]:
        return self._keeper.read(lambda db: reading.deploys(db, reading.UNFINISHED))

    def releases(self, app: str) -> list[ReleaseView]:
        return self._keeper.read(lambda db: reading.releases(db, app))

    def incidents(self, app: str | None = None, *, limit: int | None = 50) -> list[IncidentView]:
        return self._keeper.read(lambda db: incidents.newest(db, app, limit=reading.up_to(limit)))

    def incident(self, incident: str) -> IncidentView | None:
        return self._keeper.read(lambda db: incidents.one(db, incident))

    def measured(self, app: str | None = None, *, since: str, until: str) -> Span:
        return self._keeper.read(lambda db: stored.span(db, app, since, until))

    def settings_version(self, app: str) -> int:
        return self._keeper.read(lambda db: reading.settings_version(db, app))

    def subscribe(self, follower: Follower) -> Callable[[], None]:
        self._keeper.check_open()
        return self._followers.add(follower)

    @property
    def place(self) -> str:
        return self._keeper.place

    def places(self) -> list[str]:
        return self._keeper.places()

    def at_place(self, place: str) -> Ledger:
        return self if place == self.place else SqlLedger(self._keeper.at(place), clock=self._clock)

    def rebuild(self) -> None:
        self._keeper.write(self._keeper.derive)

    def now(self) -> str:
        """What the ledger's clock says, as it writes times."""
        return iso_utc(self._clock())

    def read(self, question: Callable[[Database], _T]) -> _T:
        """The answer to a question in SQL, for who is of this package."""
        return self._keeper.read(question)

    def replace_record(self, change: Callable[[Database], _T]) -> _T:
        """Let ``change`` write the record itself, and derive the views from what is then there: all or nothing."""

        def whole(db: Database) -> _T:
            answer = change(db)
            self._keeper.derive(db)
            return answer

        return self._keeper.write(whole)

    def close(self) -> None:
        self._keeper.close()


class _Ready(NamedTuple):
    entry: Entry
    event: Event
    data: str


def rebuild_views(db: Database) -> None:
    """Derive all views again from the events, within the caller's transaction."""
    views.rebuild(db, reading.history(db))


def _next_number(db: Database, counter: str) -> int:
    db.execute(
        "INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1",
        (counter,),
    )
    return int(db.execute("SELECT value FROM counters WHERE name = ?", (counter,)).fetchone()[0])


def _record(db: Database, ready: Sequence[_Ready], at: str) -> list[Recorded]:
    if not ready:
        return []
    last = int(db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])
    recorded = [
        Recorded(seq=seq, at=at, app=entry.app, deploy=entry.deploy, event=event)
        for seq, (entry, event, _) in enumerate(ready, last + 1)
    ]
    insert(
        db,
        [
            (one.seq, at, one.app, one.deploy, kind_of(one.event), data)
            for one, (_, _, data) in zip(recorded, ready, strict=True)
        ],
    )
    views.apply(db, recorded)
    return recorded


Row = tuple[int, str, str | None, str | None, str, str]
"""An event as it is stored: seq, at, app, deploy, kind, data."""


def insert(db: Database, rows: Sequence[Row]) -> None:
    """Write events as they are, and see to it that no id among them is given out again; no view is touched."""
    for chunk in _chunks(rows):
        db.execute(
            "INSERT INTO events (seq, at, app, deploy, kind, data) VALUES "  # noqa: S608  # placeholders only
            + ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(chunk)),
            [value for row in chunk for value in row],
        )
    _count_at_least(db, "deploy", max(deploy_number(row[3]) for row in rows))
    told = [incident_number(decoded(row[5])) for row in rows if row[4] in _OF_INCIDENTS]
    _count_at_least(db, "incident", max(told, default=0))


def _count_at_least(db: Database, counter: str, number: int) -> None:
    if number:
        db.execute(
            "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE "
            "SET value = excluded.value WHERE counters.value < excluded.value",
            (counter, number),
        )


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    begin = 0
    for size in _CHUNKS:
        while len(rows) - begin >= size:
            yield rows[begin : begin + size]
            begin += size
