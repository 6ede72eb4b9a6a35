"""What a measurement answers with, and how it is written down."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("RESULTS.md")
_STORED = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that has a limit: whether it is kept is the measurement's to say."""

    what: str
    figure: str
    limit: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement: the table of its figures, the targets among them, and what must be said of it."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    targets: Sequence[Target]
    notes: Sequence[str] = field(default_factory=tuple)


def busy_share(seconds: float = 1.0) -> float:
    """How much of the processors' time is used just now, by whomever (0..1)."""
    before = _processor_times()
    time.sleep(seconds)
    total, idle = (late - early for late, early in zip(_processor_times(), before, strict=True))
    return 1 - idle / total if total else 0.0


def _processor_times() -> tuple[int, int]:
    """All and idle clock ticks of all processors since boot (``/proc/stat``)."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def store(name: str, result: Result, *, how: str, took_s: float, busy: float) -> None:
    """Keep a result beside those of the other measurements.

    ``how`` is the measurement's docstring, ``busy`` what others used of the processors just before (0..1).
    """
    kept = _stored()
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    kept[name] = {**asdict(result), "how": how, "at": at, "took_s": round(took_s), "busy": busy}
    _STORED.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def write(order: Sequence[str]) -> None:
    """Write RESULTS.md from what is stored, in this order."""
    kept = {name: _stored()[name] for name in order if name in _stored()}
    parts = [_HEAD, _machine(), "", *_overview(kept)]
    for name, one in kept.items():
        parts += ["", *_section(name, one)]
    RESULTS.write_text("\n".join(parts) + "\n")


def show(result: Result) -> str:
    """A result for the terminal."""
    rows = [list(result.headings), *(list(row) for row in result.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(result.headings))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"{_mark(t.is_met)}: {t.what}: {t.figure} (to reach: {t.limit})" for t in result.targets]
    return "\n".join([*lines, *result.notes])


_HEAD = """# Measured

Written by `make bench` (`.venv/bin/python -m bench`); one measurement again: `.venv/bin/python -m bench NAME`.
Everything runs on one machine over loopback, so the client and the app take their share of the cores; what is compared
was measured in the same run, by turns. Each section says when it was made. Python's bytecode is cached, as it is after
the first run of any installation; `PYTHONDONTWRITEBYTECODE` is taken out of the environment.
"""


def _overview(kept: dict[str, Any]) -> list[str]:
    targets = [(name, Target(**target)) for name, one in kept.items() for target in one["targets"]]
    rows = [[t.what, t.figure, t.limit, _mark(t.is_met), f"[{name}](#{name})"] for name, t in targets]
    return _table(["what", "measured", "to reach", "", "section"], rows)


def _section(name: str, one: dict[str, Any]) -> list[str]:
    made = f"Made {one['at']} in {one['took_s']} s by `.venv/bin/python -m bench {name}`."
    if "busy" in one:
        made += f" Just before, others used {one['busy']:.0%} of the processors."
    lines = [f"## {name}", "", *one["how"].splitlines(), "", *_table(one["headings"], one["rows"])]
    return [*lines, "", *(f"- {note}" for note in one["notes"]), *([""] if one["notes"] else []), made]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(row) + " |" for row in cells]


def _machine() -> str:
    """The facts that figures depend on."""
    with open("/proc/cpuinfo") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) * 1024
    facts = [
        f"{os.cpu_count()} cores",
        models[0] if models else platform.machine(),
        f"{memory / 1e9:.1f} GB",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
    ]
    return f"Machine: {', '.join(facts)}."


def _stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_STORED.read_text()) if _STORED.exists() else {}
    return found


def _mark(is_met: bool) -> str:
    return "reached" if is_met else "**missed**"


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def share_point(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed.

    >>> share_point([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def spread(values: Sequence[float], *, unit: str = "s", digits: int = 3) -> str:
    """Median with the least and the greatest."""
    return f"{median(values):.{digits}f} {unit} ({min(values):.{digits}f}–{max(values):.{digits}f})"
