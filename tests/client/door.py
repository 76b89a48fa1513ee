"""A door on a real socket that accepts every order once, and loses connections when a test wants it to.

It keeps what it has done, as a journal would: what was accepted is replayed to whoever resumes.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from beurs.client.messages import (
    CLASSES,
    LAST,
    LAYOUTS,
    REPLAYED,
    RESUME,
    SIGNED_BYTES,
    SIGNED_CONTEXT,
    SessionReason,
    encode,
    frames,
)
from tests.client.peer import KEY, public_half

Report = tuple[int, int, Any]  # sequence, index, message
INSTRUMENT = {
    "instrument_id": 1, "symbol": "BTC-USD", "base_asset_id": 1, "base": "BTC", "base_scale": 8, "quote_asset_id": 2,
    "quote": "USD", "quote_scale": 6, "tick_size": 1, "tick_scale": 2, "lot_size": 1, "lot_scale": 4,
    "min_quantity": 1, "max_quantity": 10**7, "status": 1,
}  # fmt: skip


class Door:
    """What it has done, for all connections.

    `cuts` says, before each frame that is sent, whether the connection is lost instead, and before each one that was
    received whether it is lost without the frame being looked at.
    """

    def __init__(self, cuts: Callable[[], bool] = lambda: False) -> None:
        self.journal: list[Report] = []
        self.effects: dict[str, int] = {}
        self.connections: set[_Connection] = set()
        self.logons: list[Any] = []
        self.refuse: SessionReason | None = None
        self.cuts = cuts
        self.sequence = 10
        self.address = ""

    def drop(self) -> None:
        """Loses every connection; from any thread."""
        self.loop.call_soon_threadsafe(self._drop)

    def _drop(self) -> None:
        for connection in list(self.connections):
            connection.transport.abort()

    def execute(self, m: Any) -> tuple[list[Any], int]:
        """The reports of a request, and its sequence."""
        self.sequence += 1
        name = m.layout.name
        if name == "NewOrder":
            if m.client_order_id in self.effects:
                said = [CLASSES["OrderRejected"](reason=301, client_order_id=m.client_order_id)]
            else:
                self.effects[m.client_order_id] = self.sequence
                order = {at: getattr(m, at) for at in ("side", "order_type", "time_in_force", "price", "quantity")}
                order |= {"order_id": self.sequence, "instrument_id": 1, "client_order_id": m.client_order_id}
                said = [CLASSES["OrderAccepted"](status=1, leaves_quantity=m.quantity, **order)]
                if m.price % 2:  # Those have two reports.
                    said.append(CLASSES["OrderCanceled"](status=4, cancel_reason=3, **order))
        else:
            said = [CLASSES["CancelAllAfterSet"](deadline_ns=m.timeout_ns)]
        for index, report in enumerate(said):
            report.sequence, report.index = self.sequence, index
            report.report_flags = LAST if index == len(said) - 1 else 0
            self.journal.append((self.sequence, index, report))
        return said, self.sequence


class _Connection(asyncio.Protocol):
    def __init__(self, door: Door) -> None:
        self.door = door
        self.buffer = bytearray()
        self.reports = 0
        self.requests = 0
        self.nonce = bytes(32)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.door.connections.add(self)
        self.send(CLASSES["Challenge"](nonce=self.nonce))

    def connection_lost(self, _: Exception | None) -> None:
        self.door.connections.discard(self)

    def send(self, message: Any) -> None:
        if self.transport.is_closing():
            return
        if self.door.cuts():
            self.transport.abort()
            return
        self.transport.write(encode(message))

    def report(self, message: Any, request: int, flags: int = 0) -> None:
        self.reports += 1
        message.report_sequence, message.request_sequence = self.reports, request
        message.report_flags |= flags
        self.send(message)
        message.report_flags &= LAST

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        for message in frames(self.buffer):
            if self.transport.is_closing():
                return
            if self.door.cuts():
                self.transport.abort()
                return
            self.handle(message)

    def handle(self, m: Any) -> None:
        name = m.layout.name
        if m.layout.template in range(20, 50):
            self.requests += 1
            assert m.request_sequence == self.requests
        match name:
            case "Logon":
                self.logon(m)
            case "NewOrder" | "CancelAllAfter":
                said, _ = self.door.execute(m)
                for connection in list(self.door.connections):
                    for report in said:
                        connection.report(report, m.request_sequence if connection is self else 0)
            case "InstrumentsRequest":
                self.send(
                    CLASSES["InstrumentDefinition"](
                        request_sequence=m.request_sequence, sequence=self.door.sequence, **INSTRUMENT
                    )
                )
                self.send(CLASSES["QueryComplete"](request_sequence=m.request_sequence, template_id=29, count=1))
            case "BalancesRequest" | "OpenOrdersRequest":
                self.send(CLASSES["QueryComplete"](request_sequence=m.request_sequence))
            case "Logout":
                self.send(CLASSES["Logout"](reason=1))
                self.transport.close()
            case "TestRequest":
                self.send(CLASSES["Heartbeat"](test_id=m.test_id))

    def logon(self, m: Any) -> None:
        self.door.logons.append(m)
        try:
            signed = SIGNED_CONTEXT + self.nonce + LAYOUTS[2].encode(m)[:SIGNED_BYTES]
            Ed25519PublicKey.from_public_bytes(m.public_key).verify(m.signature, signed)
        except InvalidSignature:
            self.door.refuse = SessionReason.AUTHENTICATION_FAILED
        if m.public_key != public_half(KEY):
            self.door.refuse = SessionReason.AUTHENTICATION_FAILED
        if self.door.refuse is not None:
            self.send(CLASSES["LogonRejected"](reason=self.door.refuse.number))
            self.transport.close()
            return
        last = self.door.sequence
        self.send(CLASSES["LogonAccepted"](sequence=last, account_id=7, account="alice", in_flight_max=64))
        if m.options & RESUME:
            missed = [at for at in self.door.journal if at[:2] > (m.resume_sequence, m.resume_index)]
            for _, _, report in missed:
                self.report(report, 0, REPLAYED)
            self.send(CLASSES["ReplayComplete"](sequence=last, count=len(missed)))


@contextmanager
def listening(door: Door, path: Any = None) -> Iterator[Door]:
    """Runs it in a thread, on a Unix socket or any free port."""
    started = threading.Event()

    async def main() -> None:
        door.loop = loop = asyncio.get_running_loop()
        door.stop = loop.create_future()
        if path is None:
            server = await loop.create_server(lambda: _Connection(door), "127.0.0.1", 0)
            door.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        else:
            server = await loop.create_unix_server(lambda: _Connection(door), str(path))
            door.address = f"unix:{path}"
        started.set()
        await door.stop
        server.close()
        door._drop()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert started.wait(60)
    try:
        yield door
    finally:
        door.loop.call_soon_threadsafe(door.stop.set_result, None)
        thread.join(60)
