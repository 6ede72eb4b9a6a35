"""The switch: what is under way goes on, what is new goes to the new release, and nothing fails."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import websockets
from websockets.asyncio.client import ClientConnection

from tests.e2e.e2e_rig import App
from tests.support import eventually, is_running

# An echo over WebSocket by hand: handshake, then every frame comes back with the version before it.
SOCKETS = """\
import base64, hashlib, os, socketserver
VERSION = open("VERSION").read().strip()

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        headers = {}
        self.rfile.readline()
        while (line := self.rfile.readline().strip()):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        key = headers.get("sec-websocket-key")
        if key is None:
            self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
            return
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                         b"Sec-WebSocket-Accept: " + accept + b"\\r\\n\\r\\n")
        while len(head := self.rfile.read(2)) == 2 and head[0] & 15 == 1:
            mask, size = self.rfile.read(4), head[1] & 127
            text = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(size)))
            answer = VERSION.encode() + b" " + text
            self.wfile.write(bytes([129, len(answer)]) + answer)

class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

Server(os.environ["SOCKET"], Handler).serve_forever()
"""


def test_a_streaming_answer_under_way_ends_on_the_release_it_began_on(app: App) -> None:
    app.deploy()
    lines: list[str] = []
    reading = threading.Thread(target=lambda: lines.extend(app.stream("/stream?n=20&s=0.15")))
    reading.start()
    app.say("2")
    app.deploy()
    assert app.get() == (200, "hello 2")
    reading.join(30)
    assert lines == [f"1 {number}\n" for number in range(20)]


def test_a_slow_answer_under_way_is_given_when_the_old_release_ends_at_once(app: App) -> None:
    app.configure(web="keep_warm_s = 0")
    app.deploy()
    (old,) = app.pids()
    answers: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: answers.append(app.get("/slow?s=1.5")))
    asking.start()
    time.sleep(0.3)
    app.configure(web="keep_warm_s = 0", VERSION="2")
    app.deploy()
    asking.join(30)
    assert answers == [(200, "hello 1")]
    assert eventually(lambda: not is_running(old))


def test_with_keep_warm_0_the_old_release_is_gone_when_the_deploy_is(app: App) -> None:
    app.configure(web="keep_warm_s = 0")
    app.deploy()
    (old,) = app.pids()
    app.say("2")
    app.deploy()
    assert not is_running(old)
    assert app.pids(role="warm") == set()
    app.pawl.ok("rollback", app.name)
    assert app.get() == (200, "hello 1")


def test_what_was_live_stays_warm_for_its_time_only(app: App) -> None:
    app.configure(web="keep_warm_s = 5")
    app.deploy()
    (old,) = app.pids()
    app.say("2")
    app.deploy()
    assert app.pids(role="warm") == {old}
    assert eventually(lambda: not is_running(old))
    assert app.get() == (200, "hello 2")


def test_going_back_to_a_warm_release_uses_its_very_processes(app: App) -> None:
    app.configure(web="instances = 2")
    app.deploy()
    first = app.pids()
    app.say("2")
    app.deploy()
    second = app.pids()
    app.pawl.ok("rollback", app.name)
    assert app.pids() == first
    assert app.pids(role="warm") == second
    assert app.get() == (200, "hello 1")


def test_only_one_release_is_kept_warm(app: App) -> None:
    app.deploy()
    first = app.pids()
    app.say("2")
    app.deploy()
    second = app.pids()
    app.say("3")
    app.deploy()
    assert app.pids(role="warm") == second
    assert eventually(lambda: not any(map(is_running, first)))


def test_no_request_fails_during_three_deploys_and_two_rollbacks(app: App) -> None:
    app.configure(web="instances = 2")
    app.deploy()
    caddy = app.pawl.json("up")["proxy"]["pid"]
    with app.load(rate=150) as tally:
        for number in (2, 3, 4):
            app.say(str(number))
            app.deploy()
            assert app.get() == (200, f"hello {number}")
        app.pawl.ok("rollback", app.name)
        assert app.get() == (200, "hello 3")
        app.pawl.ok("rollback", app.name)
        assert app.get() == (200, "hello 2")
    assert len({answer.release for answer in tally.answers}) == 4
    proxy = app.pawl.json("up")["proxy"]
    assert (proxy["pid"], proxy["restarts"]) == (caddy, 0)


def test_no_request_fails_when_one_of_two_instances_is_killed(app: App) -> None:
    app.configure(web="instances = 2")
    app.deploy()
    with app.load(rate=60):
        victim = min(app.pids())
        os.kill(victim, 9)
        eventually(lambda: len(app.pids() - {victim, None}) == 2)


def test_the_whole_of_an_app_may_restart_under_load(app: App) -> None:
    app.configure(web="instances = 2")
    app.deploy()
    before = app.pids()
    with app.load():
        app.pawl.ok("restart", app.name)
    assert app.pids().isdisjoint(before)


def test_websockets_pass_through_and_outlive_the_switch(app: App) -> None:
    app.configure(command="python sockets.py $SOCKET", web="stop_timeout_s = 1", sockets__py=SOCKETS)
    app.deploy()
    asyncio.run(_talk_over_a_switch(app))


async def _talk_over_a_switch(app: App) -> None:
    async with _connected(app) as old:
        assert await _ask(old) == "1 hello"
        app.say("2")
        await asyncio.to_thread(app.deploy)
        assert await _ask(old) == "1 hello"  # its release is warm
        async with _connected(app) as new:
            assert await _ask(new) == "2 hello"
        app.say("3")
        await asyncio.to_thread(app.deploy)  # now the first release ends, and with it what it served
        async with asyncio.timeout(20):
            await old.wait_closed()


def _connected(app: App) -> websockets.connect:
    host = f"{app.name}.localhost:{app.pawl.port}"
    return websockets.connect(f"ws://{host}/", host="127.0.0.1", port=app.pawl.port, proxy=None)


async def _ask(connection: ClientConnection) -> str:
    await connection.send("hello")
    return str(await asyncio.wait_for(connection.recv(), 10))
