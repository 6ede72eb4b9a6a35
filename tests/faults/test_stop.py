"""SIGTERM to pawld: everything ends in order, nothing is left, and the next pawld brings the live release back."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pawl.engines.process import proc
from tests.faults.fault_rig import CONFIG, Site, begin
from tests.support import eventually, is_running


def stop(site: Site) -> float:
    """SIGTERM to pawld; how long it took to end, in seconds."""
    pid = site.pawld()
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not is_running(pid), within_s=40)
    return time.monotonic() - began


def assert_nothing_is_left(site: Site) -> None:
    assert site.pawl.processes() == {}
    home = site.pawl.home
    assert list(home.instances.iterdir()) == []
    assert not home.socket.exists()
    assert not home.caddy_socket.exists()


class Asking(threading.Thread):
    """A request that is under way while other things happen."""

    def __init__(self, ask: Callable[[], tuple[int, str]]) -> None:
        super().__init__(daemon=True)
        self._ask = ask
        self.answer: tuple[int, str] | None = None
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.answer = self._ask()

    def result(self) -> tuple[int, str] | None:
        self.join(30)
        return self.answer


def are_under_way(site: Site, count: int) -> bool:
    """Whether so many requests have come to the instances."""
    webs = [record["address"] for record in site.records() if record["name"].startswith("web.")]
    return sum(map(proc.connections, webs)) >= count


def test_requests_and_tasks_under_way_are_finished_first(place: Path) -> None:
    site = Site.at(place, config=CONFIG + "\n[env]\nTASK_S = '1'\n")
    try:
        slow = [Asking(lambda: site.pawl.get("/slow?s=3")) for _ in range(4)]
        stream = Asking(lambda: site.pawl.get("/stream?n=15&s=0.2"))
        eventually(lambda: are_under_way(site, 5))
        assert stop(site) < 10
        assert [one.result() for one in slow] == [(200, "hello 1")] * 4
        assert stream.result() == (200, "".join(f"1 {number}\n" for number in range(15)))
        ends = [line.split()[-1] for line in site.file("journal")]
        assert ends == ["began", "stopping", "ended"]
        assert_nothing_is_left(site)
        assert site.events()[-1].kind == "pawld_stopped"

        site.pawl.up()
        site.assert_sound()
    finally:
        site.destroy()


def test_requests_have_as_long_as_their_app_gives_them_and_no_longer(place: Path) -> None:
    site = Site.at(place, config=CONFIG.replace("stop_timeout_s = 10", "stop_timeout_s = 1"))
    try:
        slow = Asking(lambda: site.pawl.get("/slow?s=20"))
        eventually(lambda: are_under_way(site, 1))
        assert 1 <= stop(site) < 8
        slow.join(10)
        assert slow.answer is None
        assert_nothing_is_left(site)
    finally:
        site.destroy()


def has_event(site: Site, kind: str, after: int) -> bool:
    return kind in [event.kind for event in site.events()[after:]]


def test_a_deploy_that_is_cut_off_by_a_stop_is_finished_by_the_next_pawld(place: Path) -> None:
    site = Site.at(place)
    try:
        for moment in ("task_began", "stage_began", "switched"):
            version = site.commit()
            seen = len(site.events())
            command = begin(site, "deploy", str(site.repo.path))
            eventually(partial(has_event, site, moment, seen))
            stop(site)
            command.communicate(timeout=60)
            assert command.returncode in (0, 3)
            eventually(lambda: not site.pawl.processes())  # a release task is left to its end
            assert_nothing_is_left(site)
            site.pawl.up()
            assert site.outcome(site.deploys()[-1]) == "kept"
            site.version = version
            site.assert_sound()
            site.assert_tasks_ran(version)
    finally:
        site.destroy()


def test_an_instance_that_does_not_want_to_end_is_ended_when_its_time_is_up(place: Path) -> None:
    stubborn = CONFIG.replace("python worker.py", "trap '' TERM; while true; do sleep 0.1; done", 1)
    stubborn = stubborn.replace("stop_timeout_s = 10\nhealth", "stop_timeout_s = 1\nhealth", 1)
    site = Site.at(place, config=stubborn)
    try:
        assert 1 <= stop(site) < 8
        assert_nothing_is_left(site)
    finally:
        site.destroy()


def test_a_crash_loop_does_not_delay_the_end(place: Path) -> None:
    looping = CONFIG.replace("python worker.py", '[ -e "$PAWL_DATA/sick" ] && exit 3; exec python worker.py', 1)
    looping = looping.replace('command = "[ -e "$PAWL_DATA/sick" ]', 'command = \'[ -e "$PAWL_DATA/sick" ]').replace(
        'worker.py"\nstop', "worker.py'\nstop", 1
    )
    site = Site.at(place, config=looping)
    try:
        (site.pawl.home.data("hello") / "sick").touch()
        os.kill(site.live_pids()["worker.1"], signal.SIGKILL)
        eventually(lambda: len([event for event in site.events() if event.kind == "instance_crashed"]) >= 4)
        assert stop(site) < 5
        assert_nothing_is_left(site)
    finally:
        site.destroy()
