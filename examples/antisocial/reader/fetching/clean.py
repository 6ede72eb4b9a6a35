"""Strangers' HTML to HTML that is safe to show, and to plain text."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

import nh3

from reader.fetching.markup import bounded
from reader.text import without_controls

MOST_SAFE = 600_000
_TAGS_TO_TEXT = 20  # however much of a title's or a summary's beginning is tags
# What an article is made of. No forms, frames, styles or scripts: nothing that acts, or looks like the page.
TAGS = {
    "a", "abbr", "audio", "b", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd", "del", "details",
    "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins",
    "kbd", "li", "mark", "ol", "p", "picture", "pre", "q", "rp", "rt", "ruby", "s", "samp", "small", "source", "span",
    "strike", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "tt",
    "u", "ul", "var", "video", "wbr",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {"lang", "dir", "title"},
    "a": {"href"},
    "audio": {"src"},
    "img": {"src", "alt", "width", "height"},
    "li": {"value"},
    "ol": {"start", "reversed", "type"},
    "source": {"src", "type"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
    "video": {"src", "poster", "width", "height"},
}
_SET = {
    "a": {"target": "_blank", "referrerpolicy": "no-referrer"},
    "img": {"loading": "lazy", "decoding": "async", "referrerpolicy": "no-referrer"},
    "audio": {"controls": "", "preload": "none"},
    "video": {"controls": "", "preload": "none"},
}
_UNSEEN = {"script", "style", "template", "title", "iframe", "object", "svg", "math", "textarea", "select"}
_PIXEL = re.compile(r'<img\b[^>]*\b(?:width|height)="[01]"[^>]*>')
_TAG = re.compile(r'<(/?)([a-z0-9]+)(?:[^>"]|"[^"]*")*>')
# Where one of these begins or ends, a word goes on.
_INLINE = frozenset({"a", "abbr", "b", "code", "del", "em", "i", "ins", "mark", "s", "small", "span", "strong", "u"})


def safe_html(source: str, *, base: str = "") -> str:
    """``source`` with nothing in it that acts or tells where it is read; links are resolved from ``base``.

    Pictures of one pixel, which only count readers, are left out.
    """
    source = tidy(source)
    if "<" not in source and "&" not in source:
        return source
    cleaner = _cleaner_from(base)
    safe = cleaner.clean(bounded(source))
    if len(safe) > MOST_SAFE:  # attributes are added to it, and formatting is repeated: what is cut is closed again
        cut = max(safe.rfind("<", 0, MOST_SAFE), safe.rfind("&", 0, MOST_SAFE))
        safe = cleaner.clean(safe[:cut])
    return _PIXEL.sub("", safe)


def _cleaner_from(base: str) -> nh3.Cleaner:
    try:
        return _cleaner(base if is_web(base) else "")
    except ValueError:  # the library is stricter about addresses than Python
        return _cleaner("")


@lru_cache(maxsize=64)
def _cleaner(base: str) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=TAGS,
        clean_content_tags=_UNSEEN,
        attributes=_ATTRIBUTES,
        set_tag_attribute_values=_SET,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        url_relative=("rewrite_with_base", base) if base else "deny",
    )


def plain(source: str, limit: int) -> str:
    """The text of ``source`` in one line of at most ``limit`` characters, to be escaped like any other text."""
    text = tidy(source[: limit * _TAGS_TO_TEXT])
    if "<" in text or "&" in text:
        text = tidy(text_of(_cleaner("").clean(bounded(text))))  # they can be written as entities, too
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def text_of(safe: str) -> str:
    """The text of what ``safe_html`` made."""
    return html.unescape(_TAG.sub(lambda tag: "" if tag[2] in _INLINE else " ", safe))


def tidy(text: str) -> str:
    """``text`` without what a database or an export cannot hold: control characters, half a pair of surrogates."""
    return without_controls(text).encode(errors="replace").decode()


def web_link(link: str, limit: int, *, base: str = "") -> str:
    """``link``, resolved from ``base``, if it leads to the web and is not too long; else nothing."""
    link = link.strip()
    try:
        link = urljoin(base, link) if base and link else link
    except ValueError:
        return ""
    return link if is_web(link) and len(link) <= limit else ""


def is_web(link: str) -> bool:
    """Whether ``link`` leads somewhere on the web."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and link.isprintable()
