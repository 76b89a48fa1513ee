"""The ASGI application at `/ws/market-data`.

Under :class:`beurs.streams.protocol.WebSocketProtocol` it writes frames to the connection itself. Under any other
server (and in tests) it falls back to ASGI's own messages, with a bounded queue and a task for every client. A server
of another kind needs an :class:`beurs.streams.session.Outlet` and nothing else of this file.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from beurs.streams.feed import Feed
from beurs.streams.messages import Message, Refused
from beurs.streams.protocol import EXTENSION, WAITING_BYTES_MAX, WebSocketProtocol
from beurs.streams.session import Session

log = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 10_000
TOTAL_WAITING_BYTES_MAX: Final = 512 * 1024 * 1024
"""Bytes that may wait for all clients together; above it those for whom most waits are cut off."""
SWEEP_SECONDS: Final = 1.0
GOODBYE_SECONDS_MAX: Final = 1.0


class DirectOutlet:
    """Writes frames to uvicorn's connection."""

    __slots__ = ("_closing", "_protocol")

    def __init__(self, protocol: WebSocketProtocol, closing: asyncio.Future[tuple[int, str]]) -> None:
        self._protocol = protocol
        self._closing = closing

    def write(self, frames: bytes, messages: Sequence[Message]) -> bool:
        """See :class:`beurs.streams.session.Outlet`."""
        return self._protocol.write_frames(frames)

    def close(self, code: int, reason: str) -> None:
        """See :class:`beurs.streams.session.Outlet`."""
        if not self._closing.done():
            self._closing.set_result((code, reason))

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the client to read."""
        return self._protocol.waiting_bytes

    def cut_off(self) -> None:
        """Ends the connection at once."""
        self._protocol.cut_off()


class QueuedOutlet:
    """Sends through ASGI, from a task."""

    __slots__ = ("_closing", "_queue", "_ready", "waiting_bytes")

    def __init__(self, closing: asyncio.Future[tuple[int, str]]) -> None:
        self._queue: deque[Message] = deque()
        self._ready = asyncio.Event()
        self._closing = closing
        self.waiting_bytes = 0

    def write(self, frames: bytes, messages: Sequence[Message]) -> bool:
        """See :class:`beurs.streams.session.Outlet`."""
        self._queue.extend(messages)
        self.waiting_bytes += len(frames)
        self._ready.set()
        if self.waiting_bytes > WAITING_BYTES_MAX:
            self.cut_off()
            return False
        return True

    def close(self, code: int, reason: str) -> None:
        """See :class:`beurs.streams.session.Outlet`."""
        if not self._closing.done():
            self._closing.set_result((code, reason))

    def cut_off(self) -> None:
        """Sends nothing more."""
        self._queue.clear()
        self.close(1008, "too slow")

    async def run(self, send: Send) -> None:
        """Sends what is written, in order."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            await self.flush(send)

    async def flush(self, send: Send) -> None:
        """Sends what waits."""
        while self._queue:
            message = self._queue.popleft()
            await send({"type": "websocket.send", "text": message.text})
            self.waiting_bytes -= len(message.frame)


class MarketDataEndpoint:
    """`WebSocketRoute("/ws/market-data", MarketDataEndpoint(feed))`."""

    def __init__(self, feed: Feed, *, connections_max: int = CONNECTIONS_MAX) -> None:
        self._feed = feed
        self._connections_max = connections_max
        self._clients: dict[Session, DirectOutlet | QueuedOutlet] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._connections_total = 0
        self._dropped_total = 0

    def stats(self) -> dict[str, int]:
        """Numbers for /stats."""
        return {
            "connections": len(self._clients),
            "connections_total": self._connections_total,
            "dropped_total": self._dropped_total,
            "waiting_bytes": sum(outlet.waiting_bytes for outlet in self._clients.values()),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        assert scope["type"] == "websocket"
        message = await receive()
        assert message["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        loop = asyncio.get_running_loop()
        closing: asyncio.Future[tuple[int, str]] = loop.create_future()
        protocol = scope.get("extensions", {}).get(EXTENSION)
        writer: asyncio.Task[None] | None = None
        outlet: DirectOutlet | QueuedOutlet
        if protocol is not None:
            outlet = DirectOutlet(protocol, closing)
        else:
            outlet = QueuedOutlet(closing)
            writer = loop.create_task(outlet.run(send))
        session = Session(self._feed, outlet)
        self._connections_total += 1
        self._clients[session] = outlet
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = loop.create_task(self._sweep(), name="beurs-feed-sweep")
        reader: asyncio.Task[None] = loop.create_task(_read(session, receive))
        try:
            if len(self._clients) > self._connections_max:
                session.refuse(Refused("too_many_connections", close_code=1013))
            ends: set[asyncio.Future[Any]] = {reader, closing}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            session.close()
            del self._clients[session]
            self._dropped_total += session.dropped
            reader.cancel()
            if writer is not None:
                writer.cancel()
            await asyncio.gather(reader, *([writer] if writer else []), return_exceptions=True)
        if closing.done() and not session.dropped:
            code, reason = closing.result()
            try:
                await asyncio.wait_for(_say_goodbye(outlet, send, code, reason), GOODBYE_SECONDS_MAX)
            except TimeoutError:  # It does not read.
                outlet.cut_off()
            except Exception:  # It is gone.
                log.debug("market data: a client went away while being told to", exc_info=True)
        if reader.done() and not reader.cancelled() and reader.exception() is not None:
            log.error("market data: a session failed", exc_info=reader.exception())

    async def _sweep(self) -> None:
        while self._clients:
            waiting = [(outlet.waiting_bytes, session) for session, outlet in self._clients.items()]
            total = sum(size for size, _ in waiting)
            if total > TOTAL_WAITING_BYTES_MAX:
                waiting.sort(key=lambda pair: pair[0], reverse=True)
                for size, session in waiting:
                    self._clients[session].cut_off()
                    session.dropped = True
                    session.close()
                    total -= size
                    if total <= TOTAL_WAITING_BYTES_MAX // 2:
                        break
            await asyncio.sleep(SWEEP_SECONDS)


async def _say_goodbye(outlet: DirectOutlet | QueuedOutlet, send: Send, code: int, reason: str) -> None:
    if isinstance(outlet, QueuedOutlet):
        await outlet.flush(send)
    await send({"type": "websocket.close", "code": code, "reason": reason})


async def _read(session: Session, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            return
        text = message.get("text")
        if text is None:
            session.refuse(Refused("binary_not_supported", close_code=1003))
            return
        session.handle(text)
