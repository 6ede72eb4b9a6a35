"""Is an instance healthy? One probe, and the rule by which probes become an answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from pawl.config.schema import Health

_LONGEST_BODY = 65_536
_FIRST_POLL_S = 0.02
_LONGEST_PROBE_S = 2.0


@dataclass(frozen=True, slots=True)
class Probe:
    """The answer to one probe. ``has_connected`` is False while nothing accepts connections yet."""

    is_good: bool
    has_connected: bool
    text: str


async def wait_healthy(
    dial: str | None, health: Health, *, host: str, is_https: bool, uptime: Callable[[], float]
) -> Probe:
    """Probe until the rule of ``health`` is met or can no longer be.

    With a path: once the instance accepts connections, one good answer makes it healthy and ``attempts`` bad ones in a
    row make it not. Without a path: it is healthy after staying up ``uptime_s`` and, when it has an address to listen
    on (``dial``), accepting a connection there. ``start_timeout_s`` bounds the time until the first connection. The
    caller watches the process: one that dies ends this by cancelling it.
    """
    attempt = 0
    pause = _FIRST_POLL_S
    while True:
        probe = await _ask(dial, health, host=host, is_https=is_https)
        if probe.is_good and (health.path is not None or uptime() >= health.uptime_s):
            return probe
        if probe.has_connected and not probe.is_good:
            attempt += 1
            if attempt >= health.attempts:
                return Probe(False, True, f"{attempt} probes failed, the last: {probe.text}")
            await asyncio.sleep(health.interval_s)
            continue
        if not probe.has_connected and uptime() > health.start_timeout_s:
            return Probe(False, False, f"nothing listens after {health.start_timeout_s:g} s ({probe.text})")
        if probe.is_good:
            await asyncio.sleep(max(_FIRST_POLL_S, health.uptime_s - uptime()))
            continue
        await asyncio.sleep(pause)
        pause = min(pause * 1.25, 0.25)


async def probe(
    dial: str | None, health: Health, *, host: str, is_https: bool, longest_s: float = _LONGEST_PROBE_S
) -> Probe:
    """Ask once, for two seconds at most if nothing else is said: whoever has waited so long has noticed."""
    try:
        async with asyncio.timeout(longest_s):
            return await _ask(dial, health, host=host, is_https=is_https)
    except TimeoutError:
        return Probe(False, True, f"no answer within {longest_s:g} s")


async def _ask(dial: str | None, health: Health, *, host: str, is_https: bool) -> Probe:
    if dial is None:
        return Probe(True, True, "running")
    try:
        async with asyncio.timeout(health.timeout_s):
            return await _probe(dial, health, host, is_https=is_https)
    except TimeoutError:
        return Probe(False, True, f"no answer within {health.timeout_s:g} s")


async def _probe(dial: str, health: Health, host: str, *, is_https: bool) -> Probe:
    try:
        reader, writer = await connect(dial)
    except OSError as error:
        return Probe(False, False, error.strerror or str(error))
    try:
        if health.path is None:
            return Probe(True, True, "accepts connections")
        scheme = "https" if is_https else "http"
        writer.write(
            f"GET {health.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: pawl-health\r\nAccept: */*\r\n"
            f"X-Forwarded-Proto: {scheme}\r\nX-Forwarded-Host: {host}\r\nX-Forwarded-For: 127.0.0.1\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        await writer.drain()
        head, body = await _answer(reader)
        return _judge(head, body, health)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:  # a line without end
        return Probe(False, True, f"the connection broke before an answer ({error})")
    finally:
        writer.close()


async def connect(dial: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to an address as Caddy writes it: ``unix//path`` or ``127.0.0.1:port``."""
    if dial.startswith("unix/"):
        return await asyncio.open_unix_connection(dial.removeprefix("unix/"))
    host, _, port = dial.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    if re.search(r"(?im)^transfer-encoding:.*\bchunked\s*$", head):
        return head, await _chunked(reader)
    length = re.search(r"(?im)^content-length:\s*(\d{1,15})\s*$", head)
    longest = min(_LONGEST_BODY, int(length[1])) if length else _LONGEST_BODY
    if re.match(r"HTTP/\S+ (?:204|304)\b", head):
        longest = 0
    body = b""
    while len(body) < longest and (piece := await reader.read(longest - len(body))):
        body += piece
    return head, body


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    """The body that comes in chunks, as far as it is looked at; one that breaks off is what has come of it."""
    body = b""
    while True:
        row = (await reader.readline()).partition(b";")[0].strip()
        try:
            size = int(row, 16)
        except ValueError:
            break
        if size <= 0:
            break
        body += await reader.readexactly(min(size, _LONGEST_BODY - len(body)))
        if len(body) == _LONGEST_BODY:
            break
        await reader.readline()
    return body


def _judge(head: str, body: bytes, health: Health) -> Probe:
    words = head.split(None, 2)
    status = int(words[1]) if len(words) > 1 and words[0].startswith("HTTP/") and words[1].isdecimal() else 0
    shown = body.decode("utf-8", "replace")
    excerpt = " ".join(shown.split())[:200]
    is_expected = status in health.status if health.status else 200 <= status <= 399
    if not is_expected:
        wanted = " or ".join(map(str, health.status)) or "200 to 399"
        return Probe(
            False, True, f"HTTP {status} at {health.path}, expected {wanted}" + (f": {excerpt}" if excerpt else "")
        )
    if health.content is not None and health.content not in shown:
        return Probe(False, True, f"HTTP {status} at {health.path} without '{health.content}': {excerpt}")
    return Probe(True, True, f"HTTP {status}")
