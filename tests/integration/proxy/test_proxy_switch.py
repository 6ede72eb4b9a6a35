"""Changing what stands behind an app while it is being used: no request is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, unix_serve

from pawl.proxy.routes import Route
from tests.integration.proxy.proxy_rig import App, Message, a_proxy, chunks, read_head

_CLIENTS = 16
_SWITCHES = 20
_BETWEEN = 60  # requests to the new instance before the old one goes


class _Counted(App):
    """Says when it has been asked so many times."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_in_use = asyncio.Event()

    async def _say_name(self, request: Message, writer: asyncio.StreamWriter) -> None:
        await super()._say_name(request, writer)
        if len(self.asked) >= _BETWEEN:
            self.is_in_use.set()


def test_no_request_is_lost_while_instances_are_switched_under_load(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            is_over = asyncio.Event()
            answers: list[Message] = []

            async def use() -> None:
                async with await rig.client() as client:
                    while not is_over.is_set():
                        method = "POST" if len(answers) % 2 else "GET"
                        answers.append(await client.ask(method, "/"))

            old = _Counted("i0")
            rig.slots.assign("hello", [await rig.serve(old)])
            async with asyncio.TaskGroup() as clients:
                for _ in range(_CLIENTS):
                    clients.create_task(use())
                await old.is_in_use.wait()
                for number in range(1, _SWITCHES + 1):
                    new = _Counted(f"i{number}")
                    rig.slots.assign("hello", [await rig.serve(new, is_tcp=number % 3 == 0)])
                    await new.is_in_use.wait()
                    await old.close()
                    old = new
                is_over.set()
            assert {answer.status for answer in answers} == {200}
            assert {answer.text for answer in answers} == {f"i{number}" for number in range(_SWITCHES + 1)}
            assert len(answers) > _SWITCHES * _BETWEEN

    asyncio.run(story())


def test_a_deploy_does_not_reload_and_a_new_app_does(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            rig.slots.assign("hello", [await rig.serve(App("a"))])
            assert not await rig.caddy.apply([Route("hello")])
            assert await rig.caddy.apply([Route("other"), Route("hello")])
            assert not await rig.caddy.apply([Route("hello"), Route("other")])
            assert (await rig.ask()).text == "a"
            assert (await rig.ask(app="other")).status == 503
            assert await rig.caddy.apply([Route("hello")])
            assert (await rig.ask(app="other")).status == 404

    asyncio.run(story())


def test_a_reload_for_a_new_app_cuts_no_websocket_and_no_stream_of_another(tmp_path: Path) -> None:
    async def echo(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    async def story() -> None:
        may_go_on = asyncio.Event()

        async def stream(request: Message, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            await may_go_on.wait()
            writer.write(b"data: 2\n\n")

        routes = [Route("ws"), Route("sse")]
        async with a_proxy(tmp_path, *routes) as rig, unix_serve(echo, str(rig.socket("ws"))):
            rig.slots.assign("ws", [f"unix/{rig.socket('ws')}"])
            rig.slots.assign("sse", [await rig.serve(App("sse", stream))])
            address = f"ws://ws.localhost:{rig.machine.port}/"
            async with connect(address, host="127.0.0.1", proxy=None) as socket, await rig.client("sse") as client:
                client.send("GET", "/")
                await read_head(client.reader)
                events = chunks(client.reader)
                assert await anext(events) == b"data: 1\n\n"
                assert await rig.caddy.apply([*routes, Route("third")])
                assert await rig.caddy.apply([*routes, Route("third"), Route("fourth")])
                await socket.send("still here")
                assert await socket.recv() == "still here"
                may_go_on.set()
                assert await anext(events) == b"data: 2\n\n"

    asyncio.run(story())
