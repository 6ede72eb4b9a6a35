"""A pawld that is wired but not started: no proxy, no socket; its API is called in memory."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pawl.daemon.api import Api
from pawl.daemon.pawld import Pawld
from pawl.engines.process.releases import Manifest
from pawl.home import Home
from pawl.ledger.events import AppCreated, DeployEnded, DeployQueued, Switched
from pawl.model import Commit, DeployKind, Outcome
from pawl.proxy.routes import Machine

Json = dict[str, Any]
COMMIT = Commit("a" * 40, "Quicker feeds", "Ada", "ada@example.org", "2026-05-09T07:00:00Z")
PAWL_TOML = 'app = "hello"\n[processes.web]\ncommand = "run"\n[processes.beat]\ncommand = "beat"\nsingleton = true\n'


@asynccontextmanager
async def a_pawld(place: Path, *, machine: Machine | None = None) -> AsyncIterator[Pawld]:
    home = Home(place / "home")
    home.create()
    pawld = Pawld(home, machine or Machine(port=8099), environ={})
    try:
        await pawld.store.create()
        yield pawld
    finally:
        await pawld.deploys.stop()
        pawld.ledger.close()
        os.close(pawld._lock)


def play(place: Path, scene: Callable[[Pawld], Coroutine[object, object, None]]) -> None:
    async def with_pawld() -> None:
        async with asyncio.timeout(30), a_pawld(place) as pawld:
            await scene(pawld)

    asyncio.run(with_pawld())


def put_live(pawld: Pawld, app: str = "hello", release: str = "r1", *, toml: str = PAWL_TOML, settings: int = 0) -> str:
    """Have the ledger and the disk say that a release is live; nothing runs."""
    releases = pawld.engine.plans.releases(app)
    (releases.begin(release) / "app").mkdir()
    files = {"pawl.toml": toml.replace("hello", app)}
    releases.finish(release, Manifest(commit=COMMIT, folder=app, files=files, environment="none"))
    if pawld.ledger.app(app) is None:
        pawld.ledger.append(AppCreated(), app=app)
    deploy = pawld.ledger.next_deploy_id()
    for event in (
        DeployQueued(deploy_kind=DeployKind.DEPLOY, release=release, commit=COMMIT, settings=settings, asked_by="ada"),
        Switched(release=release, settings=settings, commit=COMMIT.sha),
        DeployEnded(outcome=Outcome.KEPT, duration_s=1.0),
    ):
        pawld.ledger.append(event, app=app, deploy=deploy)
    return deploy


async def call(pawld: Pawld, method: str, path: str, *, query: str = "", body: object = None) -> tuple[int, Json]:
    """One call of the API; status and object."""
    sent = await raw_call(pawld, method, path, query=query, body=b"" if body is None else json.dumps(body).encode())
    return sent[0], json.loads(sent[1])


async def raw_call(pawld: Pawld, method: str, path: str, *, query: str = "", body: bytes = b"") -> tuple[int, bytes]:
    """One call of the API; status and bytes."""
    status, answer, requests = 0, b"", [body]

    async def receive() -> Json:
        if requests:
            return {"type": "http.request", "body": requests.pop(), "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        nonlocal status, answer
        status = message.get("status", status)
        answer += message.get("body", b"")

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": query.encode(), "headers": [], "http_version": "1.1", "scheme": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip
    await Api(pawld).application()(scope, receive, send)
    return status, answer
