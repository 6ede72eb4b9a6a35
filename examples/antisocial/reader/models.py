"""Feeds that users share, their entries, and what each user has read of them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from reader.text import host_of

URL_LENGTH = 1000
QUARTER_HOUR_S = 900
GREATEST_ID = 2**63 - 1  # no database takes a greater one


class Feed(models.Model):
    """One feed, fetched once for everybody who subscribes to it.

    ``url`` is normalised (``reader.text.feed_url``). ``last_error`` is empty if the last fetch went well, ``failures``
    counts those in a row that did not. A feed with ``gone_at`` has ended and is not fetched again.
    """

    url = models.URLField(max_length=URL_LENGTH, unique=True)
    host = models.CharField(max_length=255, blank=True, db_default="", db_index=True)
    title = models.CharField(max_length=300, blank=True)
    site_url = models.URLField(max_length=URL_LENGTH, blank=True)
    last_fetched = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    failures = models.PositiveIntegerField(default=0, db_default=0)
    # Sent back as they came, so that a server can answer "not modified".
    etag = models.CharField(max_length=300, blank=True)
    modified = models.CharField(max_length=100, blank=True)
    interval_s = models.PositiveIntegerField(default=QUARTER_HOUR_S, db_default=QUARTER_HOUR_S)
    next_fetch_at = models.DateTimeField(db_default=Now(), db_index=True)
    # The server asked to be left alone until then: nobody's "fetch now" is above that.
    not_before = models.DateTimeField(null=True, blank=True)
    # A worker fetches it, until then at the latest: a worker that was killed gives nothing back.
    claimed_until = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["title", "url"]

    def __str__(self) -> str:
        return self.title or self.url

    def save(self, *args: object, **kwargs: object) -> None:
        self.host = host_of(self.url)
        super().save(*args, **kwargs)


class Fetch(models.Model):
    """One fetch of a feed, of the last few: ``status`` is the last HTTP status, 0 if there was no answer."""

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="history", db_index=False)
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField()
    took_ms = models.PositiveIntegerField()
    added = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["feed", "-at", "-id"], name="history")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.error or self.status}"


class Subscription(models.Model):
    """That a user reads a feed, under a title of their own if they gave it one."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="subscriptions")
    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="subscriptions")
    title = models.CharField(max_length=300, blank=True)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "feed"], name="subscribed_once")]

    def __str__(self) -> str:
        return self.title or str(self.feed)


class Entry(models.Model):
    """One article of a feed. ``title`` and ``summary`` are plain text; ``content`` is HTML that is safe to show.

    A later entry has a greater id. ``digest`` is of what the server sent: another one means that it was edited.
    """

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="entries", db_index=False)
    guid = models.CharField(max_length=500)
    title = models.CharField(max_length=300)
    link = models.URLField(max_length=URL_LENGTH, blank=True)
    author = models.CharField(max_length=200, blank=True)
    summary = models.TextField(blank=True)
    content = models.TextField(blank=True, db_default="")
    digest = models.CharField(max_length=32, blank=True, db_default="")
    published = models.DateTimeField()
    fetched_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-published", "-id"]
        constraints = [models.UniqueConstraint(fields=["feed", "guid"], name="guid_unique_per_feed")]
        indexes = [
            models.Index(fields=["feed", "-published", "-id"], name="entries_of_feed"),
            models.Index(fields=["fetched_at"], name="entries_by_arrival"),
        ]

    def __str__(self) -> str:
        return self.title


class State(models.Model):
    """What an entry is to one user. Without a row it is read, and not starred.

    A row is written for each subscriber when an entry comes, and kept while it is unread, starred or was read of late.
    So a page of the stream is a stretch of an index, however many entries there are. ``feed`` and ``published`` are the
    entry's, which do not change.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    entry = models.ForeignKey(Entry, on_delete=models.CASCADE, related_name="states", db_index=False)
    feed = models.ForeignKey(
        Feed, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )  # goes with its entries
    published = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    starred_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry", "user"], name="one_state_each")]
        indexes = [
            models.Index(fields=["user", "-published", "-entry"], condition=Q(read_at=None), name="unread"),
            models.Index(
                fields=["user", "feed", "-published", "-entry"], condition=Q(read_at=None), name="unread_of_feed"
            ),
            models.Index(fields=["user", "entry"], condition=Q(read_at=None), name="unread_by_arrival"),
            models.Index(fields=["user", "-read_at"], condition=Q(read_at__isnull=False), name="read_of_late"),
            models.Index(fields=["user", "-starred_at"], condition=Q(starred_at__isnull=False), name="starred"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.entry_id}"


class AppPassword(models.Model):
    """What a reader app logs in with for its user: a hundred random bits, of which the hash is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="app_passwords")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    created = models.DateTimeField(auto_now_add=True)
    last_used = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class FailedLogin(models.Model):
    """A failed attempt to log in, of the last minutes; ``key`` says whose, as ``reader.limits`` hashes it."""

    key = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["key", "at"], name="failed_of_late")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}"
