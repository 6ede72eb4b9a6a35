"""What is typed, and what is made of it; the exit status of every kind of end."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pawl.cli import env, host, main, scale, secrets, times
from pawl.errors import ConfigError, PawlError, Unreachable, UsageError
from pawl.home import Home

Capture = pytest.CaptureFixture[str]


# Arguments


def test_a_count_is_a_process_type_and_a_number() -> None:
    assert [scale._count(text) for text in ("web=3", "my-worker=0")] == [("web", 3), ("my-worker", 0)]


@pytest.mark.parametrize("text", ["web", "web=", "web=x", "web=-1", "web=1.5", "web=²", "web=1000000000", "web 3"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not TYPE=COUNT"):
        scale._count(text)


def test_a_value_may_hold_anything() -> None:
    assert [env._pair(text) for text in ("A=b=c", "A=", "A= b\n")] == [("A", "b=c"), ("A", ""), ("A", " b\n")]
    with pytest.raises(UsageError, match="is not NAME=VALUE"):
        env._pair("A")


PIPED: dict[str, tuple[tuple[str, ...], str, dict[str, str] | None]] = {
    "a value": (("A",), "hunter2!", {"A": "hunter2!"}),
    "a value and a newline": (("A",), "hunter2!\n", {"A": "hunter2!"}),
    "a value and a newline of Windows": (("A",), "hunter2!\r\n", {"A": "hunter2!"}),
    "a value with blanks": (("A",), "  two words  \n", {"A": "  two words  "}),
    "a value of several lines": (("A",), "-----BEGIN\nabc\n-----END\n", {"A": "-----BEGIN\nabc\n-----END"}),
    "a value with a sign in it": (("A",), "x=y", {"A": "x=y"}),
    "one by name": (("A",), "A=x\n", {"A": "x"}),
    "several by name": (("A", "B"), "B=2\nC=3\nA=1=1\n", {"A": "1=1", "B": "2"}),
    "none": (("A",), "", None),
    "an empty line": (("A",), "\n", None),
    "one of two": (("A", "B"), "A=1\n", None),
}


@pytest.mark.parametrize(("names", "text", "values"), PIPED.values(), ids=PIPED)
def test_secrets_are_read_from_stdin(names: tuple[str, ...], text: str, values: dict[str, str] | None) -> None:
    if values is None:
        with pytest.raises(UsageError, match="no value for"):
            secrets._piped(names, text)
    else:
        assert secrets._piped(names, text) == values


NOW = 1_000_000.0
MOMENTS = {
    "30s": NOW - 30, "10m": NOW - 600, "1.5h": NOW - 5400, "2d": NOW - 172_800,
    "2026-05-09T07:35:00Z": datetime(2026, 5, 9, 7, 35, tzinfo=UTC).timestamp(),
    "2026-05-09T09:35:00+02:00": datetime(2026, 5, 9, 7, 35, tzinfo=UTC).timestamp(),
    "2026-05-09T07:35": datetime(2026, 5, 9, 7, 35, tzinfo=UTC).timestamp(),
    "2026-05-09": datetime(2026, 5, 9, tzinfo=UTC).timestamp(),
}  # fmt: skip


@pytest.mark.parametrize(("text", "moment"), MOMENTS.items())
def test_since_is_a_span_or_a_time(monkeypatch: pytest.MonkeyPatch, text: str, moment: float) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    assert times.unix_time(text) == moment


@pytest.mark.parametrize(
    ("text", "hours_ago"), [("12:00", 2.5), ("14:29:59", 1 / 3600), ("14:30", 0), ("14:31", 24 - 1 / 60)]
)
def test_a_time_of_day_is_the_last_one_of_this_machines_clock(
    monkeypatch: pytest.MonkeyPatch, text: str, hours_ago: float
) -> None:
    now = datetime(2026, 5, 9, 14, 30).astimezone().timestamp()  # the clock on the wall is meant
    monkeypatch.setattr("time.time", lambda: now)
    assert times.unix_time(text) == pytest.approx(now - hours_ago * 3600)


@pytest.mark.parametrize("text", ["", "24:00", "9:5", "yesterday", "10", "10x", "-1h", "10 m", "2026-13-01", "1e3s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        times.unix_time(text)


# The unit of systemd


def test_each_home_has_a_unit_of_its_own_and_the_default_one_the_plain_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    default = Home(Path("/home/ada/.local/state/pawl"))
    assert host.unit_path(default, system=False) == Path("/home/ada/.config/systemd/user/pawl.service")
    assert host.unit_path(default, system=True) == Path("/etc/systemd/system/pawl.service")
    others = {host.unit_path(Home(Path(name)), system=True).name for name in ("/srv/pawl", "/srv/x/pawl", "/srv/a b")}
    assert len(others) == 3
    assert all(name.startswith("pawl-") and " " not in name for name in others)


def test_the_unit_keeps_apps_running_and_quotes_what_systemd_would_read() -> None:
    text = host.unit(Home(Path('/srv/100% "mine"')), system=True, as_user="ada")
    assert 'Environment="PAWL_HOME=/srv/100%% \\"mine\\""' in text
    assert "KillMode=process\n" in text
    assert "User=ada\n" in text
    assert "WantedBy=multi-user.target" in text
    assert "User=" not in host.unit(Home(Path("/srv/pawl")), system=False, as_user=None)


# Ends

ENDS: dict[str, tuple[BaseException | int | None, int, str]] = {
    "nothing said": (None, 0, ""),
    "a status": (1, 1, ""),
    "an error": (PawlError("it broke"), 1, "error: it broke\n"),
    "wrong use": (UsageError("no app 'x'"), 2, "error: no app 'x'\n"),
    "a wrong configuration": (ConfigError("pawl.toml:1: x"), 2, "error: pawl.toml:1: x\n"),
    "no pawld": (Unreachable("pawld does not answer"), 3, "error: pawld does not answer\n"),
    "interrupted": (KeyboardInterrupt(), 130, "interrupted\n"),
}


@pytest.mark.parametrize(("end", "status", "said"), ENDS.values(), ids=ENDS)
def test_the_exit_status_says_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, end: BaseException | int | None, status: int, said: str
) -> None:
    def command(**_options: object) -> int | None:
        if isinstance(end, BaseException):
            raise end
        return end

    monkeypatch.delenv("PAWL_DEBUG", raising=False)
    monkeypatch.setattr(main.cli, "main", command)
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == status
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["depoly"], "error: no command 'depoly', did you mean 'deploy'?\n"),
        (["xyzzy"], "error: no command 'xyzzy'\n"),
        (["scale"], "error: missing argument 'APP'\n"),
        (["deploy", "--colour"], "error: no such option '--colour'"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_told_what_was_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, words: list[str], said: str
) -> None:
    monkeypatch.setattr("sys.argv", ["pawl", *words])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith(said) or "--colour" in shown
    assert "--help" in shown.splitlines()[-1]


def test_every_command_has_a_module_and_a_help(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    for name in main.COMMANDS:
        monkeypatch.setattr("sys.argv", ["pawl", name, "--help"])
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith("Usage: ")


def test_an_error_is_a_traceback_for_who_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(**_options: object) -> None:
        raise PawlError("it broke")

    monkeypatch.setenv("PAWL_DEBUG", "1")
    monkeypatch.setattr(main.cli, "main", command)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with pytest.raises(PawlError):
        main.main()
