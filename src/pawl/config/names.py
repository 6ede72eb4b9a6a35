"""Which names apps, process types and environment variables may have.

A ``*_fault`` function answers with what is wrong, or None; a ``check_*`` function raises it.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

from pawl.errors import UsageError

_APP_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_APP_NAME_LENGTH = 40
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

RESERVED_PROCESSES = ("build", "test", "release", "task", "all")
RESERVED_ENV = ("PORT", "SOCKET")
RESERVED_ENV_PREFIX = "PAWL_"

_SHOWN_LENGTH = 60
_APP_RULE = "lower-case letters, digits and '-', at most 40, a letter first and no '-' last"


def shown(text: str) -> str:
    """The text in quotes, cut to a length that fits into a message, control characters escaped."""
    return repr(text) if len(text) <= _SHOWN_LENGTH else repr(text[: _SHOWN_LENGTH - 1] + "…")


def app_name_fault(name: str) -> str | None:
    """What keeps a text from being an app's name: it becomes a folder, a DNS label and an argument."""
    if _APP_NAME.fullmatch(name):
        return None
    return f"{shown(name)} cannot be an app's name: it must be {_APP_RULE}"


def check_app_name(name: str) -> str:
    """The name itself.

    Raises:
        UsageError: it is not a DNS label of at most 40 characters that begins with a letter.
    """
    if fault := app_name_fault(name):
        raise UsageError(fault, next_step="choose a name like my-app")
    return name


def app_name_from_folder(folder_name: str) -> str:
    """The app's name that a folder's name suggests.

    >>> app_name_from_folder("My App_2")
    'my-app-2'

    Raises:
        UsageError: no letter of it can be used.
    """
    plain = unicodedata.normalize("NFKD", PurePath(folder_name).name)
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower())
    slug = slug.lstrip("-0123456789")[:_APP_NAME_LENGTH].rstrip("-")
    if not slug:
        raise UsageError(
            f"no app's name can be made of the folder name {shown(folder_name)}",
            next_step='set it at the top of pawl.toml: app = "my-app"',
        )
    return slug


def process_name_fault(name: str) -> str | None:
    """What keeps a text from being a process type's name."""
    if not _PLAIN_NAME.fullmatch(name):
        return (
            f"{shown(name)} cannot name a process type: it must be lower-case letters, digits, '_' and '-', "
            "at most 31, a letter first"
        )
    if name in RESERVED_PROCESSES:
        return f"{name!r} cannot name a process type: the word is reserved"
    return None


def target_name_fault(name: str) -> str | None:
    """What keeps a text from being a target's name."""
    if _PLAIN_NAME.fullmatch(name):
        return None
    return (
        f"{shown(name)} cannot name a target: it must be lower-case letters, digits, '_' and '-', at most 31, "
        "a letter first"
    )


def env_name_fault(name: str) -> str | None:
    """What keeps a text from naming an environment variable that the app's author may set."""
    if not _ENV_NAME.fullmatch(name):
        return f"{shown(name)} cannot name an environment variable: it must be letters, digits and '_', no digit first"
    if name in RESERVED_ENV or name.startswith(RESERVED_ENV_PREFIX):
        return f"{shown(name)} is set by Pawl itself (PORT, SOCKET and PAWL_* are reserved)"
    return None


def check_env_name(name: str) -> str:
    """The name itself.

    Raises:
        UsageError: it is no name for an environment variable, or one that Pawl sets itself.
    """
    if fault := env_name_fault(name):
        raise UsageError(fault, next_step="choose a name like DATABASE_URL")
    return name
