"""What the dashboard asks of the pawld it belongs to: everything it shows, and the few things it may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from pawl.engines.base import InstanceView
from pawl.ledger.base import Ledger
from pawl.ledger.observations import Observation
from pawl.observe.signals import LoggedSignals

Answer = TypeVar("Answer")


class Place(Protocol):
    """One pawld, as its dashboard sees it. All times are ISO 8601 UTC unless a name says otherwise."""

    @property
    def ledger(self) -> Ledger:
        """What happened; only read from here."""

    async def ask(self, question: Callable[[LoggedSignals], Answer]) -> Answer:
        """The answer to a question about what was counted, worked out on the reading thread.

        Raises:
            StateError: the store cannot be read; and what the question itself raises.
        """

    def instances(self, app: str) -> list[InstanceView]:
        """Every instance of the app just now."""

    def wanted(self, app: str) -> Mapping[str, int]:
        """How many instances of each process type the live release is to have; empty when nothing is live."""

    def url(self, app: str) -> str:
        """Where a browser finds the app."""

    def latest(self, deploy: str) -> tuple[str, Observation] | None:
        """The last look at a change under watch: when, and what there was to see; None if it is not watched."""

    def on_look(self, follower: Callable[[str, str, Observation], None]) -> Callable[[], None]:
        """Call ``follower`` with deploy, time and observation at every look; returns what ends that (idempotent)."""

    async def log_lines(self, app: str, *, since: float, until: float, most: int) -> list[tuple[float, str, str]]:
        """What the app's instances wrote in a span (Unix times): at, name, text; secrets masked, oldest first.

        At most ``most`` lines, those in the middle of the span.
        """

    def roll_back(self, app: str, *, asked_by: str) -> str:
        """Queue going back to what was live before; the id of the deploy that does it.

        Raises:
            UsageError: there is nothing to go back to.
        """

    def learn(self, deploy: str, text: str, *, by: str) -> None:
        """Keep what somebody learned from a deploy.

        Raises:
            UsageError: it says nothing, or is longer than a page.
        """

    def keep(self, deploy: str, *, asked_by: str) -> None:
        """End the watch over a change and keep it, for somebody has decided so.

        Raises:
            UsageError: it is not being watched.
        """
