"""The access log as Caddy itself rotates it: what is counted are the requests, each once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pawl.observe.attribution import Tenure
from pawl.observe.counting import Counting
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore
from pawl.proxy import routes
from pawl.proxy.logs import logging_config
from tests.integration.proxy.proxy_rig import App, Rig, a_proxy

PATH = f"/{'long' * 1000}/"
CLIENTS, EACH = 4, 250  # of some 4.4 kB of log each: four rotations at a megabyte


@pytest.fixture
def rolls_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caddy's configuration as Pawl makes it, but for the size at which it rotates: the smallest Caddy knows."""

    def early(*, access: Path, own: Path) -> dict[str, Any]:
        config = logging_config(access=access, own=own)
        config["logs"]["access"]["writer"]["roll_size_mb"] = 1
        return config

    monkeypatch.setattr(routes, "logging_config", early)


async def load(rig: Rig) -> None:
    async def one() -> None:
        async with await rig.client() as client:
            for _ in range(EACH):
                assert (await client.ask("GET", PATH)).status == 200

    await asyncio.gather(*(one() for _ in range(CLIENTS)))


def rolled(rig: Rig) -> set[str]:
    return {path.name for path in rig.home.log.glob("access-*.log")}


async def until_counted(store: SignalStore, requests: int) -> None:
    async with asyncio.timeout(30):
        while store.progress().lines < requests:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def followed(counting: Counting) -> AsyncIterator[None]:
    """Count what comes while the block runs."""
    following = asyncio.ensure_future(counting.follow(0.05))
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        counting.close()


@pytest.mark.usefixtures("rolls_early")
def test_what_caddy_rotates_is_counted_once_while_it_is_followed_and_after_a_pause(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path) as rig:
            address = await rig.serve(App("a"))
            rig.slots.assign("hello", [address])
            store, log = SignalStore(tmp_path / "signals.db"), rig.home.log / "access.log"
            store.instance_began(Tenure(address, "hello", "r1", "web.1", 0.0))
            counting = Counting(store, log)
            async with followed(counting):
                await load(rig)
                await until_counted(store, CLIENTS * EACH)
            first = rolled(rig)
            assert len(first) >= 3

            await load(rig)  # nobody counts meanwhile
            assert len(rolled(rig) - first) >= 3
            counting = Counting(store, log)
            await rig.ask()
            async with followed(counting):
                await until_counted(store, 2 * CLIENTS * EACH + 1)
            window = LoggedSignals(store).window("hello", began=0.0, ended=4e9, release="r1")
            assert (store.progress().lines, window.requests) == (2 * CLIENTS * EACH + 1,) * 2
            store.close()

    asyncio.run(story())
