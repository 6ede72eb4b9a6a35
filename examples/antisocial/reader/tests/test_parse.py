"""A corpus of feeds as they are out there, and what is made of them."""

from __future__ import annotations

import html
import json
import time
from datetime import UTC, datetime, timedelta
from doctest import DocTestSuite
from email.utils import format_datetime
from unittest import TestLoader, TestSuite

from django.test import SimpleTestCase

from reader import reading
from reader.fetching import clean, schedule
from reader.fetching.address import is_allowed
from reader.fetching.clean import plain, safe_html, web_link
from reader.fetching.download import max_age_s, retry_after_s
from reader.fetching.parse import NotAFeedError, ParsedFeed, parse, short_guid
from reader.models import Entry
from reader.tests import corpus
from reader.tests.corpus import encoded, item, rss
from reader.tests.fetching import FetchingTestCase
from reader.tests.server import xml

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def load_tests(loader: TestLoader, tests: TestSuite, pattern: str) -> TestSuite:
    """These, and the examples in the docstrings."""
    tests.addTests(DocTestSuite(schedule))
    return tests


def parsed(
    body: str | bytes, content_type: str = "application/xml", url: str = "https://example.org/f/feed"
) -> ParsedFeed:
    raw = body if isinstance(body, bytes) else body.encode()
    return parse(raw, content_type=content_type, url=url, now=NOW)


class FormatTests(SimpleTestCase):
    def test_rss(self) -> None:
        feed = parsed(corpus.RSS)
        first, second = feed.items
        self.assertEqual((feed.title, feed.site_url, feed.ttl_s), ("Plain & simple", "https://example.org/", 0))
        self.assertEqual((first.guid, first.title, first.author), ("one", "First", "Ada"))
        self.assertEqual((first.summary, first.content), ("Hello world", "<p>Hello <b>wor</b>ld</p>"))
        self.assertEqual(first.link, "https://example.org/first")
        self.assertEqual(first.published, datetime(2024, 1, 1, 10, tzinfo=UTC))
        self.assertEqual(second.title, "Second")

    def test_atom(self) -> None:
        feed = parsed(corpus.ATOM)
        self.assertEqual(feed.title, "Café")
        self.assertEqual(
            [(item.title, item.author, item.summary) for item in feed.items], [("Naïve", "Grace", "One. Two.")]
        )
        self.assertEqual(feed.items[0].published, datetime(2024, 3, 1, 10, tzinfo=UTC))

    def test_atom_says_what_is_text_and_what_its_links_are_relative_to(self) -> None:
        feed = parsed(corpus.ATOM_BASE)
        self.assertEqual((feed.title, feed.items[0].title), ("1 < 2", "Based"))
        self.assertEqual(feed.items[0].link, "https://example.org/blog/2024/one")
        self.assertIn('href="https://example.org/blog/2024/two"', feed.items[0].content)
        self.assertIn('src="https://example.org/blog/2024/a.png"', feed.items[0].content)

    def test_the_old_versions_of_rss(self) -> None:
        for body, title, entry in (
            (corpus.RSS_090, "Nine", "Item of 0.90"),
            (corpus.RSS_091, "Ninety-one", "Item of 0.91"),
            (corpus.RSS_092, "Ninety-two", "Only a description, as 0.92 lets it"),
            (corpus.RSS_10, "One", "Item of 1.0"),
        ):
            with self.subTest(title):
                feed = parsed(body)
                self.assertEqual((feed.title, [item.title for item in feed.items]), (title, [entry]))
        last = parsed(corpus.RSS_10)
        self.assertEqual((last.ttl_s, last.items[0].author), (21_600, "Linus"))
        self.assertEqual((last.items[0].summary, last.items[0].content), ("Short", "<p>Long <b>and</b> whole</p>"))

    def test_json_feed(self) -> None:
        feed = parsed(corpus.JSON_FEED, "application/feed+json")
        first, second = feed.items
        self.assertEqual((feed.title, feed.site_url), ("Jay", "https://example.org/"))
        self.assertEqual((first.guid, first.link, first.author), ("1", "https://example.org/1", "Everybody"))
        self.assertEqual((first.content, first.published), ("<p>Hi</p>", datetime(2024, 1, 1, 10, tzinfo=UTC)))
        self.assertEqual((second.guid, second.title, second.author), ("2", "Text & more", "Ann, Bob"))
        self.assertEqual((second.summary, second.words), ("a < b and more", "text more a b and more"))

    def test_json_that_is_no_feed(self) -> None:
        for body in ("{}", "{", '{"version": 1}', "[]", "null", '{"version": "https://jsonfeed.org/version/1"'):
            with self.subTest(body), self.assertRaises(NotAFeedError):
                parsed(body, "application/json")
        self.assertEqual(parsed('{"version": "https://jsonfeed.org/version/1", "items": 7}').items, [])

    def test_charsets_are_believed_only_as_far_as_they_are_true(self) -> None:
        for name, body, content_type in (
            ("utf-8", encoded("utf-8", declared="utf-8"), "application/xml"),
            ("the header knows nothing", encoded("utf-8", declared="utf-8"), "text/xml"),
            ("says nothing", encoded("utf-8", declared=None), "application/xml"),
            ("utf-16", encoded("utf-16-le", declared="utf-16", bom=b"\xff\xfe"), "application/xml"),
            ("windows", encoded("cp1252", declared="windows-1252"), "application/xml"),
            ("a lie: windows called utf-8", encoded("cp1252", declared="utf-8"), "application/xml"),
            ("the header knows better", encoded("cp1252", declared=None), "application/xml; charset=windows-1252"),
            ("a byte order mark", encoded("utf-8", declared="utf-8", bom=b"\xef\xbb\xbf"), "application/xml"),
            ("a charset that is none", encoded("utf-8", declared="utf-8"), "application/xml; charset=none"),
            ("lines before the beginning", b"\r\n \n" + encoded("utf-8", declared="utf-8"), "application/xml"),
            ("served as HTML", encoded("utf-8", declared="utf-8"), "text/html; charset=utf-8"),
        ):
            with self.subTest(name):
                feed = parsed(body, content_type)
                self.assertEqual((feed.title, feed.items[0].title), ("Ünïcode “x”", "é€"))

    def test_what_is_torn_is_read_as_far_as_it_goes(self) -> None:
        feed = parsed(corpus.TORN)
        self.assertEqual((feed.items[0].guid, feed.items[0].title), ("1", "Q&A — whole"))
        controls = rss(item(guid="1", title="bell \x07 and \x00 nothing"))
        self.assertEqual(parsed(controls).items[0].guid, "1")

    def test_entities_neither_grow_nor_read_files(self) -> None:
        try:
            feed = parsed(corpus.LAUGHS)
        except NotAFeedError:
            return
        self.assertLess(len(feed.title), 301)
        self.assertNotIn("root:", feed.title)

    def test_numbers_dates_and_bases_beyond_measure_count_as_none(self) -> None:
        often = f"<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>{'9' * 5000}</sy:updateFrequency>"
        name = '<rss xmlns:sy="http://purl.org/rss/1.0/modules/syndication/" '
        feed = parsed(rss(head=often).replace("<rss ", name))
        self.assertEqual(feed.ttl_s, 86_400)
        (early,) = parsed(corpus.JSON_FEED.replace("2024-01-01T10:00:00Z", "0001-01-01T00:00:00+14:00")).items[:1]
        self.assertEqual(early.published, NOW)
        for base in ("http://a b/", "http://256.256.256.256/", "http://e.org:99999/"):
            with self.subTest(base):
                (entry,) = parsed(corpus.ATOM_BASE.replace('base="2024/"', f'base="{base}"')).items
                self.assertEqual(entry.title, "Based")

    def test_what_is_no_feed(self) -> None:
        for body in ("", "   ", corpus.PAGE, "/etc/passwd", "GIF89a", corpus.BROKEN[:40]):
            with self.subTest(body), self.assertRaises(NotAFeedError):
                parsed(body)

    def test_a_feed_without_entries_is_one(self) -> None:
        self.assertEqual(parsed(rss()).items, [])


class ItemTests(SimpleTestCase):
    def test_dates_that_are_missing_or_to_come_or_nonsense_are_now(self) -> None:
        for date in ("", "soon", "Fri, 01 Jan 2999 10:00:00 +0000", "Thu, 01 Jan 1970 00:00:00 GMT", "0000-00-00"):
            with self.subTest(date):
                self.assertEqual(parsed(rss(item(guid="1", title="t", pubDate=date))).items[0].published, NOW)

    def test_without_dates_entries_stay_in_the_feeds_order(self) -> None:
        dates = [entry.published for entry in parsed(rss(*(item(guid=str(n), title="t") for n in range(3)))).items]
        self.assertEqual(dates, sorted(dates, reverse=True))
        self.assertEqual(len(set(dates)), 3)

    def test_of_very_many_entries_the_newest_are_taken_wherever_they_are(self) -> None:
        dates = [NOW - timedelta(days=age) for age in range(299, -1, -1)]
        in_rss = [item(guid=str(n), title="t", pubDate=format_datetime(date)) for n, date in enumerate(dates)]
        in_rss.insert(10, item(guid="undated", title="t"))
        in_json = [{"id": str(n), "date_published": date.isoformat()} for n, date in enumerate(dates)]
        in_json.insert(10, {"id": "undated"})
        feed = {"version": "https://jsonfeed.org/version/1", "items": in_json}
        wanted = ["undated", *map(str, range(101, 300))]
        for body in (rss(*in_rss), json.dumps(feed)):
            self.assertEqual([entry.guid for entry in parsed(body).items], wanted)
        self.assertEqual([entry.guid for entry in parsed(rss(*reversed(in_rss))).items], wanted[:0:-1] + wanted[:1])
        undated = parsed(rss(*(item(guid=str(n), title="t") for n in range(300)))).items
        self.assertEqual([entry.guid for entry in undated], list(map(str, range(200))))

    def test_entries_without_ids_have_one_by_their_link_or_else_their_text(self) -> None:
        first, second, third = parsed(
            rss(item(title="a", link="/a"), item(title="b", description="x"), item(title="b", description="y"))
        ).items
        self.assertEqual(first.guid, "https://example.org/a")
        self.assertRegex(second.guid, r"^digest:[0-9a-f]{32}$")
        self.assertNotEqual(second.guid, third.guid)

    def test_one_id_for_different_articles_is_as_good_as_none(self) -> None:
        guids = [entry.guid for entry in parsed(rss(item(guid="0", title="a"), item(guid="0", title="b"))).items]
        self.assertEqual(len(set(guids)), 2)
        same = parsed(rss(item(guid="0", title="a"), item(guid="0", title="a"))).items
        self.assertEqual(len(same), 1)

    def test_a_title_is_found_if_there_is_none(self) -> None:
        titles = [
            entry.title
            for entry in parsed(rss(item(description="Words &amp; more"), item(link="/x"), item(guid="1"))).items
        ]
        self.assertEqual(titles, ["Words & more", "https://example.org/x", "Untitled"])

    def test_an_overlong_id_is_hashed(self) -> None:
        self.assertEqual(short_guid("a"), "a")
        self.assertRegex(short_guid("a" * 501), r"^sha256:[0-9a-f]{64}$")


class CleanTests(SimpleTestCase):
    def test_hostile_html_links_and_dates_are_made_harmless(self) -> None:
        feed = parsed(corpus.HOSTILE)
        entry = feed.items[0]
        self.assertEqual((feed.title, feed.site_url, entry.link), ("Nice", "", ""))
        self.assertEqual((entry.title, entry.published), ("Look <b>", NOW))
        for evil in ("script", "steal", "onclick", "onload", "style", "iframe", "javascript", "data:", "<form", "<svg"):
            self.assertNotIn(evil, entry.content)
        self.assertNotIn("pixel", entry.content)
        self.assertIn("<p>Safe</p>", entry.content)

    def test_html_takes_no_more_than_its_length_is_worth(self) -> None:
        bold = [f"<b title={n}>" for n in range(1000)]
        for name, source in {
            "deep": "<div>" * 20_000,
            "bold in each paragraph": f"<p>{''.join(bold)}{'<p>x' * 10_000}",
            "one large tag in each paragraph": f"<b title={'y' * 50_000}>{'<p>x' * 10_000}",
            "its end is in a comment": f"{'<!--</b>-->'.join(bold)}{'<p>x' * 10_000}",
            "its end is in an attribute": '<b title="</b>">' * 1000 + "<p>x" * 10_000,
            "its end is in a script": f"{'<script></b></script>'.join(bold)}{'<p>x' * 10_000}",
            "its end is in too many blocks": f"{''.join(tag + '<div>' * 9 + '</b>' for tag in bold)}{'<p>x' * 10_000}",
            "its end is out of its reach": "<li><ul></li>" * 20_000,
            "no tag ends": '<a x="' * 50_000,
        }.items():
            with self.subTest(name):
                began = time.process_time()
                found = safe_html(source)
                self.assertLess(time.process_time() - began, 3)
                self.assertLess(len(found), 650_000)
                self.assertLessEqual(len(plain(source, 300)), 300)
        self.assertEqual(safe_html("<div>" * 600 + "1 &lt; <i>2"), html.escape(" " * 600 + "1 < " + " 2"))

    def test_what_is_long_is_cut_and_closed(self) -> None:
        found = safe_html("<blockquote>" + "<a href='https://example.org/'>x</a> &amp; " * 7000)
        self.assertLess(len(found), 601_000)
        self.assertTrue(found.endswith("</blockquote>"), found[-80:])

    def test_html_of_every_day_is_as_it_was(self) -> None:
        for source, wanted in {
            "<ul><li>a<li>b</ul><p>c<p>d": "<ul><li>a</li><li>b</li></ul><p>c</p><p>d</p>",
            "<table><tr><td>a<td>b<tr><td>c</table>": (
                "<table><tbody><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></tbody></table>"
            ),
            "a <3 b<!-- c --> <b title='>'>d</b>": 'a &lt;3 b <b title="&gt;">d</b>',
            "<svg><path d='M0'/><text>e</text></svg>f<script>'<b>'</script>g<object><p>h</object>": "fg",
            "<noscript><b>i</b></noscript>": "<b>i</b>",
            "<b>" * 100 + "j" + "</b>" * 100: "<b>" * 100 + "j" + "</b>" * 100,
            "<<!---->b>k": "&lt;b&gt;k",
            "<p>l" * 5000: "<p>l</p>" * 5000,
            "<ul><li>m</ul>" * 5000: "<ul><li>m</li></ul>" * 5000,
        }.items():
            with self.subTest(source[:80]):
                self.assertEqual(safe_html(source), wanted)

    def test_pictures_are_lazy_and_tell_nobody_where_they_are_looked_at(self) -> None:
        found = safe_html('<img src="//cdn.example/a.png" alt="A"><a href="?b=1">b</a>', base="https://example.org/d/x")
        self.assertIn('src="https://cdn.example/a.png"', found)
        self.assertIn('loading="lazy"', found)
        self.assertIn('referrerpolicy="no-referrer"', found)
        self.assertIn('href="https://example.org/d/x?b=1"', found)
        self.assertIn('rel="noopener noreferrer nofollow"', found)
        self.assertNotIn("href", safe_html('<a href="/relative">x</a>'))

    def test_text_is_cut_at_the_limit(self) -> None:
        self.assertEqual(plain("<p>12345</p>", 5), "12345")
        self.assertEqual(plain("<p>123456</p>", 5), "1234…")
        self.assertEqual(plain("<p>one</p><p>t<b>w</b>o &amp; &lt;b&gt;</p>", 99), "one two & <b>")
        self.assertEqual(plain('<p title="a > b">x</p>\0\ud800', 99), "x ?")

    def test_text_has_no_control_characters_however_they_are_written(self) -> None:
        for source in ("a\x07b\x1f\uffff", "a&#7;b&#x1f;", "a<i>\x0b\x08</i>b"):
            self.assertEqual(plain(source, 99), "ab", repr(source))

    def test_links_other_than_to_the_web_are_dropped(self) -> None:
        self.assertEqual(web_link(" https://example.org/a ", 100), "https://example.org/a")
        for link in ("javascript:x", "data:text/html,x", "//example.org", "http://[", "https://e/\ud800", "https:///x"):
            self.assertEqual(web_link(link, 100), "", link)
        self.assertEqual(web_link("https://example.org/", 10), "")
        self.assertEqual(web_link("javascript:x", 100, base="https://example.org/"), "")
        self.assertTrue(clean.is_web("http://example.org"))


class HeaderTests(SimpleTestCase):
    def test_how_long_a_server_asks_to_wait(self) -> None:
        for value, seconds in (
            ("120", 120),
            (" 5 ", 5),
            ("Wed, 25 Nov 2026 12:00:30 GMT", 30),
            ("Wed, 25 Nov 2020 12:00:30 GMT", 0),
        ):
            self.assertEqual(retry_after_s(value, now=NOW), seconds)
        for value in ("", "soon", "-5", "1.5", "Mon, 01 Jan 2024 00:00:00 +99999999999999999"):
            self.assertIsNone(retry_after_s(value, now=NOW))

    def test_how_long_an_answer_stays_good(self) -> None:
        for value, seconds in (
            ("max-age=60", 60),
            ('public, max-age="90"', 90),
            ("s-maxage=9", 0),
            ("no-cache, max-age=5", 0),
        ):
            self.assertEqual(max_age_s(value), seconds)


class AddressTests(SimpleTestCase):
    def test_only_what_is_on_the_public_internet_may_be_reached(self) -> None:
        for address in (
            "93.184.216.34",
            "2606:2800:220:1:248:1893:25c8:1946",
            "::ffff:93.184.216.34",
            "64:ff9b::5db8:d822",
        ):
            self.assertTrue(is_allowed(address), address)
        for address in (
            "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
            "224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
            "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        ):  # fmt: skip
            self.assertFalse(is_allowed(address), address)


class ChangedIdTests(FetchingTestCase):
    def changed(self, before: str, after: str) -> int:
        """How many entries are unread once all were read and the feed has changed."""
        feed = self.fetched("/feed", before)
        reading.mark_all_read(self.ada, newest=2**40)
        self.serve("/feed", xml(after))
        self.fetch(feed)
        return reading.count_unread(self.ada)

    def test_ids_that_all_change_at_once_make_nothing_new(self) -> None:
        old = rss(*(item(guid=f"http://old/{n}", title=f"T{n}", link=f"/{n}", description="x") for n in range(5)))
        new = rss(*(item(guid=f"https://new/{n}", title=f"T{n}", link=f"/{n}", description="y") for n in range(6)))
        self.assertEqual(self.changed(old, new), 1)
        self.assertEqual(Entry.objects.count(), 6)

    def test_ids_and_links_that_all_change_are_known_by_text_or_date(self) -> None:
        date = "Mon, 01 Jan 2024 10:00:00 +0000"
        old = rss(*(item(guid=f"a{n}", title=f"T{n}", link=f"http://old/{n}", pubDate=date) for n in range(3)))
        new = rss(*(item(guid=f"b{n}", title=f"T{n}", link=f"https://new/{n}", pubDate=date) for n in range(3)))
        self.assertEqual(self.changed(old, new), 0)

    def test_a_new_article_like_an_old_one_is_new(self) -> None:
        forecast = [item(guid=str(n), title="Forecast", link="/weather", description=f"{n} degrees") for n in range(3)]
        self.assertEqual(self.changed(rss(forecast[1], forecast[0]), rss(forecast[2], forecast[1])), 1)
