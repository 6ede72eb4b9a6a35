"""What may be asked of pawld: each request is checked whole before anything is changed."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

import msgspec

from pawl.config.load import parse
from pawl.config.names import check_app_name, check_env_name
from pawl.config.schema import AppConfig
from pawl.daemon import removal
from pawl.daemon.pawld import Pawld
from pawl.daemon.streams import LogQuery
from pawl.engines.process.logs import LogFolder
from pawl.errors import ConfigError, PawlError, StageFailed, UsageError
from pawl.ledger.events import AppCreated, AppRemoved, DeployOptions, Scaled, SettingsChanged
from pawl.ledger.records import AppView
from pawl.model import DeployKind
from pawl.observe import expectations
from pawl.settings.versions import SettingsFolder

log = logging.getLogger(__name__)
_MOST_INSTANCES = 100


class DeployRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A commit that has arrived in the store, and the folder name that names an app without a pawl.toml.

    ``path`` is the app's folder inside the repository, empty for the top.
    """

    commit: str
    folder: str
    path: str = ""
    app: str | None = None
    observe: bool = True
    expect: tuple[str, ...] = ()
    asked_by: str = ""


class RollbackRequest(msgspec.Struct, forbid_unknown_fields=True):
    to: str | None = None
    asked_by: str = ""


class KeepRequest(msgspec.Struct, forbid_unknown_fields=True):
    asked_by: str = ""


class RestartRequest(msgspec.Struct, forbid_unknown_fields=True):
    asked_by: str = ""


class ScaleRequest(msgspec.Struct, forbid_unknown_fields=True):
    processes: dict[str, int]


class SettingsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Values to set and names to unset; ``restart`` False leaves them for the next deploy."""

    set: dict[str, str] = {}
    unset: tuple[str, ...] = ()
    restart: bool = True
    asked_by: str = ""


class LinkRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Where the dashboard is to be opened: at an app, at a deploy, or at its first page."""

    app: str | None = None
    deploy: str | None = None


def known(pawld: Pawld, app: str) -> AppView:
    """The app.

    Raises:
        UsageError: there is none of this name.
    """
    view = pawld.ledger.app(app)
    if view is None:
        there = ", ".join(item.name for item in pawld.ledger.apps()) or "none yet"
        raise UsageError(f"no app '{app[:60]}'", why=f"the apps here: {there}", next_step="see: pawl apps")
    return view


def link_target(pawld: Pawld, request: LinkRequest) -> str:
    """The path of the dashboard's page that is meant.

    Raises:
        UsageError: there is no such app or deploy.
    """
    if request.deploy is not None:
        view = pawld.ledger.deploy(request.deploy)
        if view is None:
            raise UsageError(f"no deploy '{request.deploy[:40]}'", next_step="see: pawl deploys APP")
        return f"/deploys/{view.id}"
    return "/" if request.app is None else f"/apps/{known(pawld, request.app).name}"


async def deploy(pawld: Pawld, request: DeployRequest) -> tuple[str, str]:
    """Queue a deploy; (app, deploy id). Nothing is recorded of one that cannot be tried.

    Raises:
        UsageError: the commit did not arrive, or has what an archive lacks.
        ConfigError: its pawl.toml or Procfile is wrong, or a secret it names is not set.
    """
    commit = await pawld.store.commit(request.commit)
    try:
        config = await _deployable(pawld, request)
        app = config.app
        view = pawld.ledger.app(app)
        live = view.live if view else None
        change = await pawld.store.between(live.commit if live else None, commit.sha)
        expect = await _expectations(pawld, request, config, [item.sha for item in change] or [commit.sha])
    except UsageError:
        await pawld.store.forget_arrival(commit.sha)
        raise
    if view is None:
        pawld.ledger.append(AppCreated(), app=app)
    options = DeployOptions(observe=request.observe, expect=expect)
    return app, pawld.deploys.deploy(
        app, commit, path=request.path, commits=change, options=options, asked_by=request.asked_by
    )


async def _expectations(
    pawld: Pawld, request: DeployRequest, config: AppConfig, change: Sequence[str]
) -> tuple[str, ...]:
    """What was asked for and what the commits of the change say in their trailers, as it is kept with the deploy."""
    found = [expectations.written(text) for text in request.expect]
    newest, *earlier = await pawld.store.messages(change)
    for message in reversed(earlier):
        with suppress(UsageError):  # it was refused when it was deployed, and what has been pushed cannot be mended
            found += expectations.from_message(message)
    found += expectations.from_message(newest)
    for one in found:
        if one.is_of_processes and one.subject is not None and one.subject not in config.processes:
            raise UsageError(
                f"the expectation '{one.text}' is about a process type that '{config.app}' does not have",
                why=f"it has: {', '.join(config.processes)}",
            )
    return tuple(dict.fromkeys(f"{'Require' if one.is_required else 'Expect'}: {one.text}" for one in found))


async def _deployable(pawld: Pawld, request: DeployRequest) -> AppConfig:
    """The configuration of a commit that can be tried."""
    config = await configuration(pawld, request)
    await pawld.store.refuse_what_an_archive_lacks(request.commit, path=request.path)
    if request.app is not None and request.app != config.app:
        raise ConfigError(
            f"pawl.toml names the app '{config.app}', but it was pushed to '{request.app}'",
            next_step=f"push to the remote of '{config.app}': pawl init",
        )
    _refuse_missing_secrets(pawld, config)
    _refuse_taken_domains(pawld, config)
    return config


async def configuration(pawld: Pawld, request: DeployRequest) -> AppConfig:
    """What a commit's own files say of its app."""
    files = await pawld.store.texts(request.commit, ["pawl.toml", "Procfile"], path=request.path)
    config = parse(files, folder=request.app or request.folder)
    check_app_name(config.app)
    return config


def _refuse_missing_secrets(pawld: Pawld, config: AppConfig) -> None:
    values = SettingsFolder(pawld.home.settings(config.app)).read(pawld.ledger.settings_version(config.app))
    missing = pawld.engine.plans.missing_secrets(config, values)
    if missing:
        raise ConfigError(
            f"the secret {missing[0]} is not set"
            if len(missing) == 1
            else f"secrets are not set: {', '.join(missing)}",
            why=f"pawl.toml names it under secrets, and '{config.app}' would start without it",
            next_step=f"pawl secrets set {config.app} {' '.join(missing)}",
        )


def _refuse_taken_domains(pawld: Pawld, config: AppConfig) -> None:
    for route in pawld.routes():
        taken = [name for name in config.domains.names if name in (*route.domains, f"{route.app}.localhost")]
        if taken and route.app != config.app:
            raise ConfigError(
                f"{taken[0]} cannot lead to two apps",
                why=f"'{route.app}' has it among its domains already",
                next_step=f"take it out of [domains] of one of them, or: pawl remove {route.app}",
            )


def check_log_query(pawld: Pawld, view: AppView, query: LogQuery) -> None:
    """Refuse to look for what cannot be there.

    Raises:
        UsageError: a process type the app does not have, or no start has failed.
    """
    folder = LogFolder(pawld.home.logs(view.name))
    if query.process is not None and not folder.files(query.process):
        there = sorted({file.name.partition(".")[0] for file in folder.files()})
        raise UsageError(
            f"'{view.name}' has no log of '{query.process[:40]}'", why=f"there are: {', '.join(there) or 'none yet'}"
        )
    if query.failed and not folder.failed():
        raise UsageError(f"no start of '{view.name}' has failed")


async def scale(pawld: Pawld, app: str, request: ScaleRequest) -> dict[str, int]:
    """Run so many instances of each process type from now on; returns when they are healthy.

    Raises:
        UsageError: a process type the app does not have, a number out of range, or a singleton above one.
        StageFailed: the new instances did not become healthy.
    """
    view = known(pawld, app)
    if view.live is None:
        raise UsageError(f"'{app}' is not live", next_step="deploy it first: pawl deploy")
    config = pawld.engine.config(app, view.live.release)
    for kind, count in request.processes.items():
        process = config.processes.get(kind)
        if process is None:
            kinds = ", ".join(config.processes)
            raise UsageError(f"'{app}' has no process type '{kind[:40]}'", why=f"it has: {kinds}")
        most = 1 if process.singleton else _MOST_INSTANCES
        if not 0 <= count <= most:
            why = "it is a singleton: it never runs twice at once" if process.singleton else ""
            raise UsageError(f"{kind} cannot be scaled to {count}: 0 to {most} instances", why=why)
    pawld.ledger.append(Scaled(processes=request.processes), app=app)
    pawld.deploys.ensure(app)
    longest = max((config.processes[kind].health.start_timeout_s for kind in request.processes), default=0.0)
    wanted = pawld.engine.wanted(app, view.live.release, request.processes)
    places = [f"{kind}.{number + 1}" for kind in request.processes for number in range(wanted[kind])]
    late = await pawld.engine.wait_live(app, places, longest)
    if late:
        ends = [f"{name} {how}" for name, how in late.items() if how]
        raise StageFailed(
            f"not healthy after {longest:g} s: {', '.join(late)}",
            why="; ".join([*ends, "Pawl goes on trying"]),
            next_step=f"see: pawl logs {app}",
        )
    return request.processes


def change_settings(
    pawld: Pawld, app: str, what: Literal["env", "secrets"], request: SettingsRequest
) -> tuple[int, str | None]:
    """Write a new settings version; (version, the deploy that puts it live or None).

    An app that is not there yet is made, for secrets are set before the first deploy.
    """
    check_app_name(app)
    for name in (*request.set, *request.unset):
        check_env_name(name)
    for name, value in request.set.items():
        if "\0" in value:
            raise UsageError(f"the value of {name} has a NUL byte, which no environment variable can hold")
    folder = SettingsFolder(pawld.home.settings(app))
    version = pawld.ledger.settings_version(app)
    old = folder.read(version)
    there = old.secrets if what == "secrets" else old.env
    absent = [name for name in request.unset if name not in there]
    if absent:
        raise UsageError(f"{absent[0]} is not set in {what} of '{app}'", next_step=f"see: pawl {what} list {app}")
    if pawld.ledger.app(app) is None:
        pawld.ledger.append(AppCreated(), app=app)
    folder.write(version + 1, old.changed(what=what, set_values=request.set, unset_names=request.unset))
    pawld.ledger.append(
        SettingsChanged(
            version=version + 1, what=what, set_names=tuple(request.set), unset_names=request.unset, by=request.asked_by
        ),
        app=app,
    )
    deploy_id = pawld.deploys.renew(app, DeployKind.SETTINGS, asked_by=request.asked_by) if request.restart else None
    return version + 1, deploy_id


async def remove(pawld: Pawld, app: str) -> None:
    """End an app and delete its releases, settings and logs; its data folder and its history stay."""
    known(pawld, app)
    await pawld.deploys.cancel(app, "the app was removed")
    await pawld.engine.remove(app)
    # Before the ledger says so: afterwards nobody could tell it from one that 'pawl init' has made anew.
    await asyncio.to_thread(shutil.rmtree, pawld.home.door(app), ignore_errors=True)
    pawld.ledger.append(AppRemoved(), app=app)
    pawld.fault_point("app removed")
    try:
        await pawld.show_routes()
    except PawlError:
        log.exception("%s is removed, but the proxy does not know it yet", app)
    await removal.delete(app, home=pawld.home, slots=pawld.slots, store=pawld.store)
    await pawld.engine.prune_environments([item.name for item in pawld.ledger.apps()])
