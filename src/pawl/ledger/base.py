"""The contract of the ledger; every backend passes ``tests/contracts/test_ledger.py``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Protocol

from pawl.ledger.dora.span import Span
from pawl.ledger.events import Event
from pawl.ledger.records import AppView, DeployView, Entry, IncidentView, Recorded, ReleaseView
from pawl.ledger.searching import Found, Wanted

Clock = Callable[[], datetime]
"""Tells the time, with its zone."""

Follower = Callable[[Recorded], None]


class Ledger(Protocol):
    """An append-only record of events, and views that are derived from them.

    **Durability.** What ``append``, ``append_many``, ``next_deploy_id`` or ``next_incident_id`` returned outlives the
    process and the machine's power. When they raise, nothing of the call is recorded, not half of it; only if the
    process dies inside the call may its events be there, all of them or none. After an error the ledger goes on
    working as soon as the cause (a full disk) is gone.

    **Order.** ``seq`` is the order; ``at`` is what the clock said (one time for all of an ``append_many``) and may
    step back with it. Events are never changed or removed.

    **Views** change in the same transaction as the append and depend on nothing but the events. They take any
    history: an event that makes no sense (the stage of a deploy never queued, a second end, a release of an app
    that was not created) is recorded and leaves the views as they are.

    **Threads.** One: the one that opened the ledger. All calls block, reads for well under a millisecond, appends
    for one sync of the disk. One process at a time has the ledger open for writing; the caller sees to that.

    **Errors.** StateError for what is wrong with the store: full, read-only, locked, damaged, written by a newer
    Pawl, closed. ValueError for an event that could not be read back, and for one that lacks its app or deploy.
    """

    def append(self, event: Event, *, app: str | None = None, deploy: str | None = None) -> Recorded:
        """Record one event; durable on return."""

    def append_many(self, entries: Iterable[Entry]) -> list[Recorded]:
        """Record events in the order given, all or none, with one sync of the disk."""

    def next_deploy_id(self) -> str:
        """A deploy id (``d1``, ``d2``, …) that was never given out nor used in this ledger, and never will be again."""

    def next_incident_id(self) -> str:
        """An incident id (``i1``, ``i2``, …) that was never given out nor used in this ledger, and never will be."""

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
        """The events with a ``seq`` above ``after`` that meet every condition given; oldest first by default.

        ``kinds`` holds stored names (``stage_began``); names that no event has match nothing.
        """

    def search(self, wanted: Wanted) -> Found:
        """A page of the events that are looked for, newest first.

        Bounded: a question for words goes through some 20,000 places and may come back with little or nothing and
        ``older`` set, from where the same question goes on.
        """

    def apps(self) -> list[AppView]:
        """The apps that are there, by name."""

    def app(self, name: str) -> AppView | None:
        """The app, or None if there is none of this name (any more)."""

    def deploys(self, app: str | None = None, *, limit: int | None = 50) -> list[DeployView]:
        """The deploys of an app or of all, newest first; those of apps that were removed are among them."""

    def deploy(self, deploy: str) -> DeployView | None:
        """The deploy with this id, or None."""

    def unfinished(self) -> list[DeployView]:
        """The deploys that have not ended, oldest first: what pawld takes up again when it starts."""

    def releases(self, app: str) -> list[ReleaseView]:
        """The releases built since the app was created, newest first; empty for an unknown app."""

    def incidents(self, app: str | None = None, *, limit: int | None = 50) -> list[IncidentView]:
        """The incidents of an app or of all, the one opened last first; those of removed apps are among them."""

    def incident(self, incident: str) -> IncidentView | None:
        """The incident with this id, or None."""

    def measured(self, app: str | None = None, *, since: str, until: str) -> Span:
        """What the DORA measures need of the days ``since`` to ``until`` (``2026-05-09``, UTC, both included).

        Of an app, also one that was removed, or of all. A million deploys take about a second.
        """

    def settings_version(self, app: str) -> int:
        """The version of the app's settings recorded last; 0 if they were never changed or the app is unknown."""

    def subscribe(self, follower: Follower) -> Callable[[], None]:
        """Call ``follower`` with each event once it is recorded, in order; returns what ends that (idempotent).

        A follower may append; what it appends is told after the events before it. What it raises is logged and
        troubles neither the append nor the other followers.
        """

    @property
    def place(self) -> str:
        """The name of the place that this ledger is of: ``here``, or in a team's database what its pawld is called."""

    def places(self) -> list[str]:
        """The places whose ledgers can be read from here, this one's first; several only in a team's database."""

    def at_place(self, place: str) -> Ledger:
        """The ledger of another place, to be read: what would change it raises StateError, followers hear nothing.

        For this ledger's own place, itself. It is open as long as this one is.

        Raises:
            UsageError: it is none of :meth:`places`.
            StateError: a Pawl of another version wrote it.
        """

    def rebuild(self) -> None:
        """Derive all views again from the events. Idempotent; a million events take about half a minute."""

    def close(self) -> None:
        """Let go of the store. Idempotent; every other call from then on raises StateError."""
