"""One-time links and sessions: what is taken, how often, and for how long."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pawl.dashboard.sessions import LINK_S, SESSION_S, Sessions
from tests.unit.dashboard.dashboard_rig import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(place: Path, clock: Clock) -> Sessions:
    return Sessions(place / "key", clock=clock)


def test_a_link_is_good_once_and_looking_at_it_does_not_use_it_up(sessions: Sessions) -> None:
    token = sessions.link("/apps/shop")
    assert sessions.is_open(token)
    assert sessions.is_open(token)
    assert sessions.redeem(token) == "/apps/shop"
    assert sessions.redeem(token) is None
    assert not sessions.is_open(token)


def test_a_link_runs_out_after_five_minutes(sessions: Sessions, clock: Clock) -> None:
    early, late = sessions.link("/"), sessions.link("/")
    clock.now += LINK_S - 1
    assert sessions.redeem(early) == "/"
    clock.now += 2
    assert not sessions.is_open(late)
    assert sessions.redeem(late) is None


def test_only_so_many_links_are_kept_and_the_oldest_go_first(sessions: Sessions) -> None:
    first = sessions.link("/")
    last = [sessions.link("/") for _ in range(100)]
    assert not sessions.is_open(first)
    assert all(map(sessions.is_open, last))


@pytest.mark.parametrize("token", ["", "é", "x" * 500])
def test_what_was_never_a_link_is_none(sessions: Sessions, token: str) -> None:
    sessions.link("/")
    assert not sessions.is_open(token)
    assert sessions.redeem(token) is None


def test_a_session_outlives_pawld_for_its_key_is_in_a_file_of_mode_0600(place: Path, clock: Clock) -> None:
    cookie = Sessions(place / "key", clock=clock).cookie()
    assert Sessions(place / "key", clock=clock).is_session(cookie)
    assert stat.S_IMODE((place / "key").stat().st_mode) == 0o600


def test_a_session_ends_after_thirty_days(sessions: Sessions, clock: Clock) -> None:
    cookie = sessions.cookie()
    clock.now += SESSION_S - 1
    assert sessions.is_session(cookie)
    clock.now += 2
    assert not sessions.is_session(cookie)


def test_a_session_cannot_be_lengthened_or_made_up(sessions: Sessions, place: Path, clock: Clock) -> None:
    version, until, salt, signature = sessions.cookie().split(".")
    forged = [
        f"{version}.{int(until) + 1}.{salt}.{signature}", f"{version}.{until}.{salt}.", f"{version}.{until}.{salt}",
        "", "....", "é.é.é.é", f"{version}.{until}.{salt}.{'0' * 64}", Sessions(place / "other", clock=clock).cookie(),
    ]  # fmt: skip
    assert [value for value in forged if sessions.is_session(value)] == []


def test_revoking_ends_every_session_and_takes_every_link_back(sessions: Sessions) -> None:
    cookie, token = sessions.cookie(), sessions.link("/")
    sessions.revoke()
    assert not sessions.is_session(cookie)
    assert not sessions.is_open(token)
    assert sessions.is_session(sessions.cookie())


def test_a_key_that_was_cut_short_is_made_anew(place: Path, clock: Clock) -> None:
    (place / "key").write_bytes(b"short")
    sessions = Sessions(place / "key", clock=clock)
    assert sessions.is_session(sessions.cookie())
    assert len((place / "key").read_bytes()) == 32
