"""A shop of the standard library alone with seeded faults: the file FAULTS of its commit says what is wrong with it.

``/``, ``/items/N`` and ``/search`` answer after 150 ms or so (``usual_s``), ``/healthz`` tells how it is. FAULTS:

``errors``       share of requests (0..1) answered with 500, on the path ``on`` or all, ``after_s`` from the start on
``slower``       factor by which all take longer
``gone``         a path that is not there any more
``exits_after_s``  dies so long after its start
``leaks_mb_s``   grows by so many megabytes a second
``ill_after_s``  ``/healthz`` and all else say 503 from then on

The file ``down`` in ``$PAWL_DATA`` stands for a database that does not answer: every release fails then.
"""

import json
import os
import random
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FAULTS = json.loads(Path(__file__).with_name("FAULTS").read_text())
DOWN = Path(os.environ.get("PAWL_DATA", "/nowhere")) / "down"
BEGAN = time.monotonic()
USUAL_S = FAULTS.get("usual_s", 0.150)
leak = []


def since_start():
    return time.monotonic() - BEGAN


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "client"

    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        path = self.path.partition("?")[0]
        status = self.status_of(path)
        body = f"{status} {path} of {os.environ.get('PAWL_RELEASE', '')}\n".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Release", os.environ.get("PAWL_RELEASE", ""))
        self.end_headers()
        self.wfile.write(body)

    def status_of(self, path):
        if "ill_after_s" in FAULTS and since_start() > FAULTS["ill_after_s"]:
            return 503
        if path == "/healthz":
            return 200
        time.sleep(random.uniform(0.5, 1.5) * USUAL_S * FAULTS.get("slower", 1.0))
        if DOWN.exists():
            return 500
        if path == FAULTS.get("gone") or not (path in ("/", "/search") or path.startswith("/items/")):
            return 404
        is_meant = FAULTS.get("on", path) == path and since_start() >= FAULTS.get("after_s", 0)
        return 500 if is_meant and random.random() < FAULTS.get("errors", 0) else 200


class Server(ThreadingHTTPServer):
    address_family = socket.AF_UNIX
    request_queue_size = 128
    daemon_threads = True

    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "shop", 0


def grow():
    while True:
        time.sleep(0.2)
        leak.append(bytearray(os.urandom(int(FAULTS["leaks_mb_s"] * 200_000))))


def main():
    server = Server(os.environ["SOCKET"], Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    if "leaks_mb_s" in FAULTS:
        threading.Thread(target=grow, daemon=True).start()
    if "exits_after_s" in FAULTS:
        threading.Timer(FAULTS["exits_after_s"], os._exit, args=(3,)).start()
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    sys.exit(0)


if __name__ == "__main__":
    main()
