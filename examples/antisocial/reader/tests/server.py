"""A real HTTP server of feeds, good and bad, for the tests."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RSS = """<?xml version="1.0"?>
<rss version="2.0"><channel>
  <title>Plain &amp; simple</title><link>https://example.org/</link><description>d</description>
  <item><guid isPermaLink="false">one</guid><title>First</title><link>/first</link><author>Ada</author>
    <description>&lt;p&gt;Hello &lt;b&gt;wor&lt;/b&gt;ld&lt;/p&gt;</description>
    <pubDate>Mon, 01 Jan 2024 10:00:00 +0000</pubDate></item>
  <item><guid>two</guid><title>Second</title><link>https://example.org/second</link>
    <pubDate>Tue, 02 Jan 2024 10:00:00 +0000</pubDate></item>
</channel></rss>"""

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>Café</title><id>urn:feed</id><updated>2024-03-01T00:00:00Z</updated>
  <link href="https://example.org/cafe"/>
  <entry><id>urn:1</id><title>Naïve</title><link href="https://example.org/1"/>
    <updated>2024-03-01T12:00:00+02:00</updated><author><name>Grace</name></author>
    <content type="html">&lt;p&gt;One.&lt;/p&gt;&lt;p&gt;Two.&lt;/p&gt;</content></entry>
</feed>"""

HOSTILE = """<?xml version="1.0"?>
<rss version="2.0"><channel><title>&lt;script&gt;steal()&lt;/script&gt;Nice</title>
  <link>javascript:steal()</link>
  <item><guid>x</guid><title>&lt;img src=x onerror=steal()&gt;Look &amp;lt;b&amp;gt;</title>
    <link>javascript:steal()</link>
    <description>&lt;script&gt;steal()&lt;/script&gt;&lt;p onclick="steal()"&gt;Safe&lt;/p&gt;
      &lt;style&gt;x{}&lt;/style&gt;</description>
    <pubDate>Fri, 01 Jan 2999 10:00:00 +0000</pubDate></item>
</channel></rss>"""

BROKEN = '<?xml version="1.0"?><rss version="2.0"><channel><title>Half'
PAGE = "<!doctype html><title>A page</title><p>Not a feed</p>"


class _Handler(BaseHTTPRequestHandler):
    server: FeedServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        match self.path:
            case "/rss" | "/atom" | "/hostile" | "/broken" | "/page" | "/path":
                self._answer(PAGES[self.path])
            case "/cached":
                self._cached()
            case "/slow":
                self.server.stopping.wait(5)
            case "/drip":
                self._endless(b"<", pause_s=0.05)
            case "/huge":
                self._endless(b" " * 100_000, pause_s=0)
            case "/moved":
                self._answer("", status=301, headers={"Location": "/rss"})
            case "/loop" | "/to-file":
                to = "/loop" if self.path == "/loop" else "file:///etc/passwd"
                self._answer("", status=302, headers={"Location": to})
            case _:
                self._answer("no", status=404)

    def _cached(self) -> None:
        marks = {"ETag": '"v1"', "Last-Modified": "Mon, 01 Jan 2024 10:00:00 GMT"}
        same = self.headers.get("If-None-Match") == '"v1"'
        self._answer("" if same else RSS, status=304 if same else 200, headers=marks)

    def _answer(self, body: str, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        raw = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/xml", **(headers or {})}.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _endless(self, piece: bytes, *, pause_s: float) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while not self.server.stopping.wait(pause_s):
                self.wfile.write(piece)
        except OSError:
            pass  # the fetcher has had enough

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name the base class has)
        """Keep quiet."""


PAGES = {"/rss": RSS, "/atom": ATOM, "/hostile": HOSTILE, "/broken": BROKEN, "/page": PAGE, "/path": "/etc/passwd"}


class FeedServer(ThreadingHTTPServer):
    """Serves on a free port of this machine until ``stop``; ``requests`` are the paths and headers it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def url(self, path: str) -> str:
        """The address of ``path`` on this server."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    def stop(self) -> None:
        """Stop and wait for it."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self._thread.join()
