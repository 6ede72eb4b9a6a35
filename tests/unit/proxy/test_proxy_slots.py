"""What stands behind an app: files on disk, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.errors import StateError
from pawl.proxy.slots import CLOSED, SLOTS_PER_APP, Slots, as_logged

A, B, C = "unix//run/a.sock", "127.0.0.1:8001", "[::1]:8002"


def contents(folder: Path, app: str = "hello") -> list[str]:
    return [path.read_text() for path in sorted((folder / app).iterdir())]


def test_instances_take_turns_over_the_twenty_slots(tmp_path: Path) -> None:
    Slots(tmp_path).assign("hello", [A, B, C])
    assert contents(tmp_path) == ([A, B, C] * 7)[:SLOTS_PER_APP]


def test_the_addresses_are_told_once_each_and_in_order(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    slots.assign("hello", [B, A])
    assert slots.addresses("hello") == [B, A]
    assert slots.addresses("unknown") == []


def test_no_address_closes_the_app_but_keeps_its_slots(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    slots.assign("hello", [A])
    slots.assign("hello", [])
    assert contents(tmp_path) == [CLOSED] * SLOTS_PER_APP
    assert slots.addresses("hello") == []
    assert slots.apps() == ["hello"]


def test_closing_fills_only_the_slots_that_are_missing(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    slots.assign("hello", [A])
    (tmp_path / "hello" / "07").unlink()
    slots.close("hello")
    slots.close("new")
    assert contents(tmp_path).count(A) == SLOTS_PER_APP - 1
    assert (tmp_path / "hello" / "07").read_text() == CLOSED
    assert contents(tmp_path, "new") == [CLOSED] * SLOTS_PER_APP


def test_a_slot_that_does_not_change_is_not_written(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    slots.assign("hello", [A, B])
    before = [path.stat().st_ino for path in sorted((tmp_path / "hello").iterdir())]
    slots.assign("hello", [A, B])
    assert [path.stat().st_ino for path in sorted((tmp_path / "hello").iterdir())] == before
    slots.assign("hello", [A, C])
    after = [path.stat().st_ino for path in sorted((tmp_path / "hello").iterdir())]
    assert after[::2] == before[::2]
    assert all(new != old for new, old in zip(after[1::2], before[1::2], strict=True))


def test_what_a_killed_writer_left_is_cleaned_up(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    slots.assign("hello", [A])
    (tmp_path / "hello" / ".03.tmp").write_text("unix//ha")
    assert slots.addresses("hello") == [A]
    slots.assign("hello", [A])
    assert len(contents(tmp_path)) == SLOTS_PER_APP
    (tmp_path / "hello" / ".03.tmp").write_text("unix//ha")
    slots.remove("hello")
    slots.remove("hello")
    assert list(tmp_path.iterdir()) == []


def test_removing_an_app_leaves_the_one_whose_name_begins_alike(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    slots.assign("hello", [A])
    slots.assign("hello2", [B])
    slots.remove("hello")
    assert (slots.apps(), slots.addresses("hello2")) == (["hello2"], [B])


def test_no_folder_means_no_apps(tmp_path: Path) -> None:
    assert Slots(tmp_path / "none").apps() == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "{a}", "-a", ".a"])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of an app"):
        Slots(tmp_path).assign(name, [A])


@pytest.mark.parametrize(
    "address", ["", "8000", "unix/run/a.sock", "unix//a b", "unix//{env.HOME}", "127.0.0.1", CLOSED]
)
def test_an_address_caddy_could_not_dial_is_refused_and_nothing_changes(tmp_path: Path, address: str) -> None:
    slots = Slots(tmp_path)
    slots.assign("hello", [A])
    with pytest.raises(ValueError, match="is not unix"):
        slots.assign("hello", [B, address])
    assert slots.addresses("hello") == [A]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("in the way")
    with pytest.raises(StateError, match="the slots of 'hello' cannot be written"):
        Slots(tmp_path).assign("hello", [A])


@given(share=st.integers(0, SLOTS_PER_APP))
def test_shares_are_given_exactly(tmp_path_factory: pytest.TempPathFactory, share: int) -> None:
    folder = tmp_path_factory.mktemp("slots")
    Slots(folder).assign_shares("hello", {A: share, B: SLOTS_PER_APP - share})
    assert contents(folder).count(A) == share


def test_shares_are_mixed_evenly(tmp_path: Path) -> None:
    Slots(tmp_path).assign_shares("hello", {A: 15, B: 5})
    assert contents(tmp_path) == [A, A, B, A] * 5


@pytest.mark.parametrize("shares", [{A: 19}, {A: 21, B: -1}, {A: 10, B: 11}, {}])
def test_shares_that_do_not_add_up_are_refused(tmp_path: Path, shares: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="add up to 20"):
        Slots(tmp_path).assign_shares("hello", shares)


def test_the_log_names_a_tcp_address_with_its_network() -> None:
    assert [as_logged(address) for address in (A, B, "tcp/h:1")] == [A, f"tcp/{B}", "tcp/h:1"]
