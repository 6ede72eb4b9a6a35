"""Who may look: one-time links, and the session cookie that a link is exchanged for."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

LINK_S = 300.0
SESSION_S = 30 * 86_400
_MOST_LINKS = 100


class Sessions:
    """The sessions of one dashboard.

    A session is a signed cookie and is kept nowhere else: it outlives pawld, and ends with its 30 days or when the key
    is made anew. Links are kept in memory only, by their hash.
    """

    def __init__(self, key_file: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._key_file = key_file
        self._clock = clock
        self._links: dict[bytes, tuple[float, str]] = {}
        self._key = b""

    def link(self, target: str) -> str:
        """A token that is good once and for five minutes, and leads to ``target``, a path of the dashboard."""
        token = secrets.token_urlsafe(24)
        now = self._clock()
        self._links = {key: kept for key, kept in self._links.items() if kept[0] > now}
        while len(self._links) >= _MOST_LINKS:
            del self._links[next(iter(self._links))]
        self._links[_hashed(token)] = (now + LINK_S, target)
        return token

    def is_open(self, token: str) -> bool:
        """Whether the token would be taken; asking does not use it up."""
        kept = self._links.get(_hashed(token))
        return kept is not None and kept[0] > self._clock()

    def redeem(self, token: str) -> str | None:
        """Use the token up: where it leads, or None if it was used, has run out or never was."""
        kept = self._links.pop(_hashed(token), None)
        return kept[1] if kept is not None and kept[0] > self._clock() else None

    def cookie(self) -> str:
        """The value of a new session's cookie."""
        body = f"1.{int(self._clock()) + SESSION_S}.{secrets.token_urlsafe(9)}"
        return f"{body}.{self._signature(body)}"

    def is_session(self, value: str) -> bool:
        """Whether a cookie's value is that of a session that has not ended."""
        body, _, signature = value.rpartition(".")
        parts = body.split(".")
        if len(parts) != 3 or not value.isascii() or not hmac.compare_digest(signature, self._signature(body)):
            return False
        return parts[0] == "1" and int(parts[1]) > self._clock()

    def revoke(self) -> None:
        """End every session and take back every link."""
        self._links.clear()
        self._key_file.unlink(missing_ok=True)
        self._key = b""

    def _signature(self, body: str) -> str:
        self._key = self._key or self._read() or self._made()
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()

    def _read(self) -> bytes:
        try:
            key = self._key_file.read_bytes()
        except FileNotFoundError:
            return b""
        return key if len(key) == 32 else b""

    def _made(self) -> bytes:
        key = secrets.token_bytes(32)
        fresh = self._key_file.with_name(f"{self._key_file.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
        os.replace(fresh, self._key_file)
        return key


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
