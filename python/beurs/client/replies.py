"""What a request will come to: a value that is waited for, in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Generic, TypeVar

from beurs.errors import ClientError

__all__ = ["Reply"]

T = TypeVar("T")


class Reply(Generic[T]):
    """The answer to a request, once it is there: `reply.result()` in a thread, `await reply` in an event loop.

    A request that was refused ends with an error, which both raise.
    """

    __slots__ = ("_done", "_error", "_event", "_lock", "_value", "_waiting", "blocking")

    def __init__(self, lock: threading.RLock, blocking: bool) -> None:
        self._lock = lock
        self._done = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._event: threading.Event | None = None
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self.blocking = blocking
        """Whether a thread may wait for it: not that of the event loop which brings it."""

    @property
    def done(self) -> bool:
        """Whether it is there."""
        return self._done

    def result(self, timeout: float | None = None) -> T:
        """Waits for it, at most `timeout` seconds, and gives the value or raises the error. Raises TimeoutError.

        After a TimeoutError the request is still under way, and the reply can be waited for again.
        """
        if not self._done:
            if not self.blocking:
                raise ClientError("the reply of an AsyncClient is awaited: await reply")
            event = self._listen()
            if event is not None and not event.wait(timeout):
                raise TimeoutError(f"no answer within {timeout} s")
        return self._get()

    def __await__(self) -> Generator[None, None, T]:
        if not self._done:
            future = self._future(asyncio.get_running_loop())
            if future is not None:
                yield from future
        return self._get()

    def _listen(self) -> threading.Event | None:
        with self._lock:
            if not self._done:
                self._event = self._event or threading.Event()
            return self._event

    def _future(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None] | None:
        with self._lock:
            if self._done:
                return None
            future = loop.create_future()
            self._waiting.append((loop, future))
            return future

    def _get(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value] # it is done, so this is a T

    def _finish(self, value: T | None, error: BaseException | None = None) -> None:
        """Ends it, once; with the lock held, in the thread of the event loop that brings it."""
        assert not self._done
        self._value, self._error, self._done = value, error, True
        if self._event is not None:
            self._event.set()
        for loop, future in self._waiting:
            loop.call_soon_threadsafe(_wake, future)
        self._waiting.clear()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
