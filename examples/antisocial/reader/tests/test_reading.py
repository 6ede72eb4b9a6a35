"""What is read, starred and found, and by whom."""

from __future__ import annotations

from threading import Thread
from unittest import skipUnless

from django.db import connection, transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase

from reader import reading, subscribing
from reader.models import Entry, Feed, State, Subscription
from reader.search import index_entry, search
from reader.tests.rows import make_entries, make_reader, subscribed_to
from reader.text import feed_url


class ReadingTests(TestCase):
    def setUp(self) -> None:
        self.ada, self.grace = make_reader("ada"), make_reader("grace")
        self.feed = subscribed_to("https://example.org/feed", self.ada, self.grace)
        self.entries = make_entries(self.feed, 4)

    def titles(self, states: object) -> list[str]:
        return [state.entry.title for state in states]

    def test_each_user_has_read_what_they_have_read(self) -> None:
        count, _ = reading.mark_read(self.ada, [self.entries[0].pk, self.entries[2].pk])
        self.assertEqual(count, 2)
        self.assertEqual(self.titles(reading.unread(self.ada)), ["Title 1.", "Title 3."])
        self.assertEqual(reading.count_unread(self.grace), 4)
        self.assertEqual(reading.unread_by_feed(self.ada), {self.feed.pk: 2})

    def test_what_was_marked_together_is_taken_back_together(self) -> None:
        reading.mark_read(self.ada, [self.entries[0].pk])
        count, marked_at = reading.mark_all_read(self.ada, newest=self.entries[2].pk)
        self.assertEqual((count, self.titles(reading.unread(self.ada))), (2, ["Title 3."]))
        self.assertEqual(reading.undo(self.ada, marked_at), 2)
        self.assertEqual(self.titles(reading.unread(self.ada)), ["Title 1.", "Title 2.", "Title 3."])
        self.assertEqual(reading.undo(self.grace, marked_at), 0)

    def test_a_page_goes_on_after_the_last_row_of_the_one_before(self) -> None:
        Entry.objects.update(published=self.entries[0].published)
        State.objects.update(published=self.entries[0].published)
        first = list(reading.unread(self.ada)[:2])
        rest = reading.after(reading.unread(self.ada), first[-1].published, first[-1].entry_id)
        self.assertEqual(self.titles([*first, *rest]), ["Title 3.", "Title 2.", "Title 1.", "Title 0."])

    def test_a_star_outlasts_reading_and_the_subscription(self) -> None:
        starred, read = self.entries[0], self.entries[1]
        self.assertEqual(reading.star(self.ada, [starred.pk]), 1)
        reading.mark_all_read(self.ada, newest=self.entries[-1].pk)
        subscribing.unsubscribe(Subscription.objects.get(user=self.ada))
        self.assertEqual(self.titles(reading.starred(self.ada)), [starred.title])
        self.assertTrue(reading.is_subscribed_to(self.ada, starred))
        self.assertFalse(reading.is_subscribed_to(self.ada, read))
        self.assertEqual(reading.star(self.ada, [starred.pk], starred=False), 1)
        self.assertEqual(list(reading.starred(self.ada)), [])

    def test_rows_of_what_was_read_are_dropped_in_time_and_come_back_when_needed(self) -> None:
        _, marked_at = reading.mark_read(self.ada, [entry.pk for entry in self.entries[:2]])
        reading.star(self.ada, [self.entries[0].pk])
        self.assertEqual(reading.forget_read(before=marked_at), 0)
        self.assertEqual(reading.forget_read(before=marked_at.replace(year=2999)), 1)
        self.assertEqual(reading.count_unread(self.ada), 2)
        self.assertEqual(reading.mark_unread(self.ada, [self.entries[1].pk]), 1)
        self.assertEqual(self.titles(reading.unread(self.ada)), ["Title 1.", "Title 2.", "Title 3."])

    def test_nobody_marks_what_they_do_not_subscribe_to(self) -> None:
        stranger = make_reader("eve")
        self.assertEqual(reading.mark_unread(stranger, [self.entries[0].pk]), 0)
        self.assertEqual(reading.star(stranger, [self.entries[0].pk]), 0)

    def test_a_late_subscriber_gets_the_newest_of_what_is_there_and_all_that_comes(self) -> None:
        late = make_reader("late")
        many = make_entries(subscribed_to("https://example.org/many", self.ada), subscribing.FIRST_UNREAD + 5)
        feed = subscribed_to("https://example.org/many", late)
        self.assertEqual(reading.count_unread(late), subscribing.FIRST_UNREAD)
        self.assertEqual(self.titles(reading.unread(late)[:1]), [many[0].title])
        Entry.objects.create(feed=feed, guid="new", title="New", published=many[0].published)
        subscribing.hand_out(feed.pk, after=many[-1].pk)
        subscribing.hand_out(feed.pk, after=many[-1].pk)
        self.assertEqual(reading.count_unread(late), subscribing.FIRST_UNREAD + 1)

    def test_a_feed_goes_with_its_last_subscriber_and_last_star(self) -> None:
        reading.star(self.grace, [self.entries[0].pk])
        for user in (self.ada, self.grace):
            subscribing.unsubscribe(Subscription.objects.get(user=user))
        self.assertEqual(Feed.objects.count(), 1)
        reading.star(self.grace, [self.entries[0].pk], starred=False)
        self.assertEqual(subscribing.drop_unread_feeds([self.feed.pk]), 0)
        reading.mark_read(self.grace, [self.entries[0].pk])
        self.assertEqual(subscribing.drop_unread_feeds([self.feed.pk]), 1)
        self.assertFalse(Feed.objects.exists() or Entry.objects.exists() or State.objects.exists())


@skipUnless(connection.vendor == "postgresql", "SQLite has one writer at a time")
class WhileStoringTests(TransactionTestCase):
    def test_who_subscribes_while_a_feed_is_stored_gets_all_of_it(self) -> None:
        ada, grace = make_reader("ada"), make_reader("grace")
        feed = subscribed_to("https://example.org/feed", ada)

        def subscribe_too() -> None:
            try:
                subscribed_to(feed.url, grace)
            finally:
                connection.close()

        other = Thread(target=subscribe_too)
        with transaction.atomic():
            Feed.objects.select_for_update().get(pk=feed.pk)  # as record() does
            make_entries(feed, 3)
            other.start()
            other.join(1)  # it waits, or is done too soon
        other.join(10)
        self.assertEqual((reading.count_unread(ada), reading.count_unread(grace)), (3, 3))


class SearchTests(TestCase):
    def setUp(self) -> None:
        self.ada = make_reader()
        self.feed = subscribed_to("https://example.org/feed", self.ada)
        published = self.ada.date_joined
        for title, content in (
            ("Crème brûlée", "<p>Burn the <b>sugar</b> with foo_bar and example.org, 3.14 times</p>"),
            ("A pawl", "<p>The ratchet turns one way only</p>"),
            ("Sugar-free", ""),
        ):
            entry = Entry.objects.create(feed=self.feed, guid=title, title=title, content=content, published=published)
            index_entry(entry)

    def found(self, words: str, **more: int) -> list[str]:
        return [entry.title for entry in search(self.ada, words, **more)]

    def test_words_find_entries_that_have_them_all_whatever_their_case_and_accents(self) -> None:
        for words, titles in {
            "creme": ["Crème brûlée"],
            "CRÈME Sug": ["Crème brûlée"],
            "sugar": ["Sugar-free", "Crème brûlée"],
            "sugar ratchet": [],
            "turns one": ["A pawl"],
            '"turns one way"': ["A pawl"],
            '"one turns way"': [],
            "foo_bar": ["Crème brûlée"],
            "example.org": ["Crème brûlée"],
            "3.14": ["Crème brûlée"],
            "sugar-free": ["Sugar-free"],
            "b": ["Crème brûlée"],
        }.items():
            with self.subTest(words):
                self.assertEqual(self.found(words), titles)

    def test_no_words_find_nothing_and_signs_break_nothing(self) -> None:
        for words in ("", "  ", "***", '"', "& | ! :*", "NEAR( AND", "' OR 1=1 --", '"""', "\0"):
            with self.subTest(words):
                self.assertEqual(self.found(words), [])

    def test_the_next_page_goes_on_where_the_last_one_ended(self) -> None:
        first = search(self.ada, "sugar", limit=1)
        self.assertEqual(self.found("sugar", before=first[-1].pk), ["Crème brûlée"])

    def test_an_edited_entry_is_found_by_its_new_words_only(self) -> None:
        entry = Entry.objects.get(title="A pawl")
        entry.title, entry.content = "A cog", ""
        entry.save()
        index_entry(entry)
        self.assertEqual((self.found("ratchet"), self.found("cog")), ([], ["A cog"]))

    def test_only_what_one_subscribes_to_is_found(self) -> None:
        self.assertEqual(search(make_reader("eve"), "sugar"), [])


class AddressTests(SimpleTestCase):
    def test_a_feed_has_one_address_however_it_was_typed(self) -> None:
        for address, url in {
            "example.org": "https://example.org/",
            " HTTP://Example.ORG:80/Feed#top ": "http://example.org/Feed",
            "https://example.org:443": "https://example.org/",
            "https://example.org:8443/a?b=c": "https://example.org:8443/a?b=c",
            "feed://example.org/x": "https://example.org/x",
            "feed:http://example.org/x": "http://example.org/x",
            "https://bücher.example/ä": "https://xn--bcher-kva.example/%C3%A4",
            "http://[::1]:8000/": "http://[::1]:8000/",
            "https://example.org./a%20b": "https://example.org/a%20b",
        }.items():
            with self.subTest(address):
                self.assertEqual(feed_url(address), url)

    def test_what_is_no_address_of_the_web_is_refused(self) -> None:
        for address in (
            "",
            "ftp://example.org/",
            "javascript:alert(1)",
            "https://",
            "http://[",
            "http://a b/",
            "http://e:99999/",
        ):
            with self.subTest(address), self.assertRaises(ValueError):
                feed_url(address)
