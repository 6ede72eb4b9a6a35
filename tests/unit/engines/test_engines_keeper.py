"""What happens to instances by themselves."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.engines.process import keeper, proc
from pawl.engines.process.instance import Instance, State
from pawl.engines.process.keeper import backoff_s
from pawl.engines.process.records import Role
from pawl.errors import StageFailed
from tests.unit.engines.engines_rig import WEB, Rig, play, until

LIMITED = "[processes.{kind}]\nmemory = '{limit}'\n"


def hello(place: Path, **commands: str) -> Callable[[], Rig]:
    return lambda: Rig(place, {"web": WEB, **commands})


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crashed instance is started again at once."""
    monkeypatch.setattr(keeper, "backoff_s", lambda _crashes: 0.0)


@given(st.integers(1, 1000))
def test_pauses_grow_up_to_half_a_minute(crashes: int) -> None:
    assert 0 <= backoff_s(crashes) <= backoff_s(crashes + 1) <= 30


def kill(instance: Instance) -> None:
    assert instance.handle is not None
    instance.handle.kill()


def only(rig: Rig, name: str) -> Instance:
    (found,) = [instance for instance in rig.supervisor.all() if instance.record.name == name]
    return found


def test_a_live_instance_that_dies_is_started_again_and_gets_requests_again(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        first, other = await rig.healthy("web.1"), await rig.healthy("web.2")
        rig.supervisor.send_traffic_to("hello", "d1")
        kill(first)
        await until(lambda: len(rig.routes) == 2)
        assert rig.routes[-1] == [other.record.address]
        await until(lambda: len(rig.routes) == 3)
        second = only(rig, "web.1")
        assert second is not first
        assert (second.record.restarts, second.record.deploy, second.record.role) == (1, "d1", Role.LIVE)
        assert set(rig.routes[-1]) == {other.record.address, second.record.address}
        assert rig.witness.told == ["web.1 crashed 1: was killed by SIGKILL"]

    play(hello(place), scene)


@pytest.mark.usefixtures("eager")
def test_a_worker_that_ends_of_itself_is_started_again_until_it_is_called_a_crash_loop_once(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        rig.spawn("worker.1")
        await until(lambda: len(rig.witness.told) >= 8)
        instance = only(rig, "worker.1")
        assert instance.state is State.CRASH_LOOP
        instance.change(role=Role.ENDING)
        assert rig.witness.told[:7] == [
            "worker.1 crashed 1: exited with 3", "worker.1 crashed 2: exited with 3",
            "worker.1 crashed 3: exited with 3", "worker.1 crashed 4: exited with 3",
            "worker.1 crashed 5: exited with 3", "worker.1 in a crash loop after 5",
            "worker.1 crashed 6: exited with 3",
        ]  # fmt: skip
        assert "worker.1 in a crash loop after 6" not in rig.witness.told

    play(hello(place, worker="(exit 3)"), scene)


def test_one_that_comes_up_unhealthy_is_ended_and_counts_as_a_crash(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[int] = []

    def pause(crashes: int) -> float:
        pauses.append(crashes)
        return 0.0 if crashes == 1 else 3600.0

    monkeypatch.setattr(keeper, "backoff_s", pause)

    async def scene(rig: Rig) -> None:
        first = await rig.healthy("web.1")
        (rig.plan.source / "HEALTH").write_text("bad")
        kill(first)
        await until(lambda: len(rig.witness.told) == 2)
        assert rig.witness.told == ["web.1 crashed 1: was killed by SIGKILL", "web.1 crashed 2: was killed by SIGKILL"]
        assert only(rig, "web.1").state is State.WAITING
        assert pauses == [1, 2]

    play(hello(place), scene)


def test_one_that_is_ended_while_it_waits_is_not_started_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "backoff_s", lambda _crashes: 0.05)

    async def scene(rig: Rig) -> None:
        first = await rig.healthy("web.1")
        kill(first)
        await until(lambda: first.state is State.WAITING)
        rig.supervisor.end([first])
        await rig.supervisor.wait_ended([first])
        while rig.supervisor._tasks:
            await until(lambda: not rig.supervisor._tasks)
        assert rig.supervisor.all() == []

    play(hello(place), scene)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that could not be started is tried again at once."""
    monkeypatch.setattr(keeper, "_RETRY_S", 0.02)


@contextmanager
def unstartable(rig: Rig) -> Iterator[None]:
    """While the block runs no process of the release can be started, for its working folder is away."""
    source = rig.plan.source
    source.rename(source.with_name("away"))
    yield
    source.with_name("away").rename(source)


@pytest.mark.usefixtures("soon")
def test_one_that_cannot_be_started_holds_its_place_and_is_tried_until_it_can(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        rig.supervisor.send_traffic_to("hello", "d1")
        with unstartable(rig):
            rig.keeper.start(rig.plan, rig.process(), "web.1", deploy="d1")
            held = only(rig, "web.1")
            assert (held.state, held.record.role, held.record.is_healthy) == (State.WAITING, Role.LIVE, False)
            assert held.exit_text.startswith("could not be started (No such file or directory: ")
            with pytest.raises(StageFailed, match=r"'web\.1'"):
                await rig.supervisor.wait_healthy(held, rig.process())
            look_at_memory(rig)
            await asyncio.sleep(0.1)
            assert only(rig, "web.1") is held
        await until(lambda: rig.routes)
        assert rig.routes == [[only(rig, "web.1").record.address]]
        assert len(list(rig.home.instances.glob("*.json"))) == 1
        assert list(rig.home.app("hello").glob("*.idx")) == []
        assert rig.witness.told == []

    play(hello(place), scene)


@pytest.mark.usefixtures("soon")
def test_a_place_that_is_wanted_no_longer_is_not_tried_again(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        with unstartable(rig):
            rig.keeper.start(rig.plan, rig.process(), "web.1", deploy="d1")
            held = only(rig, "web.1")
            rig.supervisor.end([held])
            await rig.supervisor.wait_ended([held])
        await until(lambda: not rig.supervisor._tasks)
        assert rig.supervisor.all() == []
        assert list(rig.home.instances.iterdir()) == []

    play(hello(place), scene)


@pytest.mark.parametrize(
    ("warm_for_s", "available", "is_left"),
    [(60.0, 0.5, True), (-1.0, 0.5, False), (60.0, 0.01, False)],
    ids=["in its time", "after its time", "when memory is short"],
)
def test_a_warm_instance_is_let_go(
    place: Path, monkeypatch: pytest.MonkeyPatch, warm_for_s: float, available: float, *, is_left: bool
) -> None:
    monkeypatch.setattr(proc, "available_share", lambda: available)

    async def scene(rig: Rig) -> None:
        live, warm = await rig.healthy("web.1"), await rig.healthy("web.2", role=Role.WARM)
        warm.change(warm_until=time.time() + warm_for_s)
        rig.keeper.tick()
        assert (live.state, warm.state) == (State.RUNNING, State.RUNNING if is_left else State.STOPPING)
        if not is_left:
            await rig.supervisor.wait_ended([warm])
        assert rig.names() == (["web.1", "web.2"] if is_left else ["web.1"])

    play(hello(place), scene)


def look_at_memory(rig: Rig) -> None:
    for _ in range(keeper._MEMORY_EVERY_TICKS):
        rig.keeper.tick()


def test_a_web_instance_above_its_memory_is_replaced_without_a_gap(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        old = await rig.healthy("web.1")
        old.started_monotonic -= 3600
        rig.supervisor.send_traffic_to("hello", "d1")
        look_at_memory(rig)
        look_at_memory(rig)
        await until(lambda: len(rig.witness.told) == 2 and old.state is State.ENDED)
        new = only(rig, "web.1")
        assert rig.witness.told == ["web.1 too big", "web.1 replaced: memory"]
        assert rig.routes == [[old.record.address], [new.record.address]]
        assert new.record.role is Role.LIVE

    play(lambda: Rig(place, {"web": WEB}, more="memory = '1MB'"), scene)


def test_a_replacement_that_is_not_healthy_is_dropped_and_the_old_one_goes_on(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        old = await rig.healthy("web.1")
        (rig.plan.source / "HEALTH").write_text("bad")
        rig.supervisor.send_traffic_to("hello", "d1")
        look_at_memory(rig)
        await until(lambda: len(rig.supervisor.all()) == 2)
        await until(lambda: len(rig.supervisor.all()) == 1)
        assert rig.supervisor.all() == [old]
        assert rig.routes[-1] == [old.record.address]
        assert rig.witness.told == ["web.1 too big"]

    play(lambda: Rig(place, {"web": WEB}, more="memory = '1MB'"), scene)


def test_a_singleton_above_its_memory_has_ended_before_the_new_one_starts(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        journal = rig.home.data("hello") / "journal"
        old = await rig.healthy("beat.1")
        await until(journal.exists)  # what is told to end before it has begun writes nothing
        seen: set[int] = set()

        def is_done() -> bool:
            seen.add(sum(instance.is_alive for instance in rig.supervisor.all(process="beat")))
            return len(rig.witness.told) == 2

        def written() -> list[str]:
            return [line.split()[-1] for line in journal.read_text().splitlines()]

        look_at_memory(rig)
        await until(is_done)
        assert rig.witness.told == ["beat.1 too big", "beat.1 replaced: memory"]
        assert old.state is State.ENDED
        assert max(seen) == 1
        await until(lambda: len(written()) >= 4)
        assert written()[:4] == ["began", "stopping", "ended", "began"]

    play(lambda: Rig(place, {"web": WEB, "beat": "python3 worker.py"}, more="memory = '1MB'\nsingleton = true"), scene)


@pytest.mark.usefixtures("soon")
def test_a_singleton_that_has_ended_for_its_memory_is_tried_until_the_new_one_starts(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        old = await rig.healthy("beat.1")
        with unstartable(rig):
            look_at_memory(rig)
            await until(lambda: old.state is State.ENDED and only(rig, "beat.1").exit_text)
            assert only(rig, "beat.1").state is State.WAITING
        await until(lambda: only(rig, "beat.1").is_alive)

    play(lambda: Rig(place, {"web": WEB, "beat": "python3 worker.py"}, more="memory = '1MB'\nsingleton = true"), scene)


def test_a_singleton_is_not_started_again_where_a_deploy_has_taken_its_place_meanwhile(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        old = await rig.healthy("beat.1")
        look_at_memory(rig)
        await until(lambda: old.state is State.STOPPING)
        rig.supervisor.end(rig.supervisor.all(process="beat"))
        await until(lambda: not rig.supervisor._tasks)
        assert rig.supervisor.all() == []
        assert rig.witness.told == ["beat.1 too big"]

    play(lambda: Rig(place, {"web": WEB, "beat": "python3 worker.py"}, more="memory = '1MB'\nsingleton = true"), scene)


def test_one_whose_replacement_cannot_be_started_goes_on_and_is_replaced_later(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_FIRST_REPLACEMENT_PAUSE_S", 0.0)

    async def scene(rig: Rig) -> None:
        old = await rig.healthy("web.1")
        rig.supervisor.send_traffic_to("hello", "d1")
        with unstartable(rig):
            look_at_memory(rig)
            await until(lambda: rig.witness.told and not rig.supervisor._tasks)
            assert rig.supervisor.all() == [old]
            assert old.is_serving
        look_at_memory(rig)
        await until(lambda: "web.1 replaced: memory" in rig.witness.told)

    play(lambda: Rig(place, {"web": WEB}, more="memory = '1MB'"), scene)


def test_one_without_a_limit_and_one_below_it_are_left_alone(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        await rig.healthy("web.1")
        rig.spawn("worker.1")
        look_at_memory(rig)
        assert rig.witness.told == []
        assert rig.names() == ["web.1", "worker.1"]

    play(lambda: Rig(place, {"web": WEB, "worker": "sleep 60"}, more="memory = '4GB'"), scene)


def test_a_limit_below_what_an_app_needs_does_not_become_a_storm_of_replacements(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        await rig.healthy("web.1")
        for _ in range(5):
            look_at_memory(rig)
        await until(lambda: "web.1 replaced: memory" in rig.witness.told)
        for _ in range(5):
            look_at_memory(rig)
        assert rig.witness.told.count("web.1 too big") == 1

    play(lambda: Rig(place, {"web": WEB}, more="memory = '1MB'"), scene)


def test_crashes_are_forgiven_after_a_while_of_running(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instance = await rig.healthy("web.1")
        instance.state = State.CRASH_LOOP
        place_of_it = ("hello", "web.1")
        rig.keeper._crashes[place_of_it] = deque([time.monotonic() - 30])
        rig.keeper._reported.add(place_of_it)
        look_at_memory(rig)
        states = [instance.state]
        rig.keeper._crashes[place_of_it] = deque([time.monotonic() - 3600])
        look_at_memory(rig)
        assert [*states, instance.state] == [State.CRASH_LOOP, State.RUNNING]
        assert (rig.keeper._crashes, rig.keeper._reported) == ({}, set())

    play(hello(place), scene)


def test_the_sizes_of_logs_are_noted_with_each_look(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instance = await rig.healthy("web.1")
        rig.keeper.tick()
        index = (rig.home.logs("hello") / instance.record.log).with_suffix(".idx")
        assert index.read_text().startswith("18 ")

    play(hello(place), scene)
