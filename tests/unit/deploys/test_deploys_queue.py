"""Who waits for whom, what is gone back to, what is kept, and what is stopped."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pawl.engines.base import Candidate
from pawl.engines.fake import FakeEngine
from pawl.errors import UsageError
from pawl.ledger.events import AppCreated, AppRemoved, Scaled, SettingsChanged
from pawl.model import Commit, DeployKind, Outcome, release_id
from tests.unit.deploys.deploys_rig import FULL, Rig

PLAIN = replace(FULL, is_kept_warm=False)
UNHEALTHY = replace(PLAIN, fails_at=frozenset({"wait_healthy"}))


def release(name: str) -> str:
    return release_id(Rig().commit(name).sha)


# Waiting


class Gated(FakeEngine):
    """An engine that builds only when it is let."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.gate = asyncio.Event()
        self.building: list[str] = []

    async def build(self, app: str, commit: Commit, path: str) -> bool:
        self.building.append(f"{app} {commit.title}")
        await self.gate.wait()
        return await super().build(app, commit, path)


def gated() -> tuple[Rig, Gated]:
    rig = Rig(Gated)
    assert isinstance(rig.engine, Gated)
    return rig, rig.engine


async def until_building(engine: Gated, count: int) -> None:
    async with asyncio.timeout(10):
        while len(engine.building) < count:
            await asyncio.sleep(0)


def test_the_deploys_of_an_app_run_one_at_a_time_in_the_order_they_were_asked_for() -> None:
    async def scene() -> None:
        rig, engine = gated()
        deploys = [rig.ask(name) for name in ("r1", "r2", "r3")]
        await until_building(engine, 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert engine.building == ["demo r1"]
        assert [rig.view(deploy).status for deploy in deploys] == ["built", "queued", "queued"]
        assert rig.deploys.is_busy("demo")
        engine.gate.set()
        await rig.settle()
        assert engine.building == ["demo r1", "demo r2", "demo r3"]
        ends = [rig.view(deploy).ended_at or "" for deploy in deploys]
        begins = [rig.view(deploy).began_at or "" for deploy in deploys]
        assert ends[0] < begins[1] < ends[1] < begins[2]
        assert not rig.deploys.is_busy("demo")
        rig.assert_good("r3")

    asyncio.run(scene())


def test_the_deploys_of_two_apps_run_side_by_side() -> None:
    async def scene() -> None:
        rig, engine = gated()
        rig.ask("r1", app="demo")
        rig.ask("r2", app="blog")
        await until_building(engine, 2)
        assert sorted(engine.building) == ["blog r2", "demo r1"]
        engine.gate.set()
        await rig.settle()
        assert (rig.live("demo"), rig.live("blog")) == ("r1", "r2")

    asyncio.run(scene())


def test_one_that_fails_does_not_hold_up_the_next() -> None:
    async def scene() -> None:
        rig = Rig()
        deploys = [rig.ask("r1"), rig.ask("r2", UNHEALTHY), rig.ask("r3")]
        await rig.settle()
        assert [rig.view(deploy).outcome for deploy in deploys] == [Outcome.KEPT, Outcome.FAILED, Outcome.KEPT]
        rig.assert_good("r3")

    asyncio.run(scene())


def test_a_change_that_waited_is_what_went_live_with_it_and_not_what_the_one_before_it_brought() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1", PLAIN)
        second, third = rig.ask("r2", PLAIN), rig.ask("r3", PLAIN)
        assert [one.title for one in rig.view(third).commits] == ["r3", "r2"]
        await rig.settle()
        assert [[one.title for one in rig.view(deploy).commits] for deploy in (second, third)] == [["r2"], ["r3"]]
        assert rig.view(third).previous_release == release("r2")
        assert rig.ledger.events(deploy=second, kinds={"change_found"}) == []

        rig.ask("r4", replace(PLAIN, fails_at=frozenset({"build"})))
        fifth = rig.ask("r5", PLAIN)
        await rig.settle()
        assert [one.title for one in rig.view(fifth).commits] == ["r5", "r4"]

    asyncio.run(scene())


def test_what_was_queued_is_done_after_a_stop_in_the_same_order() -> None:
    async def scene() -> None:
        rig, engine = gated()
        deploys = [rig.ask(name) for name in ("r1", "r2")]
        await until_building(engine, 1)
        await rig.deploys.stop()
        late = rig.ask("r3")
        assert [view.id for view in rig.ledger.unfinished()] == [*deploys, late]
        engine.gate.set()
        await rig.die()
        await rig.come_back()
        assert [rig.view(deploy).outcome for deploy in (*deploys, late)] == [Outcome.KEPT] * 3
        rig.assert_good("r3")

    asyncio.run(scene())


def test_a_removed_apps_deploys_are_superseded_and_the_others_go_on() -> None:
    async def scene() -> None:
        rig, engine = gated()
        gone = [rig.ask(name) for name in ("r1", "r2")]
        stays = rig.ask("r3", app="blog")
        await until_building(engine, 2)
        await rig.deploys.cancel("demo", "the app was removed")
        await rig.deploys.cancel("demo", "the app was removed")
        await rig.deploys.cancel("unknown", "the app was removed")
        for deploy in gone:
            view = rig.view(deploy)
            assert (view.outcome, view.reason) == (Outcome.SUPERSEDED, "the app was removed")
        engine.gate.set()
        await rig.settle()
        assert rig.view(stays).outcome is Outcome.KEPT
        assert [line for line in engine.done if line.startswith("built")] == [f"built {release('r3')}"]
        again = await rig.deploy("r1")
        assert again.outcome is Outcome.KEPT

    asyncio.run(scene())


# Going back

# What is done (rN deploys, rN! fails, < goes back, <rN goes back to it), and what is live at the end.
HISTORIES: dict[str, tuple[str, str]] = {
    "to the one before": ("r1 r2 <", "r1"),
    "twice goes further back": ("r1 r2 r3 < <", "r1"),
    "not to one that failed": ("r1 r2! r3 <", "r1"),
    "to what was live before a failure": ("r1 r2 r3! <", "r1"),
    "not to one that was rolled back from": ("r1 r2 < r3 <", "r1"),
    "to the one before when it was live twice": ("r1 r2 r1 <", "r2"),
    "to one by name": ("r1 r2 r3 <r1", "r1"),
    "by name to one that was rolled back from": ("r1 r2 < <r2", "r2"),
    "forward again, and back": ("r1 r2 < r3 r4 < <", "r1"),
}


@pytest.mark.parametrize(("history", "live"), HISTORIES.values(), ids=HISTORIES)
def test_a_rollback_goes(history: str, live: str) -> None:
    async def scene() -> None:
        rig = Rig()
        for step in history.split():
            await act(rig, step)
        rig.assert_good(live)

    asyncio.run(scene())


async def act(rig: Rig, step: str) -> None:
    if step.startswith("<"):
        rig.deploys.roll_back("demo", to=release(step[1:]) if step[1:] else None, asked_by="ada")
        await rig.settle()
    else:
        await rig.deploy(step.rstrip("!"), UNHEALTHY if step.endswith("!") else PLAIN)


# What is done, what is asked for, and what is said.
REFUSED: dict[str, tuple[str, str | None, str]] = {
    "the first": ("r1", None, "no release before this one of 'demo'"),
    "after a failure": ("r1 r2!", None, "no release before this one of 'demo'"),
    "further back than there is": ("r1 r2 <", None, "no release before this one of 'demo'"),
    "one that is unknown": ("r1 r2", "ffffffffffff", "no release 'ffffffffffff' of 'demo'"),
    "one that failed": ("r1 r2! r3", release("r2"), f"no release '{release('r2')}' of 'demo'"),
    "the one that is live": ("r1 r2", release("r2")[:7], f"release '{release('r2')}' of 'demo' is live already"),
    "one that was deleted": ("r1 r2 r3 r4 r5 r6 r7", release("r1"), f"no release '{release('r1')}' of 'demo'"),
}


@pytest.mark.parametrize(("history", "to", "text"), REFUSED.values(), ids=REFUSED)
def test_there_is_no_way_back_to(history: str, to: str | None, text: str) -> None:
    async def scene() -> None:
        rig = Rig()
        for step in history.split():
            await act(rig, step)
        before = rig.live()
        with pytest.raises(UsageError) as caught:
            rig.deploys.roll_back("demo", to=to, asked_by="ada")
        assert caught.value.what.startswith(text)
        assert rig.ledger.unfinished() == []
        assert rig.live() == before

    asyncio.run(scene())


def test_a_name_that_means_two_releases_is_refused() -> None:
    async def scene() -> None:
        rig = Rig()
        alike: dict[str, list[str]] = {}
        for number in range(2000):
            alike.setdefault(release(f"r{number}")[:4], []).append(f"r{number}")
        (prefix, (first, second, *_)), *_ = ((key, names) for key, names in alike.items() if len(names) > 1)
        [live, *_] = next(names for key, names in alike.items() if key[0] != prefix[0])
        for name in (first, second, live):
            await rig.deploy(name, PLAIN)
        with pytest.raises(UsageError, match="names more than one release") as caught:
            rig.deploys.roll_back("demo", to=prefix, asked_by="ada")
        assert caught.value.next_step == "give more digits"
        rig.deploys.roll_back("demo", to=release(first)[:9], asked_by="ada")
        await rig.settle()
        rig.assert_good(first)
        with pytest.raises(UsageError, match="too short for the name of a release"):
            rig.deploys.roll_back("demo", to=release(second)[:3], asked_by="ada")

    asyncio.run(scene())


def test_the_settings_of_then_come_back_with_the_release() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        rig.ledger.append(SettingsChanged(version=4, what="env", by="ada"), app="demo")
        await rig.deploy("r2")
        view = rig.ledger.app("demo")
        assert view is not None
        assert view.live is not None
        assert view.live.settings == 4
        deploy = rig.deploys.roll_back("demo", to=None, asked_by="ada")
        await rig.settle()
        assert rig.view(deploy).settings == 0
        assert rig.view(deploy).kind is DeployKind.ROLLBACK
        assert rig.view(deploy).commit == rig.commit("r1")

    asyncio.run(scene())


def test_going_back_to_what_is_warm_starts_no_web_instance() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        await rig.deploy("r2")
        before = rig.did(f"started web.1 of {release('r1')}")
        await act(rig, "<")
        assert rig.did(f"started web.1 of {release('r1')}") == before == 1
        assert rig.did(f"started worker.1 of {release('r1')}") == 2
        rig.assert_good("r1")

    asyncio.run(scene())


# Renewing


def test_a_restart_renews_what_is_live_when_its_turn_comes() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        rig.ask("r2")
        rig.ledger.append(SettingsChanged(version=3, what="env", by="ada"), app="demo")
        settings = rig.deploys.renew("demo", DeployKind.SETTINGS, asked_by="ada")
        restart = rig.deploys.renew("demo", DeployKind.RESTART, asked_by="ada")
        await rig.settle()
        assert settings is not None
        assert restart is not None
        rig.assert_good("r2")
        view = rig.ledger.app("demo")
        assert view is not None
        assert view.live is not None
        assert (view.live.deploy, view.live.settings, view.live.commit) == (restart, 3, rig.commit("r2").sha)

    asyncio.run(scene())


def test_there_is_nothing_to_renew_before_the_first_deploy() -> None:
    async def scene() -> None:
        rig = Rig()
        rig.ledger.append(AppCreated(), app="demo")
        assert rig.deploys.renew("demo", DeployKind.SETTINGS, asked_by="ada") is None
        with pytest.raises(UsageError, match="no app 'blog'"):
            rig.deploys.renew("blog", DeployKind.RESTART, asked_by="ada")
        with pytest.raises(UsageError, match="no app 'blog'"):
            rig.deploys.roll_back("blog", to=None, asked_by="ada")

    asyncio.run(scene())


def test_as_many_instances_run_after_a_deploy_as_were_asked_for_before() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        rig.ledger.append(Scaled(processes={"web": 3, "worker": 0}), app="demo")
        rig.deploys.ensure("demo")
        names = ["beat.1", "web.1", "web.2", "web.3"]
        assert rig.running() == [f"{name} of r1, live" for name in names]
        await rig.deploy("r2")
        assert rig.running() == [f"{name} of r2, live" for name in names]

    asyncio.run(scene())


# Pruning


def test_the_last_five_releases_that_were_live_are_kept() -> None:
    async def scene() -> None:
        rig = Rig()
        for number in range(1, 5):
            await rig.deploy(f"r{number}", PLAIN)
        await rig.deploy("r5", UNHEALTHY)
        for number in range(6, 9):
            await rig.deploy(f"r{number}", PLAIN)
        there = {
            name for name in (f"r{number}" for number in range(1, 9)) if rig.engine.has_release("demo", release(name))
        }
        assert there == {"r3", "r4", "r6", "r7", "r8"}
        pruned = {item.release for item in rig.ledger.releases("demo") if item.pruned_at}
        assert pruned == {release(name) for name in ("r1", "r2", "r5")}

    asyncio.run(scene())


def test_releases_that_deploys_wait_for_are_not_deleted_under_them() -> None:
    async def scene() -> None:
        rig = Rig()
        for number in range(1, 7):
            await rig.deploy(f"r{number}", PLAIN)
        asked = [rig.ask("r7", PLAIN), rig.deploys.roll_back("demo", to=release("r2"), asked_by="ada")]
        await rig.settle()
        assert [rig.view(deploy).outcome for deploy in asked] == [Outcome.KEPT] * 2
        rig.assert_good("r2")

    asyncio.run(scene())


def test_settings_that_changed_often_do_not_push_releases_out() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1", PLAIN)
        await rig.deploy("r2", PLAIN)
        for version in range(1, 31):
            rig.ledger.append(SettingsChanged(version=version, what="env", by="ada"), app="demo")
            rig.deploys.renew("demo", DeployKind.SETTINGS, asked_by="ada")
            await rig.settle()
        assert rig.engine.has_release("demo", release("r1"))
        await act(rig, "<r1")
        rig.assert_good("r1")

    asyncio.run(scene())


class Unpruned(FakeEngine):
    """An engine that cannot delete."""

    async def prune(self, app: str, keep: object) -> list[str]:
        raise OSError(5, "Input/output error")


def test_a_release_that_cannot_be_deleted_holds_nothing_up() -> None:
    async def scene() -> None:
        rig = Rig(Unpruned)
        deploys = [rig.ask("r1"), rig.ask("r2")]
        await rig.settle()
        assert [rig.view(deploy).outcome for deploy in deploys] == [Outcome.KEPT] * 2

    asyncio.run(scene())


# After a start


def test_what_is_live_is_brought_up_when_pawld_starts_and_removed_apps_are_not() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.deploy("r1")
        await rig.deploy("r2", app="blog")
        rig.ledger.append(AppRemoved(), app="blog")
        rig.reboot()
        await rig.die()
        await rig.come_back()
        rig.assert_good("r1")
        assert rig.running("blog") == []

    asyncio.run(scene())


class Handing(FakeEngine):
    """An engine that never becomes healthy, as when pawld is killed while it hands singletons over."""

    async def wait_healthy(self, candidate: Candidate) -> None:
        if candidate.deploy == "d2":
            await asyncio.Event().wait()
        await super().wait_healthy(candidate)


def test_singletons_that_a_deploy_has_in_hand_are_left_to_it() -> None:
    async def scene() -> None:
        rig = Rig(Handing)
        await rig.deploy("r1")
        rig.ask("r2")
        async with asyncio.timeout(10):
            while rig.view("d2").status != "healthy":
                await asyncio.sleep(0)
        await rig.deploys.stop()
        rig.reboot()
        rig.deploys.ensure("demo")
        assert rig.running() == [f"{name} of r1, live" for name in ("web.1", "web.2", "worker.1")]

    asyncio.run(scene())
