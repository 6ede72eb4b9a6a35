"""One answer of one server: within limits of time and size, through redirects, with what it asks for the next time."""

from __future__ import annotations

import asyncio
import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urljoin

import httpx

from reader.fetching.address import GuardedTransport
from reader.text import feed_url

USER_AGENT = "antisocial/2.0 (feed reader)"
ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"
MOST_REDIRECTS = 5
_PERMANENT = (301, 308)
_REDIRECTS = (301, 302, 303, 307, 308)


class FetchError(Exception):
    """Why a feed could not be fetched, in words for the person who subscribed to it; ``status`` 0 is no answer."""

    def __init__(self, message: str, *, status: int = 0, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Limits:
    """What a server is given: seconds for all of an answer, and bytes, packed or not."""

    timeout_s: float
    most_bytes: int


@dataclass(frozen=True)
class Document:
    """What a server sent. ``body`` is None if it is not modified.

    ``url`` is where it came from, ``moved_to`` where it is to be asked for from now on. ``max_age_s`` is how long the
    server says it stays good, 0 if it does not say.
    """

    url: str
    moved_to: str
    status: int
    body: bytes | None
    content_type: str
    etag: str
    modified: str
    max_age_s: int


def client(*, allowed: tuple[str, ...], limits: Limits, connections: int) -> httpx.AsyncClient:
    """A client for many downloads: no cookies, no proxy, no redirects by itself, guarded addresses."""
    return httpx.AsyncClient(
        transport=GuardedTransport(allowed=allowed, connections=connections),
        timeout=httpx.Timeout(limits.timeout_s),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        trust_env=False,
        headers={"User-Agent": USER_AGENT, "Accept": ACCEPT, "Accept-Encoding": "gzip, deflate"},
    )


async def download(
    http: httpx.AsyncClient, url: str, *, limits: Limits, now: datetime, etag: str = "", modified: str = ""
) -> Document:
    """Get ``url``, if it is modified since the answer that had this ``etag`` or ``modified``.

    Raises FetchError.
    """
    marks = {"If-None-Match": etag, "If-Modified-Since": modified}
    headers = {name: value for name, value in marks.items() if value}
    try:
        async with asyncio.timeout(limits.timeout_s):
            return await _through_redirects(http, url, headers, limits.most_bytes, now)
    except TimeoutError as error:
        raise FetchError(f"the server did not answer within {limits.timeout_s:g} s") from error
    except httpx.TimeoutException as error:
        raise FetchError(f"the server did not answer within {limits.timeout_s:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(f"the server cannot be reached: {error or type(error).__name__}") from error


async def _through_redirects(
    http: httpx.AsyncClient, url: str, headers: dict[str, str], most_bytes: int, now: datetime
) -> Document:
    moved_to, is_permanent = url, True
    for _ in range(MOST_REDIRECTS + 1):
        async with http.stream("GET", url, headers=headers) as response:
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return await _document(response, url, moved_to, most_bytes, now)
            is_permanent = is_permanent and response.status_code in _PERMANENT
            url = _target(url, response.headers["Location"])
            moved_to = url if is_permanent else moved_to
    raise FetchError("the server redirects again and again")


def _target(url: str, location: str) -> str:
    try:
        joined = urljoin(url, location.strip())
        if not joined.lower().startswith(("http://", "https://")):
            raise FetchError("the server redirects to what is not on the web: only http and https can be fetched")
        return feed_url(joined)
    except ValueError as error:
        raise FetchError("the server redirects to an address that is none") from error


async def _document(response: httpx.Response, url: str, moved_to: str, most_bytes: int, now: datetime) -> Document:
    status = response.status_code
    if status not in (200, 304):
        raise FetchError(
            f"the server answered {status} {response.reason_phrase}".strip(),
            status=status,
            retry_after_s=retry_after_s(response.headers.get("Retry-After", ""), now=now),
        )
    return Document(
        url=url,
        moved_to=moved_to,
        status=status,
        body=None if status == 304 else await _body(response, most_bytes),
        content_type=response.headers.get("Content-Type", ""),
        etag=_mark(response, "ETag", 300),
        modified=_mark(response, "Last-Modified", 100),
        max_age_s=max_age_s(response.headers.get("Cache-Control", "")),
    )


def _mark(response: httpx.Response, header: str, limit: int) -> str:
    """A header that can be stored and sent back as it is, or nothing."""
    value = response.headers.get(header, "")
    return value if value.isascii() and value.isprintable() and len(value) <= limit else ""


async def _body(response: httpx.Response, most_bytes: int) -> bytes:
    """The body, unpacked no further than the limit: a small packet can hold a very large feed."""
    unpack = _Unpacker(response.headers.get("Content-Encoding", ""), most_bytes)
    body = bytearray()
    async for piece in response.aiter_raw():
        body += unpack(piece, most_bytes + 1 - len(body))
        if len(body) > most_bytes:
            raise FetchError(f"the feed is larger than {most_bytes // 1000} kB", status=response.status_code)
    return bytes(body)


class _Unpacker:
    """Unpacks pieces of a body, at most as many bytes as it is told."""

    def __init__(self, encoding: str, most_bytes: int) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise FetchError(f"the server packs the feed in a way that was not asked for: {self._encoding[:40]!r}")
        self._zlib = zlib.decompressobj(47) if self._encoding not in ("", "identity") else None
        self._is_first = True

    def __call__(self, piece: bytes, most: int) -> bytes:
        if self._zlib is None:
            return piece
        try:
            unpacked = self._zlib.decompress(piece, most)
        except zlib.error as error:
            if not self._is_first or self._encoding != "deflate":
                raise FetchError("the feed is packed wrongly") from error
            self._zlib = zlib.decompressobj(-15)  # deflate without its header, as some servers send it
            unpacked = self._decompress_raw(piece, most)
        self._is_first = False
        return unpacked

    def _decompress_raw(self, piece: bytes, most: int) -> bytes:
        try:
            return self._zlib.decompress(piece, most) if self._zlib else b""
        except zlib.error as error:
            raise FetchError("the feed is packed wrongly") from error


def retry_after_s(value: str, *, now: datetime) -> int | None:
    """The seconds that a ``Retry-After`` header asks to wait, given as such or as a date; None if it asks nothing."""
    value = value.strip()
    if value.isdecimal():
        return int(value[:9])
    try:
        return max(0, round((parsedate_to_datetime(value) - now).total_seconds()))
    except (ValueError, TypeError, OverflowError):
        return None


def max_age_s(cache_control: str) -> int:
    """How long an answer with this ``Cache-Control`` stays good; 0 if it does not say or is not to be kept."""
    found = re.search(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", cache_control.lower())
    return int(found[1]) if found and "no-cache" not in cache_control.lower() else 0
