"""The API's client over the road to this machine's pawld: its unix socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from pawl.client import wire
from pawl.errors import PawlError, StateError, Unreachable, UsageError, from_dict
from pawl.home import Home

Json = dict[str, Any]
_PING_S = 5.0
_SEE_LOG = "see: log/pawld.log in the state folder"


class Client:
    """Calls to one pawld. Each method blocks; errors that pawld reports are raised as they were there.

    Raises (any method):
        UsageError: a part of the path can name nothing.
        Unreachable: nothing answers at the socket.
        StateError: this user may not reach the socket.
        PawlError: what pawld reported; or it did not answer in time, or broke off its answer.
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
            PawlError: pawld broke off in the middle, and is there.
        """
        for line in self.raw_lines(*path, **query):
            yield json.loads(line)

    def raw_lines(self, *path: str, **query: object) -> Iterator[bytes]:
        """The same, as they are."""
        response = self._open("GET", path, query, None, None)
        try:
            yield from response.lines()
        except OSError as error:
            raise self._fault(error, None) from error

    def _call(
        self, method: str, path: tuple[str, ...], query: Json, body: Json | None, timeout_s: float | None
    ) -> Json:
        response = self._open(method, path, query, body, timeout_s)
        try:
            answer: Json = json.loads(response.read())
        except OSError as error:
            raise self._fault(error, timeout_s) from error
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
            raise self._fault(error, timeout_s) from error
        if refusal is not None:
            raise _reported(refusal)
        return response

    def _fault(self, error: OSError, timeout_s: float | None) -> PawlError:
        """What it means that a call came to no answer."""
        if isinstance(error, PermissionError):
            return StateError(
                "the state folder belongs to another user", why=f"{self.home.path}: {error.strerror}",
                next_step="name your own in PAWL_HOME, or run this as that user",
            )  # fmt: skip
        if isinstance(error, TimeoutError) and timeout_s is not None:
            return PawlError(
                f"pawld has not answered within {timeout_s:g} s",
                why="it is there, and busy; what was asked for may still be done", next_step=_SEE_LOG,
            )  # fmt: skip
        if isinstance(error, FileNotFoundError | ConnectionRefusedError) or not self._is_there():
            return Unreachable(
                "pawld does not answer", why=f"nothing listens for {self.home.path}", next_step="start it: pawl up"
            )
        return PawlError(
            "pawld broke off its answer", why="it is there: something failed while it answered", next_step=_SEE_LOG
        )

    def _is_there(self) -> bool:
        try:
            wire.request(str(self.home.socket), "GET", "/v1/ping", body=None, timeout_s=_PING_S).read()
        except OSError:
            return False
        return True


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
