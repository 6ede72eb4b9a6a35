"""The store of commits, with real repositories."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from pawl.client.git import push
from pawl.errors import CommandFailed, PawlError, UsageError
from pawl.model import Commit
from pawl.source import store as source_store
from pawl.source.store import Store
from tests.support import Repository, repository

Scene = Callable[[Store, Repository], Coroutine[object, object, None]]


def play(folder: Path, scene: Scene) -> None:
    """A store and a repository beside it, with nothing committed."""

    async def with_both() -> None:
        store = Store(folder / "store.git")
        await store.create()
        await store.create()
        await scene(store, repository(folder / "app"))

    asyncio.run(with_both())


def send(repo: Repository, store: Store, sha: str) -> str:
    push(sha, store.path, cwd=repo.path)
    return sha


# Commits


def test_a_commit_that_arrived_is_read_with_its_time_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-05-09T09:00:00+02:00")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2026-05-08T09:00:00+02:00")
    title = "Quicker “feeds” \x1e \x01 <b>"

    async def scene(store: Store, repo: Repository) -> None:
        sha = send(repo, store, repo.commit(f"{title}\n\nThe body"))
        assert await store.commit(sha) == Commit(
            sha, title, "Ada Lovelace", "ada@example.org", "2026-05-09T07:00:00Z", "2026-05-08T07:00:00Z"
        )

    play(tmp_path, scene)


@pytest.mark.parametrize("sha", ["0" * 40, "", "HEAD", "main", "--all", "--output=/tmp/x", "abc1234", "g" * 40])
def test_what_names_no_commit_that_arrived_is_refused(tmp_path: Path, sha: str) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        send(repo, store, repo.commit())
        with pytest.raises(UsageError, match="did not arrive"):
            await store.commit(sha)

    play(tmp_path, scene)


def test_a_tree_is_not_a_commit(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        sha = send(repo, store, repo.commit(a__py="1"))
        with pytest.raises(UsageError, match="did not arrive"):
            await store.commit(await store.tree(sha))

    play(tmp_path, scene)


def test_a_change_is_the_commits_that_are_not_live_newest_first(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        shas = [repo.commit(f"Change {number}") for number in range(5)]
        send(repo, store, shas[-1])

        async def titles(old: str | None, new: str, limit: int = 200) -> list[str]:
            return [commit.title for commit in await store.between(old, new, limit=limit)]

        assert await titles(shas[1], shas[4]) == ["Change 4", "Change 3", "Change 2"]
        assert await titles(shas[1], shas[4], 2) == ["Change 4", "Change 3"]
        assert await titles(shas[4], shas[4]) == []
        assert await titles(shas[4], shas[1]) == []
        assert await titles(None, shas[4]) == ["Change 4"]
        assert await titles("0" * 40, shas[4]) == ["Change 4"]

    play(tmp_path, scene)


def test_a_change_by_a_merge_has_both_sides(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        base = repo.commit("Base")
        repo.git("checkout", "--quiet", "-b", "side")
        repo.commit("Side")
        repo.git("checkout", "--quiet", "main")
        repo.commit("Main")
        repo.git("merge", "--quiet", "--no-ff", "-m", "Merge", "side")
        sha = send(repo, store, repo.git("rev-parse", "HEAD"))
        assert {commit.title for commit in await store.between(base, sha)} == {"Merge", "Main", "Side"}

    play(tmp_path, scene)


def test_shallow_repositories_can_be_pushed_from(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        for number in range(4):
            repo.commit(f"Change {number}", a__py=str(number))
        repo.git("clone", "--quiet", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow"))
        shallow = Repository(tmp_path / "shallow")
        first = send(shallow, store, shallow.git("rev-parse", "HEAD"))
        assert (await store.commit(first)).title == "Change 3"
        assert await store.texts(first, ["a.py"]) == {"a.py": "3"}
        second = send(shallow, store, shallow.commit("Change 4"))
        assert [commit.title for commit in await store.between(first, second)] == ["Change 4"]
        third = send(repo, store, repo.commit("Change 5"))
        assert [commit.title for commit in await store.between(first, third)] == ["Change 5"]

    play(tmp_path, scene)


def test_a_commit_is_held_as_long_as_a_release_is_there(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        sha = send(repo, store, repo.commit(a__py="1"))
        await store.keep("hello", "r1", sha)
        await store.keep("hello2", "r1", sha)
        await store.forget_arrival(sha)
        await store.forget_arrival(sha)
        await store.let_go("hello", "r1")
        await store.let_go("hello")
        await collect_garbage(store)
        assert await store.has(sha)
        await store.let_go("hello2")
        await collect_garbage(store)
        assert not await store.has(sha)

    async def collect_garbage(store: Store) -> None:
        await store._git("gc", "--quiet", "--prune=now")

    play(tmp_path, scene)


# Files


def test_texts_are_those_of_the_commit_and_of_the_folder(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        (repo.path / "sub dir").mkdir()
        (repo.path / "sub dir" / "pawl.toml").write_text("sub")
        (repo.path / "Procfile").mkdir()
        (repo.path / "Procfile" / "x").write_text("x")
        repo.write(**{"pawl.toml": "\ufefftöp"})
        sha = send(repo, store, repo.commit())
        repo.write(**{"pawl.toml": "not committed"})
        assert await store.texts(sha, ["pawl.toml", "none.toml"]) == {"pawl.toml": "töp"}
        for path in ("sub dir", "sub dir/"):
            assert await store.texts(sha, ["pawl.toml", "Procfile"], path=path) == {"pawl.toml": "sub"}
        with pytest.raises(UsageError, match="has no folder 'none'"):
            await store.texts(sha, ["pawl.toml"], path="none")

    play(tmp_path, scene)


def test_a_folder_in_place_of_a_file_is_not_read(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        (repo.path / "Procfile").mkdir()
        (repo.path / "Procfile" / "x").write_text("x")
        sha = send(repo, store, repo.commit())
        with pytest.raises((UsageError, CommandFailed)):
            await store.texts(sha, ["Procfile"])

    play(tmp_path, scene)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        (repo.path / "pawl.toml").write_bytes(b"app = \xff")
        sha = send(repo, store, repo.commit())
        with pytest.raises(UsageError, match=r"pawl\.toml is not UTF-8 text") as caught:
            await store.texts(sha, ["pawl.toml"])
        assert caught.value.why == "byte 6 cannot be read"

    play(tmp_path, scene)


def test_equal_sources_have_equal_trees(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        (repo.path / "sub").mkdir()
        (repo.path / "sub" / "x").write_text("x")
        first = repo.commit(a__py="1")
        second = repo.commit(a__py="2")
        third = send(repo, store, repo.commit(a__py="1"))
        assert await store.tree(first) == await store.tree(third) != await store.tree(second)
        assert await store.tree(first, path="sub") == await store.tree(second, path="sub")

    play(tmp_path, scene)


def test_a_commit_is_laid_out_as_it_was_committed(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        (repo.path / "sub").mkdir()
        (repo.path / "sub" / "run me").write_text("#!/bin/sh\n")
        (repo.path / "sub" / "run me").chmod(0o755)
        (repo.path / "link").symlink_to("sub/run me")
        (repo.path / "sub" / "up").symlink_to("../a.py")
        (repo.path / "dangling").symlink_to("none")
        (repo.path / "sub 2").mkdir()
        (repo.path / "sub 2" / "x").touch()
        (repo.path / "naïve\n✓").write_text("x")
        (repo.path / ".gitattributes").write_text("secret.txt export-ignore\n")
        sha = send(repo, store, repo.commit(a__py="1", secret__txt="s"))
        await store.extract(sha, tmp_path / "out")
        out = tmp_path / "out"
        assert sorted(path.name for path in out.iterdir()) == [
            ".gitattributes", "a.py", "dangling", "link", "naïve\n✓", "sub", "sub 2",
        ]  # fmt: skip
        assert (out / "link").read_text() == "#!/bin/sh\n"
        assert (out / "sub" / "up").read_text() == "1"
        assert os.access(out / "sub" / "run me", os.X_OK)
        assert not os.access(out / "a.py", os.X_OK)
        assert not (tmp_path / "out.tar").exists()
        await store.extract(sha, tmp_path / "part", path="sub 2")
        assert [path.name for path in (tmp_path / "part").iterdir()] == ["x"]

    play(tmp_path, scene)


def test_a_link_that_leads_out_of_the_apps_folder_is_refused(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        (repo.path / "sub").mkdir()
        (repo.path / "sub" / "up").symlink_to("../a.py")
        sha = send(repo, store, repo.commit(a__py="1"))
        with pytest.raises(PawlError, match=r"link to '\.\./a\.py' outside the release"):
            await store.extract(sha, tmp_path / "out", path="sub")

    play(tmp_path, scene)


HOSTILE: dict[str, tuple[str, str]] = {
    "a link to the root": ("link", "/etc/passwd"),
    "a link upwards": ("link", "../secret"),
    "a link upwards from below": ("a/b/link", "../../../secret"),
    "a link that goes down first": ("link", "a/../../secret"),
    "a link to the parent": ("a/link", "../.."),
}


@pytest.mark.parametrize(("name", "target"), HOSTILE.values(), ids=HOSTILE)
def test_links_that_lead_outside_are_refused(tmp_path: Path, name: str, target: str) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        (repo.path / name).parent.mkdir(parents=True, exist_ok=True)
        (repo.path / name).symlink_to(target)
        sha = send(repo, store, repo.commit())
        with pytest.raises(PawlError, match="outside the release") as caught:
            await store.extract(sha, tmp_path / "out")
        assert name in caught.value.what
        assert not (tmp_path / "out.tar").exists()

    play(tmp_path, scene)


PATHS = {
    "upwards": "../evil",
    "upwards on the way": "a/../../evil",
    "the root": "/tmp/pawl-evil",
    "the parent itself": "..",
}


@pytest.mark.parametrize("name", PATHS.values(), ids=PATHS)
def test_paths_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    """No honest git writes such an archive."""
    archive = tmp_path / "hostile.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(PawlError, match="outside the release"):
        source_store._unpack(archive, tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_a_file_cannot_be_written_through_a_link_of_the_same_archive(tmp_path: Path) -> None:
    archive = tmp_path / "hostile.tar"
    with tarfile.open(archive, "w") as tar:
        for name, target in (("a/b", ".."), ("c", "a/b/..")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        member = tarfile.TarInfo("c/evil")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises((PawlError, tarfile.TarError)):
        source_store._unpack(archive, tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("evil"))


# What an archive lacks

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"


def test_submodules_are_refused_by_name(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        first = repo.commit()
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{first},libs/sub")
        repo.git("commit", "--quiet", "-m", "A submodule")
        sha = send(repo, store, repo.git("rev-parse", "HEAD"))
        with pytest.raises(UsageError, match="has the submodule 'libs/sub'"):
            await store.refuse_what_an_archive_lacks(sha)
        await store.refuse_what_an_archive_lacks(first)

    play(tmp_path, scene)


def test_lfs_pointers_are_refused_by_name_but_not_what_speaks_of_them(tmp_path: Path) -> None:
    async def scene(store: Store, repo: Repository) -> None:
        (repo.path / "media").mkdir()
        (repo.path / "media" / "big: file.bin").write_text(POINTER)
        attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
        plain = repo.commit(README__md=f"A pointer looks so:\n{POINTER}", long__txt=POINTER + "x" * 5000)
        marked = send(repo, store, repo.commit(__gitattributes=attributes))
        for path, name in (("", "media/big: file.bin"), ("media", "media/big: file.bin")):
            with pytest.raises(UsageError, match=f"has the Git LFS pointer '{name}'"):
                await store.refuse_what_an_archive_lacks(marked, path=path)
        await store.refuse_what_an_archive_lacks(plain)
        (repo.path / "media" / "big: file.bin").unlink()
        clean = send(repo, store, repo.commit())
        await store.refuse_what_an_archive_lacks(clean)

    play(tmp_path, scene)


def test_the_users_own_git_configuration_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gitconfig").write_text("[log]\n\tshowSignature = true\n\tdecorate = full\n[core]\n\tautocrlf = true\n")

    async def scene(store: Store, repo: Repository) -> None:
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
        sha = send(repo, store, repo.commit("One", a__py="1\n2\n"))
        assert (await store.commit(sha)).title == "One"
        await store.extract(sha, tmp_path / "out")
        assert (tmp_path / "out" / "a.py").read_bytes() == b"1\n2\n"

    play(tmp_path, scene)


def test_a_store_without_git_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PawlError, match="git is not installed"):
        asyncio.run(Store(tmp_path / "store.git").create())
