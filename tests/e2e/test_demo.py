"""``pawl demo``: the whole loop on examples/antisocial, under load; and the app it leaves behind does its work."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pawl.demo.load import Load
from tests.support import Pawl, eventually, free_port

_FEED = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>News of ratchets</title>
<link>http://example.org/</link><description>d</description>
<item><title>A pawl was dropped</title><link>http://example.org/1</link><guid>1</guid></item></channel></rss>"""


def test_the_demo_goes_through_its_story_with_no_request_failed_but_by_the_bad_change(place: Path) -> None:
    demo = Pawl(place / "demo" / "home")
    try:
        done = demo.run("demo", "--folder", place / "demo", "--port", str(free_port()), "--json", timeout_s=600)
        assert done.returncode == 0, done.stdout + done.stderr
        answer = json.loads(done.stdout.splitlines()[-1])
        assert answer["failures"] == {}
        steps = answer["steps"][-5:]
        assert [step["step"] for step in steps] == [
            "deploy a change with a migration",
            "deploy a change that is not healthy",
            "deploy a change that fails now and then",
            "roll back by hand",
            "SIGKILL one of two web instances",
        ]
        assert all(step["served"] > 0 for step in steps)
        assert [step["failed"] > 0 for step in steps[:-1]] == [False, False, True, False]
        # Of the killed instance only answers that had begun can be lost (``failures`` has no other): one a connection.
        assert steps[-1]["failed"] <= Load.CONNECTIONS
        assert [deploy["outcome"] for deploy in reversed(demo.json("deploys", "antisocial")["deploys"])][:4] == [
            "kept", "kept", "failed", "rolled back",
        ]  # fmt: skip
        states = {
            process["type"]: [item["state"] for item in process["instances"] if item["role"] == "live"]
            for process in demo.status("antisocial")["processes"]
        }
        assert states == {"web": ["running", "running"], "worker": ["running"], "beat": ["running"]}
        _read_a_feed(demo.json("up")["port"])
    finally:
        demo.destroy()


def _read_a_feed(port: int) -> None:
    """Subscribe through the web, have the worker fetch, and find the entry in the stream."""

    def ask(path: str, form: dict[str, str] | None = None, cookie: str = "") -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {"Host": "antisocial.localhost", "Cookie": cookie}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request("POST" if form else "GET", path, urllib.parse.urlencode(form or {}), headers)
        answer = connection.getresponse()
        found = (answer.status, answer.read().decode(), (answer.getheader("Set-Cookie") or "").split(";")[0])
        connection.close()
        return found

    with _feed_server() as feed:
        status, page, cookie = ask("/feeds/")
        assert status == 200, page
        token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        status, page, _ = ask("/feeds/", {"url": feed, "csrfmiddlewaretoken": token}, cookie)
        assert status == 302, page
        eventually(lambda: "A pawl was dropped" in ask("/")[1], within_s=30)


@contextmanager
def _feed_server() -> Iterator[str]:
    class Feed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/rss+xml")
            self.send_header("Content-Length", str(len(_FEED)))
            self.end_headers()
            self.wfile.write(_FEED)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Feed)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/feed.xml"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
