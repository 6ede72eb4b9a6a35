"""SIGKILL of pawld while a change is watched, judged or taken back: the next pawld comes to the same end by itself."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pawl.demo.load import Load, Tally
from tests.e2e.watch_rig import CALM, MANY
from tests.faults.fault_rig import Event, Site, begin, kill, log_tail
from tests.support import Pawl, eventually, repository

SHOP = Path(__file__).parents[1] / "apps" / "shop"
ILL_AFTER_S = 8  # it has to be healthy long enough to go live
# An expectation has a change watched also where no request tells anything.
EXPECT = ("--expect", "rate(*) < 1000/s")


class ShopSite(Site):
    """A site with the shop live, whose changes have faults."""

    good = ""

    @classmethod
    def opened(cls, *, observe: str, faults: Mapping[str, object]) -> ShopSite:
        place = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
        site = cls(Pawl(place / "home"), repository(place / "shop", SHOP))
        try:
            site.pawl.up()
            site.good = site.change(observe, **faults)
            site.pawl.ok("deploy", site.repo.path)
        except BaseException:
            site.destroy()
            raise
        return site

    def change(self, observe: str, **faults: object) -> str:
        """A commit with these faults; the release it will be."""
        text = (
            'app = "shop"\n[build]\ninstall = "none"\n[processes.web]\ncommand = "python app.py --socket $SOCKET"\n'
            f'[processes.web.health]\npath = "/healthz"\n[observe]\n{observe}\n'
        )
        return self.repo.commit("A change", pawl__toml=text, FAULTS=json.dumps(faults))[:12]

    def live(self) -> str:
        return str(self.pawl.status("shop")["live"]["release"])

    def assert_whole(self, *, serving: str, verdicts: int) -> None:
        """This release alone is live and answers, every process is written down, and the ledger has no gap."""
        assert self.live() == serving
        for _ in range(4):
            status, body = self.pawl.get("/", "shop")
            assert (status, body.split()[-1]) == (200, serving)

        def strays() -> list[str]:
            records = self.records()
            roles = Counter((record["role"], record["release"]) for record in records if record["role"] != "warm")
            found = [] if roles == {("live", serving): 1} else [f"there are {roles}"]
            return found + self._stray_processes(records)

        try:
            eventually(lambda: not strays(), within_s=30)
        except AssertionError:
            raise AssertionError(strays()) from None
        events = self.events()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        for kind in ("deploy_queued", "deploy_ended"):
            assert set(Counter(event.deploy for event in events if event.kind == kind).values()) == {1}
        assert len([event for event in events if event.kind == "verdict_reached"]) == verdicts

    def moved_back(self) -> int:
        """How often the ledger says that the old release was put back."""
        return len([event for event in self.events() if event.kind == "switched_back"])

    @contextmanager
    def requests(self, *, rate: float = 20, at_least: int = 200) -> Iterator[Tally]:
        """Steady requests; the block runs once so many were answered."""
        load = Load(f"http://shop.localhost:{self.pawl.port}/", rate=rate, connections=MANY)
        load.start()
        try:
            eventually(lambda: load.tally.served >= at_least, within_s=60)
            yield load.tally
        finally:
            load.stop()


def each(work: Callable[[str], None], cases: Sequence[str]) -> None:
    """Every case at the same time, for most of one is waiting; says which failed."""

    def one(case: str) -> Exception | None:
        try:
            work(case)
        except Exception as fault:  # noqa: BLE001  it is raised again below
            fault.add_note(f"in the case '{case}'")
            return fault
        return None

    with ThreadPoolExecutor(3) as pool:
        faults = [fault for fault in pool.map(one, cases) if fault is not None]
    if faults:
        raise ExceptionGroup(f"{len(faults)} of {len(cases)} cases failed", faults)


@contextmanager
def opened(observe: str = "duration_s = 60", **faults: object) -> Iterator[ShopSite]:
    site = ShopSite.opened(observe=observe, faults=faults)
    try:
        yield site
    except Exception as fault:
        fault.add_note(f"pawld's log:\n{log_tail(site)}")
        raise
    finally:
        site.destroy()


def die_at(site: ShopSite, point: str) -> str:
    """Deploy what was committed last, have pawld killed at a point of it, and start the next; the deploy, ended."""
    site.restart_pawld(PAWL_FAULT_POINT=point)
    before = site.deploys()
    done = site.pawl.run("deploy", site.repo.path, *EXPECT)
    assert done.returncode == 3, f"pawld was not killed at '{point}': {done.stdout}\n{done.stderr}"
    acknowledged = site.events()
    (deploy,) = set(site.deploys()) - set(before)
    site.pawl.up()
    site.outcome(deploy)
    assert site.events()[: len(acknowledged)] == acknowledged
    return deploy


POINTS = (
    "observed: begun", "verdict reached", "observed: done", "taking back: before", "taking back: healthy",
    "taking back: moved", "taking back: done",
)  # fmt: skip


def test_a_change_that_gets_ill_is_taken_back_by_the_next_pawld() -> None:
    def deploy(point: str) -> None:
        with opened() as site:
            bad = site.change("duration_s = 60", ill_after_s=ILL_AFTER_S)
            ended = die_at(site, point)
            assert site.outcome(ended) == "rolled back"
            assert site.moved_back() == 1
            site.assert_whole(serving=site.good, verdicts=1)
            assert bad not in {record["release"] for record in site.records()}

    each(deploy, POINTS)


def test_a_canary_that_was_judged_is_withdrawn_by_the_next_pawld() -> None:
    canary = "duration_s = 30\ncanary = [50]\ncanary_step_s = 30"
    with opened(canary) as site:
        site.change(canary, ill_after_s=ILL_AFTER_S)
        assert site.outcome(die_at(site, "canary verdict reached")) == "rolled back"
        assert site.moved_back() == 0
        assert len([event for event in site.events() if event.kind == "switched"]) == 1
        site.assert_whole(serving=site.good, verdicts=1)


def test_a_watch_is_gone_on_with_by_the_next_pawld() -> None:
    def deploy(fault: str) -> None:
        observe = "duration_s = 25"
        with opened(observe, **CALM) as site, site.requests():
            release = site.change(observe, **CALM, **({} if fault == "none" else {"ill_after_s": 14}))
            deploying = begin(site, "deploy", str(site.repo.path))
            eventually(lambda: [event for event in site.events() if is_watching(event)], within_s=60)
            kill(site.pawld())
            deploying.communicate(timeout=60)
            assert deploying.returncode == 3
            acknowledged = site.events()
            assert not [event for event in acknowledged if event.kind == "verdict_reached"]
            site.pawl.up()
            deploy = site.deploys()[-1]
            outcome, serving = ("kept", release) if fault == "none" else ("rolled back", site.good)
            assert site.outcome(deploy) == outcome
            assert site.events()[: len(acknowledged)] == acknowledged
            site.assert_whole(serving=serving, verdicts=1)
            (seen,) = json.loads(site.pawl.run("observe", deploy, "--json").stdout)["verdicts"]
            assert (seen["verdict"] in ("hard fail", "roll back")) == (fault != "none")
            if fault == "none":
                assert seen["elapsed_s"] >= 25
                assert seen["candidate"]["requests"] > 20 * 15  # what came before the kill is among it

    def is_watching(event: Event) -> bool:
        is_second = event.deploy == "d2"
        return is_second and event.kind == "stage_began" and event.data["stage"] == "observed"

    each(deploy, ["none", "ill later"])
