"""One client of the stream: what it is subscribed to, what it may ask, when it is dropped.

Knows nothing of sockets: an :class:`Outlet` sends. Invariants: a client has a bounded number of subscriptions and of
bytes waiting for it; one that does not read is dropped, and nobody else notices.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from beurs.streams.feed import Feed, TopicKey
from beurs.streams.messages import Message, Ping, Refused, Subscribe, read

SUBSCRIPTIONS_MAX: Final = 200
REQUESTS_BURST: Final = 400.0
"""Requests that a client can send at once."""
REQUESTS_PER_SECOND: Final = 50.0
"""Requests that a client can send all the time."""
ERROR_COST: Final = 10.0
"""A request that cannot be served counts as so many."""


class Outlet(Protocol):
    """The way to one client."""

    def write(self, frames: bytes, messages: Sequence[Message]) -> bool:
        """Sends, or keeps for sending; False if the client was dropped because too much waits for it."""

    def close(self, code: int, reason: str) -> None:
        """Ends the connection with a close frame, after what was written."""


class Session:
    """A :class:`beurs.streams.feed.Subscriber`."""

    __slots__ = ("_clock", "_feed", "_keys", "_outlet", "_tokens", "_tokens_time", "closed", "dropped")

    def __init__(self, feed: Feed, outlet: Outlet, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._feed = feed
        self._outlet = outlet
        self._keys: set[TopicKey] = set()
        self._clock = clock
        self._tokens = REQUESTS_BURST
        self._tokens_time = clock()
        self.closed = False
        self.dropped = False
        """Whether it was ended because it did not read."""

    def deliver(self, frames: bytes, messages: Sequence[Message]) -> None:
        """Sends what the feed gives."""
        if not self.closed and not self._outlet.write(frames, messages):
            self.dropped = True
            self.close()

    def end(self, code: int, reason: str) -> None:
        """Ends the connection."""
        if not self.closed:
            self.close()
            self._outlet.close(code, reason)

    def close(self) -> None:
        """Forgets the subscriptions. Nothing is sent any more."""
        self.closed = True
        for key in self._keys:
            self._feed.unsubscribe(self, key)
        self._keys.clear()

    def handle(self, text: str) -> None:
        """Serves one text frame of the client."""
        if self.closed:
            return
        try:
            self._spend(1.0)
            request = read(text)
            if isinstance(request, Ping):
                self._answer({"type": "pong", "id": request.id} if request.id is not None else {"type": "pong"})
                return
            key = self._feed.key(request)
            if isinstance(request, Subscribe):
                if key not in self._keys and len(self._keys) >= SUBSCRIPTIONS_MAX:
                    raise Refused("too_many_subscriptions", request_id=request.id)
                self._keys.add(key)
                self._acknowledge("subscribed", request.symbol, key, request.id)
                if not self.closed:
                    snapshot = self._feed.subscribe(self, key)
                    self.deliver(snapshot.frame, [snapshot])
            else:
                if key not in self._keys:
                    raise Refused("not_subscribed", request_id=request.id)
                self._keys.remove(key)
                self._feed.unsubscribe(self, key)
                self._acknowledge("unsubscribed", request.symbol, key, request.id)
        except Refused as refused:
            self.refuse(refused)

    def refuse(self, refused: Refused) -> None:
        """Answers with an error, and ends the connection if the error says so."""
        message = Message(refused.payload())
        self.deliver(message.frame, [message])
        if refused.close_code is not None:
            self.end(refused.close_code, refused.code)
        elif refused.code != "too_many_messages":
            try:
                self._spend(ERROR_COST)
            except Refused as too_many:
                self.refuse(too_many)

    def _acknowledge(self, kind: str, symbol: str, key: TopicKey, request_id: str | None) -> None:
        answer: dict[str, str | int] = {"type": kind, "channel": key[0], "symbol": symbol}
        if key[2]:
            answer["depth"] = key[2]
        if request_id is not None:
            answer["id"] = request_id
        self._answer(answer)

    def _answer(self, content: object) -> None:
        message = Message(content)
        self.deliver(message.frame, [message])

    def _spend(self, tokens: float) -> None:
        now = self._clock()
        refilled = self._tokens + (now - self._tokens_time) * REQUESTS_PER_SECOND
        self._tokens = min(refilled, REQUESTS_BURST) - tokens
        self._tokens_time = now
        if self._tokens < 0:
            raise Refused("too_many_messages", close_code=1008)
