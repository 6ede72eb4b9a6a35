"""What a good pawl.toml or Procfile becomes."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from pawl.config.load import parse
from pawl.config.schema import (
    OBSERVE_MODES,
    AppConfig,
    Build,
    Checks,
    Domains,
    Health,
    Observe,
    Process,
    ReleaseTasks,
    Target,
)

WEB = '[processes.web]\ncommand = "gunicorn app:app"\n'

FULL = """\
app = "shop"
secrets = ["SECRET_KEY", "DATABASE_URL"]

[build]
install = "make install"
python = "3.12"
test = "pytest"
timeout_s = 60
[build.env]
CI = "1"

[release]
tasks = ["one", "two"]
timeout_s = 5

[processes.web]
command = "gunicorn app:app"
instances = 3
memory = "256MB"
stop_timeout_s = 1.5
listen = "port"
keep_warm_s = 0
[processes.web.health]
path = "/healthz?full=1"
attempts = 7
interval_s = 2
timeout_s = 3
status = [200, 204, 200]
content = "ok"
uptime_s = 4
start_timeout_s = 90

[processes.beat]
command = "beat"
singleton = true

[checks]
after_switch = ["/smoketest/", "/ready?all=1", "/smoketest/"]

[observe]
mode = "ask"
duration_s = 600
canary = [5, 25, 50]
canary_step_s = 7.5

[env]
EMPTY = ""
NAME = "value"

[domains]
names = ["Shop.Example.com", "*.shop.example.com"]
https = "internal"

[targets.production]
engine = "process"
"""

SHOP = AppConfig(
    app="shop",
    secrets=("SECRET_KEY", "DATABASE_URL"),
    build=Build(install="make install", python="3.12", test="pytest", env={"CI": "1"}, timeout_s=60),
    release=ReleaseTasks(tasks=("one", "two"), timeout_s=5),
    processes={
        "web": Process(
            command="gunicorn app:app",
            instances=3,
            memory=256_000_000,
            stop_timeout_s=1.5,
            listen="port",
            keep_warm_s=0,
            health=Health(
                path="/healthz?full=1",
                attempts=7,
                interval_s=2,
                timeout_s=3,
                status=(200, 204),
                content="ok",
                uptime_s=4,
                start_timeout_s=90,
            ),
        ),
        "beat": Process(command="beat", singleton=True),
    },
    checks=Checks(after_switch=("/smoketest/", "/ready?all=1")),
    observe=Observe(mode="ask", duration_s=600, canary=(5, 25, 50), canary_step_s=7.5),
    env={"EMPTY": "", "NAME": "value"},
    domains=Domains(names=("shop.example.com", "*.shop.example.com"), https="internal"),
    targets={"production": Target(engine="process")},
)


def test_a_file_with_every_key_is_read_as_written() -> None:
    assert parse({"pawl.toml": FULL}, folder="ignored") == SHOP


def test_a_command_for_web_is_enough_and_the_folder_names_the_app() -> None:
    config = parse({"pawl.toml": WEB}, folder="My App_2")
    assert config == AppConfig(app="my-app-2", processes={"web": Process(command="gunicorn app:app")})
    assert config.web.command == "gunicorn app:app"


def test_a_config_survives_the_journey_as_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(SHOP), type=AppConfig) == SHOP


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff" + FULL, id="byte order mark"),
        pytest.param(FULL.replace("\n", "\r\n"), id="CRLF"),
        pytest.param("\ufeff" + FULL.replace("\n", "\r\n"), id="both"),
        pytest.param(FULL.rstrip("\n"), id="no last newline"),
    ],
)
def test_how_an_editor_saves_the_file_makes_no_difference(text: str) -> None:
    assert parse({"pawl.toml": text}, folder="x") == SHOP


@pytest.mark.parametrize(
    "text",
    [
        'processes.web.command = "gunicorn app:app"',
        'processes = { web = { command = "gunicorn app:app" } }',
        '[processes]\nweb = { command = "gunicorn app:app" }',
        '[processes]\nweb.command = "gunicorn app:app"',
        '["processes"."web"]\n"command" = "gunicorn app:app"',
    ],
    ids=["dotted keys", "inline tables", "inline table", "dotted key in a table", "quoted keys"],
)
def test_every_way_that_toml_has_to_write_a_table_is_the_same(text: str) -> None:
    assert parse({"pawl.toml": text}, folder="x").web == Process(command="gunicorn app:app")


def test_a_health_path_alone_is_short_for_a_table_with_it() -> None:
    short = parse({"pawl.toml": WEB + 'health = "/healthz"'}, folder="x")
    assert short.web.health == Health(path="/healthz")


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [
        ("1000000", 1_000_000),
        ('"1000000B"', 1_000_000),
        ('"1000KB"', 1_000_000),
        ('"1MB"', 1_000_000),
        ('"1.5GB"', 1_500_000_000),
        ('"1024KiB"', 2**20),
        ('"256 MiB"', 2**28),
        ('"2GiB"', 2**31),
        ('"256mb"', 256_000_000),
    ],
)
def test_memory_is_read_in_decimal_and_binary_units(written: str, size_bytes: int) -> None:
    assert parse({"pawl.toml": f"{WEB}memory = {written}"}, folder="x").web.memory == size_bytes


@pytest.mark.parametrize(("written", "statuses"), [("200", (200,)), ("[200, 204]", (200, 204)), ("[]", ())])
def test_a_status_is_one_or_a_list(written: str, statuses: tuple[int, ...]) -> None:
    config = parse({"pawl.toml": f'{WEB}health = {{ path = "/", status = {written} }}'}, folder="x")
    assert config.web.health.status == statuses


@pytest.mark.parametrize(
    ("health", "good", "bad"),
    [(Health(), (200, 302, 399), (199, 400, 502)), (Health(status=(200, 503)), (200, 503), (201, 302))],
    ids=["any from 200 to 399", "listed"],
)
def test_health_tells_which_statuses_are_good(health: Health, good: tuple[int, ...], bad: tuple[int, ...]) -> None:
    assert [health.accepts_status(status) for status in (*good, *bad)] == [True] * len(good) + [False] * len(bad)


def test_a_change_is_watched_for_five_minutes_and_taken_back_without_a_word_about_it() -> None:
    observe = parse({"pawl.toml": WEB}, folder="x").observe
    assert (observe.mode, observe.duration_s, observe.canary, observe.canary_step_s) == ("auto", 300, (), 60)


@pytest.mark.parametrize("mode", OBSERVE_MODES)
def test_every_mode_of_observing_is_read(mode: str) -> None:
    assert parse({"pawl.toml": f'{WEB}[observe]\nmode = "{mode}"'}, folder="x").observe.mode == mode


@pytest.mark.parametrize(("low", "high"), [("10", "3600"), ("10.0", "3_600.0")])
def test_both_ends_of_the_range_of_a_watch_are_in_it(low: str, high: str) -> None:
    for written in (low, high):
        config = parse({"pawl.toml": f"{WEB}[observe]\nduration_s = {written}"}, folder="x")
        assert config.observe.duration_s == float(written)


@pytest.mark.parametrize(
    ("written", "percents"),
    [
        ("[]", ()),
        ("[5]", (5,)),
        ("[95]", (95,)),
        ("[5, 95]", (5, 95)),
        ("[\n 10, # a tenth\n 20,\n]", (10, 20)),
        ("[5, 10, 15, 20, 25, 30, 35, 40, 45, 50]", tuple(range(5, 51, 5))),
    ],
)
def test_the_steps_of_a_canary_are_rising_percents(written: str, percents: tuple[int, ...]) -> None:
    assert parse({"pawl.toml": f"{WEB}[observe]\ncanary = {written}"}, folder="x").observe.canary == percents


@pytest.mark.parametrize(
    ("keep_warm_s", "mode", "duration_s", "kept_s"),
    [
        (300, "auto", 300, 360),
        (300, "auto", 200, 300),
        (300, "auto", 240, 300),
        (300, "auto", 240.5, 300.5),
        (1, "observe", 10, 70),
        (1, "ask", 3600, 3660),
        (1, "off", 3600, 1),
        (0, "auto", 300, 0),
        (0, "off", 300, 0),
        (86_400, "auto", 3600, 86_400),
    ],
)
def test_the_release_before_stays_warm_until_a_minute_after_the_watch(
    keep_warm_s: float, mode: str, duration_s: float, kept_s: float
) -> None:
    text = f'{WEB}keep_warm_s = {keep_warm_s}\n[observe]\nmode = "{mode}"\nduration_s = {duration_s}'
    assert parse({"pawl.toml": text}, folder="x").keep_warm_s == kept_s


def test_an_empty_test_command_is_no_test() -> None:
    assert parse({"pawl.toml": f'{WEB}[build]\ntest = ""'}, folder="x").build.test is None


@pytest.mark.parametrize(
    ("name", "https", "served"),
    [
        ("shop.localhost", "auto", "off"),
        ("localhost", "auto", "off"),
        ("shop.localhost", "internal", "internal"),
        ("shop.example.com", "auto", "auto"),
        ("notlocalhost", "auto", "auto"),
        ("shop.example.com", "off", "off"),
    ],
)
def test_a_name_of_this_machine_only_needs_no_certificate(name: str, https: str, served: str) -> None:
    config = parse({"pawl.toml": f'{WEB}[domains]\nnames = ["{name}"]\nhttps = "{https}"'}, folder="x")
    assert config.domains.https_for(name) == served


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Bücher.Example", "xn--bcher-kva.example"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("EXAMPLE.com.", "example.com"),
        ("intranet", "intranet"),
        ("a-1.2b.io", "a-1.2b.io"),
    ],
)
def test_a_domain_is_kept_in_lower_case_and_ascii(written: str, name: str) -> None:
    assert parse({"pawl.toml": f'{WEB}[domains]\nnames = ["{written}"]'}, folder="x").domains.names == (name,)


def test_a_procfile_alone_is_enough() -> None:
    lines = [
        "\ufeff# how it runs",
        "release: migrate --all",
        "",
        "web:  gunicorn app:app -b :$PORT ",
        "cron: * * * * * job",
    ]
    assert parse({"Procfile": "\r\n".join(lines)}, folder="Shop") == AppConfig(
        app="shop",
        release=ReleaseTasks(tasks=("migrate --all",)),
        processes={"web": Process(command="gunicorn app:app -b :$PORT"), "cron": Process(command="* * * * * job")},
    )


def test_the_processes_come_from_the_procfile_when_pawl_toml_names_none() -> None:
    files = {"pawl.toml": 'app = "shop"\n[release]\ntimeout_s = 9', "Procfile": "web: x\nrelease: y"}
    config = parse(files, folder="x")
    assert (config.app, config.web.command) == ("shop", "x")
    assert config.release == ReleaseTasks(tasks=("y",), timeout_s=9)


def test_release_tasks_in_pawl_toml_win_over_those_of_the_procfile() -> None:
    files = {"pawl.toml": '[release]\ntasks = ["mine"]', "Procfile": "web: x\nrelease: theirs"}
    assert parse(files, folder="x").release.tasks == ("mine",)


def test_a_procfile_is_not_even_read_when_pawl_toml_names_processes() -> None:
    config = parse({"pawl.toml": WEB, "Procfile": "nonsense\nworker: x\nrelease: y"}, folder="x")
    assert (list(config.processes), config.release.tasks) == (["web"], ())


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import pawl.config; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["pawl", "pawl.config"]
