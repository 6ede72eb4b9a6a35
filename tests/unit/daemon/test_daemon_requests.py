"""What may be asked of pawld, what is refused, and the JSON that comes back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pawl.client.git import push
from pawl.daemon.pawld import Pawld
from pawl.engines.base import InstanceView
from pawl.errors import StateError
from pawl.ledger.events import ReleaseBuilt
from pawl.proxy.routes import Machine
from pawl.settings.versions import SettingsFolder
from tests.support import repository
from tests.unit.daemon.daemon_rig import COMMIT, a_pawld, call, play, put_live, raw_call

Json = dict[str, Any]


def refusal(answer: Json) -> tuple[str, str]:
    return answer["error"]["kind"], answer["error"]["what"]


# Wrong calls

WRONG: dict[str, tuple[str, str, object, int, str]] = {
    "an unknown path": ("GET", "/v1/none", None, 404, "pawld knows no GET /v1/none"),
    "an unknown method": ("DELETE", "/v1/ping", None, 404, "pawld knows no DELETE /v1/ping"),
    "an unknown app": ("GET", "/v1/apps/none/releases", None, 400, "no app 'none'"),
    "an unknown deploy": ("GET", "/v1/deploys/d9", None, 400, "no deploy 'd9'"),
    "an unknown deploy's events": ("GET", "/v1/deploys/d9/events", None, 400, "no deploy 'd9'"),
    "an unknown field": (
        "POST",
        "/v1/apps/hello/env",
        {"sets": {}},
        400,
        "pawld does not understand this request",
    ),
    "a value of another type": (
        "POST",
        "/v1/apps/hello/env",
        {"set": {"A": 1}},
        400,
        "pawld does not understand this request",
    ),
    "a commit that did not arrive": (
        "POST",
        "/v1/deploys",
        {"commit": "b" * 40, "folder": "x"},
        400,
        "commit 'bbbbbbbbbbbb' did not arrive",
    ),
    "a commit that is an option": (
        "POST",
        "/v1/deploys",
        {"commit": "--all", "folder": "x"},
        400,
        "commit '--all' did not arrive",
    ),
    "a process type the app has not": (
        "POST",
        "/v1/apps/hello/scale",
        {"processes": {"cron": 1}},
        400,
        "'hello' has no process type 'cron'",
    ),
    "two of a singleton": (
        "POST",
        "/v1/apps/hello/scale",
        {"processes": {"beat": 2}},
        400,
        "beat cannot be scaled to 2: 0 to 1 instances",
    ),
    "less than none": (
        "POST",
        "/v1/apps/hello/scale",
        {"processes": {"web": -1}},
        400,
        "web cannot be scaled to -1: 0 to 100 instances",
    ),
    "nothing to go back to": (
        "POST",
        "/v1/apps/hello/rollback",
        {},
        400,
        "no release before this one of 'hello' can be gone back to",
    ),
}


@pytest.mark.parametrize(("method", "path", "body", "status", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_call_is_refused_and_changes_nothing(
    place: Path, method: str, path: str, body: object, status: int, told: str
) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        before = len(pawld.ledger.events())
        found, answer = await call(pawld, method, path, body=body)
        assert (found, *refusal(answer)) == (status, "UsageError", told)
        assert len(pawld.ledger.events()) == before

    play(place, scene)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b"null", b'"x"'])
def test_a_body_that_is_no_request_is_refused(place: Path, body: bytes) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        status, answer = await raw_call(pawld, "POST", "/v1/apps/hello/env", body=body)
        assert status == 400
        assert refusal(json.loads(answer))[1] == "pawld does not understand this request"

    play(place, scene)


# Settings

REFUSED: dict[str, tuple[str, str, object]] = {
    "a name that is none": ("hello", "env", {"set": {"A B": "1"}}),
    "a name of Pawl's own": ("hello", "env", {"set": {"PAWL_DATA": "1"}}),
    "the port": ("hello", "secrets", {"set": {"PORT": "1"}}),
    "a NUL byte": ("hello", "secrets", {"set": {"A": "a\0b"}}),
    "one good and one bad name": ("hello", "env", {"set": {"GOOD": "1", "9": "1"}}),
    "unsetting what is not set": ("hello", "env", {"unset": ["NONE"]}),
    "unsetting what is set as a secret": ("hello", "env", {"unset": ["SECRET"]}),
    "an app that cannot be": ("Hello World", "env", {"set": {"A": "1"}}),
}


@pytest.mark.parametrize(("app", "what", "body"), REFUSED.values(), ids=REFUSED)
def test_settings_that_cannot_be_are_refused_whole(place: Path, app: str, what: str, body: object) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        await call(pawld, "POST", "/v1/apps/hello/secrets", body={"set": {"SECRET": "s"}, "restart": False})
        before = len(pawld.ledger.events())
        status, _ = await call(pawld, "POST", f"/v1/apps/{app}/{what}", body=body)
        assert status == 400
        assert len(pawld.ledger.events()) == before
        assert pawld.ledger.settings_version("hello") == 1

    play(place, scene)


def test_secrets_can_be_set_before_the_first_deploy_and_are_never_told(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        status, answer = await call(
            pawld, "POST", "/v1/apps/hello/secrets", body={"set": {"PASSWORD": "hunter2!"}, "asked_by": "ada"}
        )
        assert (status, answer) == (200, {"app": "hello", "version": 1, "deploy": None})
        await call(pawld, "POST", "/v1/apps/hello/env", body={"set": {"DEBUG": "0", "A": ""}})
        await call(pawld, "POST", "/v1/apps/hello/env", body={"set": {"B": "2"}, "unset": ["A"]})
        values = SettingsFolder(pawld.home.settings("hello")).read(3)
        assert (values.env, values.secrets) == ({"DEBUG": "0", "B": "2"}, {"PASSWORD": "hunter2!"})
        assert (await call(pawld, "GET", "/v1/apps/hello/env"))[1]["env"] == values.env
        told = await call(pawld, "GET", "/v1/apps/hello/secrets")
        assert told[1]["secrets"] == [{"name": "PASSWORD", "is_set": True}]
        assert "hunter2!" not in json.dumps(told)
        assert "hunter2!" not in str(pawld.ledger.events())
        assert b"hunter2!" not in pawld.home.ledger.read_bytes()

    play(place, scene)


# Deploys

COMMITS: dict[str, tuple[dict[str, str], Json, str]] = {
    "no configuration": ({"a__py": "1"}, {}, "no pawl.toml and no Procfile"),
    "a configuration with a fault": ({"pawl__toml": "app = 1\n"}, {}, "pawl.toml:1: "),
    "another app than it was pushed to": (
        {"pawl__toml": 'app = "blog"\n[processes.web]\ncommand = "run"\n'},
        {"app": "hello"},
        "pawl.toml names the app 'blog', but it was pushed to 'hello'",
    ),
    "a secret that is not set": (
        {"pawl__toml": 'app = "blog"\nsecrets = ["TOKEN"]\n[processes.web]\ncommand = "run"\n'},
        {},
        "the secret TOKEN is not set",
    ),
    "a name of another app": (
        {"pawl__toml": 'app = "blog"\n[processes.web]\ncommand = "run"\n[domains]\nnames = ["hello.localhost"]\n'},
        {},
        "hello.localhost cannot lead to two apps",
    ),
    "a folder that is not there": ({"Procfile": "web: run\n"}, {"path": "none"}, "commit '{sha}' has no folder 'none'"),
}


@pytest.mark.parametrize(("files", "request_", "told"), COMMITS.values(), ids=COMMITS)
def test_a_commit_that_cannot_be_deployed_is_refused_and_not_recorded(
    place: Path, files: dict[str, str], request_: Json, told: str
) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        repo = repository(place / "app")
        sha = repo.commit(**files)
        push(sha, pawld.home.store, cwd=repo.path)
        before = len(pawld.ledger.events())
        status, answer = await call(pawld, "POST", "/v1/deploys", body={"commit": sha, "folder": "app", **request_})
        assert status == 400
        assert answer["error"]["what"].startswith(told.format(sha=sha[:12]))
        assert len(pawld.ledger.events()) == before
        assert [app.name for app in pawld.ledger.apps()] == ["hello"]

    play(place, scene)


def test_a_deploy_is_queued_with_its_change_and_its_authors(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        repo = repository(place / "my app")
        shas = [repo.commit(f"Change {number}", Procfile=f"web: run {number}\n") for number in range(3)]
        push(shas[-1], pawld.home.store, cwd=repo.path)
        body = {"commit": shas[-1], "folder": "My App", "asked_by": "Ada", "expect": ["p95(*) < 1s"], "observe": False}
        assert (await call(pawld, "POST", "/v1/app-of", body=body))[1] == {"app": "my-app"}
        status, answer = await call(pawld, "POST", "/v1/deploys", body=body)
        assert (status, answer) == (200, {"app": "my-app", "deploy": "d1"})
        told = (await call(pawld, "GET", "/v1/deploys/d1"))[1]
        assert told["change"] == [told["commit"]]
        assert (told["commit"]["sha"], told["commit"]["title"]) == (shas[-1], "Change 2")
        assert told["authors"] == ["Ada Lovelace <ada@example.org>"]
        assert (told["release"], told["asked_by"], told["kind"]) == (shas[-1][:12], "Ada", "deploy")
        await pawld.deploys.stop()
        view = pawld.ledger.deploy("d1")
        assert view is not None
        assert (view.options.expect, view.options.observe) == (("Expect: p95(*) < 1s",), False)

    play(place, scene)


# Reading


def test_what_is_live_is_told(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        deploy = put_live(pawld)
        pawld.ledger.append(
            ReleaseBuilt(release="r1", commit=COMMIT, environment="", duration_s=1.0), app="hello", deploy=deploy
        )
        (app,) = (await call(pawld, "GET", "/v1/apps"))[1]["apps"]
        assert (app["app"], app["url"], app["scale"]) == ("hello", "http://hello.localhost:8099/", {})
        assert app["live"]["release"] == "r1"
        (status,) = (await call(pawld, "GET", "/v1/status", query="app=hello"))[1]["apps"]
        assert (status["processes"], status["deploying"]) == ([], None)
        (release,) = (await call(pawld, "GET", "/v1/apps/hello/releases"))[1]["releases"]
        assert (release["is_live"], release["is_on_disk"], release["commit"]["title"]) == (True, True, COMMIT.title)
        (row,) = (await call(pawld, "GET", "/v1/apps/hello/deploys", query="limit=5"))[1]["deploys"]
        assert (row["deploy"], row["outcome"], row["commit"]["author"]) == (deploy, "kept", "Ada")
        run = (await call(pawld, "GET", "/v1/apps/hello/run"))[1]
        assert (run["release"], run["environ"]["PAWL_APP"]) == ("r1", "hello")
        ping = (await call(pawld, "GET", "/v1/ping"))[1]
        assert (ping["home"], ping["port"], ping["proxy"]["pid"]) == (str(pawld.home.path), 8099, None)

    play(place, scene)


def test_what_serves_comes_first_among_the_instances(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def view(name: str, role: str) -> InstanceView:
        return InstanceView(
            name=name, process=name.partition(".")[0], pid=7, state="running", role=role, release="r1", rss_bytes=1,
            restarts=0, since="t", address="a",
        )  # fmt: skip

    views = [view("web.1", "ending"), view("web.1", "warm"), view("beat.1", "trial"), view("web.1", "live")]

    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        monkeypatch.setattr(pawld.engine, "views", lambda _app: views)
        (status,) = (await call(pawld, "GET", "/v1/status"))[1]["apps"]
        assert [(kind["type"], [item["role"] for item in kind["instances"]]) for kind in status["processes"]] == [
            ("web", ["live", "warm", "ending"]),
            ("beat", ["trial"]),
        ]

    play(place, scene)


URLS = {
    "a port of its own": (Machine(port=8099), "", "http://hello.localhost:8099/"),
    "the usual port": (Machine(port=80), "", "http://hello.localhost/"),
    "a domain": (Machine(), '[domains]\nnames = ["*.example.org", "example.org"]\n', "https://example.org/"),
    "a domain, another port": (
        Machine(https_port=8443), '[domains]\nnames = ["example.org"]\n', "https://example.org:8443/",
    ),
    "a domain without HTTPS": (
        Machine(port=80), '[domains]\nnames = ["example.org"]\nhttps = "off"\n', "http://hello.localhost/",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("machine", "domains", "url"), URLS.values(), ids=URLS)
def test_the_address_that_a_browser_finds_the_app_at(place: Path, machine: Machine, domains: str, url: str) -> None:
    async def scene() -> None:
        async with a_pawld(place, machine=machine) as pawld:
            toml = f'app = "hello"\n[processes.web]\ncommand = "run"\n{domains}'
            put_live(pawld, toml=toml)
            assert pawld.url("hello") == url
            pawld.engine.plans.releases("hello").remove("r1")
            assert pawld.url("hello").startswith("http://hello.localhost")
            assert pawld.routes() == []

    asyncio.run(scene())


def test_two_pawlds_never_own_one_home(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        before = len(pawld.ledger.events())
        with pytest.raises(StateError, match="another pawld owns"):
            Pawld(pawld.home, Machine(), environ={})
        assert len(pawld.ledger.events()) == before

    play(place, scene)
