"""The main road: up, deploy, look, deploy again, go back."""

from __future__ import annotations

from tests.support import Pawl, Repository


def test_a_commit_goes_live_and_the_next_one_replaces_it(pawl: Pawl, hello: Repository) -> None:
    pawl.ok("deploy", hello.path)
    assert pawl.get() == (200, "hello 1")
    second = hello.commit("Say two", VERSION="2")
    pawl.ok("deploy", hello.path)
    assert pawl.get() == (200, "hello 2")
    assert pawl.live() == second
    pawl.ok("rollback", "hello")
    assert pawl.get() == (200, "hello 1")
