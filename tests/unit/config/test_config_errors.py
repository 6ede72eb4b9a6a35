"""Every fault is told with its line, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.load import parse
from pawl.config.schema import AppConfig
from pawl.errors import ConfigError

WEB = '[processes.web]\ncommand = "gunicorn app:app"\n'


def error_of(files: Mapping[str, str], folder: str = "shop") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(files, folder=folder)
    return caught.value


def faults() -> list[object]:
    """The cases of faults.txt: the text, how the error begins, and what its advice holds."""
    cases = (Path(__file__).parent / "faults.txt").read_text("utf-8").split("\n### ")[1:]
    found: list[object] = []
    for case in cases:
        text, what, *advice = case.rstrip("\n").split("\n--> ")
        name, _, text = text.partition("\n")
        found.append(pytest.param(text, what, "".join(advice), id=name))
    return found


@pytest.mark.parametrize(("text", "what", "advice"), faults())
def test_a_fault_is_told_with_its_line_and_what_to_do(text: str, what: str, advice: str) -> None:
    error = error_of({"pawl.toml": WEB + text})
    assert error.what.startswith(f"pawl.toml:{what}")
    assert advice in (error.why + error.next_step)
    assert error.detail == ""
    assert error.exit_code == 2


def test_a_number_beyond_what_can_be_printed_is_told() -> None:
    error = error_of({"pawl.toml": f"{WEB}instances = 0x{'f' * 5000}"})
    assert error.what.endswith("must be a whole number from 0 to 100, not a number that large")


TOP_FAULTS = [
    ("a name that is none", 'app = "My App"', "1: 'My App' cannot be an app's name: it must be lower-case letters"),
    ("a name that is a number", "app = 3", "1: app must be text, not 3"),
    ("test at the top", 'test = "x"', "1: unknown key 'test' at the top of the file"),
    ("a reserved secret", 'secrets = [\n  "A",\n  "PAWL_X",\n]', "3: secrets: 'PAWL_X' is set by Pawl itself"),
    ("a secret twice", 'secrets = ["A", "A"]', "1: secrets: 'A' is there twice"),
]


@pytest.mark.parametrize(("text", "what"), [pytest.param(*fault[1:], id=fault[0]) for fault in TOP_FAULTS])
def test_a_fault_before_the_first_table_is_told(text: str, what: str) -> None:
    assert error_of({"pawl.toml": f"{text}\n{WEB}"}).what.startswith(f"pawl.toml:{what}")


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        ("a = 1\nb 2", "2: not valid TOML at column 3: expected '=' after a key", ""),
        ("a = hello", "1: not valid TOML at column 5: invalid value", "a value is missing"),
        ("[build]\n[env]\n[build]", "3: not valid TOML at column 7: cannot declare", "the table is there twice"),
        (
            "a = 1\r\na = 2",
            "2: not valid TOML at the end of the file: cannot overwrite a value",
            "the key is there twice",
        ),
        ("a = [\n1,\n", "2: not valid TOML at the end of the file: ", "a value is missing"),
        ("\ufeffa = \x01", "1: not valid TOML at column 5: ", "a value is missing"),
        ("a = " + "[" * 9999, " nested too deeply to be read", ""),
        ("a = " + "9" * 5000, " not valid TOML: exceeds the limit", ""),
    ],
    ids=["no equals sign", "no quotes", "table twice", "key twice", "no end", "control sign", "deep", "digits"],
)
def test_what_is_not_toml_is_told_by_line_and_column(text: str, what: str, why: str) -> None:
    error = error_of({"pawl.toml": text})
    assert error.what.startswith(f"pawl.toml:{what}")
    assert error.why.startswith(why)
    assert bool(error.why) == bool(why)


def test_all_faults_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = 'secret = []\n[domains]\nnames = "a.io"\n[processes.web]\ncomand = "x"\ninstances = "two"\n'
    error = error_of({"pawl.toml": text})
    assert error.what == "pawl.toml:1: unknown key 'secret' at the top of the file"
    assert error.why == "did you mean 'secrets'?"
    assert error.detail.splitlines() == [
        "pawl.toml:3: domains.names must be a list, not 'a.io' (write names = [\"...\"])",
        "pawl.toml:5: unknown key 'comand' in [processes.web] (did you mean 'command'?)",
        "pawl.toml:6: processes.web.instances must be a whole number from 0 to 100, not 'two'",
    ]


@pytest.mark.parametrize(
    ("files", "what", "next_step"),
    [
        ({}, "no pawl.toml and no Procfile", "write one with: pawl init"),
        ({"README.md": "x"}, "no pawl.toml and no Procfile", "write one with: pawl init"),
        ({"pawl.toml": ""}, "pawl.toml: no web process", "add [processes.web]"),
        ({"pawl.toml": "\n[processes]"}, "pawl.toml:2: no web process", "add [processes.web]"),
        ({"pawl.toml": "[processes.w]\ncommand = 'x'"}, "pawl.toml:1: no web process", "add [processes.web]"),
        ({"pawl.toml": "[processes]", "Procfile": "web: x"}, "pawl.toml:1: no web process", "add [processes.web]"),
        ({"Procfile": "worker: x"}, "Procfile: no web process", "add a line like web: "),
        ({"pawl.toml": "", "Procfile": ""}, "Procfile: no web process", "add a line like web: "),
        ({"pawl.toml": "processes = 3"}, "pawl.toml:1: processes must be a table, not 3", "[processes.web]"),
        ({"pawl.toml": "[[processes.web]]"}, "pawl.toml:1: processes.web must be a table", "[processes.web]"),
    ],
)
def test_an_app_without_a_web_process_is_told_where_to_write_one(
    files: dict[str, str], what: str, next_step: str
) -> None:
    error = error_of(files)
    assert error.what.startswith(what)
    assert next_step in error.next_step
    assert error.detail == ""


@pytest.mark.parametrize("file", ["pawl.toml", "Procfile"])
def test_a_folder_that_makes_no_name_is_told_how_to_name_the_app(file: str) -> None:
    error = error_of({file: WEB if file == "pawl.toml" else "web: x"}, folder="2024")
    assert error.what == f"{file}: no app's name can be made of the folder name '2024'"
    assert error.next_step == 'set it at the top of pawl.toml: app = "my-app"'


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("gunicorn app", "'gunicorn app' is not 'name: command'"),
        (": gunicorn", "'' cannot name a process type"),
        ("worker:", "'worker' has no command"),
        ("release:  ", "'release' has no command"),
        ("web: y", "'web' is there twice, first on line 2"),
        ("Web: y", "'Web' cannot name a process type"),
        ("all: y", "'all' cannot name a process type: the word is reserved"),
        ("w: a\0b", "the command of 'w' holds a NUL character"),
    ],
)
def test_a_bad_line_of_a_procfile_is_told(line: str, what: str) -> None:
    error = error_of({"Procfile": f"# first\nweb: x\n\n{line}\n"})
    assert error.what.startswith(f"Procfile:4: {what}")
    assert error.next_step


def test_faults_of_both_files_are_told_together() -> None:
    error = error_of({"pawl.toml": "\n\napp = 3", "Procfile": "web: x\nnonsense"})
    assert error.what == "pawl.toml:3: app must be text, not 3"
    assert error.detail.startswith("Procfile:2: 'nonsense' is not 'name: command'")


def test_a_procfile_without_web_is_not_told_when_its_web_line_is_what_is_wrong() -> None:
    assert error_of({"Procfile": "web gunicorn"}).detail == ""


KEYS = st.sampled_from([*AppConfig.__struct_fields__, "web", "health", "command", "tasks", "names", "status", "memory"])
SCALARS = st.none().map(lambda _: "''") | st.integers().map(str) | st.booleans().map(lambda is_so: str(is_so).lower())
VALUES = SCALARS | st.lists(SCALARS, max_size=3).map(lambda items: f"[{', '.join(items)}]") | st.just("{a = 1}")
STATEMENTS = (
    st.lists(KEYS, min_size=1, max_size=3).map(lambda keys: f"[{'.'.join(keys)}]")
    | st.lists(KEYS, min_size=1, max_size=3).map(lambda keys: f"[[{'.'.join(keys)}]]")
    | st.tuples(KEYS, VALUES).map(" = ".join)
)


@given(text=st.lists(STATEMENTS, max_size=8).map("\n".join) | st.text(), procfile=st.none() | st.text(max_size=50))
def test_any_text_is_either_read_or_told_as_a_config_error_with_a_line_of_the_file(
    text: str, procfile: str | None
) -> None:
    try:
        parse({"pawl.toml": text} | ({} if procfile is None else {"Procfile": procfile}), folder="shop")
    except ConfigError as error:
        for told in [error.what, *error.detail.splitlines()]:
            file, line, *_ = told.split(":")
            assert file in ("pawl.toml", "Procfile")
            if line.isdigit():
                source = text if file == "pawl.toml" else procfile or ""
                assert 1 <= int(line) <= source.count("\n") + 1
