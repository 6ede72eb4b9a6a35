"""docs/metrics.md names the metrics that the code has: name, kind, labels and what each says."""

from __future__ import annotations

import re
from pathlib import Path

from pawl.daemon.metrics.catalogue import FAMILIES
from pawl.daemon.metrics.requests import EDGES_S

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")


def test_the_table_is_the_catalogue() -> None:
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)}{' ' if one.labels else ''}"
        f"| {one.help} |"
        for one in FAMILIES
    ]
    assert [line for line in PAGE.splitlines() if line.startswith("| `")] == rows


def test_the_text_names_no_other_metric() -> None:
    names = {one.name for one in FAMILIES}
    parts = {f"{name}_{part}" for name in names for part in ("bucket", "sum", "count")}
    assert set(re.findall(r"\b(?:pawl|process)_[a-z_0-9]+", PAGE)) <= names | parts


def test_the_edge_in_the_text_is_one_that_is_shown() -> None:
    assert {float(edge) for edge in re.findall(r'le="([0-9.]+)"', PAGE)} <= set(EDGES_S)
