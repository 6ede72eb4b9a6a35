"""Paths that a release is asked for after the switch: what fails takes the change back, unless it failed before."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pawl.config.schema import Observe
from pawl.deploys import observing, precedents
from pawl.deploys.board import Board
from pawl.deploys.guard import Guard
from pawl.engines.base import Asked, Candidate
from pawl.engines.fake import Blueprint
from pawl.ledger.events import RestoredWatched
from pawl.ledger.records import DeployView
from pawl.model import Outcome, Stage
from tests.unit.deploys.deploys_rig import Rig
from tests.unit.deploys.guard_rig import GOOD, guarded, use_guard, verdict

PATH = "/smoketest/"
CHECKED = replace(GOOD, checks=(PATH,))
BROKEN = replace(CHECKED, fails_checks=frozenset({PATH}))
TOLD = f"HTTP 503 at {PATH}, expected 200 to 399"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "_CHECK_AGAIN_S", 0.0)


def deployed(*made: Blueprint, is_idle: bool = False) -> tuple[Rig, DeployView]:
    """Changes that go live one after the other; the last deploy, once all is quiet."""

    async def scene() -> tuple[Rig, DeployView]:
        rig, traffic = guarded()
        traffic.is_idle = is_idle
        for number, one in enumerate(made, 1):
            view = await rig.deploy(f"r{number}", one)
        await rig.settle()
        return rig, rig.view(view.id)

    return asyncio.run(scene())


@pytest.mark.parametrize("is_idle", [False, True], ids=["busy", "no traffic"])
def test_a_change_that_passes_is_kept_and_the_verdict_has_the_answer(is_idle: bool) -> None:
    rig, view = deployed(GOOD, CHECKED, is_idle=is_idle)
    (check,) = verdict(rig, view).observation.checks
    assert (check.path, check.is_good, check.why) == (PATH, True, "HTTP 200")
    assert view.outcome is Outcome.KEPT
    assert rig.engine.done.count(f"asked {view.release} for {PATH}") == 1


@pytest.mark.parametrize("is_idle", [False, True], ids=["busy", "no traffic"])
def test_a_change_that_fails_three_times_is_taken_back(is_idle: bool) -> None:
    rig, view = deployed(CHECKED, BROKEN, is_idle=is_idle)
    reached = verdict(rig, view)
    assert (view.outcome, reached.acts, reached.observation.verdict) == (Outcome.ROLLED_BACK, True, "hard fail")
    assert reached.observation.why == f"check failed: {TOLD}"
    (check,) = reached.observation.checks
    assert (check.is_good, check.fails_before, check.why) == (False, False, TOLD)
    assert precedents.failed_checks(rig.ledger, view) == (PATH,)
    assert rig.engine.done.count(f"asked {view.release} for {PATH}") == 3
    rig.assert_good("r1")


def test_what_fails_in_the_release_before_as_well_is_said_and_takes_nothing_back() -> None:
    rig, view = deployed(replace(GOOD, fails_checks=frozenset({PATH})), BROKEN)
    reached = verdict(rig, view)
    assert (view.outcome, reached.acts) == (Outcome.KEPT, False)
    assert reached.observation.warnings == (f"a check fails, as it does in the release before: {TOLD}",)
    (check,) = reached.observation.checks
    assert (check.is_good, check.fails_before) == (False, True)
    assert precedents.failed_checks(rig.ledger, view) == (), "what is restored for another reason is not asked for it"


def test_where_the_release_before_could_not_be_asked_it_is_once_it_is_restored() -> None:
    async def scene() -> None:
        rig, _ = guarded()
        await rig.deploy("r1", replace(BROKEN, checks=()))
        view = await rig.deploy("r2", replace(BROKEN, is_kept_warm=False))
        assert view.outcome is Outcome.ROLLED_BACK
        async with asyncio.timeout(20):
            while not (found := rig.ledger.events(deploy=view.id, kinds={"restored_watched"})):
                await asyncio.sleep(0.01)
        (event,) = [item.event for item in found]
        assert isinstance(event, RestoredWatched)
        assert event.is_cause_elsewhere

    asyncio.run(scene())


def test_the_first_change_has_no_way_back_so_what_it_fails_is_said() -> None:
    _, view = deployed(BROKEN)
    assert view.outcome is Outcome.KEPT
    detail = next(stage.detail for stage in view.stages if stage.stage is Stage.OBSERVED)
    assert detail == f"nothing was live before; check failed: {TOLD}"


def test_every_path_is_asked_and_the_first_that_fails_is_told() -> None:
    paths = ("/one", "/two", "/three")
    rig, view = deployed(GOOD, replace(GOOD, checks=paths, fails_checks=frozenset(paths[1:])))
    seen = verdict(rig, view).observation
    assert seen.why == "check failed: HTTP 503 at /two, expected 200 to 399"
    assert [one.path for one in seen.checks][:2] == ["/one", "/two"]


def test_a_change_that_somebody_keeps_is_kept_whatever_its_checks_say() -> None:
    async def scene() -> None:
        rig, traffic = guarded()
        guard = use_guard(rig, traffic)
        await rig.deploy("r1", CHECKED)
        deploy = rig.ask("r2", BROKEN)
        rig.at("switched: ended", lambda: guard.keep(deploy, by="ada"))
        await rig.settle()
        assert rig.view(deploy).outcome is Outcome.KEPT

    asyncio.run(scene())


def test_a_deploy_that_waits_cuts_the_watch_short_only_once_the_checks_have_answered() -> None:
    async def scene() -> None:
        rig, traffic = guarded()
        board = Board()
        rig.use(Guard(rig.ledger, rig.engine, traffic, board, look_every_s=0.01))
        await rig.deploy("r1", CHECKED)
        check, may_answer = rig.engine.check, asyncio.Event()

        async def slow(candidate: Candidate, path: str) -> Asked | None:
            await may_answer.wait()
            return await check(candidate, path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rig.engine, "check", slow)
            traffic.per_s = 500  # so that it is soon shown to be good
            deploy = rig.ask("r2", replace(BROKEN, observe=Observe(duration_s=90.0)))
            rig.ask("r3", CHECKED)
            async with asyncio.timeout(60):
                while not (seen := board.latest(deploy)) or seen[1].verdict != "keep":
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert rig.view(deploy).outcome is None
            may_answer.set()
            traffic.is_idle = True
            await rig.settle()
        assert rig.view(deploy).outcome is Outcome.ROLLED_BACK

    asyncio.run(scene())


def test_a_check_that_cannot_be_made_is_said_and_takes_nothing_back() -> None:
    async def scene() -> None:
        rig, traffic = guarded()
        traffic.is_idle = True
        await rig.deploy("r1", CHECKED)

        async def fail(candidate: Candidate, path: str) -> Asked | None:
            raise RuntimeError("no such thing")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rig.engine, "check", fail)
            view = await rig.deploy("r2", CHECKED)
        assert view.outcome is Outcome.KEPT
        assert verdict(rig, view).observation.warnings == (f"a check could not be made: {PATH}: no such thing",)

    asyncio.run(scene())


def test_the_next_pawld_asks_again() -> None:
    async def scene() -> None:
        rig, traffic = guarded()
        await rig.deploy("r1", CHECKED)
        deploy = rig.ask("r2", BROKEN)

        def die() -> None:
            rig.kill_at = 0

        rig.at("drained: begun", die)
        await rig.die()
        use_guard(rig, traffic)
        await rig.come_back()
        await rig.settle()
        view = rig.view(deploy)
        assert view.outcome is Outcome.ROLLED_BACK
        assert verdict(rig, view).observation.why == f"check failed: {TOLD}"

    asyncio.run(scene())
