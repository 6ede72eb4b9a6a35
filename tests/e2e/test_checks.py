"""``[checks] after_switch``: a new release is asked for what its author named, once it is live."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.watch_rig import Shop
from tests.support import Pawl

CHECKS = '[checks]\nafter_switch = ["/healthz", "/items/7"]'
GONE = "HTTP 404 at /items/7, expected 200 to 399"
NOT_BEFORE = "nothing was live before"


def test_a_change_that_fails_a_check_is_taken_back_though_nobody_uses_the_app(machine: Pawl, place: Path) -> None:
    shop = Shop.opened(machine, place, "checked", more=CHECKS)
    shop.change("Lose the seventh item", gone="/items/7")
    watched = shop.deploy()
    watched.assert_taken_back("hard fail")
    assert watched.verdict["why"].startswith(f"check failed: {GONE}")
    passed, failed = watched.verdict["checks"]
    assert passed == {"path": "/healthz", "is_good": True, "why": "HTTP 200", "fails_before": False}
    assert (failed["path"], failed["is_good"]) == ("/items/7", False)
    assert failed["why"].startswith(GONE)
    told = shop.told(watched.deploy)
    assert "check passed: /healthz (HTTP 200)" in told
    assert f"check failed: /items/7 ({GONE}" in told

    shop.change("Find it again")
    found = shop.deploy()
    found.assert_kept()
    assert [one["is_good"] for one in found.verdict["checks"]] == [True, True]


def test_what_fails_in_the_release_before_as_well_takes_nothing_back(machine: Pawl, place: Path) -> None:
    shop = Shop.opened(machine, place, "outage", more=CHECKS)
    (machine.home.data("outage") / "down").touch()
    shop.change("Change nothing")
    watched = shop.deploy()
    watched.assert_kept()
    (warning,) = watched.verdict["warnings"]
    assert warning.startswith("a check fails, as it does in the release before: HTTP 500 at /items/7")
    assert f"warning: {warning}" in shop.told(watched.deploy)


def test_the_first_change_says_which_check_it_fails(machine: Pawl, place: Path) -> None:
    shop = Shop.new(machine, place, "first-checked", more=CHECKS)
    shop.change("Open", gone="/items/7")
    watched = shop.deploy()
    assert (watched.status, watched.last["outcome"]) == (0, "kept")
    detail = watched.events("stage", stage="observed")[0]["detail"]
    assert detail.startswith(f"{NOT_BEFORE}; check failed: {GONE}")
