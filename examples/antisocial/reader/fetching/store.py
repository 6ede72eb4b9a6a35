"""What came of a fetch, into the database: entries, errors, the time of the next one, a feed's move or end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from reader import search
from reader.fetching.clean import plain
from reader.fetching.download import Document
from reader.fetching.moving import hand_over, is_one_site, join_twin, move
from reader.fetching.parse import Item, ParsedFeed
from reader.fetching.schedule import DAY_S, MOST_WAIT_S, delay_s, interval_s
from reader.models import URL_LENGTH, Entry, Feed, Fetch
from reader.subscribing import hand_out
from reader.text import host_of

HISTORY_LENGTH = 20
_GONE = 410
_PLEASE_WAIT = (429, 503)


@dataclass(frozen=True)
class Outcome:
    """How the fetch of a feed went: with a document (and what it says, if it was modified), or with an error."""

    feed: Feed
    took_ms: int = 0
    document: Document | None = None
    parsed: ParsedFeed | None = None
    error: str = ""
    status: int = 0
    retry_after_s: int | None = None


def record(outcome: Outcome, *, now: datetime, chance: float) -> int:
    """Keep what came of a fetch and give the claim back; how many entries are new. Nothing if the feed is not there."""
    with transaction.atomic():
        feed = Feed.objects.select_for_update().filter(pk=outcome.feed.pk).first()
        if feed is None:
            return 0  # unsubscribed in the meantime: it must not come back
        is_first = feed.last_fetched is None
        feed.last_fetched, feed.claimed_until = now, None
        if outcome.error:
            added = 0
            _note_failure(feed, outcome, now)
        else:
            added = _note_success(feed, outcome, now)
        wait_s = delay_s(_interval_s(feed), failures=feed.failures, chance=chance, is_first=is_first)
        feed.next_fetch_at = max(now + timedelta(seconds=wait_s), feed.not_before or now)
        feed.save()
        _remember(feed, outcome, added, now)
        if outcome.document is not None and outcome.document.moved_to != feed.url:
            _follow(feed, outcome.document.moved_to, outcome, now)
        elif is_first and added:
            join_twin(feed)
    return added


def put_off(feed: Feed, *, now: datetime, chance: float) -> None:
    """Give the claim back and try again later, as after a failure, though nothing else of the fetch can be kept."""
    failures = feed.failures + 1
    wait_s = delay_s(_interval_s(feed), failures=failures, chance=chance)
    Feed.objects.filter(pk=feed.pk).update(
        last_fetched=now,
        claimed_until=None,
        failures=failures,
        last_error="what the server sent cannot be stored: the log says why",
        next_fetch_at=now + timedelta(seconds=wait_s),
    )


def _interval_s(feed: Feed) -> int:
    """The seconds between two fetches, by the settings of today."""
    return max(feed.interval_s, settings.FETCH_EVERY_S)


def _note_failure(feed: Feed, outcome: Outcome, now: datetime) -> None:
    feed.last_error = plain(outcome.error, 300)
    feed.failures += 1
    if outcome.status == _GONE:
        feed.gone_at = now
        feed.last_error = "the server says that this feed has ended (410 Gone)"
    if outcome.status in _PLEASE_WAIT and outcome.retry_after_s is not None:
        feed.not_before = now + timedelta(seconds=min(outcome.retry_after_s, MOST_WAIT_S))


def _note_success(feed: Feed, outcome: Outcome, now: datetime) -> int:
    document, parsed = outcome.document, outcome.parsed
    if document is None:
        return 0
    feed.last_error, feed.failures, feed.not_before, feed.gone_at = "", 0, None, None
    feed.etag, feed.modified = document.etag or feed.etag, document.modified or feed.modified
    if parsed is None:
        # What the feed itself asked for is not known here: it is in the interval already.
        feed.interval_s = max(feed.interval_s, min(document.max_age_s, DAY_S))
        return 0
    feed.etag, feed.modified = document.etag, document.modified
    feed.title = parsed.title or feed.title
    feed.site_url = parsed.site_url or feed.site_url
    feed.interval_s = interval_s(
        every_s=settings.FETCH_EVERY_S, ttl_s=parsed.ttl_s, max_age_s=min(document.max_age_s, DAY_S)
    )
    return keep_entries(feed, parsed.items, now)


def _follow(feed: Feed, url: str, outcome: Outcome, now: datetime) -> None:
    """Have ``feed`` at ``url`` from now on.

    To another site it takes along only what came from there: entries of before, under ids that the other has yet to
    use, would hide what it is going to publish, and be seen by its readers.
    """
    if len(url) > URL_LENGTH:
        return
    if is_one_site(feed.url, url) or not Entry.objects.filter(feed=feed, fetched_at__lt=now).exists():
        move(feed, url)
        return
    target, _ = Feed.objects.select_for_update().get_or_create(url=url, defaults={"host": host_of(url)})
    if outcome.parsed is not None:
        _note_success(target, outcome, now)
        target.last_fetched, target.next_fetch_at = now, feed.next_fetch_at
        target.save()
    hand_over(feed, into=target)


def keep_entries(feed: Feed, items: list[Item], now: datetime) -> int:
    """Store what is new, and what was edited; hand out what is new; how much that is.

    Whoever calls this has the feed's row locked, so nobody else stores entries of it.
    """
    last = Entry.objects.filter(feed=feed).order_by("-pk").values_list("pk", flat=True).first() or 0
    known = _known(feed, items) if last else {}
    unknown = [item for item in items if item.guid not in known]
    renamed = _renamed(feed, items, unknown) if last else {}
    edited = {known[item.guid][0]: item for item in items if known.get(item.guid, (0, item.digest))[1] != item.digest}
    edited |= {renamed[item.guid]: item for item in unknown if item.guid in renamed}
    for pk, item in edited.items():
        Entry.objects.filter(pk=pk).update(**_columns(item))
    search.index((pk, item.words) for pk, item in edited.items())
    # The feed's first article is its newest: it gets the greatest id.
    fresh = [item for item in reversed(unknown) if item.guid not in renamed]
    entries = Entry.objects.bulk_create(
        Entry(feed=feed, published=item.published, fetched_at=now, **_columns(item)) for item in fresh
    )
    search.index(((entry.pk, item.words) for entry, item in zip(entries, fresh, strict=True)), are_new=True)
    if entries:
        hand_out(feed.pk, after=last)
    return len(entries)


def _known(feed: Feed, items: list[Item]) -> dict[str, tuple[int, str]]:
    """Which of ``items`` are stored: row and digest by id."""
    stored = Entry.objects.filter(feed=feed, guid__in=[item.guid for item in items])
    return {guid: (pk, digest) for guid, pk, digest in stored.values_list("guid", "pk", "digest")}


def _columns(item: Item) -> dict[str, str]:
    return {
        "guid": item.guid,
        "title": item.title,
        "link": item.link,
        "author": item.author,
        "summary": item.summary,
        "content": item.content,
        "digest": item.digest,
    }


def _renamed(feed: Feed, items: list[Item], unknown: list[Item]) -> dict[str, int]:
    """Which of the ``unknown`` are entries that only changed their id, by the id they have now.

    An article is an old one if it has the same title, link and text, or title and date, as one whose id the feed does
    not have any more. If no id is known, a site has changed them all at once: then the same title and link are enough.
    """
    if not unknown:
        return {}
    are_all_new = len(unknown) == len(items) > 1
    titles = [item.title for item in unknown]
    gone = Entry.objects.filter(feed=feed, title__in=titles).exclude(guid__in=[item.guid for item in items])
    by_place: dict[tuple[str, str], int] = {}
    by_digest: dict[str, int] = {}
    by_date: dict[tuple[str, datetime], int] = {}
    for pk, title, link, digest, published in gone.values_list("pk", "title", "link", "digest", "published"):
        by_place[title, link] = pk
        by_digest[digest] = pk
        by_date[title, published] = pk
    found: dict[str, int] = {}
    for item in unknown:
        pk = (
            by_digest.get(item.digest)
            or by_date.get((item.title, item.published))
            or (by_place.get((item.title, item.link)) if are_all_new and item.link else None)
        )
        if pk is not None and pk not in found.values():
            found[item.guid] = pk
    return found


def _remember(feed: Feed, outcome: Outcome, added: int, now: datetime) -> None:
    status = outcome.document.status if outcome.document else outcome.status
    fetch = Fetch.objects.create(
        feed=feed, at=now, status=status, took_ms=outcome.took_ms, added=added, error=feed.last_error
    )
    if fetch.pk % 8 == 0:  # now and then is often enough
        kept = Fetch.objects.filter(feed=feed).values_list("pk", flat=True)[:HISTORY_LENGTH]
        Fetch.objects.filter(feed=feed).exclude(pk__in=list(kept)).delete()
