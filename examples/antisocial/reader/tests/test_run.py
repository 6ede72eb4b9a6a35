"""``manage.py run``: all of it in one go, fetching a feed for real."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.cookiejar import CookieJar
from pathlib import Path

from django.conf import settings
from django.test import SimpleTestCase, tag

from reader.tests.corpus import RSS
from reader.tests.server import FeedServer, free_port, xml


@tag("slow", "elsewhere")
class RunTests(SimpleTestCase):
    def test_a_feed_that_is_subscribed_to_is_in_the_stream_soon_and_sigterm_ends_all(self) -> None:
        feeds = FeedServer()
        self.addCleanup(feeds.stop)
        feeds.answers["/rss"] = xml(RSS)
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        port = free_port()
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        environ = kept | {
            "PAWL_DATA": str(folder), "DEBUG": "1", "SOLO": "1", "FETCH_ALLOW_NETWORKS": "127.0.0.0/8",
            "PARSE_PROCESSES": "0",
        }  # fmt: skip
        with (folder / "output").open("wb") as output:
            app = subprocess.Popen(
                [sys.executable, "-B", "manage.py", "run", str(port)],
                cwd=settings.BASE_DIR, env=environ, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self.addCleanup(self.end, app)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        )

        def get(path: str) -> str:
            try:
                with opener.open(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                    return answer.read().decode()
            except OSError:
                return ""

        self.wait(lambda: get("/healthz") == "ok", folder)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', get("/feeds/"))
        assert found
        form = urllib.parse.urlencode({"url": feeds.url("/rss"), "csrfmiddlewaretoken": found[1]}).encode()
        opener.open(f"http://127.0.0.1:{port}/feeds/", form, timeout=30).close()
        self.wait(lambda: "Second" in get("/"), folder)
        app.send_signal(signal.SIGTERM)
        app.wait(120)
        self.assertEqual(get("/healthz"), "")

    def wait(self, condition: Callable[[], bool], folder: Path) -> None:
        """Until ``condition`` holds; what the app said if it does not in time."""
        deadline = time.monotonic() + 120
        while not condition():
            if time.monotonic() > deadline:
                self.fail((folder / "output").read_text()[-3000:])
            time.sleep(0.2)

    def end(self, app: subprocess.Popen[bytes]) -> None:
        """Nothing of it stays."""
        with suppress(ProcessLookupError):
            os.killpg(app.pid, signal.SIGKILL)
        app.wait()
