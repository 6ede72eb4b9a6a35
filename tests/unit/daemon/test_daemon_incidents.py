"""What may be written down about incidents and learnings, what is refused, and what is shown with a deploy."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pawl.daemon.pawld import Pawld
from pawl.ledger.events import AppCreated, DeployQueued
from pawl.model import DeployKind
from tests.unit.daemon.daemon_rig import call, play, put_live

Json = dict[str, Any]


async def opened(pawld: Pawld, **body: object) -> Json:
    status, answer = await call(pawld, "POST", "/v1/apps/hello/incidents", body={"title": "Feeds are slow", **body})
    assert status == 200, answer
    return answer


def test_an_incident_is_opened_late_and_closed_with_what_was_done(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        cause, fix = put_live(pawld), put_live(pawld, release="r2")
        began = time.time() - 1200
        answer = await opened(pawld, began=began, caused_by=cause, asked_by="ada")
        assert (answer["incident"], answer["is_open"], answer["caused_by"]) == ("i1", True, cause)
        assert answer["deploys"] == [cause, fix]
        closing = {"fixed_by": fix, "note": " an index ", "asked_by": "bob"}
        status, answer = await call(pawld, "POST", "/v1/incidents/i1/close", body=closing)
        assert status == 200
        live_since = pawld.ledger.deploy(fix)
        assert live_since is not None
        assert (answer["ended_at"], answer["fixed_by"]) == (live_since.switched_at, fix)
        assert (answer["note"], answer["opened_by"], answer["closed_by"]) == ("an index", "ada", "bob")
        assert 1199 < answer["duration_s"] <= 1200  # it ended when the fix went live, just before it was written down

    play(place, scene)


def test_incidents_are_asked_for_by_app_and_state(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        put_live(pawld, "shop")
        await opened(pawld)
        await call(pawld, "POST", "/v1/apps/shop/incidents", body={"title": "No stock"})
        await opened(pawld, title="Down")
        await call(pawld, "POST", "/v1/incidents/i1/close", body={})

        async def listed(query: str) -> list[str]:
            _, answer = await call(pawld, "GET", "/v1/incidents", query=query)
            return [item["incident"] for item in answer["incidents"]]

        assert await listed("") == ["i3", "i2", "i1"]
        assert await listed("app=hello") == ["i3", "i1"]
        assert await listed("open=1&limit=1") == ["i3"]
        assert await listed("app=shop&open=1") == ["i2"]

    play(place, scene)


REFUSED: dict[str, tuple[str, Json, str]] = {
    "no title": ("apps/hello/incidents", {"title": "  "}, "an incident has a title"),
    "an unknown app": ("apps/none/incidents", {"title": "Down"}, "no app 'none'"),
    "a time to come": ("apps/hello/incidents", {"title": "Down", "began": 2e9 * 2}, "it began is a time to come"),
    "two causes": (
        "apps/hello/incidents",
        {"title": "Down", "caused_by": "d1", "is_external": True},
        "a deploy caused it or nothing of this app did, not both",
    ),
    "an unknown cause": ("apps/hello/incidents", {"title": "Down", "caused_by": "d9"}, "no deploy 'd9' of 'hello'"),
    "a cause of another app": ("apps/shop/incidents", {"title": "Down", "caused_by": "d1"}, "no deploy 'd1' of 'shop'"),
    "a cause never live": (
        "apps/hello/incidents",
        {"title": "Down", "caused_by": "d2"},
        "deploy d2 was never live, so it cannot have caused an incident",
    ),
    "an unknown incident": ("incidents/i9/close", {}, "no incident 'i9'"),
    "a closed incident": ("incidents/i2/close", {}, "incident i2 is closed already"),
    "an end before the beginning": (
        "incidents/i1/close",
        {"ended": 1e9},
        "incident i1 cannot have ended before it began",
    ),
    "a fix never live": (
        "incidents/i1/close",
        {"fixed_by": "d2"},
        "deploy d2 was never live, so it cannot have ended the incident",
    ),
    "nothing learned": ("deploys/d1/lessons", {"text": "\n"}, "there is nothing in what was learned"),
    "learned from an unknown deploy": ("deploys/d9/lessons", {"text": "A"}, "no deploy 'd9'"),
    "a time beyond all": ("incidents/i1/close", {"ended": 1e300}, "it ended at no time that can be"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "body", "what"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_and_nothing_recorded(place: Path, path: str, body: Json, what: str) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        pawld.ledger.append(AppCreated(), app="shop")
        queued = DeployQueued(deploy_kind=DeployKind.DEPLOY, release="r2", asked_by="ada")
        pawld.ledger.append(queued, app="hello", deploy="d2")
        await opened(pawld)
        await opened(pawld)
        await call(pawld, "POST", "/v1/incidents/i2/close", body={})
        before = len(pawld.ledger.events())
        status, answer = await call(pawld, "POST", f"/v1/{path}", body=body)
        assert (status, answer["error"]["what"]) == (400, what)
        assert len(pawld.ledger.events()) == before

    play(place, scene)


def test_what_was_learned_and_incidents_are_shown_with_their_deploy(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        cause, fix = put_live(pawld), put_live(pawld, release="r2")
        for text in ("Warm the cache", "<script>alert(1)</script>"):
            status, kept = await call(
                pawld, "POST", f"/v1/deploys/{cause}/lessons", body={"text": text, "asked_by": "a"}
            )
            assert (status, kept["text"], kept["by"]) == (200, text, "a")
        await opened(pawld, caused_by=cause)
        await call(pawld, "POST", "/v1/incidents/i1/close", body={"fixed_by": fix})
        _, seen = await call(pawld, "GET", f"/v1/deploys/{cause}/observation")
        assert [item["text"] for item in seen["learned"]] == ["Warm the cache", "<script>alert(1)</script>"]
        assert seen["incidents"] == [{"incident": "i1", "title": "Feeds are slow", "what": "caused"}]
        _, seen = await call(pawld, "GET", f"/v1/deploys/{fix}/observation")
        assert (seen["learned"], [item["what"] for item in seen["incidents"]]) == ([], ["ended"])
        _, listed = await call(pawld, "GET", "/v1/apps/hello/deploys")
        assert [len(item["learned"]) for item in listed["deploys"]] == [0, 2]
        _, one = await call(pawld, "GET", f"/v1/deploys/{cause}")
        assert one["learned"] == listed["deploys"][1]["learned"]

    play(place, scene)
