"""What somebody may have meant by a key that is unknown where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from pawl.config.schema import AppConfig, Build, Checks, Domains, Health, Observe, Process, ReleaseTasks, Target

TOP = ""
# Each table under the name an example would give it, with its keys.
_TABLES: Mapping[str, tuple[str, ...]] = {
    TOP: AppConfig.__struct_fields__,
    "build": Build.__struct_fields__,
    "release": ReleaseTasks.__struct_fields__,
    "processes.web": Process.__struct_fields__,
    "processes.web.health": Health.__struct_fields__,
    "checks": Checks.__struct_fields__,
    "observe": Observe.__struct_fields__,
    "domains": Domains.__struct_fields__,
    "targets.production": Target.__struct_fields__,
}
_PLAIN_TOP = ("app", "secrets")
# Words that are nearer to another key in letters than to the one that is meant, by the table they stand in.
_OTHER_WORDS: Mapping[str, Mapping[str, str]] = {
    "observe": {
        "steps": "canary",
        "canary_steps": "canary",
        "percents": "canary",
        "weights": "canary",
        "timeout": "duration_s",
        "timeout_s": "duration_s",
        "enabled": "mode",
    },
}


def hint(key: str, *, known: tuple[str, ...], table: str, value: object) -> str:
    """Advice on an unknown key of a table (``TOP`` for none) that knows these keys."""
    if other := _OTHER_WORDS.get(table, {}).get(_plain(key)):
        return f"did you mean {other!r}?"
    if table == TOP and key == "canary":
        return "it is a list in [observe]: canary = [5, 25, 50]"
    if homes := [home for home, keys in _TABLES.items() if key in keys and not _is_same(home, table)]:
        return _belongs(key, homes)
    if near := get_close_matches(_plain(key), known, n=1):
        return f"did you mean {near[0]!r}?"
    if table == TOP and isinstance(value, dict) and "command" in value:
        return f"a process type is written [processes.{key}]"
    for home, keys in _TABLES.items():
        if near := get_close_matches(_plain(key), keys, n=1, cutoff=0.75):
            return f"did you mean {near[0]!r}? {_belongs(near[0], [home])}"
    return f"known here: {', '.join(known)}"


def is_meant(key: str, known: str) -> bool:
    """Whether a key is a known one, or near enough to be a slip of it."""
    return bool(get_close_matches(_plain(key), [known]))


def _belongs(key: str, homes: list[str]) -> str:
    if TOP not in homes:
        return f"it belongs in {' or '.join(f'[{home}]' for home in homes)}"
    if key in _PLAIN_TOP:
        return "it belongs at the top of the file, before the first table"
    return f"it is a table of its own: [{key}]"


def _is_same(home: str, table: str) -> bool:
    """Whether a table is of the kind that a home is the example of."""
    parts = table.split(".")
    examples = home.split(".")
    return parts[:1] == examples[:1] and len(parts) == len(examples) and parts[2:] == examples[2:]


def _plain(key: str) -> str:
    return key.lower().replace("-", "_")
