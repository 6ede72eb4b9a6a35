"""SIGKILL of pawld at random moments: of a deploy, of its own start."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

from tests.faults.fault_rig import Site, Sites, begin, kill, pawlds
from tests.support import eventually

ROUNDS = 15
SEED = 20260509


def test_a_deploy_survives_fifteen_kills_at_random_moments(sites: Sites) -> None:
    chance = random.Random(SEED)
    delays = [f"{chance.uniform(0, 1.5):.3f}" for _ in range(ROUNDS)]

    def deploy(site: Site, delay_s: str) -> None:
        version = site.commit()
        before = site.deploys()
        with site.load():
            pawld = site.pawld()
            command = begin(site, "deploy", str(site.repo.path))
            time.sleep(float(delay_s))
            kill(pawld)
            acknowledged = site.events()
            _, said = command.communicate(timeout=60)
            asked = [deploy for deploy in site.deploys() if deploy not in before]
            site.pawl.up()
            if asked:
                assert site.outcome(asked[0]) == "kept"
                site.version = version
            assert command.returncode == 3 or (asked and command.returncode == 0), said
            site.assert_sound()
        assert site.events()[: len(acknowledged)] == acknowledged
        if asked:
            site.assert_tasks_ran(version)

    sites.each(deploy, delays)


def test_pawld_may_be_killed_while_it_starts(sites: Sites) -> None:
    """With everything to do: no proxy, one instance gone."""
    chance = random.Random(SEED)
    delays = [f"{chance.uniform(0, 0.5):.3f}" for _ in range(8)]

    def start(site: Site, delay_s: str) -> None:
        kill(site.pawld())
        kill(site.caddy_pid())
        kill(site.live_pids()["worker.1"])
        command = begin(site, "up")
        (pawld,) = eventually(lambda: pawlds(site.pawl.path), within_s=30)
        if delay_s == "with its proxy":
            eventually(lambda: "proxy" in site.pawl.processes().values())
        else:
            time.sleep(float(delay_s))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pawld, signal.SIGKILL)
        command.communicate(timeout=60)
        site.wait_pawld_gone()
        site.pawl.up()
        site.assert_sound()

    sites.each(start, ["with its proxy"] * 4 + delays)
