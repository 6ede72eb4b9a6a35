"""The API of pawld: JSON over HTTP on a unix socket of mode 0600. Handlers only translate."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pawl import __version__
from pawl.daemon import backtesting, incidents, measuring, readings, records, requests, shapes, streams
from pawl.daemon.pawld import Pawld
from pawl.deploys.story import from_os
from pawl.errors import PawlError, UsageError
from pawl.model import DeployKind
from pawl.settings.versions import SettingsFolder

log = logging.getLogger(__name__)
Body = TypeVar("Body")
Handler = Callable[[Request], Awaitable[Response]]


class DeploysQuery(msgspec.Struct, frozen=True):
    """How many deploys, the newest first."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50


class Api:
    """The handlers of one pawld."""

    def __init__(self, pawld: Pawld) -> None:
        self._pawld = pawld

    def application(self) -> Starlette:
        """The routes."""
        app = "/v1/apps/{app}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/v1/ping", self.ping),
            ("GET", "/v1/status", self.status),
            ("GET", "/v1/apps", self.apps),
            ("GET", f"{app}/releases", self.releases),
            ("GET", f"{app}/deploys", self.deploys),
            ("GET", f"{app}/signals", self.signals),
            ("GET", f"{app}/backtest", self.backtest),
            ("GET", f"{app}/logs", self.logs),
            ("GET", f"{app}/run", self.run),
            ("GET", f"{app}/env", self.env),
            ("GET", f"{app}/secrets", self.secrets),
            ("POST", "/v1/deploys", self.deploy),
            ("POST", "/v1/app-of", self.app_of),
            ("GET", "/v1/deploys/{deploy}", self.one_deploy),
            ("GET", "/v1/deploys/{deploy}/events", self.deploy_events),
            ("GET", "/v1/deploys/{deploy}/observation", self.observation),
            ("POST", "/v1/deploys/{deploy}/lessons", self.learn),
            ("GET", "/v1/incidents", self.incidents),
            ("GET", "/v1/ledger/events", self.ledger_events),
            ("GET", "/v1/ledger/export", self.ledger_export),
            ("GET", "/v1/dora", self.dora),
            ("POST", f"{app}/incidents", self.open_incident),
            ("POST", "/v1/incidents/{incident}/close", self.close_incident),
            ("POST", "/v1/deploys/{deploy}/keep", self.keep),
            ("POST", f"{app}/rollback", self.roll_back),
            ("POST", f"{app}/restart", self.restart),
            ("POST", f"{app}/scale", self.scale),
            ("POST", f"{app}/env", self.change_env),
            ("POST", f"{app}/secrets", self.change_secrets),
            ("DELETE", app, self.remove),
            ("POST", "/v1/dashboard/link", self.dashboard_link),
            ("POST", "/v1/dashboard/revoke", self.dashboard_revoke),
            ("POST", "/v1/stop", self.stop),
        ]
        routes = [Route(path, _guarded(handler), methods=[method]) for method, path, handler in table]
        return Starlette(
            routes=[*routes, self._pawld.metrics.route()], exception_handlers={HTTPException: _no_such_call}
        )

    async def ping(self, _request: Request) -> Response:
        pawld = self._pawld
        return _json(
            {
                "version": __version__,
                "pid": os.getpid(),
                "home": str(pawld.home.path),
                "port": pawld.machine.port,
                "ledger": pawld.ledger_at,
                "since": pawld.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "proxy": pawld.caddy.status() | {"since": shapes.iso(pawld.caddy.status()["since"])},
            }
        )

    async def status(self, request: Request) -> Response:
        pawld, wanted = self._pawld, request.query_params.get("app")
        views = pawld.ledger.apps() if wanted is None else [requests.known(pawld, wanted)]
        unfinished = {deploy.app: deploy for deploy in reversed(pawld.ledger.unfinished())}
        return _json(
            {
                "ledger": pawld.ledger_at,
                "apps": [
                    shapes.app_status(
                        view, pawld.url(view.name), pawld.engine.views(view.name), unfinished.get(view.name)
                    )
                    for view in views
                ],
            }
        )

    async def apps(self, _request: Request) -> Response:
        pawld = self._pawld
        return _json(
            {
                "apps": [
                    {"app": view.name, "url": pawld.url(view.name), "live": shapes.live(view.live), "scale": view.scale}
                    for view in pawld.ledger.apps()
                ]
            }
        )

    async def releases(self, request: Request) -> Response:
        view = self._known(request)
        live = view.live.release if view.live else None
        rows = [shapes.release(item, live) for item in self._pawld.ledger.releases(view.name)]
        return _json({"app": view.name, "releases": rows})

    async def deploys(self, request: Request) -> Response:
        app = self._known(request).name
        query = _query(request, DeploysQuery)
        learned = incidents.lessons(self._pawld.ledger.events(app=app, kinds={"learned"}))
        deploys = self._pawld.ledger.deploys(app, limit=query.limit)
        rows = [shapes.deploy(item, learned.get(item.id, [])) for item in deploys]
        return _json({"app": app, "deploys": rows})

    async def signals(self, request: Request) -> Response:
        app, query = self._known(request).name, _query(request, readings.SignalsQuery)
        releases = [item.release for item in self._pawld.ledger.releases(app)]
        return _json(
            await self._pawld.signals.ask(
                lambda source: readings.signals(source, app, query, now=time.time(), releases=releases)
            )
        )

    async def backtest(self, request: Request) -> Response:
        query = _query(request, backtesting.BacktestQuery)
        return _json(await backtesting.backtest(self._pawld, self._known(request), query, now=time.time()))

    async def one_deploy(self, request: Request) -> Response:
        view = self._known_deploy(request)
        learned = incidents.lessons(self._pawld.ledger.events(deploy=view.id, kinds={"learned"}))
        return _json(shapes.deploy(view, learned.get(view.id, [])))

    def _known_deploy(self, request: Request) -> Any:
        view = self._pawld.ledger.deploy(request.path_params["deploy"])
        if view is None:
            raise UsageError(f"no deploy '{request.path_params['deploy'][:40]}'", next_step="see: pawl deploys APP")
        return view

    def _known(self, request: Request) -> Any:
        return requests.known(self._pawld, request.path_params["app"])

    async def deploy(self, request: Request) -> Response:
        app, deploy = await requests.deploy(self._pawld, await _body(request, requests.DeployRequest))
        return _json({"app": app, "deploy": deploy})

    async def app_of(self, request: Request) -> Response:
        """Which app a commit is of."""
        body = await _body(request, requests.DeployRequest)
        return _json({"app": (await requests.configuration(self._pawld, body)).app})

    async def deploy_events(self, request: Request) -> Response:
        view = self._known_deploy(request)
        return StreamingResponse(streams.deploy_events(self._pawld, view.id), media_type="application/jsonl")

    async def observation(self, request: Request) -> Response:
        view = self._known_deploy(request)
        events = self._pawld.ledger.events(deploy=view.id, kinds={"verdict_reached", "restored_watched", "learned"})
        after = {
            "learned": incidents.lessons(events).get(view.id, []),
            "incidents": incidents.around(self._pawld.ledger, view),
        }
        return _json(shapes.watched(view, events, self._pawld.board.latest(view.id)) | after)

    async def learn(self, request: Request) -> Response:
        view = self._known_deploy(request)
        kept = incidents.learned(self._pawld, view, await _body(request, incidents.LessonRequest))
        return _json({"app": view.app, "deploy": view.id, **incidents.lessons([kept])[view.id][0]})

    async def dora(self, request: Request) -> Response:
        return _json(await measuring.dora(self._pawld, _query(request, measuring.DoraQuery), now=time.time()))

    async def incidents(self, request: Request) -> Response:
        found = incidents.listed(self._pawld, _query(request, incidents.IncidentsQuery))
        return _json({"incidents": [incidents.shape(item) for item in found]})

    async def open_incident(self, request: Request) -> Response:
        body = await _body(request, incidents.IncidentRequest)
        return _json(incidents.shape(incidents.opened(self._pawld, request.path_params["app"], body)))

    async def close_incident(self, request: Request) -> Response:
        body = await _body(request, incidents.ClosingRequest)
        return _json(incidents.shape(incidents.closed(self._pawld, request.path_params["incident"], body)))

    async def roll_back(self, request: Request) -> Response:
        body = await _body(request, requests.RollbackRequest)
        app = self._known(request).name
        return _json({"app": app, "deploy": self._pawld.deploys.roll_back(app, to=body.to, asked_by=body.asked_by)})

    async def keep(self, request: Request) -> Response:
        body = await _body(request, requests.KeepRequest)
        view = self._known_deploy(request)
        self._pawld.guard.keep(view.id, by=body.asked_by)
        return _json({"app": view.app, "deploy": view.id})

    async def restart(self, request: Request) -> Response:
        body = await _body(request, requests.RestartRequest)
        app = self._known(request).name
        deploy = self._pawld.deploys.renew(app, DeployKind.RESTART, asked_by=body.asked_by)
        if deploy is None:
            raise UsageError(f"'{app}' is not live", next_step="deploy it first: pawl deploy")
        return _json({"app": app, "deploy": deploy})

    async def scale(self, request: Request) -> Response:
        app = self._known(request).name
        scaled = await requests.scale(self._pawld, app, await _body(request, requests.ScaleRequest))
        return _json({"app": app, "processes": scaled})

    async def env(self, request: Request) -> Response:
        view = self._known(request)
        version = self._pawld.ledger.settings_version(view.name)
        values = SettingsFolder(self._pawld.home.settings(view.name)).read(version)
        return _json({"app": view.name, **_versions(view, version), "env": values.env})

    async def secrets(self, request: Request) -> Response:
        view = self._known(request)
        version = self._pawld.ledger.settings_version(view.name)
        values = SettingsFolder(self._pawld.home.settings(view.name)).read(version)
        needed = self._pawld.engine.config(view.name, view.live.release).secrets if view.live else ()
        names = [{"name": name, "is_set": name in values.secrets} for name in sorted({*values.secrets, *needed})]
        return _json({"app": view.name, **_versions(view, version), "secrets": names})

    async def change_env(self, request: Request) -> Response:
        return await self._change_settings(request, "env")

    async def change_secrets(self, request: Request) -> Response:
        return await self._change_settings(request, "secrets")

    async def _change_settings(self, request: Request, what: Literal["env", "secrets"]) -> Response:
        app = request.path_params["app"]
        body = await _body(request, requests.SettingsRequest)
        version, deploy = requests.change_settings(self._pawld, app, what, body)
        return _json({"app": app, "version": version, "deploy": deploy})

    async def ledger_events(self, request: Request) -> Response:
        return _json(records.events(self._pawld, _query(request, records.EventsQuery)))

    async def ledger_export(self, _request: Request) -> Response:
        return StreamingResponse(records.exported(self._pawld), media_type="application/jsonl")

    async def logs(self, request: Request) -> Response:
        view = self._known(request)
        query = _query(request, streams.LogQuery)
        requests.check_log_query(self._pawld, view, query)
        return StreamingResponse(streams.log_lines(self._pawld, view.name, query), media_type="application/jsonl")

    async def run(self, request: Request) -> Response:
        """What a one-off command needs; it carries secrets, and the socket is only for who may read them anyway."""
        view = self._known(request)
        if view.live is None:
            raise UsageError(f"'{view.name}' is not live", next_step="deploy it first: pawl deploy")
        plan = self._pawld.engine.plans.plan(view.name, view.live.release, view.live.settings)
        return _json(
            {"app": view.name, "release": plan.release, "cwd": str(plan.source), "environ": dict(plan.environ)}
        )

    async def remove(self, request: Request) -> Response:
        app = self._known(request).name
        await requests.remove(self._pawld, app)
        return _json({"app": app, "data": str(self._pawld.home.data(app))})

    async def dashboard_link(self, request: Request) -> Response:
        """A one-time address of the dashboard, which is served from the first one on."""
        body = await _body(request, requests.LinkRequest)
        return _json(self._pawld.dashboard.link(requests.link_target(self._pawld, body)))

    async def dashboard_revoke(self, _request: Request) -> Response:
        self._pawld.dashboard.revoke()
        return _json({"revoked": True})

    async def stop(self, request: Request) -> Response:
        leaves_running = request.query_params.get("leave_running") == "1"
        self._pawld.stop(leaves_running=leaves_running)
        return _json({"pid": os.getpid(), "leave_running": leaves_running})


def _versions(view: Any, newest: int) -> dict[str, int | None]:
    """The settings version that is shown, which the next deploy takes, and the one that runs."""
    return {"version": newest, "live_version": view.live.settings if view.live else None}


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


def _query(request: Request, kind: type[Body]) -> Body:
    """The query string; what cannot be read is a ValidationError, which answers 400."""
    return msgspec.convert(dict(request.query_params), type=kind, strict=False)


async def _body(request: Request, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise UsageError(
            "pawld does not understand this request",
            why=str(error),
            next_step="is pawl as new as pawld? see: pawl doctor",
        ) from error


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except PawlError as error:
            return _json({"error": error.as_dict()}, 400 if isinstance(error, UsageError) else 409)
        except msgspec.ValidationError as error:
            return _json({"error": UsageError("a value of the request is wrong", why=str(error)).as_dict()}, 400)
        except OSError as error:
            log.exception("%s %s", request.method, request.url.path)
            return _json({"error": from_os(error).as_dict()}, 409)
        except Exception as error:
            log.exception("%s %s", request.method, request.url.path)
            what = PawlError(
                f"pawld failed: {type(error).__name__}", next_step="see: log/pawld.log in the state folder"
            )
            return _json({"error": what.as_dict()}, 500)

    return guarded


async def _no_such_call(request: Request, _error: Exception) -> Response:
    error = UsageError(
        f"pawld knows no {request.method} {request.url.path}", next_step="is pawl as new as pawld? see: pawl doctor"
    )
    return _json({"error": error.as_dict()}, 404)
