"""The API's client over the road to this machine's pawld: its unix socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from pawl.client import wire
from pawl.errors import PawlError, Unreachable, UsageError, from_dict
from pawl.home import Home

Json = dict[str, Any]


class Client:
    """Calls to one pawld. Each method blocks; errors that pawld reports are raised as they were there.

    Raises (any method):
        UsageError: a part of the path can name nothing.
        Unreachable: nothing answers at the socket.
        PawlError: what pawld reported.
    """

    def __init__(self, home: Home) -> None:
        self.home = home

    def get(self, *path: str, timeout_s: float | None = 60, **query: object) -> Json:
        """One object."""
        return self._call("GET", path, query, None, timeout_s)

    def post(self, *path: str, body: Json | None = None, timeout_s: float | None = 600, **query: object) -> Json:
        """Ask for a change; the answer."""
        return self._call("POST", path, query, body or {}, timeout_s)

    def delete(self, *path: str) -> Json:
        return self._call("DELETE", path, {}, None, 600)

    def lines(self, *path: str, **query: object) -> Iterator[Json]:
        """JSON lines as they come, until pawld ends them.

        Raises:
            Unreachable: pawld went away in the middle.
        """
        for line in self.raw_lines(*path, **query):
            yield json.loads(line)

    def raw_lines(self, *path: str, **query: object) -> Iterator[bytes]:
        """The same, as they are."""
        response = self._open("GET", path, query, None, None)
        try:
            yield from response.lines()
        except OSError as error:
            raise _gone(self.home) from error

    def _call(
        self, method: str, path: tuple[str, ...], query: Json, body: Json | None, timeout_s: float | None
    ) -> Json:
        response = self._open(method, path, query, body, timeout_s)
        try:
            answer: Json = json.loads(response.read())
        except OSError as error:
            raise _gone(self.home) from error
        return answer

    def _open(
        self, method: str, path: tuple[str, ...], query: Json, body: Json | None, timeout_s: float | None
    ) -> wire.Response:
        target = "/v1/" + "/".join(map(_quoted, path))
        wanted = {name: value for name, value in query.items() if value is not None}
        if wanted:
            target += "?" + urlencode(wanted, errors="replace")
        content = None if body is None else json.dumps(body).encode()
        try:
            response = wire.request(str(self.home.socket), method, target, body=content, timeout_s=timeout_s)
            refusal = response.read() if response.status >= 400 else None
        except OSError as error:
            raise _gone(self.home) from error
        if refusal is not None:
            raise _reported(refusal)
        return response


def _quoted(name: str) -> str:
    """A name as one part of the API's paths; no app and no deploy has an empty one, or one with a slash."""
    if not name or "/" in name:
        raise UsageError(f"nothing here is called '{name[:60]}'", next_step="see: pawl apps")
    return quote(name, safe="", errors="replace")


def _reported(body: bytes) -> PawlError:
    try:
        return from_dict(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return PawlError("pawld gave an answer that is not its API's", why=body[:200].decode("utf-8", "replace"))


def _gone(home: Home) -> Unreachable:
    return Unreachable("pawld does not answer", why=f"nothing listens for {home.path}", next_step="start it: pawl up")
