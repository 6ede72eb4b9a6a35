"""docs/commands.md tells the truth: its help texts are the code's, and its JSON has the shape of a real run's."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pawl.cli.main import COMMANDS
from tests import support
from tests.support import Pawl
from tools import update_docs

PAGE = update_docs.PAGE.read_text("utf-8")
_EXAMPLE = re.compile(
    r"^<!-- json(?P<kind>[a-z ]*): (?P<command>.+?) -->\n```json\n(?P<text>.*?)^```$", re.DOTALL | re.M
)
EXAMPLES = {match["command"]: (match["kind"].strip(), match["text"]) for match in _EXAMPLE.finditer(PAGE)}
# Every command with --json has an example; those of a deploy share one.
LIKE_DEPLOY = {"keep", "rollback", "restart", "watch", "env unset", "secrets set", "secrets unset"}
UNTRIED = {"demo"}  # its own test runs it: it takes long


def shape(value: Any) -> Any:
    """A value without its contents: names and kinds of JSON values. A list is as its first item."""
    match value:
        case dict():
            return {name: shape(item) for name, item in value.items()}
        case list():
            return [shape(value[0])] if value else []
        case bool() | str() | None:
            return type(value).__name__
        case _:
            return "number"


def differences(documented: Any, real: Any, where: str = "") -> list[str]:
    """Where two shapes differ; null and an empty list may stand for anything."""
    if "NoneType" in (documented, real) or [] in (documented, real):
        return []
    if isinstance(documented, dict) and isinstance(real, dict):
        odd = [f"{where}.{name}" for name in documented.keys() ^ real.keys()]
        both = documented.keys() & real.keys()
        return sorted(odd) + [
            line for name in sorted(both) for line in differences(documented[name], real[name], f"{where}.{name}")
        ]
    if isinstance(documented, list) and isinstance(real, list):
        return differences(documented[0], real[0], f"{where}[]")
    return [] if documented == real else [where]


@pytest.fixture(scope="module")
def used() -> Iterator[Pawl]:
    """A home in use: an app with two deploys, a setting, a secret; and a second app to be removed."""
    with (
        tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as folder,
        support.running(Path(folder) / "home") as pawl,
    ):
        hello = support.repository(Path(folder) / "hello", support.HELLO)
        pawl.ok("deploy", hello.path)
        pawl.ok("env", "set", "hello", "LOG_LEVEL=debug", "--no-restart")
        pawl.ok("secrets", "set", "hello", "API_KEY", "--no-restart", stdin="a-secret-value")
        pawl.ok("env", "set", "old-shop", "A=1")
        tasks = (hello.path / "pawl.toml").read_text() + '\n[release]\ntasks = ["true"]\n'
        hello.commit("Say two", VERSION="2", pawl__toml=tasks)
        pawl.ok("scale", "hello", "web=1")
        pawl.ok("incident", "open", "hello", "Feeds are slow", "--deploy", "d1")
        pawl.ok("incident", "open", "hello", "A disk is full", "--external", "--began", "20m")
        yield pawl


def test_the_help_texts_are_those_of_the_code() -> None:
    assert update_docs.rewritten(PAGE) == PAGE, "run: python tools/update_docs.py"


def test_every_command_has_a_section_with_its_help() -> None:
    for name, (_, section, _) in COMMANDS.items():
        assert f"\n## {section}\n" in PAGE
        assert f"\n### {name}\n\n<!-- help: {name} -->\n" in PAGE


def test_every_command_with_json_has_an_example() -> None:
    with_json = {name for name in update_docs.commands() if "--json" in update_docs.help_of(name)}
    shown = {name for name in with_json for command in EXAMPLES if f"{command} ".startswith(f"{name} ")}
    assert with_json == shown | LIKE_DEPLOY | UNTRIED


@pytest.mark.parametrize("command", [name for name, (kind, _) in EXAMPLES.items() if not kind])
def test_an_object_has_the_shape_of_its_example(command: str, used: Pawl) -> None:
    done = used.run(*command.split(), "--json")
    real = json.loads(done.stdout)
    assert differences(shape(json.loads(EXAMPLES[command][1])), shape(real)) == []


@pytest.mark.parametrize("command", [name for name, (kind, _) in EXAMPLES.items() if kind == "lines"])
def test_a_line_has_the_shape_of_its_example(command: str, used: Pawl) -> None:
    lines = [json.loads(line) for line in used.ok(*command.split(), "--json").splitlines()]
    assert lines
    for line in lines:
        assert differences(shape(json.loads(EXAMPLES[command][1])), shape(line)) == []


def test_the_events_of_a_deploy_are_those_of_the_example(used: Pawl) -> None:
    documented = {event["event"]: event for event in map(json.loads, EXAMPLES["deploy"][1].splitlines())}
    output = used.ok("deploy", used.path.parent / "hello", "--json")
    real = [json.loads(line) for line in output.splitlines()]
    assert {event["event"] for event in real} == documented.keys()
    for event in real:
        assert differences(shape(documented[event["event"]]), shape(event)) == []
    assert real[-1]["event"] == "outcome"


def test_the_differences_of_two_shapes_are_found() -> None:
    documented = shape({"a": 1, "b": [{"c": "x", "d": None}], "e": True})
    assert differences(documented, shape({"a": 2.5, "b": [{"c": "y", "d": 3}], "e": False})) == []
    assert differences(documented, shape({"a": "1", "b": [{"c": "y"}], "e": True})) == [".a", ".b[].d"]
