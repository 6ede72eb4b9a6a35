"""How each Python web server is told what to serve and where to listen."""

from __future__ import annotations

from collections.abc import Mapping

from pawl.config.dependencies import Dependencies

# By preference. A server is told to trust forwarded headers where it does not trust a unix socket by itself:
# nobody but the proxy can open that socket.
_WSGI: Mapping[str, str] = {
    "gunicorn": "gunicorn {app} --bind unix:$SOCKET",
    "granian": "granian {app} --interface wsgi --uds $SOCKET",
    "hypercorn": "hypercorn wsgi:{app} --bind unix:$SOCKET",
}
_ASGI: Mapping[str, str] = {
    "uvicorn": "uvicorn {app} --uds $SOCKET --forwarded-allow-ips '*'",
    "granian": "granian {app} --interface asgi --uds $SOCKET",
    "hypercorn": "hypercorn asgi:{app} --bind unix:$SOCKET",
}


def installed(dependencies: Dependencies, *, is_asgi: bool) -> str | None:
    """The server among the dependencies that can serve this kind of app."""
    return dependencies.first(_ASGI if is_asgi else _WSGI)


def usual(*, is_asgi: bool) -> str:
    """The server to advise where there is none."""
    return next(iter(_ASGI if is_asgi else _WSGI))


def command(server: str, app: str, *, is_asgi: bool, is_factory: bool = False) -> str:
    """The command that serves ``module:name``.

    >>> command("gunicorn", "shop.wsgi:application", is_asgi=False)
    'gunicorn shop.wsgi:application --bind unix:$SOCKET'
    """
    line = (_ASGI if is_asgi else _WSGI)[server]
    if is_factory and server in ("uvicorn", "granian"):
        return f"{line.format(app=app)} --factory"
    return line.format(app=f"'{app}()'" if is_factory else app)
