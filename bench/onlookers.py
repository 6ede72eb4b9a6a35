"""What 200 open dashboards cost pawld: its processor time and its memory, beside nobody looking.

Three apps answer 50 requests a second each, and one of them is deployed every ten seconds. The pages that are open are
a third each of all apps, of an app under load and of the app that is deployed; each is a connection that takes
everything that is sent to it, as a browser in front does. Nobody: pawld as it is before anyone looked for the first
time, under the same load. One: a dashboard is open, so its code is loaded. Processor time is pawld's own, over 40
seconds, as a share of one core; memory is resident (Rss), at the end of them.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench.report import Result, Target
from bench.stage import TINY, Stage, cpu_s, load, memory_bytes, stage
from tests.support import Repository

OPEN = 200
_RATE = 50.0
_SETTLING_S = 15.0
_MEASURED_S = 40.0
_DEPLOYED_EVERY_S = 10.0
_MOST_CPU = 0.20
_MOST_MB = 30.0


@dataclass(slots=True)
class Onlookers:
    """Open pages, read as fast as they are sent; ``received`` counts bytes."""

    port: int
    cookie: str
    received: int = 0
    _sockets: list[socket.socket] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def look(self, page: str) -> None:
        """Open one more page."""
        one = socket.create_connection(("127.0.0.1", self.port))
        head = f"GET /live?page={page} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {self.cookie}\r\n\r\n"
        one.sendall(head.encode())
        self._sockets.append(one)

    def read(self) -> None:
        """Take what is sent until :meth:`close`.

        Raises:
            RuntimeError: a page was closed by the other side.
        """
        with selectors.DefaultSelector() as selector:
            for one in self._sockets:
                selector.register(one, selectors.EVENT_READ, one)
            while not self._over.is_set():
                for key, _ in selector.select(timeout=0.2):
                    data = key.data.recv(262_144)
                    if not data:
                        raise RuntimeError("a page was closed")
                    self.received += len(data)

    def close(self) -> None:
        self._over.set()
        for one in self._sockets:
            one.close()


@dataclass(frozen=True, slots=True)
class Cost:
    cpu: float
    rss_mb: float
    kb_per_s: float


def measure() -> Result:
    with stage() as place, ExitStack() as around:
        apps = [place.app("tiny", name, pawl__toml=TINY) for name in ("first", "second", "third")]
        for app in apps:
            place.deploy(app)
        for name in ("first", "second", "third"):
            around.enter_context(load(place.url(name), rate=_RATE))
        around.enter_context(_deploying(place, apps[2]))
        nobody = _cost(place, None)
        costs = [_looked_at(place, number) for number in (1, OPEN)]
    rows = [
        [name, f"{cost.cpu:.1%}", f"{cost.rss_mb:.1f} MB", f"{cost.kb_per_s:.0f} kB/s"]
        for name, cost in zip(("nobody", "1", str(OPEN)), (nobody, *costs), strict=True)
    ]
    many = costs[1]
    more_cpu, more_mb = many.cpu - nobody.cpu, many.rss_mb - nobody.rss_mb
    targets = [
        Target(f"{OPEN} open dashboards: pawld's processor, of one core", f"+{more_cpu:.1%}", f"≤ {_MOST_CPU:.0%}",
               more_cpu <= _MOST_CPU),
        Target(f"{OPEN} open dashboards: pawld's memory", f"+{more_mb:.1f} MB", f"≤ +{_MOST_MB:.0f} MB",
               more_mb <= _MOST_MB),
    ]  # fmt: skip
    return Result(["dashboards open", "pawld's processor", "pawld's memory", "sent in all"], rows, targets)


def _looked_at(place: Stage, number: int) -> Cost:
    onlookers = Onlookers(*place.signed_in())
    for place_ in range(number):
        onlookers.look(("home", "app:first", "app:third")[place_ % 3])
    reading = threading.Thread(target=onlookers.read)
    reading.start()
    try:
        return _cost(place, onlookers)
    finally:
        onlookers.close()
        reading.join()


def _cost(place: Stage, onlookers: Onlookers | None) -> Cost:
    pid, _ = place.pids()
    time.sleep(_SETTLING_S)
    received = onlookers.received if onlookers else 0
    began, used = time.monotonic(), cpu_s(pid)
    time.sleep(_MEASURED_S)
    took, cpu = time.monotonic() - began, cpu_s(pid) - used
    sent = (onlookers.received if onlookers else 0) - received
    return Cost(cpu / took, memory_bytes(pid) / 1e6, sent / took / 1000)


@contextmanager
def _deploying(place: Stage, app: Repository) -> Iterator[None]:
    """A deploy of the app every so often while the block runs."""
    over = threading.Event()

    def deploy() -> None:
        while not over.wait(_DEPLOYED_EVERY_S):
            place.change(app)
            place.deploy(app)

    running = threading.Thread(target=deploy)
    running.start()
    try:
        yield
    finally:
        over.set()
        running.join()
