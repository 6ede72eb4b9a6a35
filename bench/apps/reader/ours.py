"""One run of the example app on N served feeds, from the first request to the last row; prints seconds and entries."""

import os
import sys
import time

sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "antisocial.settings"


def main() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from reader.fetching import rounds
    from reader.models import Entry, Feed, Subscription
    from reader.text import host_of

    user = User.objects.create_user("ada")
    urls = sys.stdin.read().split()
    feeds = Feed.objects.bulk_create(Feed(url=url, host=host_of(url)) for url in urls)
    Subscription.objects.bulk_create(Subscription(user=user, feed=feed) for feed in feeds)
    began = time.perf_counter()
    fetched, added = rounds.fetch_due(seconds=600)
    took = time.perf_counter() - began
    assert (fetched, added) == (len(urls), Entry.objects.count()), (fetched, added)
    assert not Feed.objects.exclude(last_error="").exists()
    print(took, added)


if __name__ == "__main__":
    main()
