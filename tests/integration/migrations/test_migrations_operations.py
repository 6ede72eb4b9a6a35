"""What each kind of operation is said to do to the release before."""

from __future__ import annotations

import pytest

from tests.integration.migrations.migrations_rig import Machine

M = "feeds.0002_later"
FEED = "Feed (table feeds_feed)"
NEEDS = "that may not be null and has no database default: what the release before inserts would fail"
MAY_BREAK = "what the release before writes may break it"
AS_IT_WAS = "the release before uses it as it was"

HARMLESS = {
    "a new model": 'migrations.CreateModel("New", [("id", models.AutoField(primary_key=True))])',
    "a new field that may be null": 'migrations.AddField("Feed", "seen", models.IntegerField(null=True))',
    "a new field that the database fills": 'migrations.AddField("Feed", "seen", models.IntegerField(db_default=1))',
    "a new field that the database computes": 'migrations.AddField("Feed", "twice", models.GeneratedField('
    'expression=models.F("rank") * 2, output_field=models.IntegerField(), db_persist=False))',
    "a new many-to-many field": 'migrations.AddField("Author", "tags", models.ManyToManyField("feeds.Tag"))',
    "an index": 'migrations.AddIndex("Feed", models.Index(fields=["url"], name="by_url"))',
    "an index less": 'migrations.RemoveIndex("Feed", "by_rank")',
    "a constraint less": 'migrations.RemoveConstraint("Feed", "one_url")',
    "options": 'migrations.AlterModelOptions("Feed", {"ordering": ["rank"]})',
    "a label": 'migrations.AlterField("Feed", "url", models.CharField("Address", max_length=200))',
    "a wider text": 'migrations.AlterField("Feed", "url", models.CharField(max_length=300))',
    "a text without end": 'migrations.AlterField("Feed", "url", models.TextField())',
    "a wider number": 'migrations.AlterField("Feed", "rank", models.BigIntegerField(db_default=0))',
    "a wider key": 'migrations.AlterField("Author", "id", models.BigAutoField(primary_key=True))',
    "null allowed": 'migrations.AlterField("Feed", "url", models.CharField(max_length=200, null=True))',
    "a new name, the old column": 'migrations.RenameField("Feed", "pinned", "held")',
    "the table it has": 'migrations.AlterModelTable("Feed", "feeds_feed")',
    "no SQL": "migrations.RunSQL(migrations.RunSQL.noop)",
    "no code": "migrations.RunPython(migrations.RunPython.noop)",
    "code with a way back": "migrations.RunPython(fill, migrations.RunPython.noop)",
    "a model that is not Django's to change": 'migrations.DeleteModel("Legacy")',
    "only what Django believes": "migrations.SeparateDatabaseAndState(state_operations="
    '[migrations.RemoveField("Feed", "url")])',
}
DESTRUCTIVE = {
    'migrations.RenameField("Feed", "url", "link")': "renames the field Feed.url (table feeds_feed, column url) to "
    "link (column link), which the release before still reads by its old name",
    'migrations.RenameField("Feed", "tags", "words")': "renames the field Feed.tags (table feeds_feed_tags) to words "
    "(table feeds_feed_words), which the release before still uses by its old name",
    'migrations.RenameModel("Feed", "Source")': f"renames the model {FEED} to Source (table feeds_source), "
    "which the release before still uses by its old name",
    'migrations.AlterModelTable("Feed", "sources")': f"moves the model {FEED} to table sources, "
    "which the release before still uses by its old name",
    'migrations.AlterField("Feed", "url", models.CharField(max_length=200, db_column="link"))': "alters the field "
    f"Feed.url (table feeds_feed, column url): column url becomes link; {AS_IT_WAS}",
    'migrations.AlterField("Feed", "url", models.CharField(max_length=50))': "alters the field Feed.url "
    f"(table feeds_feed, column url): type varchar(200) becomes varchar(50); {AS_IT_WAS}",
    'migrations.AlterField("Feed", "rank", models.TextField(db_default=""))': "alters the field Feed.rank "
    f"(table feeds_feed, column rank): type integer becomes text; {AS_IT_WAS}",
    'migrations.AlterField("Feed", "rank", models.IntegerField(default=0))': "alters the field Feed.rank "
    f"(table feeds_feed, column rank): its database default goes; {AS_IT_WAS}",
    'migrations.AlterField("Feed", "note", models.CharField(max_length=200, unique=True))': "alters the field "
    f"Feed.note (table feeds_feed, column note): it may no longer be null, it becomes unique; {AS_IT_WAS}",
    'migrations.AlterField("Feed", "author", models.ForeignKey("feeds.Tag", models.CASCADE))': "alters the field "
    f"Feed.author (table feeds_feed, column author_id): it points at table feeds_tag; {AS_IT_WAS}",
    'migrations.AddField("Feed", "kind", models.CharField(max_length=9, default="rss"))': "adds the field Feed.kind "
    f"(table feeds_feed, column kind) {NEEDS}",
    'migrations.AddField("Feed", "kind", models.IntegerField(unique=True, db_default=1))': "adds the unique field "
    "Feed.kind (table feeds_feed, column kind), whose database default is the same in each row that the release before "
    "inserts",
    'migrations.AlterOrderWithRespectTo("Feed", "author")': "adds the field Feed._order "
    f"(table feeds_feed, column _order) {NEEDS}",
    'migrations.AddConstraint("Feed", models.CheckConstraint(condition=models.Q(rank__gt=0), name="up"))': "adds the "
    f"constraint up to {FEED}: {MAY_BREAK}",
    'migrations.AlterUniqueTogether("Feed", {("url", "rank")})': "makes url, rank unique together in "
    f"{FEED}: {MAY_BREAK}",
    'migrations.RunSQL("alter table feeds_feed drop column url", "select 1")': "runs SQL that may take away what the "
    "release before still uses (DROP)",
    'migrations.RunSQL(["select 1", ("ALTER TABLE f RENAME a TO b", None)], "select 1")': "runs SQL that may take away "
    "what the release before still uses (RENAME)",
    'migrations.RunSQL("ALTER TABLE f ALTER COLUMN\\n a TYPE int; alter table f alter b set not  null", "select 1")': ""
    "runs SQL that may take away what the release before still uses (ALTER … TYPE, NOT NULL)",
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_the_release_before_does_not_notice(machine: Machine, kind: str) -> None:
    plan = machine.plan(HARMLESS[kind])
    assert (plan.trouble, plan.pending) == ("", (M,))
    assert (plan.destructive, plan.irreversible, plan.unknown) == ((), (), ())
    assert not plan.blocks_going_back


@pytest.mark.parametrize("operation", DESTRUCTIVE)
def test_the_release_before_trips_over_it(machine: Machine, operation: str) -> None:
    plan = machine.plan(operation)
    assert (plan.trouble, plan.pending) == ("", (M,))
    assert plan.destructive == (f"{M} {DESTRUCTIVE[operation]}",)
    assert (plan.irreversible, plan.unknown) == ((), ())
    assert plan.blocks_going_back


@pytest.mark.parametrize(
    ("operation", "removed", "lost"),
    [
        (
            'migrations.RemoveField("Feed", "url")',
            "removes the field Feed.url (table feeds_feed, column url), which the release before still reads",
            "it deletes the values of Feed.url (table feeds_feed, column url)",
        ),
        (
            'migrations.RemoveField("Feed", "tags")',
            "removes the field Feed.tags (table feeds_feed_tags), which the release before still uses",
            "it deletes the rows of Feed.tags (table feeds_feed_tags)",
        ),
        (
            'migrations.DeleteModel("Feed")',
            f"removes the model {FEED}, which the release before still uses",
            f"it deletes the rows of {FEED}",
        ),
        (
            'migrations.SeparateDatabaseAndState(database_operations=[migrations.DeleteModel("Feed")])',
            f"removes the model {FEED}, which the release before still uses",
            f"it deletes the rows of {FEED}",
        ),
        (
            'migrations.RunSQL("DROP TABLE feeds_feed")',
            "runs SQL that may take away what the release before still uses (DROP)",
            "it runs SQL without reverse_sql",
        ),
    ],
)
def test_what_is_removed_is_lost_as_well(machine: Machine, operation: str, removed: str, lost: str) -> None:
    plan = machine.plan(operation)
    assert plan.destructive == (f"{M} {removed}",)
    assert plan.irreversible == (f"{M} cannot be undone: {lost}",)
    assert plan.summary == (f"1 migration to run: {M}", f"{M} {removed}", f"{M} cannot be undone: {lost}")


def test_code_without_a_way_back_cannot_be_undone_and_is_not_run(machine: Machine) -> None:
    plan = machine.plan("migrations.RunPython(fill)")
    assert plan.irreversible == (f"{M} cannot be undone: it runs the function fill without reverse_code",)
    assert (plan.destructive, plan.unknown, plan.blocks_going_back) == ((), (), True)


def test_other_sql_cannot_be_judged(machine: Machine) -> None:
    plan = machine.plan('migrations.RunSQL("UPDATE feeds_feed SET rank = 1", "select 1")')
    assert plan.unknown == (f"{M} runs SQL that Pawl cannot judge",)
    assert (plan.destructive, plan.irreversible, plan.blocks_going_back) == ((), (), False)


def test_operations_that_are_not_djangos_cannot_be_judged(machine: Machine) -> None:
    plan = machine.plan("Unheard()", "Final()")
    assert plan.unknown == (
        f"{M} does Unheard, an operation that Pawl cannot judge",
        f"{M} does Final, an operation that Pawl cannot judge",
    )
    assert plan.irreversible == (f"{M} cannot be undone: it does Final, which has no way back",)


def test_what_the_same_plan_has_added_is_free_to_be_changed(machine: Machine) -> None:
    plan = machine.plan(
        'migrations.CreateModel("New", [("id", models.AutoField(primary_key=True)), ("a", models.IntegerField())])',
        'migrations.AddField("New", "b", models.IntegerField(default=0))',
        'migrations.RemoveField("New", "a")',
        'migrations.RenameModel("New", "Newer")',
        'migrations.AddConstraint("Newer", models.UniqueConstraint(fields=["b"], name="one_b"))',
        'migrations.DeleteModel("Newer")',
        'migrations.AddField("Feed", "seen", models.IntegerField(null=True))',
        'migrations.RenameField("Feed", "seen", "read")',
        'migrations.AlterField("Feed", "read", models.TextField(null=True))',
        'migrations.RemoveField("Feed", "read")',
        'migrations.AddField("Feed", "more", models.ManyToManyField("feeds.Author", related_name="+"))',
        'migrations.RemoveField("Feed", "more")',
    )
    assert (plan.trouble, plan.destructive, plan.irreversible, plan.unknown) == ("", (), (), ())


def test_a_new_field_that_becomes_not_null_later_in_the_plan_is_found(machine: Machine) -> None:
    plan = machine.plan(
        'migrations.AddField("Feed", "kind", models.CharField(max_length=9, null=True))',
        "migrations.RunPython(fill, migrations.RunPython.noop)",
        'migrations.AlterField("Feed", "kind", models.CharField(max_length=9))',
    )
    assert plan.destructive == (f"{M} makes the new field Feed.kind (table feeds_feed, column kind) one {NEEDS}",)
    assert plan.irreversible == ()
