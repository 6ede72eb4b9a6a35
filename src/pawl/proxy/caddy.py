"""The Caddy process of one home: found or started, configured, kept up, stopped.

Caddy runs in a session of its own and serves on when pawld is killed; the next pawld adopts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pawl.errors import PawlError, StateError
from pawl.home import Home
from pawl.proxy import admin, launch, ports
from pawl.proxy.process import ProcessId, Watched, how_it_ended, write_atomically
from pawl.proxy.routes import Machine, Route, caddy_config, listens_on
from pawl.proxy.slots import Slots

log = logging.getLogger(__name__)

OnEvent = Callable[[str, dict[str, Any]], None]

_START_S = 15.0  # how long a Caddy may take until its admin socket answers
_ADOPT_S = 5.0  # how long one that lives already may
_BACKOFF_S = (0.1, 5.0)
_STEADY_S = 10.0  # one that lived this long did not die of its start


def _ignore(name: str, details: dict[str, Any]) -> None:
    """Nobody wants to know."""


class Caddy:
    """One home's proxy. Its events: ``proxy started``, ``adopted``, ``loaded``, ``died``, ``restarted``, ``failed``."""

    def __init__(
        self,
        *,
        home: Home,
        machine: Machine,
        binary: str | None = None,
        mark: str = "",
        on_event: OnEvent = _ignore,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """``mark`` goes into the process's environment as PAWL_MARK, by which a stray is known."""
        self._home = home
        self._machine = machine
        self._binary = binary
        self._mark = mark
        self._on_event = on_event
        self._clock = clock
        self._environ = environ
        self._record = home.run / "caddy.json"
        self._config_file = home.run / "caddy-config.json"
        self._slots = Slots(home.slots)
        self._lock = asyncio.Lock()
        self._is_up = asyncio.Event()
        self._running: Watched | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._loaded: dict[str, Any] = {}
        self._since = 0.0
        self._restarts = 0

    async def start(self, routes: Sequence[Route] = ()) -> None:
        """Have a Caddy that serves these routes: the one that runs already, else a new one.

        Raises:
            StateError: no caddy binary, a port that is taken or not allowed, or a Caddy that does not come up.
        """
        self._machine = replace(self._machine, bind=ports.without_absent_ipv6(self._machine.bind))
        async with self._lock:
            is_adopted = await self._adopt()
            if not is_adopted:
                await self._start_new(self._prepared(routes))
        self._keeper = asyncio.create_task(self._keep_up(), name="keep the proxy up")
        if is_adopted:
            self._tell("proxy adopted")
            await self.apply(routes)
        else:
            self._tell("proxy started")

    async def apply(self, routes: Sequence[Route]) -> bool:
        """Serve these routes and no others; False if they are what is served already, for then nothing is loaded.

        Raises:
            StateError: a port is taken or not allowed, or Caddy is down and does not come back.
            PawlError: Caddy refused them. In either case what was served before is served on.
        """
        config = self._prepared(routes)
        try:
            async with asyncio.timeout(_START_S):
                await self._is_up.wait()
        except TimeoutError as error:
            raise StateError("the proxy is down", next_step="see: log/caddy.log in the state folder") from error
        async with self._lock:
            if config == self._loaded:
                return False
            ports.require_free(set(listens_on(config)) - set(listens_on(self._loaded) if self._loaded else ()))
            status, answer = await admin.call(self._home.caddy_socket, "POST", "/load", config)
            if status != 200:
                raise _refused(answer)
            self._remember(config)
        self._tell("proxy loaded", apps=[route.app for route in routes])
        return True

    def status(self) -> dict[str, Any]:
        """``pid`` (None while it is down), ``rss_bytes``, ``restarts`` by this pawld, ``since`` (Unix time)."""
        process = self._running.process if self._running and not self._running.ended.done() else None
        return {
            "pid": process.pid if process else None,
            "rss_bytes": process.rss_bytes() if process else 0,
            "restarts": self._restarts,
            "since": self._since,
        }

    async def stop(self, timeout_s: float = 10.0) -> None:
        """End it: requests under way have ``timeout_s`` to finish, new connections are refused at once. Idempotent."""
        await self._stop_keeping()
        if self._running:
            self._running.kill(signal.SIGTERM)
            await self._ended_within(self._running, timeout_s)
            self._running = None
        for left in (self._record, self._home.caddy_socket):
            left.unlink(missing_ok=True)

    async def detach(self) -> None:
        """Leave it running, unwatched: the next pawld adopts it. Idempotent."""
        await self._stop_keeping()
        if self._running:
            self._running.forget()
            self._running = None

    async def _adopt(self) -> bool:
        process = ProcessId.recorded(self._record)
        if process is None and (pid := admin.listener_pid(self._home.caddy_socket)):
            process = ProcessId.of(pid)  # the record was lost, but the kernel knows who listens
        if process is None:
            return False
        try:
            running = Watched(process, is_child=False)
        except ProcessLookupError:
            return False
        try:
            _, config = await self._answer(running, _ADOPT_S)
        except PawlError:  # it lives but does not answer: no use, and in the way
            await self._ended_within(running, 0.0)
            return False
        self._running = running
        self._since = self._clock()
        self._is_up.set()
        self._write_down(process)
        self._remember(config or {})
        return True

    async def _start_new(self, config: dict[str, Any]) -> None:
        binary = self._binary or launch.find_binary()
        ports.require_free(listens_on(config))
        self._home.caddy_socket.unlink(missing_ok=True)
        try:
            self._save(config)
        except OSError as error:
            raise StateError(
                "the proxy's configuration cannot be written", why=str(error),
                next_step="free space or permissions there",
            ) from error  # fmt: skip
        self._loaded = config
        since = launch.log_size(self._home)
        process = launch.spawn(binary, self._config_file, home=self._home, mark=self._mark, environ=self._environ)
        if process is None:
            raise launch.why_it_ended(self._home, since)
        self._write_down(process)
        running = Watched(process, is_child=True)
        try:
            await self._answer(running, _START_S)
        except BaseException as error:
            if isinstance(error, PawlError) and running.ended.done():
                raise launch.why_it_ended(self._home, since) from error
            await asyncio.shield(self._ended_within(running, 0.0))
            raise
        self._running = running
        self._since = self._clock()
        self._is_up.set()

    async def _answer(self, running: Watched, timeout_s: float) -> tuple[int, Any]:
        """What the admin socket says, waiting for it; Caddy answers this once its servers listen."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            try:
                return await admin.call(self._home.caddy_socket, "GET", "/config/", timeout_s=timeout_s)
            except StateError:
                if running.ended.done() or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.wait([running.ended], timeout=0.01)

    async def _keep_up(self) -> None:
        backoff_s, longest_s = _BACKOFF_S
        delay_s = backoff_s
        while self._running:
            loop = asyncio.get_running_loop()
            watched_since = loop.time()
            exit_status = await asyncio.shield(self._running.ended)  # the end is the process's, not this task's
            self._is_up.clear()
            self._tell("proxy died", exit_status=exit_status)
            died_at = loop.time()
            if died_at - watched_since > _STEADY_S:
                delay_s = backoff_s
            while not self._is_up.is_set():
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, longest_s)
                try:
                    async with self._lock:
                        await self._start_new(self._loaded)
                except (PawlError, OSError) as error:
                    self._tell("proxy failed", error=str(error))
            self._restarts += 1
            down_ms = round((loop.time() - died_at) * 1000)
            self._tell("proxy restarted", reason=how_it_ended(exit_status), down_ms=down_ms)

    async def _stop_keeping(self) -> None:
        if self._keeper:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        self._is_up.clear()

    async def _ended_within(self, running: Watched, timeout_s: float) -> None:
        await asyncio.wait([running.ended], timeout=timeout_s)
        running.kill(signal.SIGKILL)
        await asyncio.wait([running.ended])

    def _prepared(self, routes: Sequence[Route]) -> dict[str, Any]:
        for route in routes:
            self._slots.close(route.app)
        return caddy_config(routes, machine=self._machine, home=self._home)

    def _remember(self, config: dict[str, Any]) -> None:
        """Note what Caddy serves; a disk that is full does not take from what runs."""
        self._loaded = config
        try:
            self._save(config)
        except OSError as error:
            log.error("the proxy's configuration cannot be written: %s", error)

    def _save(self, config: dict[str, Any]) -> None:
        """Write the file that a new Caddy reads, unless it says so already."""
        with contextlib.suppress(OSError, ValueError):
            if json.loads(self._config_file.read_text()) == config:
                return
        write_atomically(self._config_file, json.dumps(config))

    def _write_down(self, process: ProcessId) -> None:
        """Record the process; where that cannot be, the next pawld asks the kernel who listens on the admin socket."""
        if ProcessId.recorded(self._record) == process:
            return
        try:
            process.record(self._record)
        except OSError as error:
            log.error("the proxy's process cannot be recorded: %s", error)

    def _tell(self, name: str, **details: Any) -> None:
        self._on_event(name, {"pid": self._running.process.pid if self._running else None, **details})


def _refused(answer: Any) -> PawlError:
    message = str(answer.get("error", answer)) if isinstance(answer, dict) else str(answer)
    return ports.from_caddy(message) or PawlError(
        "the proxy refused its new configuration; the old one stays in force", why=message
    )
