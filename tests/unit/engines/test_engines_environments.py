"""Which sources share an environment, and how one is made. Nothing is installed here."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from pawl.engines.process.environments import COMPLETE, VENV, Environments, Recipe, recipe, uv_binary
from pawl.errors import StageFailed

APP = '[project]\nname = "a"\nversion = "1"\ndependencies = ["flask"]\n'
PACKAGE = APP + '[build-system]\nrequires = ["hatchling"]\n'
SOURCES = APP + '[tool.uv.sources]\nlib = { path = "lib" }\n'
Files = dict[str, str]


def made(folder: Path, files: Files, *, tree: str = "t1", install: str = "auto", python: str | None = None) -> Recipe:
    """The recipe for a folder with these files and no others."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return recipe(folder, tree=tree, install=install, python=python)


# Two sources (files, tree) that differ; do they share an environment?
SHARED: dict[str, tuple[Files, Files]] = {
    "nothing to install": ({"a.py": "1"}, {"a.py": "2"}),
    "requirements": ({"requirements.txt": "flask\n", "a.py": "1"}, {"requirements.txt": "flask\n"}),
    "requirements with a URL": ({"requirements.txt": "a @ https://example.org/x.zip\n"},) * 2,
    "requirements with another index": ({"requirements.txt": "-i https://example.org/simple/\nflask\n"},) * 2,
    "requirements with a slash in a comment": ({"requirements.txt": "flask  # see ./docs\n# a/b.whl\n"},) * 2,
    "requirements from git": ({"requirements.txt": "a @ git+ssh://git@example.org/a/b.git\n"},) * 2,
    "pyproject that is no package": ({"pyproject.toml": APP}, {"pyproject.toml": APP, "a.py": "2"}),
    "uv.lock that is no package": ({"pyproject.toml": APP, "uv.lock": "1"},) * 2,
    "a package that says it is none": ({"pyproject.toml": PACKAGE + "[tool.uv]\npackage = false\n"},) * 2,
    "uv.lock is taken before requirements": (
        {"pyproject.toml": APP, "uv.lock": "1", "requirements.txt": "a"},
        {"pyproject.toml": APP, "uv.lock": "1", "requirements.txt": "b"},
    ),
    "pyproject is taken before requirements": (
        {"pyproject.toml": APP, "requirements.txt": "a"},
        {"pyproject.toml": APP, "requirements.txt": "b"},
    ),
}
APART: dict[str, tuple[Files, Files]] = {
    "other requirements": ({"requirements.txt": "flask\n"}, {"requirements.txt": "django\n"}),
    "others that they include": (
        {"requirements.txt": "-r base.txt\n", "base.txt": "flask"},
        {"requirements.txt": "-r base.txt\n", "base.txt": "django"},
    ),
    "others that are included without a blank": (
        {"requirements.txt": "-rbase.txt\n", "base.txt": "flask"},
        {"requirements.txt": "-rbase.txt\n", "base.txt": "django"},
    ),
    "other constraints": (
        {"requirements.txt": "--constraint=req/c.txt\n", "req/c.txt": "flask<3"},
        {"requirements.txt": "--constraint=req/c.txt\n", "req/c.txt": "flask<4"},
    ),
    "others that are included by an include": (
        {"requirements.txt": "-r req/a.txt\n", "req/a.txt": "-r b.txt\n", "req/b.txt": "flask"},
        {"requirements.txt": "-r req/a.txt\n", "req/a.txt": "-r b.txt\n", "req/b.txt": "django"},
    ),
    "requirements that include themselves": (
        {"requirements.txt": "-r req/../requirements.txt\nflask", "req/x": ""},
        {"requirements.txt": "-r req/../requirements.txt\ndjango", "req/x": ""},
    ),
    "an editable path": ({"requirements.txt": "-e .\n"},) * 2,
    "the folder itself": ({"requirements.txt": ".\n"},) * 2,
    "the folder itself with extras": ({"requirements.txt": ".[web]\n"},) * 2,
    "a path": ({"requirements.txt": "flask\n./lib\n"},) * 2,
    "a path without a dot": ({"requirements.txt": "libs/mine\n"},) * 2,
    "a named path": ({"requirements.txt": "mine @ file:./lib\n"},) * 2,
    "a file URL": ({"requirements.txt": "mine @ file:///srv/lib\n"},) * 2,
    "a wheel": ({"requirements.txt": "mine-1-py3-none-any.whl\n"},) * 2,
    "links to look at": ({"requirements.txt": "--find-links=./wheels\nmine\n"},) * 2,
    "a package": ({"pyproject.toml": PACKAGE},) * 2,
    "a package with uv.lock": ({"pyproject.toml": PACKAGE, "uv.lock": "1"},) * 2,
    "what is said to be a package": ({"pyproject.toml": APP + "[tool.uv]\npackage = true\n"},) * 2,
    "a path in tool.uv.sources": ({"pyproject.toml": SOURCES, "uv.lock": "1"},) * 2,
    "another uv.lock": ({"pyproject.toml": APP, "uv.lock": "1"}, {"pyproject.toml": APP, "uv.lock": "2"}),
    "another pyproject": ({"pyproject.toml": APP}, {"pyproject.toml": APP + "[tool.x]\n"}),
    "another Python wished for": (
        {"requirements.txt": "flask\n", ".python-version": "3.11"},
        {"requirements.txt": "flask\n", ".python-version": "3.12"},
    ),
    "another Python wished for, and nothing else": ({".python-version": "3.11"}, {".python-version": "3.12"}),
    "requirements or none": ({"requirements.txt": ""}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("first", "second"), SHARED.values(), ids=SHARED)
def test_a_change_of_code_alone_shares_the_environment(tmp_path: Path, first: Files, second: Files) -> None:
    assert made(tmp_path, first, tree="t1") == made(tmp_path, second, tree="t2")


@pytest.mark.parametrize(("first", "second"), APART.values(), ids=APART)
def test_what_changes_the_installation_does_not(tmp_path: Path, first: Files, second: Files) -> None:
    assert made(tmp_path, first, tree="t1").key != made(tmp_path, second, tree="t2").key


def test_equal_trees_share_it_in_any_case(tmp_path: Path) -> None:
    for first, second in APART.values():
        if first == second:
            assert made(tmp_path, first, tree="t1") == made(tmp_path, second, tree="t1")


def test_another_python_or_another_command_is_another_environment(tmp_path: Path) -> None:
    files = {"requirements.txt": "flask"}
    keys = {
        made(tmp_path, files, install=install, python=python, tree=tree).key
        for install, python, tree in (
            ("auto", None, "t1"), ("auto", "3.12", "t1"), ("none", None, "t1"), ("none", "3.12", "t1"),
            ("make", None, "t1"), ("make", None, "t2"), ("make all", None, "t1"),
        )
    }  # fmt: skip
    assert len(keys) == 7


COMMANDS: dict[str, tuple[Files, str, list[tuple[str, ...]]]] = {
    "uv.lock": (
        {"pyproject.toml": APP, "uv.lock": ""},
        "auto",
        [("sync", "--frozen", "--no-dev", "--no-editable", "--compile-bytecode", "PYTHON")],
    ),
    "a package": (
        {"pyproject.toml": PACKAGE},
        "auto",
        [("venv", "--quiet", "PYTHON", VENV), ("pip", "install", "--compile-bytecode", ".")],
    ),
    "pyproject that is no package": (
        {"pyproject.toml": APP},
        "auto",
        [("venv", "--quiet", "PYTHON", VENV), ("pip", "install", "--compile-bytecode", "-r", "pyproject.toml")],
    ),
    "pyproject without a project": (
        {"pyproject.toml": "[tool.ruff]\n"},
        "auto",
        [("venv", "--quiet", "PYTHON", VENV)],
    ),
    "requirements": (
        {"requirements.txt": ""},
        "auto",
        [("venv", "--quiet", "PYTHON", VENV), ("pip", "install", "--compile-bytecode", "-r", "requirements.txt")],
    ),
    "the project's own Python": ({".python-version": "3.12"}, "auto", [("venv", "--quiet", VENV)]),
    "the Python that it requires": (
        {"pyproject.toml": APP.replace("version", 'requires-python = ">=3.9"\nversion')},
        "none",
        [("venv", "--quiet", VENV)],
    ),
    "none": ({"requirements.txt": "flask"}, "none", [("venv", "--quiet", "PYTHON", VENV)]),
    "a command": ({"requirements.txt": "flask"}, "make deps", [("venv", "--quiet", "PYTHON", VENV)]),
}


@pytest.mark.parametrize(("files", "install", "commands"), COMMANDS.values(), ids=COMMANDS)
def test_the_environment_is_made_by_these_commands(
    tmp_path: Path, files: Files, install: str, commands: list[tuple[str, ...]]
) -> None:
    found = made(tmp_path, files, install=install)
    python = ("--python", os.path.realpath(sys.executable))
    wanted = [
        (uv_binary(), *(word for part in command for word in (python if part == "PYTHON" else (part,))))
        for command in commands
    ]
    assert list(found.commands) == wanted
    assert found.shell_command == (install if install == "make deps" else "")


@pytest.mark.parametrize("text", ["[project", 'a = "\\x"', "\ufeff"])
def test_a_pyproject_that_cannot_be_read_is_not_passed_over(tmp_path: Path, text: str) -> None:
    with pytest.raises(StageFailed, match=r"pyproject\.toml cannot be read"):
        made(tmp_path, {"pyproject.toml": text, "requirements.txt": "flask"})
    assert made(tmp_path, {"pyproject.toml": text}, install="none").commands


def test_the_python_that_was_asked_for_is_used(tmp_path: Path) -> None:
    assert made(tmp_path, {}, python="3.12").commands[0][3:5] == ("--python", "3.12")


# Making one, with commands that install nothing


class Kitchen:
    def __init__(self, place: Path) -> None:
        self.envs = place / "envs"
        self.envs.mkdir()
        self.environments = Environments(self.envs, place / "cache")
        self._place = place

    async def build(self, key: str, *commands: str, shell: str = "", timeout_s: float = 20, **env: str) -> bool:
        made = Recipe(key, tuple(("/bin/sh", "-c", command, "sh", VENV) for command in commands), shell)
        return await self.environments.build(
            made, self._place, env={"PATH": os.environ["PATH"], **env}, log=self._place / "log", timeout_s=timeout_s
        )

    @property
    def log(self) -> str:
        return (self._place / "log").read_text()


def test_an_environment_is_made_once_even_when_two_ask_at_the_same_time(tmp_path: Path) -> None:
    async def scene() -> list[bool]:
        kitchen = Kitchen(tmp_path)
        made = await asyncio.gather(*(kitchen.build("k", 'mkdir "$1"; echo made') for _ in range(3)))
        assert kitchen.log == "made\n"
        assert kitchen.environments.keys() == ["k"]
        return [*made, await kitchen.build("k", "false")]

    assert sorted(asyncio.run(scene())) == [False, False, False, True]


def test_one_that_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    async def scene() -> None:
        kitchen = Kitchen(tmp_path)
        (kitchen.envs / "k").mkdir()
        (kitchen.envs / "k" / "half").touch()
        assert await kitchen.build("k", 'mkdir "$1"')
        assert [path.name for path in (kitchen.envs / "k").iterdir()] == [COMPLETE]

    asyncio.run(scene())


def test_a_command_that_fails_is_named_and_the_next_try_begins_again(tmp_path: Path) -> None:
    async def scene() -> None:
        kitchen = Kitchen(tmp_path)
        with pytest.raises(StageFailed) as caught:
            await kitchen.build("k", 'mkdir "$1"', shell="echo no such package; exit 3")
        error = caught.value
        assert error.what == ("the environment could not be built: 'echo no such package; exit 3' exited with 3")
        assert error.detail == "no such package"
        assert not (kitchen.envs / "k" / COMPLETE).exists()
        assert await kitchen.build("k", 'mkdir "$1"')

    asyncio.run(scene())


def test_a_command_that_takes_too_long_is_said_to_and_which_setting_gives_it_longer(tmp_path: Path) -> None:
    async def scene() -> None:
        with pytest.raises(StageFailed) as caught:
            await Kitchen(tmp_path).build("k", shell="echo begun; sleep 60", timeout_s=0.5)
        error = caught.value
        assert error.what == "the environment could not be built: 'echo begun; sleep 60' was stopped"
        assert (error.why, error.detail) == ("it ran longer than 0.5 s", "begun")
        assert error.next_step.startswith("raise [build] timeout_s in pawl.toml and deploy again;")

    asyncio.run(scene())


def test_commands_find_the_environment_first_and_keep_their_caches_apart(tmp_path: Path) -> None:
    async def scene() -> None:
        kitchen = Kitchen(tmp_path)
        show = 'mkdir "$1"; echo $PATH; echo $VIRTUAL_ENV; echo $UV_PROJECT_ENVIRONMENT; echo $UV_CACHE_DIR; echo $A'
        await kitchen.build("k", show, A="1")
        path, venv, project, cache, given = kitchen.log.splitlines()
        assert path.split(os.pathsep)[0] == str(kitchen.envs / "k" / "bin")
        assert {venv, project} == {str(kitchen.envs / "k")}
        assert (cache, given) == (str(tmp_path / "cache" / "uv"), "1")
        await kitchen.build("k2", 'mkdir "$1"; echo $UV_CACHE_DIR', UV_CACHE_DIR="/srv/cache")
        assert kitchen.log.splitlines()[-1] == "/srv/cache"

    asyncio.run(scene())


def test_one_that_a_build_holds_on_to_is_not_removed(tmp_path: Path) -> None:
    async def scene() -> None:
        kitchen = Kitchen(tmp_path)
        await kitchen.build("k", 'mkdir "$1"')
        kitchen.environments.in_use.add("k")
        kitchen.environments.remove("k")
        assert kitchen.environments.keys() == ["k"]
        kitchen.environments.in_use.discard("k")
        kitchen.environments.remove("k")
        kitchen.environments.remove("k")
        assert kitchen.environments.keys() == []

    asyncio.run(scene())
