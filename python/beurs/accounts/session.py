"""`/ws/session`: a connection for as long as which an account's orders may stay; docs/reference/websocket.md.

Invariants: when a session ends, however it ends, all open orders of its account are canceled by one mass cancel, as
`disconnected`, unless its client has turned that off; the mass cancel is tried until the sequencer takes it or has
stopped; what a client can make the server keep is one message.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeAlias

import msgspec
import structlog
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from beurs.engine import decode_events, mass_cancel
from beurs.errors import BeursError, QueueFull
from beurs.keys import KeyRing, Trader
from beurs.sequencer import Sequencer
from beurs.streams.messages import ERRORS, MESSAGE_BYTES_MAX, Refused, encode, refuse_repeated_keys, refused
from beurs.values import MassCancelReason

log = structlog.get_logger()

SESSIONS_MAX: Final = 10_000
AUTHENTICATION_SECONDS_MAX: Final = 10.0
"""How long a client may take to say who it is."""
_RETRY_SECONDS: Final = 0.01
_ERRORS: Final = ERRORS | {
    "missing_api_key": "The session needs the key of an account.",
    "invalid_api_key": "The key is not that of an account.",
}


class SessionRequest(Struct, forbid_unknown_fields=True, tag_field="op", tag="session", frozen=True):
    """Who the client is, in the first message, and whether its orders are canceled when the session ends."""

    api_key: str | None = None
    cancel_on_disconnect: bool | None = None
    id: str | None = None


class PingRequest(Struct, forbid_unknown_fields=True, tag_field="op", tag="ping", frozen=True):
    """Answer with `pong`."""

    id: str | None = None


Request: TypeAlias = SessionRequest | PingRequest
_decode = msgspec.json.Decoder(Request).decode


class SessionEndpoint:
    """The ASGI application. Its :meth:`drain` comes before the sequencer is closed."""

    def __init__(
        self,
        sequencer: Sequencer,
        keys: KeyRing,
        *,
        sessions_max: int = SESSIONS_MAX,
        authentication_seconds_max: float = AUTHENTICATION_SECONDS_MAX,
    ) -> None:
        self._sequencer = sequencer
        self._keys = keys
        self._sessions_max = sessions_max
        self._authentication_seconds_max = authentication_seconds_max
        self._canceling: set[asyncio.Task[None]] = set()
        self._count = 0

    @property
    def count(self) -> int:
        """How many connections there are."""
        return self._count

    async def drain(self) -> None:
        """Waits until the orders of every session that has ended are canceled."""
        await asyncio.gather(*self._canceling, return_exceptions=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        assert scope["type"] == "websocket"
        message = await receive()
        assert message["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        session = _Session(self._keys, receive, send)
        self._count += 1
        try:
            if self._count > self._sessions_max:
                raise Refused("too_many_connections", close_code=1013)
            presented = [value for name, value in scope["headers"] if name == b"x-api-key"]
            if presented:
                await session.begin(presented[0] if len(presented) == 1 else b"", None)
            try:
                async with asyncio.timeout(None if session.trader else self._authentication_seconds_max) as limit:
                    while await session.serve():
                        if session.trader is not None:
                            limit.reschedule(None)
            except TimeoutError:
                raise _problem("missing_api_key", 1008) from None
        except Refused as problem:
            await _end(send, problem)
        finally:
            self._count -= 1
            if session.trader is not None and session.cancel_on_disconnect:
                # A task of its own: this one may be about to be canceled.
                task = asyncio.get_running_loop().create_task(self._cancel(session.trader))
                self._canceling.add(task)
                task.add_done_callback(self._canceling.discard)

    async def _cancel(self, trader: Trader) -> None:
        command = mass_cancel(trader.account_id, 0, 0, MassCancelReason.DISCONNECTED.number)
        try:
            while True:
                try:
                    events = decode_events(await self._sequencer.submit(command))
                    break
                except QueueFull:
                    await asyncio.sleep(_RETRY_SECONDS)
        except BeursError as stopped:
            log.error("a session ended and its orders may still be open", account=trader.account, reason=str(stopped))
            return
        last: Any = events[-1]
        if last.kind == "rejected":
            log.warning("a session ended and its orders stay", account=trader.account, reason=last.code)
        else:
            log.info("a session ended", account=trader.account, canceled=last.count)


class _Session:
    """One connection: whose it is and what it wants."""

    __slots__ = ("_keys", "_receive", "_send", "cancel_on_disconnect", "trader")

    def __init__(self, keys: KeyRing, receive: Receive, send: Send) -> None:
        self._keys = keys
        self._receive = receive
        self._send = send
        self.trader: Trader | None = None
        self.cancel_on_disconnect = True

    async def begin(self, key: bytes, request_id: str | None) -> None:
        """The client shows its key. Raises Refused."""
        self.trader = self._keys.trader(key)
        if self.trader is None:
            raise _problem("invalid_api_key", 1008, request_id=request_id)
        await self._tell(request_id)

    async def serve(self) -> bool:
        """Serves one message; False when the connection has ended. Raises Refused for what ends it."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return False
        text = message.get("text")
        if text is None:
            raise Refused("binary_not_supported", close_code=1003)
        try:
            await self._handle(_read(text))
        except Refused as problem:
            if problem.close_code is not None:
                raise
            await self._send({"type": "websocket.send", "text": problem.payload().decode()})
        return True

    async def _handle(self, request: Request) -> None:
        if isinstance(request, PingRequest):
            await self._answer({"type": "pong"}, request.id)
            return
        if self.trader is not None and request.api_key is not None:
            raise Refused("invalid_value", "The session has begun.", "api_key", request_id=request.id)
        # First, so that there is no moment at which the session has begun with another wish.
        if request.cancel_on_disconnect is not None:
            self.cancel_on_disconnect = request.cancel_on_disconnect
        if self.trader is not None:
            await self._tell(request.id)
        elif request.api_key is None:
            raise _problem("missing_api_key", 1008, request_id=request.id)
        else:
            await self.begin(request.api_key.encode(), request.id)

    async def _tell(self, request_id: str | None) -> None:
        assert self.trader is not None
        told = {"account": self.trader.account, "cancel_on_disconnect": self.cancel_on_disconnect}
        await self._answer({"type": "session", **told}, request_id)

    async def _answer(self, content: dict[str, Any], request_id: str | None) -> None:
        if request_id is not None:
            content["id"] = request_id
        await self._send({"type": "websocket.send", "text": encode(content).decode()})


def _read(text: str) -> Request:
    if len(text) > MESSAGE_BYTES_MAX:
        raise Refused("message_too_large", close_code=1009)
    try:
        request: Request = _decode(text)
    except msgspec.ValidationError as error:
        raise refused(str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refused("malformed_json", close_code=1007) from None
    refuse_repeated_keys(text)
    if request.id is not None and len(request.id) > 64:
        raise Refused("invalid_value", "An id has at most 64 characters.", "id")
    return request


def _problem(code: str, close_code: int, *, request_id: str | None = None) -> Refused:
    return Refused(code, _ERRORS[code], close_code=close_code, request_id=request_id)


async def _end(send: Send, problem: Refused) -> None:
    try:
        await send({"type": "websocket.send", "text": problem.payload().decode()})
        await send({"type": "websocket.close", "code": problem.close_code, "reason": problem.code})
    except Exception:
        log.debug("session: a client went away while being told to", exc_info=True)
