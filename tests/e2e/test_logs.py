"""What instances wrote: in order, dated, whole, and bearable whatever an app writes."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from tests.e2e.e2e_rig import App, error_lines
from tests.support import eventually, interrupt

WORKER = '[processes.worker]\ncommand = "echo the worker speaks; exec python worker.py"\nhealth.uptime_s = 0.2\n'
AHEAD = "exec python app.py --socket $SOCKET"


def lines(app: App, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in app.pawl.ok("logs", app.name, "--json", *words).splitlines()]


def texts(app: App, *words: str) -> list[str]:
    return [line["text"] for line in lines(app, *words)]


@contextmanager
def following(app: App, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = app.pawl.spawn("logs", app.name, "-f", *words)
    late = threading.Timer(60, process.kill)  # whoever waits for a line that does not come finds the end instead
    late.start()
    try:
        yield process
    finally:
        late.cancel()
        interrupt(process)


@contextmanager
def speaking(app: App, text: str) -> Iterator[None]:
    """The app writes this line again and again: nobody can tell from outside when a follower has begun to follow."""
    is_over = threading.Event()

    def speak() -> None:
        while not is_over.wait(0.2):
            app.get(f"/log?text={text}")

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        yield
    finally:
        is_over.set()
        speaker.join()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    while line := process.stdout.readline():
        if text in line:
            return line
    raise AssertionError(f"{text!r} did not come")


def test_a_line_says_when_and_from_where(app: App) -> None:
    app.configure(more=WORKER)
    app.deploy()
    shown = app.pawl.ok("logs", app.name).splitlines()
    at, clock, name, text = next(line for line in shown if "worker speaks" in line).split(maxsplit=3)
    assert abs(datetime.fromisoformat(f"{at}T{clock}").timestamp() - time.time()) < 60
    assert (name, text) == ("worker.1", "the worker speaks")


def test_one_process_type_alone(app: App) -> None:
    app.configure(more=WORKER)
    app.deploy()
    assert texts(app, "--process", "worker") == ["the worker speaks"]
    assert texts(app, "--process", "web") == ["version 1 listens"]
    assert app.pawl.run("logs", app.name, "--process", "../web").returncode == 2


def test_lines_of_instances_that_ended_stay_where_they_were(app: App) -> None:
    app.configure(web="keep_warm_s = 0")
    app.deploy()
    time.sleep(1.5)  # lines are dated to the second
    app.say("2")
    app.deploy()
    shown = texts(app)
    assert shown[0] == "version 1 listens"
    assert set(shown[1:]) == {"bye", "version 2 listens"}  # of the same second
    ended = next(line["at"] for line in lines(app) if line["text"] == "bye")
    time.sleep(1.5)
    assert abs(_seconds(next(line["at"] for line in lines(app) if line["text"] == "bye")) - _seconds(ended)) <= 1
    time.sleep(1.5)
    assert "bye" not in texts(app, "--since", "1s")


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def test_since_leaves_out_what_was_before(app: App) -> None:
    app.deploy()
    app.get("/log?text=early")
    time.sleep(3)
    app.get("/log?text=late")
    time.sleep(1.5)  # until the line has its date
    at = {line["text"]: line["at"] for line in lines(app)}
    assert 1.5 <= _seconds(at["late"]) - _seconds(at["early"]) <= 30
    recent = texts(app, "--since", at["late"])
    assert "late" in recent
    assert "early" not in recent
    assert "early" in texts(app, "--since", "1h")
    assert texts(app, "--since", "2999-01-01T00:00:00Z") == []
    assert "early" in texts(app, "--since", "2001-01-01")


def test_a_time_that_is_none_is_refused(app: App) -> None:
    for moment in ["yesterday", "10", "-5m", "5 minutes", ""]:
        done = app.pawl.run("logs", app.name, "--since", moment)
        assert done.returncode == 2
        assert "is not a time" in error_lines(done.stderr)[0]


def test_tail_is_the_last_lines(app: App) -> None:
    app.deploy()
    for number in range(10):
        app.get(f"/log?text=line-{number}")
    assert texts(app, "--tail", "3") == ["line-7", "line-8", "line-9"]
    assert texts(app, "--tail", "0") == []


def test_following_shows_what_is_written_from_now_on_also_by_a_new_release(app: App) -> None:
    app.deploy()
    with following(app) as process:
        read_until(process, "version 1 listens")
        app.get("/log?text=hello-there")
        read_until(process, "hello-there")
        app.say("2")
        app.deploy()
        read_until(process, "version 2 listens")
        app.get("/log?text=from-two")
        read_until(process, "from-two")


def test_following_as_json(app: App) -> None:
    app.deploy()
    with following(app, "--json", "--tail", "0") as process, speaking(app, "hello-there"):
        assert json.loads(read_until(process, "hello-there"))["text"] == "hello-there"


def test_bytes_that_are_no_utf_8_are_shown_as_replacements(app: App) -> None:
    app.configure(command=f"printf 'a\\377\\300b\\n\\355\\240\\200\\n'; {AHEAD}")
    app.deploy()
    assert texts(app)[0] == "a\ufffd\ufffdb"
    shown = app.pawl.ok("logs", app.name)
    assert "a\ufffd\ufffdb" in shown


def test_control_characters_cannot_drive_the_terminal(app: App) -> None:
    app.configure(command=f"printf 'before\\033]0;evil\\007\\033[2Jafter\\rover\\n'; {AHEAD}")
    app.deploy()
    shown = app.pawl.ok("logs", app.name)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "before" in shown


def test_a_line_of_100_mb_is_cut_and_hurts_nobody(app: App) -> None:
    app.configure(command=f"head -c 100000000 /dev/zero | tr '\\0' x; echo; echo next; {AHEAD}")
    app.deploy()
    pid = app.pawl.pid()
    long, after = eventually(lambda: _two(texts(app, "--since", "1h")), within_s=60)
    assert len(long) < 20_000
    assert long.startswith("xxxx")
    assert "bytes more]" in long
    assert after == "next"
    assert len(texts(app)[-1]) < 100
    assert app.get() == (200, "hello 1")
    with open(f"/proc/{pid}/status") as file:
        resident_kb = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    assert resident_kb < 120_000
    assert app.pawl.pid() == pid


def _two(found: list[str]) -> list[str]:
    return found[:2] if "next" in found else []


def test_a_flood_of_lines_does_not_fill_the_disk(app: App) -> None:
    app.configure(
        command=f"yes {'x' * 99} | head -n 900000; {AHEAD}", health='path = "/healthz"\nstart_timeout_s = 120'
    )
    app.deploy()
    (log,) = app.pawl.home.logs(app.name).glob("web.1-*.log")
    assert log.stat().st_size > 80_000_000
    assert eventually(lambda: log.stat().st_blocks * 512 < 50_000_000, within_s=30)
    assert texts(app, "--tail", "2") == ["x" * 99, "version 1 listens"]


def test_an_app_without_logs_shows_none(app: App) -> None:
    app.pawl.ok("env", "set", app.name, "A=1")
    assert app.pawl.ok("logs", app.name) == ""
    assert app.pawl.run("logs", "no-such-app").returncode == 2
