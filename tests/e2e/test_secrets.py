"""Secrets: set from stdin, kept in one file, shown nowhere."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.e2e_rig import App, error_lines, files_with
from tests.support import Pawl, eventually

SECRET = "correct horse+battery/staple"  # its URL-encoded form differs
# Prints its secret as it starts, in every way it can think of.
LOOSE = """\
import base64, os, urllib.parse
key = os.environ["API_KEY"]
print("plain", key, flush=True)
print("quoted", urllib.parse.quote(key, safe=""), flush=True)
print("encoded", base64.b64encode(key.encode()).decode(), flush=True)
"""


def forms(secret: str) -> list[str]:
    return [secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()]


def api(pawl: Pawl, path: str) -> str:
    """What pawld's socket answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(pawl.home.socket))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: pawld\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    return answer.decode("utf-8", "replace")


def command_lines() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode("utf-8", "replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_a_secret_reaches_the_app_and_is_shown_by_no_command(app: App) -> None:
    app.configure(top='secrets = ["API_KEY"]')
    said = [app.pawl.run("secrets", "set", app.name, "API_KEY", stdin=SECRET + "\n")]
    said += [app.deploy(), app.deploy("--json")]
    assert app.get("/env?API_KEY")[1] == f"API_KEY={SECRET}"
    app.repo.commit("Break it", HEALTH="bad")
    said += [app.deploy(status=1)]
    for words in (
        "status", "ps", "apps", "doctor", f"releases {app.name}", f"deploys {app.name}", f"logs {app.name}",
        f"env list {app.name}", f"secrets list {app.name}",
    ):  # fmt: skip
        said += [app.pawl.run(*words.split()), app.pawl.run(*words.split(), "--json")]
    said += [app.pawl.run("rollback", app.name), app.pawl.run("restart", app.name)]
    for done in said:
        assert SECRET not in done.stdout + done.stderr, done.args
    assert app.pawl.ok("secrets", "list", app.name).split() == ["SECRET", "STATE", "API_KEY", "set"]


def test_a_secret_is_in_the_settings_files_and_in_no_other(app: App) -> None:
    app.pawl.ok("secrets", "set", app.name, "API_KEY", stdin=SECRET)
    app.configure(
        loose__py=LOOSE, command="python loose.py; exec python app.py --socket $SOCKET",
        more='[build]\ntest = "true"\n[release]\ntasks = ["python loose.py"]\n',
    )  # fmt: skip
    app.deploy()
    app.get(f"/?key={quote(SECRET)}")
    app.configure(command="python loose.py $SOCKET; exit 1", VERSION="2")
    app.deploy(status=1)
    app.configure(more='[release]\ntasks = ["python loose.py; exit 1"]\n')
    app.deploy(status=1)
    app.pawl.ok("restart", app.name)
    for form in forms(SECRET):
        # What the app itself wrote into its own log is its own; pawl logs masks it.
        assert files_with(app.pawl.path, form, leave_out=("settings", "logs")) == []
        assert form not in command_lines()
        for path in ("status", "apps", f"apps/{app.name}/releases", f"apps/{app.name}/deploys", f"apps/{app.name}/env",
                     f"apps/{app.name}/secrets", f"apps/{app.name}/logs", "ping"):  # fmt: skip
            assert form not in api(app.pawl, f"/v1/{path}")
    for deploy in app.pawl.json("deploys", app.name)["deploys"]:
        assert SECRET not in api(app.pawl, f"/v1/deploys/{deploy['deploy']}/events")


@pytest.mark.parametrize("process", [None, "task"])
def test_what_the_app_prints_of_its_secret_is_masked_in_the_logs(app: App, process: str | None) -> None:
    app.pawl.ok("secrets", "set", app.name, "API_KEY", stdin=SECRET)
    app.configure(
        loose__py=LOOSE, command="python loose.py; exec python app.py --socket $SOCKET",
        more='[release]\ntasks = ["python loose.py"]\n',
    )  # fmt: skip
    app.deploy()
    words = ["logs", app.name, *(["--process", process] if process else [])]
    for text in (app.pawl.ok(*words), app.pawl.ok(*words, "--json")):
        for word in ("plain", "quoted", "encoded"):
            assert f"{word} [secret]" in text
        assert all(form not in text for form in forms(SECRET))


def test_a_secret_that_was_replaced_long_ago_is_still_masked(app: App) -> None:
    app.pawl.ok("secrets", "set", app.name, "API_KEY", stdin=SECRET)
    app.configure(loose__py=LOOSE, command="python loose.py; exec python app.py --socket $SOCKET")
    app.deploy()
    app.pawl.ok("secrets", "set", app.name, "API_KEY", "--no-restart", stdin="another one")
    for number in range(6):
        app.pawl.ok("env", "set", app.name, f"A={number}", "--no-restart")
    assert "plain [secret]" in app.pawl.ok("logs", app.name)


def test_a_value_on_the_command_line_is_refused_without_being_repeated(app: App) -> None:
    done = app.pawl.run("secrets", "set", app.name, f"API_KEY={SECRET}")
    assert done.returncode == 2
    assert SECRET not in done.stderr
    assert f"pawl secrets set {app.name} API_KEY" in error_lines(done.stderr)[-1]


def test_several_secrets_come_as_lines(app: App) -> None:
    app.deploy()
    app.pawl.ok("secrets", "set", app.name, "ONE", "TWO", stdin="ONE=first value\nTWO=second=value\n")
    assert app.get("/env?ONE&TWO")[1] == "ONE=first value\nTWO=second=value"
    app.pawl.ok("secrets", "unset", app.name, "ONE")
    assert app.get("/env?ONE&TWO")[1] == "ONE=None\nTWO=second=value"


def test_a_secret_may_have_several_lines(app: App) -> None:
    app.deploy()
    key = "-----BEGIN KEY-----\nabc=def\n-----END KEY-----"
    app.pawl.ok("secrets", "set", app.name, "PEM", stdin=key + "\n")
    assert app.get("/env?PEM")[1] == f"PEM={key}"


def test_a_value_that_is_no_text_is_refused(app: App) -> None:
    app.deploy()
    command = [sys.executable, "-m", "pawl.cli.main", "secrets", "set", app.name, "API_KEY"]
    done = subprocess.run(command, input=b"\xff\xfe", env=app.pawl.environ(), capture_output=True)
    assert done.returncode == 2
    assert error_lines(done.stderr.decode())[0] == "error: the value of API_KEY is not UTF-8"
    refused = app.pawl.run("env", "set", app.name, "NAME=caf\udce9")
    assert error_lines(refused.stderr)[0] == "error: the value of NAME is not UTF-8"
    assert app.pawl.json("secrets", "list", app.name)["secrets"] == []


def test_a_missing_value_is_told_and_nothing_is_changed(app: App) -> None:
    app.deploy()
    for names, text in [(["ONE"], ""), (["ONE"], "\n"), (["ONE", "TWO"], "ONE=1\n")]:
        done = app.pawl.run("secrets", "set", app.name, *names, stdin=text)
        assert done.returncode == 2
        assert "no value for" in error_lines(done.stderr)[0]
        assert app.pawl.json("secrets", "list", app.name)["secrets"] == []


def test_a_secret_that_pawl_toml_names_must_be_set_before_anything_is_done(app: App) -> None:
    app.deploy()
    app.configure(top='secrets = ["API_KEY", "OTHER"]', VERSION="2")
    before = app.pawl.json("deploys", app.name)
    done = app.pawl.run("deploy", app.repo.path)
    assert done.returncode == 2
    assert error_lines(done.stderr) == [
        "error: secrets are not set: API_KEY, OTHER",
        f"  why: pawl.toml names it under secrets, and '{app.name}' would start without it",
        f"  next: pawl secrets set {app.name} API_KEY OTHER",
    ]
    assert app.pawl.json("deploys", app.name) == before
    app.pawl.ok("secrets", "set", app.name, "API_KEY", "OTHER", stdin="API_KEY=1\nOTHER=2\n")
    app.deploy()
    assert app.get() == (200, "hello 2")


def test_unsetting_what_is_not_set_is_refused(app: App) -> None:
    app.deploy()
    done = app.pawl.run("secrets", "unset", app.name, "NOTHING")
    assert done.returncode == 2
    assert "NOTHING is not set" in done.stderr


def test_a_change_of_secrets_goes_live_by_a_restart_without_a_failure(app: App) -> None:
    app.configure(web="instances = 2")
    app.deploy()
    with app.load():
        lines = app.pawl.run("secrets", "set", app.name, "API_KEY", "--json", stdin=SECRET).stdout.splitlines()
    assert json.loads(lines[-1])["outcome"] == "kept"
    assert eventually(lambda: app.get("/env?API_KEY")[1] == f"API_KEY={SECRET}")
