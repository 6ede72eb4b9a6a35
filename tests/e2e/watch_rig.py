"""A shop behind the real proxy, under a steady load, whose changes have seeded faults: see tests/apps/shop.

Most of a watched deploy is waiting, so a module plays its scenes at the same time, each with a shop of its own.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pawl.demo.load import Load, Tally
from tests.support import Pawl, Repository, eventually, repository

# Slow enough for the machine's own moods not to matter beside it, of which the judge forgives a tenth; with so many
# connections the load keeps its rate.
CALM = {"usual_s": 0.5}
MANY = 40
SHOP = Path(__file__).parents[1] / "apps" / "shop"
PATHS = ("/", "/items/7", "/search")
RATE = 40.0
BEFORE_S = 15.0
Json = dict[str, Any]


@dataclass(slots=True)
class Watched:
    """How a deploy went: ``lines`` of ``pawl deploy --json``, and what ``pawl observe --json`` said afterwards."""

    status: int
    lines: list[Json]
    seen: Json
    release: str
    before: str
    serving: set[str]

    @property
    def deploy(self) -> str:
        return str(self.seen["deploy"])

    @property
    def last(self) -> Json:
        """The outcome's line."""
        return self.lines[-1]

    @property
    def verdict(self) -> Json:
        """The last verdict that was reached."""
        return dict(self.seen["verdicts"][-1])

    def events(self, kind: str, **having: object) -> list[Json]:
        return [
            line
            for line in self.lines
            if line["event"] == kind and all(line[name] == value for name, value in having.items())
        ]

    def at(self, kind: str, **having: object) -> float:
        """When the first such event was (Unix time)."""
        return unix(self.events(kind, **having)[0]["at"])

    def assert_kept(self) -> None:
        """The change was kept and serves."""
        told = (self.status, self.last["outcome"], self.seen["outcome"], self.last["live"], self.serving)
        assert told == (0, "kept", "kept", self.release, {self.release}), (told, self.seen["verdicts"])

    def assert_taken_back(self, verdict: str) -> None:
        """The change was taken back for this verdict, and what was live before serves again."""
        told = (self.status, self.last["outcome"], self.seen["outcome"], self.last["live"], self.serving)
        assert told == (1, "rolled back", "rolled back", self.before, {self.before}), (told, self.seen["verdicts"])
        assert self.verdict["acts"]
        assert self.verdict["verdict"] == verdict, self.verdict


@dataclass(slots=True)
class Shop:
    """One shop of a home; ``observe`` are the lines of its ``[observe]``, ``web`` more of its ``[processes.web]``."""

    pawl: Pawl
    name: str
    repo: Repository
    observe: str = "duration_s = 30"
    web: str = ""
    more: str = ""
    good: str = field(default="", init=False)

    @classmethod
    def new(cls, pawl: Pawl, folder: Path, name: str, **config: str) -> Shop:
        """A shop that was never deployed."""
        return cls(pawl, name, repository(folder / name, SHOP), **config)

    @classmethod
    def opened(
        cls, pawl: Pawl, folder: Path, name: str, *, faults: Mapping[str, object] = MappingProxyType({}), **config: str
    ) -> Shop:
        """A shop that is live, without faults but for those that are usual."""
        shop = cls.new(pawl, folder, name, **config)
        shop.good = shop.change("Open", **faults)
        pawl.ok("deploy", shop.repo.path)
        return shop

    def change(self, title: str = "A change", **faults: object) -> str:
        """Commit these faults in place of those that were, and the configuration; the release it will be."""
        text = (
            f'app = "{self.name}"\n[processes.web]\ncommand = "python app.py --socket $SOCKET"\n{self.web}\n'
            f'[processes.web.health]\npath = "/healthz"\n{self.more}\n[observe]\n{self.observe}\n'
        )
        return self.repo.commit(title, pawl__toml=text, FAULTS=json.dumps(faults))[:12]

    @contextmanager
    def load(self, *, rate: float = RATE, before_s: float = BEFORE_S, connections: int = 16) -> Iterator[Tally]:
        """Steady requests while the block runs, which begins once so many seconds of them were answered."""
        url = f"http://{self.name}.localhost:{self.pawl.port}/"
        load = Load(url, rate=rate, connections=connections, paths=PATHS)
        load.start()
        try:
            eventually(lambda: load.tally.served >= rate * before_s, within_s=before_s + 60)
            yield load.tally
        finally:
            load.stop()

    def deploy(self, *arguments: str) -> Watched:
        """``pawl deploy --json`` of what was committed last."""
        before = self.live()
        done = self.pawl.run("deploy", self.repo.path, "--json", *arguments, timeout_s=300)
        return self.watched(done.returncode, done.stdout, done.stderr, before=before)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """The same in the background, as long as it is not live yet."""
        process = self.pawl.spawn("deploy", self.repo.path, "--json", *arguments)
        release = self.head()
        eventually(lambda: process.poll() is not None or self.live() == release, within_s=60)
        return process

    def finish(self, process: subprocess.Popen[str], *, before: str) -> Watched:
        """How what was begun has ended."""
        out, err = process.communicate(timeout=300)
        return self.watched(process.returncode, out, err, before=before)

    def watched(self, status: int, out: str, err: str, *, before: str) -> Watched:
        lines = [json.loads(line) for line in out.splitlines()]
        assert lines, err
        assert lines[-1]["event"] == "outcome", (lines[-1], err)
        return Watched(status, lines, self.seen(lines[-1]["deploy"]), self.head(), before, self.serving())

    def seen(self, deploy: str) -> Json:
        """``pawl observe --json``."""
        seen: Json = json.loads(self.pawl.run("observe", deploy, "--json").stdout)
        return seen

    def told(self, deploy: str) -> str:
        """``pawl observe``, for a person."""
        return self.pawl.run("observe", deploy).stdout

    def head(self) -> str:
        return self.repo.git("rev-parse", "HEAD")[:12]

    def live(self) -> str:
        """The release that is live; empty if none is."""
        live = next((app["live"] for app in self.pawl.json("apps")["apps"] if app["app"] == self.name), None)
        return str(live["release"]) if live else ""

    def serving(self) -> set[str]:
        """Who answers, by several requests."""
        bodies = [self.pawl.get("/", self.name)[1] for _ in range(8)]
        return {body.split()[-1] if body.split() else "nobody" for body in bodies}

    def running(self) -> set[str]:
        """The releases that have a process."""
        kinds = self.pawl.status(self.name)["processes"]
        return {item["release"] for kind in kinds for item in kind["instances"] if item["pid"]}

    def go_down(self) -> None:
        """From now on what every release of the shop stands on fails."""
        (self.pawl.home.data(self.name) / "down").touch()


Scene = Callable[[Pawl, Path], Any]


class Scenes:
    """Plays all scenes of a module at the same time, from the beginning on; asks each for what it gave by its name."""

    def __init__(self, pawl: Pawl, scenes: Mapping[str, Scene]) -> None:
        folder = pawl.path.parent / "shops"
        folder.mkdir()
        self._pool = ThreadPoolExecutor(len(scenes))
        self._playing: dict[str, Future[Any]] = {
            name: self._pool.submit(scene, pawl, folder) for name, scene in scenes.items()
        }

    def __getitem__(self, name: str) -> Any:
        return self._playing[name].result(timeout=400)

    def close(self) -> None:
        self._pool.shutdown(wait=True)


@contextmanager
def playing(pawl: Pawl, scenes: Mapping[str, Scene]) -> Iterator[Scenes]:
    played = Scenes(pawl, scenes)
    try:
        yield played
    finally:
        played.close()


def unix(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
