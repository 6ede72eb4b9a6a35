"""Releases on disk: ``releases/ID/app`` holds a commit's files, ``releases/ID/release.json`` what it was built from.

A release is laid out beside its name and moved there whole, so that a folder with a ``release.json`` is complete.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from pawl.config.load import parse
from pawl.config.schema import AppConfig
from pawl.errors import UsageError
from pawl.model import Commit


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a release was built from; ``files`` are the texts of pawl.toml and Procfile, ``folder`` names the app."""

    commit: Commit
    folder: str
    files: dict[str, str]
    environment: str
    is_tested: bool = False


class Releases:
    """The releases of one app."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._configs: dict[str, AppConfig] = {}

    def source(self, release: str) -> Path:
        """Where the commit's files are: the working directory of everything that runs in the release."""
        return self._folder / release / "app"

    def has(self, release: str) -> bool:
        return (self._folder / release / "release.json").exists()

    def manifest(self, release: str) -> Manifest:
        """What a release was built from.

        Raises:
            UsageError: there is no such release (any more).
        """
        try:
            return msgspec.json.decode((self._folder / release / "release.json").read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(
                f"release '{release}' is not on this machine", next_step="deploy its commit again: pawl deploy --rev"
            ) from error

    def config(self, release: str) -> AppConfig:
        """The configuration of a release, as its commit had it."""
        if release not in self._configs:
            manifest = self.manifest(release)
            self._configs[release] = parse(manifest.files, folder=manifest.folder)
        return self._configs[release]

    def begin(self, release: str) -> Path:
        """An empty folder to lay the release out in; what an interrupted build left is removed."""
        building = self._folder / f"{release}.building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        return building

    def abandon(self, release: str) -> None:
        """Remove what a build that failed has laid out."""
        shutil.rmtree(self._folder / f"{release}.building", ignore_errors=True)

    def finish(self, release: str, manifest: Manifest) -> None:
        """Move a release that is laid out to its name."""
        building = self._folder / f"{release}.building"
        (building / "release.json").write_bytes(msgspec.json.encode(manifest))
        shutil.rmtree(self._folder / release, ignore_errors=True)
        os.replace(building, self._folder / release)

    def replace_manifest(self, release: str, manifest: Manifest) -> None:
        path = self._folder / release / "release.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(manifest))
        os.replace(temporary, path)

    def ids(self) -> list[str]:
        """Releases that are complete."""
        if not self._folder.exists():
            return []
        return [path.name for path in self._folder.iterdir() if path.suffix == "" and self.has(path.name)]

    def environments(self) -> set[str]:
        """The keys of the environments that releases use."""
        return {self.manifest(release).environment for release in self.ids()}

    def remove(self, release: str) -> None:
        """Delete a release; its manifest goes first, so that half of one is never taken for a whole."""
        self._configs.pop(release, None)
        folder = self._folder / release
        (folder / "release.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def remove_unfinished(self) -> None:
        """Remove what an interrupted build or removal left; none may be under way."""
        if self._folder.exists():
            for path in self._folder.iterdir():
                if path.suffix or not self.has(path.name):
                    shutil.rmtree(path, ignore_errors=True)
