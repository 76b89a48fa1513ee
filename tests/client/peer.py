"""The other side of the binary door, for tests of the client's core: it speaks through a codec that somebody else's
tool makes from the schema, and does exactly what a test tells it to.
"""

import struct
from pathlib import Path
from typing import Any

import sbe
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from beurs.client.core import Core, Options
from beurs.signing import public_half

with (Path(__file__).parents[2] / "docs" / "reference" / "beurs.sbe.xml").open("rb") as file:
    SCHEMA = sbe.Schema.parse(file)
MESSAGES = {message.name: message for message in SCHEMA.messages.values()}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NONCE = bytes(range(64, 96))
BTC_USD = {
    "instrument_id": 1, "symbol": b"BTC-USD", "base_asset_id": 1, "base": b"BTC", "base_scale": 8, "quote_asset_id": 2,
    "quote": b"USD", "quote_scale": 6, "tick_size": 1, "tick_scale": 2, "lot_size": 1, "lot_scale": 4,
    "min_quantity": 1, "max_quantity": 10**7, "status": "open",
}  # fmt: skip
_FIRST = {
    "Side": "buy", "OrderType": "limit", "TimeInForce": "gtc", "OrderStatus": "new", "TradingStatus": "open",
    "RejectReason": "unknown_order", "RequestReason": "busy", "SessionReason": "requested", "StatusReason": "requested",
    "CancelReplaceMode": "stop_on_failure", "Contingency": "oco", "ListStatus": "executing", "TriggerBy": "last",
}  # fmt: skip


def _bytes(data: bytes) -> dict[str, int]:
    words = struct.unpack(f"<{len(data) // 8}Q", data)
    return {f"word_{at}": word for at, word in enumerate(words)}


def _default(kind: Any) -> Any:
    if isinstance(kind, sbe.Composite):
        return {part.name: 0 for part in kind.types}
    if isinstance(kind, sbe.Set):
        return []
    if isinstance(kind, sbe.Enum):
        return _FIRST.get(kind.name, "none")
    return b"" if kind.primitiveType is sbe.PrimitiveType.CHAR else 0


def frame(name: str, **given: Any) -> bytes:
    """A message with these fields; of the others each has its least value."""
    message = MESSAGES[name]
    fields = {field.name: _default(field.type) for field in message.fields}
    for field, value in given.items():
        assert field in fields, field
        wide = isinstance(fields[field], dict) and isinstance(value, int)
        fields[field] = {"lo": value & (1 << 64) - 1, "hi": value >> 64} if wide else value
    encoded = SCHEMA.encode(message, fields)
    return struct.pack("<HH", len(encoded) + 4, 0xEB50) + encoded


class Peer:
    """One exchange that a test plays, and the core that talks with it."""

    def __init__(self, **options: Any) -> None:
        self.reports: list[Any] = []
        self.positions: list[Any] = []
        self.market: list[Any] = []
        self.readies = 0
        self.core = Core(
            KEY,
            Options(heartbeat_interval_ms=1_000, **options),
            lambda position, report: (self.positions.append(position), self.reports.append(report)),
            self.market.append,
            self._ready,
        )
        self.now = 100.0
        self.inbox: list[tuple[str, dict[str, Any]]] = []
        self.logon: dict[str, Any] = {}
        self._report_sequence = 0

    def _ready(self) -> None:
        self.readies += 1

    # What the core sends.

    def pump(self) -> None:
        """Reads what the core has to say."""
        data = self.core.outgoing(self.now)
        while data:
            length, encoding = struct.unpack_from("<HH", data)
            assert encoding == 0xEB50
            message = SCHEMA.decode(data[4:length])
            self.inbox.append((message.message_name, message.value))
            data = data[length:]

    def get(self, name: str) -> dict[str, Any]:
        """The next message, which is of this name."""
        self.pump()
        assert self.inbox, f"{name} was expected, and nothing came"
        found, fields = self.inbox.pop(0)
        assert found == name, f"{name} was expected instead of {found}: {fields}"
        return fields

    def nothing(self) -> None:
        """Nothing was sent."""
        self.pump()
        assert self.inbox == []

    # What the peer sends.

    def send(self, name: str, **fields: Any) -> None:
        """One message."""
        self.core.received(frame(name, **fields), self.now)

    def report(self, name: str, sequence: int, index: int = 0, *, request: int = 0, last: bool = True,
               replayed: bool = False, **fields: Any) -> None:  # fmt: skip
        """One report, with the next number."""
        self._report_sequence += 1
        flags = (["last"] if last else []) + (["replayed"] if replayed else [])
        if "instrument_id" in [field.name for field in MESSAGES[name].fields]:
            fields = {"instrument_id": 1} | fields
        self.send(
            name,
            report_sequence=self._report_sequence,
            sequence=sequence,
            index=index,
            event_time_ns=1_000 + sequence,
            request_sequence=request,
            report_flags=flags,
            **fields,
        )

    # Steps.

    def connect(self) -> dict[str, Any]:
        """Until the logon, whose signature is verified here."""
        self._report_sequence = 0
        self.inbox.clear()
        self.core.connected(self.now)
        self.nothing()
        self.send("Challenge", nonce=_bytes(NONCE), time_ns=1, logon_timeout_ms=5_000, frame_bytes_max=1_024)
        self.logon = self.get("Logon")
        words = {name: self.logon[name] for name in ("public_key", "signature")}
        public, signature = (struct.pack(f"<{len(w)}Q", *w.values()) for w in words.values())
        assert public == public_half(KEY)
        options = sum(
            1 << bit
            for bit, name in enumerate(("cancel_on_disconnect", "market_data", "resume"))
            if name in self.logon["options"]
        )
        fixed = (
            self.logon["resume_sequence"],
            self.logon["resume_index"],
            self.logon["heartbeat_interval_ms"],
            options,
        )
        KEY.public_key().verify(signature, b"beurs binary logon 1" + NONCE + public + struct.pack("<QIIB", *fixed))
        return self.logon

    def accept(self, sequence: int, *, in_flight_max: int = 100) -> None:
        """Lets the client in."""
        self.send(
            "LogonAccepted",
            session_id=1, sequence=sequence, account_id=7, key_id=1, permissions=["trade", "read"],
            options=self.logon["options"], heartbeat_interval_ms=1_000, requests_per_second=10, cancels_per_second=10,
            in_flight_max=in_flight_max, account=b"alice",
        )  # fmt: skip

    def define(self, sequence: int) -> None:
        """Answers what the client asks for first."""
        asked = self.get("InstrumentsRequest")["request_sequence"]
        self.send("InstrumentDefinition", request_sequence=asked, sequence=sequence, **BTC_USD)
        self.send("QueryComplete", request_sequence=asked, template_id=29, sequence=sequence, count=1)
        asked = self.get("BalancesRequest")["request_sequence"]
        self.send(
            "Balance", request_sequence=asked, sequence=sequence, asset_id=3, asset=b"EUR", scale=2, total=500, held=0
        )
        self.send("QueryComplete", request_sequence=asked, template_id=31, sequence=sequence, count=1)

    def open(self, sequence: int = 10, **accepted: Any) -> None:
        """A first session."""
        self.connect()
        assert self.logon["options"] == ["market_data"]
        self.accept(sequence, **accepted)
        self.define(sequence)
        assert self.core.ready

    def lose(self) -> None:
        """The connection is gone."""
        self.core.disconnected()

    def resume(self, behind: tuple[int, int], sequence: int) -> None:
        """A further session, up to the replay."""
        self.connect()
        assert "resume" in self.logon["options"]
        assert (self.logon["resume_sequence"], self.logon["resume_index"]) == behind
        self.accept(sequence)
        self.nothing()
