"""What is refused before any page is asked, and the headers every answer carries."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::(?P<port>\d{1,5}))?", re.IGNORECASE)
_READING = ("GET", "HEAD")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: under it a browser sends "Origin: null" with a page's own forms (Fetch, "append a request Origin
    # header"), and the Origin is what tells them from a stranger's. Nothing is sent to other origins under either.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), interest-cohort=()",
}


class Guarded:
    """An application that only answers requests addressed to this machine, and only posts from its own pages.

    ``refuse`` makes the answer to what is refused, of a status, a title and a text.
    """

    def __init__(self, app: ASGIApp, *, refuse: Callable[[int, str, str], Response] | None = None) -> None:
        self._app = app
        self._refuse = refuse or (lambda status, title, text: PlainTextResponse(f"{title}: {text}\n", status))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = self._refusal(scope["method"], Headers(scope=scope)) or self._app
        await answer(scope, receive, _with_headers(send))

    def _refusal(self, method: str, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or port_of(hosts[0]) is None:
            return self._refuse(
                421, "This is not an address of the dashboard", "It answers on 127.0.0.1 and localhost only."
            )
        if method in _READING or _is_own(headers, hosts[0]):
            return None
        return self._refuse(
            403, "This did not come from the dashboard's own page", "Nothing was done. Open the page and try again."
        )


def port_of(host: str) -> int | None:
    """The port in a ``Host`` that names this machine (80 without one); None if it names another.

    >>> port_of("127.0.0.1:8090"), port_of("[::1]"), port_of("localhost.evil.example:8090")
    (8090, 80, None)
    """
    match = _LOOPBACK.fullmatch(host)
    return int(match["port"] or 80) if match else None


def _is_own(headers: Headers, host: str) -> bool:
    """Whether a request that changes something was sent by a page of this very address."""
    sites = {*headers.getlist("sec-fetch-site")} or {"same-origin"}
    return headers.getlist("origin") == [f"http://{host}"] and sites == {"same-origin"}


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return with_headers
