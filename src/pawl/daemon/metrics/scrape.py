"""The page of all metrics, put together anew at each scrape, and its route."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pawl.daemon.metrics import own, standing
from pawl.daemon.metrics.catalogue import FAMILIES
from pawl.daemon.metrics.exposition import CONTENT_TYPE, Page
from pawl.daemon.metrics.happenings import LedgerTotals
from pawl.daemon.metrics.requests import RequestTotals
from pawl.daemon.signals import Signals
from pawl.deploys.board import Board
from pawl.engines.base import InstanceView
from pawl.errors import PawlError
from pawl.ledger.base import Ledger

log = logging.getLogger(__name__)


class Metrics:
    """What Prometheus is told. Nothing is read or kept before the first scrape."""

    def __init__(
        self,
        ledger: Ledger,
        signals: Signals,
        board: Board,
        *,
        instances: Callable[[str], list[InstanceView]],
        proxy: Callable[[], Mapping[str, Any]],
        began: datetime,
    ) -> None:
        self._ledger = ledger
        self._signals = signals
        self._board = board
        self._instances = instances
        self._proxy = proxy
        self._began = began
        self._happened = LedgerTotals(ledger)
        self._requests = RequestTotals(signals.ask)
        signals.on_counted(self._requests.counted)
        self._one_at_a_time = asyncio.Lock()

    async def text(self) -> str:
        """The page.

        Raises:
            StateError: the ledger cannot be read. What the signal store cannot tell is left out.
        """
        async with self._one_at_a_time:
            apps = self._ledger.apps()
            running = {app.name: self._instances(app.name) for app in apps}
            await self._happened.read()
            try:
                await self._requests.read({app: {one.release for one in found} for app, found in running.items()})
            except PawlError:
                log.exception("requests cannot be told to Prometheus")
        page = Page(FAMILIES)
        self._requests.show(page)
        processes = [(app, one.process) for app, found in running.items() for one in found]
        self._happened.show(page, processes, running)
        for app in apps:
            standing.show_app(page, app)
            standing.show_instances(page, app.name, running[app.name])
        standing.show_gauges(page, self._signals.readings)
        standing.show_unfinished(page, self._ledger.unfinished(), self._board.latest)
        self._show_counting(page)
        page.add("pawl_proxy_up", int(self._proxy()["pid"] is not None))
        own.show(page, began=self._began)
        return page.text()

    def _show_counting(self, page: Page) -> None:
        page.add("pawl_access_log_counting", int(self._signals.trouble is None))
        try:
            progress = self._signals.progress()
        except PawlError:
            return
        page.add("pawl_access_log_lines_total", progress.lines)
        page.add("pawl_access_log_invalid_lines_total", progress.invalid)

    def route(self) -> Route:
        """``GET /metrics``, for whatever serves it: there is nothing in it that needs a session."""

        async def metrics(_request: Request) -> Response:
            try:
                return PlainTextResponse(await self.text(), headers={"content-type": CONTENT_TYPE})
            except PawlError as error:
                return PlainTextResponse(f"{error}\n", status_code=503)

        return Route("/metrics", metrics, methods=["GET"])
