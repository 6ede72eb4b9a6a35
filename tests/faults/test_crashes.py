"""Instances and the proxy that die or grow: they come back by themselves, and what can be served is served."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.faults.fault_rig import CONFIG, Site, Sites, begin, kill
from tests.support import eventually

# web.2 alone ends at once when it is told to by a file.
SICK = CONFIG.replace(
    '"python app.py --socket $SOCKET"',
    """'[ "$PAWL_PROCESS" = web.2 ] && [ -e "$PAWL_DATA/sick" ] && exit 3; exec python app.py --socket $SOCKET'""",
)
GROWING = CONFIG.replace("instances = 2", 'instances = 2\nmemory = "90MB"')


def test_an_instance_that_was_killed_comes_back_and_no_get_fails(sites: Sites) -> None:
    def crash(site: Site, name: str) -> None:
        with site.load():
            pid = site.live_pids()[name]
            kill(pid)
            eventually(lambda: site.live_pids().get(name, 0) not in (0, pid))
            site.assert_sound()
        crashed = [event.data for event in site.events() if event.kind == "instance_crashed"]
        assert [(item["instance"], item["exit"]) for item in crashed if item["pid"] == pid] in (
            [(name, "was killed by SIGKILL")],
            [(name, "ended")],  # it was adopted: how it ended was told to init
        )

    sites.each(crash, ["web.1", "web.2", "worker.1", "beat.1"])


def test_both_instances_killed_at_once_cost_a_pause_and_no_get(sites: Sites) -> None:
    def crash(site: Site, _case: str) -> None:
        with site.load():
            pids = site.live_pids()
            killed = ("web.1", "web.2")
            for name in killed:
                os.kill(pids[name], signal.SIGKILL)
            eventually(lambda: {site.live_pids().get(name, 0) for name in killed}.isdisjoint({0, *pids.values()}))
            site.assert_sound()

    sites.each(crash, ["once"])


def test_a_crash_loop_is_reported_while_the_other_instance_serves(place: Path) -> None:
    site = Site.at(place, config=SICK)
    try:
        sick = site.pawl.home.data("hello") / "sick"
        with site.load():
            sick.touch()
            kill(site.live_pids()["web.2"])
            eventually(lambda: "crash loop" in states(site, "web.2"), within_s=40)
            looped = [event.data for event in site.events() if event.kind == "crash_loop"]
            assert [item["instance"] for item in looped] == ["web.2"]
            assert "crash loop" in site.pawl.ok("ps")
            assert states(site, "web.1") == ["running"]
            sick.unlink()
            eventually(lambda: states(site, "web.2") == ["running"], within_s=60)
            site.assert_sound()
        assert len([event for event in site.events() if event.kind == "crash_loop"]) == 1
    finally:
        site.destroy()


def states(site: Site, name: str) -> list[str]:
    kinds = site.pawl.status()["processes"]
    return [
        item["state"] for kind in kinds for item in kind["instances"] if (item["name"], item["role"]) == (name, "live")
    ]


def down_s(site: Site, how: str) -> float:
    """Kill the proxy; how long nobody answered."""
    if how == "adopted":
        site.restart_pawld()
    kill(site.caddy_pid())
    died = time.monotonic()
    while True:
        with contextlib.suppress(OSError):
            assert site.pawl.get() == (200, f"hello {site.version}")
            return time.monotonic() - died
        time.sleep(0.01)


def test_a_proxy_that_was_killed_is_back_within_two_seconds(sites: Sites) -> None:
    def crash(site: Site, how: str) -> None:
        # A machine that is busy with other tests may keep one of them waiting.
        assert any(down_s(site, how) < 2 for _ in range(3))
        site.assert_sound()
        eventually(lambda: [event for event in site.events() if event.kind == "proxy_restarted"])

    for how in ("its child", "adopted"):  # one at a time, for it is timed
        sites.each(crash, [how])


def test_an_instance_above_its_memory_is_replaced_by_a_new_one_first(place: Path) -> None:
    site = Site.at(place, config=GROWING)
    try:
        with site.load():
            before = site.live_pids()
            assert site.pawl.get("/grow?mb=120")[0] == 200
            eventually(lambda: [event for event in site.events() if event.kind == "instance_replaced"], within_s=30)
            site.assert_sound()
            after = site.live_pids()
        replaced = {name for name in after if after[name] != before[name]}
        assert replaced in ({"web.1"}, {"web.2"})
        exceeded = [event.data for event in site.events() if event.kind == "memory_exceeded"]
        assert [item["instance"] for item in exceeded] == list(replaced)
        assert exceeded[0]["rss_bytes"] > exceeded[0]["limit_bytes"]
        assert not [event for event in site.events() if event.kind == "instance_crashed"]
    finally:
        site.destroy()


def test_what_cannot_be_started_when_pawld_comes_up_is_tried_until_it_can(sites: Sites) -> None:
    def lack(site: Site, _case: str) -> None:
        site.pawl.ok("down")
        source = site.pawl.home.releases("hello") / site.release(site.version) / "app"
        source.rename(source.with_name("away"))
        site.pawl.up()
        eventually(lambda: [states(site, name) for name in site.wanted] == [["waiting"]] * len(site.wanted))
        source.with_name("away").rename(source)
        site.assert_sound()

    sites.each(lack, ["once"])


@pytest.mark.parametrize("moment", ["idle", "in a deploy", "in a deploy, in its second task", "just switched"])
def test_after_a_power_cut_what_was_live_comes_back(place: Path, moment: str) -> None:
    """Everything is killed at once, and run/ is empty as after a reboot that emptied a tmpfs."""
    site = Site.at(place)
    try:
        points = {
            "in a deploy": "spawned#2",
            "in a deploy, in its second task": "task done#2",
            "just switched": "slots moved",
        }
        if point := points.get(moment):
            version = site.commit()
            with site.dies_at(point):
                assert site.pawl.run("deploy", site.repo.path).returncode == 3
        else:
            kill(site.pawld())
        for pid in site.pawl.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not site.pawl.processes())
        shutil.rmtree(site.pawl.home.run)
        site.pawl.up()
        eventually(lambda: site.pawl.get()[0] == 200)
        if point:
            assert site.outcome(site.deploys()[-1]) == "kept"
            site.version = version
        site.assert_sound()
        site.assert_tasks_ran(site.version)
    finally:
        site.destroy()


def test_a_release_task_that_a_power_cut_broke_off_is_not_run_again(sites: Sites) -> None:
    slow = CONFIG.replace("sleep 0.2", "sleep 60")

    def cut(site: Site, _case: str) -> None:
        version = site.commit(config=slow)
        with site.load():
            command = begin(site, "deploy", str(site.repo.path))
            eventually(lambda: f"2 {site.release(version)}" in site.file("tasks"))
            kill(site.pawld())
            for pid, mark in site.pawl.processes().items():
                if mark.startswith("task:"):
                    os.kill(pid, signal.SIGKILL)
            command.communicate(timeout=60)
            site.pawl.up()
            assert site.outcome(site.deploys()[-1]) == "failed"
            site.assert_sound()
        site.assert_tasks_ran(version)
        reason = site.pawl.json("deploys", "hello")["deploys"][0]["reason"]
        assert reason.endswith("was interrupted and is not run twice"), reason

    sites.each(cut, ["once"])
