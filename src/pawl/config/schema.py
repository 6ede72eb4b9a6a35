"""The typed form of a ``pawl.toml``: frozen values, already checked by :mod:`pawl.config.load`.

Each Struct is one table of the file and each field one key, under the same name; ``docs/configuration.md`` tells
their meaning to users. They travel as JSON through msgspec and come back equal.
"""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct, field

InstallKind = Literal["auto", "none"]
Listen = Literal["auto", "socket", "port"]
Https = Literal["auto", "internal", "off"]
Engine = Literal["process", "docker", "kubernetes"]
ObserveMode = Literal["auto", "ask", "observe", "off"]

LISTENS: tuple[str, ...] = get_args(Listen)
HTTPS_MODES: tuple[str, ...] = get_args(Https)
ENGINES: tuple[str, ...] = get_args(Engine)
ENGINES_HERE: tuple[str, ...] = ("process",)
OBSERVE_MODES: tuple[str, ...] = get_args(ObserveMode)

WEB = "web"
"""The process type that the proxy sends requests to."""

_WARM_AFTER_WATCH_S = 60.0


class Build(Struct, frozen=True, kw_only=True):
    """How a release is made of a commit."""

    install: str = "auto"
    """``auto``, ``none``, or the command that installs the dependencies."""
    python: str | None = None
    """The Python version asked for; None is the project's own wish."""
    test: str | None = None
    """The command that must end well before anything is deployed; None is no test."""
    env: dict[str, str] = field(default_factory=dict)
    """The environment of install and test, and of nothing else."""
    timeout_s: float = 900.0


class ReleaseTasks(Struct, frozen=True, kw_only=True):
    """The commands run once per deploy, in order, before any new instance starts (``[release]``)."""

    tasks: tuple[str, ...] = ()
    timeout_s: float = 600.0
    """For each task by itself."""


class Health(Struct, frozen=True, kw_only=True):
    """When a new instance counts as healthy."""

    path: str | None = None
    """The path asked for by GET; None: accepting connections and staying up is enough."""
    attempts: int = 5
    interval_s: float = 0.5
    timeout_s: float = 5.0
    status: tuple[int, ...] = ()
    """The statuses that are good; empty is any from 200 to 399."""
    content: str | None = None
    """A text that the body must contain."""
    uptime_s: float = 1.0
    """How long an instance without a ``path`` must stay up."""
    start_timeout_s: float = 60.0
    """How long an instance may take until it first accepts a connection."""

    def accepts_status(self, status: int) -> bool:
        """Whether an answer with this HTTP status is a good one."""
        return status in self.status if self.status else 200 <= status <= 399


class Process(Struct, frozen=True, kw_only=True):
    """A process type: what to run and how many of it."""

    command: str
    instances: int = 1
    health: Health = field(default_factory=Health)
    singleton: bool = False
    """Never two at once: the old instance is stopped before the new one starts."""
    memory: int | None = None
    """The most memory one instance may use, in bytes; None is no limit."""
    stop_timeout_s: float = 30.0
    """How long an instance may take to end by itself after SIGTERM."""
    listen: Listen = "auto"
    keep_warm_s: float = 300.0
    """Only ``web``: how long the release before stays up after a switch, for an instant way back."""


class Observe(Struct, frozen=True, kw_only=True):
    """How a change is watched once it is live, and what is done about one that does harm."""

    mode: ObserveMode = "auto"
    """``auto`` takes it back, ``ask`` says so and asks on a terminal, ``observe`` only says so; ``off`` is no watch."""
    duration_s: float = 300.0
    """How long a change is watched after the switch."""
    canary: tuple[int, ...] = ()
    """The percents of the requests that the candidate serves, step by step, before it gets all; empty is no canary."""
    canary_step_s: float = 60.0
    """How long each step of the canary lasts at least."""


class Checks(Struct, frozen=True, kw_only=True):
    """What a change has to pass besides its tests and its health."""

    after_switch: tuple[str, ...] = ()
    """The paths that the new release is asked for once it serves all requests; one that fails takes it back."""


class Domains(Struct, frozen=True, kw_only=True):
    """The host names an app answers to; lower case and in ASCII (punycode)."""

    names: tuple[str, ...] = ()
    https: Https = "auto"

    def https_for(self, name: str) -> Https:
        """How one of the names is served: under ``auto``, a name of this machine only needs no certificate.

        >>> Domains(names=("demo.localhost",)).https_for("demo.localhost")
        'off'
        """
        return "off" if self.https == "auto" and is_local(name) else self.https


class Target(Struct, frozen=True, kw_only=True):
    """A named place to deploy to."""

    engine: Engine = "process"


class AppConfig(Struct, frozen=True, kw_only=True):
    """All of a ``pawl.toml``. ``processes`` keeps the order of the file and always holds ``web``."""

    app: str
    secrets: tuple[str, ...] = ()
    """The names of the secrets the app needs, never their values."""
    build: Build = field(default_factory=Build)
    release: ReleaseTasks = field(default_factory=ReleaseTasks)
    processes: dict[str, Process] = field(default_factory=dict)
    checks: Checks = field(default_factory=Checks)
    observe: Observe = field(default_factory=Observe)
    env: dict[str, str] = field(default_factory=dict)
    domains: Domains = field(default_factory=Domains)
    targets: dict[str, Target] = field(default_factory=dict)

    @property
    def web(self) -> Process:
        """The process type that answers requests."""
        return self.processes[WEB]

    @property
    def keep_warm_s(self) -> float:
        """How long the release before stays up after a switch; 0 is not at all.

        Where a change is watched, at least until 60 s after its watch: going back at the end of it starts nothing.
        """
        warm_s = self.web.keep_warm_s
        if warm_s > 0 and self.observe.mode != "off":
            return max(warm_s, self.observe.duration_s + _WARM_AFTER_WATCH_S)
        return warm_s


def is_local(name: str) -> bool:
    """Whether a host name means this machine wherever it is looked up (``localhost`` and all below it)."""
    return name == "localhost" or name.endswith(".localhost")
