"""One fetch of one feed: over HTTP, within limits, into the database."""

from __future__ import annotations

import hashlib
import io
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import feedparser
import httpx
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from reader import search
from reader.models import URL_LENGTH, Entry, Feed
from reader.subscribing import hand_out
from reader.text import plain, web_link

USER_AGENT = "antisocial/1.0 (feed reader)"
MOST_ENTRIES = 200
MOST_REDIRECTS = 5
TEXT_LENGTH = 600


class FetchError(Exception):
    """Why a feed could not be fetched, in words for the person who subscribed to it."""


@dataclass(frozen=True)
class Document:
    """What a server sent; ``url`` is where redirects led to."""

    url: str
    body: bytes
    content_type: str
    etag: str
    modified: str


def fetch(feed: Feed) -> int:
    """Fetch ``feed``, keep its new entries and return how many they are; an error is kept on the feed."""
    feed.last_fetched = timezone.now()
    try:
        document = download(feed.url, etag=feed.etag, modified=feed.modified)
        added = store(feed, document) if document else 0
    except FetchError as error:
        feed.last_error = plain(str(error), 300)
        added = 0
    except IntegrityError:
        return 0  # unsubscribed in the meantime: there is no row left that the entries could belong to
    else:
        feed.last_error = ""
    # Not save(): a feed that was unsubscribed in the meantime must not come back.
    Feed.objects.filter(pk=feed.pk).update(
        **{
            name: getattr(feed, name)
            for name in ("title", "site_url", "last_fetched", "last_error", "etag", "modified")
        }
    )
    return added


def download(url: str, *, etag: str = "", modified: str = "") -> Document | None:
    """Get ``url``; None if it is not modified since the answer that had this ``etag`` or ``modified``.

    Raises FetchError.
    """
    headers = {"User-Agent": USER_AGENT}
    if etag:
        headers["If-None-Match"] = etag
    if modified:
        headers["If-Modified-Since"] = modified
    try:
        with (
            httpx.Client(
                timeout=settings.FETCH_TIMEOUT_S, follow_redirects=True, max_redirects=MOST_REDIRECTS
            ) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return None
            if response.status_code != httpx.codes.OK:
                raise FetchError(f"the server answered {response.status_code} {response.reason_phrase}".strip())
            return Document(
                url=str(response.url),
                body=_read(response),
                content_type=response.headers.get("Content-Type", ""),
                etag=_mark(response, "ETag", 300),
                modified=_mark(response, "Last-Modified", 100),
            )
    except httpx.TimeoutException as error:
        raise FetchError(f"the server did not answer within {settings.FETCH_TIMEOUT_S} s") from error
    except httpx.UnsupportedProtocol as error:
        raise FetchError("only http and https addresses can be fetched") from error
    except httpx.TooManyRedirects as error:
        raise FetchError("the server redirects again and again") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(f"the server cannot be reached: {error or type(error).__name__}") from error


def _mark(response: httpx.Response, header: str, limit: int) -> str:
    """A header that can be stored and sent back as it is, or nothing."""
    value = response.headers.get(header, "")
    return value if value.isascii() and value.isprintable() and len(value) <= limit else ""


def _read(response: httpx.Response) -> bytes:
    """The body. httpx limits the wait for each piece; this limits the whole."""
    deadline = time.monotonic() + settings.FETCH_TIMEOUT_S
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > settings.FETCH_MAX_BYTES:
            raise FetchError(f"the feed is larger than {settings.FETCH_MAX_BYTES // 1000} kB")
        if time.monotonic() > deadline:
            raise FetchError(f"the server did not finish within {settings.FETCH_TIMEOUT_S} s")
    return bytes(body)


def store(feed: Feed, document: Document) -> int:
    """Parse ``document`` and keep the entries not seen before; returns how many. Raises FetchError."""
    # A stream, because feedparser takes a string of bytes for a file's name first.
    try:
        parsed = feedparser.parse(
            io.BytesIO(document.body),
            response_headers={"content-type": document.content_type, "content-location": document.url},
        )
    except Exception as error:  # strangers' bytes: whatever it raises is the feed's error, not ours
        raise FetchError(f"the feed is broken: {type(error).__name__}") from error
    if not parsed.version and not parsed.entries:
        raise FetchError("this is not a feed (RSS or Atom)")
    if parsed.bozo and not parsed.entries:
        raise FetchError(f"the feed is broken: {parsed.get('bozo_exception', 'it cannot be parsed')}")
    feed.title = plain(parsed.feed.get("title", ""), 300) or feed.title
    feed.site_url = web_link(parsed.feed.get("link", ""), URL_LENGTH) or feed.site_url
    feed.etag, feed.modified = document.etag, document.modified
    # Insert or ignore: two workers may fetch the same feed at once.
    before = feed.entries.count()
    last = feed.entries.order_by("-pk").values_list("pk", flat=True).first() or 0
    with transaction.atomic():
        Entry.objects.bulk_create(
            [entry_of(feed, item) for item in parsed.entries[:MOST_ENTRIES]], ignore_conflicts=True
        )
        hand_out(feed.pk, after=last)
        for entry in feed.entries.filter(pk__gt=last):
            search.index_entry(entry)
    return feed.entries.count() - before


def entry_of(feed: Feed, item: feedparser.FeedParserDict) -> Entry:
    """A row, not yet saved, of what feedparser made of one item."""
    link = web_link(item.get("link", ""), URL_LENGTH)
    summary = plain(item.get("summary", "") or _first_content(item), TEXT_LENGTH)
    title = plain(item.get("title", ""), 300) or summary[:80] or link[:300] or "Untitled"
    return Entry(
        feed=feed,
        guid=guid_of(item.get("id", "") or link or f"{title}\n{summary}"),
        title=title,
        link=link,
        author=plain(item.get("author", ""), 200),
        summary=summary,
        published=_published(item),
    )


def guid_of(name: str) -> str:
    """``name`` if it fits in its column, else its hash."""
    if len(name) <= 500 and name.isprintable():
        return name
    return f"sha256:{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()}"


def _first_content(item: feedparser.FeedParserDict) -> str:
    contents = item.get("content") or [{}]
    return contents[0].get("value", "")


def _published(item: feedparser.FeedParserDict) -> datetime:
    """When the item says it was published; now if it does not, or says it will be."""
    now = timezone.now()
    stamp = item.get("published_parsed") or item.get("updated_parsed")
    try:
        return min(datetime(*stamp[:6], tzinfo=UTC), now) if stamp else now
    except ValueError:
        return now
