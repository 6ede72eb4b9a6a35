"""What the pending migrations of a Django app will do, read before a deploy runs them.

``django_plan.py`` does the reading, in the release's own environment; here it is started and its answer understood.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pawl import runner
from pawl.engines.base import MigrationPlan
from pawl.engines.process.plans import MARK, Plan
from pawl.errors import CommandFailed, CommandTimedOut

TIMEOUT_S = 30.0
_PROGRAM = Path(__file__).with_name("django_plan.py")
_MIGRATE = re.compile(r"(?<![\w-])migrate(?![\w-])")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=[^$`]*")
_LONGEST = 300


class _Answer(msgspec.Struct, frozen=True):
    pending: tuple[str, ...] = ()
    destructive: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    trouble: str = ""
    has_django: bool = True


async def read(plan: Plan, *, mark: str, timeout_s: float = TIMEOUT_S) -> MigrationPlan | None:
    """The migrations that a release's tasks will run, and what they do to the release that still serves meanwhile.

    None when no release task runs ``migrate``, or the release is no Django app: no ``manage.py`` at the top of its
    source, or one of something else. Only the database ``default`` is looked at; a task that migrates one app or to
    one migration is taken for one that migrates everything.

    Nothing is changed: of the database only Django's table of applied migrations is read, SQLite is opened read-only
    (a file that does not exist is not made), PostgreSQL is asked in a read-only transaction. The app's settings and
    ``AppConfig.ready`` are run as for any of its commands.

    Never raises for what the app does: ``trouble`` says why there is no answer. Takes at most ``timeout_s``. ``mark``
    is the ``PAWL_MARK`` of the process.
    """
    task = next((task for task in plan.config.release.tasks if _MIGRATE.search(task)), None)
    manage = plan.source / "manage.py"
    if task is None or not manage.is_file():
        return None
    variables, options = _given(task)
    try:
        done = await runner.run(
            ["python", str(_PROGRAM), *options],
            cwd=plan.source,
            env={**plan.environ, **variables, MARK: mark},
            timeout_s=timeout_s,
            check=False,
        )
        answer = msgspec.json.decode(done.output, type=_Answer)
    except CommandFailed as error:
        is_late = isinstance(error, CommandTimedOut)
        return MigrationPlan(trouble=f"it took longer than {timeout_s:g} s" if is_late else _line(plan, str(error)))
    except msgspec.DecodeError:
        return MigrationPlan(trouble=f"manage.py {runner.exit_text(done.exit_status)} before it came to an answer")
    if not answer.has_django and "django" not in manage.read_text("utf-8", "replace").lower():
        return None
    if answer.trouble:
        return MigrationPlan(trouble=_line(plan, answer.trouble))
    return MigrationPlan(
        pending=_masked(plan, answer.pending),
        destructive=_masked(plan, answer.destructive),
        irreversible=_masked(plan, answer.irreversible),
        unknown=_masked(plan, answer.unknown),
    )


def _line(plan: Plan, text: str) -> str:
    """The first line of a text; masked before it is cut, for half a secret would not be known for one."""
    lines = plan.redactor.text(text).strip().splitlines() or ["no reason was given"]
    return lines[0] if len(lines[0]) <= _LONGEST else f"{lines[0][:_LONGEST]}…"


def _masked(plan: Plan, lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(plan.redactor.text, lines))


def _given(task: str) -> tuple[Mapping[str, str], list[str]]:
    """What a task's own words say of the settings: variables set before the command, ``--settings``, ``--pythonpath``.

    Words that a shell would have to expand are left out.
    """
    lexer = shlex.shlex(task, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if set(word) <= set(";|&()"):
                commands.append([])
            else:
                commands[-1].append(word)
    except ValueError:  # a quote that is not closed: the shell will say so when the task runs
        return {}, []
    words = next((command for command in commands if "migrate" in command), [])
    variables: dict[str, str] = {}
    for word in words:
        if not _ASSIGNMENT.fullmatch(word):
            break
        name, _, value = word.partition("=")
        variables[name] = value
    return variables, _options(words)


def _options(words: list[str]) -> list[str]:
    options = []
    for name in ("--settings", "--pythonpath"):
        for word, following in zip(words, [*words[1:], ""], strict=True):
            value = following if word == name else word.removeprefix(f"{name}=")
            if word.partition("=")[0] == name and value and "$" not in value:
                options.append(f"{name}={value}")
    return options
