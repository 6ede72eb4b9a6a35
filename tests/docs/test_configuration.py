"""docs/configuration.md tells the truth: its examples are accepted, its defaults are the code's, no key is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pawl.config.load import parse
from pawl.config.schema import AppConfig, Build, Checks, Domains, Health, Observe, Process, ReleaseTasks, Target

DOCS = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", DOCS, re.DOTALL | re.MULTILINE)
SECTIONS = {
    AppConfig: "At the top of the file",
    Build: "`[build]`",
    ReleaseTasks: "`[release]`",
    Process: "`[processes.NAME]`",
    Health: "`[processes.web.health]`",
    Checks: "`[checks]`",
    Observe: "`[observe]`",
    Domains: "`[domains]`",
    Target: "`[targets.NAME]`",
}
# Fields of AppConfig that are tables, each with a section of its own.
TABLES = {"build", "release", "processes", "checks", "observe", "env", "domains", "targets"}


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table under a heading, by the key they explain."""
    _, _, after = DOCS.partition(f"# {heading}\n")
    section = re.split(r"^#+ ", after, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in section.splitlines()
        if line.startswith("| `")
    ]
    return {cells[0].strip("` |"): cells for cells in lines}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n", 1)[0].strip("[]"))
def test_every_example_is_a_config_that_is_accepted(example: str) -> None:
    # An example without processes is a part of a file: a Procfile stands for the rest.
    assert parse({"pawl.toml": example, "Procfile": "web: gunicorn shop.wsgi"}, folder="shop").app == "shop"


def test_there_are_examples_of_every_table() -> None:
    assert {header.split(".")[0] for text in EXAMPLES for header in re.findall(r"^\[([\w.]+)\]", text, re.M)} == TABLES


@pytest.mark.parametrize("table", SECTIONS, ids=lambda table: str(table.__name__))
def test_every_key_has_a_row_in_the_table_of_its_section_and_no_other_has(table: type[msgspec.Struct]) -> None:
    documented = set(rows(SECTIONS[table]))
    assert documented == set(table.__struct_fields__) - (TABLES if table is AppConfig else set())


@pytest.mark.parametrize(
    "table", [Build, ReleaseTasks, Process, Health, Observe], ids=lambda table: str(table.__name__)
)
def test_the_defaults_in_the_docs_are_those_of_the_code(table: type[msgspec.Struct]) -> None:
    documented = rows(SECTIONS[table])
    for field in msgspec.structs.fields(table):
        default: Any = field.default
        if isinstance(default, float | int | str) and not isinstance(default, bool):
            shown = f'"{default}"' if isinstance(default, str) else f"{default:g}"
            assert documented[field.name][2] == f"`{shown}`"


def test_env_and_the_instance_variables_are_documented() -> None:
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", DOCS))
    assert named >= {"PORT", "SOCKET", "PAWL_APP", "PAWL_RELEASE", "PAWL_DATA", "PAWL_PROCESS"}
    assert named >= {"GUNICORN_CMD_ARGS", "UVICORN_UDS", "GRANIAN_UDS", "FLASK_RUN_HOST", "FLASK_RUN_PORT"}
    assert "## `[env]`" in DOCS
