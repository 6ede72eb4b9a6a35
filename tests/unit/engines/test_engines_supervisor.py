"""Instances are started, watched, adopted and ended; all with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pawl.engines.process import proc
from pawl.engines.process.handles import Handle
from pawl.engines.process.instance import Instance, State
from pawl.engines.process.records import Record, Records, Role
from pawl.errors import StageFailed
from tests.support import is_running
from tests.unit.engines.engines_rig import MARK, WEB, Rig, play, until

SLEEP = {"web": WEB, "worker": "sleep 60"}


def hello(place: Path, **commands: str) -> Callable[[], Rig]:
    return lambda: Rig(place, {"web": WEB, **commands})


def records(rig: Rig) -> list[Record]:
    return Records(rig.home.instances).load()


# Starting


def test_an_instance_is_written_down_as_soon_as_it_runs(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instance = rig.spawn()
        assert records(rig) == [instance.record]
        assert instance.record.identity.is_alive
        assert (instance.state, instance.is_serving) == (State.STARTING, False)
        assert instance.record.address == f"unix/{rig.home.instances}/{instance.record.id}.sock"
        await rig.supervisor.wait_healthy(instance, rig.process())
        assert (instance.state, instance.is_serving) == (State.RUNNING, True)
        assert records(rig)[0].is_healthy

    play(hello(place), scene)


def test_an_instance_is_told_who_it_is(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instance = rig.spawn("worker.2")
        await instance.handle.exited.wait()  # type: ignore[union-attr]
        assert rig.log(instance).split("|") == ["worker.2", "hello", "r1", "hunter2!", "", "", "\n"]

    show = 'printf "%s|" "$PAWL_PROCESS" "$PAWL_APP" "$PAWL_RELEASE" "$PASSWORD" "$SOCKET" "$PORT"; echo'
    play(hello(place, worker=show), scene)


def test_instances_with_ports_get_one_each(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instances = [rig.spawn(f"web.{number}") for number in range(1, 6)]
        addresses = {instance.record.address for instance in instances}
        assert len(addresses) == 5
        assert all(address.startswith("127.0.0.1:") for address in addresses)

    play(lambda: Rig(place, {"web": "sleep 60; echo $PORT"}), scene)


def test_one_that_dies_before_it_is_healthy_says_how_and_shows_its_last_lines_without_secrets(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instance = rig.spawn(role=Role.TRIAL)
        with pytest.raises(StageFailed) as caught:
            await rig.supervisor.wait_healthy(instance, rig.process())
        error = caught.value
        assert error.what == "release 'r1' is not healthy on 'web.1'"
        assert error.why.startswith("it exited with 3 after 0.")
        assert error.next_step == "see: pawl logs hello --failed"
        assert error.detail.splitlines() == [*(f"line {number}" for number in range(12, 31)), "it is [secret]"]
        assert not instance.is_alive

    command = "for i in $(seq 30); do echo line $i; done; echo it is $PASSWORD; exit 3"
    play(lambda: Rig(place, {"web": command}), scene)


def test_one_that_listens_elsewhere_is_told_how_to_learn_where(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        with pytest.raises(StageFailed, match=r"use \$SOCKET or \$PORT: false --port 80"):
            await rig.supervisor.wait_healthy(rig.spawn(), rig.process())

    play(lambda: Rig(place, {"web": "false --port 80"}), scene)


def test_one_that_answers_badly_is_not_healthy(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        (rig.plan.source / "HEALTH").write_text("bad")
        instance = rig.spawn(role=Role.TRIAL)
        with pytest.raises(StageFailed, match="5 probes failed, the last: HTTP 503 at /healthz"):
            await rig.supervisor.wait_healthy(instance, rig.process())
        assert instance.is_alive
        assert not instance.record.is_healthy

    play(hello(place), scene)


def test_a_program_that_cannot_be_started_leaves_no_record(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        plan = rig.plan
        rig.plans.releases("hello").remove("r1")
        with pytest.raises(StageFailed, match="could not be started"):
            rig.supervisor.spawn(plan, plan.config.web, "web.1", deploy="d1", role=Role.LIVE)
        assert records(rig) == []
        assert rig.supervisor.all() == []

    play(hello(place), scene)


# Traffic


def test_requests_go_to_healthy_live_web_instances_of_the_deploy_and_to_no_other(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        first, second = await rig.healthy("web.1"), await rig.healthy("web.2")
        await rig.healthy("web.1", deploy="d2")
        trial = await rig.healthy("web.3", role=Role.TRIAL)
        rig.spawn("web.4")
        rig.spawn("worker.1")
        rig.supervisor.send_traffic_to("hello", "d1")
        assert rig.routes == [[first.record.address, second.record.address]]
        trial.change(role=Role.LIVE)
        rig.supervisor.publish("hello")
        assert rig.routes[-1] == [item.record.address for item in (first, second, trial)]

    play(hello(place, worker="sleep 60"), scene)


def test_with_nobody_left_to_serve_requests_wait_at_the_old_addresses(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        first, second = await rig.healthy("web.1"), await rig.healthy("web.2")
        rig.supervisor.on_live_exit = lambda _instance: None
        rig.supervisor.send_traffic_to("hello", "d1")
        for instance in (first, second):
            instance.handle.kill()  # type: ignore[union-attr]
            await until(lambda instance=instance: not instance.is_alive)  # type: ignore[misc]
        assert rig.routes[-1] == [second.record.address]

    play(hello(place), scene)


# Ending


def connected(address: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(address.removeprefix("unix/"))
    return client


def test_a_web_instance_ends_when_its_last_connection_is_closed(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instance = await rig.healthy()
        with connected(instance.record.address):
            rig.supervisor.end([instance])
            rig.supervisor.end([instance])
            assert (instance.state, records(rig)[0].role) == (State.STOPPING, Role.ENDING)
            assert not await rig.supervisor.wait_drained(instance, 0.15)
            assert "bye" not in rig.log(instance)
        await rig.supervisor.wait_ended([instance])
        assert rig.log(instance).endswith("bye\n")
        assert (records(rig), rig.supervisor.all()) == ([], [])
        assert not Path(instance.record.address.removeprefix("unix/")).exists()

    play(hello(place), scene)


def test_one_that_is_not_to_be_drained_ends_at_once(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instance = await rig.healthy()
        with connected(instance.record.address):
            rig.supervisor.end([instance], is_draining=False)
            await until(lambda: "bye" in rig.log(instance))
        await rig.supervisor.wait_ended([instance])

    play(hello(place), scene)


def test_a_compound_commands_program_finishes_what_it_is_at(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instance = rig.spawn("worker.1")
        journal = rig.home.data("hello") / "journal"
        await until(lambda: journal.exists() and "began" in journal.read_text())
        rig.supervisor.end([instance])
        await rig.supervisor.wait_ended([instance])
        assert [line.split()[-1] for line in journal.read_text().splitlines()] == ["began", "stopping", "ended"]

    play(hello(place, worker="true && python3 worker.py; true"), scene)


def test_everything_is_ended_and_nothing_begun_any_more(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instances = [await rig.healthy("web.1"), await rig.healthy("web.2", role=Role.WARM), rig.spawn("worker.1")]
        rig.keeper.bring_into_service(rig.spawn("web.3"))
        await rig.supervisor.end_all()
        assert rig.supervisor.all() == []
        assert records(rig) == []
        assert not any(is_running(instance.record.pid) for instance in instances)

    play(hello(place, worker="sleep 60"), scene)


@pytest.mark.parametrize(("role", "is_left"), [(Role.WARM, False), (Role.TRIAL, True), (Role.ENDING, True)])
def test_what_comes_of_one_that_dies_depends_on_its_role(place: Path, role: Role, *, is_left: bool) -> None:
    async def scene(rig: Rig) -> None:
        instance = await rig.healthy(role=role)
        instance.handle.kill()  # type: ignore[union-attr]
        await until(lambda: not instance.is_alive)
        assert (instance in rig.supervisor.all()) is is_left
        assert bool(records(rig)) is is_left
        assert instance.exit_text == "was killed by SIGKILL"
        assert rig.witness.told == []

    play(hello(place), scene)


LEAVING = "setsid sleep 60 & echo left; exec sleep 60"


def left_by(instance: Instance) -> set[int]:
    """The processes of an instance that have left its session."""
    marked = proc.marked("PAWL_MARK", f"{MARK}:instance:{instance.record.id}")
    return set(marked).difference(proc.session_members(instance.record.pid))


def test_what_an_instance_started_in_a_session_of_its_own_ends_with_it(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        ending, staying = rig.spawn("worker.1"), rig.spawn("worker.2")
        await until(lambda: left_by(ending) and left_by(staying))
        rig.supervisor.end([ending])
        await rig.supervisor.wait_ended([ending])
        await until(lambda: not left_by(ending))
        assert len(left_by(staying)) == 1
        assert staying.is_alive

    play(hello(place, worker=LEAVING), scene)


@pytest.mark.parametrize("role", [Role.LIVE, Role.TRIAL, Role.WARM])
def test_it_ends_also_with_an_instance_that_dies(place: Path, role: Role) -> None:
    async def scene(rig: Rig) -> None:
        instance = rig.spawn("worker.1", role=role)
        await until(lambda: left_by(instance))
        os.kill(instance.record.pid, signal.SIGKILL)
        await until(lambda: not left_by(instance))

    play(hello(place, worker=LEAVING), scene)


def test_it_ends_also_with_an_instance_that_an_earlier_pawld_started(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        rig.spawn("worker.1")
        children = leave(rig)
        rig.supervisor.adopt()
        (instance,) = rig.supervisor.all()
        await until(lambda: left_by(instance))
        await rig.supervisor.end_all()
        await until(lambda: not left_by(instance))
        for child in children:
            child.wait()

    play(hello(place, worker=LEAVING), scene)


# The next pawld


def leave(rig: Rig) -> list[subprocess.Popen[bytes]]:
    """The pawld of now goes, its instances run on; Python would complain of children that nobody waits for."""
    children = [item.handle._child for item in rig.supervisor.all() if item.handle and item.handle._child]
    rig.supervisor.release_all()
    rig.begin()
    return children


def test_instances_outlive_their_pawld_and_are_adopted_in_their_roles(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        await rig.healthy("web.1")
        await rig.healthy("web.2", role=Role.WARM)
        rig.spawn("worker.1", role=Role.TRIAL)
        before = [instance.record for instance in rig.supervisor.all()]
        children = leave(rig)
        assert rig.supervisor.all() == []
        assert rig.supervisor.adopt() == []
        found = rig.supervisor.all()
        assert [instance.record for instance in found] == before
        assert [instance.state for instance in found] == [State.RUNNING, State.RUNNING, State.STARTING]
        assert all(instance.is_alive for instance in found)
        rig.supervisor.send_traffic_to("hello", "d1")
        assert rig.routes[-1] == [before[0].address]
        await rig.supervisor.end_all()
        for child in children:
            child.wait()

    play(hello(place, worker="sleep 60"), scene)


def test_the_dead_are_told_and_a_stranger_with_their_pid_is_left_alone(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        live, warm = await rig.healthy("web.1"), await rig.healthy("web.2", role=Role.WARM)
        stranger = rig.spawn("worker.1")
        children = leave(rig)
        for child in children[:2]:
            child.kill()
            child.wait()
        stored = Records(rig.home.instances)
        stored.save(msgspec.structs.replace(stranger.record, start_ticks=stranger.record.start_ticks - 1))
        with_mark = rig.supervisor._mark
        rig.supervisor._mark = "another home"
        dead = rig.supervisor.adopt()
        rig.supervisor._mark = with_mark
        assert [instance.record.name for instance in dead] == ["web.1", "worker.1"]
        assert records(rig) == []
        assert is_running(stranger.record.pid)
        assert {live.record.id, warm.record.id}.isdisjoint(path.stem for path in rig.home.instances.iterdir())
        children[2].kill()
        children[2].wait()

    play(hello(place, worker="sleep 60"), scene)


def test_what_was_started_but_not_written_down_is_killed_and_its_socket_removed(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        kept, lost = await rig.healthy("web.1"), await rig.healthy("web.2")
        Records(rig.home.instances)._folder.joinpath(f"{lost.record.id}.json").unlink()
        children = leave(rig)
        rig.supervisor.adopt()
        assert rig.names() == ["web.1"]
        assert not is_running(lost.record.pid)
        assert is_running(kept.record.pid)
        assert not Path(lost.record.address.removeprefix("unix/")).exists()
        await rig.supervisor.end_all()
        for child in children:
            child.wait()

    play(hello(place), scene)


def test_the_instances_of_another_home_are_left_alone(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        environ = {**os.environ, "PAWL_MARK": f"{MARK}2:instance:abc"}
        log = place / "other.log"
        other = Handle.spawn(["sleep", "60"], cwd=place, env=environ, log=log, on_exit=lambda: None)
        rig.supervisor.adopt()
        assert other.identity.is_alive
        other.kill()
        await other.exited.wait()

    play(hello(place), scene)


def test_one_whose_release_is_gone_is_adopted_and_can_be_ended(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        await rig.healthy()
        children = leave(rig)
        rig.plans.releases("hello").remove("r1")
        rig.supervisor.adopt()
        (instance,) = rig.supervisor.all()
        assert instance.plan is None
        assert rig.supervisor.tail(instance, 1) == ["version 1 listens"]
        rig.supervisor.end([instance])
        await rig.supervisor.wait_ended([instance])
        children[0].wait()

    play(hello(place), scene)


def test_no_instance_is_left_behind_by_these_tests(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        instance = await rig.healthy()
        await rig.supervisor.end_all()
        assert proc.marked("PAWL_MARK", f"{MARK}:instance:{instance.record.id}") == {}
        await asyncio.sleep(0)

    play(hello(place), scene)
