"""Feeds that are subscribed to, and their entries."""

from __future__ import annotations

from django.db import models

URL_LENGTH = 1000


class Feed(models.Model):
    """One subscription. ``last_error`` is empty if the last fetch went well."""

    url = models.URLField(max_length=URL_LENGTH, unique=True)
    title = models.CharField(max_length=300, blank=True)
    site_url = models.URLField(max_length=URL_LENGTH, blank=True)
    last_fetched = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    # Sent back as they came, so that a server can answer "not modified".
    etag = models.CharField(max_length=300, blank=True)
    modified = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["title", "url"]

    def __str__(self) -> str:
        return self.title or self.url


class Entry(models.Model):
    """One article of a feed; ``title`` and ``summary`` are plain text."""

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="entries")
    guid = models.CharField(max_length=500)
    title = models.CharField(max_length=300)
    link = models.URLField(max_length=URL_LENGTH, blank=True)
    author = models.CharField(max_length=200, blank=True)
    summary = models.TextField(blank=True)
    published = models.DateTimeField()
    is_read = models.BooleanField(default=False)

    class Meta:
        ordering = ["-published", "-id"]
        constraints = [models.UniqueConstraint(fields=["feed", "guid"], name="guid_unique_per_feed")]
        indexes = [models.Index(fields=["is_read", "-published", "-id"], name="stream")]

    def __str__(self) -> str:
        return self.title
