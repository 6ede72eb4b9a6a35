"""The dashboard as an ASGI application: its addresses, and who may ask for what."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import tzinfo

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pawl.dashboard import acting, security
from pawl.dashboard.clocks import Clock, zone
from pawl.dashboard.live import Hub, Stream
from pawl.dashboard.pages import app as app_page
from pawl.dashboard.pages import deploy as deploy_page
from pawl.dashboard.pages import graphed
from pawl.dashboard.pages import home as home_page
from pawl.dashboard.pages import ledger as ledger_page
from pawl.dashboard.pages import measures as measures_page
from pawl.dashboard.pages.graphed import Drawn
from pawl.dashboard.place import Place
from pawl.dashboard.pulse import Pulses
from pawl.dashboard.rendering import Renderer
from pawl.dashboard.sessions import SESSION_S, Sessions
from pawl.dashboard.visit import Visit
from pawl.errors import PawlError, UsageError

log = logging.getLogger(__name__)
Page = Callable[[Visit, Request], Awaitable[Response]]
_FOREVER = "public, max-age=31536000, immutable"


class Dashboard:
    """The pages of one place. ``more`` are routes that need no session."""

    def __init__(
        self, place: Place, sessions: Sessions, *, renderer: Renderer, more: Sequence[BaseRoute] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.sessions = sessions
        self.hub = Hub()
        self._place = place
        self._clock = clock
        self._pulses = Pulses(place, clock=clock)
        self._drawn = Drawn()
        self._renderer = renderer
        self._more = more
        self._unfollow = [
            place.ledger.subscribe(lambda item: self.hub.wake("home", f"app:{item.app}", f"deploy:{item.deploy}")),
            place.on_look(lambda deploy, _at, _seen: self.hub.wake(f"deploy:{deploy.partition(':')[0]}")),
        ]

    def application(self) -> ASGIApp:
        """What answers."""
        reading: list[tuple[str, Page]] = [
            ("/", self._home),
            ("/apps/{app}", app_page.page),
            ("/apps/{app}/graphs", graphed.part),
            ("/apps/{app}/graphs/{file}", graphed.file),
            ("/measures", measures_page.page),
            ("/ledger", ledger_page.page),
            ("/deploys/{deploy}", deploy_page.page),
            ("/deploys/{deploy}/{action}", acting.confirm),
            ("/live", self._live),
        ]
        doing: list[tuple[str, Page]] = [
            ("/deploys/{deploy}/learn", acting.learn),
            ("/deploys/{deploy}/{action}", acting.do),
        ]
        routes: list[BaseRoute] = [
            Route("/open/{token}", self._offer, methods=["GET"]),
            Route("/open/{token}", self._open, methods=["POST"]),
            Route("/static/{name}", self._static, methods=["GET"]),
            *(Route(path, self._seen(page), methods=["GET"]) for path, page in reading),
            *(Route(path, self._seen(page), methods=["POST"]) for path, page in doing),
            *self._more,
        ]
        inner = Starlette(routes=routes, exception_handlers={HTTPException: self._http_fault})
        return security.Guarded(inner, refuse=self._refused)

    def close(self) -> None:
        """Let everybody go."""
        for end in self._unfollow:
            end()
        self.hub.close()

    def revoke(self) -> None:
        """End every session, those of open pages too."""
        self.sessions.revoke()
        self.hub.close()

    def _visit(self, request: Request) -> Visit:
        return self._at(zone(request.cookies.get("tz")))

    def _at(self, where: tzinfo | None) -> Visit:
        return Visit(self._place, self._pulses, self._drawn, self._renderer, Clock(self._clock(), where))

    def _seen(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """A page for those with a session; whatever goes wrong is a page too."""

        async def seen(request: Request) -> Response:
            if not self.sessions.is_session(request.cookies.get(_cookie(request), "")):
                return self._stranger(request)
            visit = self._visit(request)
            try:
                return await page(visit, request)
            except HTTPException:
                raise
            except PawlError as error:
                status = 500 if not isinstance(error, UsageError) else 409 if request.method == "POST" else 400
                return self._fault(request, status, error.what, error.why, error.next_step)
            except Exception:
                log.exception("%s %s", request.method, request.url.path)
                return self._fault(
                    request, 500, "This page cannot be shown", "pawld failed at it; the apps serve on.",
                    "see: log/pawld.log in the state folder",
                )  # fmt: skip

        return seen

    # Pages of its own

    async def _home(self, visit: Visit, request: Request) -> Response:
        shown = await home_page.values(visit)
        elsewhere = home_page.elsewhere(visit)
        return visit.page(request, "home.html", {**shown, **elsewhere, "live": "home", "here": "apps"})

    async def _live(self, visit: Visit, request: Request) -> Response:
        subject = request.query_params.get("page", "")
        kind, _, name = subject.partition(":")
        where = visit.clock.where

        async def home() -> dict[str, str]:
            now = self._at(where)
            return home_page.fragments(now, await home_page.values(now))

        async def app() -> dict[str, str]:
            now = self._at(where)
            view = self._place.ledger.app(name)
            if view is None:
                raise LookupError(name)
            return app_page.fragments(now, await app_page.values(now, view))

        async def deploy() -> dict[str, str]:
            now = self._at(where)
            view = self._place.ledger.deploy(name)
            if view is None:
                raise LookupError(name)
            return await deploy_page.fragments(now, await deploy_page.values(now, view))

        found = {"home": (home, 5.0), "app": (app, 5.0), "deploy": (deploy, 2.0)}.get(kind)
        if found is None or len(subject) > 200:
            raise HTTPException(404, "Nothing of that name moves.")
        render, every_s = found
        return _Streamed(
            Stream(self.hub, f"{subject}|{where or ''}", render, every_s=every_s, build=self._renderer.assets.build)
        )

    # Coming in

    async def _offer(self, request: Request) -> Response:
        """The page of a link. Looking at it uses nothing up: browsers and chat programs look ahead at addresses."""
        if not self.sessions.is_open(request.path_params["token"]):
            return self._stranger(request)
        return self._visit(request).page(request, "open.html", {})

    async def _open(self, request: Request) -> Response:
        target = self.sessions.redeem(request.path_params["token"])
        if target is None:
            return self._stranger(request)
        answer = RedirectResponse(target, 303)
        answer.set_cookie(
            _cookie(request), self.sessions.cookie(), max_age=SESSION_S, httponly=True, samesite="strict", path="/"
        )
        return answer

    async def _static(self, request: Request) -> Response:
        asset = self._renderer.assets.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404, "There is no such file.")
        headers = {"Content-Encoding": "gzip", "Cache-Control": _FOREVER}
        return Response(asset.packed, media_type=asset.media_type, headers=headers)

    # What goes wrong

    def _stranger(self, request: Request) -> Response:
        is_link = request.url.path.startswith("/open/")
        return self._visit(request).page(request, "stranger.html", {"is_link": is_link}, status=401)

    async def _http_fault(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        titles = {404: "Nothing is here", 405: "This cannot be done here", 413: "Too much at once"}
        is_plain = error.detail in ("Not Found", "Method Not Allowed")
        title = titles.get(error.status_code, "This cannot be answered")
        return self._fault(request, error.status_code, title, "" if is_plain else error.detail, "")

    def _fault(self, request: Request, status: int, what: str, why: str, next_step: str) -> Response:
        values = {"status": status, "what": what, "why": why, "next_step": next_step}
        return self._visit(request).page(request, "fault.html", values, status=status)

    def _refused(self, status: int, title: str, text: str) -> Response:
        request = Request({"type": "http", "headers": [], "method": "GET", "path": "", "query_string": b""})
        return self._fault(request, status, title, text, "open it anew: pawl open")


class _Streamed(Response):
    """An answer that goes on."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stream(scope, receive, send)


def _cookie(request: Request) -> str:
    """The session's cookie. Browsers share cookies among the ports of a host, and several dashboards may be open."""
    return f"pawl_{security.port_of(request.headers.get('host', '')) or 0}"
