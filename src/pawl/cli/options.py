"""What several commands share: the client of this home, and options."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from pawl.client.api import Client
from pawl.errors import encodable
from pawl.home import Home

Command = TypeVar("Command", bound=Callable[..., Any])


def home() -> Home:
    """The state folder this command works on."""
    return Home.from_environ(os.environ)


def client() -> Client:
    """The client of this home's pawld."""
    return Client(home())


def json_option(command: Command) -> Command:
    """``--json``: one object in place of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def asked_by() -> str:
    """Who runs this command: the login name."""
    return encodable(os.environ.get("SUDO_USER") or os.environ.get("USER") or os.environ.get("LOGNAME") or "")
