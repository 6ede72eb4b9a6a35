"""When a new release counts as healthy, and what is told when it does not."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests.e2e.e2e_rig import App

QUICK = 'path = "/healthz"\nattempts = 2\ninterval_s = 0.1'
# Answers as its settings say, and notes who asked for what.
SCRIPTED = """\
import os
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
import socket

class Handler(BaseHTTPRequestHandler):
    def address_string(self):
        return "client"

    def do_GET(self):
        print(self.command, self.path, self.headers["Host"], self.headers["X-Forwarded-Proto"], flush=True)
        if self.headers["Host"].split(":")[0] not in os.environ.get("ALLOWED_HOSTS", self.headers["Host"]).split():
            return self.send_error(400, "DisallowedHost")
        time.sleep(float(os.environ.get("ANSWER_S", "0")))
        body = os.environ.get("BODY", "fine").encode()
        self.send_response(int(os.environ.get("STATUS", "200")))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

class Server(HTTPServer):
    address_family = socket.AF_UNIX
    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "unix", 0

if "DIE_AFTER_S" in os.environ:
    import threading
    print("about to die", flush=True)
    threading.Timer(float(os.environ["DIE_AFTER_S"]), lambda: os._exit(7)).start()
if os.environ.get("LISTEN") != "never":
    Server(os.environ["SOCKET"], Handler).serve_forever()
time.sleep(60)
"""


def scripted(app: App, health: str, **env: str) -> str:
    rows = "".join(f'{name} = "{value}"\n' for name, value in env.items())
    return app.configure(
        command="python scripted.py $SOCKET", health=health, more=f"[env]\n{rows}", scripted__py=SCRIPTED
    )


@pytest.mark.parametrize(
    ("health", "env"),
    [
        ('path = "/healthz"', {}),
        ('path = "/healthz?full=1"\nstatus = 418', {"STATUS": "418"}),
        ('path = "/"\nstatus = [200, 401]', {"STATUS": "401"}),
        ('path = "/"', {"STATUS": "302"}),
        ('path = "/"\ncontent = "all fine"', {"BODY": "it is all fine here"}),
        ("uptime_s = 0.2", {"STATUS": "500"}),
        ("", {"STATUS": "500"}),
    ],
)
def test_an_answer_as_asked_for_is_healthy(app: App, health: str, env: dict[str, str]) -> None:
    scripted(app, health, **env)
    app.deploy()


@pytest.mark.parametrize(
    ("health", "env", "said"),
    [
        ("", {"STATUS": "500", "BODY": "no database"}, "HTTP 500 at /healthz, expected 200 to 399: no database"),
        ("status = 200", {"STATUS": "204", "BODY": ""}, "HTTP 204 at /healthz, expected 200"),
        ('content = "all fine"', {"BODY": "half fine"}, "HTTP 200 at /healthz without 'all fine': half fine"),
        ("timeout_s = 0.3", {"ANSWER_S": "5"}, "no answer within 0.3 s"),
        ("start_timeout_s = 0.5", {"LISTEN": "never"}, "nothing listens after 0.5 s (No such file or directory)"),
    ],
)
def test_another_answer_fails_the_deploy_and_the_error_names_it(
    app: App, health: str, env: dict[str, str], said: str
) -> None:
    app.deploy()
    commit = scripted(app, f"{QUICK}\n{health}", **env)
    done = app.deploy(status=1)
    assert f"failed at 'healthy': release '{commit[:12]}' is not healthy on 'web.1': " in done.stderr
    assert said in done.stderr
    assert f"see: pawl logs {app.name} --failed" in done.stderr
    assert app.get() == (200, "hello 1")


def test_the_check_is_asked_as_the_apps_own_host(app: App) -> None:
    scripted(app, 'path = "/healthz"', ALLOWED_HOSTS=f"{app.name}.localhost")
    app.deploy()
    assert f"GET /healthz {app.name}.localhost http" in app.pawl.ok("logs", app.name)


def test_an_app_with_a_domain_is_asked_as_that_domain(app: App) -> None:
    domain = f"{app.name}.example.org"
    app.configure(
        command="python scripted.py $SOCKET", scripted__py=SCRIPTED, health='path = "/healthz"',
        more=f'[domains]\nnames = ["{domain}"]\nhttps = "off"\n[env]\nALLOWED_HOSTS = "{domain}"\n',
    )  # fmt: skip
    app.deploy()
    assert f"GET /healthz {domain} http" in app.pawl.ok("logs", app.name)


def test_a_check_that_is_good_at_the_third_try_is_good(app: App) -> None:
    text = SCRIPTED.replace(
        "self.send_response(int", "self.server.n = getattr(self.server, 'n', 0) + 1\n        "
        "self.send_response(503 if self.server.n < 3 else int",
    )  # fmt: skip
    app.configure(command="python scripted.py $SOCKET", scripted__py=text, health='path = "/"\ninterval_s = 0.1')
    app.deploy()


def test_a_process_that_dies_on_trial_fails_the_deploy_at_once_with_its_last_words(app: App) -> None:
    app.deploy()
    scripted(app, 'path = "/healthz"\nattempts = 100\ntimeout_s = 30', DIE_AFTER_S="0.5", ANSWER_S="30")
    done = app.deploy("--json", status=1)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (trial,) = [line for line in lines if (line["event"], line.get("stage")) == ("stage began", "healthy")]
    took = datetime.fromisoformat(lines[-1]["at"]) - datetime.fromisoformat(trial["at"])
    assert took.total_seconds() < 8  # far from the timeout, on a machine that is busy with other tests
    assert "'web.1': it exited with 7 after" in done.stdout
    assert "about to die" in done.stdout
    assert app.get() == (200, "hello 1")


def test_an_app_that_exits_at_once_is_told_with_its_traceback(app: App) -> None:
    app.deploy()
    app.repo.commit("Break it", app__py="import nothing_of_this_name\n")
    done = app.deploy(status=1)
    assert "it exited with 1 after" in done.stderr
    assert "  | ModuleNotFoundError: No module named 'nothing_of_this_name'" in done.stderr


def test_a_command_that_is_not_found_is_told(app: App) -> None:
    app.configure(command="gunicom app:app")
    done = app.deploy(status=1)
    assert "it exited with 127" in done.stderr
    assert "gunicom: not found" in done.stderr


def test_a_command_that_listens_elsewhere_is_told_where_to_listen(app: App) -> None:
    app.configure(command="python scripted.py --bind 127.0.0.1:1", health=f"{QUICK}\nstart_timeout_s = 0.5",
                  more='[env]\nLISTEN = "never"\n', scripted__py=SCRIPTED)  # fmt: skip
    done = app.deploy(status=1)
    assert "the command names an address of its own, use $SOCKET or $PORT" in done.stderr


def test_logs_failed_shows_the_last_failed_start_and_only_that(app: App) -> None:
    app.deploy()
    assert "has failed" in app.pawl.run("logs", app.name, "--failed").stderr
    app.repo.commit("Break it", app__py="raise SystemExit('first mistake')\n")
    app.deploy(status=1)
    app.repo.commit("Break it again", app__py="raise SystemExit('second mistake')\n")
    app.deploy(status=1)
    shown = app.pawl.ok("logs", app.name, "--failed")
    assert "second mistake" in shown
    assert "first mistake" not in shown
    assert "listens" not in shown


def test_a_secret_in_the_answer_of_the_check_is_masked_in_the_error(app: App) -> None:
    app.pawl.ok("secrets", "set", app.name, "BODY", stdin="s3cret-in-the-body")
    scripted(app, QUICK, STATUS="500")
    done = app.deploy("--json", status=1)
    assert "[secret]" in done.stdout
    assert "s3cret-in-the-body" not in done.stdout + done.stderr
