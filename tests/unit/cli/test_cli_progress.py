"""A deploy as it is followed: the lines of pawld in, what is shown and the exit status out."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from pawl.cli import output, progress
from pawl.errors import Unreachable

Json = dict[str, Any]
Capture = pytest.CaptureFixture[str]


def change(count: int, title: str = "Quicker feeds") -> list[Json]:
    return [
        {"sha": f"{number:040}", "title": title, "author": "Ada", "email": "ada@example.org", "committed_at": "t"}
        for number in range(count)
    ]


def queued(**changes: Any) -> Json:
    return {
        "event": "queued", "deploy": "d2", "at": "t", "app": "demo", "kind": "deploy", "release": "bbb",
        "previous": "aaa", "change": change(1), "authors": ["Ada <ada@example.org>"],
    } | changes  # fmt: skip


def outcome(**changes: Any) -> Json:
    return {
        "event": "outcome", "deploy": "d2", "at": "t", "app": "demo", "outcome": "kept", "live": "bbb",
        "duration_s": 2.5, "reason": "", "next": "", "detail": "", "failed_stage": None, "url": "http://demo/",
        "stages": [],
    } | changes  # fmt: skip


def stage(name: str, detail: str = "") -> list[Json]:
    return [
        {"event": "stage began", "deploy": "d2", "at": "t", "stage": name},
        {"event": "stage", "deploy": "d2", "at": "t", "stage": name, "duration_s": 0.5, "detail": detail},
    ]


GOOD: list[Json] = [
    queued(),
    *stage("built", "new"),
    {"event": "stage began", "deploy": "d2", "at": "t", "stage": "tasks done"},
    {"event": "task began", "deploy": "d2", "at": "t", "index": 0, "command": "python manage.py migrate"},
    {"event": "task", "deploy": "d2", "at": "t", "index": 0, "exit_status": 0, "duration_s": 61.0},
    {"event": "stage", "deploy": "d2", "at": "t", "stage": "tasks done", "duration_s": 61.2, "detail": "1 tasks"},
    {"event": "switched", "deploy": "d2", "at": "t", "release": "bbb", "url": "http://demo/"},
    outcome(),
]


def follow(lines: list[Json], *, as_json: bool = False) -> int:
    return progress.follow(iter(lines), deploy="d2", as_json=as_json)


def test_a_good_deploy_is_one_aligned_line_for_each_event_and_its_outcome_on_stdout(capsys: Capture) -> None:
    assert follow(GOOD) == 0
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        "demo: deploy d2, release bbb, from aaa",
        "  0000000  Quicker feeds (Ada)",
        "  built         500 ms  new",
        "              1 min 1 s  task 1",
        "  tasks done  1 min 1 s  1 tasks",
        "  live                  http://demo/",
    ]
    assert shown.out == "demo is live: http://demo/ (release bbb, deploy d2, 2.5 s)\n"


def test_a_deploy_that_failed_says_where_why_and_what_serves(capsys: Capture) -> None:
    lines = [
        queued(previous=None),
        outcome(
            outcome="failed", live="aaa", reason="not healthy: HTTP 502", next="see: pawl logs demo --failed",
            detail="one\ntwo", failed_stage="healthy",
        ),
    ]  # fmt: skip
    assert follow(lines) == 1
    shown = capsys.readouterr()
    assert shown.err.splitlines()[0] == "demo: deploy d2, release bbb, the first"
    assert shown.err.splitlines()[2:] == [
        "failed at 'healthy': not healthy: HTTP 502", "  | one", "  | two", "  see: pawl logs demo --failed",
    ]  # fmt: skip
    assert shown.out == "demo: deploy d2 failed after 2.5 s; release aaa goes on serving\n"
    assert follow([outcome(outcome="superseded", live=None)]) == 1
    assert capsys.readouterr().out.endswith("nothing was live before\n")


def test_a_deploy_that_is_kept_with_a_but_is_good(capsys: Capture) -> None:
    assert follow([outcome(reason="old instances were slow to end")]) == 0
    assert capsys.readouterr().err == "but: old instances were slow to end\n"


@pytest.mark.parametrize(
    ("count", "authors", "last"),
    [
        (1, ["a"], "  0000000  Quicker feeds (Ada)"),
        (2, ["a"], "this deploy bundles 2 changes; "),
        (7, ["a", "b"], "this deploy bundles 7 changes by 2 authors; "),
    ],
)
def test_a_bundle_of_changes_is_called_one(capsys: Capture, count: int, authors: list[str], last: str) -> None:
    follow([queued(change=change(count), authors=authors), outcome()])
    lines = capsys.readouterr().err.splitlines()
    assert last in lines[-1]
    assert len(lines) == 1 + min(count, 5) + (count > 5) + (count > 1)
    assert ("  and 2 more" in lines) is (count == 7)


def test_a_deploy_that_waits_says_for_which(capsys: Capture) -> None:
    follow([queued(), {"event": "waiting", "deploy": "d2", "at": "t", "for": "d1"}, outcome()])
    assert "  queued                waits for deploy d1" in capsys.readouterr().err


def test_no_control_character_of_a_commit_or_a_log_gets_through(capsys: Capture) -> None:
    evil = "\x1b[2J\rx"
    follow(
        [
            queued(change=change(1, evil)),
            *stage("built", evil),
            outcome(outcome="failed", reason=evil, detail=evil, next=evil),
        ]
    )
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "\r" not in shown.out + shown.err


def test_for_programs_every_event_is_one_line_of_json(capsys: Capture) -> None:
    assert follow(GOOD, as_json=True) == 0
    shown = capsys.readouterr()
    assert [json.loads(line) for line in shown.out.splitlines()] == GOOD
    assert shown.err == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_what_comes_after_the_outcome_is_not_waited_for(*, as_json: bool) -> None:
    def lines() -> Iterator[Json]:
        yield outcome()
        raise AssertionError("read on")

    assert progress.follow(lines(), deploy="d2", as_json=as_json) == 0


def test_a_pawld_that_goes_away_says_that_it_will_finish() -> None:
    with pytest.raises(Unreachable, match="pawld went away during deploy d2") as caught:
        follow(GOOD[:-1])
    assert caught.value.exit_code == 3


def test_who_interrupts_is_told_that_the_deploy_goes_on(capsys: Capture) -> None:
    def lines() -> Iterator[Json]:
        yield queued()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        progress.follow(lines(), deploy="d2", as_json=False)
    assert "pawl watch d2" in capsys.readouterr().err


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_same_lines_are_shown_and_what_is_under_way_is_wiped_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert follow(GOOD) == 0
    shown = screen.getvalue()
    for text in ("demo: deploy d2", "  built ", "task 1", "http://demo/"):
        assert text in shown
    assert output.colours(screen) is False
