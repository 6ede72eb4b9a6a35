"""Fetching, against a real server: what a server may do, and what becomes of the feed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from django.contrib.auth.models import User
from django.test import override_settings, tag
from django.utils import timezone

from reader import reading
from reader.fetching import claims, rounds
from reader.fetching.discovery import linked_feeds
from reader.fetching.moving import join_twin, merge
from reader.models import Entry, Feed, Subscription
from reader.subscribing import subscribe, unsubscribe
from reader.tasks import tidy_up
from reader.tests.corpus import ATOM, BROKEN, JSON_FEED, PAGE, RSS, item, rss
from reader.tests.fetching import FetchingTestCase
from reader.tests.rows import make_reader
from reader.tests.server import Answer, FeedServer, bomb, gzipped, raw_deflate, redirect, xml

HOUR_S = 3600


class FetchTests(FetchingTestCase):
    def test_new_entries_are_unread_once(self) -> None:
        feed = self.fetched("/rss", RSS)
        self.assertEqual((feed.title, feed.site_url, feed.last_error), ("Plain & simple", "https://example.org/", ""))
        self.assertEqual(reading.count_unread(self.ada), 2)
        reading.mark_read(self.ada, [Entry.objects.get(title="First").pk])
        self.fetch(feed)
        self.assertEqual(reading.count_unread(self.ada), 1)
        self.assertEqual([fetch.added for fetch in feed.history.all()], [0, 2])

    def test_an_edited_entry_is_changed_and_stays_read(self) -> None:
        feed = self.fetched("/rss", rss(item(guid="1", title="Tpyo")))
        reading.mark_all_read(self.ada, newest=2**40)
        self.serve("/rss", rss(item(guid="1", title="Typo")))
        self.fetch(feed)
        self.assertEqual([entry.title for entry in self.entries(feed)], ["Typo"])
        self.assertEqual(reading.count_unread(self.ada), 0)

    def test_an_unchanged_feed_is_not_sent_again(self) -> None:
        feed = self.fetched("/cached")
        Feed.objects.filter(pk=feed.pk).update(last_error="from before", failures=3)
        feed = self.fetch(feed)
        path, headers, _ = self.server.requests[-1]
        self.assertEqual((path, headers["If-None-Match"]), ("/cached", '"v1"'))
        self.assertEqual(headers["If-Modified-Since"], "Mon, 01 Jan 2024 10:00:00 GMT")
        self.assertEqual((feed.last_error, feed.failures), ("", 0))
        self.assertEqual([fetch.status for fetch in feed.history.all()], [304, 200])

    def test_packed_feeds_are_unpacked(self) -> None:
        for path, answer in (("/gzip", gzipped(RSS)), ("/deflate", raw_deflate(RSS))):
            with self.subTest(path):
                self.assertEqual(self.fetched(path, answer).title, "Plain & simple")

    def test_what_goes_wrong_is_kept_on_the_feed(self) -> None:
        for path, answer, error in (
            ("/missing", None, "the server answered 404"),
            ("/broken", BROKEN[:-20], "the feed is broken"),
            ("/page", PAGE, "no feed was found from there"),
            ("/path", "/etc/passwd", "this is not a feed"),
            ("/loop", redirect(302, "/loop"), "redirects again and again"),
            ("/to-file", redirect(302, "file:///etc/passwd"), "only http and https"),
            ("/odd-packing", xml(RSS, Content_Encoding="br"), "in a way that was not asked for"),
            ("/not-packed", xml(RSS, Content_Encoding="gzip"), "packed wrongly"),
        ):
            with self.subTest(path):
                feed = self.fetched(path, answer)
                self.assertIn(error, feed.last_error)
                self.assertEqual((feed.failures, feed.history.get().error), (1, feed.last_error))
        self.assertEqual(Entry.objects.count(), 0)

    @override_settings(FETCH_TIMEOUT_S=0.3)
    def test_a_server_may_not_take_its_time(self) -> None:
        for path in ("/silent", "/drip"):
            self.assertIn("did not answer within 0.3 s", self.fetched(path).last_error)

    @tag("slow")
    @override_settings(FETCH_MAX_BYTES=500_000)
    def test_a_server_may_not_send_without_end_packed_or_not(self) -> None:
        self.assertIn("larger than 500 kB", self.fetched("/huge").last_error)
        self.assertIn("larger than 500 kB", self.fetched("/bomb", bomb(200)).last_error)

    def test_a_server_that_is_not_there(self) -> None:
        gone = FeedServer()
        gone.stop()
        feed = self.fetch(subscribe(self.ada, gone.url("/rss"))[0].feed)
        self.assertIn("cannot be reached", feed.last_error)

    def test_a_feed_that_was_unsubscribed_meanwhile_does_not_come_back(self) -> None:
        feed = self.subscribed("/rss")

        def leave() -> Answer:
            return xml(RSS)

        self.server.answers["/rss"] = leave
        Subscription.objects.all().delete()
        self.assertFalse(rounds.fetch_one(feed.pk))
        self.assertEqual(self.server.paths, [])


class PrivateAddressTests(FetchingTestCase):
    @override_settings(FETCH_ALLOW_NETWORKS=[])
    def test_a_feed_on_this_machine_is_refused_before_it_is_asked(self) -> None:
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"):
            with self.subTest(host):
                feed = subscribe(self.ada, f"http://{host}:{self.server.server_port}/rss")[0].feed
                self.assertIn("not on the public internet", self.fetch(feed).last_error)
        self.assertEqual(self.server.requests, [])

    @override_settings(FETCH_ALLOW_NETWORKS=["127.0.0.1/32"])
    def test_a_redirect_to_a_private_address_is_refused(self) -> None:
        inner = FeedServer("127.0.0.2")
        self.addCleanup(inner.stop)
        inner.answers["/rss"] = xml(RSS)
        for status in (301, 302, 307):
            feed = self.fetched(f"/to-inner-{status}", redirect(status, inner.url("/rss")))
            self.assertIn("127.0.0.2 is not on the public internet", feed.last_error)
            self.assertEqual(feed.url, self.server.url(f"/to-inner-{status}"))
        self.assertEqual(inner.requests, [])


class MovingTests(FetchingTestCase):
    def test_a_permanent_redirect_moves_the_feed_and_another_does_not(self) -> None:
        self.serve("/new", RSS)
        for status, is_moved in ((301, True), (308, True), (302, False), (303, False), (307, False)):
            with self.subTest(status):
                Feed.objects.all().delete()
                feed = self.fetched(f"/old-{status}", redirect(status, "/new"))
                self.assertEqual(feed.url, self.server.url("/new" if is_moved else f"/old-{status}"))
                self.assertEqual(feed.entries.count(), 2)

    def test_a_feed_moves_only_as_far_as_every_redirect_is_permanent(self) -> None:
        self.serve("/end", RSS)
        self.serve("/middle", redirect(302, "/end"))
        self.assertEqual(self.fetched("/start", redirect(301, "/middle")).url, self.server.url("/middle"))

    def test_a_feed_does_not_move_to_where_there_is_none(self) -> None:
        feed = self.fetched("/old", RSS)
        self.serve("/old", redirect(301, "/nothing"))
        feed = self.fetch(feed)
        self.assertEqual((feed.url, feed.failures), (self.server.url("/old"), 1))

    def test_a_feed_that_moves_to_another_becomes_one_with_it(self) -> None:
        grace = make_reader("grace")
        old = self.fetched("/old", rss(item(guid="1", title="One"), item(guid="2", title="Two")))
        subscribe(grace, old.url)
        new = subscribe(grace, self.serve("/new", rss(item(guid="2", title="Two"), item(guid="3", title="Three"))))[
            0
        ].feed
        self.fetch(new)
        reading.star(self.ada, [old.entries.get(guid="2").pk])
        reading.mark_read(self.ada, [old.entries.get(guid="1").pk])
        reading.mark_read(grace, [new.entries.get(guid="2").pk])
        self.serve("/old", redirect(301, "/new"))
        self.fetch(old)
        self.assertEqual([feed.url for feed in Feed.objects.all()], [new.url])
        self.assertEqual(Subscription.objects.filter(feed=new).count(), 2)
        self.assertEqual([state.entry.title for state in reading.starred(self.ada)], ["Two"])
        self.assertEqual({state.entry.title for state in reading.unread(self.ada)}, {"Two", "Three"})
        self.assertEqual({state.entry.title for state in reading.unread(grace)}, {"One", "Three"})
        self.assertEqual(sorted(entry.guid for entry in self.entries(new)), ["1", "2", "3"])

    def test_merging_keeps_a_star_that_only_the_double_had(self) -> None:
        old, new = self.fetched("/a", RSS), self.fetched("/b", RSS)
        reading.star(self.ada, [old.entries.get(guid="one").pk])
        merge(old, into=new)
        self.assertEqual([state.entry.feed for state in reading.starred(self.ada)], [new])

    def test_what_was_read_in_one_of_two_feeds_is_read_when_they_are_one(self) -> None:
        old, new = self.fetched("/a", RSS), self.fetched("/b", RSS)
        reading.mark_read(self.ada, [old.entries.get(guid="one").pk, new.entries.get(guid="two").pk])
        merge(old, into=new)
        self.assertEqual(reading.count_unread(self.ada), 0)

    def test_what_was_not_read_before_unsubscribing_from_one_is_not_read_in_the_other(self) -> None:
        for stays in (False, True):
            with self.subTest(stays=stays):
                Feed.objects.all().delete()
                left, kept = self.fetched(f"/left-{stays}", RSS), self.fetched(f"/kept-{stays}", RSS)
                unsubscribe(Subscription.objects.get(feed=left))
                merge(*((kept, left) if stays else (left, kept)))
                self.assertEqual(reading.count_unread(self.ada), 2)

    def test_readers_of_the_feed_that_stays_have_what_is_newer_unread(self) -> None:
        day = "Mon, {:02} Jan 2024 10:00:00 GMT".format
        items = [item(guid=str(n), title=f"Of day {n}", pubDate=day(n)) for n in range(1, 5)]
        grace = make_reader("grace")
        old = self.fetched("/old", rss(items[2], items[0]))
        new = subscribe(grace, self.serve("/new", rss(items[1])))[0].feed
        self.fetch(new)
        reading.mark_all_read(grace, newest=2**40)
        self.serve("/new", rss(items[3], items[1]))
        self.serve("/old", redirect(301, "/new"))
        self.fetch(old)
        self.assertEqual([state.entry.guid for state in reading.unread(grace)], ["4", "3"])
        self.assertEqual([state.entry.guid for state in reading.unread(self.ada)], ["4", "3", "2", "1"])

    def test_one_feed_under_two_spellings_of_its_address_becomes_one(self) -> None:
        old = self.fetched("/feed", RSS)
        reading.mark_read(self.ada, [old.entries.get(guid="one").pk])
        Feed.objects.filter(pk=old.pk).update(next_fetch_at=timezone.now() + timedelta(days=1))
        grace = make_reader("grace")
        for spelling in (self.server.url("/feed/"), self.server.url("/feed").replace("http:", "https:")):
            with self.subTest(spelling):
                Feed.objects.filter(pk=old.pk).update(url=spelling)
                feed = subscribe(grace, self.serve("/feed", RSS))[0].feed
                self.fetch(feed)
                self.assertEqual([feed.url for feed in Feed.objects.all()], [spelling])
                self.assertEqual(Subscription.objects.filter(feed=old).count(), 2)
                self.assertEqual((reading.count_unread(self.ada), reading.count_unread(grace)), (1, 2))
                unsubscribe(Subscription.objects.get(user=grace))

    def test_the_safe_address_of_two_stays(self) -> None:
        safe = Feed.objects.create(url="https://www.x.example/feed")
        unsafe = Feed.objects.create(url="http://x.example/feed/", last_fetched=timezone.now())
        for feed in (unsafe, safe):
            Entry.objects.create(feed=feed, guid="1", title="One", published=timezone.now())
        join_twin(safe)
        self.assertEqual([feed.url for feed in Feed.objects.all()], [safe.url])

    def test_of_two_the_one_that_cannot_be_fetched_goes(self) -> None:
        broken = self.fetched("/feed/", RSS)
        self.server.answers.clear()
        self.assertTrue(self.fetch(broken).last_error)
        self.assertEqual([self.fetched("/feed", RSS)], list(Feed.objects.all()))

    def test_feeds_of_one_address_with_other_entries_stay_two(self) -> None:
        self.fetched("/feed/", rss(item(guid="1", title="One"), item(guid="2", title="Two")))
        self.fetched(
            "/feed", rss(item(guid="2", title="Two"), item(guid="3", title="Three"), item(guid="4", title="4"))
        )
        self.assertEqual(Feed.objects.count(), 2)

    def test_gone_ends_a_feed_and_subscribing_anew_tries_it_again(self) -> None:
        feed = self.fetched("/gone", Answer(status=410))
        self.assertIn("has ended", feed.last_error)
        Feed.objects.update(next_fetch_at=timezone.now() - timedelta(days=9))
        self.assertEqual(rounds.fetch_due(), (0, 0))
        self.serve("/gone", RSS)
        subscribe(make_reader("grace"), feed.url)
        self.assertEqual(rounds.fetch_due(), (1, 2))


class StrangersMoveTests(FetchingTestCase):
    """A feed that moves to another site, which need not know of it."""

    def setUp(self) -> None:
        super().setUp()
        self.other = FeedServer("127.0.0.2")
        self.addCleanup(self.other.stop)
        self.grace = make_reader("grace")
        self.old = self.fetched(
            "/f", rss(*(item(guid=str(n), title=f"Not {n}", link=f"/not-{n}") for n in (1, 2, 3, "mine")))
        )
        self.serve("/f", redirect(301, self.other.url("/f")))

    def publish(self, *numbers: int) -> None:
        self.other.answers["/f"] = xml(rss(*(item(guid=str(n), title=f"Really {n}") for n in numbers)))

    def unread(self, user: User) -> set[str]:
        return {state.entry.title for state in reading.unread(user)}

    def test_nothing_of_it_gets_into_the_other_sites_feed(self) -> None:
        self.publish(1)
        feed = self.fetch(subscribe(self.grace, self.other.url("/f"))[0].feed)
        self.publish(2, 1)
        self.fetch(self.old)
        self.assertEqual(self.unread(self.grace), {"Really 1", "Really 2"})
        self.publish(3, 2, 1)
        self.fetch(feed)
        self.assertEqual(self.unread(self.grace), {"Really 1", "Really 2", "Really 3"})
        self.assertEqual({entry.title for entry in self.entries(feed)}, {"Really 1", "Really 2", "Really 3"})
        self.assertEqual(self.unread(self.ada), {"Really 1", "Really 2", "Really 3", "Not 3", "Not mine"})

    def test_nor_into_one_that_nobody_reads_yet(self) -> None:
        self.publish(1)
        self.fetch(self.old)
        feed = Feed.objects.get(url=self.other.url("/f"))
        self.assertEqual((feed.title, self.unread(self.ada)), ("A feed", {"Really 1", "Not 2", "Not 3", "Not mine"}))
        self.assertGreater(feed.next_fetch_at, timezone.now())
        subscribe(self.grace, feed.url)
        self.publish(2, 1)
        self.fetch(feed)
        self.assertEqual(self.unread(self.grace), {"Really 1", "Really 2"})

    def test_its_readers_keep_what_is_unread_or_starred_and_go_along(self) -> None:
        self.publish(1, 2)
        reading.star(self.ada, self.old.entries.filter(guid__in=["2", "3"]).values_list("pk", flat=True))
        reading.mark_read(self.ada, self.old.entries.exclude(guid="mine").values_list("pk", flat=True))
        self.fetch(self.old)
        self.assertEqual(Subscription.objects.get().feed.url, self.other.url("/f"))
        self.assertEqual(self.unread(self.ada), {"Not mine"})
        self.assertEqual({state.entry.title for state in reading.starred(self.ada)}, {"Really 2", "Not 3"})
        tidy_up()
        self.assertEqual(self.unread(self.ada), {"Not mine"})
        reading.mark_all_read(self.ada, newest=2**40)
        reading.star(self.ada, self.old.entries.values_list("pk", flat=True), starred=False)
        tidy_up()
        self.assertEqual([feed.url for feed in Feed.objects.all()], [self.other.url("/f")])

    def test_what_comes_with_the_first_fetch_is_the_others(self) -> None:
        self.publish(1)
        feed = self.fetched("/short", redirect(301, self.other.url("/f")))
        self.assertEqual(feed.url, self.other.url("/f"))
        self.assertEqual([entry.title for entry in self.entries(feed)], ["Really 1"])


class ScheduleTests(FetchingTestCase):
    def next_in_s(self, feed: Feed) -> float:
        assert feed.last_fetched
        return (feed.next_fetch_at - feed.last_fetched).total_seconds()

    def test_a_feed_is_asked_no_more_often_than_it_and_its_server_want(self) -> None:
        for path, answer, least_s in (
            ("/plain", RSS, 900),
            ("/ttl", rss(head="<ttl>90</ttl>"), 5400),
            ("/impatient", rss(head="<ttl>1</ttl>"), 900),
            ("/max-age", xml(RSS, Cache_Control="public, max-age=7200"), 7200),
            ("/no-cache", xml(RSS, Cache_Control="no-cache, max-age=7200"), 900),
            ("/forever", xml(RSS, Cache_Control="max-age=31536000"), 86_400),
        ):
            with self.subTest(path):
                wait_s = self.next_in_s(self.fetch(self.fetched(path, answer)))
                self.assertTrue(least_s <= wait_s <= least_s * 1.1 + 1, wait_s)

    def test_an_answer_of_not_modified_may_ask_for_more_time_too(self) -> None:
        feed = self.fetched("/rss", RSS)
        for header, wait_s in (("max-age=7200", 7200), ("max-age=60", 7200), ("max-age=31536000", 86_400)):
            with self.subTest(header):
                self.serve("/rss", Answer(status=304, headers={"Cache-Control": header}))
                self.assertTrue(wait_s <= self.next_in_s(feed := self.fetch(feed)) <= wait_s * 1.1 + 1)
        self.serve("/rss", RSS)
        self.assertLess(self.next_in_s(self.fetch(feed)), 1000)

    def test_a_longer_pause_is_kept_by_feeds_that_do_not_change_or_never_worked(self) -> None:
        same, broken = self.fetched("/cached"), self.subscribed("/missing")
        with override_settings(FETCH_EVERY_S=HOUR_S):
            self.assertTrue(HOUR_S <= self.next_in_s(self.fetch(same)) <= HOUR_S * 1.1 + 1)
            self.assertGreaterEqual(self.next_in_s(self.fetch(broken)), 2 * HOUR_S)
        self.assertLess(self.next_in_s(self.fetch(same)), 1000)

    @tag("slow")
    def test_what_was_subscribed_to_at_once_is_spread_over_an_interval(self) -> None:
        waits = {round(self.next_in_s(self.fetched(f"/{n}", RSS))) for n in range(12)}
        self.assertGreater(len(waits), 6)
        self.assertTrue(all(900 <= wait <= 1801 for wait in waits), waits)

    def test_a_failing_feed_is_asked_less_and_less_and_a_good_answer_ends_that(self) -> None:
        feed, waits = self.fetched("/rss", RSS), []
        self.server.answers.clear()
        for _ in range(8):
            feed = self.fetch(feed)
            waits.append(self.next_in_s(feed))
        for n, wait_s in enumerate(waits):
            least_s = min(900 * 2 ** (n + 1), 86_400)
            self.assertTrue(least_s <= wait_s <= least_s * 1.1 + 1, (n, wait_s))
        self.serve("/rss", RSS)
        self.assertLess(self.next_in_s(self.fetch(feed)), 1000)

    def test_a_server_that_asks_to_wait_is_not_asked_before(self) -> None:
        later = (datetime.now(UTC) + timedelta(hours=3)).strftime("%a, %d %b %Y %H:%M:%S GMT")
        for path, status, header, least_s, most_s in (
            ("/seconds", 429, "7200", 7199, 7200 * 1.1),
            ("/date", 503, later, 3 * HOUR_S - 60, 3 * HOUR_S + 60),
            ("/much", 429, "99999999", 7 * 86_400 - 1, 7 * 86_400 + 1),
            ("/nonsense", 503, "soon", 1800, 3601),
        ):
            with self.subTest(path):
                feed = self.fetched(path, Answer(status=status, headers={"Retry-After": header}))
                wait_s = self.next_in_s(feed)
                self.assertTrue(least_s <= wait_s <= most_s, wait_s)
        seconds = Feed.objects.get(url=self.server.url("/seconds"))
        Feed.objects.update(last_fetched=None)
        self.assertFalse(rounds.fetch_one(seconds.pk))


class RoundTests(FetchingTestCase):
    def test_a_round_fetches_what_is_due_and_nothing_twice(self) -> None:
        feeds = [self.subscribed(f"/{n}", RSS) for n in range(5)]
        Feed.objects.filter(pk=feeds[0].pk).update(next_fetch_at=timezone.now() + timedelta(hours=1))
        self.assertEqual(rounds.fetch_due(), (4, 8))
        self.assertEqual(rounds.fetch_due(), (0, 0))
        self.assertEqual(sorted(self.server.paths), ["/1", "/2", "/3", "/4"])

    def test_what_nobody_reads_is_not_fetched(self) -> None:
        self.subscribed("/rss", RSS)
        Subscription.objects.all().delete()
        self.assertEqual(rounds.fetch_due(), (0, 0))

    def test_a_claimed_feed_is_nobody_elses_until_the_claim_ends(self) -> None:
        feed, now = self.subscribed("/rss", RSS), timezone.now()
        self.assertEqual(claims.claim_due(now=now, limit=9), [feed])
        self.assertEqual(claims.claim_due(now=now, limit=9), [])
        self.assertIsNone(claims.claim_one(feed.pk, now=now))
        later = now + claims.CLAIM_LASTS + timedelta(seconds=1)
        self.assertEqual(claims.claim_due(now=later, limit=9), [feed])
        claims.release([feed.pk])
        self.assertEqual(claims.claim_one(feed.pk, now=now), feed)

    def test_while_a_server_is_asked_for_one_feed_it_is_asked_for_no_other(self) -> None:
        first, second = self.subscribed("/1", RSS), self.subscribed("/2", RSS)
        now = timezone.now()
        self.assertIsNotNone(claims.claim_one(first.pk, now=now))
        self.assertIsNone(claims.claim_one(second.pk, now=now))
        self.assertEqual(claims.claim_due(now=now, limit=9), [])

    @tag("slow")
    def test_servers_are_asked_side_by_side_each_for_one_thing_at_a_time_with_a_pause(self) -> None:
        other = FeedServer("127.0.0.2")
        self.addCleanup(other.stop)
        both_are_asked = [False, False]

        def slow(n: int, me: FeedServer, you: FeedServer) -> Answer:
            for _ in range(200):
                if me.at_once and you.at_once:
                    both_are_asked[n] = True
                    break
                me.stopping.wait(0.01)
            return xml(RSS)

        self.server.answers["/0"] = lambda: slow(0, self.server, other)
        other.answers["/0"] = lambda: slow(1, other, self.server)
        for server in (self.server, other):
            server.most_at_once = 0
            for n in range(3):
                server.answers.setdefault(f"/{n}", xml(RSS))
                subscribe(self.ada, server.url(f"/{n}"))
        with override_settings(FETCH_HOST_PAUSE_S=0.1):
            self.assertEqual(rounds.fetch_due(), (6, 12))
        self.assertIn(True, both_are_asked)
        for server in (self.server, other):
            self.assertEqual(server.most_at_once, 1)
            times = [at for *_, at in server.requests]
            self.assertTrue(all(later - at >= 0.1 for at, later in itertools.pairwise(times)), times)

    @tag("slow")
    @override_settings(PARSE_PROCESSES=2)
    def test_many_feeds_are_parsed_in_other_processes_which_know_nothing_of_the_app(self) -> None:
        for n in range(4):
            self.subscribed(f"/{n}", RSS)
        with (
            patch("reader.fetching.rounds.WORTH_PROCESSES", 1),
            patch("reader.fetching.rounds.ThreadPoolExecutor", side_effect=AssertionError("the processes are gone")),
        ):
            self.assertEqual(rounds.fetch_due(), (4, 8))

    @override_settings(PARSE_PROCESSES=2)
    def test_where_there_can_be_no_other_processes_feeds_are_parsed_here(self) -> None:
        self.subscribed("/a", RSS)
        with (
            patch("reader.fetching.rounds.WORTH_PROCESSES", 1),
            patch("reader.fetching.rounds.ProcessPoolExecutor", side_effect=PermissionError("/dev/shm")),
            self.assertLogs("reader.fetching.rounds", "WARNING"),
        ):
            self.assertEqual(rounds.fetch_due(), (1, 2))

    @tag("slow")
    def test_a_round_whose_time_is_up_gives_back_what_it_has_not_begun(self) -> None:
        for n in range(3):
            self.subscribed(f"/{n}", RSS)
        self.assertEqual(rounds.fetch_due(seconds=-1), (0, 0))
        with override_settings(FETCH_HOST_PAUSE_S=0.6):
            fetched, _ = rounds.fetch_due(seconds=0.5)
        self.assertEqual(fetched, 1)
        self.assertFalse(Feed.objects.exclude(claimed_until=None).exists())
        self.assertEqual(claims.due(timezone.now()).count(), 2)

    def test_a_feed_that_goes_wrong_in_an_unforeseen_way_stops_no_other(self) -> None:
        for name in ("parse.parse", "record"):
            with self.subTest(name):
                bad, good = self.subscribed(f"/bad-{name}", ATOM), self.subscribed(f"/good-{name}", RSS)
                whole = rounds.record if name == "record" else rounds.parse.parse

                def fail(what: object, *, of: Callable[..., object] = whole, bad: Feed = bad, **how: object) -> object:
                    if what == ATOM.encode() or getattr(what, "feed", None) == bad:
                        raise OverflowError
                    return of(what, **how)

                with patch(f"reader.fetching.rounds.{name}", fail), self.assertLogs("reader.fetching.rounds", "ERROR"):
                    fetched, added = rounds.fetch_due()
                self.assertEqual((fetched, added), (2, 2))
                bad.refresh_from_db()
                good.refresh_from_db()
                self.assertEqual((bad.failures, good.failures, bad.claimed_until), (1, 0, None))
                self.assertIn("the log says", bad.last_error)
                self.assertGreater(bad.next_fetch_at, timezone.now() + timedelta(minutes=29))

    def test_a_feed_that_was_just_fetched_is_not_fetched_again_at_once(self) -> None:
        feed = self.fetched("/rss", RSS)
        self.assertFalse(rounds.fetch_one(feed.pk))
        claims.make_due(feed.pk, now=timezone.now())
        self.assertEqual(claims.due(timezone.now()).count(), 0)


class DiscoveryTests(FetchingTestCase):
    def page(self, *links: str) -> Answer:
        return Answer(f"<html><head>{''.join(links)}</head></html>".encode(), headers={"Content-Type": "text/html"})

    def test_the_address_of_a_site_becomes_that_of_its_feed(self) -> None:
        self.serve("/blog/atom", ATOM)
        self.serve("/comments", RSS)
        feed = self.fetched(
            "/blog/",
            self.page(
                '<link rel="alternate" type="application/rss+xml" title="Comments" href="/comments">',
                '<link rel="alternate" type="text/html" href="/de/">',
                '<LINK REL="Alternate" TYPE="application/atom+xml" HREF="atom">',
            ),
        )
        self.assertEqual((feed.url, feed.title, feed.last_error), (self.server.url("/blog/atom"), "Café", ""))
        self.assertEqual(reading.count_unread(self.ada), 1)

    def test_a_link_that_leads_nowhere_is_passed_over(self) -> None:
        self.serve("/real.json", JSON_FEED)
        link = '<link rel="alternate" type="application/feed+json" href="{}">'
        feed = self.fetched("/", self.page(link.format("/nothing"), link.format("/real.json")))
        self.assertEqual(feed.url, self.server.url("/real.json"))

    def test_a_page_with_a_broken_base_or_declaration_has_its_links_all_the_same(self) -> None:
        self.serve("/real", RSS)
        link = f'<link rel="alternate" type="text/xml" href="{self.server.url("/real")}">'
        for path, parts in (("/base", ('<base href="http://[">', link)), ("/declared", (link, "<![foo["))):
            with self.subTest(path):
                Feed.objects.all().delete()
                self.assertEqual(self.fetched(path, self.page(*parts)).url, self.server.url("/real"))

    def test_a_page_takes_no_more_than_its_length_is_worth(self) -> None:
        link = b'<link rel="alternate" type="text/xml" title=\'"a" > b\' href="/real">'
        for junk in (b"<a ", b"<a x='", b"<!--", b"<link ", b'<link "', b"<script>", b"</"):
            with self.subTest(junk):
                began = time.process_time()
                found = linked_feeds(b"<!-- " + link + b" -->" + link + junk * 100_000, url="https://example.org/blog/")
                self.assertEqual(found, ["https://example.org/real"])
                self.assertLess(time.process_time() - began, 2)

    def test_without_a_link_the_common_places_are_tried(self) -> None:
        self.serve("/index.xml", RSS)
        self.assertEqual(self.fetched("/about/", self.page()).url, self.server.url("/index.xml"))

    def test_a_site_of_a_feed_that_is_there_already_is_one_with_it(self) -> None:
        feed = self.fetched("/feed", RSS)
        grace = make_reader("grace")
        site = subscribe(grace, self.serve("/", self.page('<link rel="alternate" type="text/xml" href="/feed">')))[
            0
        ].feed
        self.fetch(site)
        self.assertEqual(Feed.objects.get(), feed)
        self.assertEqual(reading.count_unread(grace), 2)

    def test_a_feed_that_shows_a_page_for_once_stays_where_it_is(self) -> None:
        feed = self.fetched("/feed", RSS)
        self.serve("/other", ATOM)
        self.serve("/feed", self.page('<link rel="alternate" type="application/atom+xml" href="/other">'))
        feed = self.fetch(feed)
        self.assertEqual((feed.url, feed.title), (self.server.url("/feed"), "Plain & simple"))
        self.assertIn("this is not a feed", feed.last_error)
