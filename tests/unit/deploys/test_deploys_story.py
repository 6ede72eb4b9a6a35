"""The story of a deploy: what is written when, what comes of a failure, and how it goes on after a kill."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from pawl.engines.base import Candidate
from pawl.engines.fake import Blueprint, FakeEngine
from pawl.errors import StageFailed, UsageError
from pawl.ledger.events import DeployEnded, StageBegan, StageEnded, TaskBegan, TaskEnded, VerdictReached
from pawl.ledger.observations import Observation
from pawl.ledger.records import DeployView, Recorded
from pawl.model import DeployKind, Outcome, Stage, release_id
from tests.unit.deploys.deploys_rig import FULL, Killed, Rig

BUILDING = [Stage.FETCHED, Stage.BUILT, Stage.TESTED, Stage.TASKS_DONE]
GOING_LIVE = [Stage.STARTED, Stage.HEALTHY, Stage.SWITCHED, Stage.DRAINED, Stage.OBSERVED]


def failing(*steps: str) -> Blueprint:
    """What fails at these steps, and is complete otherwise."""
    return replace(FULL, fails_at=frozenset(steps))


# A good deploy


def test_every_stage_is_written_before_it_begins_and_after_it_has_ended() -> None:
    async def scene() -> None:
        rig = Rig()
        view = await rig.deploy("r1")
        assert (view.outcome, view.reason, view.failed_stage) == (Outcome.KEPT, "", None)
        assert [stage.stage for stage in view.stages] == BUILDING + GOING_LIVE
        kinds = [(item.kind, getattr(item.event, "stage", "")) for item in rig.ledger.events(deploy=view.id)]
        assert kinds == [
            ("deploy_queued", ""),
            ("stage_began", "fetched"), ("stage_ended", "fetched"),
            ("stage_began", "built"), ("release_built", ""), ("stage_ended", "built"),
            ("stage_began", "tested"), ("stage_ended", "tested"),
            ("stage_began", "tasks done"),
            ("task_began", ""), ("task_ended", ""), ("task_began", ""), ("task_ended", ""),
            ("stage_ended", "tasks done"),
            ("stage_began", "started"), ("stage_ended", "started"),
            ("stage_began", "healthy"), ("stage_ended", "healthy"),
            ("stage_began", "switched"), ("switched", ""), ("stage_ended", "switched"),
            ("stage_began", "drained"), ("stage_ended", "drained"),
            ("stage_began", "observed"), ("stage_ended", "observed"),
            ("deploy_ended", ""),
        ]  # fmt: skip
        rig.assert_good("r1")

    asyncio.run(scene())


def test_the_stages_say_what_a_person_may_want_to_know() -> None:
    async def scene() -> None:
        rig = Rig()
        first = await rig.deploy("r1")
        again = await rig.deploy("r1")

        def details(view: DeployView) -> dict[Stage, str]:
            return {stage.stage: stage.detail for stage in view.stages if stage.detail}

        release = first.release
        assert details(first) == {
            Stage.FETCHED: release, Stage.BUILT: "new", Stage.TESTED: "passed", Stage.TASKS_DONE: "2 tasks",
            Stage.OBSERVED: "not watched",
        }  # fmt: skip
        assert details(again)[Stage.BUILT] == "reused"
        assert details(again)[Stage.TESTED] == "nothing to run"
        plain = await rig.deploy("r2", replace(FULL, tasks=()))
        assert details(plain)[Stage.TASKS_DONE] == "none"

    asyncio.run(scene())


def test_going_back_and_restarting_build_nothing_and_run_no_task() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        await rig.deploy("r2")
        before = len([line for line in rig.engine.done if not line.startswith("started")])
        for kind in (DeployKind.ROLLBACK, DeployKind.RESTART):
            if kind is DeployKind.ROLLBACK:
                deploy: str | None = rig.deploys.roll_back("demo", to=None, asked_by="ada")
            else:
                deploy = rig.deploys.renew("demo", kind, asked_by="ada")
            await rig.settle()
            assert deploy is not None
            assert [stage.stage for stage in rig.view(deploy).stages] == GOING_LIVE
            rig.assert_good("r1")
        assert len([line for line in rig.engine.done if not line.startswith("started")]) == before

    asyncio.run(scene())


# A failure

FAILURES = {
    "the build": ("build", Stage.BUILT),
    "the tests": ("test", Stage.TESTED),
    "a release task": ("run_task", Stage.TASKS_DONE),
    "the start": ("start", Stage.STARTED),
    "the health check": ("wait_healthy", Stage.HEALTHY),
    "the switch": ("switch", Stage.SWITCHED),
}


@pytest.mark.parametrize(("step", "stage"), FAILURES.values(), ids=FAILURES)
def test_whatever_fails_before_the_switch_the_old_release_goes_on(step: str, stage: Stage) -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        view = await rig.deploy("r2", failing(step))
        assert (view.outcome, view.failed_stage) == (Outcome.FAILED, stage)
        assert view.reason == f"release '{view.release}' fails at {step}"
        assert [one.stage for one in view.stages if one.ended_at is None] == [stage]
        rig.assert_good("r1")
        assert (await rig.deploy("r3")).outcome is Outcome.KEPT
        rig.assert_good("r3")

    asyncio.run(scene())


@pytest.mark.parametrize(("step", "stage"), FAILURES.values(), ids=FAILURES)
def test_a_first_deploy_that_fails_leaves_nothing_running(step: str, stage: Stage) -> None:
    async def scene() -> None:
        rig = Rig()
        view = await rig.deploy("r1", failing(step))
        assert (view.outcome, view.failed_stage, rig.live()) == (Outcome.FAILED, stage, None)
        assert rig.running() == []

    asyncio.run(scene())


def test_from_the_switch_on_a_deploy_only_goes_forward() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        view = await rig.deploy("r2", failing("drain"))
        assert (view.outcome, view.failed_stage) == (Outcome.KEPT, None)
        assert view.reason == f"release '{view.release}' fails at drain"
        rig.assert_good("r2")

    asyncio.run(scene())


def test_a_proxy_that_does_not_take_the_names_fails_the_deploy_before_traffic_moves() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        rig.fault_in_proxy = StageFailed("Caddy refuses", why="no certificate", next_step="mend", detail="line 1")
        view = await rig.deploy("r2")
        assert (view.outcome, view.failed_stage) == (Outcome.FAILED, Stage.SWITCHED)
        end = rig.ledger.events(deploy=view.id, newest_first=True)[0].event
        assert isinstance(end, DeployEnded)
        assert (end.reason, end.next_step, end.detail) == ("Caddy refuses: no certificate", "mend", "line 1")
        rig.assert_good("r1")

    asyncio.run(scene())


class Breaking(FakeEngine):
    """An engine whose start breaks in a way that no engine should."""

    error: BaseException

    async def start(self, candidate: Candidate) -> None:
        if self.done[-1].startswith("ran compress") and len(self._instances.get(candidate.app, {})) > 0:
            raise self.error
        await super().start(candidate)


FOREIGN: dict[str, tuple[BaseException, str]] = {
    "a full disk": (OSError(errno.ENOSPC, "No space left on device", "/srv/x"), "the disk is full: No space left"),
    "a full quota": (OSError(errno.EDQUOT, "Quota exceeded"), "the disk is full: Quota exceeded"),
    "no memory": (OSError(errno.ENOMEM, "Cannot allocate memory"), "the machine refused: Cannot allocate memory"),
    "a mistake of Pawl's": (KeyError("web"), "pawld failed: KeyError: 'web'"),
    "a refusal": (UsageError("there is no such release"), "there is no such release"),
}


@pytest.mark.parametrize(("error", "reason"), FOREIGN.values(), ids=FOREIGN)
def test_errors_that_are_not_pawls_fail_the_deploy_in_words(error: BaseException, reason: str) -> None:
    async def scene() -> None:
        rig = Rig(Breaking)
        assert isinstance(rig.engine, Breaking)
        rig.engine.error = error
        await rig.deploy("r1")
        view = await rig.deploy("r2")
        assert (view.outcome, view.failed_stage) == (Outcome.FAILED, Stage.STARTED)
        assert view.reason.startswith(reason)
        rig.assert_good("r1")

    asyncio.run(scene())


# A verdict


def test_a_change_that_is_taken_back_says_why_and_where_its_requests_are() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        view = rig.view(watched(rig, "roll back", acts=True))
        await rig.settle()
        view = rig.view(view.id)
        assert (view.outcome, view.failed_stage) == (Outcome.ROLLED_BACK, None)
        assert view.reason == "roll back after 17 s: 20 % of the requests fail"
        kinds = [item.kind for item in rig.ledger.events(deploy=view.id)]
        assert kinds[-6:] == [
            "stage_ended", "stage_began", "verdict_reached", "stage_ended", "switched_back", "deploy_ended",
        ]  # fmt: skip
        rig.assert_good("r1")
        app = rig.ledger.app("demo")
        assert app is not None
        assert app.previous == ()  # what was taken back is nothing to go back to
        assert not [item for item in rig.engine.views("demo") if item.role == "warm"]

    asyncio.run(scene())


def test_a_verdict_that_does_not_act_leaves_the_change_live_and_says_why() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        seen = Observation(verdict="roll back", why="slower", elapsed_s=60.0, duration_s=300.0)
        rig.guard.verdict = VerdictReached(observation=seen, acts=False, note='mode = "ask"')
        view = await rig.deploy("r2")
        assert (view.outcome, view.reason) == (Outcome.KEPT, 'mode = "ask"')
        rig.assert_good("r2")

    asyncio.run(scene())


def test_a_canary_that_is_withdrawn_never_was_live() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        deploy = watched(rig, "hard fail", acts=True, stage=Stage.CANARY)
        await rig.settle()
        view = rig.view(deploy)
        assert (view.outcome, view.switched_at) == (Outcome.ROLLED_BACK, None)
        assert view.reason == "hard fail as a canary: 20 % of the requests fail"
        assert f"shared 0 % with {view.release}" in rig.engine.done
        rig.assert_good("r1")

    asyncio.run(scene())


def test_what_was_live_and_does_not_come_up_again_leaves_the_change_live() -> None:
    async def scene() -> None:
        rig = Rig()
        made = replace(FULL, is_kept_warm=False)
        await rig.deploy("r1")
        deploy = watched(rig, "roll back", acts=True, made=made)
        rig.break_later("r1", "wait_healthy")
        await rig.settle()
        view = rig.view(deploy)
        assert view.outcome is Outcome.KEPT
        assert "fails at wait_healthy" in view.reason
        rig.assert_good("r2")

    asyncio.run(scene())


class Clinging(FakeEngine):
    """An engine that cannot end what it has started."""

    async def discard(self, candidate: Candidate) -> None:
        raise OSError(errno.EIO, "Input/output error")


def test_a_candidate_that_cannot_be_discarded_does_not_keep_the_deploy_from_ending() -> None:
    async def scene() -> None:
        rig = Rig(Clinging)
        await rig.deploy("r1")
        view = await rig.deploy("r2", failing("wait_healthy"))
        assert view.outcome is Outcome.FAILED
        assert rig.serving() == {"r1"}

    asyncio.run(scene())


# A kill

Ask = Callable[[Rig], object]
HISTORIES: dict[str, tuple[Ask, str]] = {
    "a good deploy": (lambda rig: rig.ask("r2"), "r2"),
    "a deploy that is not healthy": (lambda rig: rig.ask("r2", failing("wait_healthy")), "r1"),
    "a deploy whose switch fails": (lambda rig: rig.ask("r2", failing("switch")), "r1"),
    "a deploy whose task fails": (lambda rig: rig.ask("r2", failing("run_task")), "r1"),
    "a rollback to what is warm": (lambda rig: rig.deploys.roll_back("demo", to=None, asked_by="ada"), "r0"),
    "a restart": (lambda rig: rig.deploys.renew("demo", DeployKind.RESTART, asked_by="ada"), "r1"),
    "a change that is watched and kept": (lambda rig: watched(rig, "keep", acts=False), "r2"),
    "a change that is taken back": (lambda rig: watched(rig, "roll back", acts=True), "r1"),
    "a change that is taken back to what is cold": (
        lambda rig: watched(rig, "roll back", acts=True, made=replace(FULL, is_kept_warm=False)), "r1",
    ),
    "a canary that is withdrawn": (lambda rig: watched(rig, "roll back", acts=True, stage=Stage.CANARY), "r1"),
    "a canary that goes on": (lambda rig: watched(rig, "keep", acts=False, stage=Stage.CANARY), "r2"),
}  # fmt: skip


def watched(rig: Rig, verdict: str, *, acts: bool, made: Blueprint = FULL, stage: Stage = Stage.OBSERVED) -> str:
    """Ask for a deploy of r2 of which the guard will say this."""
    seen = Observation(verdict=verdict, why="20 % of the requests fail", elapsed_s=17.2, duration_s=300.0)
    reached = VerdictReached(observation=seen, acts=acts, stage=stage)
    if stage is Stage.CANARY:
        rig.guard.has_steps = True
        rig.guard.canary_verdict = reached if acts else None
    else:
        rig.guard.verdict = reached
    return rig.ask("r2", made)


async def begun(ask: Ask) -> Rig:
    """Two releases have been live, and something is asked for; it has not begun."""
    rig = Rig()
    await rig.deploy("r0")
    await rig.deploy("r1")
    rig.points.clear()
    ask(rig)
    return rig


async def killed(ask: Ask, kill: Callable[[Rig], None]) -> Rig:
    rig = await begun(ask)
    kill(rig)
    await rig.die()
    return rig


def fault_points(ask: Ask) -> int:
    async def scene() -> int:
        rig = await begun(ask)
        await rig.settle()
        return len(rig.points)

    return asyncio.run(scene())


def events_of(ask: Ask) -> int:
    async def scene() -> int:
        rig = await begun(ask)
        await rig.settle()
        return len(rig.ledger.events(deploy="d3"))

    return asyncio.run(scene())


@pytest.mark.parametrize("reboots", [False, True], ids=["pawld alone", "the whole machine"])
@pytest.mark.parametrize(("ask", "live"), HISTORIES.values(), ids=HISTORIES)
def test_a_deploy_that_is_killed_at_any_point_ends_as_it_would_have(ask: Ask, live: str, *, reboots: bool) -> None:
    async def scene(point: int) -> None:
        def kill(rig: Rig) -> None:
            rig.kill_at = point

        rig = await killed(ask, kill)
        assert rig.kill_at is None
        if reboots:
            rig.reboot()
        await rig.come_back()
        rig.assert_good(live)
        assert_each_effect_once(rig)

    for point in range(fault_points(ask)):
        asyncio.run(scene(point))


@pytest.mark.parametrize("reboots", [False, True], ids=["pawld alone", "the whole machine"])
@pytest.mark.parametrize(("ask", "live"), HISTORIES.values(), ids=HISTORIES)
def test_a_deploy_that_is_killed_after_any_of_its_events_ends_as_it_would_have(
    ask: Ask, live: str, *, reboots: bool
) -> None:
    async def scene(events: int) -> None:
        def kill(rig: Rig) -> None:
            left = [events - 1]  # it is queued already

            def follower(recorded: Recorded) -> None:
                if recorded.deploy == "d3":
                    left[0] -= 1
                    if left[0] == 0:
                        leave()
                        raise Killed(recorded.kind)

            leave = rig.ledger.subscribe(follower)

        rig = await killed(ask, kill)
        if reboots:
            rig.reboot()
        await rig.come_back()
        rig.assert_good(live)
        assert_each_effect_once(rig)

    for events in range(2, events_of(ask) + 1):
        asyncio.run(scene(events))


@pytest.mark.parametrize(("ask", "live"), HISTORIES.values(), ids=HISTORIES)
def test_a_deploy_that_is_killed_twice_ends_as_it_would_have(ask: Ask, live: str) -> None:
    async def scene(first: int, second: int) -> None:
        def kill(rig: Rig) -> None:
            rig.kill_at = first

        rig = await killed(ask, kill)
        rig.points.clear()
        rig.kill_at = second
        rig.deploys.resume()
        await rig.die()
        rig.kill_at = None
        await rig.come_back()
        rig.assert_good(live)
        assert_each_effect_once(rig)

    points = fault_points(ask)
    for first in range(0, points, 2):
        for second in range(0, points - first, 3):
            asyncio.run(scene(first, second))


def assert_each_effect_once(rig: Rig) -> None:
    """Nothing was built, tested or run twice, and the deploy has one end."""
    for release in {view.release for view in rig.ledger.deploys()}:
        assert rig.did(f"built {release}") <= 1
        assert rig.did(f"tested {release}") <= 1
    deploys = [view for view in rig.ledger.deploys() if view.kind is DeployKind.DEPLOY]
    for task in FULL.tasks:
        assert rig.did(f"ran {task}") <= len(deploys)
    for view in rig.ledger.deploys():
        ends = [item for item in rig.ledger.events(deploy=view.id) if isinstance(item.event, DeployEnded)]
        switches = [item for item in rig.ledger.events(deploy=view.id) if item.kind == "switched"]
        back = [item for item in rig.ledger.events(deploy=view.id) if item.kind == "switched_back"]
        is_taken_back = rig.guard.verdict is not None and view.outcome is Outcome.ROLLED_BACK
        assert (len(ends), len(back)) == (1, int(is_taken_back))
        assert len(switches) == int(view.outcome is Outcome.KEPT or is_taken_back)


AGAIN = {"switched: before": [Stage.STARTED, Stage.HEALTHY], "tasks done: begun": [Stage.TASKS_DONE]}


@pytest.mark.parametrize(("point", "again"), AGAIN.items())
def test_stages_that_ended_before_the_kill_are_not_begun_again_but_those_of_instances(
    point: str, again: list[Stage]
) -> None:
    """An instance may have died with the machine."""

    async def points() -> list[str]:
        rig = await begun(lambda rig: rig.ask("r2"))
        await rig.settle()
        return rig.points

    async def scene(kill_at: int) -> None:
        def kill(rig: Rig) -> None:
            rig.kill_at = kill_at

        rig = await killed(lambda rig: rig.ask("r2"), kill)
        await rig.come_back()
        events = [item.event for item in rig.ledger.events(deploy="d3")]
        begun = Counter(event.stage for event in events if isinstance(event, StageBegan))
        assert [stage for stage, times in begun.items() if times > 1] == again

    asyncio.run(scene(asyncio.run(points()).index(point)))


def test_a_task_that_ended_before_the_kill_is_not_begun_again() -> None:
    async def scene() -> None:
        def kill(rig: Rig) -> None:
            def follower(recorded: Recorded) -> None:
                if recorded.deploy == "d3" and isinstance(recorded.event, TaskEnded):
                    leave()
                    raise Killed

            leave = rig.ledger.subscribe(follower)

        rig = await killed(lambda rig: rig.ask("r2"), kill)
        await rig.come_back()
        tasks = [item.event.index for item in rig.ledger.events(deploy="d3") if isinstance(item.event, TaskBegan)]
        assert tasks == [0, 1]

    asyncio.run(scene())


# A ledger that cannot be written


@pytest.mark.parametrize(("ask", "live"), HISTORIES.values(), ids=HISTORIES)
def test_a_ledger_that_is_full_for_a_moment_never_disagrees_with_what_serves(ask: Ask, live: str) -> None:
    async def scene(appends: int) -> None:
        rig = await begun(ask)
        rig.ledger.fails_after = appends
        await rig.settle()
        assert rig.ledger.fails_after is None
        assert rig.live() in (live, "r1")
        rig.assert_good(rig.live() or "")

    for appends in range(appends_of(ask)):
        asyncio.run(scene(appends))


def appends_of(ask: Ask) -> int:
    """How often the deploy is written down: the switch and its end go together."""

    async def scene() -> int:
        rig = await begun(ask)
        rig.ledger.fails_after = 1000
        await rig.settle()
        left = rig.ledger.fails_after
        assert left is not None
        return 1000 - left

    return asyncio.run(scene())


def test_durations_and_the_release_are_written_with_the_stages() -> None:
    async def scene() -> None:
        rig = Rig()
        view = await rig.deploy("r1")
        ended = [item.event for item in rig.ledger.events(deploy=view.id) if isinstance(item.event, StageEnded)]
        assert all(event.duration_s >= 0 for event in ended)
        built = rig.ledger.releases("demo")
        assert [item.release for item in built] == [release_id(rig.commit("r1").sha)]
        assert view.duration_s is not None

    asyncio.run(scene())
