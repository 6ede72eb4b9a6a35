"""Caddy's admin API on its unix socket, in as much HTTP as that needs."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from pathlib import Path
from typing import Any

from pawl.errors import StateError


async def call(path: Path, method: str, target: str, body: Any = None, *, timeout_s: float = 30.0) -> tuple[int, Any]:
    """One request to the admin socket at ``path``: the status and the decoded answer (None for an empty one).

    Raises:
        StateError: nothing answers there, or not in time, or not with JSON.
    """
    try:
        async with asyncio.timeout(timeout_s):
            raw = await _exchange(path, method, target, b"" if body is None else json.dumps(body).encode())
        head, _, content = raw.partition(b"\r\n\r\n")
        return int(head.split(maxsplit=2)[1]), json.loads(content) if content.strip() else None
    except (OSError, TimeoutError, ValueError, IndexError) as error:
        raise StateError(
            "the proxy does not answer on its admin socket",
            why=str(error) or f"no answer within {timeout_s:g} s",
            next_step="see: log/caddy.log in the state folder",
        ) from error


async def _exchange(path: Path, method: str, target: str, body: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        # HTTP/1.0: the answer comes unchunked and ends with the connection.
        head = f"{method} {target} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        await writer.drain()
        return await reader.read(-1)
    finally:
        writer.close()


def listener_pid(path: Path) -> int | None:
    """The process that listens on the unix socket at ``path``, as the kernel knows it; None if none does."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.settimeout(1.0)
            client.connect(str(path))
        except OSError:
            return None
        pid, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid) or None
