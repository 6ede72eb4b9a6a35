"""A web app of the standard library alone, that does what its settings say.

``/`` says which version answers; ``/slow?s=1`` takes its time; ``/stream?n=5&s=0.2`` sends n lines, s seconds apart;
``/pid``, ``/env?NAME`` and ``/headers`` tell; ``/broken`` is; POST ``/count`` counts itself in ``$PAWL_DATA/count``.
"""

import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

VERSION = Path(__file__).with_name("VERSION").read_text().strip()
in_flight = 0
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "client"

    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        global in_flight
        with lock:
            in_flight += 1
        try:
            self.respond()
        finally:
            with lock:
                in_flight -= 1

    do_POST = do_GET

    def respond(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if parts.path == "/slow":
            time.sleep(float(query.get("s", "1")))
        if parts.path == "/stream":
            return self.stream(int(query["n"]), float(query["s"]))
        if parts.path == "/exit":
            os._exit(int(query.get("status", "1")))
        if parts.path == "/log":
            print(query["text"], flush=True)
        if parts.path == "/grow":
            leak.append(bytearray(int(query["mb"]) * 1_000_000))
        text = {
            "/pid": lambda: str(os.getpid()),
            "/env": lambda: "\n".join(f"{name}={os.environ.get(name)}" for name in query),
            "/headers": lambda: str(self.headers),
            "/broken": lambda: "bad, as ever",
            "/healthz": lambda: Path(__file__).with_name("HEALTH").read_text(),
        }.get(parts.path, lambda: f"hello {VERSION}")()
        status = 503 if text.startswith("bad") else 200
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Release", os.environ.get("PAWL_RELEASE", ""))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, count, pause_s):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(count):
            line = f"{VERSION} {number}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
            time.sleep(pause_s)
        self.wfile.write(b"0\r\n\r\n")


class UnixServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX
    request_queue_size = 256

    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "unix", 0


class TcpServer(ThreadingHTTPServer):
    request_queue_size = 256


leak = []


def main():
    time.sleep(float(os.environ.get("BOOT_S", "0")))
    if "SOCKET" in os.environ:
        server = UnixServer(os.environ["SOCKET"], Handler)
    else:
        server = TcpServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    server.daemon_threads = True

    def stop(*_arguments):
        threading.Thread(target=finish, args=(server,)).start()

    signal.signal(signal.SIGTERM, stop)
    print(f"version {VERSION} listens", flush=True)
    server.serve_forever(poll_interval=0.05)


def finish(server):
    """Stop accepting, let requests under way end, exit."""
    server.shutdown()
    while in_flight:
        time.sleep(0.02)
    print("bye", flush=True)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
