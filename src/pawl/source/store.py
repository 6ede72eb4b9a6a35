"""The bare repository that holds the commits of every app of a home."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath

from pawl import runner
from pawl.errors import PawlError, UsageError
from pawl.model import Commit

_COMMIT_FORMAT = "%H%x00%s%x00%an%x00%ae%x00%ct%x00%at"
_COMMIT_ID = re.compile(r"[0-9a-f]{40}")
_LFS_POINTER = "version https://git-lfs.github.com/spec/v1"
_LONGEST_LFS_POINTER_BYTES = 1024


class Store:
    """Commits in, trees out. Every method may raise CommandFailed when git itself fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._git_env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(path),  # the user's own git configuration must not change what a release holds
            "GIT_DIR": str(path),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }

    async def create(self) -> None:
        """Make the repository unless it is there.

        Raises:
            PawlError: git is not installed.
        """
        if shutil.which("git") is None:
            raise PawlError("git is not installed", next_step="install it, for example: apt install git")
        if not (self.path / "HEAD").exists():
            await self._git("init", "--quiet", "--bare", str(self.path))
            await self._git("config", "receive.shallowUpdate", "true")

    async def commit(self, sha: str) -> Commit:
        """One commit.

        Raises:
            UsageError: the store has no such commit.
        """
        if not _COMMIT_ID.fullmatch(sha) or not await self.has(sha):
            raise UsageError(f"commit '{sha[:12]}' did not arrive", next_step="push it again: pawl deploy")
        return (await self._log("-1", sha))[0]

    async def between(self, old: str | None, new: str, *, limit: int = 200) -> Sequence[Commit]:
        """The commits that ``new`` has and ``old`` has not, newest first, ``limit`` at most.

        Without ``old``, or with one that the store no longer has, ``new`` alone.
        """
        if old is not None and not await self.has(old):
            old = None
        return await self._log(f"--max-count={limit if old else 1}", new, *([f"^{old}"] if old else []))

    async def has(self, sha: str) -> bool:
        return (await self._git("cat-file", "-e", f"{sha}^{{commit}}", check=False)).exit_status == 0

    async def texts(self, sha: str, names: Sequence[str], *, path: str = "") -> dict[str, str]:
        """The text of those of the named files that the commit has in the folder ``path`` (its top by default).

        Raises:
            UsageError: a file is not UTF-8.
        """
        top = f"{sha}:{path}"
        listed = await self._git("ls-tree", "-z", "--name-only", top, "--", *names, check=False)
        if listed.exit_status != 0:
            raise UsageError(
                f"commit '{sha[:12]}' has no folder '{path[:80]}'", next_step="commit it, then deploy again"
            )
        found = {}
        for name in filter(None, listed.output.decode("utf-8", "surrogateescape").split("\0")):
            content = await self._git("cat-file", "blob", f"{top.rstrip('/')}{'/' if path else ''}{name}")
            try:
                found[name] = content.output.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise UsageError(
                    f"{name} is not UTF-8 text", why=f"byte {error.start} cannot be read", next_step="save it as UTF-8"
                ) from error
        return found

    async def tree(self, sha: str, *, path: str = "") -> str:
        """The id of a folder's tree in the commit: equal trees are equal sources."""
        return (await self._git("rev-parse", f"{sha}:{path}")).text.strip()

    async def refuse_what_an_archive_lacks(self, sha: str, *, path: str = "") -> None:
        """Raise for submodules and LFS pointers, which ``git archive`` would leave out without a word.

        Raises:
            UsageError: naming the first of them.
        """
        tree = await self._git("ls-tree", "-r", "-z", f"{sha}:{path}")
        entries = tree.output.decode("utf-8", "surrogateescape").split("\0")
        modules = [entry.split("\t", 1)[1] for entry in entries if entry.startswith("160000 ")]
        if modules:
            raise UsageError(
                f"commit '{sha[:12]}' has the submodule '{modules[0]}'",
                why="a release is made of the commit's own files; a submodule's files are in another repository",
                next_step="copy the files in (git subtree add), or install the submodule as a package",
            )
        if not path and not any(entry.endswith(".gitattributes") for entry in entries):
            return
        found = await self._git("grep", "-l", "-z", "-F", "-e", _LFS_POINTER, sha, "--", path or ".", check=False)
        for name in filter(None, found.output.decode("utf-8", "surrogateescape").split("\0")):
            if await self._is_lfs_pointer(name):
                raise UsageError(
                    f"commit '{sha[:12]}' has the Git LFS pointer '{name.split(':', 1)[-1]}' in place of the file",
                    why="Pawl does not fetch from an LFS server",
                    next_step="commit the file itself, or fetch it in a release task",
                )

    async def _is_lfs_pointer(self, name: str) -> bool:
        """Whether a file (``COMMIT:path``) is a pointer, and does not just speak of one."""
        if int((await self._git("cat-file", "-s", name)).text) > _LONGEST_LFS_POINTER_BYTES:
            return False
        return (await self._git("cat-file", "blob", name)).text.startswith(_LFS_POINTER)

    async def extract(self, sha: str, folder: Path, *, path: str = "") -> None:
        """Lay the files of the commit's folder ``path`` out in a new folder, as ``git archive`` gives them.

        Raises:
            PawlError: a path or link of the commit would lead outside the folder, or the disk is full.
        """
        archive = folder.with_name(f"{folder.name}.tar")
        await self._git("archive", "--format=tar", f"--output={archive}", f"{sha}:{path}" if path else sha)
        try:
            await asyncio.to_thread(_unpack, archive, folder)
        finally:
            archive.unlink(missing_ok=True)

    async def keep(self, app: str, release: str, sha: str) -> None:
        """Hold on to the commit for as long as the release is there."""
        await self._git("update-ref", f"refs/apps/{app}/{release}", sha)

    async def let_go(self, app: str, release: str | None = None) -> None:
        """Drop the hold on one release's commit, or on all of an app's."""
        prefix = f"refs/apps/{app}/{release}" if release else f"refs/apps/{app}/"
        listed = await self._git("for-each-ref", "--format=%(refname)", prefix)
        for ref in listed.text.split():
            await self._git("update-ref", "-d", ref)

    async def forget_arrival(self, sha: str) -> None:
        """Drop the ref under which a commit arrived, once something else holds it."""
        await self._git("update-ref", "-d", f"refs/incoming/{sha}", check=False)

    async def messages(self, shas: Sequence[str]) -> list[str]:
        """The whole messages of commits, in the order given."""
        if not shas:
            return []
        done = await self._git("log", "-z", "--no-walk=unsorted", "--format=%B", *shas, "--")
        return done.text.split("\0")

    async def _log(self, *arguments: str) -> list[Commit]:
        done = await self._git("log", "-z", f"--format={_COMMIT_FORMAT}", *arguments, "--")
        fields = iter(done.text.split("\0"))
        return [
            Commit(sha, title, author, email, _iso_utc(committed), _iso_utc(authored))
            for sha, title, author, email, committed, authored in zip(*[fields] * 6, strict=False)
        ]

    async def _git(self, *arguments: str, check: bool = True) -> runner.Completed:
        return await runner.run(["git", *arguments], cwd=Path("/"), env=self._git_env, check=check, timeout_s=300)


def _iso_utc(seconds: str) -> str:
    """A commit's time as git has it; the epoch for one that is no time."""
    try:
        moment = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        links: set[str] = set()
        for member in tar:
            _refuse_what_leads_outside(member, links)
            if member.issym():
                links.add(os.path.normpath(member.name))
        if hasattr(tarfile, "tar_filter"):  # not before Python 3.11.4; the check above holds for all
            tar.extraction_filter = tarfile.tar_filter
        tar.extractall(folder)  # noqa: S202  every member was looked at


def _refuse_what_leads_outside(member: tarfile.TarInfo, links: set[str]) -> None:
    name = os.path.normpath(member.name)
    if any(str(parent) in links for parent in PurePath(name).parents):
        raise PawlError(f"'{member.name}' lies behind a link of the same commit", next_step="remove one of the two")
    target = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname)) if member.issym() else name
    if any(os.path.isabs(path) or path.split(os.sep)[0] == os.pardir for path in (name, target)):
        what = f"'{member.name}' is a link to '{member.linkname}'" if member.issym() else f"'{member.name}' is a path"
        raise PawlError(
            f"{what} outside the release",
            why="a release holds all its files itself, and what lies outside it differs from machine to machine",
            next_step="remove it from the repository",
        )
