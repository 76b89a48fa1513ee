"""HTTP/1.1 as uvicorn speaks it, with four things added: the head of a request is bounded, a request that takes too
long to arrive is ended, a request that is not HTTP gets the one error shape, and a hot route may take the body and give
its answer without ASGI's messages, which cost it a third of its time."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from beurs.web.problems import Problem

HEAD_BYTES_MAX = 32 * 1024
HEAD_TOO_LARGE = Problem(
    "headers_too_large", f"The request line and the headers are longer than {HEAD_BYTES_MAX} bytes."
)
CYCLE = "beurs.cycle"
"""Under this name uvicorn's object of the request is in the scope. The edge takes it out."""


def whole_body(cycle: RequestResponseCycle) -> bytearray | None:
    """The request's body, if all of it is there already."""
    return None if cycle.more_body else cycle.body


def answer(cycle: RequestResponseCycle, status: int, headers: bytes, body: bytes) -> bool:
    """Gives the whole answer in one write, as ASGI's two messages would.

    `headers` are whole lines. False if it was not possible, because the client does not read: then `send` has to wait.
    """
    if cycle.disconnected:
        return True
    if cycle.flow.write_paused:
        return False
    assert not cycle.response_started
    cycle.response_started = cycle.response_complete = True
    content = [STATUS_LINE[status]]
    for name, value in cycle.default_headers:
        content += (name, b": ", value, b"\r\n")
    content.append(headers)
    if not cycle.keep_alive:
        content.append(b"connection: close\r\n")
    content += (b"content-length: %d\r\n\r\n" % len(body), body)
    cycle.transport.write(b"".join(content))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0  # read since the last whole head or piece of body; bounds what the parser keeps
        self._arriving_since: float | None = self.loop.time()  # None between requests

    def end_if_late(self, now: float, seconds_max: float) -> None:
        """Ends the connection if its request (at first: anything) has been arriving for too long. Called regularly."""
        if (
            self._arriving_since is not None
            and now - self._arriving_since > seconds_max
            and not self.transport.is_closing()
        ):
            self._refuse(Problem("request_timeout"))

    def data_received(self, data: bytes) -> None:
        """Takes bytes from the network."""
        if self.transport.is_closing():
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """The first byte of a request is there."""
        self._arriving_since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        # Only bytes that came with a body, or with a later request, may be more than a head may have.
        if self._head_bytes > HEAD_BYTES_MAX:
            lines = sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
            if len(self.url) + lines > HEAD_BYTES_MAX:
                raise ValueError("too large a head")  # `send_400_response` sees why
        self._head_bytes = 0
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            raise ValueError("not HTTP/1")  # which the parser turns into its own error, and `data_received` into 400
        super().on_headers_complete()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.scope is self.scope:  # else it becomes a WebSocket
            scope: dict[str, Any] = self.scope  # type: ignore[assignment] # a key of our own
            scope[CYCLE] = cycle

    def on_body(self, body: bytes) -> None:
        """A piece of the body is there."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._head_bytes = 0
        self._arriving_since = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers to what is not HTTP, or too much of it."""
        self._refuse(HEAD_TOO_LARGE if self._head_bytes > HEAD_BYTES_MAX else Problem("malformed_request", msg))

    def _refuse(self, problem: Problem) -> None:
        body = problem.body()
        head = [
            STATUS_LINE[problem.status],
            b"content-type: application/json\r\n",
            b"content-length: %d\r\n" % len(body),
            b"connection: close\r\n\r\n",
        ]
        # If an answer of this connection is under way its bytes come first; nothing is read after this one.
        self.transport.write(b"".join([*head, body]))
        self.transport.close()
