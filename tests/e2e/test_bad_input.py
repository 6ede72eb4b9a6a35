"""Wrong use: told in three lines, exit status 2, and nothing changed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.e2e_rig import App, below, error_lines
from tests.support import HELLO, Pawl, Repository, repository

HOSTILE = [
    "../x", "..", ".", "", "/etc/passwd", "a b", "a/b", "A", "-x", "x" * 200, "caf\u00e9", "a\nb", "%2e%2e", "\x1b[2J",
]  # fmt: skip


def refused(done: subprocess.CompletedProcess[str], *, status: int = 2) -> list[str]:
    """The error of a command that was refused: no result, no traceback, three lines besides quoted ones."""
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stdout == ""
    lines = error_lines(done.stderr)
    assert len([line for line in lines if not line.startswith("  | ")]) <= 3, lines
    assert "\x1b" not in done.stderr
    return lines


def everything(pawl: Pawl) -> tuple[object, ...]:
    """What a refused command must leave as it was."""
    folders = [sorted(path.name for path in (pawl.path / name).glob("*")) for name in ("apps", "git")]
    with closing(sqlite3.connect(f"file:{pawl.home.ledger}?mode=ro", uri=True)) as ledger:
        return (*folders, *ledger.execute("SELECT count(*), max(seq) FROM events").fetchone())


def test_a_folder_that_is_not_there(machine: Pawl, place: Path) -> None:
    assert "there is no folder" in refused(machine.run("deploy", place / "nothing"))[0]
    (place / "file").touch()
    refused(machine.run("deploy", place / "file"))


def test_a_folder_that_is_no_git_repository(machine: Pawl, place: Path) -> None:
    lines = refused(machine.run("deploy", place))
    assert "is not in a git repository" in lines[0]
    assert "git init" in lines[-1]
    refused(machine.run("init", place))
    refused(machine.run("deploy", cwd=place))


def test_a_repository_without_a_commit(machine: Pawl, place: Path) -> None:
    repo = repository(place / "empty")
    assert "has no commit yet" in refused(machine.run("deploy", repo.path))[0]
    repo.write(Procfile="web: python app.py\n")
    refused(machine.run("deploy", repo.path))


def test_a_revision_that_is_none(app: App) -> None:
    before = everything(app.pawl)
    for revision in ["nothing", "deadbeef", "", "--all", "HEAD^^^^", "main:app.py", "a b", "\u00e9", "@{-1}"]:
        refused(app.pawl.run("deploy", app.repo.path, f"--rev={revision}"))
        assert everything(app.pawl) == before


def test_a_revision_that_is_a_branch_a_tag_or_short(app: App) -> None:
    first = app.configure()
    app.repo.git("tag", "--annotate", "v1", "--message", "One")
    app.repo.git("branch", "old")
    app.say("2")
    for revision in ("v1", "old", first[:8], "HEAD~1"):
        app.deploy("--rev", revision)
        assert app.pawl.live(app.name) == first


def test_a_dirty_tree_deploys_the_commit_and_says_so(app: App) -> None:
    (app.repo.path / "VERSION").write_text("dirty")
    done = app.deploy()
    assert "not in the commit and so not deployed: VERSION" in done.stderr
    assert app.get() == (200, "hello 1")
    assert "not in the commit" not in app.deploy("--rev", "main").stderr


def test_a_configuration_that_is_wrong_is_told_with_file_and_line(app: App) -> None:
    app.deploy()
    before = everything(app.pawl)
    for text, said in [
        ("", "no web process"),
        ('[processes.worker]\ncommand = "x"\n', "no web process"),
        ('[processes.web]\ncomand = "x"\n', "pawl.toml:3: unknown key 'comand' in [processes.web]"),
        ('[processes.web]\ncommand = "x"\ninstances = "two"\n', "pawl.toml:4: processes.web.instances must be"),
        ("[processes.web\n", "pawl.toml:2: not valid TOML"),
        ('[procesess.web]\ncommand = "x"\n', "pawl.toml:2: unknown table [procesess]"),
        ('[processes.web]\ncommand = "x"\nmemory = "lots"\n', "pawl.toml:4: processes.web.memory must be"),
    ]:
        app.repo.commit("Misconfigure", pawl__toml=f'app = "{app.name}"\n{text}')
        lines = refused(app.pawl.run("deploy", app.repo.path))
        assert said in lines[0]
        assert everything(app.pawl) == before
        assert app.get() == (200, "hello 1")


def test_an_unknown_key_is_answered_with_the_nearest_known_one(app: App) -> None:
    app.configure(web="instanses = 2")
    assert "instances" in " ".join(refused(app.pawl.run("deploy", app.repo.path))[1:])


def test_a_repository_with_nothing_for_pawl_in_it(machine: Pawl, place: Path) -> None:
    repo = repository(place / "bare", HELLO)
    (repo.path / "pawl.toml").unlink()
    repo.commit("Nothing")
    lines = refused(machine.run("deploy", repo.path))
    assert "no pawl.toml and no Procfile" in lines[0]
    assert "pawl init" in lines[-1]


def test_a_pawl_toml_that_is_no_text(app: App) -> None:
    (app.repo.path / "pawl.toml").write_bytes(b'app = "\xff"\n')
    app.repo.git("commit", "--quiet", "--all", "--message", "Latin")
    assert "pawl.toml is not UTF-8 text" in refused(app.pawl.run("deploy", app.repo.path))[0]


def test_an_unknown_app_is_told_with_those_there_are(app: App) -> None:
    app.deploy()
    for words in [
        "status APP",
        "ps APP",
        "releases APP",
        "deploys APP",
        "logs APP",
        "rollback APP",
        "restart APP",
        "scale APP web=2",
        "run APP true",
        "env list APP",
        "secrets list APP",
        "remove --yes APP",
    ]:
        lines = refused(app.pawl.run(*words.replace("APP", "no-such-app").split()))
        assert "no app 'no-such-app'" in lines[0]
        assert app.name in lines[1]


def test_a_hostile_name_is_no_app_to_any_command(machine: Pawl) -> None:
    before = everything(machine)
    commands = (["releases"], ["logs"], ["rollback"], ["remove", "--yes"], ["status"], ["restart"])
    for number, name in enumerate(HOSTILE):
        refused(machine.run(*commands[number % 4], "--", name))
        refused(machine.run("env", "set", "--", name, "A=1"))
        refused(machine.run("secrets", "set", "--", name, "KEY", stdin="value"))
    for command in commands:
        refused(machine.run(*command, "--", "../x"))
    refused(machine.run("run", "--", "../x", "true"))
    refused(machine.run("scale", "--", "../x", "web=1"))
    assert everything(machine) == before


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("-x",)])
def test_a_hostile_name_in_pawl_toml_is_refused(machine: Pawl, place: Path, name: str) -> None:
    import json

    before = everything(machine)
    repo = repository(place / "app", HELLO)
    repo.commit("Hostile", pawl__toml=f'app = {json.dumps(name)}\n[processes.web]\ncommand = "python app.py"\n')
    refused(machine.run("deploy", repo.path))
    refused(machine.run("init", repo.path, "--app", name, "--force"))
    assert everything(machine) == before


@pytest.mark.parametrize(
    "folder", ["a b", "quo'te \"s", "\u00fcn\u00efcode", "new\nline", "$(touch x)", "-dash", "trail ", "%d"]
)
def test_a_repository_may_be_in_a_folder_of_any_name(machine: Pawl, place: Path, folder: str) -> None:
    name = f"any-{place.name.lower().replace('_', 'x')}"
    app = App(machine, name, repository(place / folder, HELLO))
    app.configure()
    app.deploy()
    assert app.get() == (200, "hello 1")
    machine.ok("init", app.repo.path)
    app.say("2")
    app.repo.git("push", "pawl", "main")
    assert app.get() == (200, "hello 2")


def test_a_folder_whose_name_is_no_text_is_no_hindrance(machine: Pawl, place: Path) -> None:
    app = App(machine, f"bytes-{place.name[3:].lower().replace('_', 'x')}", repository(place / "app", HELLO))
    app.configure()
    target = os.fsencode(place) + b"/\xff\xfe"
    os.rename(os.fsencode(app.repo.path), target)
    app.repo.path = Path(os.fsdecode(target))
    app.deploy()
    assert app.get() == (200, "hello 1")


def test_files_of_hostile_names_are_laid_out_as_they_are(app: App) -> None:
    names = [b"sp ace", b"new\nline", b"\xff\xfe", b"-rf", b"back\\slash", b"*"]
    for name in names:
        Path(os.fsdecode(os.fsencode(app.repo.path) + b"/" + name)).write_text("here")
    commit = app.repo.commit("Hostile files")
    app.deploy()
    folder = app.pawl.home.releases(app.name) / commit[:12] / "app"
    assert set(names) <= set(os.listdir(os.fsencode(folder)))


def test_a_submodule_is_told_plainly(app: App, place: Path) -> None:
    other = repository(place / "library", HELLO)
    app.repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path), "lib")
    app.repo.commit("A submodule")
    before = everything(app.pawl)
    assert "has the submodule 'lib'" in refused(app.pawl.run("deploy", app.repo.path))[0]
    assert everything(app.pawl) == before


def test_an_lfs_pointer_is_told_plainly(app: App) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    app.repo.commit("A pointer", **{"logo.png": pointer, ".gitattributes": "*.png filter=lfs diff=lfs -text\n"})
    assert (
        "has the Git LFS pointer 'logo.png' in place of the file" in refused(app.pawl.run("deploy", app.repo.path))[0]
    )


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../outside", "sub/../../x"])
def test_a_link_that_leads_out_of_the_release_fails_the_build(app: App, target: str) -> None:
    app.deploy()
    (app.repo.path / "link").symlink_to(target)
    app.repo.commit("A link", VERSION="2")
    done = app.deploy(status=1)
    assert "failed at 'built'" in done.stderr
    assert f"'link' is a link to '{target}' outside the release" in done.stderr
    assert app.get() == (200, "hello 1")


def test_names_that_are_no_utf_8_are_told_with_question_marks_and_the_next_deploy_goes_on(app: App) -> None:
    app.deploy()
    app.repo.git("config", "user.name", "Ad\udce4")
    link = os.fsencode(app.repo.path) + b"/caf\xe9"
    os.symlink("/etc/hostname", link)
    app.repo.commit("A link", VERSION="2")
    done = app.deploy(status=1)
    assert "'caf?' is a link to '/etc/hostname' outside the release" in done.stderr
    os.unlink(link)
    app.repo.commit("No link", VERSION="3")
    app.deploy()
    assert app.get() == (200, "hello 3")
    assert app.pawl.json("deploys", app.name)["deploys"][0]["asked_by"] == "Ad?"


def test_a_path_in_the_commit_that_leads_out_of_the_release_fails_the_build(app: App) -> None:
    """git itself makes no such tree, so it is made by hand."""
    app.deploy()

    def tree(rows: list[tuple[str, str, str, str]]) -> str:
        text = "".join(f"{mode} {kind} {sha}\t{name}\0" for mode, kind, sha, name in rows)
        done = subprocess.run(
            ["git", "mktree", "-z"], cwd=app.repo.path, input=text, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    blob = app.repo.git("rev-parse", "HEAD:VERSION")
    rows = [(*row.split("\t")[0].split(), row.split("\t")[1]) for row in app.repo.git("ls-tree", "HEAD").splitlines()]
    inner = tree([("100644", "blob", blob, "evil")])
    text = b"".join(
        f"{mode.lstrip('0') if kind == 'tree' else mode} {name}\0".encode() + bytes.fromhex(sha)
        for mode, kind, sha, name in sorted([*rows, ("40000", "tree", inner, "..")], key=lambda row: row[3])
    )
    done = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"], cwd=app.repo.path, input=text,
        capture_output=True, check=True,
    )  # fmt: skip
    commit = app.repo.git("commit-tree", done.stdout.decode().strip(), "-m", "Evil")
    refusal = app.pawl.run("deploy", app.repo.path, "--rev", commit)
    assert refusal.returncode != 0
    assert "evil" not in {path.name for path in below(app.pawl.path)}
    assert app.get() == (200, "hello 1")


@pytest.mark.parametrize(
    "words",
    ["env set APP NOSIGN", "env set APP", "env unset APP NOTHING", "secrets set APP 1BAD", "env set APP A=1 PORT=2"],
)
def test_settings_that_cannot_be_are_refused_whole(app: App, words: str) -> None:
    app.deploy()
    refused(app.pawl.run(*words.replace("APP", app.name).split(), stdin="value"))
    assert app.pawl.json("env", "list", app.name)["env"] == {}


def test_git_settings_of_the_user_do_not_change_what_is_deployed(app: App, place: Path) -> None:
    config = place / "gitconfig"
    config.write_text(
        "[core]\n\tautocrlf = true\n[push]\n\tfollowTags = true\n\tgpgSign = true\n\trecurseSubmodules = check\n"
        "\tpushOption = x\n[commit]\n\tgpgSign = true\n[color]\n\tui = always\n[log]\n\tshowSignature = true\n"
    )
    done = app.pawl.run("deploy", app.repo.path, GIT_CONFIG_GLOBAL=str(config))
    assert done.returncode == 0, done.stderr
    assert app.get() == (200, "hello 1")


def test_a_deploy_from_inside_a_git_hook_deploys_its_own_repository(app: App, place: Path) -> None:
    other = repository(place / "other", HELLO)
    done = app.pawl.run(
        "deploy", app.repo.path, cwd=other.path, GIT_DIR=str(other.path / ".git"), GIT_INDEX_FILE="index"
    )
    assert done.returncode == 0, done.stderr
    assert app.pawl.live(app.name) == app.repo.git("rev-parse", "HEAD")


def test_a_worktree_is_a_repository_too(app: App, place: Path) -> None:
    app.repo.git("worktree", "add", "--quiet", "-b", "side", str(place / "side"))
    side = Repository(place / "side")
    commit = side.commit("Say side", VERSION="side")
    assert app.pawl.run("deploy", side.path).returncode == 0
    assert app.pawl.live(app.name) == commit


def test_an_error_of_pawl_never_shows_a_traceback_unless_asked(machine: Pawl) -> None:
    assert "Traceback" not in machine.run("status", "nothing").stderr
    assert "Traceback" in machine.run("--debug", "status", "nothing").stderr
