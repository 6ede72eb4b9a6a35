"""The dashboard over HTTP, as a browser without JavaScript would use it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.e2e_rig import App, error_lines
from tests.e2e.pages_rig import Browser, opened
from tests.support import Pawl, eventually, free_port, running


@pytest.fixture(scope="module")
def browser(machine: Pawl) -> Browser:
    return opened(machine)[0]


def test_pawl_open_gives_a_link_that_is_good_once(machine: Pawl, browser: Browser) -> None:
    answer = machine.json("open")
    assert answer["url"] == f"http://127.0.0.1:{browser.port}{answer['path']}"
    assert answer["port"] == browser.port
    other = Browser(browser.port)
    assert other.post(answer["path"]) == "/"
    assert other.ask("POST", answer["path"])[0] == 401
    assert "pawl open" in Browser(browser.port).ask("GET", "/")[1]


def test_nothing_but_loopback_is_listened_on(browser: Browser) -> None:
    wanted = f"{browser.port:04X}"
    rows = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    assert {row[1] for row in rows if row[1].endswith(f":{wanted}") and row[3] == "0A"} == {f"0100007F:{wanted}"}


def test_an_app_from_its_first_deploy_on(app: App, machine: Pawl, browser: Browser) -> None:
    app.repo.commit("Say <b>one</b>", VERSION="1")
    deploy = app.outcome()["deploy"]
    assert opened(machine, app.name)[1] == f"/apps/{app.name}"
    assert opened(machine, "--deploy", deploy)[1] == f"/deploys/{deploy}"
    for path in ("/", f"/apps/{app.name}", f"/deploys/{deploy}"):
        text = browser.page(path)
        assert "Say &lt;b&gt;one&lt;/b&gt;" in text
        assert "<b>one" not in text
    assert "web 1/1" in browser.page(f"/apps/{app.name}")
    assert "not all running" not in browser.page(f"/apps/{app.name}")


def test_rolling_back_from_the_page(app: App, browser: Browser) -> None:
    app.say("1")
    app.deploy()
    app.say("2")
    deploy = app.outcome()["deploy"]
    address = f"/deploys/{deploy}/roll-back"
    assert f'href="{address}"' in browser.page(f"/deploys/{deploy}")
    assert "serves again" in browser.page(address)
    back = browser.post(address)
    assert back.startswith("/deploys/d")
    eventually(lambda: ">kept<" in browser.page(back))
    assert app.get() == (200, "hello 1")
    view = next(item for item in app.pawl.json("deploys", app.name)["deploys"] if f"/deploys/{item['deploy']}" == back)
    assert (view["kind"], view["asked_by"]) == ("rollback", "dashboard")
    status, text, _ = browser.ask("POST", address)
    assert status == 409
    assert "cannot be rolled back" in text


def test_a_watched_change_moves_on_its_page_and_is_kept_from_there(app: App, browser: Browser) -> None:
    app.configure(more='[observe]\nmode = "auto"\nduration_s = 300')
    app.say("1")
    app.deploy()
    app.say("2")
    process = app.pawl.spawn("deploy", app.repo.path, "--json", "--expect", "p95(/) < 300ms")
    deploy = eventually(lambda: running_deploy(app), within_s=60)
    with browser.live(f"deploy:{deploy}") as fragments:
        while f"/deploys/{deploy}/keep" not in next(fragments).get("part-actions", ""):
            pass
    assert "if the watch ended now" in browser.page(f"/deploys/{deploy}")
    assert "ends now" in browser.page(f"/deploys/{deploy}/keep")
    assert browser.post(f"/deploys/{deploy}/keep") == f"/deploys/{deploy}"
    out, _ = process.communicate(timeout=60)
    assert json.loads(out.splitlines()[-1])["outcome"] == "kept"
    assert "kept by hand by dashboard" in browser.page(f"/deploys/{deploy}")
    status, text, _ = browser.ask("POST", f"/deploys/{deploy}/keep")
    assert status == 409
    assert "is not being watched" in text


def running_deploy(app: App) -> str:
    running = app.pawl.status(app.name)["deploying"]
    return str(running["deploy"]) if running else ""


def test_a_page_moves_while_a_deploy_goes_on(app: App, browser: Browser) -> None:
    app.say("1")
    app.deploy()
    app.say("2")
    with browser.live(f"app:{app.name}") as fragments:
        assert "Say 2" not in json.dumps(next(fragments))
        app.deploy()
        seen = ""
        while "Say 2" not in seen or ">kept<" not in seen:
            seen = json.dumps(next(fragments).get("part-deploys", ""))


def test_logs_around_the_switch_are_shown_and_secrets_are_not(app: App, machine: Pawl, browser: Browser) -> None:
    machine.ok("secrets", "set", app.name, "API_KEY", stdin="a-very-secret-value")
    app.configure(command="sh -c 'echo the key is $API_KEY, hello; exec python app.py --socket $SOCKET'")
    deploy = app.outcome()["deploy"]
    eventually(lambda: "the key is [secret], hello" in browser.page(f"/deploys/{deploy}"))
    assert "a-very-secret-value" not in browser.page(f"/deploys/{deploy}")


def test_what_cannot_be_opened_is_said(machine: Pawl) -> None:
    for arguments in (("none",), ("--deploy", "d999")):
        done = machine.run("open", "--print-url", *arguments)
        assert done.returncode == 2
        assert error_lines(done.stderr)
    assert machine.run("open", "--revoke", "--print-url").returncode == 2


def test_a_session_outlives_pawld_and_ends_with_revoke(place: Path) -> None:
    port = free_port()
    with running(place / "home") as pawl:
        pawl.ok("down")
        pawl.up("--dashboard-port", str(port))
        browser, _ = opened(pawl)
        assert browser.port == port
        key = pawl.home.dashboard_key
        assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
        pawl.ok("down")
        pawl.up()
        assert "No app was deployed here yet" in browser.page("/")
        pawl.ok("open", "--revoke")
        assert browser.ask("GET", "/")[0] == 401


def test_a_taken_port_is_said_and_keeps_no_app_down(place: Path) -> None:
    import socket

    with running(place / "home") as pawl, socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        pawl.ok("down")
        refused = pawl.run("up", "--dashboard-port", taken)
        assert refused.returncode == 1
        assert any(f"port {taken}" in line for line in error_lines(refused.stderr))
        settings: Any = json.loads(pawl.home.machine.read_text())
        pawl.home.machine.write_text(json.dumps({**settings, "dashboard_port": int(taken)}))
        pawl.up()
        assert pawl.run("open", "--print-url").returncode == 1
