"""A supervisor and its keeper over real processes, with releases that were never built."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path

from pawl.config.schema import Process
from pawl.engines.process.environments import Environments
from pawl.engines.process.instance import Instance
from pawl.engines.process.keeper import Keeper
from pawl.engines.process.plans import Plan, Plans
from pawl.engines.process.records import Role
from pawl.engines.process.releases import Manifest
from pawl.engines.process.supervisor import Supervisor
from pawl.home import Home
from pawl.model import Commit
from pawl.settings.versions import Settings, SettingsFolder
from tests.support import HELLO

COMMIT = Commit("a" * 40, "One", "Ada", "ada@example.org", "2026-05-09T07:00:00Z")
WEB = "python3 app.py --socket $SOCKET"
# What is left with a mark is killed: other runners have theirs.
MARK = f"rig-{secrets.token_hex(4)}"


class Witness:
    """Keeps what it is told, in words."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def crashed(self, instance: Instance, *, restarts: int, uptime_s: float) -> None:
        assert uptime_s >= 0
        self.told.append(f"{instance.record.name} crashed {restarts}: {instance.exit_text}")

    def crash_loop(self, instance: Instance, *, restarts: int, within_s: float) -> None:
        self.told.append(f"{instance.record.name} in a crash loop after {restarts}")

    def memory_exceeded(self, instance: Instance, *, rss_bytes: int, limit_bytes: int) -> None:
        assert rss_bytes > limit_bytes
        self.told.append(f"{instance.record.name} too big")

    def replaced(self, instance: Instance, *, reason: str) -> None:
        self.told.append(f"{instance.record.name} replaced: {reason}")


class Rig:
    """A home with the release r1 of hello, and the pawld of now."""

    def __init__(self, place: Path, commands: dict[str, str], *, more: str = "") -> None:
        self.home = Home(place / "home")
        self.home.create()
        self.witness = Witness()
        self.routes: list[list[str]] = []
        self.shares: list[dict[str, int]] = []
        plans = Plans(self.home, Environments(self.home.envs, self.home.cache))
        releases = plans.releases("hello")
        shutil.copytree(HELLO, releases.begin("r1") / "app")
        lines = ['app = "hello"']
        for kind, command in commands.items():
            lines += [f"[processes.{kind}]", f"command = '''{command}'''", "stop_timeout_s = 5"]
            lines += ['health = { path = "/healthz", interval_s = 0.05 }'] if kind == "web" else []
        files = {"pawl.toml": "\n".join([*lines, more, ""])}
        releases.finish("r1", Manifest(commit=COMMIT, folder="hello", files=files, environment="none"))
        SettingsFolder(self.home.settings("hello")).write(1, Settings({}, {"PASSWORD": "hunter2!"}))
        self.begin()

    def begin(self) -> None:
        """A new pawld stands there; it has adopted nothing yet."""
        self.plans = Plans(self.home, Environments(self.home.envs, self.home.cache))
        self.supervisor = Supervisor(self.home, self.plans, mark=MARK, route=self._route, share=self._share)
        self.keeper = Keeper(self.home, self.supervisor, self.witness)

    def _route(self, _app: str, addresses: Sequence[str]) -> None:
        self.routes.append(list(addresses))

    def _share(self, _app: str, shares: Mapping[str, int]) -> None:
        self.shares.append(dict(shares))

    @property
    def plan(self) -> Plan:
        return self.plans.plan("hello", "r1", 1)

    def process(self, kind: str = "web") -> Process:
        return self.plan.config.processes[kind]

    def spawn(self, name: str = "web.1", *, role: Role = Role.LIVE, deploy: str = "d1") -> Instance:
        return self.supervisor.spawn(self.plan, self.process(name.partition(".")[0]), name, deploy=deploy, role=role)

    async def healthy(self, name: str = "web.1", *, role: Role = Role.LIVE, deploy: str = "d1") -> Instance:
        instance = self.spawn(name, role=role, deploy=deploy)
        await self.supervisor.wait_healthy(instance, self.process(name.partition(".")[0]))
        return instance

    def log(self, instance: Instance) -> str:
        return (self.home.logs("hello") / instance.record.log).read_text()

    def names(self, role: Role | None = None) -> list[str]:
        return [instance.record.name for instance in self.supervisor.all("hello", role=role)]


def play(rig_of: Callable[[], Rig], scene: Callable[[Rig], Coroutine[object, object, None]]) -> None:
    """Play a scene; whatever runs at its end is ended."""

    async def with_rig() -> None:
        rig = rig_of()
        try:
            async with asyncio.timeout(30):
                await scene(rig)
        finally:
            for instance in rig.supervisor.all():
                instance.change(role=Role.ENDING)
            await rig.supervisor.end_all()

    asyncio.run(with_rig())


async def until(question: Callable[[], object]) -> None:
    """Let what goes on in the background go on until it is so."""
    while not question():
        await asyncio.sleep(0.005)
