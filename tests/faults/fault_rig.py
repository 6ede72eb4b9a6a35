"""What the fault tests stand on: a site that is live, and the question whether it came through a fault whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from pawl.client.api import Client
from pawl.demo.load import Load, Tally
from pawl.engines.process import proc
from tests.support import HELLO, Pawl, Repository, eventually, is_running, repository

WANTED = ("web.1", "web.2", "worker.1", "beat.1")
TASKS = 2
BEAT = Path(__file__).with_name("beat.py")

# The second task is slow enough to be found running by the pawld that comes after.
CONFIG = """
app = "hello"

[build]
install = "none"
test = "python -c pass"

[release]
tasks = ['echo "1 $PAWL_RELEASE" >> "$PAWL_DATA/tasks"', 'echo "2 $PAWL_RELEASE" >> "$PAWL_DATA/tasks"; sleep 0.2']

[processes.web]
command = "python app.py --socket $SOCKET"
instances = 2
stop_timeout_s = 10

[processes.web.health]
path = "/healthz"
attempts = 2
interval_s = 0.1

[processes.worker]
command = "python worker.py"
stop_timeout_s = 10
health = { uptime_s = 0.15 }

[processes.beat]
command = "python beat.py"
singleton = true
stop_timeout_s = 10
health = { uptime_s = 0.15 }

[observe]
mode = "off"
"""


def broken(process: str) -> str:
    """``CONFIG`` with a worker or beat that ends at once."""
    before, name, after = CONFIG.partition(f"[processes.{process}]")
    after = after.replace(".py", ".py --broken", 1).replace("uptime_s = 0.15", "uptime_s = 20", 1)
    return before + name + after


class Event(NamedTuple):
    """A row of the ledger, read past pawld."""

    seq: int
    kind: str
    deploy: str
    data: dict[str, Any]


@dataclass(slots=True)
class Site:
    """A home with an app in it; ``version`` is what it serves by the test's own reckoning."""

    pawl: Pawl
    repo: Repository
    config: str = CONFIG
    wanted: Sequence[str] = WANTED
    version: int = 0
    newest: int = 0
    commits: dict[int, str] = field(default_factory=dict)

    @classmethod
    def at(cls, place: Path, *, config: str = CONFIG, wanted: Sequence[str] = WANTED) -> Site:
        """A site with version 1 live."""
        site = cls.empty_at(place, config=config, wanted=wanted)
        try:
            site.deploy()
        except BaseException:
            site.destroy()
            raise
        return site

    @classmethod
    def empty_at(cls, place: Path, *, config: str = CONFIG, wanted: Sequence[str] = WANTED) -> Site:
        """A site where nothing was deployed yet, pawld up."""
        env = {"PAWL_FAULT_POINT": f"@{place / 'fault'}"}
        site = cls(Pawl(place / "home", env=env), repository(place / "hello", HELLO), config=config, wanted=wanted)
        site.repo.write(**{"beat.py": BEAT.read_text()})
        site.pawl.up()
        return site

    def destroy(self) -> None:
        self.pawl.destroy()
        if strays := pawlds(self.pawl.path):  # that a test which failed has left, and that do not answer
            for pid in strays:
                kill(pid)
            self.pawl.destroy()
        shutil.rmtree(self.pawl.path.parent, ignore_errors=True)

    def commit(self, *, config: str | None = None, **files: str) -> int:
        """The next version, not deployed yet."""
        self.newest += 1
        files = {"VERSION": str(self.newest), "HEALTH": "ok\n", "pawl__toml": config or self.config, **files}
        self.commits[self.newest] = self.repo.commit(f"Say {self.newest}", **files)
        return self.newest

    def deploy(self, *, config: str | None = None, **files: str) -> int:
        """The next version, live."""
        version = self.commit(config=config, **files)
        self.pawl.ok("deploy", self.repo.path)
        self.version = version
        return version

    def release(self, version: int) -> str:
        return self.commits[version][:12]

    # Faults

    def pawld(self) -> int:
        """The pid of pawld."""
        return int(Client(self.pawl.home).get("ping")["pid"])

    def restart_pawld(self, **env: str) -> None:
        """SIGKILL to pawld, and the next one."""
        kill(self.pawld())
        self.pawl.up(**env)

    @contextmanager
    def dies_at(self, point: str) -> Iterator[None]:
        """While the block runs, pawld is killed when it reaches the point."""
        file = self.pawl.path.parent / "fault"
        file.write_text(point)
        try:
            yield
        finally:
            file.unlink()

    def wait_pawld_gone(self) -> None:
        """Wait until the pawld that is to die has died."""
        with (self.pawl.path / "pawld.lock").open() as lock:
            eventually(lambda: is_free(lock), within_s=30)

    @contextmanager
    def load(self, rate: float = 25) -> Iterator[Tally]:
        """Steady keep-alive requests while the block runs: none may fail, no connection may be closed on the client."""
        load = Load(f"http://hello.localhost:{self.pawl.port}/", rate=rate, connections=4)
        load.start()
        try:
            yield load.tally
        finally:
            load.stop()
        assert load.tally.failed == 0, f"{load.tally.failures} beside {load.tally.served} served"
        assert load.tally.served > 0
        assert load.tally.reopened == 0

    # What is there

    def events(self) -> list[Event]:
        """Every event of the ledger."""
        with closing(sqlite3.connect(f"file:{self.pawl.home.ledger}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT seq, kind, coalesce(deploy, ''), data FROM events ORDER BY seq").fetchall()
        return [Event(seq, kind, deploy, json.loads(data)) for seq, kind, deploy, data in rows]

    def deploys(self) -> list[str]:
        """The deploys that were asked for, oldest first."""
        return [event.deploy for event in self.events() if event.kind == "deploy_queued"]

    def outcome(self, deploy: str) -> str:
        """How a deploy ended, once it has."""

        def ends() -> list[Event]:
            return [event for event in self.events() if (event.kind, event.deploy) == ("deploy_ended", deploy)]

        found = eventually(ends, within_s=60)
        assert len(found) == 1, found
        return str(found[0].data["outcome"])

    def records(self) -> list[dict[str, Any]]:
        """What is written down of the instances."""
        found = []
        for path in self.pawl.home.instances.glob("*.json"):
            try:
                found.append(json.loads(path.read_text()))
            except FileNotFoundError:
                continue
        return found

    def live_pids(self) -> dict[str, int]:
        return {record["name"]: record["pid"] for record in self.records() if record["role"] == "live"}

    def caddy_pid(self) -> int:
        return next(pid for pid, mark in self.pawl.processes().items() if mark == "proxy")

    def file(self, name: str) -> list[str]:
        """The lines of a file in the app's own folder."""
        path = self.pawl.home.data("hello") / name
        return path.read_text().splitlines() if path.exists() else []

    # Judgement

    def faults(self) -> list[str]:
        """What is not as it should be with the app's version live and nothing under way; empty when all is well."""
        release = self.release(self.version)
        records = self.records()
        found = []
        there = Counter((record["name"], record["role"], record["release"]) for record in records)
        live = {name: there.pop((name, "live", release), 0) for name in self.wanted}
        found += [f"{count} live {name} of {release}" for name, count in live.items() if count != 1]
        found += [
            f"{count} too many: {role} {name} of {of}"
            for (name, role, of), count in there.items()
            if role != "warm" or not name.startswith("web.") or count > 1
        ]
        if len({record["release"] for record in records if record["role"] == "warm"}) > 1:
            found.append("more than one release is warm")
        found += [f"{item['name']} is not healthy" for item in records if not item["is_healthy"]]
        return found + self._stray_processes(records) + self._stray_files(records)

    def _stray_processes(self, records: list[dict[str, Any]]) -> list[str]:
        marks = self.pawl.processes()
        expected = {record["pid"]: f"instance:{record['id']}" for record in records}
        strays = {pid: mark for pid, mark in marks.items() if mark != "proxy" and expected.get(pid) != mark}
        absent = [mark for pid, mark in expected.items() if marks.get(pid) != mark]
        proxies = list(marks.values()).count("proxy")
        return [
            *(f"process {pid} ({mark}) is in no record" for pid, mark in strays.items()),
            *(f"{mark} does not run" for mark in absent),
            *([f"{proxies} proxies"] if proxies != 1 else []),
        ]

    def _stray_files(self, records: list[dict[str, Any]]) -> list[str]:
        home = self.pawl.home
        wanted = {f"{record['id']}.json" for record in records}
        wanted |= {os.path.basename(item["address"]) for item in records if item["address"].startswith("unix/")}
        there = set(os.listdir(home.instances))
        found = [f"instance files {there ^ wanted}"] if there != wanted else []
        tasks = home.path / "tasks"
        if tasks.exists() and os.listdir(tasks):
            found.append(f"notes of tasks {os.listdir(tasks)}")
        live = {record["address"] for record in records if record["role"] == "live" and record["process"] == "web"}
        slots = {path.name: content(path) for path in (home.slots / "hello").iterdir()}
        if set(slots.values()) != live or len(slots) != 20 or os.listdir(home.slots) != ["hello"]:
            found.append(f"slots {os.listdir(home.slots)}: {slots} for {live}")
        halves = [path.name for path in home.releases("hello").iterdir() if not (path / "release.json").exists()]
        return found + [f"half a release {name}" for name in halves]

    def assert_sound(self) -> None:
        """All is well, at once or soon: exactly what is wanted runs, serves and is written down."""
        try:
            eventually(lambda: not self.faults(), within_s=20)
        except AssertionError:
            raise AssertionError("\n".join(self.faults())) from None
        for _ in range(4):
            assert self.pawl.get() == (200, f"hello {self.version}")
        (status,) = Client(self.pawl.home).get("status", app="hello")["apps"]
        assert status["live"]["release"] == self.release(self.version)
        assert status["deploying"] is None
        running = [item for kind in status["processes"] for item in kind["instances"] if item["role"] == "live"]
        assert sorted(item["name"] for item in running) == sorted(self.wanted)
        assert {(item["state"], item["release"]) for item in running} == {("running", self.release(self.version))}
        self.assert_history()

    def assert_history(self) -> None:
        """No release task ran twice, never were there two beats, every deploy has ended once, no event is missing."""
        twice = [line for line, count in Counter(self.file("tasks")).items() if count > 1]
        assert not twice, f"release tasks that ran twice: {twice}"
        beats = self.file("beats")
        assert not [line for line in beats if line.endswith("is not alone")], beats
        events = self.events()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        queued = Counter(event.deploy for event in events if event.kind == "deploy_queued")
        ended = Counter(event.deploy for event in events if event.kind == "deploy_ended")
        assert queued == ended
        built = [event.data["release"] for event in events if event.kind == "release_built"]
        assert self.release(self.version) in built

    def assert_tasks_ran(self, version: int) -> None:
        """Each release task of a version ran once, in order."""
        mine = [line.split()[0] for line in self.file("tasks") if line.endswith(self.release(version))]
        assert mine == [str(number + 1) for number in range(TASKS)]


def begin(site: Site, *command: str) -> subprocess.Popen[str]:
    """A command of the user that goes on while we do other things."""
    return subprocess.Popen(
        [sys.executable, "-m", "pawl.cli.main", *command], env=site.pawl.environ(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def content(path: Path) -> str:
    """The text of a file, or nothing for one that has just been renamed."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def pawlds(home: Path) -> list[int]:
    """The pids of a home's pawld, whether it answers or not."""
    found = []
    for pid, rest in proc.marked("PAWL_HOME", str(home)).items():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            if rest == "" and b"pawl.daemon.main" in file.read():
                found.append(pid)
    return found


def is_free(lock: IO[str]) -> bool:
    """Whether nobody holds a lock file, which is held by us for a moment then."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(lock, fcntl.LOCK_UN)
    except BlockingIOError:
        return False
    return True


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process of this test and wait until it is gone."""
    os.kill(pid, number)
    eventually(lambda: not is_running(pid), within_s=30)


class Sites:
    """A few sites that tests take turns on, each test on several of them at once; one on which a test failed is left.

    A fault costs two starts of pawld and a deploy, most of which is waiting.
    """

    COUNT = 4

    def __init__(self) -> None:
        self._free: queue.SimpleQueue[Site | None] = queue.SimpleQueue()
        for _ in range(self.COUNT):
            self._free.put(None)

    def each(self, work: Callable[[Site, str], None], cases: Sequence[str]) -> None:
        """Do ``work`` for every case, on sites that are sound and stay so; says which cases failed, and how."""
        with ThreadPoolExecutor(self.COUNT) as pool:
            faults = [fault for fault in pool.map(lambda case: self._one(work, case), cases) if fault is not None]
        if len(faults) == 1:
            raise faults[0]
        if faults:
            raise ExceptionGroup(f"{len(faults)} of {len(cases)} cases failed", faults)

    def _one(self, work: Callable[[Site, str], None], case: str) -> Exception | None:
        site = self._free.get()
        try:
            site = site or Site.at(Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp")))
            work(site, case)
        except Exception as fault:  # noqa: BLE001  it is raised again by each()
            fault.add_note(f"in the case '{case}'" + (f", pawld's log:\n{log_tail(site)}" if site else ""))
            if site is not None:
                site.destroy()
            self._free.put(None)
            return fault
        self._free.put(site)
        return None

    def destroy(self) -> None:
        for _ in range(self.COUNT):
            site = self._free.get()
            if site is not None:
                site.destroy()


def log_tail(site: Site, lines: int = 40) -> str:
    path = site.pawl.home.log / "pawld.log"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "there is none"
