"""The port of pawld's dashboard.

Nothing of it is imported before somebody looks for the first time: a pawld that is never looked at stays small.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pawl.daemon import machine
from pawl.errors import StateError

if TYPE_CHECKING:
    from pawl.daemon.pawld import Pawld
    from pawl.dashboard.server import Dashboard

log = logging.getLogger(__name__)

_FIRST_PORT, _PORTS_TRIED = 8090, 100
_UNTAKEN_MS = 60_000
"""After so long without a byte taken a client is given up, so that its buffer is not kept."""


class DashboardServer:
    """Serves the dashboard of one pawld on loopback, once it has a port."""

    def __init__(self, pawld: Pawld) -> None:
        self._pawld = pawld
        self._listener: socket.socket | None = None
        self._dashboard: Dashboard | None = None
        self._server: Any = None
        self._serving: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """Listen on the port it was given once, if any; what serves there is loaded when somebody comes.

        Raises:
            StateError: the port is taken.
        """
        port = self._pawld.machine.dashboard_port
        if port is not None and self._listener is None:
            self._take(_bound(port))

    def link(self, target: str) -> dict[str, Any]:
        """A one-time address that leads to ``target``, a path of the dashboard; takes a port the first time.

        Raises:
            StateError: the port that it has had is taken, or none is free.
        """
        if self._pawld.machine.dashboard_port is None:
            listener = _any_bound()
            port = int(listener.getsockname()[1])
            self._pawld.machine = dataclasses.replace(self._pawld.machine, dashboard_port=port)
            machine.write(self._pawld.home, self._pawld.machine)
            self._take(listener)
        self.listen()
        token = self._loaded().sessions.link(target)
        taken = self._pawld.machine.dashboard_port
        return {"url": f"http://127.0.0.1:{taken}/open/{token}", "port": taken, "path": f"/open/{token}"}

    def revoke(self) -> None:
        """End every session."""
        self._loaded().revoke()

    async def stop(self) -> None:
        """Let everybody go and the port free."""
        if self._dashboard is not None:
            self._dashboard.close()
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        elif self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
            self._listener.close()

    def _take(self, listener: socket.socket) -> None:
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener.fileno(), self._somebody_comes, listener)

    def _somebody_comes(self, listener: socket.socket) -> None:
        import uvicorn

        from pawl.daemon.serving import Server

        asyncio.get_running_loop().remove_reader(listener.fileno())
        config = uvicorn.Config(
            self._loaded().application(), log_config=None, access_log=False, lifespan="off", loop="asyncio", http="h11",
            ws="none", timeout_graceful_shutdown=1, server_header=False,
        )  # fmt: skip
        self._server = Server(config)
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[listener]))

    def _loaded(self) -> Dashboard:
        if self._dashboard is None:
            from pawl.daemon.dashboard import PawldPlace
            from pawl.dashboard.rendering import Renderer
            from pawl.dashboard.server import Dashboard
            from pawl.dashboard.sessions import Sessions

            sessions = Sessions(self._pawld.home.dashboard_key)
            self._dashboard = Dashboard(
                PawldPlace(self._pawld), sessions, renderer=Renderer(host=socket.gethostname()),
                more=[self._pawld.metrics.route()],
            )  # fmt: skip
        return self._dashboard


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNTAKEN_MS)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise StateError(
            f"the dashboard cannot listen on port {port}", why=os.strerror(error.errno or 0),
            next_step="free the port, or give another: pawl down, then pawl up --dashboard-port N",
        ) from error  # fmt: skip
    listener.setblocking(False)
    return listener


def _any_bound() -> socket.socket:
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS_TRIED):
        with suppress(StateError):
            return _bound(port)
    return _bound(0)
