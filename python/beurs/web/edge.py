"""The outermost application: gives every request an id, and an answer of the one shape whatever happens below.

It holds no state of a request longer than the request. Routes that are hot are served here, before the framework; the
framework has the same routes, so that its documentation and its 404 and 405 are whole.
"""

import itertools
import secrets
from collections.abc import Awaitable, Callable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from beurs.web.bodies import ClientGone
from beurs.web.problems import from_error, send_problem
from beurs.web.protocol import CYCLE

HotRoute = Callable[[Scope, Receive, Send, bytes, RequestResponseCycle | None], Awaitable[None]]
"""Serves a request of an id, with ASGI or, if there is one, with the server's own object of the request."""
log = structlog.get_logger()


class Edge:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, hot: Callable[[str, str], HotRoute | None]) -> None:
        """`hot` names the hot route of a method and a path, or None."""
        self._app = app
        self._hot = hot
        # Ids differ between two runs of the program, and are cheap.
        self._prefix = secrets.token_hex(4).encode() + b"-"
        self._number = itertools.count(1).__next__

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Taken out of the scope, which it refers to: otherwise every request would leave a cycle of references behind.
        cycle = scope.pop(CYCLE, None)
        request_id = self._prefix + b"%x" % self._number()
        hot = self._hot(scope["method"], scope["path"])
        if hot is None:
            await self._cold(scope, receive, send, request_id)
            return
        try:
            await hot(scope, receive, send, request_id, cycle)
        except ClientGone:
            pass
        except Exception as error:
            await _answer_failure(error, scope, send, request_id)

    async def _cold(self, scope: Scope, receive: Receive, send: Send, request_id: bytes) -> None:
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        # Whatever can be got can be asked for without its body, which the server leaves out.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await self._app(asked, receive, send_with_id)
        except ClientGone:
            pass
        except Exception as error:
            if status:
                _log_failure(scope, request_id)
            else:
                await _answer_failure(error, scope, send, request_id)
        log.debug("request", method=scope["method"], path=scope["path"], status=status, request_id=request_id.decode())


async def _answer_failure(error: Exception, scope: Scope, send: Send, request_id: bytes) -> None:
    problem = from_error(error)
    if problem.status == 500:
        _log_failure(scope, request_id)
    await send_problem(problem, request_id, send)


def _log_failure(scope: Scope, request_id: bytes) -> None:
    # The path and the method, never the headers or the body: those may hold a key.
    log.exception("request failed", method=scope["method"], path=scope["path"], request_id=request_id.decode())
