"""Settings versions: one file each, mode 0600, never changed once written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pawl.errors import StateError


class Settings(msgspec.Struct, frozen=True):
    """One version: values by name. Secrets win over env; neither is ever written anywhere else."""

    env: dict[str, str] = {}
    secrets: dict[str, str] = {}

    def changed(self, *, what: str, set_values: Mapping[str, str], unset_names: tuple[str, ...] = ()) -> Settings:
        """A new version with values of ``env`` or ``secrets`` set or taken out."""
        old = self.secrets if what == "secrets" else self.env
        new = {name: value for name, value in {**old, **set_values}.items() if name not in unset_names}
        return Settings(self.env, new) if what == "secrets" else Settings(new, self.secrets)


class SettingsFolder:
    """The versions of one app. Version 0 is the empty one and needs no file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, version: int) -> Settings:
        """The values of a version.

        Raises:
            StateError: its file is missing or broken.
        """
        if version == 0:
            return Settings()
        path = self._path(version)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Settings)
        except (OSError, msgspec.DecodeError) as error:
            raise StateError(
                f"settings version {version} cannot be read", why=str(error), next_step=f"restore {path} from a backup"
            ) from error

    def has(self, version: int) -> bool:
        return version == 0 or self._path(version).exists()

    def write(self, version: int, settings: Settings) -> None:
        """Write a version so that it is on disk when this returns; an unannounced file of that number is replaced."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(version)
        temporary = path.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.encode(settings))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _path(self, version: int) -> Path:
        return self._folder / f"{version}.json"
