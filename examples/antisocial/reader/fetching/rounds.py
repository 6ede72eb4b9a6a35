"""A round: what is due is claimed, downloaded side by side, parsed in other processes, and stored one after another.

One event loop does the waiting; the database is asked in the thread that began the round.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import random
import time
from collections import defaultdict
from collections.abc import Awaitable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import httpx
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.utils import timezone

from reader.fetching import claims, discovery, download, parse
from reader.fetching.download import Document, FetchError, Limits
from reader.fetching.parse import NotAFeedError, ParsedFeed
from reader.fetching.store import Outcome, put_off, record
from reader.models import Feed

ROUND_S = 20.0  # after so long a round begins no further fetch: a worker that is asked to stop is soon done
# Fewer feeds than this are parsed here: other processes take half a second to start.
WORTH_PROCESSES = 20

logger = logging.getLogger(__name__)


def fetch_due(*, seconds: float = ROUND_S) -> tuple[int, int]:
    """Fetch what is due until nothing is, or time is up: how many feeds, and how many new entries."""
    return async_to_sync(_Round(seconds).run)(None)


def fetch_one(feed_id: int) -> bool:
    """Fetch one feed now; False if it must wait: it or its server is being fetched from, or wants to be left alone."""
    feed = claims.claim_one(feed_id, now=timezone.now())
    if feed is None:
        return False
    async_to_sync(_Round(ROUND_S).run)([feed])
    return True


class _Round:
    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._limits = Limits(settings.FETCH_TIMEOUT_S, settings.FETCH_MAX_BYTES)
        self._claimed: set[int] = set()
        self._parsers: Executor | None = None
        self._fetched = self._added = 0
        self._http: httpx.AsyncClient

    async def run(self, feeds: list[Feed] | None) -> tuple[int, int]:
        """Fetch ``feeds``, which are claimed, or else what is due."""
        self._http = download.client(
            allowed=tuple(settings.FETCH_ALLOW_NETWORKS), limits=self._limits, connections=settings.FETCH_CONCURRENCY
        )
        try:
            async with self._http:
                if feeds is None:
                    await self._until_none_is_due()
                else:
                    await asyncio.gather(*self._by_server(feeds))
        finally:
            if self._parsers is not None:
                self._parsers.shutdown(wait=False, cancel_futures=True)
            if self._claimed:
                await sync_to_async(claims.release)(self._claimed)
        return self._fetched, self._added

    async def _until_none_is_due(self) -> None:
        at_work: set[asyncio.Task[None]] = set()
        while True:
            free = settings.FETCH_CONCURRENCY - len(at_work)
            if time.monotonic() < self._ends and free > settings.FETCH_CONCURRENCY // 4:
                feeds = await sync_to_async(claims.claim_due)(now=timezone.now(), limit=free)
                if self._parsers is None and len(feeds) >= WORTH_PROCESSES:
                    self._parsers = _processes()
                at_work |= {asyncio.ensure_future(server) for server in self._by_server(feeds)}
            if not at_work:
                return
            done, at_work = await asyncio.wait(at_work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    def _by_server(self, feeds: list[Feed]) -> list[Awaitable[None]]:
        self._claimed |= {feed.pk for feed in feeds}
        servers = defaultdict(list)
        for feed in feeds:
            servers[feed.host].append(feed)
        return [self._one_after_another(queue) for queue in servers.values()]

    async def _one_after_another(self, feeds: list[Feed]) -> None:
        """The feeds of one server: one at a time, and not at once."""
        for place, feed in enumerate(feeds):
            if place:
                await asyncio.sleep(settings.FETCH_HOST_PAUSE_S)
            if time.monotonic() > self._ends:
                return
            outcome = await self._fetch(feed)
            added = await self._record(outcome)
            self._added += added  # not in one line: another server's would be lost while this waits
            self._fetched += 1
            self._claimed.discard(feed.pk)
            logger.info("%s: %s", feed.url, outcome.error or "fetched")

    async def _record(self, outcome: Outcome) -> int:
        now, chance = timezone.now(), random.random()  # noqa: S311
        try:
            return await sync_to_async(record)(outcome, now=now, chance=chance)
        except Exception:  # one feed's trouble must not end the round for all
            logger.exception("%s: what came of its fetch cannot be stored", outcome.feed.url)
            await sync_to_async(put_off)(outcome.feed, now=now, chance=chance)
            return 0

    async def _fetch(self, feed: Feed) -> Outcome:
        began = time.monotonic()

        def outcome(**found: object) -> Outcome:
            return Outcome(feed, took_ms=round((time.monotonic() - began) * 1000), **found)

        try:
            document = await self._download(feed.url, etag=feed.etag, modified=feed.modified)
            if document.body is None:
                return outcome(document=document)
            try:
                return outcome(document=document, parsed=await self._parse(document))
            except NotAFeedError as error:
                if feed.title:  # it was a feed before: it is out of order, and not a site
                    raise
                found = await self._discover(document, error)
                return outcome(document=found[0], parsed=found[1])
        except FetchError as error:
            return outcome(error=str(error), status=error.status, retry_after_s=error.retry_after_s)
        except NotAFeedError as error:
            return outcome(error=str(error), status=200)
        except Exception:  # one feed's trouble must not end the round for all
            logger.exception("%s: the fetch went wrong in an unforeseen way", feed.url)
            return outcome(error="the fetch went wrong in an unforeseen way: the log says how")

    async def _download(self, url: str, **marks: str) -> Document:
        return await download.download(self._http, url, limits=self._limits, now=timezone.now(), **marks)

    async def _parse(self, document: Document) -> ParsedFeed:
        work = partial(
            parse.parse, document.body or b"", content_type=document.content_type, url=document.url, now=timezone.now()
        )
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._parsers, work)
        except BrokenProcessPool:
            logger.warning("the processes that parse are gone: parsing goes on here")
            self._parsers = ThreadPoolExecutor(1)
            return await loop.run_in_executor(self._parsers, work)

    async def _discover(self, page: Document, error: NotAFeedError) -> tuple[Document, ParsedFeed]:
        """The feed of the site that ``page`` is of. Raises NotAFeedError."""
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                return await self._first_feed(page)
        except TimeoutError:
            raise NotAFeedError(f"{error}, and no feed was found from there in time") from error
        except NotAFeedError:
            raise NotAFeedError(f"{error}, and no feed was found from there") from error

    async def _first_feed(self, page: Document) -> tuple[Document, ParsedFeed]:
        linked = await asyncio.to_thread(discovery.linked_feeds, page.body or b"", url=page.url)
        for url in linked or discovery.common_feeds(page.url):
            await asyncio.sleep(settings.FETCH_HOST_PAUSE_S)
            try:
                document = await self._download(url)
                parsed = await self._parse(document)
            except (FetchError, NotAFeedError):
                continue
            return document, parsed
        raise NotAFeedError


def _processes() -> Executor | None:
    """Processes to parse in, or a thread where there can be none; None, which is threads, if there are to be none."""
    if settings.PARSE_PROCESSES == 0:
        return None
    try:
        return ProcessPoolExecutor(settings.PARSE_PROCESSES, mp_context=multiprocessing.get_context("spawn"))
    except OSError as error:  # a machine without /dev/shm, or where it cannot be written
        logger.warning("there can be no processes to parse in, so it is done here: %s", error)
        return ThreadPoolExecutor(1)
