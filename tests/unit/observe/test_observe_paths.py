"""Routes: what becomes a placeholder, and how many there may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.observe.paths import KEPT_DAYS, ROUTES_PER_APP, Known, path_of, route_of

PATHS = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(["entries", "4711", "2026-05-09", "deadbeef1", ":id", "", "…", "é", "a.b-7", "x" * 50]),
             max_size=14).map("/".join),
    st.text(alphabet="/-_.:09afAFzZ", max_size=60),
).map(lambda text: "/" + text)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/", "/"),
        ("/entries/4711/", "/entries/:id/"),
        ("/entries/4711/comments/5", "/entries/:id/comments/:id"),
        ("/2026/05/09/hello-world/", "/:id/:id/:id/hello-world/"),
        ("/log/2026-05-09", "/log/:date"),
        ("/u/0B9F6A52-ff5c-4b8f-8d2d-7d0b6c1f6a52", "/u/:uuid"),
        ("/commit/3f2a1b9c", "/commit/:hash"),
        ("/commit/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/commit/:hash"),
        ("/reset/MjU/c9xkqw-5f3A9Bd2e1F0aa77Zz/", "/reset/MjU/:hash/"),
        ("/static/css/site.3f2a1b9c.css", "/static/css/site.:hash.css"),
        ("/post-17", "/post-:id"),
        ("/v2/about-us", "/v2/about-us"),
        ("/facade/decade", "/facade/decade"),
        ("/caf%C3%A9/menu", "/:text/menu"),
        ("/" + "word-" * 30, "/:text"),
        ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/…"),
        ("/feeds/?page=2", "/feeds/"),
        ("http://demo.localhost/abs/1", "/abs/:id"),
        ("*", "*"),
    ],
)
def test_what_differs_becomes_a_placeholder(path: str, normal: str) -> None:
    assert path_of(path) == normal


@given(PATHS)
def test_normalising_twice_changes_nothing(path: str) -> None:
    once = path_of(path)
    assert path_of(once) == once
    assert len(once) < 450


@given(st.text(max_size=8), PATHS)
def test_a_route_is_a_known_method_and_a_path_in_one_line(method: str, path: str) -> None:
    route = route_of(method, path)
    assert "\n" not in route
    assert route.split(" ", 1)[0].isupper()


@given(st.lists(st.tuples(st.text(max_size=4), st.integers(20_000, 20_100)), max_size=120))
def test_there_are_never_more_routes_than_the_limit(asked: list[tuple[str, int]]) -> None:
    known = Known(limit=5)
    for route, day in asked:
        number = known.number(route)
        if number is None:
            known.admit(route, day)
        else:
            known.see(number, day)
        assert len(known.seen) <= 5
    assert len(set(known.numbers.values())) == len(known.numbers), "a number was given out twice"
    assert set(known.seen) <= set(known.numbers.values())


def test_a_route_nobody_asks_for_any_more_gives_its_place_up() -> None:
    known = Known(limit=2)
    old, kept = known.admit("GET /old", 100), known.admit("GET /kept", 100)
    assert (old, kept) == (1, 2)
    known.see(2, 100 + KEPT_DAYS)
    assert known.admit("GET /new", 100 + KEPT_DAYS) is None
    assert known.admit("GET /new", 101 + KEPT_DAYS) == 3
    assert known.number("GET /old") is None
    assert known.number("GET /kept") == 2


def test_a_route_that_comes_back_has_its_old_number() -> None:
    known = Known(limit=1)
    known.admit("GET /a", 0)
    known.admit("GET /b", 100)
    assert known.number("GET /a") is None
    assert known.admit("GET /a", 200) == 1


def test_the_limit_is_the_one_that_is_documented() -> None:
    assert Known().limit == ROUTES_PER_APP == 200
