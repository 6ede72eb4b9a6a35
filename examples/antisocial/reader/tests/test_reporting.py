"""Logs, errors and traces: what leaves the app, and only if it is asked for."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from unittest import skipUnless

from django.conf import settings
from django.test import SimpleTestCase, tag

from antisocial.logs import JsonFormatter

_FAILING_REQUEST = """
from antisocial.wsgi import application
from django.test import RequestFactory
from django.core.handlers.wsgi import WSGIHandler
import antisocial.urls
from django.contrib.auth.decorators import login_not_required
from django.urls import path

@login_not_required
def broken(request):
    raise ZeroDivisionError("told to Sentry")

antisocial.urls.urlpatterns.append(path("broken", broken))
environ = RequestFactory().get("/broken", HTTP_HOST="localhost").environ
try:
    for _ in application(environ, lambda *_: None):
        pass
except ZeroDivisionError:
    pass
"""
_FLUSH = {
    "sentry": "import sentry_sdk; sentry_sdk.flush(5)",
    "otel": "from opentelemetry import trace; trace.get_tracer_provider().force_flush(5000)",
}


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server that keeps what is posted to it: its address, and paths with bodies."""
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name the base class has)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process of its own with these variables, and nothing else that the app reads."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    with tempfile.TemporaryDirectory() as data:
        return subprocess.run(
            [sys.executable, "-B", "-c", code],
            cwd=settings.BASE_DIR,
            env=kept | {"PAWL_DATA": data, "SECRET_KEY": "k", "DEBUG": "1", "NO_PROXY": "127.0.0.1"} | environ,
            capture_output=True,
            text=True,
            check=False,
        )


class LogTests(SimpleTestCase):
    def test_a_record_is_one_line_of_json(self) -> None:
        try:
            raise ValueError("broke")
        except ValueError:
            record = logging.getLogger("reader.x").makeRecord(
                "reader.x", logging.ERROR, "f", 1, "%s\nlines", ("two",), sys.exc_info(), extra={"feed": 7}
            )
        line = JsonFormatter(release="abc").format(record)
        self.assertNotIn("\n", line)
        found = json.loads(line)
        self.assertIn("ValueError: broke", found.pop("error"))
        self.assertRegex(found.pop("time"), r"^\d{4}-\d\d-\d\dT.*\+00:00$")
        self.assertEqual(
            found, {"level": "error", "logger": "reader.x", "message": "two\nlines", "release": "abc", "feed": 7}
        )


@tag("slow", "elsewhere")
class ReportingTests(SimpleTestCase):
    def test_nothing_is_loaded_that_is_not_asked_for(self) -> None:
        done = run(
            "import antisocial.wsgi, sys;"
            "print(sorted({'sentry_sdk', 'opentelemetry', 'boto3', 'nh3', 'feedparser'} & set(sys.modules)))"
        )
        self.assertEqual(done.stdout.strip(), "[]", done.stderr)

    @skipUnless(find_spec("sentry_sdk"), "its extra is not installed")
    def test_an_error_is_told_to_sentry_with_its_release(self) -> None:
        with collector() as (address, got):
            done = run(_FAILING_REQUEST + _FLUSH["sentry"], SENTRY_DSN=f"http://key@{address}/1", PAWL_RELEASE="abc123")
        self.assertEqual(done.returncode, 0, done.stderr)
        told = b"".join(body for _, body in got)
        self.assertTrue(b"told to Sentry" in told and b"abc123" in told, told[:400])

    @skipUnless(find_spec("opentelemetry"), "its extra is not installed")
    def test_a_request_is_traced(self) -> None:
        with collector() as (address, got):
            done = run(
                _FAILING_REQUEST + _FLUSH["otel"],
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{address}",
                PAWL_RELEASE="abc123",
            )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({path for path, _ in got}, {"/v1/traces"})
        told = b"".join(body for _, body in got)
        for part in (b"antisocial", b"abc123", b"broken", b"ZeroDivisionError"):
            self.assertTrue(part in told, part)

    def test_what_is_asked_for_and_not_installed_is_named(self) -> None:
        for variable, extra, package in (
            ("SENTRY_DSN", "sentry", "sentry_sdk"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel", "opentelemetry"),
        ):
            done = run(
                f"import sys; sys.modules['{package}'] = None; import antisocial.wsgi",
                **{variable: "http://k@127.0.0.1:1/1"},
            )
            self.assertIn(f"{variable} is set, but its package is not installed: uv sync --extra {extra}", done.stderr)
