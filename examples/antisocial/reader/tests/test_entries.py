"""Lists of entries and what is done to them, as a browser without JavaScript and the scripts use them."""

from __future__ import annotations

import re
from datetime import timedelta

from django.http import HttpResponse
from django.test import Client, SimpleTestCase, TestCase
from django.urls import reverse
from django.utils import timezone

from reader import reading, search
from reader.models import Entry, State, Subscription
from reader.paging import Cursor
from reader.tests.rows import make_entries, make_reader, subscribed_to
from reader.views.entries import PAGE_LENGTH

STREAM, STARRED, SEARCH = reverse("reader:stream"), reverse("reader:starred"), reverse("reader:search")
MARK, NEWS, UNDO = reverse("reader:mark"), reverse("reader:news"), reverse("reader:undo")
SCRIPT = {"X-Requested-With": "fetch"}


def titles(page: HttpResponse) -> list[str]:
    """The titles of the entries on a page, in order."""
    return re.findall(r'<h2 class="title"[^>]*>(?:<a [^>]*>)?([^<]*)<', page.content.decode())


class ReaderTestCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_reader()
        cls.feed = subscribed_to("https://example.org/feed", cls.user, title="A feed")

    def setUp(self) -> None:
        self.client.force_login(self.user)


class StreamTests(ReaderTestCase):
    def test_it_says_what_to_do_first(self) -> None:
        Subscription.objects.all().delete()
        self.assertContains(self.client.get(STREAM), "No subscriptions yet")

    def test_unread_entries_come_newest_first_in_pages(self) -> None:
        make_entries(self.feed, 2 * PAGE_LENGTH + 1)
        found, pages, query = [], 0, ""
        while pages < 4:
            page = self.client.get(STREAM + query)
            found, pages = found + titles(page), pages + 1
            link = re.search(r'rel="next" href="([^"]*)"', page.content.decode())
            if link is None:
                break
            query = link[1]
        self.assertEqual(found, [f"Title {n}." for n in range(2 * PAGE_LENGTH + 1)])
        self.assertEqual(pages, 3)
        self.assertEqual(titles(self.client.get(STREAM, {"before": "junk"}))[0], "Title 0.")

    def test_a_page_takes_few_queries_however_long_it_is(self) -> None:
        make_entries(self.feed, PAGE_LENGTH + 1)
        with self.assertNumQueries(6):  # session, user, entries, titles, newest, count
            self.client.get(STREAM)

    def test_what_is_read_between_two_pages_leaves_nothing_out(self) -> None:
        entries = make_entries(self.feed, PAGE_LENGTH + 5)
        link = re.search(r'rel="next" href="([^"]*)"', self.client.get(STREAM).content.decode())[1]
        reading.mark_read(self.user, [entry.pk for entry in entries[:PAGE_LENGTH]])
        self.assertEqual(titles(self.client.get(STREAM + link)), [f"Title {PAGE_LENGTH + n}." for n in range(5)])

    def test_it_shows_a_feeds_own_title_or_ones_own(self) -> None:
        make_entries(self.feed, 1)
        self.assertContains(self.client.get(STREAM), "· A feed")
        Subscription.objects.update(title="Mine")
        self.assertContains(self.client.get(STREAM), "· Mine")

    def test_feeds_cannot_put_html_on_the_page(self) -> None:
        make_entries(self.feed, 1)
        Entry.objects.update(title="<b>bold</b>", summary="<script>alert(1)</script>", author="<i>")
        page = self.client.get(STREAM)
        self.assertContains(page, "&lt;b&gt;bold")
        for html in ("<b>bold", "<script>alert", "<i>"):
            self.assertNotContains(page, html)

    def test_the_page_may_run_its_own_scripts_and_no_others(self) -> None:
        policy = self.client.get(STREAM)["Content-Security-Policy"]
        self.assertIn("script-src 'self';", policy)
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)

    def test_what_is_not_there_is_404(self) -> None:
        for response in (self.client.get("/nowhere"), self.client.get("/entries/999/")):
            self.assertContains(response, "Not found", status_code=404)


class MarkTests(ReaderTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.entries = make_entries(self.feed, 3)
        self.ids = [entry.pk for entry in self.entries]

    def unread(self) -> list[str]:
        return titles(self.client.get(STREAM))

    def test_one_entry_is_marked_by_its_button_and_undone_by_another(self) -> None:
        page = self.client.post(MARK, {"read": self.ids[0], "next": "/?before=1-1"}, follow=True)
        self.assertEqual(page.redirect_chain, [("/?before=1-1", 302)])
        self.assertContains(page, "1 entry marked read.")
        self.assertContains(page, "Undo")
        self.assertEqual(self.unread(), ["Title 1.", "Title 2."])
        self.assertContains(self.client.post(UNDO, follow=True), "1 entry is unread again.")
        self.assertEqual(self.unread(), ["Title 0.", "Title 1.", "Title 2."])
        self.assertContains(self.client.post(UNDO, follow=True), "nothing to undo")

    def test_a_whole_page_is_marked_by_one_button(self) -> None:
        page = self.client.get(STREAM).content.decode()
        value = re.search(r'name="read" value="([\d,]+)">Mark these 3', page)[1]
        self.client.post(MARK, {"read": value})
        self.assertEqual(self.unread(), [])

    def test_everything_spares_what_came_after_the_page_was_made(self) -> None:
        page = self.client.get(STREAM).content.decode()
        newest = re.search(r'<button name="all" value="(\d+)"', page)[1]
        (later,) = make_entries(subscribed_to("https://example.org/other", self.user), 1)
        self.assertContains(self.client.post(MARK, {"all": newest}, follow=True), "3 entries marked read.")
        self.assertEqual([state.entry for state in reading.unread(self.user)], [later])

    def test_a_script_marks_many_at_once_and_gets_no_page(self) -> None:
        form = {"read": self.ids, "star": [self.ids[1]]}
        answer = self.client.post(MARK, form, headers=SCRIPT)
        self.assertEqual((answer.status_code, answer.content), (204, b""))
        self.client.post(MARK, {"unread": [self.ids[2]]}, headers=SCRIPT)
        self.assertEqual(self.unread(), ["Title 2."])
        self.assertEqual(titles(self.client.get(STARRED)), ["Title 1."])
        self.client.post(MARK, {"unstar": [self.ids[1]]}, headers=SCRIPT)
        self.assertContains(self.client.get(STARRED), "Nothing starred yet")

    def test_nonsense_marks_nothing(self) -> None:
        for form in ({"read": "x,-1,,9999999999999999999999"}, {"all": "junk"}, {}):
            self.assertEqual(self.client.post(MARK, form, headers=SCRIPT).status_code, 204)
        self.assertEqual(len(self.unread()), 3)

    def test_a_form_leads_nowhere_else(self) -> None:
        for target in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", ""):
            self.assertRedirects(self.client.post(MARK, {"next": target}), STREAM)

    def test_changes_need_a_post_with_a_token(self) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(self.user)
        for url in (MARK, UNDO):
            self.assertEqual(strict.get(url).status_code, 405, url)
            self.assertEqual(strict.post(url, {"read": self.ids}).status_code, 403, url)

    def test_what_others_read_is_none_of_ones_business(self) -> None:
        other = make_reader("grace")
        self.client.force_login(other)
        self.client.post(MARK, {"read": self.ids, "star": self.ids, "unread": self.ids}, headers=SCRIPT)
        self.assertEqual(State.objects.filter(user=other).count(), 0)
        self.assertEqual(reading.count_unread(self.user), 3)
        self.assertEqual(self.client.get(reverse("reader:entry", args=[self.ids[0]])).status_code, 404)


class NewsTests(ReaderTestCase):
    def test_it_counts_what_came_since(self) -> None:
        first, *_, last = make_entries(self.feed, 3)
        for since, fresh in ((first.pk - 1, 3), (first.pk, 2), (last.pk, 0)):
            self.assertEqual(self.client.get(NEWS, {"since": since}).json(), {"fresh": fresh})
        reading.mark_read(self.user, [last.pk])
        self.assertEqual(self.client.get(NEWS, {"since": first.pk}).json(), {"fresh": 1})

    def test_it_is_cheap(self) -> None:
        with self.assertNumQueries(3):  # session, user, count
            self.client.get(NEWS, {"since": 0})

    def test_nonsense_is_refused(self) -> None:
        for since in ("", "x", "-1", "9" * 30):
            self.assertEqual(self.client.get(NEWS, {"since": since}).status_code, 400)


class EntryTests(ReaderTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.entry,) = make_entries(self.feed, 1)
        self.url = reverse("reader:entry", args=[self.entry.pk])

    def test_it_shows_what_was_sanitised_when_it_was_stored(self) -> None:
        Entry.objects.update(content="<p>Hello <b>world</b></p>")
        self.assertContains(self.client.get(self.url), "<p>Hello <b>world</b></p>")
        self.assertEqual(self.client.get(self.url, headers=SCRIPT).content, b"<p>Hello <b>world</b></p>")

    def test_a_summary_is_text_for_scripts_too(self) -> None:
        Entry.objects.update(content="", summary="1 < 2 <b>")
        for headers in ({}, SCRIPT):
            self.assertContains(self.client.get(self.url, headers=headers), "1 &lt; 2 &lt;b&gt;")
        Entry.objects.update(summary="")
        self.assertContains(self.client.get(self.url, headers=SCRIPT), "Nothing but a title")


class SearchTests(ReaderTestCase):
    def test_words_are_found_in_ones_own_feeds_in_pages(self) -> None:
        self.assertContains(self.client.get(SEARCH), "Words in title or text")
        make_entries(self.feed, PAGE_LENGTH + 1)
        make_entries(subscribed_to("https://example.org/theirs", make_reader("grace")), 1)
        page = self.client.get(SEARCH, {"words": "tit"})
        self.assertEqual(len(titles(page)), PAGE_LENGTH)
        link = re.search(r'rel="next" href="([^"]*)"', page.content.decode())[1]
        self.assertEqual(titles(self.client.get(SEARCH + link.replace("&amp;", "&"))), ["Title 0."])
        self.assertContains(self.client.get(SEARCH, {"words": "nowhere"}), "Nothing found")

    def test_what_is_looked_for_is_text(self) -> None:
        for words in ('"><script>', "' OR 1=1", "AND NOT *", "\0", "a" * 1000):
            page = self.client.get(SEARCH, {"words": words})
            self.assertContains(page, "Nothing found")
            self.assertNotContains(page, '"><script>')

    def test_what_was_found_can_be_marked(self) -> None:
        (entry,) = make_entries(self.feed, 1)
        search.index([(entry.pk, "ratchet")])
        self.client.post(MARK, {"read": entry.pk, "next": "/search/?words=ratchet"})
        self.assertContains(self.client.get(SEARCH, {"words": "ratchet"}), "is-read")


class CursorTests(SimpleTestCase):
    def test_it_is_read_back_as_it_was(self) -> None:
        for moment in (timezone.now(), timezone.now() - timedelta(days=40_000)):
            cursor = Cursor(moment, 7)
            self.assertEqual(Cursor.parse(str(cursor)), cursor)

    def test_what_was_cut_off_is_none(self) -> None:
        for text in ("", "1", "-", "1-", "-1", "x-1", "1-x", "9" * 30 + "-1", "٣-٤"):
            self.assertIsNone(Cursor.parse(text), text)
