"""One request, as the pages see it: who is asked, what is shown in which zone, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from pawl.dashboard.clocks import Clock
from pawl.dashboard.place import Place
from pawl.dashboard.pulse import Pulses
from pawl.dashboard.rendering import Renderer
from pawl.ledger.records import AppView, DeployView

if TYPE_CHECKING:
    from pawl.dashboard.pages.graphed import Drawn

_MOST_FORM_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Visit:
    """A look at the dashboard. The same for a page that is asked for and for one that is kept live."""

    place: Place
    pulses: Pulses
    drawn: Drawn
    renderer: Renderer
    clock: Clock

    def text(self, template: str, values: Mapping[str, Any]) -> str:
        return self.renderer.text(template, {"clock": self.clock, **values})

    def page(self, request: Request, template: str, values: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
        shown = {"clock": self.clock, "live": "", "here": "", "path": request.url.path, **values}
        return self.renderer.page(request, template, shown, status=status)

    def app(self, name: str) -> AppView:
        """The app, else a page that says there is none."""
        view = self.place.ledger.app(name)
        if view is None:
            raise HTTPException(404, f"There is no app '{name[:60]}'.")
        return view

    def deploy(self, name: str) -> DeployView:
        """The deploy, else a page that says there is none."""
        view = self.place.ledger.deploy(name)
        if view is None:
            raise HTTPException(404, f"There is no deploy '{name[:60]}'.")
        return view


async def form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent, each once; its media type is not asked for, for it is only read as this.

    Raises:
        HTTPException: it is larger than any form here.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_FORM_BYTES:
            raise HTTPException(413, "That is more than a form of this page holds.")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    return {name: values[-1] for name, values in fields.items()}
