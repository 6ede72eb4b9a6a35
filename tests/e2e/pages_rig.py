"""The dashboard's pages over HTTP, as a browser without JavaScript asks for them."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.support import Pawl


@dataclass
class Browser:
    """Keeps its cookies and follows one redirect; ``host`` is what it takes the dashboard's name for."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, str, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body or None, self.headers(method))
            answer = connection.getresponse()
            text = answer.read().decode()
            for line in answer.headers.get_all("set-cookie") or []:
                name, _, rest = line.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            return answer.status, text, answer.headers
        finally:
            connection.close()

    def headers(self, method: str = "GET") -> dict[str, str]:
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        return sent | ({"Origin": f"http://{self.host}"} if method == "POST" else {})

    def page(self, path: str) -> str:
        status, text, _ = self.ask("GET", path)
        assert status == 200, (status, path, text)
        return text

    def post(self, path: str, body: str = "") -> str:
        """Send a form; where it leads."""
        status, text, headers = self.ask("POST", path, body)
        assert status == 303, (status, text)
        return headers["location"]

    @contextlib.contextmanager
    def live(self, page: str) -> Iterator[Iterator[dict[str, str]]]:
        """The fragments of a page as they are sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", f"/live?page={page}", headers=self.headers())
            answer = connection.getresponse()
            assert answer.status == 200
            lines = (line.decode() for line in iter(answer.readline, b""))
            yield (json.loads(line[6:])["fragments"] for line in lines if line.startswith('data: {"fragments"'))
        finally:
            connection.close()


def opened(pawl: Pawl, *arguments: str) -> tuple[Browser, str]:
    """A browser that took a link, and where the link led."""
    link = urlsplit(pawl.ok("open", "--print-url", *arguments).strip())
    assert link.hostname == "127.0.0.1"
    browser = Browser(link.port or 0)
    assert "<form" in browser.page(link.path)
    return browser, browser.post(link.path)
