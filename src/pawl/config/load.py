"""From the texts of a ``pawl.toml`` and a ``Procfile`` to an :class:`AppConfig`, or to every fault in them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from pawl.config import procfile, sections, values
from pawl.config.lines import Lines
from pawl.config.names import app_name_fault, app_name_from_folder
from pawl.config.place import Place
from pawl.config.problems import Problem, Problems, fail
from pawl.config.schema import WEB, AppConfig, Process, ReleaseTasks
from pawl.errors import ConfigError, UsageError

TOML = "pawl.toml"
PROCFILE = procfile.FILE

_POSITION = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_ADVICE = {
    "invalid value": "a value is missing, or a text needs quotes around it",
    "cannot overwrite a value": "the key is there twice",
    "cannot declare": "the table is there twice",
}


def parse(files: Mapping[str, str], *, folder: str) -> AppConfig:
    """The configuration of an app.

    Args:
        files: the texts under ``pawl.toml`` and ``Procfile``, of which one may be missing; others are not looked at.
            ``pawl.toml`` wins; process types (and the release task) come from the Procfile when it names none.
        folder: the name of the folder, for the app's name where ``pawl.toml`` has none.

    Raises:
        ConfigError: ``what`` is the first fault, ``file:line:`` before it; ``detail`` has the others, one per line.
    """
    if TOML not in files and PROCFILE not in files:
        raise ConfigError("no pawl.toml and no Procfile", next_step="write one with: pawl init")
    problems = Problems()
    text = _plain(files.get(TOML, ""))
    raw = _read_toml(text)
    place = Place(problems, TOML, Lines(text))
    found = sections.read_table(raw, place, _TOP)
    if "processes" not in raw and PROCFILE in files:
        _add_procfile(found, procfile.read(files[PROCFILE], problems))
    _check_web(found, raw, place, source=_source(raw, files))
    if "app" not in raw:
        _add_app(found, folder, problems, file=TOML if TOML in files else PROCFILE)
    problems.raise_if_any()
    return AppConfig(**found)


def _plain(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _read_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        fail(Problem(TOML, None, "nested too deeply to be read"))
    except ValueError as error:
        fail(_syntax_problem(str(error), text))


def _syntax_problem(message: str, text: str) -> Problem:
    match = _POSITION.fullmatch(message)
    if match is None:
        return Problem(TOML, None, f"not valid TOML: {message[:1].lower()}{message[1:]}")
    fault = f"{match[1][:1].lower()}{match[1][1:]}"
    why = next((advice for start, advice in _ADVICE.items() if fault.startswith(start)), "")
    if match[2] is None:
        last_line = text.removesuffix("\n").count("\n") + 1
        return Problem(TOML, last_line, f"not valid TOML at the end of the file: {fault}", why)
    return Problem(TOML, int(match[2]), f"not valid TOML at column {match[3]}: {fault}", why)


def _source(raw: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The file that the process types are to be in."""
    return PROCFILE if "processes" not in raw and PROCFILE in files else TOML


def _add_procfile(found: dict[str, Any], read: procfile.Procfile) -> None:
    found["processes"] = {name: Process(command=command) for name, command in read.processes.items()}
    tasks = found.get("release", ReleaseTasks())
    if read.release and not tasks.tasks:
        found["release"] = msgspec.structs.replace(tasks, tasks=(read.release,))


def _check_web(found: Mapping[str, Any], raw: Mapping[str, Any], place: Place, *, source: str) -> None:
    if WEB in found.get("processes", {}):
        return
    is_known_fault = not isinstance(raw.get("processes", {}), dict)
    if is_known_fault or ("processes" not in raw and place.problems.found):
        return  # what was told already is why there is none
    if source == PROCFILE:
        place.problems.add(Problem(PROCFILE, None, "no web process", next_step="add a line like web: gunicorn app:app"))
    else:
        place.at("processes").fault(
            "no web process: Pawl deploys apps that answer requests",
            next_step='add [processes.web], and in it a line like command = "gunicorn app:app"',
        )


def _add_app(found: dict[str, Any], folder: str, problems: Problems, *, file: str) -> None:
    try:
        found["app"] = app_name_from_folder(folder)
    except UsageError as error:
        problems.add(Problem(file, None, error.what, next_step=error.next_step))


def _app(value: object, place: Place) -> str | None:
    name = values.text(value, place)
    if name is not None and (fault := app_name_fault(name)):
        place.fault(fault, next_step='write it like app = "my-app"')
    return name


_TOP: Mapping[str, values.Reader] = {
    "app": _app,
    "secrets": sections.secrets,
    "build": sections.build,
    "release": sections.release,
    "processes": sections.processes,
    "checks": sections.checks,
    "observe": sections.observe,
    "env": values.environment,
    "domains": sections.domains,
    "targets": sections.targets,
}
