"""A line without axes, as small as a word: how something went, beside the number it has now."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 120, 24
_EDGE = 2.0


def sparkline(values: Sequence[float | None], *, label: str, css: str = "") -> Markup:
    """The values from left to right over a common zero, as SVG; a gap where one is None.

    ``label`` says the same to who cannot see it.
    """
    most = max((value for value in values if value is not None), default=0.0)
    step = (WIDTH - 2 * _EDGE) / max(1, len(values) - 1)
    runs: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            runs.append([])
            continue
        height = value / most if most > 0 else 0.0
        runs[-1].append(f"{_EDGE + place * step:.1f},{HEIGHT - _EDGE - height * (HEIGHT - 2 * _EDGE):.1f}")
    path = " ".join(f"M{' L'.join(run if len(run) > 1 else run * 2)}" for run in runs if run)
    return Markup(
        '<svg class="spark {}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path d="{}"/></svg>'
    ).format(css, WIDTH, HEIGHT, label, path)
