"""The life of the Caddy process: started, killed, adopted, refused, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, unix_serve

from pawl.errors import PawlError, StateError
from pawl.home import Home
from pawl.proxy import caddy, launch
from pawl.proxy.caddy import Caddy
from pawl.proxy.process import ProcessId
from pawl.proxy.routes import Route
from tests.integration.proxy.proxy_rig import App, Message, Rig, a_home, a_machine, a_proxy, chunks, read_head, reply


def test_a_killed_caddy_is_back_within_two_seconds(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            rig.slots.assign("hello", [await rig.serve(App("a"))])
            await rig.caddy.apply([Route("hello"), Route("other")])
            for kills in (1, 2, 3):  # a machine that is busy with other tests may keep one of them waiting
                pid = rig.caddy.status()["pid"]
                began = time.monotonic()
                os.kill(pid, signal.SIGKILL)
                assert (await rig.event("proxy died"))["exit_status"] == -signal.SIGKILL
                assert (await rig.event("proxy restarted"))["reason"] == "it was ended by SIGKILL"
                assert (await rig.ask()).text == "a"
                took_s = time.monotonic() - began
                assert (await rig.ask(app="other")).status == 503, "the last routes are still served"
                assert not Path(f"/proc/{pid}").exists(), "no zombie is left"
                status = rig.caddy.status()
                assert (status["restarts"], status["pid"] != pid) == (kills, True)
                assert status["rss_bytes"] > 1_000_000
                if took_s < 2:
                    return
            pytest.fail(f"each time it took longer, the last one {took_s:.1f} s")

    asyncio.run(story())


def test_routes_applied_while_caddy_is_down_are_served_once_it_is_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            os.kill(rig.caddy.status()["pid"], signal.SIGKILL)
            await rig.event("proxy died")
            assert await rig.caddy.apply([Route("new")])
            assert (await rig.ask(app="new")).status == 503

    asyncio.run(story())


_A_PAWLD = """
import asyncio, sys
from pathlib import Path
from pawl.home import Home
from pawl.proxy import launch
from pawl.proxy.caddy import Caddy
from pawl.proxy.routes import Machine, Route

async def main():
    home = Home(Path(sys.argv[1]))
    caddy = Caddy(home=home, machine=Machine(port=int(sys.argv[2]), bind=("127.0.0.1",)), mark="a-mark")
    await caddy.start([Route("hello")])
    print(caddy.status()["pid"], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("is_record_lost", [False, True])
def test_a_caddy_serves_on_when_its_pawld_is_killed_and_the_next_adopts_it(
    tmp_path: Path, is_record_lost: bool
) -> None:
    home, machine = a_home(tmp_path), a_machine()
    arguments = [sys.executable, "-c", _A_PAWLD, str(home.path), str(machine.port)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as pawld:
        assert pawld.stdout
        pid = int(pawld.stdout.readline())
        pawld.kill()
    if is_record_lost:
        (home.run / "caddy.json").unlink()

    async def story() -> None:
        before = ProcessId.of(pid)
        async with a_proxy(tmp_path, machine=machine) as rig:
            assert (await rig.event("proxy adopted"))["pid"] == pid
            assert ProcessId.of(pid) == before
            rig.slots.assign("hello", [await rig.serve(App("a"))])
            assert (await rig.ask()).text == "a"
            assert not await rig.caddy.apply([Route("hello")])
            os.kill(pid, signal.SIGKILL)
            await rig.event("proxy restarted")
            assert (await rig.ask()).text == "a"
        assert rig.caddy.status()["pid"] is None

    asyncio.run(story())


def test_a_detached_caddy_serves_on_and_is_adopted_with_the_routes_that_are_now_wanted(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path, detach=True) as first:
            pid = first.caddy.status()["pid"]
        async with a_proxy(tmp_path, Route("hello"), Route("new"), machine=first.machine) as second:
            assert second.caddy.status()["pid"] == pid
            assert (await second.ask(app="new")).status == 503

    asyncio.run(story())


def test_a_record_of_another_process_adopts_nothing_and_kills_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        other = ProcessId.of(os.getpid())
        assert other
        home = a_home(tmp_path)
        ProcessId(other.pid, other.start_ticks - 1, other.boot_id).record(home.run / "caddy.json")
        (home.run / "caddy.sock").touch()
        async with a_proxy(tmp_path) as rig:
            assert rig.caddy.status()["pid"] not in (None, os.getpid())

    asyncio.run(story())


def test_a_port_in_use_is_named_with_the_process_that_holds_it(tmp_path: Path) -> None:
    async def story() -> None:
        machine = a_machine()
        with socket.create_server(("127.0.0.1", machine.port)):
            with pytest.raises(StateError) as caught:
                await Caddy(home=a_home(tmp_path), machine=machine).start([Route("hello")])
            name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
            assert caught.value.what == f"port {machine.port} is in use (by pid {os.getpid()}, {name})"
            assert caught.value.next_step == "choose another: pawl up --port N"

    asyncio.run(story())


def test_another_home_cannot_share_the_port_in_silence(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path / "one") as rig:
            with pytest.raises(StateError, match=f"port {rig.machine.port} is in use .by pid .*, caddy"):
                await Caddy(home=a_home(tmp_path / "two"), machine=rig.machine).start()

    asyncio.run(story())


def test_a_new_domain_whose_port_is_taken_leaves_what_was_served_in_force(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            rig.slots.assign("hello", [await rig.serve(App("a"))])
            taken = rig.machine.https_port
            with (
                socket.create_server(("127.0.0.1", taken)),
                pytest.raises(StateError, match=f"port {taken} is in use"),
            ):
                await rig.caddy.apply([Route("hello", ("hello.test",), "internal")])
            assert (await rig.ask()).text == "a"
            assert await rig.caddy.apply([Route("hello", ("hello.test",), "internal")])

    asyncio.run(story())


def test_routes_that_caddy_refuses_leave_what_was_served_in_force_even_after_a_crash(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            rig.slots.assign("hello", [await rig.serve(App("a"))])
            with pytest.raises(PawlError, match="the old one stays in force") as caught:
                await rig.caddy.apply([Route("hello", ("x.test", "x.test"), "off")])
            assert "repeated" in caught.value.why
            assert (await rig.ask()).text == "a"
            os.kill(rig.caddy.status()["pid"], signal.SIGKILL)
            await rig.event("proxy restarted")
            assert (await rig.ask()).text == "a"

    asyncio.run(story())


def test_a_caddy_that_ends_while_starting_shows_its_last_words(tmp_path: Path) -> None:
    binary = tmp_path / "broken"
    binary.write_text("#!/bin/sh\necho 'no luck today' >&2\nexit 3\n")
    binary.chmod(0o700)

    async def story() -> None:
        with pytest.raises(StateError) as caught:
            await Caddy(home=a_home(tmp_path / "home"), machine=a_machine(), binary=str(binary)).start()
        assert caught.value.what == "the proxy ended while it was starting"
        assert "no luck today" in caught.value.detail

    asyncio.run(story())


async def refused(rig: Rig) -> None:
    """Connect until that is refused."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            while True:
                (await rig.client()).writer.close()


def test_a_caddy_that_keeps_dying_is_tried_again_ever_more_slowly_until_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caddy, "_BACKOFF_S", (0.4, 5.0))  # far apart, so that a short stall is not a longer pause
    is_broken = tmp_path / "broken"
    binary = tmp_path / "caddy"
    binary.write_text(f'#!/bin/sh\n[ -e {is_broken} ] && exit 3\nexec {launch.find_binary()} "$@"\n')
    binary.chmod(0o700)

    async def story() -> None:
        async with a_proxy(tmp_path / "home", binary=str(binary)) as rig:
            is_broken.touch()
            os.kill(rig.caddy.status()["pid"], signal.SIGKILL)
            await rig.event("proxy died")
            times = []
            for _ in range(4):
                assert "ended while it was starting" in (await rig.event("proxy failed"))["error"]
                times.append(time.monotonic())
            assert rig.caddy.status()["pid"] is None
            assert times[3] - times[2] > times[2] - times[1] > times[1] - times[0]
            is_broken.unlink()
            await rig.event("proxy restarted")
            assert (await rig.ask()).status == 503

    asyncio.run(story())


def nothing_can_be_written(home: Home) -> list[Path]:
    """Have every write of the proxy's run state fail, as a full disk does; remove these folders to make room."""
    in_the_way = [home.run / ".caddy.json.tmp", home.run / ".caddy-config.json.tmp"]
    for path in in_the_way:
        path.mkdir()
    return in_the_way


def test_a_killed_caddy_is_back_though_nothing_can_be_written(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path, detach=True) as rig:
            rig.slots.assign("hello", [await rig.serve(App("a"))])
            nothing_can_be_written(rig.home)
            os.kill(rig.caddy.status()["pid"], signal.SIGKILL)
            await rig.event("proxy restarted")
            assert (await rig.ask()).text == "a"
            pid = rig.caddy.status()["pid"]
        async with a_proxy(tmp_path, machine=rig.machine) as second:
            assert second.caddy.status()["pid"] == pid

    asyncio.run(story())


def test_a_caddy_is_adopted_and_takes_new_routes_though_nothing_can_be_written(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path, detach=True) as first:
            pid = first.caddy.status()["pid"]
        (first.home.run / "caddy.json").unlink()
        nothing_can_be_written(first.home)
        async with a_proxy(tmp_path, Route("hello"), Route("new"), machine=first.machine) as second:
            assert second.caddy.status()["pid"] == pid
            assert (await second.ask(app="new")).status == 503

    asyncio.run(story())


def test_a_caddy_whose_routes_could_not_be_written_is_tried_again_until_they_can(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            in_the_way = nothing_can_be_written(rig.home)
            assert await rig.caddy.apply([Route("hello"), Route("new")])
            os.kill(rig.caddy.status()["pid"], signal.SIGKILL)
            for _ in range(2):
                error = (await rig.event("proxy failed"))["error"]
                assert error.startswith("the proxy's configuration cannot be written\n")
            for path in in_the_way:
                path.rmdir()
            await rig.event("proxy restarted")
            assert (await rig.ask(app="new")).status == 503

    asyncio.run(story())


def test_a_first_caddy_whose_configuration_cannot_be_written_is_not_started(tmp_path: Path) -> None:
    async def story() -> None:
        home = a_home(tmp_path)
        nothing_can_be_written(home)
        with pytest.raises(StateError, match="the proxy's configuration cannot be written"):
            await Caddy(home=home, machine=a_machine()).start([Route("hello")])

    asyncio.run(story())


def test_an_open_websocket_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    async def idle(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async def story() -> None:
        async with a_proxy(tmp_path) as rig, unix_serve(idle, str(rig.socket("ws"))):
            rig.slots.assign("hello", [f"unix/{rig.socket('ws')}"])
            async with connect(f"ws://hello.localhost:{rig.machine.port}/", host="127.0.0.1", proxy=None):
                async with asyncio.timeout(5):
                    await rig.caddy.stop(60)

    asyncio.run(story())


def test_stopping_lets_a_request_finish_and_takes_no_new_one(tmp_path: Path) -> None:
    async def story() -> None:
        may_answer = asyncio.Event()

        async def slowly(request: Message, writer: asyncio.StreamWriter) -> None:
            await may_answer.wait()
            reply(writer, "in the end")

        async with a_proxy(tmp_path) as rig:
            app = App("a", slowly)
            rig.slots.assign("hello", [await rig.serve(app)])
            asked = asyncio.create_task(rig.ask())
            await app.arrived.wait()
            stopping = asyncio.create_task(rig.caddy.stop(10.0))
            await refused(rig)
            may_answer.set()
            assert (await asked).text == "in the end"
            await stopping
            assert not (rig.home.run / "caddy.sock").exists()

    asyncio.run(story())


def test_a_stream_that_never_ends_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    async def stream(request: Message, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await asyncio.Event().wait()

    async def story() -> None:
        async with a_proxy(tmp_path) as rig, await rig.client() as client:
            rig.slots.assign("hello", [await rig.serve(App("a", stream))])
            client.send("GET", "/")
            await read_head(client.reader)
            await anext(chunks(client.reader))
            pid = rig.caddy.status()["pid"]
            await rig.caddy.stop(0.3)
            assert ProcessId.of(pid) is None
            assert not Path(f"/proc/{pid}").exists(), "no zombie is left"

    asyncio.run(story())


def test_caddy_knows_its_mark_its_folder_and_none_of_pawlds_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "s3cret")

    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            pid = rig.caddy.status()["pid"]
            environ = Path(f"/proc/{pid}/environ").read_text()
            assert "PAWL_MARK=test\0" in environ
            assert f"HOME={rig.home.path}/caddy\0" in environ
            assert "s3cret" not in environ
            assert os.getsid(pid) == pid
            assert rig.home.caddy_socket.stat().st_mode & 0o777 == 0o600

    asyncio.run(story())
