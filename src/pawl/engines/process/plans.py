"""What a command of an app is run with: the release's configuration and folder, and its environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pawl.config.schema import AppConfig, Process
from pawl.engines.process import launch
from pawl.engines.process.environments import Environments, uv_binary
from pawl.engines.process.releases import Releases
from pawl.home import Home
from pawl.settings.redaction import Redactor
from pawl.settings.versions import Settings, SettingsFolder

MARK = "PAWL_MARK"
_PASSED_ON = ("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PASSED_ON_TO_BUILD = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSH_AUTH_SOCK",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE", "UV_CACHE_DIR", "UV_PYTHON_DOWNLOADS", "UV_NATIVE_TLS",
    "UV_CONCURRENT_DOWNLOADS", "UV_HTTP_TIMEOUT", "NETRC",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """A release with one settings version: enough to run any of its commands."""

    app: str
    release: str
    settings: int
    config: AppConfig
    source: Path
    environ: Mapping[str, str]
    redactor: Redactor

    def process_environ(self, process: Process, *, name: str, address: launch.Address) -> dict[str, str]:
        """The variables of one instance; where to listen is said last, so that nothing can point it elsewhere."""
        return {**self.environ, **address.variables, "PAWL_PROCESS": name}


class Plans:
    """Makes plans from what is on disk."""

    def __init__(self, home: Home, environments: Environments) -> None:
        self._home = home
        self._environments = environments
        self._releases: dict[str, Releases] = {}

    def releases(self, app: str) -> Releases:
        return self._releases.setdefault(app, Releases(self._home.releases(app)))

    def forget(self, app: str) -> None:
        self._releases.pop(app, None)

    def plan(self, app: str, release: str, settings: int) -> Plan:
        """Everything a command needs, from the files of the release and of the settings version.

        Raises:
            UsageError: the release is not on this machine.
            StateError: the settings file cannot be read.
        """
        releases = self.releases(app)
        config = releases.config(release)
        values = SettingsFolder(self._home.settings(app)).read(settings)
        data = self._home.data(app)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        environ = {
            **self._base(app, release),
            "PAWL_DATA": str(data),
            **config.env,
            **values.env,
            **values.secrets,
        }
        source = releases.source(release)
        return Plan(app, release, settings, config, source, environ, Redactor(values.secrets.values()))

    def missing_secrets(self, config: AppConfig, values: Settings) -> list[str]:
        """The names that ``secrets`` in pawl.toml asks for and nobody has set."""
        return [name for name in config.secrets if name not in values.secrets and name not in values.env]

    def build_environ(self, app: str, release: str, config: AppConfig) -> dict[str, str]:
        """The variables of install and test commands: none of the app's settings, tests must not reach production."""
        passed = {name: os.environ[name] for name in _PASSED_ON_TO_BUILD if name in os.environ}
        return {**passed, **self._base(app, release), **config.build.env}

    def _base(self, app: str, release: str) -> dict[str, str]:
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        path = [os.environ.get("PATH", os.defpath)]
        variables = {"PYTHONUNBUFFERED": "1", "PAWL_APP": app, "PAWL_RELEASE": release}
        if self.releases(app).has(release):
            environment = self._environments.path(self.releases(app).manifest(release).environment)
            variables["VIRTUAL_ENV"] = str(environment)
            path.insert(0, str(environment / "bin"))
        path.append(str(Path(uv_binary()).parent))
        return {**passed, **variables, "PATH": os.pathsep.join(path)}
