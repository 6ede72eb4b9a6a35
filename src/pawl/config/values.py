"""Readers of single values: each takes what TOML gave and answers with the checked value, or tells the fault.

A reader answers None when it told a fault, or where the value means "not set".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from pawl.config.hosts import check_host_name
from pawl.config.names import env_name_fault, shown
from pawl.config.place import Place, shown_value
from pawl.errors import UsageError

Reader = Callable[[object, Place], object]

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([KMG]i?B|B)", re.IGNORECASE)
_SMALLEST, _LARGEST = 10**6, 10**15
_PERCENT_STEP = 5
_MOST_PERCENTS = 10
_PATH = re.compile(r"/[!-\"$-~]*")
_PYTHON = re.compile(r"[A-Za-z0-9<>=~/.][A-Za-z0-9<>=~!,.*+@_/-]*")


def text(value: object, place: Place) -> str | None:
    """A text that is not empty."""
    if not isinstance(value, str):
        place.wrong(f"must be text, not {shown_value(value)}", next_step=_quoted(value, place))
    elif not value.strip():
        place.wrong("must not be empty", next_step="write a value, or remove the line")
    elif "\0" in value:
        place.wrong("must not hold a NUL character")
    else:
        return value
    return None


def optional_text(value: object, place: Place) -> str | None:
    """A text; an empty one is None."""
    return None if value == "" else text(value, place)


def flag(value: object, place: Place) -> bool | None:
    """``true`` or ``false``."""
    if isinstance(value, bool):
        return value
    place.wrong(f"must be true or false, not {shown_value(value)}")
    return None


def whole(low: int, high: int) -> Reader:
    """A reader of whole numbers in a range, both ends in it."""

    def read(value: object, place: Place) -> int | None:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        place.wrong(f"must be a whole number from {low} to {high}, not {shown_value(value)}")
        return None

    return read


def seconds(low: float, high: float) -> Reader:
    """A reader of durations in a range, both ends in it."""

    def read(value: object, place: Place) -> float | None:
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        place.wrong(f"must be a number of seconds from {low:g} to {high:g}, not {shown_value(value)}")
        return None

    return read


def choice(options: tuple[str, ...]) -> Reader:
    """A reader of one of a few words."""
    *most, last = (repr(option) for option in options)
    wanted = f"{', '.join(most)} or {last}"

    def read(value: object, place: Place) -> str | None:
        if isinstance(value, str) and value in options:
            return value
        place.wrong(f"must be {wanted}, not {shown_value(value)}")
        return None

    return read


def memory(value: object, place: Place) -> int | None:
    """A size in bytes, from a whole number or a text with a unit."""
    size = value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        size = int(Decimal(match[1]) * _UNITS[match[2].upper()])
    if size is None:
        place.wrong(f'must be a size like "256MB", not {shown_value(value)}', why="units: B, KB, MB, GB, KiB, MiB, GiB")
    elif not _SMALLEST <= size <= _LARGEST:
        place.wrong(f"must be from 1MB to 1000000GB, not {shown_value(value)}", why="a plain number counts bytes")
    else:
        return size
    return None


def url_path(value: object, place: Place) -> str | None:
    """The path of a URL, perhaps with a query."""
    if isinstance(value, str) and _PATH.fullmatch(value):
        return value
    place.wrong(f'must be a path like "/healthz", not {shown_value(value)}', why="it begins with '/' and is all ASCII")
    return None


def url_paths(value: object, place: Place) -> tuple[str, ...] | None:
    """A list of paths of URLs, each once."""
    if not isinstance(value, list):
        place.wrong(
            f"must be a list of paths, not {shown_value(value)}", next_step=f'write {place.path[-1]} = ["/smoketest/"]'
        )
        return None
    found = [url_path(item, place.at(number)) for number, item in enumerate(value)]
    return tuple(dict.fromkeys(path for path in found if path is not None))


def python_version(value: object, place: Place) -> str | None:
    """A Python version as uv takes it, or the path of an interpreter."""
    found = text(value, place)
    if found is None or _PYTHON.fullmatch(found):
        return found
    place.wrong(f'must be a version like "3.12", not {shown(found)}')
    return None


def statuses(value: object, place: Place) -> tuple[int, ...] | None:
    """HTTP statuses: one, or a list of them; each once."""
    items = value if isinstance(value, list) else [value]
    good: list[int] = []
    for number, item in enumerate(items):
        if isinstance(item, int) and not isinstance(item, bool) and 100 <= item <= 599:
            good.append(item)
        else:
            place.at(number).wrong(f"must be an HTTP status from 100 to 599 or a list of them, not {shown_value(item)}")
    return tuple(dict.fromkeys(good))


def percents(value: object, place: Place) -> tuple[int, ...] | None:
    """A list of rising shares of the requests, each a multiple of 5 from 5 to 95; it may be empty."""
    if not isinstance(value, list):
        example = f"[{value}]" if _is_share(value) else "[5, 25, 50]"
        place.wrong(f"must be a list, not {shown_value(value)}", next_step=f"write {place.path[-1]} = {example}")
        return None
    if len(value) > _MOST_PERCENTS:
        place.wrong(f"must have at most {_MOST_PERCENTS} percents, not {len(value)}", next_step="leave some out")
        return None
    good: list[int] = []
    for number, item in enumerate(value):
        here = place.at(number)
        if not _is_share(item):
            _no_share(item, here)
        elif good and item <= good[-1]:
            here.wrong(f"must rise, and {item} comes after {good[-1]}", next_step="write each percent once, in order")
        else:
            good.append(item)
    return tuple(good)


def _is_share(value: object) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole and value in range(_PERCENT_STEP, 100, _PERCENT_STEP)


def _no_share(value: object, place: Place) -> None:
    clause = f"must be multiples of 5 from 5 to 95, not {shown_value(value)}"
    if value == 100:
        place.wrong(clause, why="after the last percent the new release gets all requests anyway")
    else:
        place.wrong(clause, why="they are percents of the requests, which are shared out in twentieths")


def texts(value: object, place: Place) -> tuple[str, ...] | None:
    """A list of texts that are not empty."""
    if not isinstance(value, list):
        example = f'{place.path[-1]} = ["..."]'
        place.wrong(f"must be a list, not {shown_value(value)}", next_step=f"write {example}")
        return None
    return tuple(found for number, item in enumerate(value) if (found := text(item, place.at(number))) is not None)


def each(check: Callable[[str], str]) -> Reader:
    """A reader of lists of texts of which each passes the check, none twice."""

    def read(value: object, place: Place) -> tuple[str, ...] | None:
        found = texts(value, place)
        if found is None or not isinstance(value, list):
            return None
        names: list[str] = []
        for number, item in enumerate(value):
            if item not in found:
                continue
            here = place.at(number)
            try:
                name = check(item)
            except UsageError as error:
                here.fault(f"{place.name}: {error.what}", next_step=error.next_step)
                continue
            if name in names:
                here.fault(f"{place.name}: {shown(item)} is there twice", next_step="remove one of them")
            names.append(name)
        return tuple(names)

    return read


host_names = each(check_host_name)


def environment(value: object, place: Place) -> dict[str, str] | None:
    """A table of environment variables; a value may be empty."""
    if not isinstance(value, dict):
        place.wrong(f"must be a table, not {shown_value(value)}", next_step=f'write [{place.name}] and NAME = "value"')
        return None
    for name, item in value.items():
        here = place.at(name)
        if fault := env_name_fault(name):
            here.fault(f"{place.name}: {fault}", next_step="choose another name")
        elif not isinstance(item, str):
            here.wrong(f"must be text, not {shown_value(item)}", next_step=_quoted(item, here))
        elif "\0" in item:
            here.wrong("must not hold a NUL character")
    return value


def _quoted(value: object, place: Place) -> str:
    """How a value that was meant as text is written."""
    if isinstance(value, dict | list):
        return ""
    if isinstance(value, bool | int | float) and isinstance(place.path[-1], str):
        return f'write {place.path[-1]} = "{shown_value(value)}"'
    return "put it in quotes"
