"""What every engine keeps to: one suite over the process engine, with real processes, and the fake in memory."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from pawl.client.git import push
from pawl.deploys.queue import LocalEngine
from pawl.engines.base import Candidate, InstanceView
from pawl.engines.fake import Blueprint, FakeEngine
from pawl.engines.process.engine import ProcessEngine
from pawl.engines.process.instance import Instance
from pawl.errors import PawlError, StageFailed
from pawl.home import Home
from pawl.model import Commit, release_id
from pawl.source.store import Store
from tests.support import HELLO, Repository, repository

APP = "hello"
WITH_BEAT = Blueprint(processes={"web": 1, "beat": 1}, singletons=frozenset({"beat"}))


class Viewed(LocalEngine, Protocol):
    def views(self, app: str) -> list[InstanceView]: ...


class Rig(Protocol):
    """An engine, the commits it is given, and what can be seen of it from outside."""

    engine: Viewed
    addresses: Sequence[str]

    async def commit(self, version: str, made: Blueprint) -> Commit: ...
    def effects(self) -> list[str]:
        """What the release tasks have done, in order."""
        ...

    async def close(self) -> None: ...


class FakeRig:
    def __init__(self, _place: Path) -> None:
        self.addresses: Sequence[str] = ()
        self._made: dict[str, Blueprint] = {}
        self._engine = FakeEngine(lambda commit: self._made[commit.sha], route=self._route)
        self.engine: Viewed = self._engine

    def _route(self, _app: str, addresses: Sequence[str]) -> None:
        self.addresses = addresses

    async def commit(self, version: str, made: Blueprint) -> Commit:
        sha = hashlib.sha1(version.encode()).hexdigest()
        self._made[sha] = made
        commit = Commit(sha, version, "Ada", "ada@example.org", "2026-05-09T07:00:00Z")
        self._engine.history.append(commit)
        return commit

    def effects(self) -> list[str]:
        return [line.removeprefix("ran ") for line in self._engine.done if line.startswith("ran ")]

    async def close(self) -> None:
        """Nothing runs."""


class Deaf:
    """A witness who forgets."""

    def crashed(self, instance: Instance, *, restarts: int, uptime_s: float) -> None: ...
    def crash_loop(self, instance: Instance, *, restarts: int, within_s: float) -> None: ...
    def memory_exceeded(self, instance: Instance, *, rss_bytes: int, limit_bytes: int) -> None: ...
    def replaced(self, instance: Instance, *, reason: str) -> None: ...


class ProcessRig:
    """Real processes of tests/apps/hello; environments are empty ones, so nothing comes from the network."""

    def __init__(self, place: Path) -> None:
        self.addresses: Sequence[str] = ()
        self._home = Home(place / "home")
        self._home.create()
        self._store = Store(self._home.store)
        self._process = ProcessEngine(self._home, self._store, route=self._route, share=self._share, witness=Deaf())
        self.engine: Viewed = self._process
        self._repository: Repository = repository(place / "hello", HELLO)

    def _route(self, _app: str, addresses: Sequence[str]) -> None:
        self.addresses = addresses

    def _share(self, _app: str, shares: Mapping[str, int]) -> None:
        self.addresses = list(shares)

    async def commit(self, version: str, made: Blueprint) -> Commit:
        await self._store.create()
        sha = self._repository.commit(version, VERSION=version, pawl__toml=_pawl_toml(made))
        push(sha, self._home.store, cwd=self._repository.path)
        return await self._store.commit(sha)

    def effects(self) -> list[str]:
        path = self._home.data(APP) / "effects"
        return path.read_text().split() if path.exists() else []

    async def close(self) -> None:
        await self._process.stop_all()


def _pawl_toml(made: Blueprint) -> str:
    """The configuration that does on real processes what the blueprint says."""
    tasks = [f"echo {task} >> $PAWL_DATA/effects" for task in made.tasks]
    if "run_task" in made.fails_at:
        tasks = [f"{task}; exit 4" for task in tasks]
    tests = {"test": "exit 3" if "test" in made.fails_at else "true"} if made.has_test else {}
    build = {"install": "exit 7" if "build" in made.fails_at else "none", **tests}
    web = "echo cannot listen; exit 5" if "wait_healthy" in made.fails_at else "python3 app.py --socket $SOCKET"
    lines = [f'app = "{APP}"', "[build]", *(f"{key} = {json.dumps(value)}" for key, value in build.items())]
    lines += ["[checks]", f"after_switch = {json.dumps(made.checks)}"]
    lines += ["[release]", f"tasks = {json.dumps(tasks)}"]
    for kind, count in made.processes.items():
        lines += [f"[processes.{kind}]", f"command = {json.dumps(web if kind == 'web' else 'python3 worker.py')}"]
        lines += ["singleton = true"] if kind in made.singletons else [f"instances = {count}"]
        lines += ['health = "/healthz"', f"keep_warm_s = {300 if made.is_kept_warm else 0}"] if kind == "web" else []
    return "\n".join(lines) + "\n"


RIGS: dict[str, type[FakeRig | ProcessRig]] = {"fake": FakeRig, "process": ProcessRig}
Scene = Callable[[Rig], Coroutine[object, object, None]]


def over_every_engine(scene: Scene) -> Callable[[str, Path], None]:
    """Play a scene once for each engine, in an event loop of its own; whatever runs at its end is ended."""

    @pytest.mark.parametrize("kind", RIGS)
    def test(kind: str, place: Path) -> None:
        async def play() -> None:
            rig = RIGS[kind](place)
            try:
                await scene(rig)
            finally:
                await rig.close()

        asyncio.run(play())

    test.__name__ = scene.__name__
    return test


def candidate(
    commit: Commit, deploy: str, *, is_trusted: bool = False, counts: Mapping[str, int] | None = None
) -> Candidate:
    release = release_id(commit.sha)
    return Candidate(app=APP, deploy=deploy, release=release, settings=0, counts=counts or {}, is_trusted=is_trusted)


async def built(rig: Rig, version: str, made: Blueprint | None = None) -> Commit:
    commit = await rig.commit(version, made or Blueprint())
    assert await rig.engine.build(APP, commit, "")
    return commit


async def go_live(rig: Rig, wanted: Candidate) -> None:
    """The good road: what the story of a deploy does from ``started`` on."""
    await rig.engine.start(wanted)
    await rig.engine.wait_healthy(wanted)
    await rig.engine.switch(wanted)
    await rig.engine.drain(wanted)


def instances(rig: Rig, role: str | None = None) -> list[tuple[str, str]]:
    """Names and releases of what runs, those on their way out left aside."""
    views = [view for view in rig.engine.views(APP) if view.role not in ("warm", "ending")]
    return sorted((view.name, view.release) for view in views if role in (None, view.role))


def serving(rig: Rig) -> set[str]:
    """The releases that the requests are sent to."""
    return {view.release for view in rig.engine.views(APP) if view.address in rig.addresses}


# Building


@over_every_engine
async def test_a_release_is_built_once(rig: Rig) -> None:
    commit = await built(rig, "1")
    assert not await rig.engine.build(APP, commit, "")
    assert rig.engine.has_release(APP, release_id(commit.sha))
    assert not rig.engine.has_release(APP, "0" * 12)


@over_every_engine
async def test_a_build_that_fails_leaves_no_release(rig: Rig) -> None:
    commit = await rig.commit("1", Blueprint(fails_at=frozenset({"build"})))
    for _ in range(2):
        with pytest.raises(StageFailed):
            await rig.engine.build(APP, commit, "")
        assert not rig.engine.has_release(APP, release_id(commit.sha))


@over_every_engine
async def test_tests_that_passed_are_not_run_again(rig: Rig) -> None:
    without = await built(rig, "1")
    tested = await built(rig, "2", Blueprint(has_test=True))
    assert not await rig.engine.test(APP, release_id(without.sha))
    assert await rig.engine.test(APP, release_id(tested.sha))
    assert not await rig.engine.test(APP, release_id(tested.sha))


@over_every_engine
async def test_tests_that_failed_are_run_again_and_fail_again(rig: Rig) -> None:
    commit = await built(rig, "1", Blueprint(has_test=True, fails_at=frozenset({"test"})))
    for _ in range(2):
        with pytest.raises(StageFailed):
            await rig.engine.test(APP, release_id(commit.sha))


@over_every_engine
async def test_a_release_task_is_run_once_in_a_deploy_and_again_in_the_next(rig: Rig) -> None:
    commit = await built(rig, "1", Blueprint(tasks=("migrate", "compress")))
    assert len(rig.engine.tasks(APP, release_id(commit.sha))) == 2
    first, second = candidate(commit, "d1"), candidate(commit, "d2")
    assert [await rig.engine.run_task(first, index) for index in (0, 1, 0)] == [0, 0, 0]
    assert rig.effects() == ["migrate", "compress"]
    assert await rig.engine.run_task(second, 0) == 0
    assert rig.effects() == ["migrate", "compress", "migrate"]


@over_every_engine
async def test_a_release_task_that_failed_is_not_run_twice(rig: Rig) -> None:
    commit = await built(rig, "1", Blueprint(tasks=("migrate",), fails_at=frozenset({"run_task"})))
    for _ in range(2):
        with pytest.raises(StageFailed):
            await rig.engine.run_task(candidate(commit, "d1"), 0)
    assert rig.effects() == ["migrate"]


@over_every_engine
async def test_a_release_that_is_not_there_is_refused_by_every_step(rig: Rig) -> None:
    commit = await rig.commit("1", Blueprint())
    wanted = candidate(commit, "d1")
    for step in (rig.engine.start, rig.engine.wait_healthy, rig.engine.switch):
        with pytest.raises(PawlError):
            await step(wanted)
    with pytest.raises(PawlError):
        rig.engine.tasks(APP, wanted.release)
    await rig.engine.discard(wanted)
    assert instances(rig) == []


# Going live


@over_every_engine
async def test_a_candidate_gets_no_requests_before_the_switch_and_all_after_it(rig: Rig) -> None:
    old, new = await built(rig, "1"), await built(rig, "2")
    await go_live(rig, candidate(old, "d1"))
    assert serving(rig) == {release_id(old.sha)}
    wanted = candidate(new, "d2")
    await rig.engine.start(wanted)
    await rig.engine.wait_healthy(wanted)
    assert serving(rig) == {release_id(old.sha)}
    await rig.engine.switch(wanted)
    assert serving(rig) == {release_id(new.sha)}
    await rig.engine.drain(wanted)
    assert instances(rig, "live") == [("web.1", release_id(new.sha))]


@over_every_engine
async def test_every_step_may_be_taken_twice(rig: Rig) -> None:
    old, new = await built(rig, "1", WITH_BEAT), await built(rig, "2", WITH_BEAT)
    await go_live(rig, candidate(old, "d1"))
    wanted = candidate(new, "d2", counts={"web": 2})
    for step in (rig.engine.start, rig.engine.wait_healthy, rig.engine.switch, rig.engine.drain):
        await step(wanted)
        await step(wanted)
    release = release_id(new.sha)
    assert instances(rig) == [("beat.1", release), ("web.1", release), ("web.2", release)]
    assert serving(rig) == {release}


@over_every_engine
async def test_a_deploy_cut_off_after_any_step_is_taken_up_from_its_start(rig: Rig) -> None:
    previous = await built(rig, "0", WITH_BEAT)
    await go_live(rig, candidate(previous, "d0"))
    steps = (rig.engine.start, rig.engine.wait_healthy, rig.engine.switch)
    for number in range(1, len(steps) + 1):
        commit = await built(rig, str(number), WITH_BEAT)
        wanted = candidate(commit, f"d{number}")
        for step in steps[:number]:
            await step(wanted)
        await go_live(rig, wanted)
        release = release_id(commit.sha)
        assert instances(rig) == [("beat.1", release), ("web.1", release)]
        assert serving(rig) == {release}


@over_every_engine
async def test_as_many_instances_are_started_as_were_asked_for(rig: Rig) -> None:
    made = Blueprint(processes={"web": 1, "worker": 2, "beat": 1}, singletons=frozenset({"beat"}))
    commit = await built(rig, "1", made)
    await go_live(rig, candidate(commit, "d1", counts={"web": 2, "worker": 0, "beat": 3}))
    assert [name for name, _ in instances(rig)] == ["beat.1", "web.1", "web.2"]
    assert len(set(rig.addresses)) == 2


@over_every_engine
async def test_what_was_live_has_ended_once_it_is_drained_unless_it_is_kept_warm(rig: Rig) -> None:
    releases = [await built(rig, str(number), Blueprint(is_kept_warm=False)) for number in (1, 2)]
    for number, commit in enumerate(releases):
        await go_live(rig, candidate(commit, f"d{number}"))
    assert [view.release for view in rig.engine.views(APP)] == [release_id(releases[1].sha)]


@over_every_engine
async def test_a_release_is_asked_for_a_path_as_long_as_it_runs(rig: Rig) -> None:
    made = Blueprint(checks=("/", "/broken"), fails_checks=frozenset({"/broken"}))
    first, second = [candidate(await built(rig, version, made), f"d{version}") for version in ("1", "2")]
    assert tuple(rig.engine.checks(APP, first.release)) == ("/", "/broken")
    assert await rig.engine.check(first, "/") is None
    await go_live(rig, first)
    await go_live(rig, second)
    for asked in (first, second):  # the first is warm
        good, bad = [await rig.engine.check(asked, path) for path in made.checks]
        assert good
        assert (good.is_good, good.text) == (True, "HTTP 200")
        assert bad
        assert not bad.is_good
        assert bad.text.startswith("HTTP 503 at /broken, expected 200 to 399")


# Not going live


@over_every_engine
async def test_a_candidate_that_is_not_healthy_is_discarded_and_what_was_live_serves_on(rig: Rig) -> None:
    old, bad = await built(rig, "1"), await built(rig, "2", Blueprint(fails_at=frozenset({"wait_healthy"})))
    await go_live(rig, candidate(old, "d1"))
    wanted = candidate(bad, "d2")
    await rig.engine.start(wanted)
    with pytest.raises(StageFailed) as caught:
        await rig.engine.wait_healthy(wanted)
    assert wanted.release in caught.value.what
    await rig.engine.discard(wanted)
    await rig.engine.discard(wanted)
    assert instances(rig) == [("web.1", release_id(old.sha))]
    assert serving(rig) == {release_id(old.sha)}


@over_every_engine
async def test_a_singleton_never_runs_twice_and_comes_back_when_its_successor_is_discarded(rig: Rig) -> None:
    old, new = await built(rig, "1", WITH_BEAT), await built(rig, "2", WITH_BEAT)

    def beats() -> list[tuple[str, str]]:
        return [item for item in instances(rig) if item[0] == "beat.1"]

    await go_live(rig, candidate(old, "d1"))
    wanted = candidate(new, "d2")
    await rig.engine.start(wanted)
    assert beats() == [("beat.1", release_id(old.sha))]
    await rig.engine.wait_healthy(wanted)
    assert beats() == [("beat.1", release_id(new.sha))]
    await rig.engine.discard(wanted)
    assert beats() == []
    rig.engine.ensure(candidate(old, "d1"))
    await until(lambda: beats() == [("beat.1", release_id(old.sha))])
    assert serving(rig) == {release_id(old.sha)}


@over_every_engine
async def test_a_candidate_may_be_discarded_after_a_switch_that_failed_half_way(rig: Rig) -> None:
    old, new = await built(rig, "1"), await built(rig, "2", Blueprint(processes={"web": 2}))
    await go_live(rig, candidate(old, "d1"))
    wanted = candidate(new, "d2")
    await rig.engine.start(wanted)
    await rig.engine.wait_healthy(wanted)
    await rig.engine.switch(wanted)
    await rig.engine.discard(wanted)
    rig.engine.ensure(candidate(old, "d1"))
    await until(lambda: serving(rig) == {release_id(old.sha)})
    assert instances(rig) == [("web.1", release_id(old.sha))]


# Going back, keeping in line


@over_every_engine
async def test_going_back_to_a_warm_release_starts_nothing_before_the_switch(rig: Rig) -> None:
    made = Blueprint(processes={"web": 1, "worker": 1, "beat": 1}, singletons=frozenset({"beat"}))
    old, new = await built(rig, "1", made), await built(rig, "2", made)
    await go_live(rig, candidate(old, "d1"))
    await go_live(rig, candidate(new, "d2"))
    assert rig.engine.is_warm(APP, release_id(old.sha), 0)
    assert not rig.engine.is_warm(APP, release_id(new.sha), 0)
    back = candidate(old, "d3", is_trusted=True)
    await rig.engine.start(back)
    assert instances(rig, "trial") == [("web.1", release_id(old.sha))]
    await rig.engine.wait_healthy(back)
    await rig.engine.switch(back)
    assert serving(rig) == {release_id(old.sha)}
    await rig.engine.drain(back)
    release = release_id(old.sha)
    await until(lambda: instances(rig) == [("beat.1", release), ("web.1", release), ("worker.1", release)])


@over_every_engine
async def test_what_runs_is_brought_in_line_with_what_is_live(rig: Rig) -> None:
    commit = await built(rig, "1", WITH_BEAT)
    release = release_id(commit.sha)
    for counts, names in (
        ({"web": 2}, ["beat.1", "web.1", "web.2"]),
        ({"web": 2}, ["beat.1", "web.1", "web.2"]),
        ({"web": 1}, ["beat.1", "web.1"]),
    ):
        rig.engine.ensure(candidate(commit, "d1", counts=counts))
        await until(lambda wanted=names: [name for name, _ in instances(rig)] == wanted)  # type: ignore[misc]
        await until(lambda wanted=counts["web"]: len(set(rig.addresses)) == wanted)  # type: ignore[misc]
    assert serving(rig) == {release}


@over_every_engine
async def test_singletons_are_left_alone_while_a_deploy_has_them(rig: Rig) -> None:
    commit = await built(rig, "1", WITH_BEAT)
    rig.engine.ensure(candidate(commit, "d1"), with_singletons=False)
    await until(lambda: serving(rig) == {release_id(commit.sha)})
    assert [name for name, _ in instances(rig)] == ["web.1"]


@over_every_engine
async def test_releases_are_pruned_but_those_named_and_those_that_run(rig: Rig) -> None:
    commits = [await built(rig, str(number), Blueprint(is_kept_warm=False)) for number in range(4)]
    releases = [release_id(commit.sha) for commit in commits]
    await go_live(rig, candidate(commits[0], "d1"))
    gone = await rig.engine.prune(APP, [releases[1]])
    await rig.engine.prune_environments([APP])
    assert sorted(gone) == sorted(releases[2:])
    assert [rig.engine.has_release(APP, release) for release in releases] == [True, True, False, False]
    assert await rig.engine.prune(APP, [releases[1]]) == []
    assert await rig.engine.build(APP, commits[2], "")


async def until(question: Callable[[], bool]) -> None:
    """Let background work go on until it is so; fails after 15 s."""
    async with asyncio.timeout(15):
        while not question():
            await asyncio.sleep(0.01)
