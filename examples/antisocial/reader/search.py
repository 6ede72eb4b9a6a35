"""Full-text search: FTS5 on SQLite, ``tsvector`` on PostgreSQL, one way to ask.

The index is a table of its own, ``reader_search``, written by whoever stores entries. Triggers would be lost whenever a
migration makes SQLite copy the table of entries. A row whose entry is gone finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from reader.models import Entry
from reader.words import words_of

MOST_TEXT = 100_000  # characters of an entry that are found
MOST_WORDS = 12

_CREATE = {
    "sqlite": ["CREATE VIRTUAL TABLE reader_search USING fts5(words, tokenize='unicode61')"],
    "postgresql": [
        "CREATE TABLE reader_search (rowid bigint PRIMARY KEY, words tsvector NOT NULL)",
        "CREATE INDEX reader_search_words ON reader_search USING gin (words)",
    ],
}
_INSERT = {
    "sqlite": "INSERT INTO reader_search (rowid, words) VALUES (%s, %s)",
    "postgresql": "INSERT INTO reader_search (rowid, words) VALUES (%s, to_tsvector('simple', %s))",
}
_MATCH = {
    "sqlite": "reader_search MATCH %s",
    "postgresql": "reader_search.words @@ to_tsquery('simple', %s)",
}


def create_table(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the index; for the migration."""
    for statement in _CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop_table(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the index; for the migration."""
    schema_editor.execute("DROP TABLE reader_search")


def index(entries: Iterable[tuple[int, str]], *, are_new: bool = False) -> None:
    """Make entries (id, and words as ``words_of`` makes them) findable, whether or not they were before."""
    rows = [(pk, words[:MOST_TEXT]) for pk, words in entries]
    if not rows:
        return
    with connection.cursor() as cursor:
        if not are_new:
            cursor.executemany("DELETE FROM reader_search WHERE rowid = %s", [(pk,) for pk, _ in rows])
        cursor.executemany(_INSERT[connection.vendor], rows)


def index_entry(entry: Entry) -> None:
    """Make one stored entry findable."""
    from reader.fetching.clean import text_of  # the web process need not load a sanitiser

    index([(entry.pk, " ".join(words_of(f"{entry.title} {text_of(entry.content) or entry.summary}")))])


def forget(entry_ids: Iterable[int]) -> None:
    """Drop entries from the index."""
    with connection.cursor() as cursor:
        cursor.executemany("DELETE FROM reader_search WHERE rowid = %s", [(pk,) for pk in entry_ids])


def forget_feed(feed_id: int) -> None:
    """Drop all entries of a feed from the index."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM reader_search WHERE rowid IN (SELECT id FROM reader_entry WHERE feed_id = %s)", [feed_id]
        )


def search(user: User, words: str, *, before: int | None = None, limit: int = 50) -> list[Entry]:
    """Entries of the feeds ``user`` reads that have all of ``words``, the last to arrive first, with their feeds.

    A word finds those that begin with it, ``"several words"`` find themselves in that order; case and accents do not
    matter. ``before`` is the id of the last entry of the page before. Nothing if there is no word in ``words``.
    """
    terms = _terms(words)
    if not terms:
        return []
    query = _as_fts5(terms) if connection.vendor == "sqlite" else _as_tsquery(terms)
    sql = f"""
        SELECT reader_search.rowid FROM reader_search JOIN reader_entry entry ON entry.id = reader_search.rowid
        WHERE {_MATCH[connection.vendor]} AND reader_search.rowid < %s
        AND EXISTS (SELECT 1 FROM reader_subscription s WHERE s.feed_id = entry.feed_id AND s.user_id = %s)
        ORDER BY reader_search.rowid DESC LIMIT %s
    """  # noqa: S608 (the condition is one of two above)
    with connection.cursor() as cursor:
        cursor.execute(sql, [query, before or 2**62, user.pk, limit])
        ids = [row[0] for row in cursor.fetchall()]
    return list(Entry.objects.filter(pk__in=ids).select_related("feed").order_by("-pk"))


def _terms(words: str) -> list[list[str]]:
    """What is looked for: each a phrase of one or more words."""
    found = []
    for phrase, word in re.findall(r'"([^"]*)"|(\S+)', words[:500]):
        if parts := words_of(phrase or word):
            found.append(parts)
    return found[:MOST_WORDS]


def _as_fts5(terms: list[list[str]]) -> str:
    return " ".join(f'"{" ".join(term)}"{"*" if len(term) == 1 else ""}' for term in terms)


def _as_tsquery(terms: list[list[str]]) -> str:
    return " & ".join(f"{term[0]}:*" if len(term) == 1 else f"({' <-> '.join(term)})" for term in terms)
