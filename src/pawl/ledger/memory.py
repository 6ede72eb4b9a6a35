"""The ledger for tests and try-outs: the same contract, kept in memory and gone with the process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from pawl.errors import StateError
from pawl.ledger.base import Clock, Follower, Ledger
from pawl.ledger.database import HERE, no_such_place
from pawl.ledger.dora.span import Span
from pawl.ledger.events import Event, stored_form
from pawl.ledger.followers import Followers
from pawl.ledger.history import History
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
from pawl.ledger.searching import Found, Wanted, is_match, page

_T = TypeVar("_T")


class MemoryLedger:
    """A :class:`pawl.ledger.base.Ledger` without a file."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._followers = Followers()
        self._record: list[Recorded] = []
        self._history = History()
        self._given_out = {"d": 0, "i": 0}
        self._is_closed = False

    def append(self, event: Event, *, app: str | None = None, deploy: str | None = None) -> Recorded:
        return self.append_many([Entry(event, app, deploy)])[0]

    def append_many(self, entries: Iterable[Entry]) -> list[Recorded]:
        self._open()
        ready = [(entry, stored_form(entry.event)[0]) for entry in entries]
        at = iso_utc(self._clock())
        recorded = [
            Recorded(seq=seq, at=at, app=entry.app, deploy=entry.deploy, event=event)
            for seq, (entry, event) in enumerate(ready, len(self._record) + 1)
        ]
        for one in recorded:
            self._used("d", deploy_number(one.deploy))
            self._used("i", incident_number(one.event))
            self._history.apply(one)
        self._record += recorded
        self._followers.tell(recorded)
        return recorded

    def next_deploy_id(self) -> str:
        return self._next_id("d")

    def next_incident_id(self) -> str:
        return self._next_id("i")

    def _next_id(self, letter: str) -> str:
        self._open()
        self._used(letter, self._given_out[letter] + 1)
        return f"{letter}{self._given_out[letter]}"

    def _used(self, letter: str, number: int) -> None:
        self._given_out[letter] = max(self._given_out[letter], number)

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
        self._open()
        found = [
            one
            for one in self._record
            if one.seq > after
            and (app is None or one.app == app)
            and (deploy is None or one.deploy == deploy)
            and (kinds is None or one.kind in kinds)
        ]
        return _first(limit, found[::-1] if newest_first else found)

    def search(self, wanted: Wanted) -> Found:
        self._open()
        found = [
            one
            for one in self.events(app=wanted.app, deploy=wanted.deploy, kinds=wanted.kinds, newest_first=True)
            if (wanted.before is None or one.seq < wanted.before)
            and (wanted.after is None or one.seq > wanted.after)
            and (wanted.since is None or one.at >= wanted.since)
            and (wanted.until is None or one.at < wanted.until)
            and is_match(wanted.words, one)
        ]
        if wanted.is_forward:
            return page(found[max(0, len(found) - wanted.limit) :], wanted, bottom=0, is_all=False)
        shown = _first(wanted.limit, found)
        is_all = len(found) < wanted.limit
        return page(shown, wanted, bottom=shown[-1].seq if shown else wanted.before or 0, is_all=is_all)

    def apps(self) -> list[AppView]:
        return [app.view(name) for name, app in sorted(self._open().apps.items())]

    def app(self, name: str) -> AppView | None:
        app = self._open().apps.get(name)
        return app.view(name) if app else None

    def deploys(self, app: str | None = None, *, limit: int | None = 50) -> list[DeployView]:
        deploys = reversed(self._open().deploys.values())
        return _first(limit, [one for one in deploys if app is None or one.app == app])

    def deploy(self, deploy: str) -> DeployView | None:
        return self._open().deploys.get(deploy)

    def unfinished(self) -> list[DeployView]:
        return [one for one in self._open().deploys.values() if one.outcome is None]

    def releases(self, app: str) -> list[ReleaseView]:
        known = self._open().apps.get(app)
        return list(reversed(known.releases.values())) if known else []

    def incidents(self, app: str | None = None, *, limit: int | None = 50) -> list[IncidentView]:
        opened = reversed(self._open().incidents.values())
        return _first(limit, [self._history.seen(one) for one in opened if app is None or one.app == app])

    def incident(self, incident: str) -> IncidentView | None:
        found = self._open().incidents.get(incident)
        return self._history.seen(found) if found else None

    def measured(self, app: str | None = None, *, since: str, until: str) -> Span:
        history = self._open()
        return history.measured.span(list(history.incidents.values()), app=app, since=since, until=until)

    def settings_version(self, app: str) -> int:
        known = self._open().apps.get(app)
        return known.settings if known else 0

    def subscribe(self, follower: Follower) -> Callable[[], None]:
        self._open()
        return self._followers.add(follower)

    @property
    def place(self) -> str:
        return HERE

    def places(self) -> list[str]:
        self._open()
        return [HERE]

    def at_place(self, place: str) -> Ledger:
        if place not in self.places():
            raise no_such_place(place, [HERE])
        return self

    def rebuild(self) -> None:
        self._open()
        self._history = History()
        for one in self._record:
            self._history.apply(one)

    def close(self) -> None:
        self._is_closed = True

    def _open(self) -> History:
        if self._is_closed:
            raise StateError("the ledger in memory is closed")
        return self._history


def _first(limit: int | None, found: list[_T]) -> list[_T]:
    return found if limit is None else found[: max(0, limit)]
