"""An entry as the Google Reader API shows it."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from reader.api import ids
from reader.models import Entry, State, Subscription


def titles(user: User) -> dict[int, str]:
    """What ``user`` calls each feed."""
    found = Subscription.objects.filter(user=user).select_related("feed")
    return {subscription.feed_id: str(subscription) for subscription in found}


def item(entry: Entry, state: State | None, names: dict[int, str]) -> dict[str, object]:
    """``entry`` with its marks; without a state it is read."""
    categories = [ids.READING_LIST]
    if state is None or state.read_at is not None:
        categories.append(ids.READ)
    if state is not None and state.starred_at is not None:
        categories.append(ids.STARRED)
    text = {"direction": "ltr", "content": entry.content or entry.summary}
    links = [{"href": entry.link, "type": "text/html"}] if entry.link else []
    return {
        "id": ids.long_id(entry.pk),
        "crawlTimeMsec": str(_usec(entry.fetched_at) // 1000),
        "timestampUsec": str(_usec(entry.fetched_at)),
        "published": int(entry.published.timestamp()),
        "updated": int(entry.published.timestamp()),
        "title": entry.title,
        "author": entry.author,
        "alternate": links,
        "canonical": [{"href": link["href"]} for link in links],
        "summary": text,
        "content": text,
        "categories": categories,
        "enclosure": [],
        "origin": {
            "streamId": f"feed/{entry.feed_id}",
            "title": names.get(entry.feed_id) or str(entry.feed),
            "htmlUrl": entry.feed.site_url or entry.feed.url,
        },
    }


def _usec(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
