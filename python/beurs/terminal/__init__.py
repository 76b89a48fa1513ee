"""The page at `/`: the live book, trades and ticker of one instrument, in the browser.

Plain HTML, CSS and JavaScript from the package: no build step, nothing from elsewhere. The content security policy
allows exactly that. The page uses `/v1/instruments` and `/ws/market-data` like any other client.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

__all__ = ["CONTENT_SECURITY_POLICY", "routes"]

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Asked for again each time, and answered with 304 as long as the program is the same.
    "cache-control": "no-cache",
}
_FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/assets/terminal.css": ("terminal.css", "text/css; charset=utf-8"),
    "/assets/terminal.js": ("terminal.js", "text/javascript; charset=utf-8"),
    "/assets/icon.svg": ("icon.svg", "image/svg+xml"),
}


def routes() -> list[BaseRoute]:
    """The page's routes, for any Starlette application."""
    return [_route(path, name, media_type) for path, (name, media_type) in _FILES.items()]


def _route(path: str, name: str, media_type: str) -> Route:
    content = files(__package__).joinpath("static", name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'

    async def serve(request: Request) -> Response:
        headers = {**_HEADERS, "etag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, serve, methods=["GET", "HEAD"], include_in_schema=False)
