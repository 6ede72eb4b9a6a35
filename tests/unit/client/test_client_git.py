"""The user's repository, as a command sees it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pawl.client import door, local
from pawl.client.git import Repository, author, push
from pawl.errors import PawlError, UsageError
from pawl.home import Home
from tests.support import repository


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The git configuration of whoever runs the tests must not matter."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def test_a_repository_is_found_from_any_folder_in_it(tmp_path: Path) -> None:
    repository(tmp_path / "my app")
    (tmp_path / "my app" / "sub" / "deeper").mkdir(parents=True)
    for folder in (tmp_path / "my app", tmp_path / "my app" / "sub" / "deeper"):
        found = Repository.at(folder)
        assert (found.path, found.inside, found.folder) == (tmp_path / "my app", "", tmp_path / "my app")


@pytest.mark.parametrize("name", ["pawl.toml", "Procfile"])
def test_a_folder_with_its_own_configuration_is_an_app_of_its_own(tmp_path: Path, name: str) -> None:
    repository(tmp_path / "mono")
    (tmp_path / "mono" / "apps" / "blog").mkdir(parents=True)
    (tmp_path / "mono" / "apps" / "blog" / name).touch()
    found = Repository.at(tmp_path / "mono" / "apps" / "blog")
    assert (found.path, found.inside) == (tmp_path / "mono", "apps/blog")
    assert found.folder == tmp_path / "mono" / "apps" / "blog"
    (tmp_path / "mono" / name).touch()
    assert Repository.at(tmp_path / "mono").inside == ""


def test_a_repository_through_a_link_is_the_same(tmp_path: Path) -> None:
    repository(tmp_path / "app")
    (tmp_path / "app" / "sub").mkdir()
    (tmp_path / "app" / "sub" / "Procfile").touch()
    (tmp_path / "link").symlink_to(tmp_path / "app" / "sub")
    assert Repository.at(tmp_path / "link") == Repository(tmp_path / "app", "sub")


def test_what_is_no_repository_is_told_how_to_become_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder") as no_folder:
        Repository.at(tmp_path / "none")
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="is not in a git repository") as plain:
        Repository.at(tmp_path / "plain")
    assert "pawl deploy PATH" in no_folder.value.next_step
    assert "git init" in plain.value.next_step


def test_a_revision_is_a_commit_branch_or_tag(tmp_path: Path) -> None:
    repo = repository(tmp_path / "app")
    first, second = repo.commit("One"), repo.commit("Two")
    repo.git("tag", "-a", "v1", "-m", "v1", first)
    repo.git("branch", "side", first)
    found = Repository.at(repo.path)
    assert [found.commit(name) for name in ("HEAD", "HEAD~1", "v1", "side", "main", first[:8], second)] == [
        second, first, first, first, second, first, second,
    ]  # fmt: skip


@pytest.mark.parametrize("revision", ["", "-x", "--all", "none", "0" * 40, "HEAD:a.py", "main..side", "v1 v2"])
def test_what_names_no_commit_is_refused(tmp_path: Path, revision: str) -> None:
    repo = repository(tmp_path / "app")
    repo.commit(a__py="1")
    with pytest.raises(UsageError, match="revision"):
        Repository.at(repo.path).commit(revision)


def test_a_repository_without_a_commit_says_how_to_make_one(tmp_path: Path) -> None:
    repo = repository(tmp_path / "app")
    with pytest.raises(UsageError, match="has no commit yet"):
        Repository.at(repo.path).commit("HEAD")


def test_what_is_not_committed_is_told(tmp_path: Path) -> None:
    repo = repository(tmp_path / "app")
    repo.commit(a__py="1", gitignore="")
    found = Repository.at(repo.path)
    assert found.uncommitted() == []
    repo.write(**{"a.py": "2", "b.py": "1"})
    assert found.uncommitted() == [" M a.py", "?? b.py"]


def test_the_branch_is_main_when_none_is_checked_out(tmp_path: Path) -> None:
    repo = repository(tmp_path / "app")
    repo.commit()
    repo.git("checkout", "--quiet", "-b", "next/one")
    assert Repository.at(repo.path).branch() == "next/one"
    repo.git("checkout", "--quiet", "--detach")
    assert Repository.at(repo.path).branch() == "main"


def test_one_by_one_goes_along_the_first_parents_oldest_first(tmp_path: Path) -> None:
    repo = repository(tmp_path / "app")
    base = repo.commit("Base")
    repo.git("checkout", "--quiet", "-b", "side")
    side = repo.commit("Side")
    repo.git("checkout", "--quiet", "main")
    mine = repo.commit("Mine")
    repo.git("merge", "--quiet", "--no-ff", "-m", "Merge", "side")
    merge = repo.git("rev-parse", "HEAD")
    found = Repository.at(repo.path)
    assert found.between(base, merge) == [mine, merge]
    assert found.between(merge, merge) == []
    assert found.between(None, merge) == [merge]
    assert found.between(side, mine) == [mine]
    assert found.between("0" * 40, mine) == [mine]


def bare(path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", "--bare", str(path)], check=True)
    return path


def refs(path: Path) -> list[str]:
    done = subprocess.run(["git", "for-each-ref", "--format=%(refname)"], cwd=path, capture_output=True, text=True)
    return done.stdout.split()


def test_one_commit_is_sent_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(
        "[push]\n\tfollowTags = true\n\tpushOption = ci.skip\n\trecurseSubmodules = check\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    repo, store = repository(tmp_path / "app"), bare(tmp_path / "store.git")
    sha = repo.commit(a__py="1")
    repo.git("tag", "-a", "v1", "-m", "v1")
    (repo.path / ".git" / "hooks" / "pre-push").write_text("#!/bin/sh\nexit 1\n")
    (repo.path / ".git" / "hooks" / "pre-push").chmod(0o755)
    for _ in range(2):
        Repository.at(repo.path).send(sha, store)
    assert refs(store) == [f"refs/incoming/{sha}"]


def test_a_commit_that_cannot_be_sent_says_why(tmp_path: Path) -> None:
    repo = repository(tmp_path / "app")
    sha = repo.commit()
    with pytest.raises(PawlError, match="git could not bring the commit to pawld") as caught:
        push(sha, tmp_path / "none.git", cwd=repo.path)
    assert caught.value.why


def test_a_remote_is_added_once_and_pointed_elsewhere_later(tmp_path: Path) -> None:
    repo = repository(tmp_path / "app")
    found = Repository.at(repo.path)
    assert not found.has_remote("pawl")
    for url in ("/srv/one.git", "/srv/two.git"):
        found.set_remote("pawl", url)
        assert repo.git("remote", "get-url", "pawl") == url
    with pytest.raises(PawlError, match="could not be set"):
        found.set_remote("two words", "/srv")


def test_who_asks_is_the_name_that_git_knows_or_the_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = repository(tmp_path / "app")
    monkeypatch.setenv("USER", "ada")
    assert author(repo.path) == "ada"
    repo.git("config", "user.name", "Ada Lovelace")
    assert author(repo.path) == "Ada Lovelace"


def test_without_git_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed"):
        Repository.at(tmp_path)


# The door


def test_a_door_is_made_once_and_its_hook_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, python = Home(tmp_path / "ho me's"), tmp_path / "my python"
    python.write_text('#!/bin/sh\nprintf "%s|" "$PAWL_HOME" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    for branch, path in (("main", ""), ("next", "apps/my blog's")):
        made = door.create(home, "blog", branch=branch, path=path)
        assert made == home.door("blog")
        assert (made / "HEAD").read_text() == f"ref: refs/heads/{branch}\n"
        hook = made / "hooks" / "pre-receive"
        assert hook.stat().st_mode & 0o777 == 0o700
        done = subprocess.run([hook], capture_output=True, text=True)
        assert done.stdout.split("|") == [str(home.path), "-m", "pawl.cli.push_hook", "blog", path, ""]


def test_a_door_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(PawlError, match="could not be made"):
        door.create(Home(tmp_path / "home"), "blog", branch="main")


# Starting pawld


def test_a_process_is_gone_when_it_has_ended_even_unwaited_for() -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        assert not local.wait_gone(process.pid, 0.05)
        process.kill()
        assert local.wait_gone(process.pid, 10)
    finally:
        process.kill()
        process.wait()
    assert local.wait_gone(process.pid, 10)


OWN_WORDS = "INFO begins\npawld: port 80 is in use\npawld: why: held by nginx\npawld: next: pawl up --port N\n"
SAID = {
    "in its own words": (OWN_WORDS, ("port 80 is in use", "held by nginx", "pawl up --port N")),
    "with a traceback": ("Traceback\nValueError: x\n", ("pawld ended at once", "ValueError: x", None)),
    "without a word": ("", ("pawld ended at once", "", None)),
}


@pytest.mark.parametrize(("text", "told"), SAID.values(), ids=SAID)
def test_why_pawld_ended_at_once_is_read_from_its_log(
    tmp_path: Path, text: str, told: tuple[str, str, str | None]
) -> None:
    before = "pawld: what it said the last time\n"
    log = tmp_path / "pawld.log"
    log.write_text(before + text)
    error = local._why_it_ended(log, len(before), 1)
    assert (error.what, error.why, error.next_step) == (*told[:2], told[2] or f"see: {log}")
