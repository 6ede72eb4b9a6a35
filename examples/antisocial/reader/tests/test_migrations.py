"""What an installation has is kept when it is brought forward."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import TransactionTestCase, tag
from django.utils import timezone

from reader import reading
from reader.models import Subscription
from reader.search import search


@tag("slow")
class OneReaderTests(TransactionTestCase):
    def test_what_the_one_reader_had_becomes_the_first_users(self) -> None:
        executor = MigrationExecutor(connection)
        latest = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "reader"]
        executor.migrate([("reader", "0001_initial")])
        try:
            old = executor.loader.project_state([("reader", "0001_initial")]).apps
            feed = old.get_model("reader", "Feed").objects.create(url="https://example.org/feed")
            for title, is_read in (("Old", True), ("New", False)):
                old.get_model("reader", "Entry").objects.create(
                    feed=feed, guid=title, title=title, published=timezone.now(), is_read=is_read
                )
        finally:
            MigrationExecutor(connection).migrate(latest)
        user = User.objects.get()
        self.assertFalse(user.has_usable_password())
        self.assertEqual(Subscription.objects.get(user=user).feed.host, "example.org")
        self.assertEqual([state.entry.title for state in reading.unread(user)], ["New"])
        self.assertEqual([entry.title for entry in search(user, "old")], ["Old"])
