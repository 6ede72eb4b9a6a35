"""Bytes of a feed to plain values: RSS 0.9 to 2.0, Atom and RDF by feedparser, JSON Feed by ``jsonfeed``.

Pure, and without Django: it runs in processes of its own, and takes most of a fetch's time.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

import feedparser

from reader.fetching import jsonfeed
from reader.fetching.clean import is_web, plain, safe_html, text_of, web_link
from reader.fetching.schedule import update_period_s
from reader.words import words_of

MOST_ENTRIES = 200
MOST_CONTENT = 300_000
TITLE_LENGTH = 300
LINK_LENGTH = 1000
GUID_LENGTH = 500
SUMMARY_LENGTH = 600
# An ampersand that begins no entity is the most common fault of all.
_STRAY = re.compile(rb"&(?!#?\w{1,12};)")
# Older dates are those of clocks that were never set.
_FIRST_DATE = datetime(1971, 1, 1, tzinfo=UTC)


class NotAFeedError(Exception):
    """Why the bytes are no feed, in words for the person who subscribed to it."""


@dataclass(frozen=True)
class Item:
    """One article, safe and short enough for its columns. ``words`` are those that it is found by."""

    guid: str
    title: str
    link: str
    author: str
    summary: str
    content: str
    words: str
    published: datetime
    digest: str


@dataclass(frozen=True)
class ParsedFeed:
    """A feed; ``ttl_s`` is how long it asks to be left alone, 0 if it does not."""

    title: str
    site_url: str
    ttl_s: int = 0
    items: list[Item] = field(default_factory=list)


@dataclass(frozen=True)
class Raw:
    """One article as the feed has it. ``html`` is not safe yet; links are relative to ``base``."""

    guid: str
    title: str
    link: str
    author: str
    html: str
    summary: str
    base: str
    published: datetime | None


def parse(body: bytes, *, content_type: str, url: str, now: datetime) -> ParsedFeed:
    """The feed in ``body``, which came from ``url``. Raises NotAFeedError."""
    if jsonfeed.is_json(body, content_type):
        return _json(body, url, now)
    parsed = _feedparser(body, content_type)
    if parsed.bozo and b"\0" not in body and (mended := _STRAY.sub(b"&amp;", body)) != body:
        parsed = _feedparser(mended, content_type)
    if not parsed.get("version") and not parsed.entries:
        raise NotAFeedError("this is not a feed (RSS, Atom or JSON Feed)")
    if parsed.bozo and not parsed.entries and not parsed.feed.get("title"):
        raise NotAFeedError(f"the feed is broken: {parsed.get('bozo_exception', 'it cannot be parsed')}")
    head = parsed.feed
    ttl = str(head.get("ttl", "")).strip()
    period_s = update_period_s(str(head.get("sy_updateperiod", "")), str(head.get("sy_updatefrequency", "1")).strip())
    return ParsedFeed(
        title=plain(head.get("title", ""), TITLE_LENGTH),
        site_url=web_link(head.get("link", ""), LINK_LENGTH, base=url),
        ttl_s=max(int(ttl[:6]) * 60 if ttl.isdecimal() else 0, period_s),
        items=_items((_raw(entry, url) for entry in parsed.entries), now),
    )


def _feedparser(body: bytes, content_type: str) -> Any:
    """What feedparser makes of it. It is told no address: it would make one out of every id."""
    try:
        return feedparser.parse(
            io.BytesIO(body.lstrip()),  # bytes are taken for a file's name first: a stream cannot be one
            response_headers={"content-type": content_type},
            resolve_relative_uris=False,
            sanitize_html=False,
        )
    except Exception as error:  # strangers' bytes: whatever it raises is the feed's fault
        raise NotAFeedError(f"the feed is broken: {type(error).__name__}") from error


def _json(body: bytes, url: str, now: datetime) -> ParsedFeed:
    try:
        title, site_url, articles = jsonfeed.read(body)
    except ValueError as error:
        raise NotAFeedError(str(error)) from error
    return ParsedFeed(
        title=plain(title, TITLE_LENGTH),
        site_url=web_link(site_url, LINK_LENGTH, base=url),
        items=_items((Raw(base=url, **article) for article in articles), now),
    )


def _raw(entry: Any, url: str) -> Raw:
    """What feedparser made of one article: its longest content, or else its summary."""
    contents = [item for item in entry.get("content", []) if item.get("value")]
    detail = entry.get("summary_detail") or {}
    chosen = max(contents, key=lambda item: len(item["value"]), default=detail)
    guid = str(entry.get("id", "") or "")
    links = [entry.get("link", ""), *(link.get("href", "") for link in entry.get("links", ()))]
    return Raw(
        guid=guid,
        title=_as_html(entry.get("title_detail") or {}) or entry.get("title", ""),
        # RSS takes an id for a link unless it says that it is none, which many forget to say.
        link=next((link for link in links if link and (link != guid or is_web(link))), ""),
        author=entry.get("author", ""),
        html=_as_html(chosen),
        summary=_as_html(detail),
        base=_join(url, chosen.get("base") or ""),
        published=_time(entry.get("published_parsed") or entry.get("updated_parsed")),
    )


def _join(url: str, base: str) -> str:
    try:
        return urljoin(url, base)
    except ValueError:
        return url


def _as_html(detail: Any) -> str:
    """A text construct as HTML: Atom may say that it is plain text, and then a ``<`` is one."""
    value = detail.get("value", "")
    is_plain = detail.get("type") == "text/plain" and "<" in value
    return html.escape(value, quote=False) if is_plain else value


def _time(stamp: Any) -> datetime | None:
    try:
        return datetime(*stamp[:6], tzinfo=UTC) if stamp else None
    except (ValueError, TypeError, OverflowError):
        return None


def _items(raws: Iterable[Raw], now: datetime) -> list[Item]:
    """The newest articles in the feed's order, each with an id of its own."""
    newest = _newest(list(raws), now)
    items = [_item(raw, now - timedelta(milliseconds=place)) for place, raw in enumerate(newest)]
    times = Counter(item.guid for item in items)
    unique: dict[str, Item] = {}
    for item in items:
        # One id for different articles is as good as none.
        named = item if times[item.guid] == 1 else replace(item, guid=short_guid(f"{item.guid}\n{item.digest}"))
        unique.setdefault(named.guid, named)
    return list(unique.values())


def _newest(raws: list[Raw], now: datetime) -> list[Raw]:
    """At most ``MOST_ENTRIES``: some feeds list the oldest first."""
    by_age = sorted(range(len(raws)), key=lambda place: _published(raws[place], now), reverse=True)
    return [raws[place] for place in sorted(by_age[:MOST_ENTRIES])]


def _published(raw: Raw, now: datetime) -> datetime:
    """Its date, or now if it has none, or none that can be believed."""
    is_believable = raw.published is not None and raw.published >= _FIRST_DATE
    return min(raw.published, now) if is_believable and raw.published else now


def _item(raw: Raw, now: datetime) -> Item:
    link = web_link(raw.link, LINK_LENGTH, base=raw.base)
    content = safe_html(raw.html[:MOST_CONTENT], base=raw.base)
    text = " ".join(text_of(content).split())
    is_apart = raw.summary and raw.summary != raw.html
    summary = (plain(raw.summary, SUMMARY_LENGTH) if is_apart else "") or _cut(text, SUMMARY_LENGTH)
    title = plain(raw.title, TITLE_LENGTH) or summary[:80] or link[:TITLE_LENGTH] or "Untitled"
    digest = hashlib.sha256(f"{title}\n{link}\n{text}".encode()).hexdigest()[:32]
    return Item(
        guid=short_guid(raw.guid.strip() or link or f"digest:{digest}"),
        title=title,
        link=link,
        author=plain(raw.author, 200),
        summary=summary,
        content=content,
        words=" ".join(words_of(f"{title} {text}")),
        published=_published(raw, now),
        digest=digest,
    )


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def short_guid(name: str) -> str:
    """``name`` if it fits in its column, else its hash."""
    if len(name) <= GUID_LENGTH and name.isprintable():
        return name
    return f"sha256:{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()}"
