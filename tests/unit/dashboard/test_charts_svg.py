"""Drawings: well-formed whatever is drawn, gaps left out, everything inside the view box."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.dashboard.charts import figure, svg
from pawl.dashboard.charts.chart import Limit, Line, Shape
from pawl.dashboard.charts.svg import HEIGHT, WIDTH
from tests.unit.dashboard.charts_rig import SVG, T0, chart, corners, mark, parsed, paths

SHAPES: tuple[Shape, ...] = ("line", "area", "bar", "point")
VALUES = st.lists(
    st.none() | st.floats(0, 1e300) | st.sampled_from([0.0, 1e-12, 5e-324, 1.0, float("inf"), float("nan")]),
    max_size=40,
)


@settings(deadline=None)
@given(
    values=st.lists(VALUES, max_size=4), shape=st.sampled_from(SHAPES), cut_s=st.integers(0, 299),
    unit=st.sampled_from(["seconds", "bytes", "share", "per second", "count"]),
)  # fmt: skip
def test_every_point_of_every_path_is_inside_the_view_box(
    values: list[list[float | None]], shape: Shape, cut_s: int, unit: str
) -> None:
    one = chart(*values, shape=shape, unit=unit, marks=tuple(mark(T0 + 7 * at) for at in range(40)))
    drawing = svg(replace(one, ended=one.ended - cut_s), zone=None)

    for path in parsed(drawing).iter(f"{SVG}path"):
        for x, y in corners(path.get("d", "")):
            assert -60 <= x <= WIDTH + 60 if "hit" in path.get("class", "") else 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


def test_a_gap_is_left_out_of_a_line_and_zero_is_not() -> None:
    (with_gap,) = paths(svg(chart([1.0, 2.0, None, 3.0]), zone=None), "line")
    (with_zero,) = paths(svg(chart([1.0, 2.0, 0.0, 3.0]), zone=None), "line")

    assert (with_gap.count("M"), with_zero.count("M")) == (2, 1)
    assert max(y for _, y in corners(with_zero)) > max(y for _, y in corners(with_gap))


def test_a_gap_is_left_out_of_areas() -> None:
    below, above = paths(svg(chart([1.0, None, 1.0], [1.0, None, 2.0], shape="area"), zone=None), "area")

    assert below.count("M") == above.count("M") == 2


def test_areas_stand_on_one_another() -> None:
    below, above = paths(svg(chart([100.0, 100.0], [300.0, 300.0], shape="area", unit="count"), zone=None), "area")

    assert min(y for _, y in corners(below)) == max(y for _, y in corners(above))


def test_a_single_value_between_gaps_is_to_be_seen() -> None:
    (data,) = paths(svg(chart([None, 2.0, None]), zone=None), "line")

    assert len({x for x, _ in corners(data)}) > 1


def test_a_step_that_is_cut_short_ends_with_the_axis() -> None:
    whole = chart([1.0, 1.0, 1.0])
    (data,) = paths(svg(replace(whole, ended=whole.ended - 200), zone=None), "line")

    assert max(x for x, _ in corners(data)) == 3550


@pytest.mark.parametrize("values", [[], [None, None]])
def test_without_values_there_are_axes_and_a_word(values: list[float | None]) -> None:
    drawing = svg(chart(values), zone=None)

    assert not paths(drawing, "line")
    assert paths(drawing, "rule")
    assert "nothing is known" in drawing


def test_what_a_commit_says_is_text_and_nothing_else() -> None:
    nasty = mark(
        T0 + 10, title="<script>alert(1)</script>", detail='" onload="alert(2)\x00\x1b\u202e\ud800', href='/d"><script>'
    )
    one = chart([1.0], marks=(nasty,), title="<b>", limit=Limit(1.0, "<i>"))

    drawing = svg(one, zone=None)
    found = parsed(drawing)

    assert {element.tag.removeprefix(SVG) for element in found.iter()} == {"svg", "g", "a", "title", "path", "text"}
    title = found.find(f".//{SVG}title")
    assert title is not None
    assert "<script>alert(1)</script>" in (title.text or "")
    assert "script>" not in re.sub(r"&lt;/?script&gt;", "", drawing)
    assert not [name for element in found.iter() for name in element.attrib if name.startswith("on")]
    assert "<script" not in figure(one, zone=None, csv_href='"><script>')


def test_a_page_with_a_strict_policy_shows_it_all() -> None:
    one = chart([1.0, 2.0], [3.0, 4.0], shape="area", marks=(mark(T0 + 10),))

    shown = figure(one, zone=None)

    assert not re.search(r"\sstyle=|<style|<script|\son\w+=|javascript:", shown)


def test_a_mark_is_a_link_that_says_what_it_is() -> None:
    marks = (mark(T0 + 100), mark(T0 + 800, title="Faster", detail="Bob", outcome="rolled back", href="/deploys/d2"))

    first, second = parsed(svg(chart([1.0, 2.0, 3.0], marks=marks), zone=None)).iter(f"{SVG}a")

    assert (first.get("href"), first.get("class"), first.get("data-at")) == (
        "/deploys/d1",
        "mark kept",
        f"{T0 + 100:.0f}",
    )
    assert "Fetch feeds, Ada, kept" in (first.findtext(f"{SVG}title") or "")
    assert (second.get("href"), second.get("class")) == ("/deploys/d2", "mark rolled-back")


def test_marks_that_would_cover_one_another_are_one() -> None:
    marks = tuple(mark(T0 + 10 + place / 2, title=f"change {place}") for place in range(30))

    (only,) = parsed(svg(chart([1.0, 2.0, 3.0], marks=marks), zone=None)).iter(f"{SVG}a")

    said = only.get("aria-label") or ""
    assert said.startswith("30 deploys ")
    assert "change 29" in said
    assert "change 3," not in said


def test_marks_outside_of_the_axis_are_not_drawn() -> None:
    marks = (mark(T0 - 1), mark(T0 + 301))

    drawing = svg(chart([1.0], marks=marks), zone=None)

    assert "<a " not in drawing
    assert "deploy" not in drawing


def test_the_drawing_is_one_image_with_a_sentence_and_its_marks_are_beside_it() -> None:
    drawing = parsed(svg(chart([0.1, 0.3, 0.2], marks=(mark(T0 + 1),)), zone=None))

    (image,) = drawing.iter(f"{SVG}g")
    assert image.get("role") == "img"
    assert "line 0 200 ms at last, 300 ms at most; 1 deploy." in (image.get("aria-label") or "")
    assert not list(image.iter(f"{SVG}a")), "nothing inside of an image can be reached"


def test_points_have_their_intervals() -> None:
    line = Line("median", [1.0, 2.0], "n0", low=[0.5, None], high=[3.0, None])

    drawing = svg(chart(lines=(line,), shape="point", ended=T0 + 600), zone=None)

    (dots,), (intervals,) = paths(drawing, "point"), paths(drawing, "interval")
    assert (dots.count("M"), intervals.count("M")) == (2, 1)


def test_the_limit_is_on_the_chart_also_where_no_value_is_near() -> None:
    drawing = svg(chart([0.1], unit="count", limit=Limit(4.6, "taken back")), zone=None)

    (data,) = paths(drawing, "limit")
    assert corners(data)[0][1] < 700
    assert "taken back" in drawing


def test_lines_of_a_busy_chart_take_few_bytes() -> None:
    values = [100.0 + (17 * place) % 50 for place in range(288)]

    (data,) = paths(svg(chart(values), zone=None), "line")

    assert len(data) < 288 * 8


def test_colours_stand_out_from_the_paper_light_and_dark() -> None:
    css = files("pawl.dashboard").joinpath("static/charts.css").read_text()
    light, dark = (dict(re.findall(r"--chart-([\w-]+): (#\w{6})", part)) for part in css.split("prefers-color-scheme"))

    assert light.keys() == dark.keys()
    for colours in (light, dark):
        for name, colour in colours.items():
            if name not in ("paper", "rule"):
                least = 4.5 if name in ("text", "limit") else 3.0
                assert contrast(colour, colours["paper"]) >= least, f"{name} {colour} on {colours['paper']}"


def test_the_style_sheet_is_whole() -> None:
    css = files("pawl.dashboard").joinpath("static/charts.css").read_text()
    depth = 0
    for brace in re.findall(r"[{}]", css):
        depth += 1 if brace == "{" else -1
        assert 0 <= depth <= 2
    assert depth == 0


def contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
