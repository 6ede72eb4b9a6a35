"""What is being seen of changes just now: for whoever looks on, kept nowhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from pawl.ledger.observations import Observation
from pawl.ledger.records import iso_utc

log = logging.getLogger(__name__)
Follower = Callable[[str, str, Observation], None]


class Board:
    """The latest observation of each deploy under watch."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._latest: dict[str, tuple[str, Observation]] = {}
        self._followers: list[Follower] = []

    def post(self, deploy: str, observation: Observation) -> None:
        """Show an observation to all that follow, with the time."""
        at = iso_utc(self._clock())
        self._latest[deploy] = (at, observation)
        for follower in list(self._followers):
            follower(deploy, at, observation)

    def latest(self, deploy: str) -> tuple[str, Observation] | None:
        """When the last look was, and what there was to see; None for a deploy that is not being watched."""
        return self._latest.get(deploy)

    def clear(self, deploy: str) -> None:
        """The watch is over."""
        self._latest.pop(deploy, None)

    def subscribe(self, follower: Follower) -> Callable[[], None]:
        """Call ``follower`` with deploy, time and observation at every look; returns what ends that (idempotent)."""
        self._followers.append(follower)

        def end() -> None:
            if follower in self._followers:
                self._followers.remove(follower)

        return end
