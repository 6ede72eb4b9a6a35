"""What an app leaves on disk when it is removed, and when its removal is cut off."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pawl.daemon import removal
from pawl.daemon.pawld import Pawld
from pawl.ledger.events import AppCreated, AppRemoved
from pawl.proxy import caddy
from tests.unit.daemon.daemon_rig import call, play, put_live


async def furnish(pawld: Pawld, app: str = "hello") -> None:
    """An app with everything an app has on disk."""
    put_live(pawld, app)
    await call(pawld, "POST", f"/v1/apps/{app}/secrets", body={"set": {"PASSWORD": "hunter2!"}, "restart": False})
    for folder in (pawld.home.logs(app), pawld.home.data(app), pawld.home.door(app)):
        folder.mkdir(parents=True)
    pawld.slots.close(app)


def left(pawld: Pawld, app: str = "hello") -> list[str]:
    """What there is of an app on disk."""
    doors = ["door"] if pawld.home.door(app).exists() else []
    slots = ["slots"] if app in pawld.slots.apps() else []
    return sorted([path.name for path in pawld.home.app(app).iterdir()] + doors + slots)


EVERYTHING = ["data", "door", "logs", "releases", "settings", "slots"]


async def sweep(pawld: Pawld) -> list[str]:
    return await removal.delete_leftovers(
        home=pawld.home, ledger=pawld.ledger, slots=pawld.slots, store=pawld.store
    )  # fmt: skip


def test_an_app_is_deleted_also_while_the_proxy_is_down(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caddy, "_START_S", 0.01)

    async def scene(pawld: Pawld) -> None:
        await furnish(pawld)
        assert left(pawld) == EVERYTHING
        assert (await call(pawld, "DELETE", "/v1/apps/hello"))[0] == 200
        assert left(pawld) == ["data"]
        assert pawld.ledger.app("hello") is None

    play(place, scene)


def test_what_a_removal_that_was_cut_off_has_left_is_deleted_but_for_the_data(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        await furnish(pawld)
        await furnish(pawld, "other")
        pawld.ledger.append(AppRemoved(), app="hello")
        assert await sweep(pawld) == ["hello"]
        assert left(pawld) == ["data", "door"]  # the door may be one that 'pawl init' has made anew
        assert left(pawld, "other") == EVERYTHING
        assert await sweep(pawld) == []

    play(place, scene)


def test_an_app_that_was_created_again_is_left_alone(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        await furnish(pawld)
        pawld.ledger.append(AppRemoved(), app="hello")
        pawld.ledger.append(AppCreated(), app="hello")
        assert await sweep(pawld) == []
        assert left(pawld) == EVERYTHING

    play(place, scene)


def test_an_app_that_the_ledger_has_never_heard_of_is_left_alone(place: Path) -> None:
    """It may be in another ledger, which pawld was not told of this time."""

    async def scene(pawld: Pawld) -> None:
        secret = pawld.home.settings("stranger") / "1.json"
        secret.parent.mkdir(parents=True)
        secret.touch()
        (pawld.home.path / "apps" / "a file").touch()
        assert await sweep(pawld) == []
        assert secret.exists()

    play(place, scene)


@pytest.mark.parametrize("newer", ["settings/1.json", "releases/r1/release.json"])
def test_what_was_written_after_the_removal_is_left_alone(place: Path, newer: str) -> None:
    """So it is where the ledger is a copy from before the app was created again."""

    async def scene(pawld: Pawld) -> None:
        await furnish(pawld)
        pawld.ledger.append(AppRemoved(), app="hello")
        later = time.time() + 60
        os.utime(pawld.home.app("hello") / newer, (later, later))
        assert await sweep(pawld) == []
        assert left(pawld) == EVERYTHING

    play(place, scene)
