"""JSON Feed, versions 1 and 1.1 (https://www.jsonfeed.org/version/1.1/), into what ``parse`` takes."""

from __future__ import annotations

import html
import json
from datetime import UTC, datetime
from typing import Any


def is_json(body: bytes, content_type: str) -> bool:
    """Whether ``body`` is to be read as JSON: by its first sign, whatever the server calls it."""
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" or "json" in content_type.lower()


def read(body: bytes) -> tuple[str, str, list[dict[str, Any]]]:
    """Title, site and articles (the fields of ``parse.Raw`` but for ``base``). Raises ValueError, saying why."""
    try:
        feed = json.loads(body.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the feed is broken: {str(error) or type(error).__name__}") from error
    version = feed.get("version") if isinstance(feed, dict) else None
    if not isinstance(version, str) or "jsonfeed.org/version/" not in version:
        raise ValueError("this is not a feed (RSS, Atom or JSON Feed)")
    items = feed.get("items")
    articles = [_article(item, feed) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return _text(feed, "title"), _text(feed, "home_page_url"), articles


def _article(item: dict[str, Any], feed: dict[str, Any]) -> dict[str, Any]:
    content = _text(item, "content_html") or _paragraphs(_text(item, "content_text"))
    return {
        "guid": _text(item, "id"),
        "title": html.escape(_text(item, "title"), quote=False),
        "link": _text(item, "url") or _text(item, "external_url"),
        "author": html.escape(_author(item) or _author(feed), quote=False),
        "html": content,
        "summary": html.escape(_text(item, "summary"), quote=False) or content,
        "published": _time(_text(item, "date_published") or _text(item, "date_modified")),
    }


def _text(holder: dict[str, Any], name: str) -> str:
    """A member that is a text or, against the rules, a number."""
    value = holder.get(name)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _author(holder: dict[str, Any]) -> str:
    authors = holder.get("authors") or [holder.get("author")]
    names = (
        [_text(author, "name") for author in authors if isinstance(author, dict)] if isinstance(authors, list) else []
    )
    return ", ".join(filter(None, names))


def _paragraphs(text: str) -> str:
    parts = [html.escape(part, quote=False) for part in text.split("\n\n") if part.strip()]
    return "".join(f"<p>{part}</p>" for part in parts)


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
