"""What happens to instances by themselves: restart after a crash, replacement above their memory, the end of warmth."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Protocol

from pawl.config.schema import Process
from pawl.engines.process import proc
from pawl.engines.process.instance import Instance, State
from pawl.engines.process.logs import LogFolder, LogKeeper
from pawl.engines.process.plans import Plan
from pawl.engines.process.records import Role
from pawl.engines.process.supervisor import Supervisor
from pawl.errors import PawlError
from pawl.home import Home

TICK_S = 1.0
_MEMORY_EVERY_TICKS = 5
_CRASH_WINDOW_S = 120.0
_CRASHES_OF_A_LOOP = 5
_LONGEST_BACKOFF_S = 30.0
_MEMORY_IS_SHORT = 0.08
_FIRST_REPLACEMENT_PAUSE_S = 30.0
_RETRY_S = 5.0

log = logging.getLogger(__name__)


class Witness(Protocol):
    """Who is told what happens to instances; each call is written to the ledger."""

    def crashed(self, instance: Instance, *, restarts: int, uptime_s: float) -> None: ...
    def crash_loop(self, instance: Instance, *, restarts: int, within_s: float) -> None: ...
    def memory_exceeded(self, instance: Instance, *, rss_bytes: int, limit_bytes: int) -> None: ...
    def replaced(self, instance: Instance, *, reason: str) -> None: ...


def backoff_s(crashes: int) -> float:
    """The pause before a restart: none after the first crash, then doubling from 0.5 s to 30 s.

    >>> [backoff_s(n) for n in (1, 2, 3, 4, 12)]
    [0.0, 0.5, 1.0, 2.0, 30.0]
    """
    return 0.0 if crashes <= 1 else min(_LONGEST_BACKOFF_S, 0.5 * 2 ** (crashes - 2))


class Keeper:
    """Watches over live and warm instances; ``tick`` is called every second."""

    def __init__(self, home: Home, supervisor: Supervisor, witness: Witness) -> None:
        self._home = home
        self._supervisor = supervisor
        self._witness = witness
        self._crashes: dict[tuple[str, str], deque[float]] = {}
        self._reported: set[tuple[str, str]] = set()
        self._replaced: dict[tuple[str, str], tuple[float, float]] = {}
        self._logs = LogKeeper()
        self._ticks = 0
        supervisor.on_live_exit = self.on_live_exit

    def on_live_exit(self, instance: Instance) -> None:
        """Count the crash and begin the restart."""
        place = (instance.record.app, instance.record.name)
        now = time.monotonic()
        crashes = self._crashes.setdefault(place, deque(maxlen=50))
        crashes.append(now)
        while crashes and now - crashes[0] > _CRASH_WINDOW_S:
            crashes.popleft()
        restarts = instance.record.restarts + 1
        self._witness.crashed(instance, restarts=restarts, uptime_s=now - instance.started_monotonic)
        instance.state = State.WAITING
        if len(crashes) >= _CRASHES_OF_A_LOOP:
            instance.state = State.CRASH_LOOP
            if place not in self._reported:
                self._reported.add(place)
                self._witness.crash_loop(instance, restarts=restarts, within_s=now - crashes[0])
        instance.change(pid=0, start_ticks=0, is_healthy=False, restarts=restarts)
        self._supervisor.background(self._restart(instance, backoff_s(len(crashes))))

    def start(self, plan: Plan, process: Process, name: str, *, deploy: str) -> None:
        """Start a live instance and bring it into service, both in the background; tried until it starts."""
        new = self._started(self._supervisor.hold(plan, process, name, deploy=deploy))
        if new is not None:
            self.bring_into_service(new)

    async def _restart(self, old: Instance, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        new = self._started(old)
        if new is not None:
            await self._bring_into_service(new)

    def _started(self, old: Instance) -> Instance | None:
        """A new instance in the place of a live one that has no process.

        None when the place is wanted no longer, and when it cannot be started now: that is tried again.
        """
        if old.record.role is not Role.LIVE or old.plan is None:
            return None
        process = old.plan.config.processes.get(old.record.process)
        if process is None:
            self._supervisor.forget(old)
            return None
        try:
            new = self._supervisor.spawn(
                old.plan, process, old.record.name, deploy=old.record.deploy, role=Role.LIVE,
                restarts=old.record.restarts,
            )  # fmt: skip
        except (PawlError, OSError) as error:
            log.exception("%s of %s cannot be started; it is tried again", old.record.name, old.record.app)
            old.exit_text = f"could not be started ({error.why if isinstance(error, PawlError) else error})"
            self._supervisor.background(self._restart(old, _RETRY_S))
            return None
        new.state = State.CRASH_LOOP if old.state is State.CRASH_LOOP else State.STARTING
        self._supervisor.forget(old)
        return new

    async def _bring_into_service(self, instance: Instance) -> bool:
        """Send requests to a live instance once it is healthy; one that is not is ended, which counts as a crash."""
        assert instance.plan is not None
        process = instance.plan.config.processes[instance.record.process]
        try:
            await self._supervisor.wait_healthy(instance, process)
        except PawlError:
            if instance.handle is not None and instance.is_alive and instance.record.role is Role.LIVE:
                instance.handle.kill()
            return False
        self._supervisor.publish(instance.record.app)
        return True

    def bring_into_service(self, instance: Instance) -> None:
        """The same, without waiting for it."""

        async def work() -> None:
            await self._bring_into_service(instance)

        self._supervisor.background(work())

    def tick(self) -> None:
        """Note log sizes; now and then look at memory, warm instances and old logs."""
        self._ticks += 1
        self._supervisor.catch_up()
        now = time.time()
        running = self._supervisor.all()
        self._logs.tick([self._home.logs(item.record.app) / item.record.log for item in running], now)
        self._let_warm_go(running, now)
        if self._ticks % _MEMORY_EVERY_TICKS == 0:
            for instance in running:
                self._check_memory(instance)
            self._forgive(running)
        if self._ticks % 60 == 0:
            for app in {item.record.app for item in running}:
                keep = {item.record.log for item in running if item.record.app == app}
                LogFolder(self._home.logs(app)).prune(keep)

    def note_log(self, instance: Instance) -> None:
        """Date an instance's last lines now, for it is about to be forgotten."""
        self._logs.note(self._home.logs(instance.record.app) / instance.record.log, time.time())

    def _let_warm_go(self, running: list[Instance], now: float) -> None:
        warm = [item for item in running if item.record.role is Role.WARM]
        if not warm:
            return
        is_short = proc.available_share() < _MEMORY_IS_SHORT
        self._supervisor.end([item for item in warm if is_short or now >= item.record.warm_until])

    def _check_memory(self, instance: Instance) -> None:
        record = instance.record
        process = instance.plan.config.processes.get(record.process) if instance.plan else None
        if record.role is not Role.LIVE or not instance.is_alive or process is None or not process.memory:
            return
        rss = proc.rss_bytes(record.pid)
        if rss <= process.memory:
            return
        place = (record.app, record.name)
        last, pause = self._replaced.get(place, (0.0, _FIRST_REPLACEMENT_PAUSE_S / 2))
        now = time.monotonic()
        if now - last < pause:
            return
        # A limit below what the app needs to start must not become a storm of replacements.
        is_early = now - instance.started_monotonic < 2 * pause
        self._replaced[place] = (now, min(3600.0, pause * 2) if is_early else _FIRST_REPLACEMENT_PAUSE_S)
        self._witness.memory_exceeded(instance, rss_bytes=rss, limit_bytes=process.memory)
        self._supervisor.background(self._replace(instance))

    async def _replace(self, old: Instance) -> None:
        """Put a new instance in the place of one that has grown too big: new one first, a singleton's old one first."""
        assert old.plan is not None
        process = old.plan.config.processes[old.record.process]
        name, deploy, restarts = old.record.name, old.record.deploy, old.record.restarts
        if process.singleton:
            held = self._supervisor.hold(old.plan, process, name, deploy=deploy, restarts=restarts)
            self._supervisor.end([old])
            await self._supervisor.wait_ended([old])
            new = self._started(held)
            if new is None:
                return
            await self._bring_into_service(new)
        else:
            try:
                new = self._supervisor.spawn(
                    old.plan, process, name, deploy=deploy, role=Role.TRIAL, restarts=restarts
                )  # fmt: skip
            except (PawlError, OSError):
                log.exception(
                    "%s of %s cannot be replaced now and goes on; it is looked at again", name, old.record.app
                )
                return
            if not await self._take_over(old, new, process):
                return
        self._witness.replaced(new, reason="memory")

    async def _take_over(self, old: Instance, new: Instance, process: Process) -> bool:
        try:
            await self._supervisor.wait_healthy(new, process)
        except PawlError:
            self._supervisor.end([new])
            return False
        if old.record.role is not Role.LIVE:  # a deploy came in between
            self._supervisor.end([new])
            return False
        new.change(role=Role.LIVE)
        old.change(role=Role.ENDING)
        self._supervisor.publish(new.record.app)
        self._supervisor.end([old])
        return True

    def _forgive(self, running: list[Instance]) -> None:
        """Forget the crashes of what has been up for a while."""
        for instance in running:
            place = (instance.record.app, instance.record.name)
            crashes = self._crashes.get(place)
            if crashes and instance.is_alive and time.monotonic() - crashes[-1] > _CRASH_WINDOW_S / 2:
                del self._crashes[place]
                self._reported.discard(place)
                if instance.state is State.CRASH_LOOP:
                    instance.state = State.RUNNING
