"""What becomes of a request on its way through the proxy."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, unix_serve

from pawl.proxy.routes import Route
from pawl.proxy.slots import as_logged
from tests.integration.proxy.proxy_rig import App, Message, a_proxy, chunks, hang_up, read_head, reply


def test_a_unix_socket_and_a_tcp_port_share_the_requests(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            addresses = [await rig.serve(App("unix")), await rig.serve(App("tcp"), is_tcp=True)]
            rig.slots.assign("hello", addresses)
            answers = [(await rig.ask()).text for _ in range(6)]
            assert sorted(set(answers)) == ["tcp", "unix"]
            assert answers[0] != answers[1], "neighbouring slots are different instances"
            assert {line["upstream"] for line in await rig.logged(6)} == {as_logged(a) for a in addresses}

    asyncio.run(story())


def test_apps_whose_names_begin_alike_do_not_meet(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path, Route("hello"), Route("hello2")) as rig:
            for app in ("hello", "hello2"):
                rig.slots.assign(app, [await rig.serve(App(app))])
            assert [(await rig.ask(app=app)).text for app in ("hello", "hello2")] == ["hello", "hello2"]
            rig.slots.remove("hello")
            assert (await rig.ask(app="hello2")).text == "hello2"

    asyncio.run(story())


def test_an_unknown_host_gets_a_plain_404_and_no_line_in_the_access_log(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            rig.slots.assign("hello", [await rig.serve(App("a"))])
            answer = await rig.ask(app="nobody")
            assert (answer.status, answer.text) == (404, "404: no app is called nobody\n")
            assert answer.all("Content-Type") == ["text/plain; charset=utf-8"]
            assert answer.all("Server") == []
            await rig.ask()
            assert [line["app"] for line in await rig.logged(1)] == ["hello"]

    asyncio.run(story())


def test_a_closed_app_answers_503_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            began = time.monotonic()
            answer = await rig.ask()
            assert time.monotonic() - began < 1
            assert (answer.status, answer.text) == (503, "503: no instance of this app is running\n")
            assert (await rig.logged(1))[0]["status"] == 503

    asyncio.run(story())


def test_a_client_cannot_forge_what_only_a_proxy_may_say(tmp_path: Path) -> None:
    lies = ["For: 1.1.1.1", "Proto: https", "Host: evil", "Port: 1", "Prefix: /x", "Ssl: on"]
    forged = [f"X-Forwarded-{lie}" for lie in lies]
    forged += ["X_Forwarded_For: 1.1.1.1", "x-forwarded_for: 1.1.1.1", "X-Real-Ip: 1.1.1.1", "Forwarded: for=1.1.1.1"]
    forged += ["Proxy: http://evil", "True-Client-IP: 1.1.1.1", "Content_Length: 9", "SCRIPT_NAME: /x"]

    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            app = App("a")
            rig.slots.assign("hello", [await rig.serve(app)])
            await rig.ask(headers=[*forged, "X-Own: kept"])
            (seen,) = app.asked
            assert seen.all("X-Forwarded-For") == ["127.0.0.1"]
            assert seen.all("X-Forwarded-Proto") == ["http"]
            assert seen.all("X-Forwarded-Host") == seen.all("Host") == ["hello.localhost"]
            assert seen.all("X-Own") == ["kept"]
            left = {name.replace("_", "-") for name in seen.names()}
            assert left == {
                "host", "user-agent", "x-own", "via", "connection",
                "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
            } - ({"user-agent"} - left)  # fmt: skip

    asyncio.run(story())


def test_hop_by_hop_headers_pass_in_neither_direction(tmp_path: Path) -> None:
    hop = ["Connection: X-Mine, keep-alive", "X-Mine: 1", "Keep-Alive: timeout=5", "Te: gzip", "Proxy-Authorization: x"]

    async def answer(request: Message, writer: asyncio.StreamWriter) -> None:
        reply(writer, "a", "Connection: X-Inner", "X-Inner: 1", "Keep-Alive: timeout=9", "Server: gunicorn")

    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            app = App("a", answer)
            rig.slots.assign("hello", [await rig.serve(app)])
            got = await rig.ask(headers=hop)
            assert {"x-mine", "keep-alive", "te", "proxy-authorization"}.isdisjoint(app.asked[0].names())
            assert {"x-inner", "keep-alive", "connection"}.isdisjoint(got.names())
            assert got.all("Server") == ["gunicorn"], "the app's own name, not Caddy's"

    asyncio.run(story())


def test_a_long_header_and_a_large_upload_pass(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            app = App("a")
            rig.slots.assign("hello", [await rig.serve(app)])
            body = b"x" * 20_000_000
            answer = await rig.ask("POST", "/up", [f"X-Long: {'y' * 60_000}"], body)
            assert answer.text == "a", answer
            assert app.asked[0].body == body

    asyncio.run(story())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_changes_something_is_never_sent_twice(tmp_path: Path, method: str) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            apps = [App(name, hang_up) for name in "abc"]
            rig.slots.assign("hello", [await rig.serve(app) for app in apps])
            answer = await rig.ask(method, body=b"buy one")
            assert (answer.status, answer.text) == (502, "502: the app did not answer\n")
            assert sum(len(app.asked) for app in apps) == 1

    asyncio.run(story())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_that_broke_off_is_tried_once_more_at_another_instance(tmp_path: Path, method: str) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            dying, sound = App("dying", hang_up), App("sound")
            rig.slots.assign(
                "hello",
                [await rig.serve(dying), sound_address := await rig.serve(sound)],
            )
            answers = [await rig.ask(method) for _ in range(4)]
            assert {answer.status for answer in answers} == {200}
            assert len(dying.asked) > 0
            assert [line["upstream"] for line in await rig.logged(4)] == [sound_address] * 4

    asyncio.run(story())


def test_a_get_that_kills_its_worker_does_not_go_on_to_kill_them_all(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            apps = [App(name, hang_up) for name in "abcd"]
            rig.slots.assign("hello", [await rig.serve(app) for app in apps])
            assert (await rig.ask()).status == 502
            assert sum(len(app.asked) for app in apps) == 2

    asyncio.run(story())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_waits_for_an_instance_that_is_being_restarted(tmp_path: Path, method: str) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            rig.slots.assign("hello", [f"unix/{rig.socket('back')}"])
            asked = asyncio.create_task(rig.ask(method, body=b"once" if method == "POST" else b""))
            done, _ = await asyncio.wait([asked], timeout=0.3)
            assert not done
            app = App("back")
            await rig.serve(app)
            assert (await asked).text == "back"
            assert len(app.asked) == 1

    asyncio.run(story())


def test_the_first_server_sent_event_arrives_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        may_go_on = asyncio.Event()

        async def stream(request: Message, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            await may_go_on.wait()
            writer.write(b"data: 2\n\n")

        async with a_proxy(tmp_path) as rig, await rig.client() as client:
            rig.slots.assign("hello", [await rig.serve(App("a", stream))])
            client.send("GET", "/events")
            assert (await read_head(client.reader)).status == 200
            events = chunks(client.reader)
            assert await anext(events) == b"data: 1\n\n"
            may_go_on.set()
            assert await anext(events) == b"data: 2\n\n"

    asyncio.run(story())


def test_a_websocket_is_passed_through(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig, unix_serve(echo, str(tmp_path / "ws.sock")):
            rig.slots.assign("hello", [f"unix/{tmp_path / 'ws.sock'}"])
            async with connect(f"ws://hello.localhost:{rig.machine.port}/", host="127.0.0.1", proxy=None) as socket:
                await socket.send("hello")
                assert await socket.recv() == "hello"

    asyncio.run(story())


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


def test_no_secret_of_a_request_reaches_a_log(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            headers = [f"{name}: s3cret" for name in ("Cookie", "Authorization", "X-Api-Key", "Referer", "User-Agent")]

            async def answer(request: Message, writer: asyncio.StreamWriter) -> None:
                if request.path.startswith("/die"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nSet-Cookie: s3cret\r\n\r\ncut off")
                elif not request.path.startswith("/gone"):
                    reply(writer, "a", "Set-Cookie: s3cret", "X-Token: s3cret")

            rig.slots.assign("hello", [await rig.serve(App("a", answer))])
            await rig.ask(path="/ok?token=s3cret&q=1", headers=headers)
            await rig.ask("POST", "/gone?token=s3cret", headers)
            with pytest.raises(asyncio.IncompleteReadError):
                await rig.ask(path="/die?token=s3cret", headers=headers)
            lines = await rig.logged(3)
            assert [line["request"]["uri"] for line in lines] == ["/ok", "/gone", "/die"]
            for log in ("access.log", "caddy.log"):
                assert "s3cret" not in (rig.home.log / log).read_text()
                assert (rig.home.log / log).stat().st_mode & 0o777 == 0o600

    asyncio.run(story())


def test_a_line_of_the_access_log_says_this_much(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            address = await rig.serve(App("a"))
            rig.slots.assign("hello", [address])
            await rig.ask("POST", "/buy", body=b"1234")
            (line,) = await rig.logged(1)
            assert isinstance(line.pop("ts"), float)
            assert 0 <= line.pop("up_ms") <= line.pop("duration") * 1000
            assert line == {
                "request": {
                    "remote_ip": "127.0.0.1",
                    "proto": "HTTP/1.1",
                    "method": "POST",
                    "host": "hello.localhost",
                    "uri": "/buy",
                },
                "bytes_read": 4,
                "size": 1,
                "status": 200,
                "app": "hello",
                "upstream": address,
            }, json.dumps(line)

    asyncio.run(story())
