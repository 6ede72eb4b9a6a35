"""A path in an app's sources that looks made for health checks, found by text search."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pawl.config.sources import read_text

_WORDS = ("healthz", "health", "up", "ping", "livez")
_DJANGO = re.compile(rf"""\b(?:re_)?path\(\s*r?["']\^?({"|".join(_WORDS)})(/?)\$?["']""")
_INCLUDED = re.compile(r"""\b(?:re_)?path\(\s*r?["']\^?["']\s*,\s*include\(\s*\(?\s*["'](\w[\w.]*)["']""")
_ROUTE = re.compile(
    rf"""\b(?:route|get|Route|add_route|add_api_route|add_url_rule)\(\s*["']/({"|".join(_WORDS)})(/?)["']"""
)


def in_django(home: Path, project: str) -> str | None:
    """The path in the project's ``urls.py`` and in what it includes without a prefix."""
    modules = [f"{project}.urls"]
    files: list[Path] = []
    for module in modules:  # grows while it is gone through
        file = home.joinpath(*module.split(".")).with_suffix(".py")
        if file not in files:
            files.append(file)
            modules.extend(_INCLUDED.findall(read_text(file)))
    return _best(_DJANGO, files)


def in_files(files: Iterable[Path]) -> str | None:
    """The path of a route in the first file that has one; files that give their routes a prefix are left out."""
    return next((path for file in files if (path := _best(_ROUTE, [file])) and "prefix" not in read_text(file)), None)


def _best(pattern: re.Pattern[str], files: Iterable[Path]) -> str | None:
    found = {match[1]: match[2] for file in files for match in pattern.finditer(read_text(file))}
    return next((f"/{word}{found[word]}" for word in _WORDS if word in found), None)
