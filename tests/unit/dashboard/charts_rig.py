"""Charts to draw, and what is in a drawing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pawl.dashboard.charts.chart import Chart, Line, Mark

T0 = datetime(2026, 2, 2, tzinfo=UTC).timestamp()
SVG = "{http://www.w3.org/2000/svg}"
_STEP = re.compile(r"([MmLlHhVvz])([^MmLlHhVvz]*)")
_NUMBER = re.compile(r"-?\d+(?:\.\d)?")


def chart(*values: Sequence[float | None], **changed: Any) -> Chart:
    """A chart of these lines, five minutes a step."""
    steps = max(map(len, values), default=1)
    lines = tuple(Line(f"line {place}", one, f"n{place}") for place, one in enumerate(values))
    usual: dict[str, Any] = {
        "id": "some", "title": "Some values", "unit": "seconds", "began": T0, "ended": T0 + 300 * steps, "step_s": 300,
        "lines": lines,
    }  # fmt: skip
    return Chart(**usual | changed)


def mark(at: float, **changed: Any) -> Mark:
    usual: dict[str, Any] = {
        "title": "Fetch feeds", "detail": "Ada, kept", "href": "/deploys/d1", "outcome": "kept",
    }  # fmt: skip
    return Mark(at, **usual | changed)


def parsed(drawing: str) -> ET.Element:
    """The drawing as XML; its elements are named as SVG's."""
    return ET.fromstring(drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def paths(drawing: str, kind: str) -> list[str]:
    """The data of every path whose class begins with this."""
    found = parsed(drawing).iter(f"{SVG}path")
    return [one.get("d", "") for one in found if one.get("class", "").split(" ")[0] == kind]


def corners(data: str) -> list[tuple[float, float]]:
    """Every point a path goes through, as absolute coordinates."""
    x = y = start_x = start_y = 0.0
    found = []
    for command, rest in _STEP.findall(data):
        numbers = [float(one) for one in _NUMBER.findall(rest)]
        if command == "z":
            x, y = start_x, start_y
            continue
        size = 1 if command in "HhVv" else 2
        for at in range(0, len(numbers), size):
            x, y = _moved(command, numbers[at : at + size], x, y)
            found.append((x, y))
        if command in "Mm":
            start_x, start_y = found[-1]
    return found


def _moved(command: str, to: Sequence[float], x: float, y: float) -> tuple[float, float]:
    dx, dy = (0.0, 0.0) if command.isupper() else (x, y)
    if command in "Hh":
        return to[0] + dx, y
    if command in "Vv":
        return x, to[0] + dy
    return to[0] + dx, to[1] + dy
