"""What ``pawl up`` told about this machine, kept so that the next start needs no options."""

from __future__ import annotations

import os

import msgspec

from pawl.errors import StateError
from pawl.home import Home
from pawl.proxy.routes import Machine


def read(home: Home) -> Machine:
    """The machine's settings; the defaults where none were kept.

    Raises:
        StateError: the file is broken.
    """
    try:
        return msgspec.json.decode(home.machine.read_bytes(), type=Machine)
    except FileNotFoundError:
        return Machine()
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise StateError(
            f"{home.machine} cannot be read", why=str(error), next_step="delete it and give the options again: pawl up"
        ) from error


def write(home: Home, machine: Machine) -> None:
    """Keep the settings for the next start."""
    temporary = home.machine.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(machine)))
    os.replace(temporary, home.machine)
