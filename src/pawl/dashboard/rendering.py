"""Templates into pages: everything is escaped, and what no eye could see is made visible."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from pawl import __version__, words
from pawl.dashboard.assets import Assets
from pawl.dashboard.figures import bytes_of, count, rate

_WORTH_PACKING = 1024


class Renderer:
    """The templates of the dashboard; ``host`` is the machine's name, as the pages say it."""

    def __init__(self, *, host: str) -> None:
        self.assets = Assets()
        self._environment = Environment(
            loader=PackageLoader("pawl.dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, auto_reload=False, finalize=_visible,
        )  # fmt: skip
        self._environment.globals |= {
            "asset": self.assets.url, "build": self.assets.build, "host": host, "version": __version__,
        }  # fmt: skip
        self._environment.filters |= {
            "duration": words.duration, "share": words.share, "bytes": bytes_of, "rate": rate, "count": count,
        }  # fmt: skip

    def text(self, template: str, values: Mapping[str, Any]) -> str:
        """A template with its values."""
        return self._environment.get_template(template).render(values)

    def page(self, request: Request, template: str, values: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
        """A template as an answer, packed where the browser takes that."""
        return packed(request, self.text(template, values), status=status)


def packed(request: Request, text: str, *, status: int = 200, media_type: str = "text/html") -> HTMLResponse:
    """A text as an answer, packed where the browser takes that."""
    body = text.encode("utf-8", "replace")
    headers = {"Vary": "Accept-Encoding"}
    if len(body) > _WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return HTMLResponse(body, status, headers=headers, media_type=media_type)


def _visible(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return value if value.isprintable() else words.printable(value)
    return "" if value is None else value
