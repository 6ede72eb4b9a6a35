"""pawld as its dashboard sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from pawl.daemon import incidents
from pawl.daemon.pawld import Pawld
from pawl.daemon.streams import lines_between
from pawl.engines.base import InstanceView
from pawl.errors import PawlError, UsageError
from pawl.ledger.base import Ledger
from pawl.ledger.observations import Observation
from pawl.observe.signals import LoggedSignals

Answer = TypeVar("Answer")


class PawldPlace:
    """The :class:`pawl.dashboard.place.Place` of one pawld."""

    def __init__(self, pawld: Pawld) -> None:
        self._pawld = pawld

    @property
    def ledger(self) -> Ledger:
        return self._pawld.ledger

    async def ask(self, question: Callable[[LoggedSignals], Answer]) -> Answer:
        return await self._pawld.signals.ask(question)

    def instances(self, app: str) -> list[InstanceView]:
        return self._pawld.engine.views(app)

    def wanted(self, app: str) -> Mapping[str, int]:
        view = self._pawld.ledger.app(app)
        if view is None or view.live is None:
            return {}
        try:
            return self._pawld.engine.wanted(app, view.live.release, view.scale)
        except PawlError:
            return {}  # its release is gone from the disk

    def url(self, app: str) -> str:
        return self._pawld.url(app)

    def latest(self, deploy: str) -> tuple[str, Observation] | None:
        return self._pawld.board.latest(deploy)

    def on_look(self, follower: Callable[[str, str, Observation], None]) -> Callable[[], None]:
        return self._pawld.board.subscribe(follower)

    async def log_lines(self, app: str, *, since: float, until: float, most: int) -> list[tuple[float, str, str]]:
        return await lines_between(self._pawld, app, since=since, until=until, most=most)

    def roll_back(self, app: str, *, asked_by: str) -> str:
        return self._pawld.deploys.roll_back(app, to=None, asked_by=asked_by)

    def learn(self, deploy: str, text: str, *, by: str) -> None:
        view = self._pawld.ledger.deploy(deploy)
        if view is None:
            raise UsageError(f"no deploy '{deploy[:40]}'")
        incidents.learned(self._pawld, view, incidents.LessonRequest(text=text, asked_by=by))

    def keep(self, deploy: str, *, asked_by: str) -> None:
        self._pawld.guard.keep(deploy, by=asked_by)
