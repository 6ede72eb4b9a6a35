"""The ``pawl.toml`` that ``pawl init`` writes: what was detected, and every other section as a comment.

A line that begins with ``#`` and no space is a setting: without the ``#`` it is valid where it stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pawl.config.detect import Detected
from pawl.config.schema import WEB

_NO_WEB = "echo 'write the command of your app into pawl.toml, at [processes.web]' >&2; exit 1"


def render(detected: Detected, *, app: str) -> str:
    """The text of a ``pawl.toml`` for an app of this name (one that ``check_app_name`` lets pass)."""
    blocks = (
        _head(detected, app),
        _build(detected),
        _release(detected),
        _web(detected),
        *(_process(name, command, detected) for name, command in detected.processes.items() if name != WEB),
        *((_example_worker(),) if set(detected.processes) <= {WEB} else ()),
        _checks(),
        _observe(),
        _env(detected),
        _domains(app),
        _targets(),
    )
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks)


def quoted(text: str) -> str:
    """A text as TOML writes it, in whichever quotes need fewer escapes."""
    if ('"' in text or "\\" in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _head(detected: Detected, app: str) -> Iterator[str]:
    yield "# How Pawl builds, checks and runs this app. Every key is explained in Pawl's docs/configuration.md."
    yield "# A line that begins with # and no space is a setting to try: take the # away."
    yield from (f"# To do: {' '.join(advice.split())}." for advice in detected.advice)
    yield ""
    yield f"app = {quoted(app)}"
    yield "# The names of the secrets the app needs, never their values: those are set with pawl secrets."
    yield '#secrets = ["SECRET_KEY"]'


def _build(detected: Detected) -> Iterator[str]:
    yield "[build]"
    yield '# "auto" finds uv.lock, pyproject.toml or requirements.txt; "none" installs nothing; else a command.'
    yield 'install = "auto"'
    yield '#python = "3.12"'
    yield "# A commit that fails this is not deployed. It runs without the app's settings and secrets."
    yield f"#test = {quoted(detected.test or 'pytest')}"
    yield "#timeout_s = 900"
    yield "#[build.env]"
    yield '#PIP_NO_CACHE_DIR = "1"'


def _release(detected: Detected) -> Iterator[str]:
    yield "# Run once per deploy, before any new instance starts and while the old release still serves:"
    yield "# a migration must leave the database usable for both."
    yield "[release]"
    if detected.tasks:
        yield "tasks = ["
        yield from (f"    {quoted(task)}," for task in detected.tasks)
        yield "]"
    else:
        yield '#tasks = ["python migrate.py"]'
    yield "#timeout_s = 600"


def _web(detected: Detected) -> Iterator[str]:
    yield "# The instances that answer requests. Listen on $SOCKET (a unix socket, quicker) or $PORT."
    yield "[processes.web]"
    yield f"command = {quoted(detected.processes.get(WEB, _NO_WEB))}"
    yield "#instances = 2"
    yield '#memory = "512MB"'
    yield "#stop_timeout_s = 30"
    yield '#listen = "auto"'
    yield "# How long the release before is kept running after a switch, for an instant way back."
    yield "#keep_warm_s = 300"
    yield ""
    yield "# Nothing is switched to a new release before it is healthy. Without a path, accepting connections and"
    yield "# staying up is enough; a path that looks at the database as well says more."
    yield "[processes.web.health]"
    yield f"path = {quoted(detected.health_path)}" if detected.health_path else '#path = "/healthz"'
    yield "#status = [200]"
    yield '#content = "ok"'
    yield "#attempts = 5"
    yield "#interval_s = 0.5"
    yield "#timeout_s = 5"
    yield "#uptime_s = 1"
    yield "#start_timeout_s = 60"


def _process(name: str, command: str, detected: Detected) -> Iterator[str]:
    is_singleton = name in detected.singletons
    if is_singleton:
        yield "# Never two at once: the old one is stopped before the new one starts."
    yield f"[processes.{name}]"
    yield f"command = {quoted(command)}"
    yield "singleton = true" if is_singleton else "#instances = 2"
    yield '#memory = "512MB"'
    yield "# How long a running job may take to end after SIGTERM."
    yield "#stop_timeout_s = 30"


def _example_worker() -> Iterator[str]:
    yield "# Other process types: any name, any command; a singleton never runs twice at once."
    yield "#[processes.worker]"
    yield '#command = "python worker.py"'
    yield "#instances = 1"
    yield "#singleton = true"
    yield "#stop_timeout_s = 30"


def _checks() -> Iterator[str]:
    yield "# Paths that a new release is asked for once it is live; it is taken back if one fails."
    yield "#[checks]"
    yield '#after_switch = ["/smoketest/"]'


def _observe() -> Iterator[str]:
    yield "# A change is watched once it is live, against what was live before."
    yield "[observe]"
    yield '# "auto" takes a change back that does harm, "ask" asks, "observe" only says so, "off" does not watch.'
    yield '#mode = "auto"'
    yield "#duration_s = 300"
    yield "# The percents of the requests that a new release serves beside the old one, before it gets all."
    yield "#canary = [5, 25, 50]"
    yield "#canary_step_s = 60"


def _env(detected: Detected) -> Iterator[str]:
    yield "# Settings that are no secrets, the same wherever the app is deployed; pawl env overrides them."
    yield "[env]"
    yield from (f"{name} = {quoted(value)}" for name, value in detected.env.items())
    yield '#LOG_LEVEL = "info"'


def _domains(app: str) -> Iterator[str]:
    yield "# The host names the app answers to."
    yield "[domains]"
    yield f'#names = ["{app}.example.com"]'
    yield '# "auto" gets certificates by itself, "internal" signs its own, "off" is plain HTTP.'
    yield '#https = "auto"'


def _targets() -> Iterator[str]:
    yield "# Named places to deploy to; this version of Pawl knows the engine process."
    yield "#[targets.production]"
    yield '#engine = "process"'
