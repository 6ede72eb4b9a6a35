"""What the tests of fetching share: a server, a reader, and fetches that do not wait."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import TestCase, override_settings
from django.utils import timezone

from reader.fetching import rounds
from reader.models import Entry, Feed
from reader.subscribing import subscribe
from reader.tests.rows import make_reader
from reader.tests.server import Answer, FeedServer, xml

LOOPBACK = ["127.0.0.0/8"]


@override_settings(FETCH_ALLOW_NETWORKS=LOOPBACK, FETCH_HOST_PAUSE_S=0, PARSE_PROCESSES=0)
class FetchingTestCase(TestCase):
    """Tests with a server of their own class and a reader ``ada``."""

    server: FeedServer

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = FeedServer()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self) -> None:
        self.server.answers.clear()
        self.server.requests.clear()
        self.ada: User = make_reader()

    def serve(self, path: str, answer: Answer | str) -> str:
        """Have the server answer ``path`` so; the address."""
        self.server.answers[path] = xml(answer) if isinstance(answer, str) else answer
        return self.server.url(path)

    def subscribed(self, path: str, answer: Answer | str | None = None) -> Feed:
        """A feed of the server, which the reader has just subscribed to."""
        return subscribe(self.ada, self.serve(path, answer) if answer is not None else self.server.url(path))[0].feed

    def fetch(self, feed: Feed) -> Feed:
        """Fetch ``feed`` whenever it was fetched before; as it is then."""
        long_ago = timezone.now().replace(year=2020)
        Feed.objects.filter(pk=feed.pk, last_fetched__isnull=False).update(last_fetched=long_ago)
        self.assertTrue(rounds.fetch_one(feed.pk))
        return Feed.objects.filter(pk=feed.pk).first() or feed

    def fetched(self, path: str, answer: Answer | str | None = None) -> Feed:
        """A new feed of the server, fetched once."""
        return self.fetch(self.subscribed(path, answer))

    def entries(self, feed: Feed) -> list[Entry]:
        """Its entries, in the order in which they came."""
        return list(Entry.objects.filter(feed=feed).order_by("pk"))
