from django.db import migrations

from reader.text import host_of

NAME = "reader"

STATES = """
    INSERT INTO reader_state (user_id, entry_id, feed_id, published)
    SELECT %s, id, feed_id, published FROM reader_entry WHERE NOT is_read
    ON CONFLICT DO NOTHING
"""
SEARCH = {
    "sqlite": "INSERT INTO reader_search (rowid, words) SELECT id, title || ' ' || summary FROM reader_entry",
    "postgresql": "INSERT INTO reader_search (rowid, words)"
    " SELECT id, to_tsvector('simple', title || ' ' || summary) FROM reader_entry",
}


def give_to_the_first_reader(apps, schema_editor):
    """What the one reader had without an account becomes the first user's: subscriptions, and what is unread.

    If there is no user, one is made who has no password yet: ``manage.py changepassword reader``, or ``SOLO=1``.
    """
    feed_model = apps.get_model("reader", "Feed")
    feeds = list(feed_model.objects.all())
    if not feeds:
        return
    for feed in feeds:
        feed.host = host_of(feed.url)
    feed_model.objects.bulk_update(feeds, ["host"], batch_size=500)
    users = apps.get_model("auth", "User").objects
    user = users.order_by("pk").first() or users.create(username=NAME, password="!")
    subscriptions = apps.get_model("reader", "Subscription").objects
    subscriptions.bulk_create(
        [subscriptions.model(user=user, feed=feed) for feed in feeds], ignore_conflicts=True, batch_size=500
    )
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(STATES, [user.pk])
        cursor.execute(SEARCH[schema_editor.connection.vendor])


class Migration(migrations.Migration):

    dependencies = [
        ('reader', '0002_many_readers'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [migrations.RunPython(give_to_the_first_reader, migrations.RunPython.noop)]
