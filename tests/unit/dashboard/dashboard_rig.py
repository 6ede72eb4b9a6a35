"""A dashboard over a ledger in memory and an empty signal store, and a browser that talks to it without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from pawl.dashboard.rendering import Renderer
from pawl.dashboard.server import Dashboard
from pawl.dashboard.sessions import Sessions
from pawl.engines.base import InstanceView
from pawl.errors import UsageError
from pawl.ledger.events import AppCreated, DeployEnded, DeployQueued, Learned, StageBegan, StageEnded, Switched
from pawl.ledger.memory import MemoryLedger
from pawl.ledger.observations import Observation
from pawl.model import Commit, DeployKind, Outcome, Stage
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore

Answer = TypeVar("Answer")
NOW = 1_780_000_000.0
HOST = "127.0.0.1:8090"
RENDERER = Renderer(host="box")  # compiles templates once for all tests


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


class FakePlace:
    """A :class:`pawl.dashboard.place.Place` that does nothing, and writes down what it was asked to do."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.ledger = MemoryLedger(clock=clock.moment)
        self.running: dict[str, list[InstanceView]] = {}
        self.looks: dict[str, tuple[str, Observation]] = {}
        self.lines: list[tuple[float, str, str]] = []
        self.asked: list[tuple[str, str, str]] = []
        self._store = SignalStore(folder / "signals.db")

    async def ask(self, question: Callable[[LoggedSignals], Answer]) -> Answer:
        return question(LoggedSignals(self._store))

    def instances(self, app: str) -> list[InstanceView]:
        return self.running.get(app, [])

    def wanted(self, app: str) -> Mapping[str, int]:
        return {"web": 1}

    def url(self, app: str) -> str:
        return f"http://{app}.localhost:8080/"

    def latest(self, deploy: str) -> tuple[str, Observation] | None:
        return self.looks.get(deploy)

    def on_look(self, follower: Callable[[str, str, Observation], None]) -> Callable[[], None]:
        return lambda: None

    async def log_lines(self, app: str, *, since: float, until: float, most: int) -> list[tuple[float, str, str]]:
        return self.lines

    def roll_back(self, app: str, *, asked_by: str) -> str:
        self.asked.append(("roll back", app, asked_by))
        return "d1"

    def learn(self, deploy: str, text: str, *, by: str) -> None:
        if not text.strip():
            raise UsageError("there is nothing in what was learned")
        app = next(one.app for one in [self.ledger.deploy(deploy)] if one)
        self.ledger.append(Learned(text=text, by=by), app=app, deploy=deploy)

    def keep(self, deploy: str, *, asked_by: str) -> None:
        self.asked.append(("keep", deploy, asked_by))
        if deploy not in self.looks:
            raise UsageError(f"deploy {deploy} is not being watched")


@dataclass
class Answered:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name.lower()), "")


@dataclass
class Browser:
    """Keeps cookies, and sends Host and Origin as a browser does."""

    app: Any
    host: str = HOST
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answered:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, *, form: Mapping[str, str] | None = None, **headers: str) -> Answered:
        sent = {"origin": f"http://{self.host}", "sec_fetch_site": "same-origin", **headers}
        return self.ask("POST", path, headers=sent, body=urlencode(form or {}).encode())

    def ask(self, method: str, path: str, *, headers: Mapping[str, str], body: bytes = b"") -> Answered:
        return asyncio.run(self._ask(method, path, {"host": self.host, **headers}, body))

    def scope(self, method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
        address, _, query = path.partition("?")
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**headers, **({"cookie": cookies} if cookies else {})}
        return {
            "type": "http", "method": method, "path": address, "raw_path": address.encode(), "root_path": "",
            "query_string": query.encode(), "http_version": "1.1", "scheme": "http",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items() if value],
            "asgi": {"version": "3.0", "spec_version": "2.3"},
        }  # fmt: skip

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answered:
        got = Answered(0, [], b"")

        bodies = [body]

        async def receive() -> dict[str, Any]:
            if not bodies:
                await asyncio.Event().wait()
            bodies.pop()
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                got.status = message["status"]
                got.headers = [(name.decode().lower(), value.decode()) for name, value in message["headers"]]
            got.body += message.get("body", b"")

        await self.app(self.scope(method, path, headers), receive, send)
        for name, value in got.headers:
            if name == "set-cookie":
                self.cookies |= {key: morsel.value for key, morsel in SimpleCookie(value).items()}
        return got


@dataclass
class Rig:
    """A dashboard with what stands behind it."""

    folder: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.place = FakePlace(self.folder, self.clock)
        self.sessions = Sessions(self.folder / "dashboard.key", clock=self.clock)
        self.dashboard = Dashboard(self.place, self.sessions, renderer=RENDERER, clock=self.clock)

    def browser(self, *, host: str = HOST, is_known: bool = True) -> Browser:
        """A browser, signed in or not yet."""
        browser = Browser(self.dashboard.application(), host)
        if is_known:
            browser.post(f"/open/{self.sessions.link('/')}")
        return browser

    def queued(self, title: str, *events: Any) -> str:
        """Have the ledger say that a commit of the shop is on its way, and these of it; its id."""
        ledger = self.place.ledger
        deploy, view = ledger.next_deploy_id(), ledger.app("shop")
        commit = Commit(deploy.ljust(40, "0"), title, "Ada", "ada@example.org", "2026-05-09T07:00:00Z")
        queued = DeployQueued(
            deploy_kind=DeployKind.DEPLOY, release=commit.sha[:12], commit=commit, commits=(commit,), settings=0,
            asked_by="ada", from_live=view.live if view else None,
        )  # fmt: skip
        for event in (queued, *events):
            ledger.append(event, app="shop", deploy=deploy)
        return deploy

    def deployed(
        self, app: str = "shop", title: str = "Quicker feeds", *, release: str = "",
        outcome: Outcome | None = Outcome.KEPT, author: str = "Ada",
    ) -> str:  # fmt: skip
        """Have the ledger say that a commit went live, and the deploy ended so (None: it is still watched); its id."""
        ledger = self.place.ledger
        if ledger.app(app) is None:
            ledger.append(AppCreated(), app=app)
        deploy = ledger.next_deploy_id()
        sha = (release or deploy).ljust(40, "0")
        commit = Commit(sha, title, author, "ada@example.org", "2026-05-09T07:00:00Z")
        view = ledger.app(app)
        events: list[Any] = [
            DeployQueued(
                deploy_kind=DeployKind.DEPLOY, release=sha[:12], commit=commit, commits=(commit,), settings=0,
                asked_by="ada", from_live=view.live if view else None,
            ),
            StageBegan(stage=Stage.FETCHED), StageEnded(stage=Stage.FETCHED, duration_s=0.1),
            Switched(release=sha[:12], settings=0, commit=sha), StageBegan(stage=Stage.OBSERVED),
        ]  # fmt: skip
        if outcome is not None:
            events += [StageEnded(stage=Stage.OBSERVED, duration_s=2.0), DeployEnded(outcome=outcome, duration_s=3.0)]
        for event in events:
            self.clock.now += 1
            ledger.append(event, app=app, deploy=deploy)
        return deploy
