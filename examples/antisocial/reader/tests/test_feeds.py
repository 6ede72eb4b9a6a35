"""Subscriptions: adding, importing, renaming, ending."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from unittest.mock import patch

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client, SimpleTestCase
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from reader import opml, reading
from reader.models import Entry, Feed, Fetch, State, Subscription
from reader.subscribing import subscribe
from reader.tasks import fetch_feed, tidy_up
from reader.tests.rows import make_entries, make_reader, subscribed_to
from reader.tests.test_entries import ReaderTestCase

FEEDS, IMPORT, EXPORT = reverse("reader:feeds"), reverse("reader:import"), reverse("reader:export")

OPML = b"""<?xml version="1.0" encoding="ISO-8859-1"?>
<opml version="1.0"><head><title>x</title></head><body>
  <outline text="News"><outline text="One" title="Caf\xe9" type="rss" xmlUrl="http://one.example/feed" htmlUrl="http://one.example/"/>
    <outline text="Two" XMLURL="https://two.example/feed"/></outline>
  <outline text="again" xmlUrl="http://one.example/feed"/>
  <outline text="no feed" url="http://three.example/"/>
  <outline text="bad" xmlUrl="javascript:alert(1)"/>
</body></opml>"""
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><opml><body><outline xmlUrl="&b;"/></body></opml>'


def zipped(*files: tuple[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files:
            target.writestr(name, content)
    return archive.getvalue()


class FeedsTests(ReaderTestCase):
    def test_subscribing_fetches_the_feed(self) -> None:
        with patch.object(fetch_feed, "delay") as ask:
            response = self.client.post(FEEDS, {"url": "example.org/new"}, follow=True)
        self.assertContains(response, "being fetched")
        feed = Feed.objects.get(url="https://example.org/new")
        self.assertEqual(ask.call_args.args[0], feed.pk)
        self.assertContains(self.client.get(FEEDS), "Not fetched yet.")

    def test_a_wrong_address_is_explained(self) -> None:
        for url, why in {
            "": "Type or paste",
            "ftp://example.org/": "begins with http",
            "javascript:alert(1)": "begins with http",
            "https://example.org/" + "é" * 200: "begins with http",
            "https://example.org/feed": "subscribed to this feed already",
        }.items():
            with self.subTest(url):
                self.assertContains(self.client.post(FEEDS, {"url": url}), why, status_code=422)
        self.assertEqual(Feed.objects.count(), 1)

    def test_the_list_shows_what_is_unread_and_the_last_error(self) -> None:
        make_entries(self.feed, 3)
        Feed.objects.update(last_fetched=timezone.now(), last_error="it <broke>")
        page = self.client.get(FEEDS)
        self.assertContains(page, "The last fetch failed: it &lt;broke&gt;")
        self.assertContains(page, "3 unread")

    def test_fetch_now_survives_a_queue_that_is_away(self) -> None:
        with patch.object(fetch_feed, "delay", side_effect=OperationalError("refused")):
            response = self.client.post(reverse("reader:fetch-now", args=[self.feed.pk]), follow=True)
        self.assertContains(response, "the queue does not answer")

    def test_unsubscribing_can_be_undone(self) -> None:
        Subscription.objects.update(title="Mine")
        entries = make_entries(self.feed, 4)
        reading.mark_read(self.user, [entries[0].pk, entries[2].pk])
        reading.star(self.user, [entries[3].pk])
        page = self.client.post(reverse("reader:unsubscribe", args=[self.feed.pk]), follow=True)
        self.assertContains(page, "Unsubscribed from Mine")
        self.assertEqual(self.unread(), ["Title 3."])
        Entry.objects.create(feed=self.feed, guid="since", title="Since.", published=entries[3].published)
        self.assertContains(self.client.post(reverse("reader:undo"), follow=True), "Subscribed to Mine again.")
        self.assertEqual(Subscription.objects.get().feed.url, "https://example.org/feed")
        self.assertEqual(self.unread(), ["Title 1.", "Since.", "Title 3."])

    def test_subscribing_anew_is_no_undoing(self) -> None:
        make_entries(self.feed, 2)
        reading.mark_all_read(self.user, newest=2**40)
        self.client.post(reverse("reader:unsubscribe", args=[self.feed.pk]))
        self.assertEqual(self.unread(), [])
        subscribe(self.user, self.feed.url)
        self.assertEqual(self.unread(), ["Title 0.", "Title 1."])

    def test_a_feed_that_nobody_reads_any_more_goes_in_time_and_can_be_had_again(self) -> None:
        make_entries(self.feed, 2)
        self.client.post(reverse("reader:unsubscribe", args=[self.feed.pk]))
        tidy_up()
        self.assertFalse(Feed.objects.exists() or Entry.objects.exists() or State.objects.exists())
        self.client.post(reverse("reader:undo"))
        self.assertEqual(Subscription.objects.get().feed.url, "https://example.org/feed")

    def unread(self) -> list[str]:
        return [state.entry.title for state in reading.unread(self.user)]

    def test_nobody_sees_or_touches_anothers_feeds(self) -> None:
        feed = subscribed_to("https://example.org/theirs", make_reader("grace"))
        self.assertNotContains(self.client.get(FEEDS), "theirs")
        self.assertEqual(self.client.get(reverse("reader:feed", args=[feed.pk])).status_code, 404)
        for name in ("fetch-now", "unsubscribe", "rename"):
            self.assertEqual(self.client.post(reverse(f"reader:{name}", args=[feed.pk])).status_code, 404, name)
        self.assertEqual(Subscription.objects.count(), 2)

    def test_a_feed_with_an_impossible_number_is_not_found(self) -> None:
        for number in (2**63, 10**22):
            self.assertEqual(self.client.get(f"/feeds/{number}/").status_code, 404)
            for action in ("fetch", "unsubscribe", "rename"):
                self.assertEqual(self.client.post(f"/feeds/{number}/{action}/").status_code, 404, action)
            self.assertEqual(self.client.get(f"/entries/{number}/").status_code, 404)
            self.assertEqual(self.client.post(f"/account/apps/{number}/revoke/").status_code, 404)

    def test_changes_need_a_token(self) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(self.user)
        urls = [reverse(f"reader:{name}", args=[self.feed.pk]) for name in ("fetch-now", "unsubscribe", "rename")]
        for url in [FEEDS, IMPORT, *urls]:
            self.assertEqual(strict.post(url).status_code, 403, url)


class FeedTests(ReaderTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.url = reverse("reader:feed", args=[self.feed.pk])

    def test_it_says_how_fetching_goes(self) -> None:
        now = timezone.now()
        Feed.objects.update(
            last_fetched=now, last_error="the server answered 503", next_fetch_at=now.replace(year=2099)
        )
        Fetch.objects.create(feed=self.feed, at=now, status=503, took_ms=5, error="the server answered 503")
        Fetch.objects.create(feed=self.feed, at=now, status=200, took_ms=5, added=7)
        Fetch.objects.create(feed=self.feed, at=now, status=304, took_ms=5)
        page = self.client.get(self.url)
        for text in ("The last fetch failed: the server answered 503", "2099", "7 new", "nothing new"):
            self.assertContains(page, text)
        Feed.objects.update(gone_at=now)
        self.assertContains(self.client.get(self.url), "its server says that it is gone")

    def test_it_lists_read_and_unread_entries(self) -> None:
        make_entries(self.feed, 2)
        self.client.post(reverse("reader:mark"), {"read": Entry.objects.get(title="Title 0.").pk})
        page = self.client.get(self.url)
        self.assertContains(page, "Title 0.")
        self.assertContains(page, "Title 1.")
        self.assertContains(page, "is-read", 1)

    def test_a_title_of_ones_own_is_given_and_taken_back(self) -> None:
        rename = reverse("reader:rename", args=[self.feed.pk])
        self.assertContains(self.client.post(rename, {"title": "  My\n fe\0ed "}, follow=True), "It is called My feed.")
        self.assertContains(self.client.post(rename, {"title": ""}, follow=True), "It is called A feed.")


class OpmlPageTests(ReaderTestCase):
    def upload(self, content: bytes) -> HttpResponse:
        with patch.object(fetch_feed, "delay"):
            return self.client.post(IMPORT, {"file": SimpleUploadedFile("feeds", content)}, follow=True)

    def test_feeds_are_brought_by_a_file_or_a_zip_with_it(self) -> None:
        for content in (OPML, zipped(("a/readme.txt", b"x"), ("a/feeds.opml", OPML))):
            Subscription.objects.exclude(feed=self.feed).delete()
            self.assertContains(self.upload(content), "2 feeds added, 1 without a usable address (line 7).")
            self.assertEqual(
                set(Subscription.objects.exclude(feed=self.feed).values_list("feed__url", "title")),
                {("http://one.example/feed", "Café"), ("https://two.example/feed", "Two")},
            )
        self.assertContains(self.upload(OPML), "0 feeds added, 2 known already, 1 without")

    def test_an_address_that_is_too_long_is_one_line_that_is_wrong(self) -> None:
        outlines = [opml.Outline(url=f"https://example.org/{path}") for path in ("x" * 1000, "short")]
        page = self.upload(opml.write(outlines, title="x"))
        self.assertContains(page, "1 feed added, 1 without a usable address (line 7).")

    def test_a_file_without_feeds_is_explained(self) -> None:
        for content, why in (
            (b"", "file is empty"),
            (b"<html>", "cannot be read as XML (line 1)"),
            (b"<opml>\n<body>\n<outline text='a & b'/>", "cannot be read as XML (line 3)"),
            (b"<opml><body/></opml>", "no feeds in this file"),
            (BOMB, "document type"),
            (b"PK\x03\x04 junk", "zip cannot be read"),
            (zipped(("readme.txt", b"x")), "no OPML file in this zip"),
            (zipped(("a.opml", b" " * 5_000_001)), "larger than 5 MB"),
        ):
            with self.subTest(why):
                self.assertContains(self.upload(content), why, status_code=422)
        self.assertContains(self.client.post(IMPORT), "Choose a file first", status_code=422)

    def test_what_is_exported_can_be_imported(self) -> None:
        Subscription.objects.update(title='Tom & "Jerry" <3')
        answer = self.client.get(EXPORT)
        self.assertIn("feeds.opml", answer["Content-Disposition"])
        self.assertEqual(
            opml.read(io.BytesIO(answer.content)),
            [opml.Outline(url="https://example.org/feed", title='Tom & "Jerry" <3')],
        )


class OpmlTests(SimpleTestCase):
    def test_a_zip_that_is_broken_anywhere_is_explained(self) -> None:
        for packing in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w", packing) as target:
                target.writestr("é.opml", OPML)
            whole = archive.getvalue()
            for at in range(2, len(whole)):
                broken = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
                with self.subTest(packing=packing, at=at), suppress(opml.OpmlError):
                    opml.read(io.BytesIO(broken))

    def test_what_xml_cannot_hold_is_left_out(self) -> None:
        every = "".join(map(chr, [*range(32), 0xFFFE, 0xFFFF]))
        outline = opml.Outline(url="https://example.org/", title=f"a{every}b", site_url=f"https://example.org/{every}")
        (found,) = opml.read(io.BytesIO(opml.write([outline], title=every)))
        self.assertEqual((found.title, found.site_url), ("a b", "https://example.org/"))

    def test_too_many_feeds_are_refused(self) -> None:
        outlines = [opml.Outline(url=f"https://example.org/{n}") for n in range(3)]
        with patch.object(opml, "MOST_FEEDS", 2), self.assertRaisesMessage(opml.OpmlError, "3 feeds in this file"):
            opml.read(io.BytesIO(opml.write(outlines, title="x")))
