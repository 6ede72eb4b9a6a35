"""The example app as a feed reader: its fetching, against the PyPI package `reader`, its stream and its memory.

Fetching: 1,000 feeds of 20 entries each (about 1 kB of HTML an entry) are served by one process on loopback, each on
an address of its own. Both begin with an empty database and their feeds added, and by turns fetch, parse and store all
of them: seconds from the first request to the last row, the median of the runs. Both use SQLite. The package is asked
with each of the numbers of threads given, and its best is taken. The app also sanitises, indexes for search (the
package does so in a second step that is not counted) and hands the entries to one subscriber.

Stream: one web process of the app (gunicorn, 4 threads), 200 feeds, 100,000 unread entries and 50,000 read ones; one
client asks for pages one after another. Memory: web, worker and beat as the Procfile starts them, after those pages and
a round of fetching, as proportional share (PSS), with the worker's parsing processes ended.
"""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.report import Result, Target
from bench.stage import memory_bytes
from tests.support import free_port

_APP = Path(__file__).parent.parent / "examples" / "antisocial"
_SCRIPTS = Path(__file__).parent / "apps" / "reader"
_PACKAGE = "reader==3.26"
_NEEDED = "sgmllib3k==1.0.0"  # the package imports it and does not ask for it
_FEEDS, _ENTRIES, _RUNS = 1000, 20, 3
_THREADS = (4, 16)
_UNREAD = 100_000
_STREAM_MS = 100


def measure() -> Result:
    with tempfile.TemporaryDirectory(prefix="pawl-bench-") as name:
        folder = Path(name)
        ours, theirs = _environments(folder)
        ours_s, theirs_s = _fetching(folder, ours, theirs)
        pages, memory_mb = _full(folder, ours)
    ours_rate, theirs_rate = (
        _FEEDS / statistics.median(ours_s),
        max(_FEEDS / statistics.median(runs) for runs in theirs_s.values()),
    )
    rows = [["fetched and stored, the example app", *_spread(ours_s)]]
    rows += [[f"fetched and stored, `{_PACKAGE}`, {n} threads", *_spread(runs)] for n, runs in theirs_s.items()]
    rows += [
        [f"{what}, {_UNREAD:,} unread", f"{statistics.median(ms):.0f} ms", f"{min(ms):.0f} to {max(ms):.0f} ms"]
        for what, ms in pages.items()
    ]
    rows += [[f"memory of {what}", f"{mb:.0f} MB", ""] for what, mb in memory_mb.items()]
    rows.append(["memory of the three", f"{sum(memory_mb.values()):.0f} MB", ""])
    stream_ms = statistics.median(pages["the stream's first page"])
    targets = [
        Target("feeds a second, against the package", f"{ours_rate:.0f} against {theirs_rate:.0f}", "at least as many",
               ours_rate >= theirs_rate),
        Target(f"the stream with {_UNREAD:,} unread entries", f"{stream_ms:.0f} ms", f"≤ {_STREAM_MS} ms",
               stream_ms <= _STREAM_MS),
    ]  # fmt: skip
    return Result(["", "median", "from, to"], rows, targets)


def _spread(seconds: list[float]) -> list[str]:
    rates = sorted(_FEEDS / took for took in seconds)
    return [f"{statistics.median(rates):.0f} feeds/s", f"{rates[0]:.0f} to {rates[-1]:.0f}"]


def _environments(folder: Path) -> tuple[Path, Path]:
    """Two Pythons: with the app's locked packages, and with the package it is measured against."""
    uv = str(Path(sys.executable).with_name("uv"))
    ours, theirs = folder / "ours", folder / "theirs"
    subprocess.run(
        [uv, "sync", "--frozen", "--no-dev", "--quiet", "--python", sys.executable],
        cwd=_APP, env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(ours)}, check=True,
    )  # fmt: skip
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, theirs], check=True)
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", theirs / "bin" / "python", _PACKAGE, _NEEDED], check=True
    )
    return ours / "bin", theirs / "bin"


def _settings(data: Path) -> dict[str, str]:
    return {
        **os.environ, "PAWL_DATA": str(data), "SECRET_KEY": "k", "FETCH_ALLOW_NETWORKS": "127.0.0.0/8",
        "STATIC_ROOT": str(data / "static"), "NO_PROXY": "*",
    }  # fmt: skip


def _fetching(folder: Path, ours: Path, theirs: Path) -> tuple[list[float], dict[int, list[float]]]:
    ours_s: list[float] = []
    theirs_s: dict[int, list[float]] = {threads: [] for threads in _THREADS}
    with _served() as urls:
        for run in range(_RUNS):
            ours_s.append(
                _timed(ours / "python", "ours.py", urls=urls, cwd=_APP, env=_settings(folder / f"ours-{run}"))
            )
            for threads in _THREADS:
                at = folder / f"theirs-{run}-{threads}.sqlite"
                theirs_s[threads].append(
                    _timed(theirs / "python", "theirs.py", at, threads, urls=urls, cwd=folder, env=dict(os.environ))
                )
    return ours_s, theirs_s


def _timed(python: Path, script: str, *arguments: object, urls: str, cwd: Path, env: dict[str, str]) -> float:
    done = subprocess.run(
        [python, _SCRIPTS / script, *map(str, arguments)],
        input=urls, cwd=cwd, env=env, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{script}: {done.stderr[-2000:]}")
    seconds, entries = done.stdout.split()[-2:]
    if int(entries) != _FEEDS * _ENTRIES:
        raise RuntimeError(f"{script} stored {entries} entries, not {_FEEDS * _ENTRIES}")
    return float(seconds)


@contextmanager
def _served() -> Iterator[str]:
    """The addresses of the feeds, a line each."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, _SCRIPTS / "serve.py", str(port), str(_FEEDS), str(_ENTRIES)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        if server.stdout.readline().strip() != "ready":
            raise RuntimeError("the feeds are not served")
        yield "\n".join(f"http://127.8.{n // 250}.{n % 250 + 1}:{port}/feed" for n in range(_FEEDS))
    finally:
        server.terminate()
        server.wait()


def _full(folder: Path, ours: Path) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Milliseconds of pages, and megabytes of processes, of the app with a full database."""
    data = folder / "full"
    env = {**_settings(data), "PORT": str(free_port())}
    filled = subprocess.run(
        [ours / "python", _SCRIPTS / "fill.py", str(_UNREAD)],
        cwd=_APP, env=env, stdout=subprocess.PIPE, text=True, check=True,
    ).stdout.split()  # fmt: skip
    if int(filled[0]) != _UNREAD:
        raise RuntimeError(f"{filled[0]} entries are unread, not {_UNREAD}")
    subprocess.run(
        [ours / "python", "manage.py", "collectstatic", "--noinput"],
        cwd=_APP,
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with _processes(ours, env) as pids:
        pages = _pages(int(env["PORT"]), filled[1])
        time.sleep(70)  # beat has had the worker do a round
        memory_mb = {name: memory_bytes(pid, "Pss") / 1e6 for name, pid in pids.items()}
    return pages, memory_mb


@contextmanager
def _processes(ours: Path, env: dict[str, str]) -> Iterator[dict[str, int]]:
    """The Procfile's processes; for web, the process that serves besides the one that watches over it."""
    lines = dict(line.split(": ", 1) for line in (_APP / "Procfile").read_text().splitlines())
    running = {
        name: subprocess.Popen(
            [str(ours / command.split()[0]), *command.split()[1:]],
            cwd=_APP, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for name, command in lines.items()
    }  # fmt: skip
    try:
        pids = {name: process.pid for name, process in running.items()}
        deadline = time.monotonic() + 60
        while not (children := _children(pids["web"])):
            if time.monotonic() > deadline:
                raise RuntimeError("gunicorn does not serve")
            time.sleep(0.2)
        yield {"web, which watches": pids.pop("web"), "web, which serves": children[0], **pids}
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(60)


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def _pages(port: int, session: str) -> dict[str, list[float]]:
    paths = {
        "the stream's first page": "/",
        "the list of feeds": "/feeds/",
        "a search": "/search/?words=pawls",
    }
    took: dict[str, list[float]] = {what: [] for what in paths}
    deadline = time.monotonic() + 60
    while True:
        try:
            _ask(port, "/healthz", session)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    for turn in range(33):
        for what, path in paths.items():
            ms = _ask(port, path, session)
            if turn >= 3:  # the first ones load templates
                took[what].append(ms)
    return took


def _ask(port: int, path: str, session: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Host": "localhost", "Cookie": f"sessionid={session}"})
    answer = connection.getresponse()
    answer.read()
    took_ms = (time.perf_counter() - began) * 1000
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}")
    return took_ms
