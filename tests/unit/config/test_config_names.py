"""Names that become folders, host names, arguments and environment variables are safe as all of these."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.names import app_name_from_folder, check_app_name, check_env_name
from pawl.errors import UsageError


@pytest.mark.parametrize("name", ["a", "shop", "my-app-2", "a--b", "a" * 40])
def test_a_good_app_name_is_given_back(name: str) -> None:
    assert check_app_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a" * 41, "A", "2a", "-a", "a-", "a_b", "a.b", "../a", "a/b", "a b", "a\n", "a\0", "--help", "ä", "$(id)"],
    ids=repr,
)
def test_a_hostile_app_name_is_refused_and_shown_without_its_control_signs(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_app_name(name)
    assert caught.value.what.isprintable()
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("My App_2", "my-app-2"),
        ("/srv/www/shop.git", "shop-git"),
        ("Café Müller", "cafe-muller"),
        ("2nd--try!", "nd-try"),
        ("x" * 39 + "-yz", "x" * 39),
    ],
)
def test_a_folder_suggests_an_app_name(folder: str, name: str) -> None:
    assert app_name_from_folder(folder) == name


@pytest.mark.parametrize("folder", ["", "2024", "___", "本", "/", ".."])
def test_a_folder_without_a_letter_that_can_be_used_asks_for_a_name(folder: str) -> None:
    with pytest.raises(UsageError, match=r'set it at the top of pawl\.toml: app = "my-app"'):
        app_name_from_folder(folder)


@given(st.text())
def test_what_a_folder_suggests_is_always_a_good_app_name(folder: str) -> None:
    try:
        name = app_name_from_folder(folder)
    except UsageError:
        return
    assert check_app_name(name) == name


@pytest.mark.parametrize("name", ["A", "_", "DATABASE_URL", "http_proxy", "PAWL", "PORTS", "A1"])
def test_a_good_env_name_is_given_back(name: str) -> None:
    assert check_env_name(name) == name


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "A\n", "Ä", "PORT", "SOCKET", "PAWL_APP", "PAWL_"])
def test_an_env_name_that_is_none_or_is_pawls_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(name))):
        check_env_name(name)
