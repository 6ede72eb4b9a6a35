"""The process engine: what the story of a deploy asks for, done with instances of this machine."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

from pawl.config.schema import AppConfig, Process
from pawl.engines.base import Asked, Candidate, Condition, InstanceView, MigrationPlan, Observe
from pawl.engines.process import migrations, proc
from pawl.engines.process.builder import Builder
from pawl.engines.process.environments import Environments
from pawl.engines.process.instance import Instance, State
from pawl.engines.process.keeper import TICK_S, Keeper, Witness
from pawl.engines.process.logs import LogFolder
from pawl.engines.process.plans import Plan, Plans
from pawl.engines.process.records import Role
from pawl.engines.process.supervisor import Supervisor
from pawl.errors import PawlError, StageFailed
from pawl.home import Home
from pawl.model import Commit
from pawl.source.store import Store

log = logging.getLogger(__name__)


class ProcessEngine:
    """Implements :class:`pawl.engines.base.Engine` for one machine."""

    def __init__(
        self,
        home: Home,
        store: Store,
        *,
        route: Callable[[str, Sequence[str]], None],
        share: Callable[[str, Mapping[str, int]], None],
        witness: Witness,
        fault_point: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._home = home
        self._store = store
        self._mark = _home_mark(home)
        self._environments = Environments(home.envs, home.cache)
        self.plans = Plans(home, self._environments)
        self.builder = Builder(home, store, self.plans, self._environments, mark=self._mark)
        self.supervisor = Supervisor(
            home, self.plans, mark=self._mark, route=route, share=share, fault_point=fault_point
        )
        self.keeper = Keeper(home, self.supervisor, witness)
        self._fault_point = fault_point
        self._failed: dict[str, list[str]] = {}

    @property
    def mark(self) -> str:
        """What every process of this home carries in ``PAWL_MARK``."""
        return self._mark

    # Start and end of pawld

    def adopt(self) -> None:
        """Take over the instances of an earlier pawld; nothing is started or ended yet."""
        self.builder.kill_interrupted()
        self.supervisor.adopt()

    def begin(self, unfinished: Sequence[str]) -> None:
        """End what belongs to no deploy any more and what was ending when the earlier pawld died."""
        self.builder.forget_tasks_except(unfinished)
        for instance in self.supervisor.all():
            role, deploy = instance.record.role, instance.record.deploy
            if role is Role.ENDING or (role is Role.TRIAL and deploy not in unfinished):
                self.supervisor.end([instance])
            elif role is Role.LIVE and not instance.record.is_healthy:
                self.keeper.bring_into_service(instance)

    async def tick(self) -> None:
        """Keep watch until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self.keeper.tick()
            except Exception:
                log.exception("a look at the instances failed")

    def longest_request_s(self) -> float:
        """How long requests under way may take to finish when everything stops."""
        return max((item.record.stop_timeout_s for item in self.supervisor.all(process="web")), default=0.0)

    async def stop_all(self) -> None:
        """End every instance, in order: web ones finish their requests while the rest finish their tasks."""
        await self.supervisor.end_all()

    def leave_all(self) -> None:
        """Let everything run on for the next pawld."""
        self.supervisor.release_all()

    # Building

    async def change(self, live: str | None, commit: str) -> Sequence[Commit]:
        return await self._store.between(live, commit)

    async def build(self, app: str, commit: Commit, path: str) -> bool:
        return await self.builder.build(app, commit, path)

    async def test(self, app: str, release: str) -> bool:
        return await self.builder.test(app, release)

    def tasks(self, app: str, release: str) -> Sequence[str]:
        return self.plans.releases(app).config(release).release.tasks

    async def run_task(self, candidate: Candidate, index: int) -> int:
        return await self.builder.run_task(self._plan(candidate), candidate, index)

    async def migrations(self, candidate: Candidate) -> MigrationPlan | None:
        """What the release tasks will migrate; None when that is nothing of Django's. Changes nothing, within 30 s.

        Raises:
            UsageError: the release is not on this machine.
            StateError: the settings file cannot be read.
        """
        return await migrations.read(self._plan(candidate), mark=f"{self._mark}:migrations:{candidate.deploy}")

    def config(self, app: str, release: str) -> AppConfig:
        """The configuration of a release."""
        return self.plans.releases(app).config(release)

    def observe(self, app: str, release: str) -> Observe:
        return self.config(app, release).observe

    def checks(self, app: str, release: str) -> Sequence[str]:
        return self.config(app, release).checks.after_switch

    def has_release(self, app: str, release: str) -> bool:
        """Whether a release is on this machine, ready to be started."""
        return self.plans.releases(app).has(release)

    def forget_deploy(self, deploy: str) -> None:
        """Remove what was kept so that the deploy could be taken up again; it has ended."""
        self.builder.forget_tasks(deploy)

    async def prune(self, app: str, keep: Sequence[str]) -> list[str]:
        """Delete an app's releases but those named and those with instances; then environments nobody uses."""
        releases = self.plans.releases(app)
        used = {*keep, *(instance.record.release for instance in self.supervisor.all(app))}
        gone = [release for release in releases.ids() if release not in used]
        for release in gone:
            await asyncio.to_thread(releases.remove, release)
            await self._store.let_go(app, release)
        await asyncio.to_thread(releases.remove_unfinished)
        return gone

    async def prune_environments(self, apps: Sequence[str]) -> None:
        """Delete the environments that no release of any app uses."""
        used = set().union(*(self.plans.releases(app).environments() for app in apps)) if apps else set()
        for key in self._environments.keys():  # noqa: SIM118  not a dict: it lists folders
            if key not in used:
                await asyncio.to_thread(self._environments.remove, key)

    # The candidate

    def _plan(self, candidate: Candidate) -> Plan:
        return self.plans.plan(candidate.app, candidate.release, candidate.settings)

    def is_warm(self, app: str, release: str, settings: int) -> bool:
        """Whether going back to this release is a rename."""
        return bool(self._warm(app, release, settings))

    def _warm(self, app: str, release: str, settings: int) -> list[Instance]:
        return [
            instance
            for instance in self.supervisor.all(app, role=Role.WARM)
            if instance.is_alive and (instance.record.release, instance.record.settings) == (release, settings)
        ]

    async def start(self, candidate: Candidate) -> None:
        plan = self._plan(candidate)
        for instance in self._warm(candidate.app, candidate.release, candidate.settings):
            instance.change(role=Role.TRIAL, deploy=candidate.deploy)
        for name, process in self._missing(plan, candidate):
            if candidate.is_trusted and not name.startswith("web."):
                continue
            self.supervisor.spawn(plan, process, name, deploy=candidate.deploy, role=Role.TRIAL)
            self._fault_point("spawned")

    def _missing(self, plan: Plan, candidate: Candidate) -> list[tuple[str, Process]]:
        """Places of the candidate that may be filled while the old release runs, and are not."""
        mine = self.supervisor.all(candidate.app, deploy=candidate.deploy)
        there = {item.record.name for item in mine if item.record.role in (Role.TRIAL, Role.LIVE)}
        return [
            (name, process)
            for name, process in _places(plan.config, candidate.counts)
            if name not in there and not process.singleton
        ]

    async def wait_healthy(self, candidate: Candidate) -> None:
        plan = self._plan(candidate)
        waiting = [
            asyncio.ensure_future(self._healthy(instance, plan))
            for instance in self.supervisor.all(candidate.app, deploy=candidate.deploy, role=Role.TRIAL)
        ]
        try:
            await asyncio.gather(*waiting)
        except PawlError:
            self._note_failure(candidate)
            raise
        finally:
            for task in waiting:
                task.cancel()
        if not candidate.is_trusted:
            try:
                await self._hand_over_singletons(plan, candidate, Role.TRIAL)
            except PawlError:
                self._note_failure(candidate)
                raise

    async def _healthy(self, instance: Instance, plan: Plan) -> None:
        process = plan.config.processes.get(instance.record.process)
        if process is None:
            raise StageFailed(f"'{instance.record.name}' is not in release '{plan.release}'")
        await self.supervisor.wait_healthy(instance, process)

    async def _hand_over_singletons(self, plan: Plan, candidate: Candidate, role: Role) -> None:
        """For each singleton: the old one has ended before the new one starts."""
        for name, process in _places(plan.config, candidate.counts):
            if not process.singleton:
                continue
            kind = name.partition(".")[0]
            mine = self.supervisor.all(candidate.app, deploy=candidate.deploy, process=kind)
            mine = [instance for instance in mine if instance.record.role in (Role.TRIAL, Role.LIVE)]
            while old := [item for item in self.supervisor.all(candidate.app, process=kind) if item not in mine]:
                self.supervisor.end(old)
                await self.supervisor.wait_ended(old)
            self._fault_point("singleton ended")
            new = mine[0] if mine else self.supervisor.spawn(plan, process, name, deploy=candidate.deploy, role=role)
            await self.supervisor.wait_healthy(new, process)

    def _note_failure(self, candidate: Candidate) -> None:
        """Remember which logs ``pawl logs --failed`` shows."""
        trial = self.supervisor.all(candidate.app, deploy=candidate.deploy)
        failed = [item for item in trial if not item.is_alive] or [i for i in trial if not i.record.is_healthy] or trial
        LogFolder(self._home.logs(candidate.app)).note_failed([instance.record.log for instance in failed])

    async def switch(self, candidate: Candidate) -> None:
        plan = self._plan(candidate)
        mine = self.supervisor.all(candidate.app, deploy=candidate.deploy)
        for instance in mine:
            if instance.record.role is Role.TRIAL:
                instance.change(role=Role.LIVE)
        self._fault_point("candidate live")
        self.supervisor.send_traffic_to(candidate.app, candidate.deploy)
        self._fault_point("slots moved")
        warm_s = 0.0 if candidate.ends_others else plan.config.keep_warm_s
        self._retire([item for item in self.supervisor.all(candidate.app) if item not in mine], warm_s)
        self._fault_point("old retired")
        for instance in mine:  # one that died between its health check and now, which nobody has acted on
            if not instance.is_alive and instance.record.role is Role.LIVE and instance.record.pid:
                self.keeper.on_live_exit(instance)

    def _retire(self, old: list[Instance], warm_s: float) -> None:
        """Keep the web instances that were live warm, end the rest; only once nothing is sent to them any more.

        Done again after a kill, it finds those of the first time warm already.
        """
        before = {item.record.deploy for item in old if item.is_serving}
        for instance in old:
            if instance.is_serving and warm_s > 0:
                instance.change(role=Role.WARM, warm_until=time.time() + warm_s)
                self._fault_point("one retired")
            elif instance.record.role is Role.WARM and (not before or instance.record.deploy in before):
                continue
            elif instance.record.role in (Role.LIVE, Role.WARM):
                instance.change(role=Role.ENDING)
        self.supervisor.end([item for item in old if item.record.role is Role.ENDING])

    async def share(self, candidate: Candidate, percent: int) -> None:
        self.supervisor.share_traffic(candidate.app, candidate.deploy, percent)

    async def condition(self, candidate: Candidate) -> Condition:
        running = self.supervisor.all(candidate.app, deploy=candidate.deploy)
        serving = [item for item in running if item.record.role in (Role.TRIAL, Role.LIVE, Role.WARM)]
        looping = [item.record.name for item in serving if item.state is State.CRASH_LOOP]
        web = [item for item in serving if item.is_web]
        probes = await asyncio.gather(*(self.supervisor.probe(item) for item in web))
        bad = [probe.text for probe in probes if not probe.is_good]
        return Condition(
            instances=len(web), healthy=len(web) - len(bad), why=bad[0] if bad else "", looping=tuple(looping)
        )

    async def check(self, candidate: Candidate, path: str) -> Asked | None:
        running = self.supervisor.all(candidate.app, process="web", deploy=candidate.deploy)
        serving = [item for item in running if item.record.role in (Role.LIVE, Role.WARM) and item.is_alive]
        if not serving:
            return None
        probe = await self.supervisor.ask(serving[0], path)
        return Asked(probe.is_good, probe.text)

    async def drain(self, candidate: Candidate) -> None:
        old = [item for item in self.supervisor.all(candidate.app) if item.record.role in (Role.WARM, Role.ENDING)]
        await asyncio.gather(*(self._drained(instance) for instance in old))
        plan = self._plan(candidate)
        if candidate.is_trusted:
            self._fill(plan, candidate, with_singletons=False)
            await self._hand_over_singletons(plan, candidate, Role.LIVE)

    async def _drained(self, instance: Instance) -> None:
        if instance.record.role is Role.WARM:
            await self.supervisor.wait_drained(instance, instance.record.stop_timeout_s)
        else:
            await self.supervisor.wait_ended([instance])

    async def discard(self, candidate: Candidate) -> None:
        mine = self.supervisor.all(candidate.app, deploy=candidate.deploy)  # LIVE ones too: a switch may have failed
        for instance in mine:
            self.keeper.note_log(instance)
        self.supervisor.end(mine, is_draining=False)
        await self.supervisor.wait_ended(mine)

    # What is live

    def ensure(self, live: Candidate, *, with_singletons: bool = True) -> None:
        """Start in the background what the live release should have and has not, and end what is too many."""
        plan = self._plan(live)
        places = dict(_places(plan.config, live.counts))
        running = self.supervisor.all(live.app, role=Role.LIVE, deploy=live.deploy)
        newest = {item.record.name: item for item in running if item.record.is_healthy}
        surplus = [  # that have no place, or one that a newer instance has taken, where a replacement was cut off
            item for item in running if item.record.name not in places or newest.get(item.record.name, item) is not item
        ]
        for instance in surplus:
            instance.change(role=Role.ENDING)
        self._fill(plan, live, with_singletons=with_singletons)
        self.supervisor.send_traffic_to(live.app, live.deploy)
        if not any(name.startswith("web.") for name in places):
            self.supervisor.send_no_traffic_to(live.app)  # nobody is to serve: say so at once, do not wait for one
        self.supervisor.end(surplus)

    def _fill(self, plan: Plan, live: Candidate, *, with_singletons: bool = True) -> None:
        there = {item.record.name for item in self.supervisor.all(live.app, role=Role.LIVE)}
        for name, process in _places(plan.config, live.counts):
            if name not in there and (with_singletons or not process.singleton):
                self.supervisor.background(self._start_live(plan, process, name, live))

    async def _start_live(self, plan: Plan, process: Process, name: str, live: Candidate) -> None:
        if process.singleton:
            kind = name.partition(".")[0]
            others = self.supervisor.all(live.app, process=kind)
            await self.supervisor.wait_ended([item for item in others if item.record.role is Role.ENDING])
            if self.supervisor.all(live.app, process=kind):  # a deploy hands it over meanwhile
                return
        there = {item.record.name for item in self.supervisor.all(live.app, role=Role.LIVE)}
        if name not in there:
            self.keeper.start(plan, process, name, deploy=live.deploy)

    async def wait_live(self, app: str, names: Collection[str], timeout_s: float) -> dict[str, str]:
        """Wait until each of these places has a healthy live instance.

        Those that have none when time is up, with how the last one there ended; empty when that is not known.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            live = self.supervisor.all(app, role=Role.LIVE)
            healthy = {item.record.name for item in live if item.record.is_healthy}
            late = {name: "" for name in names if name not in healthy}
            if not late or time.monotonic() >= deadline:
                return late | {item.record.name: item.exit_text for item in live if item.record.name in late}
            await asyncio.sleep(0.05)

    async def remove(self, app: str) -> None:
        """End every instance of an app and forget it."""
        instances = self.supervisor.all(app)
        self.supervisor.end(instances)
        await self.supervisor.wait_ended(instances)
        self.plans.forget(app)

    def wanted(self, app: str, release: str, counts: Mapping[str, int]) -> dict[str, int]:
        """How many instances a release has of each process type; ``counts`` are what ``pawl scale`` asked for.

        Raises:
            PawlError: the release is not on this machine.
        """
        places = _places(self.config(app, release), counts)
        kinds = [name.partition(".")[0] for name, _ in places]
        return {kind: kinds.count(kind) for kind in self.config(app, release).processes}

    def views(self, app: str) -> list[InstanceView]:
        """The instances of an app as they are now."""
        return [
            InstanceView(
                name=item.record.name,
                process=item.record.process,
                pid=item.record.pid if item.is_alive else None,
                state=_state(item),
                role=str(item.record.role),
                release=item.record.release,
                rss_bytes=proc.rss_bytes(item.record.pid) if item.is_alive else 0,
                restarts=item.record.restarts,
                since=datetime.fromtimestamp(item.record.started_at, UTC)
                .isoformat(timespec="milliseconds")
                .replace("+00:00", "Z"),
                address=item.record.address,
            )
            for item in self.supervisor.all(app)
        ]


def _state(item: Instance) -> str:
    return "warm" if item.record.role is Role.WARM and item.state is State.RUNNING else str(item.state)


def _places(config: AppConfig, counts: Mapping[str, int]) -> list[tuple[str, Process]]:
    """The names of a release's instances, ``web.1`` and so on, with their process types; singletons have one."""
    places: list[tuple[str, Process]] = []
    for kind, process in config.processes.items():
        wanted = min(1, counts.get(kind, 1)) if process.singleton else counts.get(kind, process.instances)
        places.extend((f"{kind}.{number}", process) for number in range(1, wanted + 1))
    return places


def _home_mark(home: Home) -> str:
    path = home.path / "id"
    if not path.exists():
        path.write_text(secrets.token_hex(8))
    return path.read_text().strip()
