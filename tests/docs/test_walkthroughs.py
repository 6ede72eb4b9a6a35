"""The ``console`` blocks of the documents are run, page by page, and print what the page says they print.

Lines that begin with ``$`` are run by a shell, one after the other. The lines below one are what it prints, in order;
``…`` stands for any text, and a line of it alone for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import support
from tests.support import Pawl

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PORT = "8080"
_APP = """\
import os
from wsgiref.simple_server import make_server

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a shop"]

make_server("127.0.0.1", int(os.environ["PORT"]), app).serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a page and the lines the page shows below it."""

    text: str
    shown: tuple[str, ...]


def commands(page: Path) -> list[Command]:
    """The commands of a page's console blocks, in order."""
    found = []
    for block in _BLOCK.findall(page.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            text, *shown = part.splitlines()
            found.append(Command(text, tuple(shown)))
    return found


def pattern(shown: tuple[str, ...]) -> re.Pattern[str]:
    """What a whole output must look like."""
    lines = [r"(?:.*\n)*?" if line == "…" else _line(line) + r"[ \t]*\n" for line in shown]
    return re.compile("".join(lines))


def _line(line: str) -> str:
    pieces = [r"\s+".join(map(re.escape, piece.split(" "))) for piece in line.split("…")]
    return ".*".join(pieces)


@dataclass(slots=True)
class Terminal:
    """A terminal that remembers its folder."""

    pawl: Pawl
    folder: Path

    def type(self, command: Command) -> None:
        """Run one command and compare what it prints."""
        port = str(self.pawl.port)
        text = re.sub(r"^pawl up$", f"pawl up --port {port}", command.text)
        done = subprocess.run(
            ["/bin/sh", "-c", text + '\nstatus=$?; pwd > "$PWD_FILE"; exit $status'],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            timeout=120, env=self.pawl.environ(PATH=self._path(), PWD_FILE=str(self._pwd)),
        )  # fmt: skip
        assert done.returncode == 0, f"$ {command.text}\n{done.stdout}"
        self.folder = Path(self._pwd.read_text().strip())
        printed = done.stdout.replace(f":{port}/", f":{_PORT}/")
        assert pattern(command.shown).fullmatch(printed), f"$ {command.text}\n{printed}"

    @property
    def _pwd(self) -> Path:
        return self.pawl.path.parent / "pwd"

    def _path(self) -> str:
        return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def test_the_walk_through_the_readme_works_as_it_is_written(idle_pawl: Pawl, place: Path) -> None:
    shop = support.repository(place / "myshop")
    shop.commit("A shop", Procfile="web: python shop.py\n", shop__py=_APP)
    idle_pawl.port = support.free_port()
    terminal = Terminal(idle_pawl, place)
    for command in commands(ROOT / "README.md"):
        terminal.type(command)
    assert idle_pawl.get(app="myshop") == (200, "a shop")


def test_the_deploys_of_the_page_on_deploys_go_as_it_says(pawl: Pawl, place: Path) -> None:
    hello = support.repository(place / "hello", support.HELLO)
    terminal = Terminal(pawl, hello.path)
    for command in commands(ROOT / "docs" / "deploys.md"):
        terminal.type(command)


def test_pages_with_console_blocks_are_all_run_here() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert {page.name for page in pages if commands(page)} == {"README.md", "deploys.md"}
    assert len(commands(ROOT / "README.md")) > 10


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        (("a … c",), "a b c\n", True),
        (("a … c",), "a b d\n", False),
        (("…", "c"), "a\nb\nc\n", True),
        (("a", "…"), "a\n", True),
        (("a",), "a\nb\n", False),
        ((), "a\n", False),
    ],
)
def test_what_is_shown_fits_what_is_printed(shown: tuple[str, ...], printed: str, fits: bool) -> None:
    assert bool(pattern(shown).fullmatch(printed)) is fits
