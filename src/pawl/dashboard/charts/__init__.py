"""Charts as SVG and as tables, from values alone: nothing here reads a store, a clock or a file.

Belongs here: what a chart is (``chart.py``), its axes (``scale.py``, ``times.py``), how it is drawn (``paths.py``,
``svg.py``), the same as numbers (``table.py``), and all of it for a page (``figure.py``).

Does not belong here: where values come from (``graphs.py``), and what they mean.
"""

from pawl.dashboard.charts.figure import figure
from pawl.dashboard.charts.svg import svg
from pawl.dashboard.charts.table import as_json, csv_text, table

__all__ = ["as_json", "csv_text", "figure", "svg", "table"]
