"""How evidence ran: few points, with every peak, the same whenever it is asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pawl.observe.course import Course, Point

runs = st.lists(st.floats(-50, 50), min_size=1, max_size=700)


def ran(values: list[float], *, most: int = 120) -> Course:
    course = Course(most=most)
    for number, log_e in enumerate(values):
        course.add(Point(number * 5.0, log_e, number))
    return course


@given(runs, st.integers(2, 130))
def test_a_long_watch_has_few_points_with_the_highest_and_the_last_among_them(values: list[float], most: int) -> None:
    points = ran(values, most=most).points
    assert len(points) <= most
    assert points[-1] == Point((len(values) - 1) * 5.0, values[-1], len(values) - 1)
    assert [point.elapsed_s for point in points] == sorted({point.elapsed_s for point in points})
    assert max(point.log_e for point in points) == max(values)


@given(runs)
def test_a_point_of_the_path_is_one_that_was_seen(values: list[float]) -> None:
    assert all(values[point.requests] == point.log_e for point in ran(values).points)


def test_a_short_watch_has_all_its_points() -> None:
    assert [point.log_e for point in ran([float(at) for at in range(120)]).points] == [float(at) for at in range(120)]
    assert ran([]).points == ()
