"""A program that runs inside an app's environment and prints what its pending migrations do, as one JSON object.

It belongs to :mod:`pawl.engines.process.migrations` and is run by the app's Python, where Pawl is not installed: it
imports the standard library and, late, the app's Django (3.2 and newer, so the syntax is that of Python 3.8). The
folder to run in holds ``manage.py``. Arguments: ``--settings`` and ``--pythonpath``, as Django's own commands take
them.

``manage.py`` is run as it would be for a release task, with the reading command ``showmigrations`` in its arguments;
what Django would do with that command is replaced, once the settings are loaded, by the reading below.

Keys of the object: ``pending``, ``destructive``, ``irreversible``, ``unknown`` (lists of lines), or ``trouble`` (why
there is no answer, of any length) with ``has_django`` false when Django is not installed.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # before anything else is imported: as `python manage.py` would have it

import importlib
import importlib.util
import json
import re
import runpy
import urllib.parse
from collections.abc import Callable
from typing import Any

ALIAS = "default"
STILL_USES = "which the release before still uses"
MAY_BREAK = "what the release before writes may break it"

_SQL = re.compile(r"\b(?:DROP|RENAME)\b|\bALTER\b[^;]*?\bTYPE\b|\bNOT\s+NULL\b", re.IGNORECASE)
_HARMLESS = frozenset(
    (
        "AddIndex", "RemoveIndex", "RenameIndex", "AlterIndexTogether", "RemoveConstraint", "AlterConstraint",
        "ValidateConstraint", "AlterModelOptions", "AlterModelManagers", "AlterModelTableComment", "CreateExtension",
        "CreateCollation",
    )
)  # fmt: skip
_SIZES = (  # from narrow to wide: a value of one fits into each that follows it
    ("SmallAutoField", "AutoField", "BigAutoField"),
    ("SmallIntegerField", "IntegerField", "BigIntegerField"),
    ("PositiveSmallIntegerField", "PositiveIntegerField", "PositiveBigIntegerField"),
)
_TEXTS = ("CharField", "SlugField", "FileField", "FilePathField")


def django(name: str) -> Any:
    """A module of the app's Django."""
    return importlib.import_module(f"django.{name}")


class Reading:
    """What migrations do to the database that an older release uses, one operation after the other.

    Tables and columns that the pending migrations themselves add are unknown to the older release: what happens to
    them later in the plan does it no harm.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._tables: set[str] = set()
        self._columns: set[tuple[str, str]] = set()
        self._name = ""
        self.pending: list[str] = []
        self.destructive: list[str] = []
        self.irreversible: list[str] = []
        self.unknown: list[str] = []
        self._judges: dict[str, Callable[[Any, str, Any, Any], None]] = {
            "CreateModel": self._create_model,
            "DeleteModel": self._delete_model,
            "RenameModel": self._rename_model,
            "AlterModelTable": self._alter_model_table,
            "AddField": self._add_field,
            "RemoveField": self._remove_field,
            "RenameField": self._rename_field,
            "AlterField": self._alter_field,
            "AddConstraint": self._add_constraint,
            "AlterUniqueTogether": self._alter_unique_together,
            "AlterOrderWithRespectTo": self._alter_order,
            "RunSQL": self._run_sql,
            "RunPython": self._run_python,
        }

    def add(self, migration: Any, state: Any) -> None:
        """Judge a migration; ``state`` is what the models are before it, and becomes what they are after it."""
        self._name = f"{migration.app_label}.{migration.name}"
        self.pending.append(self._name)
        self._add_operations(migration.operations, migration.app_label, state)

    def _add_operations(self, operations: Any, label: str, state: Any) -> None:
        for operation in operations:
            before = state.clone()
            operation.state_forwards(label, state)
            kinds = [kind.__name__ for kind in type(operation).__mro__]
            if "SeparateDatabaseAndState" in kinds:
                self._add_operations(operation.database_operations, label, before)
                continue
            judge = next((self._judges[kind] for kind in kinds if kind in self._judges), None)
            if judge is not None:
                judge(operation, label, before, state)
            elif _HARMLESS.isdisjoint(kinds):
                self._custom(operation)

    def _destructive(self, text: str) -> None:
        self.destructive.append(f"{self._name} {text}")

    def _lost(self, what: str) -> None:
        self.irreversible.append(f"{self._name} cannot be undone: {what}")

    def _old_model(self, operation: Any, label: str, state: Any, name: str) -> Any:
        """The model, or None when nothing of it that the older release knows is in this database."""
        model = state.apps.get_model(label, name)
        is_here = operation.allow_migrate_model(ALIAS, model)
        return model if is_here and _table(model) not in self._tables else None

    def _is_new(self, field: Any) -> bool:
        return (_table(field.model), field.column) in self._columns

    # Models

    def _create_model(self, operation: Any, label: str, _before: Any, after: Any) -> None:
        model = after.apps.get_model(label, operation.name)
        if operation.allow_migrate_model(ALIAS, model):
            throughs = filter(None, map(_own_table, _meta(model).local_many_to_many))
            self._tables.update([_table(model), *throughs])

    def _delete_model(self, operation: Any, label: str, before: Any, _after: Any) -> None:
        if model := self._old_model(operation, label, before, operation.name):
            self._destructive(f"removes the model {_model(model)}, {STILL_USES}")
            self._lost(f"it deletes the rows of {_model(model)}")

    def _rename_model(self, operation: Any, label: str, before: Any, after: Any) -> None:
        new = after.apps.get_model(label, operation.new_name)
        self._rename_table(
            operation, label, before, operation.old_name, new, f"renames the model {{}} to {_model(new)}"
        )

    def _alter_model_table(self, operation: Any, label: str, before: Any, after: Any) -> None:
        new = after.apps.get_model(label, operation.name)
        self._rename_table(
            operation, label, before, operation.name, new, f"moves the model {{}} to table {_table(new)}"
        )

    def _rename_table(self, operation: Any, label: str, before: Any, name: str, new: Any, text: str) -> None:
        model = before.apps.get_model(label, name)
        if _table(model) in self._tables:
            self._tables.add(_table(new))
        elif operation.allow_migrate_model(ALIAS, model) and _table(model) != _table(new):
            self._destructive(f"{text.format(_model(model))}, {STILL_USES} by its old name")

    def _add_constraint(self, operation: Any, label: str, before: Any, _after: Any) -> None:
        if model := self._old_model(operation, label, before, operation.model_name):
            self._destructive(f"adds the constraint {operation.constraint.name} to {_model(model)}: {MAY_BREAK}")

    def _alter_unique_together(self, operation: Any, label: str, before: Any, _after: Any) -> None:
        if model := self._old_model(operation, label, before, operation.name):
            known = {tuple(names) for names in _meta(model).unique_together}
            for names in sorted({tuple(names) for names in operation.option_value or ()} - known):
                self._destructive(f"makes {', '.join(names)} unique together in {_model(model)}: {MAY_BREAK}")

    def _alter_order(self, operation: Any, label: str, before: Any, after: Any) -> None:
        """Django keeps the order in a column of its own, which may not be null."""
        if self._old_model(operation, label, before, operation.name):
            old, new = (_field(state, label, operation.name, "_order") for state in (before, after))
            if old and not new:
                self._drop(old)
            elif new and not old:
                self._add(new)

    # Fields

    def _add_field(self, operation: Any, label: str, before: Any, after: Any) -> None:
        if self._old_model(operation, label, before, operation.model_name):
            field = _field(after, label, operation.model_name, operation.name)
            if through := _own_table(field):
                self._tables.add(through)
            elif self._type(field):
                self._add(field)

    def _add(self, field: Any) -> None:
        self._columns.add((_table(field.model), field.column))
        if _needs_value(field):
            self._destructive(f"adds the field {_column(field)} {_WITHOUT_DEFAULT}")
        elif field.unique and _has_db_default(field):
            self._destructive(
                f"adds the unique field {_column(field)}, whose database default is the same in each row "
                "that the release before inserts"
            )

    def _remove_field(self, operation: Any, label: str, before: Any, _after: Any) -> None:
        if self._old_model(operation, label, before, operation.model_name):
            field = _field(before, label, operation.model_name, operation.name)
            through = _own_table(field)
            if through and through not in self._tables:
                self._destructive(f"removes the field {_name(field)} (table {through}), {STILL_USES}")
                self._lost(f"it deletes the rows of {_name(field)} (table {through})")
            elif not through and self._type(field):
                self._drop(field)

    def _drop(self, field: Any) -> None:
        if not self._is_new(field):
            self._destructive(f"removes the field {_column(field)}, which the release before still reads")
            self._lost(f"it deletes the values of {_column(field)}")

    def _rename_field(self, operation: Any, label: str, before: Any, after: Any) -> None:
        if self._old_model(operation, label, before, operation.model_name):
            old = _field(before, label, operation.model_name, operation.old_name)
            new = _field(after, label, operation.model_name, operation.new_name)
            if self._is_new(old):
                self._columns.add((_table(new.model), new.column))
            elif _own_table(old) != _own_table(new):
                text = f"renames the field {_name(old)} (table {_own_table(old)}) to {new.name}"
                self._destructive(f"{text} (table {_own_table(new)}), {STILL_USES} by its old name")
            elif old.column != new.column:
                text = f"renames the field {_column(old)} to {new.name} (column {new.column})"
                self._destructive(f"{text}, which the release before still reads by its old name")

    def _alter_field(self, operation: Any, label: str, before: Any, after: Any) -> None:
        if self._old_model(operation, label, before, operation.model_name):
            old, new = (_field(state, label, operation.model_name, operation.name) for state in (before, after))
            if self._is_new(old):
                self._columns.add((_table(new.model), new.column))
                if _needs_value(new) and not _needs_value(old):
                    self._destructive(f"makes the new field {_column(new)} one {_WITHOUT_DEFAULT}")
            elif changes := self._changes(old, new):
                text = f"alters the field {_column(old)}: {', '.join(changes)}"
                self._destructive(f"{text}; the release before uses it as it was")

    def _changes(self, old: Any, new: Any) -> list[str]:
        """What becomes of a column, in words; what an older release would not notice is left out."""
        if _own_table(old) or _own_table(new):
            tables = f"{_own_table(old)} becomes {_own_table(new)}"
            return [] if _own_table(old) == _own_table(new) else [f"table {tables}"]
        old_type, new_type = self._type(old), self._type(new)
        if not (old_type and new_type):
            return [] if old_type == new_type else [f"type {old_type} becomes {new_type}"]
        found = {
            f"column {old.column} becomes {new.column}": old.column != new.column,
            f"type {old_type} becomes {new_type}": old_type != new_type and not _is_wider(old, new),
            "it may no longer be null": old.null and not new.null,
            "it becomes unique": new.unique and not old.unique,
            "its database default goes": _has_db_default(old) and _needs_value(new),
            f"it points at table {_points_at(new)}": bool(_points_at(new)) and _points_at(old) != _points_at(new),
        }
        return [text for text, is_so in found.items() if is_so]

    def _type(self, field: Any) -> str | None:
        """The type of its column; None when it has none."""
        kind: str | None = field.db_parameters(connection=self._connection)["type"]
        return kind

    # Code and SQL

    def _run_sql(self, operation: Any, label: str, _before: Any, _after: Any) -> None:
        text = _sql_text(operation.sql)
        if not text.strip() or not self._is_run(operation, label):
            return
        if words := list(dict.fromkeys(" ".join(found.split()).upper() for found in _SQL.findall(text))):
            shown = ", ".join(word if len(word) < 30 else "ALTER … TYPE" for word in words)
            self._destructive(f"runs SQL that may take away what the release before still uses ({shown})")
        else:
            self.unknown.append(f"{self._name} runs SQL that Pawl cannot judge")
        if not operation.reversible:
            self._lost("it runs SQL without reverse_sql")

    def _run_python(self, operation: Any, label: str, _before: Any, _after: Any) -> None:
        is_noop = operation.code is type(operation).noop
        if not operation.reversible and not is_noop and self._is_run(operation, label):
            self._lost(f"it runs the function {getattr(operation.code, '__name__', '?')} without reverse_code")

    def _is_run(self, operation: Any, label: str) -> bool:
        return bool(django("db").router.allow_migrate(ALIAS, label, **operation.hints))

    def _custom(self, operation: Any) -> None:
        kind = type(operation).__name__
        self.unknown.append(f"{self._name} does {kind}, an operation that Pawl cannot judge")
        if not operation.reversible:
            self._lost(f"it does {kind}, which has no way back")


_WITHOUT_DEFAULT = "that may not be null and has no database default: what the release before inserts would fail"


def _field(state: Any, label: str, model: str, name: str) -> Any:
    """The field of that name; None when there is none."""
    meta = _meta(state.apps.get_model(label, model))
    return next(
        (field for field in meta.get_fields() if field.name.lower() == name.lower() and not _is_back(field)), None
    )


def _is_back(field: Any) -> bool:
    return bool(field.auto_created and not field.concrete)


def _own_table(field: Any) -> str | None:
    """The table of a many-to-many field that Django made for it; None for any other field."""
    if not field.many_to_many:
        return None
    through = field.remote_field.through
    return _table(through) if _meta(through).auto_created else None


def _has_db_default(field: Any) -> bool:
    missing = django("db.models").NOT_PROVIDED
    return getattr(field, "db_default", missing) is not missing  # Django 5.0 and newer


def _needs_value(field: Any) -> bool:
    is_filled = _has_db_default(field) or getattr(field, "generated", False)
    return not (field.null or is_filled or field.get_internal_type() in _SIZES[0])


def _is_wider(old: Any, new: Any) -> bool:
    """Whether every value of the old column fits into the new one, so that an older release notices nothing."""
    while old.remote_field and new.remote_field:  # a foreign key is as wide as what it points at
        old, new = old.target_field, new.target_field
    before, after = old.get_internal_type(), new.get_internal_type()
    if before in _TEXTS and after in _TEXTS:
        return new.max_length is None or (old.max_length is not None and new.max_length >= old.max_length)
    if before in _TEXTS and after == "TextField":
        return True
    return any(before in sizes and after in sizes[sizes.index(before) :] for sizes in _SIZES)


def _points_at(field: Any) -> str | None:
    """The table that a foreign key's constraint names."""
    is_held = bool(field.remote_field) and getattr(field, "db_constraint", False)
    return _table(field.remote_field.model) if is_held else None


def _sql_text(sql: Any) -> str:
    parts = sql if isinstance(sql, (list, tuple)) else [sql]
    return ";\n".join(str(part[0] if isinstance(part, (list, tuple)) else part) for part in parts)


def _meta(model: Any) -> Any:
    return model._meta  # noqa: SLF001  documented by Django, in spite of its name


def _table(model: Any) -> str:
    return str(_meta(model).db_table)


def _model(model: Any) -> str:
    return f"{_meta(model).object_name} (table {_table(model)})"


def _name(field: Any) -> str:
    return f"{_meta(field.model).object_name}.{field.name}"


def _column(field: Any) -> str:
    return f"{_name(field)} (table {_table(field.model)}, column {field.column})"


def read() -> dict[str, list[str]]:
    """What the pending migrations of the database ``default`` do; Django is set up."""
    connection = django("db").connections[ALIAS]
    executor = _executor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    pending = {migration for migration, _ in executor.migration_plan(leaves)}
    reading = Reading(connection)
    if pending:
        everything = [migration for migration, _ in executor.migration_plan(leaves, clean_start=True)]
        state = django("db.migrations.state").ProjectState(real_apps=executor.loader.unmigrated_apps)
        for migration in everything:
            if migration not in pending:
                migration.mutate_state(state, preserve=False)
        state.apps  # noqa: B018  rendered once here, it is carried along; left out, each operation would render it
        for migration in everything:
            if migration in pending:
                reading.add(migration, state)
    return {
        "pending": reading.pending,
        "destructive": reading.destructive,
        "irreversible": reading.irreversible,
        "unknown": reading.unknown,
    }


def _executor(connection: Any) -> Any:
    """Django's own reader of migrations, which has asked the database for those that were applied, and for no more."""
    executor = django("db.migrations.executor").MigrationExecutor
    if connection.vendor == "sqlite":
        return executor(connection if _make_read_only(connection) else None)
    if connection.vendor != "postgresql":
        return executor(connection)
    with django("db.transaction").atomic(using=ALIAS):
        with connection.cursor() as cursor:  # for this transaction only: behind a pooler, a session is not ours
            cursor.execute("SET TRANSACTION READ ONLY")
        return executor(connection)


def _make_read_only(connection: Any) -> bool:
    """Have SQLite open its file for reading; False when there is no file, which opening would make."""
    settings = connection.settings_dict
    name = os.fspath(settings["NAME"])
    if name == ":memory:" or name.startswith("file:"):
        return True
    if not os.path.exists(name):
        return False
    connection.close()
    settings["NAME"] = f"file:{urllib.parse.quote(os.path.abspath(name))}?mode=ro"
    settings["OPTIONS"] = {key: value for key, value in settings["OPTIONS"].items() if key != "init_command"}
    return True


def answer() -> dict[str, Any]:
    """Run manage.py up to the moment when Django is set up, and read; never raises."""
    if importlib.util.find_spec("django") is None:
        return {"has_django": False, "trouble": "Django is not in the release's environment"}
    found: dict[str, Any] = {}

    class Command:
        """Stands in for the command that manage.py was asked for."""

        def run_from_argv(self, _argv: list[str]) -> None:
            found.update(_guarded(read))

    def fetch_command(utility: Any, _name: str) -> Command:
        if utility.settings_exception is not None:
            raise utility.settings_exception
        return Command()

    def run() -> dict[str, Any]:
        django("core.management").ManagementUtility.fetch_command = fetch_command
        runpy.run_path(os.path.abspath("manage.py"), run_name="__main__")
        return {"trouble": "manage.py did not come to Django's commands"}

    trouble = _guarded(run)
    return found or trouble


def _guarded(action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return action()
    except BaseException as error:  # noqa: BLE001  settings are free to raise anything, SystemExit included
        return {"trouble": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Print the answer; whatever the app prints goes nowhere, so that the answer stands alone."""
    stdout = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.argv = ["manage.py", "showmigrations", *sys.argv[1:]]
    with os.fdopen(stdout, "w", encoding="utf-8") as out:
        json.dump(answer(), out)


if __name__ == "__main__":
    main()
