"""No secret value gets into what is shown, however it was written."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pawl.settings.redaction import MASK, Redactor

letters = st.characters(codec="utf-8", exclude_characters="\0")
secrets = st.text(letters, min_size=6, max_size=30).filter(lambda text: len(text.strip()) >= 6)
words = st.text("abc012", min_size=6, max_size=12)
around = st.text(letters, max_size=12)
WRITINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "without blanks around it": str.strip,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "URL-encoded": lambda text: urllib.parse.quote(text, safe=""),
    "URL-encoded, slashes as they are": urllib.parse.quote,
    "URL-encoded, blanks as plus signs": urllib.parse.quote_plus,
    "URL-encoded in lower case": lambda text: urllib.parse.quote(text, safe="").lower() if text.islower() else text,
    "URL-encoded throughout": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "in JSON": lambda text: json.dumps(text)[1:-1],
    "in JSON with all its letters": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
}


@pytest.mark.parametrize("writing", WRITINGS)
@given(secret=secrets, before=around, after=around)
def test_no_secret_of_six_characters_survives(writing: str, secret: str, before: str, after: str) -> None:
    written = WRITINGS[writing](secret)
    assume(written not in MASK and written not in before + MASK + after)
    shown = Redactor([secret]).text(before + written + after)
    assert written not in shown
    assert MASK in shown


@given(secret=secrets, user=st.text(st.characters(codec="ascii"), max_size=5), after=around)
def test_no_secret_survives_inside_something_in_base64(secret: str, user: str, after: str) -> None:
    """As in ``Authorization: Basic``, where it stands behind a name and a colon."""
    shown = Redactor([secret]).text(base64.b64encode(f"{user}:{secret}{after}".encode()).decode())
    assert MASK in shown
    kept = "".join(shown.split(MASK))
    assert base64.b64encode(secret.encode()).decode().rstrip("=")[1:-1] not in kept


@given(text=st.text(letters), values=st.lists(secrets, max_size=3))
def test_a_text_without_secrets_stays_as_it_is(text: str, values: list[str]) -> None:
    assume(not any(value.strip()[:4] in text for value in values))
    assume("%" not in text and "+" not in text)
    shown = Redactor(values).text(text)
    assert MASK in shown or shown == text


@given(first=words, second=words, shared=st.integers(1, 5), before=around)
def test_two_secrets_that_overlap_leave_nothing_of_either(first: str, second: str, shared: int, before: str) -> None:
    other = first[-shared:] + second
    shown = Redactor([first, other]).text(before + first + second)
    assert len(shown.replace(MASK, "")) <= len(before)


SHOWN = {
    "a value": (["hunter2!"], "it is hunter2!, hunter2!", f"it is {MASK}, {MASK}"),
    "a value in a URL": (["p@ss/word"], "postgres://u:p%40ss%2Fword@h", f"postgres://u:{MASK}@h"),
    "half-encoded": (["p@ss/word"], "?next=p%40ss/word", f"?next={MASK}"),
    "a longer one first": (["secret-1", "secret-1-more"], "secret-1-more", MASK),
    "one inside another": (["abcdefgh", "cdefgh"], "abcdefgh cdefgh", f"{MASK} {MASK}"),
    "two that overlap": (["abcdefgh", "ghijklmn"], "abcdefghijklmn", MASK),
    "each line of a key": (["-----BEGIN\nMIIEvQIB\n-----END"], "read MIIEvQIB", f"read {MASK}"),
    "the key as a whole": (["line one\nline two"], "line one\nline two", MASK),
    "with blanks around it": (["  hunter2!\n"], "hunter2! is it", f"{MASK} is it"),
    "a short value": (["abc", "12345"], "abc 12345", "abc 12345"),
    "blanks alone": ([" " * 20], "a" + " " * 20 + "b", "a" + " " * 20 + "b"),
    "an empty value": ([""], "text", "text"),
    "no value": ([], "100 %+", "100 %+"),
    "pattern characters": (["a.c*(x)["], "abcc a.c*(x)[", f"abcc {MASK}"),
    "a percent sign": (["100%sure"], "100%sure 100%25sure", f"{MASK} {MASK}"),
    "more than ASCII": (["geheimnißvoll"], "gehe geheimni%C3%9Fvoll", f"gehe {MASK}"),
}  # fmt: skip


@pytest.mark.parametrize(("values", "text", "shown"), SHOWN.values(), ids=SHOWN)
def test_a_text_is_shown_so(values: list[str], text: str, shown: str) -> None:
    assert Redactor(values).text(text) == shown
