"""The binary door from Python: `Client` for threads, `AsyncClient` for an event loop.

    from beurs.client import Client

    with Client("127.0.0.1:9000", "beurs-data/alice.pem") as client:
        reply = client.submit("BTC-USD", "buy", "0.01", price="60000")
        print(reply.result().status)

Both have the same methods and give a reply at once: `reply.result()` waits in a thread, `await reply` in an event loop.
Requests that are under way together are executed in the order in which they were made.

A lost connection is made again. Every report is handed on once, in order; every request that had no answer is sent
again with its client_order_id, and has one effect.

What can go wrong, of the tree in `beurs.errors`:

    BeursError
    ├── InputError, NotFound              an argument cannot be meant; nothing was sent
    ├── QueueFull                         too many requests have no answer; nothing was sent
    ├── Rejected                          the exchange refused a command
    │   └── OrderRejected                 ... to enter, cancel or replace an order
    └── ClientError
        ├── ConnectionLost                there is no connection, and none could be made in time
        ├── SessionRefused                the venue does not let the client in, or has thrown it out, for good
        ├── RequestRefused                a request did not become a command
        │   └── Throttled                 ... because it came too fast
        └── ProtocolError                 a message is none of the protocol's

`docs/reference/client.md` shows it at work.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self

from beurs.client.definitions import BookChanged, MarketData, Report, TradeCorrected, TradePrinted, TradesSkipped
from beurs.client.replies import Reply
from beurs.client.session import CONNECT_SECONDS_MAX, Session, Stream

__all__ = [
    "AsyncClient",
    "BookChanged",
    "Client",
    "MarketData",
    "Reply",
    "Report",
    "Stream",
    "TradeCorrected",
    "TradePrinted",
    "TradesSkipped",
]

_CLOSE_SECONDS_MAX = 5.0


class Client(Session):
    """A client for threads: `with Client(address, key) as client:`. It may be used from several of them.

    The arguments are those of :class:`Session`. Its connection lives in a thread of its own.
    """

    _thread: threading.Thread | None = None

    def _live(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._run())

    def open(self) -> None:
        """Connects, logs on and learns what is traded. Raises ConnectionLost, SessionRefused or TimeoutError."""
        self._thread = threading.Thread(target=self._live, name="beurs-client", daemon=True)
        self._thread.start()
        try:
            self._opened.result(3 * CONNECT_SECONDS_MAX)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the session. Requests without an answer end with ConnectionLost. Twice is once."""
        self.closing = True
        for what in (self._leave, self._abandon):
            if self._loop is not None and self._thread is not None and self._thread.is_alive():
                with contextlib.suppress(RuntimeError):  # The loop has just ended.
                    self._loop.call_soon_threadsafe(what)
                self._thread.join(_CLOSE_SECONDS_MAX)

    def _abandon(self) -> None:
        """Does not wait for the door any longer."""
        if self._running is not None:
            self._running.cancel()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Session):
    """A client for an event loop: `async with AsyncClient(address, key) as client:`.

    The arguments are those of :class:`Session`. It belongs to the event loop in which it is opened.
    """

    blocking = False

    _task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connects, logs on and learns what is traded. Raises ConnectionLost, SessionRefused or TimeoutError."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            async with asyncio.timeout(3 * CONNECT_SECONDS_MAX):
                await self._opened
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Ends the session. Requests without an answer end with ConnectionLost. Twice is once."""
        self.closing = True
        if self._task is None or self._task.done():
            return
        self._leave()
        _, pending = await asyncio.wait([self._task], timeout=_CLOSE_SECONDS_MAX)
        if pending:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
