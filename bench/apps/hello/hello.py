"""Hello, world over WSGI; every answer says which release gave it."""

import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

_BODY = b"hello, world\n"
_HEADERS = [
    ("Content-Type", "text/plain"),
    ("Content-Length", str(len(_BODY))),
    ("X-Release", os.environ.get("PAWL_RELEASE", "")),
]


def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", _HEADERS)
    return [_BODY]
