"""What ``pawl backtest`` prints."""

from __future__ import annotations

from typing import Any

from pawl.cli.backtest import report

Json = dict[str, Any]


def answer(**changed: Any) -> Json:
    whole = {
        "app": "blog", "days": 7, "began": "2026-05-02T07:00:00.000Z", "ended": "2026-05-09T07:00:00.000Z",
        "step_s": 60, "watch_s": 300, "watches": 212, "taken_back": 0, "share": 0.0, "share_least": 0.0,
        "share_most": 0.0172, "alarms": [], "skipped": {"deploys": 0, "no_traffic": 0, "too_little": 0},
        "max_log_e": 1.0, "log_threshold": 4.605, "suggested_log_threshold": 4.605, "injected": None,
    }  # fmt: skip
    return {**whole, **changed}


def alarm(minute: int) -> Json:
    return {"began": f"2026-05-03T07:{minute:02}:00.000Z", "after_s": 180, "why": "errors 9 of 90 (10.00%)"}


def injected(**changed: Any) -> Json:
    return {
        "inject": "errors=5%", "seed": 1, "watches": 212, "caught": 200, "share": 0.943, "median_delay_s": 180,
        "p90_delay_s": 240, "median_delay_requests": 900, "p90_delay_requests": 1200, **changed,
    }  # fmt: skip


def test_nothing_taken_back() -> None:
    assert report(answer()) == [
        "blog: would have taken back 0 of 212 (0 % to 1.7 %) from 2026-05-02 07:00:00Z to 2026-05-09 07:00:00Z",
        "each watched for 5 min 0 s, by the minute; a real watch looks every 5 s and at the instances too",
    ]


def test_what_was_left_out_is_told_by_its_reason() -> None:
    lines = report(answer(skipped={"deploys": 1, "no_traffic": 1200, "too_little": 0}))
    assert lines[2] == "left out: 1 time during deploys and their watches, 1,200 times not live or without a request"


def test_each_alarm_is_told_with_its_time_and_what_cannot_be_known() -> None:
    lines = report(answer(taken_back=1, share_least=0.0001, share_most=0.026, alarms=[alarm(7)]))
    assert lines[0].startswith("blog: would have taken back 1 of 212 (0.01 % to 2.6 %) from ")
    assert lines[3:5] == [
        "WATCHED FROM          BACK AFTER  WHY",
        "2026-05-03 07:07:00Z  3 min 0 s   errors 9 of 90 (10.00%)",
    ]
    assert "do not tell a false alarm from an outage" in lines[5]


def test_of_many_alarms_the_first_twenty_are_shown() -> None:
    lines = report(answer(taken_back=27, alarms=[alarm(minute) for minute in range(27)]))
    assert [line for line in lines if line.startswith("2026-05-03")][-1].startswith("2026-05-03 07:19")
    assert "and 7 more" in lines


def test_a_fault_is_told_with_how_soon_it_was_caught() -> None:
    caught = "with errors=5%: would have caught 200 of 212 (94 %), half of those within 3 min 0 s (900 requests)"
    assert report(answer(injected=injected()))[3:] == [
        f"{caught}, nine in ten within 4 min 0 s (1,200 requests)",
        "by the minute no fault is caught in less than 3 min; a real watch takes 15 s at least",
    ]


def test_a_fault_that_was_never_caught_has_no_delay() -> None:
    none = injected(caught=0, share=0.0, median_delay_s=None, p90_delay_s=None)
    assert report(answer(injected=none))[3:] == ["with errors=5%: would have caught 0 of 212 (0 %)"]


def test_a_fault_with_no_watch_left_for_it() -> None:
    assert report(answer(injected=injected(watches=0, caught=0, share=None)))[3:] == [
        "with errors=5%: no watch is left to try it in"
    ]
