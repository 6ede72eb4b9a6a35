"""The rule by which answers become healthy or not, asked of a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import chain, count, repeat
from pathlib import Path

import msgspec
import pytest

from pawl.config.schema import Health
from pawl.engines.process import health
from pawl.engines.process.health import Probe
from tests.support import free_port

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
QUICK = Health(path="/healthz", attempts=3, interval_s=0.01, timeout_s=5.0, start_timeout_s=5.0)


def says(data: str | bytes) -> Answer:
    """An answer that is sent, and the connection closed."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data.encode() if isinstance(data, str) else data)

    return answer


def http(status: int, body: str = "", head: str = "") -> str:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body.encode())}\r\n{head}\r\n{body}"


class Server:
    """Answers one connection after the other as it was told; the last answer is given for ever."""

    def __init__(self, answers: Iterator[Answer]) -> None:
        self._answers = answers
        self.requests: list[str] = []
        self.closing = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = next(self._answers)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head.decode())
            await answer(reader, writer)
        except asyncio.IncompleteReadError:
            return  # a probe that only looks whether somebody listens
        finally:
            writer.close()


@asynccontextmanager
async def server(*answers: Answer) -> AsyncIterator[tuple[Server, str]]:
    """A server on a free port, and its address."""
    made = Server(chain(answers[:-1], repeat(answers[-1])))
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    try:
        yield made, f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        made.closing.set()
        listener.close()


async def ask(dial: str | None, rule: Health = QUICK, uptime: Callable[[], float] = lambda: 0.0) -> Probe:
    async with asyncio.timeout(20):
        return await health.wait_healthy(dial, rule, host="demo.example", is_https=False, uptime=uptime)


def probe(*answers: Answer, rule: Health = QUICK) -> Probe:
    """What comes of asking a server that answers so."""

    async def scene() -> Probe:
        async with server(*answers) as (_, dial):
            return await ask(dial, rule)

    return asyncio.run(scene())


def rule(**changes: object) -> Health:
    return msgspec.structs.replace(QUICK, **changes)


JUDGED = {
    "200": (http(200, "ok"), QUICK, True, "HTTP 200"),
    "a redirect": (http(302), QUICK, True, "HTTP 302"),
    "399": (http(399), QUICK, True, "HTTP 399"),
    "404": (http(404, "not\n here"), QUICK, False, "HTTP 404 at /healthz, expected 200 to 399: not here"),
    "500": (http(500), QUICK, False, "HTTP 500 at /healthz, expected 200 to 399"),
    "the status asked for": (http(503), rule(status=(503, 200)), True, "HTTP 503"),
    "not the status asked for": (http(200), rule(status=(204,)), False, "HTTP 200 at /healthz, expected 204"),
    "the content": (http(200, "all is well"), rule(content="is well"), True, "HTTP 200"),
    "without the content": (
        http(200, "all is ill"),
        rule(content="is well"),
        False,
        "HTTP 200 at /healthz without 'is well': all is ill",
    ),
    "content in UTF-8": (http(200, "läuft ✓"), rule(content="läuft ✓"), True, "HTTP 200"),
    "a body that is no text": (b"HTTP/1.1 200 X\r\n\r\n\xff\xfe", rule(content="x"), False, None),
    "no length, and the end": ("HTTP/1.1 200 X\r\n\r\nall is well", rule(content="well"), True, "HTTP 200"),
    "a body that is cut short": ("HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\nwell", rule(content="well"), True, None),
    "HTTP/1.0": ("HTTP/1.0 200 OK\r\n\r\nwell", QUICK, True, "HTTP 200"),
    "no HTTP": ("SSH-2.0-OpenSSH\r\n\r\n", QUICK, False, "HTTP 0 at /healthz, expected 200 to 399"),
    "a strange digit": ("HTTP/1.1 ²²² X\r\n\r\n".encode("latin-1"), QUICK, False, None),
    "a long body": (http(500, "x" * 300_000), QUICK, False, None),
    "a long body with the content at its end": (http(200, "x" * 300_000 + "well"), rule(content="well"), False, None),
    "an excerpt at the most": (http(500, "y" * 900), QUICK, False, None),
}


@pytest.mark.parametrize(("answer", "asked", "is_good", "text"), JUDGED.values(), ids=JUDGED)
def test_an_answer_is_judged(answer: str | bytes, asked: Health, *, is_good: bool, text: str | None) -> None:
    found = probe(says(answer), rule=asked)
    assert found.is_good is is_good
    wanted = text if is_good or text is None else f"3 probes failed, the last: {text}"
    assert text is None or found.text == wanted
    assert len(found.text) < 350


CHUNKED = "HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n"
BODIES = {
    "one chunk": "7\r\nis well\r\n0\r\n\r\n",
    "the content lies over two chunks": "4\r\nis w\r\n3\r\nell\r\n0\r\n\r\n",
    "chunks with extensions": "4;a=b\r\nis w\r\n03\r\nell\r\n0\r\n\r\n",
    "a text that looks like a size": "c\r\ncafe\nis well\r\n0\r\n\r\n",
    "broken off after the content": "7\r\nis well\r\n5\r\n",
    "one chunk longer than what is looked at, on one line": f"30d40\r\nis well{'x' * 199_993}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_in_chunks_is_put_together(body: str) -> None:
    found = probe(says(CHUNKED.format(status=200) + body), rule=rule(content="is well"))
    if body.endswith("5\r\n"):
        assert "the connection broke before an answer" in found.text
    else:
        assert found == Probe(True, True, "HTTP 200")


def test_a_server_that_keeps_the_connection_open_has_answered_all_the_same() -> None:
    async def scene() -> None:
        for data in (
            CHUNKED.format(status=200) + "2\r\nok\r\n0\r\n\r\n",
            http(200, "ok"),
            "HTTP/1.1 204 X\r\n\r\n",
            "HTTP/1.1 304 X\r\n\r\n",
        ):

            async def keep_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: str = data) -> None:
                writer.write(data.encode())
                await reader.read()

            async with server(keep_open) as (_, dial):
                assert (await ask(dial)).is_good, data

    asyncio.run(scene())


def test_one_good_answer_is_enough_and_bad_ones_before_it_are_forgiven() -> None:
    bad, good = says(http(503)), says(http(200))
    assert probe(bad, bad, good).is_good
    assert not probe(bad, bad, bad, good).is_good


async def never(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


BREAKING = {
    "never answers": (never, rule(timeout_s=0.05), "no answer within 0.05 s"),
    "resets": (reset, QUICK, "the connection broke before an answer"),
    "closes without a word": (says(""), QUICK, "the connection broke before an answer"),
    "has a chunk whose size has no end": (
        says(CHUNKED.format(status=200) + "1" * 200_000),
        QUICK,
        "the connection broke",
    ),
    "has a head without end": (says("x" * 200_000), QUICK, "the connection broke before an answer"),
    "stops within its body": (says("HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\nhalf"), QUICK, "HTTP 500"),
}


@pytest.mark.parametrize(("answer", "asked", "text"), BREAKING.values(), ids=BREAKING)
def test_a_server_that_breaks_is_not_healthy_and_is_asked_again(answer: Answer, asked: Health, text: str) -> None:
    found = probe(answer, rule=asked)
    assert found.text.startswith(f"3 probes failed, the last: {text}")
    assert probe(answer, says(http(200)), rule=asked).is_good


def test_a_request_looks_like_one_that_came_through_the_proxy() -> None:
    async def scene(*, is_https: bool) -> str:
        async with server(says(http(200))) as (made, dial):
            await health.wait_healthy(
                dial, rule(path="/up?full=1"), host="demo.example", is_https=is_https, uptime=lambda: 0.0
            )
            return made.requests[0]

    request = asyncio.run(scene(is_https=True))
    assert request.startswith("GET /up?full=1 HTTP/1.1\r\nHost: demo.example\r\n")
    assert "X-Forwarded-Proto: https\r\n" in request
    assert "X-Forwarded-Proto: http\r\n" in asyncio.run(scene(is_https=False))


def test_nothing_that_listens_is_waited_for_up_to_the_start_timeout() -> None:
    async def scene() -> Probe:
        seconds = count()
        return await ask(f"127.0.0.1:{free_port()}", rule(start_timeout_s=3), lambda: float(next(seconds)))

    found = asyncio.run(scene())
    assert not found.is_good
    assert not found.has_connected
    assert found.text.startswith("nothing listens after 3 s (")


def test_an_instance_may_begin_to_listen_late(place: Path) -> None:
    async def scene() -> None:
        path = place / "a.sock"
        asking = asyncio.ensure_future(ask(f"unix/{path}"))
        await asyncio.sleep(0)
        assert not asking.done()
        made = Server(repeat(says(http(200))))
        listener = await asyncio.start_unix_server(made.serve, path)
        assert (await asking).is_good
        listener.close()

    asyncio.run(scene())


def test_without_a_path_it_must_stay_up_and_accept_connections() -> None:
    async def scene() -> None:
        async with server(says("")) as (made, dial):
            ages = chain([0.0, 0.0, 0.97, 0.98], repeat(1.0))
            found = await ask(dial, rule(path=None, uptime_s=1.0), lambda: next(ages))
            assert found == Probe(True, True, "accepts connections")
            assert made.requests == []
        refused = await ask(f"127.0.0.1:{free_port()}", rule(path=None, start_timeout_s=3), lambda: 9.0)
        assert not refused.is_good

    asyncio.run(scene())


def test_what_has_no_address_must_only_stay_up() -> None:
    async def scene() -> list[float]:
        ages = chain([0.2, 0.98, 0.99], repeat(1.5))
        asked: list[float] = []

        def uptime() -> float:
            asked.append(next(ages))
            return asked[-1]

        assert await ask(None, rule(path=None, uptime_s=1.0), uptime) == Probe(True, True, "running")
        return asked

    assert asyncio.run(scene())[-1] == 1.5
