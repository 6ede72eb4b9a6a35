"""SIGKILL of pawld while nothing is under way: the app goes on, and the next pawld takes it over as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.faults.fault_rig import CONFIG, WANTED, Site, Sites, begin, kill
from tests.support import HELLO, eventually, is_running, repository


def orphan(site: Site) -> dict[str, int]:
    """Kill pawld; the pids of what it leaves, Caddy's under ``proxy``."""
    pids = {**site.live_pids(), "proxy": site.caddy_pid()}
    kill(site.pawld())
    return pids


def found(site: Site) -> dict[str, int]:
    return {**site.live_pids(), "proxy": site.caddy_pid()}


def test_the_app_serves_and_logs_without_pawld_and_the_next_one_adopts_all_of_it(sites: Sites) -> None:
    def adopt(site: Site, _case: str) -> None:
        with site.load():
            pids = orphan(site)
            assert site.pawl.get("/log?text=nobody-watches")[0] == 200
            assert site.pawl.run("status").returncode == 3
            site.pawl.up()
            assert found(site) == pids
            site.assert_sound()
        assert "nobody-watches" in site.pawl.ok("logs", "hello")

    sites.each(adopt, ["once"])


def test_restart_scale_and_down_work_on_adopted_instances(sites: Sites) -> None:
    def rule(site: Site, _case: str) -> None:
        pids = orphan(site)
        site.pawl.up()
        with site.load():
            site.pawl.ok("scale", "hello", "web=1", "worker=2")
            site.wanted = ("web.1", "worker.1", "worker.2", "beat.1")
            site.assert_sound()
            orphan(site)
            site.pawl.up()
            site.pawl.ok("scale", "hello", "web=2", "worker=1")
            site.wanted = ("web.1", "web.2", "worker.1", "beat.1")
            site.assert_sound()
            orphan(site)
            site.pawl.up()
            site.pawl.ok("restart", "hello")
            site.assert_sound()
            assert not set(site.live_pids().values()) & set(pids.values())
        orphan(site)
        site.pawl.up()
        site.pawl.ok("down")
        assert site.pawl.processes() == {}
        assert not list(site.pawl.home.instances.iterdir())
        site.pawl.up()
        site.assert_sound()

    sites.each(rule, ["once"])


def test_a_pawld_that_takes_long_to_start_is_left_to_it_and_the_apps_serve_on(sites: Sites) -> None:
    impatient = "from pawl.client import local; local._START_S = 0.0; from pawl.cli.main import main; main()"

    def wait(site: Site, _case: str) -> None:
        with site.load():
            pids = found(site)
            site.pawl.ok("down", "--leave-running")
            up = subprocess.run(
                [sys.executable, "-c", impatient, "up"], env=site.pawl.environ(), capture_output=True, text=True
            )
            assert up.returncode == 1, up
            assert "does not answer after 0 s" in up.stderr
            assert "it is still starting and was left to go on" in up.stderr
            assert "pawl status" in up.stderr
            eventually(lambda: site.pawl.run("status").returncode == 0)
            assert found(site) == pids
            site.assert_sound()

    sites.each(wait, ["once"])


def test_what_died_without_pawld_is_started_again_by_the_next_one(sites: Sites) -> None:
    def die(site: Site, name: str) -> None:
        with site.load():
            pids = orphan(site)
            kill(pids[name])
            site.pawl.up()
            site.assert_sound()
            after = found(site)
        assert after.pop(name) != pids.pop(name)
        assert after == pids

    sites.each(die, ["web.1", "worker.1", "beat.1"])


def test_a_pid_that_another_process_has_by_now_is_not_mistaken_for_an_instance(sites: Sites) -> None:
    def reuse(site: Site, name: str) -> None:
        stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
        try:
            pids = orphan(site)
            kill(pids[name])
            (record,) = [item for item in site.records() if item["name"] == name and item["role"] == "live"]
            record["pid"] = stranger.pid  # with the start time of the one that died
            (site.pawl.home.instances / f"{record['id']}.json").write_text(json.dumps(record))
            site.pawl.up()
            site.assert_sound()
            assert stranger.pid not in site.live_pids().values()
            site.pawl.ok("restart", "hello")
            site.assert_sound()
            assert is_running(stranger.pid)
        finally:
            stranger.kill()
            stranger.wait()

    sites.each(reuse, ["web.2", "beat.1"])


def test_the_same_holds_for_a_record_of_another_boot(sites: Sites) -> None:
    def reboot(site: Site, _case: str) -> None:
        pids = orphan(site)
        victim = pids["worker.1"]
        (record,) = [item for item in site.records() if item["pid"] == victim]
        record["boot"] = "0" * 36
        (site.pawl.home.instances / f"{record['id']}.json").write_text(json.dumps(record))
        site.pawl.up()
        eventually(lambda: not is_running(victim))  # it carries the mark of this home, and nobody knows it
        site.assert_sound()

    sites.each(reboot, ["once"])


def test_records_that_cannot_be_read_cost_a_restart_and_no_more(sites: Sites) -> None:
    def spoil(site: Site, name: str) -> None:
        with site.load():
            pids = orphan(site)
            (record,) = [item for item in site.records() if item["pid"] == pids[name]]
            (site.pawl.home.instances / f"{record['id']}.json").write_bytes(b'{"id": "\xff')
            site.pawl.up()
            site.assert_sound()
            assert not is_running(pids[name])

    sites.each(spoil, ["web.1", "beat.1"])


def test_of_two_live_instances_in_one_place_the_newer_stays(sites: Sites) -> None:
    """So a pawld leaves them that dies while it replaces one that has grown too big."""

    def double(site: Site, _case: str) -> None:
        site.deploy()  # so that there are warm ones
        with site.load():
            orphan(site)
            live = next(item for item in site.records() if (item["name"], item["role"]) == ("web.1", "live"))
            older = next(item for item in site.records() if (item["name"], item["role"]) == ("web.1", "warm"))
            older |= {name: live[name] for name in ("role", "deploy", "release", "settings")}
            (site.pawl.home.instances / f"{older['id']}.json").write_text(json.dumps(older))
            site.pawl.up()
            site.assert_sound()
            assert site.live_pids()["web.1"] == live["pid"]
            assert not is_running(older["pid"])

    sites.each(double, ["once"])


def test_an_app_whose_release_is_gone_keeps_no_other_from_coming_up(place: Path) -> None:
    site = Site.at(place)
    try:
        other = repository(place / "other", HELLO)
        other.commit("Another app", pawl__toml=(HELLO / "pawl.toml").read_text().replace('"hello"', '"other"'))
        site.pawl.ok("deploy", other.path)
        site.pawl.ok("down")
        shutil.rmtree(site.pawl.home.releases("hello"))
        site.pawl.up()
        eventually(lambda: site.pawl.get(app="other")[0] == 200)
        site.deploy()
        site.pawl.ok("remove", "other", "--yes")
        site.assert_sound()
    finally:
        site.destroy()


def test_a_change_of_scale_leaves_alone_what_a_deploy_has_in_its_hands(sites: Sites) -> None:
    slow_beat = CONFIG[: CONFIG.index("[processes.beat]")] + CONFIG[CONFIG.index("[processes.beat]") :].replace(
        "0.15", "2"
    )

    def scale(site: Site, _case: str) -> None:
        version = site.commit(config=slow_beat)
        with site.load():
            command = begin(site, "deploy", str(site.repo.path))
            eventually(lambda: any(site.release(version) in line for line in site.file("beats")))
            site.pawl.ok("scale", "hello", "worker=2")
            command.communicate(timeout=60)
            site.version = version
            site.wanted = ("web.1", "web.2", "worker.1", "worker.2", "beat.1")
            site.assert_sound()
            site.pawl.ok("scale", "hello", "worker=1")
            site.wanted = WANTED
            site.deploy()
            site.assert_sound()

    sites.each(scale, ["once"])
