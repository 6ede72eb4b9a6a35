"""What is done about what was seen: which changes are taken back, which are not and why, and what is not watched."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pawl.config.schema import Observe
from pawl.engines.base import MigrationPlan
from pawl.engines.fake import Blueprint
from pawl.ledger.events import CrashLoop, MemoryExceeded
from pawl.model import Outcome, release_id
from tests.unit.deploys.deploys_rig import APP, FULL
from tests.unit.deploys.guard_rig import GOOD, guarded, verdict


def test_a_sick_change_is_taken_back_and_what_was_restored_is_watched() -> None:
    async def scene() -> None:
        rig, _ = guarded("r2")
        await rig.deploy("r1", GOOD)
        view = await rig.deploy("r2", GOOD)
        assert (view.outcome, verdict(rig, view).acts) == (Outcome.ROLLED_BACK, True)
        assert verdict(rig, view).observation.why == "crash loop: web.1 dies again and again"
        rig.assert_good("r1")

    asyncio.run(scene())


def test_what_was_restored_and_is_as_bad_tells_that_the_cause_was_elsewhere() -> None:
    async def scene() -> None:
        rig, _ = guarded("r1", "r2")
        await rig.deploy("r1", GOOD)
        view = await rig.deploy("r2", GOOD)
        async with asyncio.timeout(10):
            while not (found := rig.ledger.events(deploy=view.id, kinds={"restored_watched"})):
                await asyncio.sleep(0.01)
        assert getattr(found[0].event, "is_cause_elsewhere", None) is True

    asyncio.run(scene())


def mode(name: str) -> Blueprint:
    return replace(FULL, observe=Observe(mode=name, duration_s=10.0))  # type: ignore[arg-type]


PLAN = MigrationPlan(pending=("a.0002",), destructive=("a.0002 removes the field A.b",))
NOT_TAKEN_BACK: dict[str, tuple[Blueprint, str]] = {
    "only looked at": (mode("observe"), 'mode = "observe": what is seen is said, and nothing done'),
    "left to a person": (mode("ask"), 'mode = "ask": to take it back: pawl rollback demo'),
    "past a migration": (
        replace(GOOD, migrations=PLAN), "its migrations cannot be gone back past: a.0002 removes the field A.b",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("made", "note"), NOT_TAKEN_BACK.values(), ids=NOT_TAKEN_BACK)
def test_a_sick_change_may_stay_and_says_why(made: Blueprint, note: str) -> None:
    async def scene() -> None:
        rig, _ = guarded("r2")
        await rig.deploy("r1", GOOD)
        view = await rig.deploy("r2", made)
        assert (view.outcome, view.reason) == (Outcome.KEPT, note)
        assert verdict(rig, view).observation.verdict == "hard fail"
        rig.assert_good("r2")

    asyncio.run(scene())


def test_a_change_that_was_taken_back_once_and_is_deployed_again_stays() -> None:
    async def scene() -> None:
        rig, _ = guarded("r2")
        await rig.deploy("r1", GOOD)
        first = await rig.deploy("r2", GOOD)
        again = await rig.deploy("r2", GOOD)
        assert again.outcome is Outcome.KEPT
        assert again.reason == (
            f"it was taken back once already, by deploy {first.id}, and somebody has deployed it again"
        )
        rig.assert_good("r2")

    asyncio.run(scene())


def test_no_change_is_taken_back_to_a_release_that_failed_its_own_watch() -> None:
    async def scene() -> None:
        rig, _ = guarded("r2", "r3")
        await rig.deploy("r1", GOOD)
        await rig.deploy("r2", mode("observe"))
        view = await rig.deploy("r3", GOOD)
        assert view.outcome is Outcome.KEPT
        assert view.reason.endswith("the one before, failed its own watch")

    asyncio.run(scene())


def test_a_process_type_that_died_again_and_again_before_condemns_nothing() -> None:
    async def scene() -> None:
        rig, traffic = guarded("r2")
        await rig.deploy("r1", GOOD)
        old = release_id(rig.commit("r1").sha)
        rig.ledger.append(CrashLoop(process="web", instance="web.1", release=old, restarts=9, within_s=60.0), app=APP)
        traffic.is_idle = True  # nothing else to see, so it ends at once
        view = await rig.deploy("r2", GOOD)
        assert (view.outcome, verdict(rig, view).observation.verdict) == (Outcome.KEPT, "inconclusive")

    asyncio.run(scene())


@pytest.mark.parametrize("grew_before", [False, True])
def test_memory_condemns_where_the_releases_before_kept_within_it(*, grew_before: bool) -> None:
    async def scene() -> None:
        rig, _ = guarded()
        await rig.deploy("r1", GOOD)

        def grow(name: str) -> None:
            rig.ledger.append(
                MemoryExceeded(
                    process="web", instance="web.1", release=release_id(rig.commit(name).sha), rss_bytes=310_000_000,
                    limit_bytes=300_000_000,
                ),
                app=APP,
            )  # fmt: skip

        if grew_before:
            grow("r1")
        rig.at("switched: ended", lambda: grow("r2"))
        deploy = rig.ask("r2", replace(GOOD, observe=Observe(duration_s=0.3)))
        await rig.settle()
        view = rig.view(deploy)
        seen = verdict(rig, view).observation
        if grew_before:
            assert view.outcome is Outcome.KEPT
        else:
            assert (view.outcome, seen.why) == (
                Outcome.ROLLED_BACK, "memory: web.1 grew to 310 MB, its limit is 300 MB",
            )  # fmt: skip

    asyncio.run(scene())


def test_without_traffic_the_watch_ends_at_once_and_says_so() -> None:
    async def scene() -> None:
        rig, traffic = guarded()
        traffic.is_idle = True
        first = await rig.deploy("r1", GOOD)
        assert rig.ledger.events(deploy=first.id, kinds={"verdict_reached"}) == []
        view = await rig.deploy("r2", GOOD)
        seen = verdict(rig, view).observation
        assert (view.outcome, seen.verdict) == (Outcome.KEPT, "inconclusive")
        assert seen.why == "no requests before this change to compare with"

    asyncio.run(scene())


def test_a_canary_that_somebody_goes_back_from_never_goes_live() -> None:
    async def scene() -> None:
        rig, _ = guarded()
        await rig.deploy("r1", GOOD)
        steps = replace(FULL, observe=Observe(canary=(5, 50), canary_step_s=60.0))
        deploy = rig.ask("r2", steps)
        async with asyncio.timeout(10):
            while f"shared 5 % with {rig.view(deploy).release}" not in rig.engine.done:
                await asyncio.sleep(0.01)
        assert rig.deploys.roll_back(APP, to=None, asked_by="ada") == deploy
        await rig.settle()
        view = rig.view(deploy)
        assert (view.outcome, view.switched_at) == (Outcome.ROLLED_BACK, None)
        assert "withdrawn by hand" in view.reason
        rig.assert_good("r1")

    asyncio.run(scene())
