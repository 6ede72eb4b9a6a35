"""The set of instances of a home: starting, watching, restarting, replacing and ending them.

Roles decide: a LIVE instance that dies is started again, a TRIAL one fails its deploy, a WARM one is let go. Which
release is live is not decided here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path

from pawl.config.schema import Health, Process
from pawl.engines.process import health, launch, proc
from pawl.engines.process.handles import Handle, kill_marked
from pawl.engines.process.instance import Instance, State
from pawl.engines.process.logs import LogFolder
from pawl.engines.process.plans import MARK, Plan, Plans
from pawl.engines.process.records import Record, Records, Role
from pawl.errors import PawlError, StageFailed
from pawl.home import Home

SLOTS = 20  # of an app, as proxy/slots.py has them
_DRAIN_POLL_S = 0.05
_CHECK_S = 10.0
_KILL_S = 2.0  # a process may take so long to be gone after SIGKILL

log = logging.getLogger(__name__)


class Supervisor:
    """Keeps instances.

    ``route`` is told an app's addresses whenever those that serve have changed; ``share`` instead, with the number of
    slots for each, while a candidate serves a part of the requests.
    """

    def __init__(
        self,
        home: Home,
        plans: Plans,
        *,
        mark: str,
        route: Callable[[str, Sequence[str]], None],
        share: Callable[[str, Mapping[str, int]], None],
        fault_point: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._home = home
        self._plans = plans
        self._mark = mark
        self._route = route
        self._share = share
        self._canaries: dict[str, tuple[str, int]] = {}
        self._fault_point = fault_point
        self._records = Records(home.instances)
        self._instances: dict[str, Instance] = {}
        self._live_deploys: dict[str, str] = {}
        self._unpublished: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self.on_live_exit: Callable[[Instance], None] = lambda _instance: None

    # What there is

    def all(
        self, app: str | None = None, *, role: Role | None = None, deploy: str | None = None, process: str | None = None
    ) -> list[Instance]:
        """Instances by app, role, deploy and process type, oldest first."""
        return [
            instance
            for instance in self._instances.values()
            if app in (None, instance.record.app)
            and role in (None, instance.record.role)
            and deploy in (None, instance.record.deploy)
            and process in (None, instance.record.process)
        ]

    def adopt(self) -> list[Instance]:
        """Take over what an earlier pawld started and kill what it could not write down; the dead LIVE ones.

        Nothing is ended or restarted yet: an interrupted deploy is taken up first.
        """
        dead = []
        for record in self._records.load():
            instance = Instance(record, self._plan_or_none(record), records=self._records)
            handle = Handle.adopt(record.identity, on_exit=lambda instance=instance: self._on_exit(instance))  # type: ignore[misc]
            if handle is None:
                self._records.delete(record.id)
                if record.role is Role.LIVE:
                    dead.append(instance)
                continue
            instance.handle = handle
            instance.state = State.RUNNING if record.is_healthy else State.STARTING
            instance.started_monotonic = time.monotonic() - max(0.0, time.time() - record.started_at)
            self._instances[record.id] = instance
        self._kill_strays()
        return dead

    def _plan_or_none(self, record: Record) -> Plan | None:
        try:
            return self._plans.plan(record.app, record.release, record.settings)
        except PawlError:
            return None

    def _kill_strays(self) -> None:
        known = set(self._instances)
        marked = proc.marked(MARK, f"{self._mark}:instance:")
        strays = [stray for pid, rest in marked.items() if rest not in known and (stray := proc.identify(pid))]
        for stray in strays:
            if handle := Handle.adopt(stray, on_exit=lambda: None):
                handle.kill()
        deadline = time.monotonic() + _KILL_S
        while any(stray.is_alive for stray in strays) and time.monotonic() < deadline:
            time.sleep(0.002)  # one may have been a singleton, and nobody is being served by this pawld yet
        for path in self._records.sockets_without_record(known):
            path.unlink(missing_ok=True)

    # Starting

    def spawn(self, plan: Plan, process: Process, name: str, *, deploy: str, role: Role, restarts: int = 0) -> Instance:
        """Start one instance; whether it is healthy is for :meth:`wait_healthy` to say.

        Raises:
            StageFailed: its program could not be started.
        """
        instance_id = secrets.token_hex(4)
        address = self._address(plan, process, name, instance_id)
        log = LogFolder(self._home.logs(plan.app)).new(name, instance_id)
        record = Record(
            id=instance_id, app=plan.app, process=name.partition(".")[0], name=name, release=plan.release,
            settings=plan.settings, deploy=deploy, address=address.dial, role=role, started_at=time.time(),
            log=log.name, is_compound=launch.is_compound(process.command), stop_timeout_s=process.stop_timeout_s,
            restarts=restarts,
        )  # fmt: skip
        instance = Instance(record, plan, records=self._records, started_monotonic=time.monotonic())
        environ = plan.process_environ(process, name=name, address=address)
        environ[MARK] = self._mark_of(instance_id)
        instance.handle = Handle.spawn(
            launch.argv(process.command), cwd=plan.source, env=environ, log=log,
            on_exit=lambda: self._on_exit(instance),
        )  # fmt: skip
        self._fault_point("process begun")
        identity = instance.handle.identity
        instance.change(pid=identity.pid, start_ticks=identity.start_ticks, boot=identity.boot)
        self._instances[instance_id] = instance
        return instance

    def hold(self, plan: Plan, process: Process, name: str, *, deploy: str, restarts: int = 0) -> Instance:
        """Keep the place of a live instance: one without a process, which waits to be started."""
        instance_id = secrets.token_hex(4)
        record = Record(
            id=instance_id, app=plan.app, process=name.partition(".")[0], name=name, release=plan.release,
            settings=plan.settings, deploy=deploy, address="", role=Role.LIVE, started_at=time.time(),
            log=f"{name}-{instance_id}.log", is_compound=False, stop_timeout_s=process.stop_timeout_s,
            restarts=restarts,
        )  # fmt: skip
        instance = Instance(
            record, plan, state=State.WAITING, started_monotonic=time.monotonic(), records=self._records
        )  # fmt: skip
        instance.save()
        self._instances[instance_id] = instance
        return instance

    def _address(self, plan: Plan, process: Process, name: str, instance_id: str) -> launch.Address:
        if not name.startswith("web."):
            return launch.Address("", {})
        if launch.wants_socket(process.command, process.listen):
            return launch.socket_address(str(self._records.socket(instance_id)), plan.environ)
        taken = {instance.record.address for instance in self._instances.values()}
        while True:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = probe.getsockname()[1]
            if f"127.0.0.1:{port}" not in taken:
                return launch.port_address(port, plan.environ)

    async def probe(self, instance: Instance) -> health.Probe:
        """Ask an instance once whether it is healthy; one that does not run is not."""
        process = instance.plan.config.processes.get(instance.record.process) if instance.plan else None
        if process is None or not instance.is_alive:
            return health.Probe(False, False, f"{instance.record.name} {instance.exit_text or 'does not run'}")
        host, is_https = _asked_as(instance)
        return await health.probe(instance.record.address or None, process.health, host=host, is_https=is_https)

    async def ask(self, instance: Instance, path: str) -> health.Probe:
        """Ask an instance once for a path, whatever its health is asked by."""
        host, is_https = _asked_as(instance)
        wanted = Health(path=path, timeout_s=_CHECK_S)
        return await health.probe(
            instance.record.address or None, wanted, host=host, is_https=is_https, longest_s=_CHECK_S
        )

    async def wait_healthy(self, instance: Instance, process: Process) -> None:
        """Return when the instance is healthy.

        Raises:
            StageFailed: it died, or its health check said no; with its last log lines.
        """
        if instance.handle is None:  # its place is held, and it could not be started yet
            raise self.failure(instance, process, "")
        host, is_https = _asked_as(instance)
        probing = asyncio.ensure_future(
            health.wait_healthy(
                instance.record.address or None, process.health, host=host, is_https=is_https,
                uptime=lambda: time.monotonic() - instance.started_monotonic,
            )
        )  # fmt: skip
        dying = asyncio.ensure_future(instance.handle.exited.wait())
        try:
            await asyncio.wait({probing, dying}, return_when=asyncio.FIRST_COMPLETED)
            if dying.done():
                raise self.failure(instance, process, "")
            probe = probing.result()
            instance.last_probe = probe.text
            if not probe.is_good:
                raise self.failure(instance, process, probe.text)
        finally:
            probing.cancel()
            dying.cancel()
        instance.state = State.RUNNING
        instance.change(is_healthy=True)

    def failure(self, instance: Instance, process: Process, probe: str) -> StageFailed:
        """Why an instance is not healthy, with the last lines it wrote."""
        record = instance.record
        up = time.monotonic() - instance.started_monotonic
        redact = instance.plan.redactor.text if instance.plan else str
        why = redact(probe) or f"it {instance.exit_text or 'ended'} after {up:.1f} s"
        if launch.names_own_address(process.command):
            why += f"; the command names an address of its own, use $SOCKET or $PORT: {process.command}"
        lines = self.tail(instance, 20)
        return StageFailed(
            f"release '{record.release}' is not healthy on '{record.name}'",
            why=why,
            next_step=f"see: pawl logs {record.app} --failed",
            detail="\n".join(lines),
        )

    def tail(self, instance: Instance, count: int) -> list[str]:
        """The last lines an instance wrote, its secrets masked."""
        path = self._home.logs(instance.record.app) / instance.record.log
        file = next((f for f in LogFolder(path.parent).files() if f.path == path), None)
        if file is None:
            return []
        lines = [line.text for line, _ in file.lines(start=file.tail_offset(count))]
        redact = instance.plan.redactor.text if instance.plan else str
        return [redact(line) for line in lines[-count:]]

    # Traffic

    def send_traffic_to(self, app: str, deploy: str) -> None:
        """From now on the app's requests go to the live instances of this deploy only."""
        self._live_deploys[app] = deploy
        if self._canaries.get(app, ("", 0))[0] == deploy:
            del self._canaries[app]
        self._publish(app)

    def share_traffic(self, app: str, deploy: str, percent: int) -> None:
        """Send so much of the app's requests to the trial instances of this deploy, the rest to what is live."""
        if percent:
            self._canaries[app] = (deploy, percent)
        else:
            self._canaries.pop(app, None)
        self._publish(app)

    def send_no_traffic_to(self, app: str) -> None:
        """Requests of the app are refused until :meth:`publish` finds instances that serve."""
        self._route(app, [])

    def publish(self, app: str) -> None:
        """Send the app's requests to the instances that serve; when that cannot be written, it is tried again."""
        try:
            self._publish(app)
        except PawlError as error:
            log.error("%s", error)
            self._unpublished.add(app)

    def catch_up(self) -> None:
        """Write down again what could not be written."""
        for instance in self.all():
            if not instance.is_saved:
                instance.save()
        for app in list(self._unpublished):
            self.publish(app)

    def _publish(self, app: str) -> None:
        """With no instance that serves, requests wait at the old addresses."""
        serving = self.all(app, deploy=self._live_deploys.get(app, ""))
        addresses = [instance.record.address for instance in serving if instance.is_serving]
        deploy, percent = self._canaries.get(app, ("", 0))
        canary = [item.record.address for item in self.all(app, deploy=deploy, role=Role.TRIAL) if item.can_serve]
        if addresses and canary and percent:
            self._share(app, shared_out(canary, addresses, percent))
        elif addresses:
            self._route(app, addresses)
        self._unpublished.discard(app)

    # Ending

    def end(self, instances: Iterable[Instance], *, is_draining: bool = True) -> None:
        """Begin to end instances; web ones finish their requests first."""
        for instance in instances:
            if instance.state is State.STOPPING:
                continue
            instance.state = State.STOPPING
            if instance.record.role is not Role.ENDING:
                instance.change(role=Role.ENDING)
            self._hold(self._end(instance, is_draining=is_draining), self._endings)

    async def _end(self, instance: Instance, *, is_draining: bool) -> None:
        record = instance.record
        if instance.is_alive and instance.handle is not None:
            if is_draining and instance.is_web:
                await self.wait_drained(instance, record.stop_timeout_s)
            await instance.handle.end(timeout_s=record.stop_timeout_s, to_children=record.is_compound)
        if instance.handle is not None:
            await self._kill_left(instance)
        self.forget(instance)

    async def wait_drained(self, instance: Instance, timeout_s: float) -> bool:
        """Wait until no connection to the instance is open; False when its time was up first."""
        deadline = time.monotonic() + timeout_s
        while instance.is_alive and proc.connections(instance.record.address):
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_DRAIN_POLL_S)
        return True

    def forget(self, instance: Instance) -> None:
        """Remove all trace of an instance but its log."""
        instance.state = State.ENDED
        self._instances.pop(instance.record.id, None)
        self._records.delete(instance.record.id)

    async def wait_ended(self, instances: Sequence[Instance]) -> None:
        """Return when each of them has ended."""
        while any(instance.state is not State.ENDED for instance in instances):
            await asyncio.sleep(_DRAIN_POLL_S)

    async def _kill_left(self, instance: Instance) -> None:
        """Kill what an instance that has ended started in sessions of its own."""
        await asyncio.to_thread(kill_marked, MARK, self._mark_of(instance.record.id))

    def _mark_of(self, instance_id: str) -> str:
        return f"{self._mark}:instance:{instance_id}"

    def _on_exit(self, instance: Instance) -> None:
        if instance.record.role is not Role.ENDING:  # where it is, its end is waited for
            self._hold(self._kill_left(instance), self._endings)
        instance.exit_text = instance.handle.exit_text if instance.handle else "ended"
        Path(self._records.socket(instance.record.id)).unlink(missing_ok=True)
        match instance.record.role:
            case Role.LIVE:
                self.on_live_exit(instance)
                self.publish(instance.record.app)
            case Role.WARM:
                self.forget(instance)
            case Role.TRIAL:
                if instance.record.app in self._canaries:
                    self.publish(instance.record.app)
            case Role.ENDING:
                pass

    # Background work

    def background(self, work: Coroutine[object, object, None]) -> None:
        """Run a coroutine beside everything else; it is held until it is done, and dropped when pawld stops."""
        self._hold(work, self._tasks)

    def _hold(self, work: Coroutine[object, object, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.ensure_future(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def release_all(self) -> None:
        """Stop watching and leave every instance running, for the next pawld to adopt."""
        for task in (*self._tasks, *self._endings):
            task.cancel()
        for instance in self._instances.values():
            if instance.handle is not None:
                instance.handle.release()

    async def end_all(self) -> None:
        """End every instance and begin nothing more; returns when all have ended."""
        for task in self._tasks:
            task.cancel()
        self.end(self.all())
        while self._endings:
            await asyncio.wait(set(self._endings))


def _asked_as(instance: Instance) -> tuple[str, bool]:
    """The host name that health checks ask for, and whether it is served over https."""
    plan = instance.plan
    names = plan.config.domains.names if plan else ()
    host = next((name for name in names if not name.startswith("*")), f"{instance.record.app}.localhost")
    return host, plan is not None and bool(names) and plan.config.domains.https_for(host) != "off"


def shared_out(canary: Sequence[str], others: Sequence[str], percent: int) -> dict[str, int]:
    """How many of the 20 slots each address gets, so that the canary has this share; at least one each way.

    >>> shared_out(["c"], ["a", "b"], 25)
    {'c': 5, 'a': 8, 'b': 7}
    """
    slots = min(SLOTS - 1, max(1, round(percent * SLOTS / 100)))
    shares = dict.fromkeys([*canary, *others], 0)
    for part, addresses in ((slots, canary), (SLOTS - slots, others)):
        for index in range(part):
            shares[addresses[index % len(addresses)]] += 1
    return shares
