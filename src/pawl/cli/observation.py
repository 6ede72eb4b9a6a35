"""How what was seen of a change is told: one line while the watch goes on, a few at its end."""

from __future__ import annotations

import math
from typing import Any

from pawl.cli import output
from pawl.cli.output import aligned, share
from pawl.cli.output import duration as seconds

Json = dict[str, Any]
BAD = ("roll back", "hard fail")
_HEAD = ("", "requests", "a second", "errors", "not found", "p50", "p95", "p99")


def line(seen: Json) -> str:
    """One line by now: the candidate, what was before, and what could be seen.

    >>> line({"elapsed_s": 5, "candidate": None, "baseline": None, "detectable": None, "canary_percent": None})
    'no requests yet'
    """
    now, before = seen["candidate"], seen["baseline"]
    if not now or not now["requests"]:
        return "no requests yet"
    where = f"at {seen['canary_percent']} %: " if seen["canary_percent"] else ""
    parts = [f"{where}{now['requests']:,} requests, {_errors(now)} errors, p95 {seconds(now['p95_s'])}"]
    if before and before["requests"]:
        parts.append(f"before {_errors(before)}, {seconds(before['p95_s'])}")
    parts.append(_power(seen))
    return "; ".join(parts)


def report(seen: Json) -> list[str]:
    """The verdict and the numbers it rests on."""
    texts = [f"{seen['verdict']}: {output.printable(seen['why'])}"]
    rows = [_figures(f"release {seen['candidate_release']}", seen["candidate"]), _figures("before", seen["baseline"])]
    for route in seen["routes"]:
        name = output.printable(route["route"])
        pair = (_figures(f"  {name}", route["candidate"]), _figures(f"  {'before':>{len(name)}}", route["baseline"]))
        rows += [row and [*row[:2], "", *row[3:]] for row in pair]
    if found := [row for row in rows if row]:
        texts += aligned([_HEAD, *found], right=range(1, len(_HEAD)))
    if seen["signals"]:
        texts.append(_evidence(seen))
    for one in seen["signals"]:
        if one["why_not_judged"]:
            texts.append(f"{one['signal']} was not judged: {one['why_not_judged']}")
    for check in seen["checks"]:
        texts.append(f"check {'passed' if check['is_good'] else 'failed'}: {output.printable(_check(check))}")
    for answer in seen["expectations"]:
        what = "required" if answer["is_required"] else "expected"
        texts.append(f"{what} {output.printable(answer['text'])}: {answer['outcome']} ({answer['why']})")
    texts += [f"warning: {output.printable(text)}" for text in seen["warnings"]]
    return texts


def _check(check: Json) -> str:
    """What was asked and what came of it.

    >>> _check({"path": "/ready", "is_good": True, "why": "HTTP 200", "fails_before": False})
    '/ready (HTTP 200)'
    """
    return f"{check['path']} ({check['why']})" + (", as before" if check["fails_before"] else "")


def _figures(name: str, figures: Json | None) -> list[str] | None:
    if not figures or not figures["requests"]:
        return None
    return [
        name, f"{figures['requests']:,}", f"{figures['rate_per_s']:.3g}", _errors(figures),
        share(figures["not_found"] / figures["requests"]), seconds(figures["p50_s"]), seconds(figures["p95_s"]),
        seconds(figures["p99_s"]),
    ]  # fmt: skip


def _errors(figures: Json) -> str:
    return share(figures["errors"] / figures["requests"])


def _evidence(seen: Json) -> str:
    """How far the evidence has come, on the scale it is weighed on."""
    needed = seen["log_threshold"]
    part = max(0.0, seen["log_e"]) / needed if needed else 0.0
    odds = math.exp(min(60.0, seen["log_e"]))
    return f"evidence of harm: {odds:.3g} to 1, {part:.0%} of what takes a change back; {_power(seen)}"


def _power(seen: Json) -> str:
    if seen["detectable"] is None:
        return "too few requests yet to see any error share"
    return f"an error share of {share(seen['detectable'])} would have been seen"
