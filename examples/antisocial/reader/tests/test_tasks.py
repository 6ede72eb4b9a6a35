"""What the worker does, task by task."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

from django.utils import timezone

from reader import reading
from reader.fetching import claims
from reader.models import Feed, State, Subscription
from reader.tasks import fetch_due, fetch_feed, tidy_up
from reader.tests.corpus import RSS
from reader.tests.fetching import FetchingTestCase


class TaskTests(FetchingTestCase):
    def test_the_schedule_fetches_what_is_due_once_however_often_it_is_asked(self) -> None:
        for n in range(3):
            self.subscribed(f"/{n}", RSS)
        for _ in range(5):
            fetch_due.delay()
        self.assertEqual(sorted(self.server.paths), ["/0", "/1", "/2"])
        self.assertEqual(reading.count_unread(self.ada), 6)

    def test_a_round_that_left_something_asks_for_the_next_one(self) -> None:
        self.subscribed("/rss", RSS)
        with (
            patch("reader.fetching.rounds.fetch_due", return_value=(1, 0)),
            patch.object(fetch_due, "apply_async") as again,
        ):
            fetch_due()
        again.assert_called_once_with(expires=60)

    def test_a_feed_whose_server_is_busy_is_fetched_in_the_next_round(self) -> None:
        feed, other = self.subscribed("/1", RSS), self.subscribed("/2", RSS)
        Feed.objects.update(next_fetch_at=timezone.now() + timedelta(hours=1))
        claims.claim_one(other.pk, now=timezone.now())
        fetch_feed.delay(feed.pk)
        self.assertEqual(self.server.paths, [])
        claims.release([other.pk])
        fetch_due.delay()
        self.assertEqual(self.server.paths, ["/1"])

    def test_a_feed_that_is_not_there_is_no_fault(self) -> None:
        fetch_feed.delay(999)

    def test_tidying_up_drops_what_nobody_needs(self) -> None:
        feed = self.fetched("/rss", RSS)
        reading.mark_all_read(self.ada, newest=2**40)
        State.objects.update(read_at=timezone.now() - timedelta(days=90))
        tidy_up.delay()
        self.assertFalse(State.objects.exists())
        Subscription.objects.all().delete()
        tidy_up.delay()
        self.assertFalse(Feed.objects.filter(pk=feed.pk).exists())
