"""Fetching, against a real server."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from unittest.mock import patch

from django.test import TestCase, override_settings
from django.utils import timezone

from reader import reading
from reader.fetch import fetch, guid_of
from reader.models import Entry, Feed
from reader.tests.rows import make_reader, subscribed_to
from reader.tests.server import FeedServer
from reader.text import plain, web_link


class FetchTests(TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = FeedServer()
        cls.addClassCleanup(cls.server.stop)
        # The test server is here, whatever proxy this machine uses for the rest of the world.
        cls.enterClassContext(patch.dict(os.environ, {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}))

    def fetched(self, path: str) -> Feed:
        feed = Feed.objects.create(url=self.server.url(path))
        fetch(feed)
        feed.refresh_from_db()
        self.assertIsNotNone(feed.last_fetched)
        return feed

    def test_rss_becomes_entries(self) -> None:
        feed = self.fetched("/rss")
        self.assertEqual((feed.title, feed.site_url, feed.last_error), ("Plain & simple", "https://example.org/", ""))
        second, first = feed.entries.all()
        self.assertEqual((first.guid, first.title, first.summary, first.author), ("one", "First", "Hello world", "Ada"))
        self.assertEqual(first.link, self.server.url("/first"))
        self.assertEqual(first.published, datetime(2024, 1, 1, 10, tzinfo=UTC))
        self.assertEqual(second.title, "Second")

    def test_atom_becomes_entries(self) -> None:
        feed = self.fetched("/atom")
        entry = feed.entries.get()
        self.assertEqual(feed.title, "Café")
        self.assertEqual((entry.title, entry.author, entry.summary), ("Naïve", "Grace", "One. Two."))
        self.assertEqual(entry.published, datetime(2024, 3, 1, 10, tzinfo=UTC))

    def test_a_second_fetch_adds_nothing_and_leaves_read_what_was_read(self) -> None:
        user = make_reader()
        feed = subscribed_to(self.server.url("/rss"), user)
        self.assertEqual((fetch(feed), reading.count_unread(user)), (2, 2))
        reading.mark_read(user, [feed.entries.first().pk])
        self.assertEqual((fetch(feed), reading.count_unread(user)), (0, 1))

    def test_an_unchanged_feed_is_not_sent_again(self) -> None:
        feed = self.fetched("/cached")
        Feed.objects.filter(pk=feed.pk).update(last_error="from before")
        feed.refresh_from_db()
        self.assertEqual(fetch(feed), 0)
        path, headers = self.server.requests[-1]
        self.assertEqual((path, headers["If-None-Match"]), ("/cached", '"v1"'))
        self.assertEqual(headers["If-Modified-Since"], "Mon, 01 Jan 2024 10:00:00 GMT")
        feed.refresh_from_db()
        self.assertEqual(feed.last_error, "")

    def test_a_redirect_is_followed(self) -> None:
        self.assertEqual(self.fetched("/moved").entries.count(), 2)

    def test_hostile_html_and_links_and_dates_are_made_harmless(self) -> None:
        feed = self.fetched("/hostile")
        entry = feed.entries.get()
        self.assertEqual((feed.title, feed.site_url), ("Nice", ""))
        self.assertEqual((entry.summary, entry.link), ("Safe", ""))
        self.assertNotIn("onerror", entry.title)
        self.assertLessEqual(entry.published, timezone.now())

    def test_what_goes_wrong_is_kept_on_the_feed(self) -> None:
        for path, error in {
            "/missing": "the server answered 404",
            "/broken": "the feed is broken",
            "/page": "this is not a feed",
            "/path": "this is not a feed",
            "/loop": "redirects again and again",
            "/to-file": "only http and https",
        }.items():
            with self.subTest(path):
                self.assertIn(error, self.fetched(path).last_error)
        self.assertEqual(Entry.objects.count(), 0)

    @override_settings(FETCH_TIMEOUT_S=0.2)
    def test_a_server_may_not_take_its_time(self) -> None:
        self.assertIn("did not answer within 0.2 s", self.fetched("/slow").last_error)
        self.assertIn("did not finish within 0.2 s", self.fetched("/drip").last_error)

    @override_settings(FETCH_MAX_BYTES=500_000)
    def test_a_server_may_not_send_without_end(self) -> None:
        self.assertIn("larger than 500 kB", self.fetched("/huge").last_error)

    def test_a_server_that_is_not_there(self) -> None:
        gone = FeedServer()
        gone.stop()
        feed = Feed.objects.create(url=gone.url("/rss"))
        fetch(feed)
        self.assertIn("cannot be reached", feed.last_error)

    def test_a_feed_that_was_unsubscribed_meanwhile_does_not_come_back(self) -> None:
        feed = Feed.objects.create(url=self.server.url("/missing"))
        Feed.objects.all().delete()
        fetch(feed)
        self.assertFalse(Feed.objects.exists())


class TextTests(TestCase):
    def test_text_is_cut_at_the_limit(self) -> None:
        self.assertEqual(plain("<p>12345</p>", 5), "12345")
        self.assertEqual(plain("<p>123456</p>", 5), "1234…")

    def test_links_other_than_to_the_web_are_dropped(self) -> None:
        self.assertEqual(web_link(" https://example.org/a ", 100), "https://example.org/a")
        for link in ("javascript:x", "data:text/html,x", "//example.org", "http://[", "https://e/\ud800", "https:///x"):
            self.assertEqual(web_link(link, 100), "", link)
        self.assertEqual(web_link("https://example.org/", 10), "")

    def test_an_overlong_guid_is_hashed(self) -> None:
        self.assertEqual(guid_of("a"), "a")
        self.assertRegex(guid_of("a" * 501), r"^sha256:[0-9a-f]{64}$")
