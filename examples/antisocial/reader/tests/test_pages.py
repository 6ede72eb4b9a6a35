"""The pages, as a browser without JavaScript uses them."""

from __future__ import annotations

from unittest.mock import patch

from django.db import DatabaseError
from django.test import Client, TestCase, override_settings
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from reader import reading
from reader.models import Entry, Feed, State, Subscription
from reader.tasks import fetch_feed
from reader.tests.rows import make_entries, make_reader, subscribed_to
from reader.views import PAGE_LENGTH

STREAM = reverse("reader:stream")
FEEDS = reverse("reader:feeds")


class StreamTests(TestCase):
    def setUp(self) -> None:
        self.user = make_reader()
        self.client.force_login(self.user)
        self.feed = subscribed_to("https://example.org/feed", self.user, title="A feed")

    def test_it_says_what_to_do_first(self) -> None:
        Subscription.objects.all().delete()
        self.assertContains(self.client.get(STREAM), "No subscriptions yet")

    def test_unread_entries_come_newest_first_in_pages(self) -> None:
        make_entries(self.feed, PAGE_LENGTH + 1)
        first = self.client.get(STREAM).content.decode()
        self.assertLess(first.index("Title 0."), first.index("Title 1."))
        self.assertIn("Page 1 of 2", first)
        second = self.client.get(STREAM, {"page": 2})
        self.assertContains(second, f"Title {PAGE_LENGTH}.")
        self.assertNotContains(second, "Title 0.")
        self.assertContains(self.client.get(STREAM, {"page": "junk"}), "Page 1 of 2")

    def test_an_entry_marked_read_is_gone_and_the_page_stays(self) -> None:
        entry, *_ = make_entries(self.feed, 2)
        response = self.client.post(reverse("reader:read-one", args=[entry.pk]) + "?page=2")
        self.assertRedirects(response, f"{STREAM}?page=2", fetch_redirect_response=False)
        page = self.client.get(STREAM)
        self.assertNotContains(page, "Title 0.")
        self.assertContains(page, "Title 1.")

    def test_mark_all_read_spares_what_came_after_the_page_was_made(self) -> None:
        entries = make_entries(self.feed, 3)
        response = self.client.post(reverse("reader:read-all"), {"newest": entries[1].pk}, follow=True)
        self.assertContains(response, "2 entries marked read")
        self.assertEqual([state.entry for state in reading.unread(self.user)], [entries[2]])
        self.client.post(reverse("reader:read-all"), {"newest": "junk"})
        self.assertEqual(reading.count_unread(self.user), 1)

    def test_feeds_cannot_put_html_on_the_page(self) -> None:
        entry = Entry.objects.create(
            feed=self.feed, guid="x", title="<b>bold</b>", summary="<script>", published=timezone.now()
        )
        reading.mark_unread(self.user, [entry.pk])
        page = self.client.get(STREAM)
        self.assertContains(page, "&lt;b&gt;bold")
        self.assertNotContains(page, "<script>")

    def test_changes_need_a_post_with_a_token(self) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(self.user)
        for name, args in (("read-one", [1]), ("read-all", []), ("fetch-now", [1]), ("unsubscribe", [1])):
            url = reverse(f"reader:{name}", args=args)
            self.assertEqual(strict.get(url).status_code, 405, name)
            self.assertEqual(strict.post(url).status_code, 403, name)
        self.assertEqual(strict.post(FEEDS, {"url": "https://example.org/"}).status_code, 403)

    def test_what_is_not_there_is_404(self) -> None:
        for response in (self.client.get("/nowhere"), self.client.post(reverse("reader:read-one", args=[999]))):
            self.assertContains(response, "Not found", status_code=404)


class FeedsTests(TestCase):
    def setUp(self) -> None:
        self.user = make_reader()
        self.client.force_login(self.user)

    def test_subscribing_fetches_the_feed(self) -> None:
        with patch("reader.fetching.rounds.fetch_one", return_value=True) as fetch:
            response = self.client.post(FEEDS, {"url": "https://example.org/feed"}, follow=True)
        self.assertContains(response, "being fetched")
        self.assertContains(response, "not fetched yet")
        fetch.assert_called_once_with(Feed.objects.get().pk)

    def test_an_address_without_a_scheme_is_taken_as_https(self) -> None:
        with patch("reader.fetching.rounds.fetch_one", return_value=True):
            self.client.post(FEEDS, {"url": "example.org/feed"})
        self.assertEqual(Feed.objects.get().url, "https://example.org/feed")

    def test_a_wrong_address_is_explained(self) -> None:
        subscribed_to("https://example.org/feed", self.user)
        for url, why in {
            "": "Type or paste",
            "ftp://example.org/": "begins with http",
            "javascript:alert(1)": "begins with http",
            "https://example.org/feed": "subscribed to this feed already",
        }.items():
            with self.subTest(url):
                self.assertContains(self.client.post(FEEDS, {"url": url}), why, status_code=422)
        self.assertEqual(Feed.objects.count(), 1)

    def test_the_list_shows_the_last_error(self) -> None:
        feed = subscribed_to("https://example.org/feed", self.user)
        Feed.objects.filter(pk=feed.pk).update(last_fetched=timezone.now(), last_error="it <broke>")
        self.assertContains(self.client.get(FEEDS), "The last fetch failed: it &lt;broke&gt;")

    def test_fetch_now_survives_a_queue_that_is_away(self) -> None:
        feed = subscribed_to("https://example.org/feed", self.user)
        with patch.object(fetch_feed, "delay", side_effect=OperationalError("refused")):
            response = self.client.post(reverse("reader:fetch-now", args=[feed.pk]), follow=True)
        self.assertContains(response, "the queue does not answer")

    def test_unsubscribing_drops_feed_and_entries(self) -> None:
        feed = subscribed_to("https://example.org/feed", self.user, title="Gone")
        make_entries(feed, 2)
        response = self.client.post(reverse("reader:unsubscribe", args=[feed.pk]), follow=True)
        self.assertContains(response, "Unsubscribed from Gone")
        self.assertFalse(Entry.objects.exists())


class AccountTests(TestCase):
    def test_without_an_account_there_is_nothing_but_the_login(self) -> None:
        for name in ("stream", "feeds"):
            self.assertRedirects(
                self.client.get(reverse(f"reader:{name}")), f"/accounts/login/?next={reverse(f'reader:{name}')}"
            )
        self.assertEqual(self.client.get("/healthz").status_code, 200)

    @override_settings(SOLO=True)
    def test_solo_everybody_is_the_one_reader(self) -> None:
        self.assertContains(self.client.get(STREAM), "No subscriptions yet")
        self.assertEqual(self.client.get(FEEDS).wsgi_request.user.username, "reader")

    def test_what_others_read_is_none_of_ones_business(self) -> None:
        mine, theirs = make_reader("ada"), make_reader("grace")
        feed = subscribed_to("https://example.org/feed", theirs)
        make_entries(feed, 1)
        self.client.force_login(mine)
        self.assertNotContains(self.client.get(STREAM), "Title 0.")
        self.assertNotContains(self.client.get(FEEDS), 'example.org/feed"')
        for name in ("fetch-now", "unsubscribe"):
            self.assertEqual(self.client.post(reverse(f"reader:{name}", args=[feed.pk])).status_code, 404)
        self.assertEqual(State.objects.get().user, theirs)


class HealthTests(TestCase):
    @override_settings(RELEASE="")
    def test_a_healthy_instance_says_ok(self) -> None:
        response = self.client.get("/healthz")
        self.assertEqual((response.status_code, response.content), (200, b"ok"))
        self.assertEqual(response["Content-Type"], "text/plain")
        self.assertNotIn("X-Release", response)

    @override_settings(RELEASE="a1b2c3d")
    def test_the_release_is_named_if_it_has_a_name(self) -> None:
        self.assertEqual(self.client.get("/healthz")["X-Release"], "a1b2c3d")

    def test_without_database_it_is_unhealthy_and_tells_no_secrets(self) -> None:
        with patch("antisocial.health.connection.cursor", side_effect=DatabaseError("password=hunter2")):
            response = self.client.get("/healthz")
        self.assertEqual((response.status_code, response.content), (503, b"database: no answer\n"))
