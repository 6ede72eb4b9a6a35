"""A change that somebody keeps by hand: the person wins over what was seen, also when pawld is killed right after."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from pawl.config.schema import Observe
from pawl.deploys.guard import Guard
from pawl.errors import UsageError
from pawl.ledger.events import KeepAsked
from pawl.model import Outcome, Stage
from tests.unit.deploys.deploys_rig import APP, FULL, Rig
from tests.unit.deploys.guard_rig import GOOD, Traffic, guarded, use_guard, verdict

LONG = replace(FULL, observe=Observe(duration_s=600.0))
STEPS = replace(FULL, observe=Observe(duration_s=600.0, canary=(5, 50), canary_step_s=600.0))


def staged(*sick: str) -> tuple[Rig, Traffic, Guard]:
    rig, traffic = guarded(*sick)
    return rig, traffic, use_guard(rig, traffic)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_change_under_watch_is_kept_at_once_and_the_verdict_says_by_whom() -> None:
    async def scene() -> None:
        rig, _, guard = staged()
        await rig.deploy("r1", GOOD)
        deploy = rig.ask("r2", LONG)
        await until(lambda: rig.view(deploy).status == Stage.OBSERVED)
        guard.keep(deploy, by="ada")
        await rig.settle()
        view = rig.view(deploy)
        reached = verdict(rig, view)
        assert (view.outcome, reached.acts) == (Outcome.KEPT, False)
        assert reached.observation.verdict in ("inconclusive", "no data")  # of the first seconds
        assert re.match(r"kept by hand by ada after \d+ s: ", reached.note)
        assert reached.note.endswith(reached.observation.why)
        assert view.reason == reached.note
        rig.assert_good("r2")

    asyncio.run(scene())


def test_a_change_is_kept_also_when_it_is_condemned_at_that_very_look() -> None:
    async def scene() -> None:
        rig, _, guard = staged("r2")
        await rig.deploy("r1", GOOD)
        deploy = rig.ask("r2", LONG)
        rig.at("switched: ended", lambda: guard.keep(deploy, by="ada"))
        await rig.settle()
        view = rig.view(deploy)
        reached = verdict(rig, view)
        assert (view.outcome, reached.acts, reached.observation.verdict) == (Outcome.KEPT, False, "hard fail")
        assert re.fullmatch(r"kept by hand by ada after \d+ s: crash loop: web.1 dies again and again", reached.note)
        rig.assert_good("r2")

    asyncio.run(scene())


def test_the_next_change_is_taken_back_to_one_that_was_kept_by_hand() -> None:
    async def scene() -> None:
        rig, _, guard = staged("r2", "r3")
        await rig.deploy("r1", GOOD)
        deploy = rig.ask("r2", LONG)
        rig.at("switched: ended", lambda: guard.keep(deploy, by="ada"))
        await rig.settle()
        view = await rig.deploy("r3", GOOD)
        assert (view.outcome, verdict(rig, view).acts) == (Outcome.ROLLED_BACK, True)
        rig.assert_good("r2")

    asyncio.run(scene())


def test_a_canary_that_is_kept_goes_on_to_the_switch_and_is_watched_no_longer() -> None:
    async def scene() -> None:
        rig, _, guard = staged()
        await rig.deploy("r1", GOOD)
        deploy = rig.ask("r2", STEPS)
        await until(lambda: f"shared 5 % with {rig.view(deploy).release}" in rig.engine.done)
        guard.keep(deploy, by="ada")
        await rig.settle()
        view = rig.view(deploy)
        reached = verdict(rig, view)
        assert (view.outcome, reached.acts, reached.stage) == (Outcome.KEPT, False, Stage.OBSERVED)
        assert reached.note.startswith("kept by hand by ada after ")
        assert f"shared 50 % with {view.release}" not in rig.engine.done
        rig.assert_good("r2")

    asyncio.run(scene())


def test_a_sick_canary_that_is_kept_goes_live() -> None:
    async def scene() -> None:
        rig, _, guard = staged("r2")
        await rig.deploy("r1", GOOD)
        deploy = rig.ask("r2", STEPS)
        rig.at("canary: begun", lambda: guard.keep(deploy, by="ada"))
        await rig.settle()
        view = rig.view(deploy)
        assert (view.outcome, verdict(rig, view).acts) == (Outcome.KEPT, False)
        rig.assert_good("r2")

    asyncio.run(scene())


@pytest.mark.parametrize("made", [LONG, STEPS], ids=["observed", "canary"])
def test_a_pawld_that_is_killed_right_after_has_not_forgotten_it(made: object) -> None:
    async def scene() -> None:
        rig, traffic, guard = staged("r2")
        await rig.deploy("r1", GOOD)
        deploy = rig.ask("r2", made)  # type: ignore[arg-type]

        def keep_and_die() -> None:
            guard.keep(deploy, by="ada")
            rig.kill_at = 0

        rig.at("canary: begun" if made is STEPS else "drained: begun", keep_and_die)
        await rig.die()
        use_guard(rig, traffic)
        await rig.come_back()
        view = rig.view(deploy)
        reached = verdict(rig, view)
        assert (view.outcome, reached.acts) == (Outcome.KEPT, False)
        assert reached.note.startswith("kept by hand by ada after ")
        rig.assert_good("r2")

    asyncio.run(scene())


def test_to_keep_twice_is_to_keep_once() -> None:
    async def scene() -> None:
        rig, _, guard = staged()
        await rig.deploy("r1", GOOD)
        deploy = rig.ask("r2", LONG)
        await until(lambda: rig.view(deploy).status == Stage.OBSERVED)
        guard.keep(deploy, by="ada")
        guard.keep(deploy, by="grace")
        await rig.settle()
        assert [item.event for item in rig.ledger.events(kinds={"keep_asked"})] == [KeepAsked(by="ada")]

    asyncio.run(scene())


def refused(guard: Guard, deploy: str) -> str:
    with pytest.raises(UsageError) as raised:
        guard.keep(deploy, by="ada")
    assert raised.value.next_step
    return raised.value.what


def test_what_is_not_under_watch_cannot_be_kept() -> None:
    async def scene() -> None:
        rig, _, guard = staged("r2")
        assert refused(guard, "d99") == "no deploy 'd99'"
        first = rig.ask("r1", GOOD)
        said: list[str] = []
        rig.at("built: begun", lambda: said.append(refused(guard, first)))
        rig.at("drained: begun", lambda: said.append(refused(guard, first)))
        await rig.settle()
        second = rig.ask("r2", GOOD)
        rig.at("verdict reached", lambda: said.append(refused(guard, second)))
        await rig.settle()
        restart = rig.deploys.renew(APP, rig.view(first).kind.RESTART, asked_by="ada")
        assert restart
        rig.at("drained: begun", lambda: said.append(refused(guard, restart)))
        await rig.settle()
        assert said == [
            f"deploy '{first}' is not being watched yet: it is at 'built'",
            f"deploy '{first}' is not watched, so there is nothing to decide",
            f"the watch over deploy '{second}' has ended, its verdict is reached",
            f"deploy '{restart}' is not watched, so there is nothing to decide",
        ]
        assert refused(guard, second) == f"deploy '{second}' has ended: rolled back"
        assert rig.ledger.events(kinds={"keep_asked"}) == []

    asyncio.run(scene())


def test_a_canary_that_somebody_goes_back_from_is_not_kept() -> None:
    async def scene() -> None:
        rig, _, guard = staged()
        await rig.deploy("r1", GOOD)
        deploy = rig.ask("r2", STEPS)
        await until(lambda: f"shared 5 % with {rig.view(deploy).release}" in rig.engine.done)
        rig.deploys.roll_back(APP, to=None, asked_by="grace")
        assert refused(guard, deploy) == f"the watch over deploy '{deploy}' has ended, its verdict is reached"
        await rig.settle()
        assert rig.view(deploy).outcome is Outcome.ROLLED_BACK

    asyncio.run(scene())
