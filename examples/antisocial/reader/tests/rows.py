"""Rows that the tests begin with."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from reader import search
from reader.models import Entry, Feed
from reader.subscribing import hand_out, subscribe
from reader.words import words_of


def make_reader(name: str = "ada") -> User:
    """A user who reads nothing yet."""
    return User.objects.create_user(name, f"{name}@example.org", "a long password")


def subscribed_to(url: str, *users: User, title: str = "") -> Feed:
    """A feed that ``users`` read."""
    feed = None
    for user in users:
        feed = subscribe(user, url)[0].feed
    assert feed is not None
    if title:
        feed.title = title
        feed.save()
    return feed


def make_entries(feed: Feed, count: int) -> list[Entry]:
    """Entries titled 0, 1, …, each older than the one before, unread for everybody who reads ``feed``."""
    now = timezone.now()
    entries = Entry.objects.bulk_create(
        Entry(feed=feed, guid=f"{feed.pk}-{n}", title=f"Title {n}.", published=now - timedelta(hours=n))
        for n in range(count)
    )
    hand_out(feed.pk, after=entries[0].pk - 1)
    search.index((entry.pk, " ".join(words_of(entry.title))) for entry in entries)
    return entries
