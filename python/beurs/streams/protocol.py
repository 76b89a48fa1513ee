"""WebSocket as uvicorn speaks it, with what a feed to many clients needs besides.

* The application can write whole frames to the connection, the same bytes to all clients, and see how much waits.
* A client that does not read, or that is gone without a word, is cut off instead of being waited for.
* What a client can make the server keep or answer is bounded.

:data:`UVICORN_OPTIONS` are the settings that go with it.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

from beurs.streams.messages import MESSAGE_BYTES_MAX

EXTENSION: Final = "beurs.frames"
"""Under this name the connection is in ``scope["extensions"]``."""
WAITING_BYTES_MAX: Final = 2 * 1024 * 1024
"""Bytes that may wait for one client; with more it is cut off."""
SYSTEM_BUFFER_BYTES: Final = 128 * 1024
"""Bytes that the system may keep for one client besides (it takes twice what it is told)."""
CLOSE_SECONDS_MAX: Final = 5.0
"""How long a closed connection may take to send what waits."""
FRAGMENTS_MAX: Final = 64
"""Frames that a message may come in."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    _cut_off_timer: asyncio.TimerHandle | None = None

    # What the application uses.

    def write_frames(self, frames: bytes) -> bool:
        """Writes whole frames; False if the client is cut off because too much waits for it."""
        transport = self.transport
        if self.close_sent or transport.is_closing():
            return True
        transport.write(frames)
        if transport.get_write_buffer_size() > WAITING_BYTES_MAX:
            transport.abort()
            return False
        return True

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the client to read."""
        return self.transport.get_write_buffer_size()

    def cut_off(self) -> None:
        """Ends the connection at once, without a close frame."""
        self.transport.abort()

    # What uvicorn calls.

    def handle_connect(self, event: Request) -> None:
        """Adds this connection to the scope."""
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][EXTENSION] = self

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._cut_off_timer is not None:
            self._cut_off_timer.cancel()
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        """Answers a ping, unless the client sends pings and does not read the answers."""
        super().handle_ping()
        if self.waiting_bytes > WAITING_BYTES_MAX:
            self.cut_off()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        super().connection_made(transport)
        connected = transport.get_extra_info("socket")
        if connected is not None:
            # What the system keeps for a client is bounded, too; by itself it would grow to megabytes.
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SYSTEM_BUFFER_BYTES)

    def send_receive_event_to_app(self) -> None:
        """A message is whole."""
        # What comes after our own close frame is not looked at.
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                # As uvicorn does, but a client's mistake is not worth a traceback in our log.
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        """Takes a part of a message, of which there may be only so many."""
        if len(self.frames) >= FRAGMENTS_MAX:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def handle_parser_exception(self) -> None:
        """The client broke the protocol."""
        super().handle_parser_exception()
        self._cut_off_later()

    def handle_close(self, event: Frame) -> None:
        """The client closes, or answers to our close."""
        super().handle_close(event)
        self._cut_off_later()

    def keepalive_timeout(self) -> None:
        """No pong came in time: the client is dead, or so far behind that it has not seen the ping."""
        super().keepalive_timeout()
        self._cut_off_later(0.5)

    def shutdown(self) -> None:
        """The server stops."""
        super().shutdown()
        self._cut_off_later(1.0)

    async def run_asgi(self) -> None:
        """Runs the application."""
        await super().run_asgi()
        self._cut_off_later()

    def _cut_off_later(self, seconds: float = CLOSE_SECONDS_MAX) -> None:
        # A closing transport waits for what is left to send; a client that never reads would keep it for ever.
        if not self.disconnected and self._cut_off_timer is None:
            self._cut_off_timer = self.loop.call_later(seconds, self.transport.abort)


UVICORN_OPTIONS: Final[dict[str, Any]] = {
    "ws": WebSocketProtocol,
    "ws_max_size": MESSAGE_BYTES_MAX,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    # The same bytes go to all, and compression costs more than the bytes.
    "ws_per_message_deflate": False,
}
"""For :class:`uvicorn.Config`."""
