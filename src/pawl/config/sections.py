"""Readers of the tables of a ``pawl.toml``: which keys each has, and what must fit together inside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pawl.config import hints, values
from pawl.config.names import check_env_name, process_name_fault, shown, target_name_fault
from pawl.config.place import Place, shown_value
from pawl.config.schema import (
    ENGINES,
    ENGINES_HERE,
    HTTPS_MODES,
    LISTENS,
    OBSERVE_MODES,
    WEB,
    Build,
    Checks,
    Domains,
    Health,
    Observe,
    Process,
    ReleaseTasks,
    Target,
)

_DAY_S = 86_400
_HOUR_S = 3_600


def read_table(value: object, place: Place, fields: Mapping[str, values.Reader]) -> dict[str, Any]:
    """The good values of a table; unknown keys and bad values are told."""
    if not isinstance(value, dict):
        _no_table(value, place)
        return {}
    good: dict[str, Any] = {}
    for key, item in value.items():
        here = place.at(key)
        if reader := fields.get(key):
            found = reader(item, here)
            if found is not None:
                good[key] = found
        else:
            why = hints.hint(key, known=tuple(fields), table=place.name, value=item)
            here.fault(_unknown(key, item, place), why=why)
    return good


def _unknown(key: str, value: object, place: Place) -> str:
    if isinstance(value, dict):
        return f"unknown table [{place.at(key).name}]"
    return f"unknown key {shown(key)} {f'in [{place.name}]' if place.path else 'at the top of the file'}"


def _no_table(value: object, place: Place) -> None:
    next_step = f"write it as a table: [{place.name}]"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        next_step = f"write it once, with single brackets: [{place.name}]"
    place.wrong(f"must be a table, not {shown_value(value)}", next_step=next_step)


def _named_tables(
    value: object, place: Place, read: Callable[[str, object, Place], Any], *, example: str
) -> dict[str, Any]:
    """A table of tables whose names are the author's choice."""
    if not isinstance(value, dict):
        place.wrong(
            f"must be a table, not {shown_value(value)}", next_step=f"write a table for each: [{place.name}.{example}]"
        )
        return {}
    return {name: read(name, item, place.at(name)) for name, item in value.items()}


def build(value: object, place: Place) -> Build:
    """The ``[build]`` table."""
    return Build(**read_table(value, place, _BUILD))


def release(value: object, place: Place) -> ReleaseTasks:
    """The ``[release]`` table."""
    return ReleaseTasks(**read_table(value, place, _RELEASE))


def health(value: object, place: Place) -> Health:
    """A ``health`` table, or its short form: the path alone."""
    if isinstance(value, str):
        return Health(path=values.url_path(value, place))
    if not isinstance(value, dict):
        place.wrong(f'must be a path like "/healthz" or a table, not {shown_value(value)}')
        return Health()
    if "path" not in value:
        for key in ("status", "content"):
            if key in value:
                place.at(key).wrong("means nothing without a path", next_step='add path = "/healthz" to the same table')
    return Health(**read_table(value, place, _HEALTH))


def processes(value: object, place: Place) -> dict[str, Process]:
    """The ``[processes]`` table."""
    return _named_tables(value, place, _process, example=WEB)


def _process(name: str, value: object, place: Place) -> Process:
    if fault := process_name_fault(name):
        _bad_process_name(name, fault, place)
    if isinstance(value, str):
        place.wrong("must be a table, not text", next_step=f"write [{place.name}], and in it command = ...")
        return Process(command=value)
    found = read_table(value, place, _PROCESS)
    if isinstance(value, dict) and not any(hints.is_meant(key, "command") for key in value):
        place.fault(f"[{place.name}] has no command", next_step='add a line like command = "gunicorn app:app"')
    process = Process(**{"command": "", **found})
    _check_fit(name, process, place, given=found)
    return process


def _bad_process_name(name: str, fault: str, place: Place) -> None:
    if name == "release":
        place.fault(fault, next_step='release tasks are written [release], and in it tasks = ["..."]')
    elif name == "test":
        place.fault(fault, next_step="the test command is written as test = ... in [build]")
    else:
        place.fault(fault, next_step="give it another name, like worker")


def _check_fit(name: str, process: Process, place: Place, *, given: Mapping[str, object]) -> None:
    if name != WEB:
        _check_needs_no_address(process, place, given=given)
    if process.singleton and name == WEB:
        place.at("singleton").wrong(
            "cannot be true: the old web instance must serve until the new one is healthy",
            next_step="remove the line; other process types may be singletons",
        )
    elif process.singleton and process.instances > 1:
        place.at("singleton").wrong(
            f"cannot be true with {process.instances} instances", next_step="write instances = 1 or remove singleton"
        )


def _check_needs_no_address(process: Process, place: Place, *, given: Mapping[str, object]) -> None:
    """Only ``web`` is given an address, so nothing can be asked of another process type, nor sent to it."""
    for key in ("listen", "keep_warm_s"):
        if key in given:
            place.at(key).wrong(f"is only for [processes.{WEB}]", next_step="remove the line")
    if process.health.path is not None:
        place.at("health").at("path").fault(
            f"{place.name}.health cannot have a path: only [processes.{WEB}] is given an address",
            next_step="remove it; uptime_s says how long the process must stay up to be healthy",
        )


def checks(value: object, place: Place) -> Checks:
    """The ``[checks]`` table."""
    return Checks(**read_table(value, place, _CHECKS))


def observe(value: object, place: Place) -> Observe:
    """The ``[observe]`` table."""
    return Observe(**read_table(value, place, _OBSERVE))


def domains(value: object, place: Place) -> Domains:
    """The ``[domains]`` table."""
    return Domains(**read_table(value, place, _DOMAINS))


def targets(value: object, place: Place) -> dict[str, Target]:
    """The ``[targets]`` table."""
    return _named_tables(value, place, _target, example="production")


def _target(name: str, value: object, place: Place) -> Target:
    if fault := target_name_fault(name):
        place.fault(fault, next_step="give it another name, like production")
    return Target(**read_table(value, place, _TARGET))


def _engine(value: object, place: Place) -> str | None:
    engine = values.choice(ENGINES)(value, place)
    if engine is not None and engine not in ENGINES_HERE:
        place.fault(f"engine {engine!r} is not in this version of Pawl", next_step='write engine = "process"')
    return None if engine is None else str(engine)


_BUILD: Mapping[str, values.Reader] = {
    "install": values.text,
    "python": values.python_version,
    "test": values.optional_text,
    "env": values.environment,
    "timeout_s": values.seconds(1, _DAY_S),
}
_RELEASE: Mapping[str, values.Reader] = {
    "tasks": values.texts,
    "timeout_s": values.seconds(1, _DAY_S),
}
_HEALTH: Mapping[str, values.Reader] = {
    "path": values.url_path,
    "attempts": values.whole(1, 1000),
    "interval_s": values.seconds(0.05, _HOUR_S),
    "timeout_s": values.seconds(0.1, _HOUR_S),
    "status": values.statuses,
    "content": values.text,
    "uptime_s": values.seconds(0, _HOUR_S),
    "start_timeout_s": values.seconds(0.1, _HOUR_S),
}
_PROCESS: Mapping[str, values.Reader] = {
    "command": values.text,
    "instances": values.whole(0, 100),
    "health": health,
    "singleton": values.flag,
    "memory": values.memory,
    "stop_timeout_s": values.seconds(0, _HOUR_S),
    "listen": values.choice(LISTENS),
    "keep_warm_s": values.seconds(0, _DAY_S),
}
_CHECKS: Mapping[str, values.Reader] = {"after_switch": values.url_paths}
_OBSERVE: Mapping[str, values.Reader] = {
    "mode": values.choice(OBSERVE_MODES),
    "duration_s": values.seconds(10, _HOUR_S),
    "canary": values.percents,
    "canary_step_s": values.seconds(5, _HOUR_S),
}
_DOMAINS: Mapping[str, values.Reader] = {
    "names": values.host_names,
    "https": values.choice(HTTPS_MODES),
}
_TARGET: Mapping[str, values.Reader] = {"engine": _engine}

secrets = values.each(check_env_name)
