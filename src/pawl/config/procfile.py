"""Reading a Procfile: ``name: command`` on each line, ``#`` comments and blank lines between."""

from __future__ import annotations

from dataclasses import dataclass, field

from pawl.config.names import process_name_fault, shown
from pawl.config.problems import Problem, Problems

FILE = "Procfile"
RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Procfile:
    """The process types of a Procfile in their order, and its release task (``release:``) if it has one."""

    processes: dict[str, str] = field(default_factory=dict)
    release: str | None = None


def parse(text: str) -> Procfile:
    """
    Raises:
        ConfigError: a line is not ``name: command``, or a name is wrong or there twice. All such lines are told.
    """
    problems = Problems()
    procfile = read(text, problems)
    problems.raise_if_any()
    return procfile


def read(text: str, problems: Problems) -> Procfile:
    """What can be read of the text; what cannot is added to the problems."""
    commands: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, colon, command = (part.strip() for part in stripped.partition(":"))
        problem = _problem(name, command, has_colon=bool(colon), first_line=lines.get(name))
        if problem:
            what, next_step = problem
            problems.add(Problem(FILE, number, what, next_step=next_step))
            continue
        commands[name] = command
        lines[name] = number
    release = commands.pop(RELEASE, None)
    return Procfile(processes=commands, release=release)


def _problem(name: str, command: str, *, has_colon: bool, first_line: int | None) -> tuple[str, str] | None:
    """What is wrong with a line and what to do about it."""
    if not has_colon:
        return f"{shown(name)} is not 'name: command'", "write a line like web: gunicorn app:app"
    if name != RELEASE and (fault := process_name_fault(name)):
        return fault, "write a line like web: gunicorn app:app"
    if not command:
        return f"{name!r} has no command", f"write what it runs behind the colon, or remove the line: {name}: ..."
    if "\0" in command:
        return f"the command of {name!r} holds a NUL character", "remove it"
    if first_line is not None:
        return f"{name!r} is there twice, first on line {first_line}", "give one of them another name"
    return None
