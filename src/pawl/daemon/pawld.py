"""Start-up, shutdown and wiring of one pawld."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pawl import __version__
from pawl.daemon import ledgers, removal
from pawl.daemon.dashboard_server import DashboardServer
from pawl.daemon.faults import fault_point
from pawl.daemon.metrics.scrape import Metrics
from pawl.daemon.signals import Signals
from pawl.daemon.surroundings import Surroundings
from pawl.daemon.witness import LedgerWitness
from pawl.deploys.board import Board
from pawl.deploys.guard import Guard
from pawl.deploys.queue import Deploys
from pawl.engines.base import Candidate
from pawl.engines.process.engine import ProcessEngine
from pawl.errors import PawlError, StateError
from pawl.home import Home
from pawl.ledger.events import PawldStarted, PawldStopped
from pawl.proxy.caddy import Caddy
from pawl.proxy.routes import Machine, Route
from pawl.proxy.slots import Slots
from pawl.source.store import Store

log = logging.getLogger(__name__)


class Pawld:
    """Everything one home needs, wired together. ``run`` goes on until ``stop`` is called."""

    def __init__(self, home: Home, machine: Machine, *, environ: Mapping[str, str]) -> None:
        self.home = home
        self._lock = lock(home)
        self.machine = machine
        self.ledger, self.ledger_at = ledgers.opened(home, environ)
        self.store = Store(home.store)
        self.slots = Slots(home.slots)
        self.witness = LedgerWitness(self.ledger)
        self.fault_point = at = fault_point(environ)
        self.signals = Signals(home)
        self.engine = ProcessEngine(
            home, self.store, route=self._route, share=self._share, witness=self.witness, fault_point=at
        )
        self.caddy = Caddy(
            home=home, machine=self.machine, mark=f"{self.engine.mark}:proxy", on_event=self.witness.proxy
        )
        self.board = Board()
        self.surroundings = Surroundings(
            self.ledger, lambda app, release, settings: self.engine.plans.plan(app, release, settings).environ
        )
        self.guard = Guard(self.ledger, self.engine, self.signals, self.board, limits=self.signals.fed.limits)
        self.deploys = Deploys(self.ledger, self.engine, self.guard, before_switch=self._show_candidate, fault_point=at)
        self.dashboard = DashboardServer(self)
        self._stopping = asyncio.Event()
        self._leaves_running = False
        self._shown: dict[str, str] = {}
        self._showing = asyncio.Lock()
        self.started_at = datetime.now(UTC)
        self.metrics = Metrics(
            self.ledger, self.signals, self.board, instances=self.engine.views, proxy=self.caddy.status,
            began=self.started_at,
        )  # fmt: skip

    async def start(self) -> None:
        """Take over what runs, bring up what should be live, and go on with the deploys that were cut off.

        Raises:
            StateError: the proxy cannot be started (a port is taken, no Caddy).
        """
        await self.store.create()
        self.engine.adopt()
        self.signals.note(self.engine.supervisor.all(process="web"))
        await self.caddy.start(self.routes())
        unfinished = self.ledger.unfinished()
        self.engine.begin([deploy.id for deploy in unfinished if deploy.switched_at is None])
        for app in self.ledger.apps():
            try:
                self.deploys.ensure(app.name)
            except (PawlError, OSError):
                log.exception("%s cannot be brought up", app.name)  # the others can
        await self._delete_leftovers()
        self.ledger.append(PawldStarted(version=__version__, pid=os.getpid()))
        self.deploys.resume()
        try:
            self.dashboard.listen()
        except StateError as error:
            log.error("%s: %s", error.what, error.why)  # the apps serve without it

    async def _delete_leftovers(self) -> None:
        """Delete what is left of apps that were removed; a fault in that keeps nothing from coming up."""
        try:
            if await removal.delete_leftovers(
                home=self.home, ledger=self.ledger, slots=self.slots, store=self.store
            ):  # fmt: skip
                await self.engine.prune_environments([app.name for app in self.ledger.apps()])
        except (PawlError, OSError):
            log.exception("what is left of removed apps could not be deleted")

    async def run(self) -> None:
        """Supervise until :meth:`stop` is called, then end everything in order."""
        ticking = asyncio.ensure_future(self.engine.tick())
        counting = asyncio.ensure_future(self.signals.run(self.engine.supervisor, self.surroundings))
        await self._stopping.wait()
        ticking.cancel()
        counting.cancel()
        await self.dashboard.stop()
        await self.deploys.stop()
        if self._leaves_running:
            await self.caddy.detach()
            self.engine.leave_all()
        else:
            await self.caddy.stop(timeout_s=self.engine.longest_request_s())
            await self.engine.stop_all()
        self.signals.close()
        try:
            self.ledger.append(PawldStopped(reason="left running" if self._leaves_running else "stopped"))
        except StateError as error:  # a database that is down must not keep pawld from ending in order
            log.error("not in the ledger: %s", error)
        self.ledger.close()

    def stop(self, *, leaves_running: bool = False) -> None:
        """Begin to stop; with ``leaves_running`` the apps and the proxy go on for the next pawld."""
        self._leaves_running = leaves_running
        self._stopping.set()

    def routes(self) -> list[Route]:
        """The names each live app answers to, with a candidate's in place of its app's.

        A candidate stays shown until its deploy has ended: another app's deploy must not take its names away meanwhile.
        """
        releases = {app.name: app.live.release for app in self.ledger.apps() if app.live is not None}
        deploying = {
            (deploy.app, release)
            for deploy in self.ledger.unfinished()
            for release in (deploy.release, deploy.from_live.release if deploy.from_live else "")
        }
        self._shown = dict(shown for shown in self._shown.items() if shown in deploying)
        releases |= self._shown
        found = []
        for app, release in releases.items():
            try:
                domains = self.engine.config(app, release).domains
            except PawlError:
                continue  # its release is gone from the disk: there is nothing to send requests to
            found.append(Route(app, domains.names, domains.https))
        return found

    def _route(self, app: str, addresses: Sequence[str]) -> None:
        self.signals.note(self.engine.supervisor.all(app, process="web"))
        self.slots.assign(app, addresses)

    def _share(self, app: str, shares: Mapping[str, int]) -> None:
        self.signals.note(self.engine.supervisor.all(app, process="web"))
        self.slots.assign_shares(app, shares)

    async def _show_candidate(self, candidate: Candidate) -> None:
        self._shown[candidate.app] = candidate.release
        await self.show_routes()

    async def show_routes(self) -> None:
        """Have the proxy know the names of every app.

        Raises:
            PawlError: it does not take them; what was served before is served on.
        """
        async with self._showing:  # what was read of the apps must not be applied after what was read later
            await self.caddy.apply(self.routes())

    def url(self, app: str) -> str:
        """Where a browser on this machine finds the app."""
        view = self.ledger.app(app)
        if view is not None and view.live is not None:
            try:
                domains = self.engine.config(app, view.live.release).domains
            except PawlError:
                domains = None
            name = next((item for item in domains.names if not item.startswith("*")), None) if domains else None
            if name is not None and domains is not None and domains.https_for(name) != "off":
                port = "" if self.machine.https_port == 443 else f":{self.machine.https_port}"
                return f"https://{name}{port}/"
        port = "" if self.machine.port == 80 else f":{self.machine.port}"
        return f"http://{app}.localhost{port}/"


def lock(home: Home) -> int:
    """Hold the home for this process's life, so that two pawld never own one place."""
    descriptor = os.open(home.path / "pawld.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StateError(
            f"another pawld owns {home.path}", why="it holds the file pawld.lock there",
            next_step="use it, or stop it first: pawl down",
        ) from error  # fmt: skip
    return descriptor
