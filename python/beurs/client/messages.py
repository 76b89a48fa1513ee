"""The messages of the binary door and their bytes; docs/reference/wire.md says how they are used.

One table has every message: its fields in their order, each with its type's name in the schema,
docs/reference/beurs.sbe.xml. Layouts, classes and the codec are made from it, and a test holds it against the schema.

Numbers stand here as they stand on the wire: prices in ticks, quantities in lots, enums and sets by number. Texts are
`str`, without the zero bytes that fill them up; the two byte strings are `bytes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, error
from typing import Any, Final

import msgspec

from beurs.errors import ProtocolError
from beurs.values import WireEnum

__all__ = ["CLASSES", "LAYOUTS", "Layout", "RequestReason", "SessionReason", "decode", "encode", "frames"]

SCHEMA: Final = 1
VERSION: Final = 1
ENCODING: Final = 0xEB50
HEADER: Final = Struct("<HHHHHH")
FRAME_BYTES_MAX: Final = 1024
SIGNED_CONTEXT: Final = b"beurs binary logon 1"
"""What a logon's signature begins with."""
SIGNED_BYTES: Final = 49
"""How many bytes of a logon's fields are signed: all before the signature."""


class RequestReason(WireEnum):
    """Why a request was refused before it became a command."""

    INVALID_VALUE = "invalid_value", 1
    INVALID_TEXT = "invalid_text", 2
    NOT_ALLOWED = "not_allowed", 3
    BUSY = "busy", 4
    UNKNOWN_INSTRUMENT = "unknown_instrument", 5
    MARKET_DATA_OFF = "market_data_off", 6
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions", 7
    NOT_SUBSCRIBED = "not_subscribed", 8
    QUERY_UNDER_WAY = "query_under_way", 9
    DISK_FULL = "disk_full", 10


class SessionReason(WireEnum):
    """Why a session did not begin or has ended."""

    REQUESTED = "requested", 1
    AUTHENTICATION_FAILED = "authentication_failed", 2
    UNSUPPORTED_SCHEMA = "unsupported_schema", 3
    UNSUPPORTED_VERSION = "unsupported_version", 4
    INVALID_FRAME = "invalid_frame", 5
    INVALID_MESSAGE = "invalid_message", 6
    UNEXPECTED_MESSAGE = "unexpected_message", 7
    SEQUENCE_GAP = "sequence_gap", 8
    LOGON_TIMEOUT = "logon_timeout", 9
    HEARTBEAT_TIMEOUT = "heartbeat_timeout", 10
    INVALID_OPTION = "invalid_option", 11
    TOO_MANY_SESSIONS = "too_many_sessions", 12
    SLOW_CONSUMER = "slow_consumer", 13
    RESUME_AHEAD = "resume_ahead", 14
    RESUME_LOST = "resume_lost", 15
    KEY_REVOKED = "key_revoked", 16
    SERVER_STOPPING = "server_stopping", 17
    EXCHANGE_STOPPED = "exchange_stopped", 18
    SERVER_BEHIND = "server_behind", 19


# Bits of the sets.
CANCEL_ON_DISCONNECT, MARKET_DATA, RESUME = 1, 2, 4  # LogonOptions
POST_ONLY, HIDDEN, AUCTION_ONLY, SLIDE = 1, 2, 4, 8  # OrderFlags
TERMS_HIDDEN, TERMS_AUCTION_ONLY, TERMS_SLIDE, TERMS_WAITS = 1, 2, 4, 8  # TermsFlags
LAST, REPLAYED = 1, 2  # ReportFlags; LAST of UpdateFlags, too
BOOK, TRADES, STATUS = 1, 2, 4  # Channels

_INTEGERS: Final = {"UInt8": "B", "UInt16": "H", "UInt32": "I", "UInt64": "Q", "Int64": "q"}
_TEXTS: Final = {"ClientOrderId": 36, "Symbol": 32, "AssetCode": 16, "AccountCode": 32}
_BYTES: Final = {"Bytes32": 32, "Bytes64": 64}
_WIDE: Final = {"RejectReason", "RequestReason", "SessionReason"}
"""The enums of two bytes; all others, and the sets, have one."""

_REPORT: Final = (
    "report_sequence UInt64, sequence UInt64, index UInt32, event_time_ns Int64, request_sequence UInt64, "
    "report_flags ReportFlags"
)
_ORDER: Final = (
    "instrument_id UInt32, side Side, order_type OrderType, time_in_force TimeInForce, "
    "self_trade_prevention SelfTradePrevention, flags OrderFlags, trigger_by TriggerBy, peg Peg, trail_bps UInt16, "
    "price Int64, quantity Int64, quote_quantity Int128, trigger_price Int64, display_quantity Int64, "
    "min_quantity Int64, expire_time_ns Int64, peg_offset Int64, client_order_id ClientOrderId"
)
_LEG: Final = (
    "side_N Side, order_type_N OrderType, time_in_force_N TimeInForce, self_trade_prevention_N SelfTradePrevention, "
    "flags_N OrderFlags, trigger_by_N TriggerBy, trail_bps_N UInt16, price_N Int64, quantity_N Int64, "
    "trigger_price_N Int64, display_quantity_N Int64, min_quantity_N Int64, expire_time_ns_N Int64, "
    "client_order_id_N ClientOrderId"
)
_QUANTITIES: Final = (
    "price Int64, quantity Int64, filled_quantity Int64, leaves_quantity Int64, displayed_quantity Int64, "
    "quote_quantity Int128, hold Int128, client_order_id ClientOrderId"
)
_EXECUTION: Final = (
    f"{_REPORT}, order_id UInt64, instrument_id UInt32, key_id UInt16, status OrderStatus, side Side, "
    "order_type OrderType, time_in_force TimeInForce, self_trade_prevention SelfTradePrevention, "
    f"cancel_reason CancelReason, flags OrderFlags, {_QUANTITIES}"
)
_AT: Final = "instrument_id UInt32, sequence UInt64"
_WHEN: Final = f"{_AT}, event_time_ns Int64"
_ANSWER: Final = "request_sequence UInt64, sequence UInt64"
_TABLE: Final = {
    (1, "Challenge"): "nonce Bytes32, time_ns Int64, logon_timeout_ms UInt32, frame_bytes_max UInt16",
    (2, "Logon"): (
        "public_key Bytes32, resume_sequence UInt64, resume_index UInt32, heartbeat_interval_ms UInt32, "
        "options LogonOptions, signature Bytes64"
    ),
    (3, "LogonAccepted"): (
        "session_id UInt64, sequence UInt64, account_id UInt32, key_id UInt16, permissions Permissions, "
        "options LogonOptions, heartbeat_interval_ms UInt32, requests_per_second UInt32, cancels_per_second UInt32, "
        "in_flight_max UInt32, account AccountCode"
    ),
    (4, "LogonRejected"): "reason SessionReason, field_id UInt16, sequence UInt64",
    (5, "Logout"): (
        "reason SessionReason, template_id UInt16, expected_sequence UInt64, resume_sequence UInt64, "
        "resume_index UInt32"
    ),
    (6, "Heartbeat"): "test_id UInt64, time_ns Int64, sequence UInt64",
    (7, "TestRequest"): "test_id UInt64",
    (20, "NewOrder"): f"request_sequence UInt64, {_ORDER}",
    (21, "CancelOrder"): "request_sequence UInt64, order_id UInt64, client_order_id ClientOrderId",
    (22, "ReplaceOrder"): (
        "request_sequence UInt64, order_id UInt64, price Int64, quantity Int64, trigger_price Int64, "
        "display_quantity Int64, original_client_order_id ClientOrderId, client_order_id ClientOrderId"
    ),
    (23, "CancelReplace"): (
        "request_sequence UInt64, order_id UInt64, original_client_order_id ClientOrderId, mode CancelReplaceMode, "
        + _ORDER
    ),
    (24, "MassCancel"): "request_sequence UInt64, instrument_id UInt32, side OptionalSide",
    (25, "NewOrderList"): "request_sequence UInt64, instrument_id UInt32, contingency Contingency, "
    + ", ".join(_LEG.replace("_N", f"_{leg}") for leg in (1, 2, 3)),
    (26, "CancelAllAfter"): "request_sequence UInt64, timeout_ns Int64",
    (27, "Subscribe"): "request_sequence UInt64, instrument_id UInt32, channels Channels, depth UInt16",
    (28, "Unsubscribe"): "request_sequence UInt64, instrument_id UInt32",
    (29, "InstrumentsRequest"): "request_sequence UInt64, instrument_id UInt32, after_instrument_id UInt32",
    (30, "OpenOrdersRequest"): "request_sequence UInt64, after_order_id UInt64",
    (31, "BalancesRequest"): "request_sequence UInt64",
    (60, "OrderAccepted"): _EXECUTION,
    (61, "OrderRejected"): (
        f"{_REPORT}, reason RejectReason, instrument_id UInt32, order_id UInt64, client_order_id ClientOrderId"
    ),
    (62, "Fill"): (
        f"{_EXECUTION}, trade_id UInt64, last_price Int64, last_quantity Int64, last_notional Int128, fee Int128, "
        "liquidity Liquidity"
    ),
    (63, "OrderCanceled"): _EXECUTION,
    (64, "OrderReplaced"): _EXECUTION,
    (65, "OrderRestated"): _EXECUTION,
    (66, "OrderTriggered"): _EXECUTION,
    (67, "OrderExpired"): _EXECUTION,
    (68, "OrderTerms"): (
        f"{_REPORT}, order_id UInt64, list_id UInt64, instrument_id UInt32, flags TermsFlags, trigger_by TriggerBy, "
        "peg Peg, trail_bps UInt16, trigger_price Int64, display_quantity Int64, min_quantity Int64, "
        "expire_time_ns Int64, peg_offset Int64, limit_price Int64"
    ),
    (69, "OrderListStatus"): (
        f"{_REPORT}, list_id UInt64, instrument_id UInt32, contingency Contingency, list_status ListStatus"
    ),
    (70, "MassCancelResult"): f"{_REPORT}, instrument_id UInt32, side OptionalSide, count UInt32",
    (71, "CancelAllAfterSet"): f"{_REPORT}, deadline_ns Int64",
    (72, "BalanceChanged"): f"{_REPORT}, asset_id UInt32, amount Int128, total Int128, held Int128",
    (73, "TradeCorrected"): (
        f"{_REPORT}, trade_id UInt64, instrument_id UInt32, side Side, price Int64, new_price Int64, quantity Int64"
    ),
    (74, "KillSwitchSet"): f"{_REPORT}, key_id UInt16, engaged UInt8, count UInt32",
    (80, "RequestRejected"): (
        "request_sequence UInt64, template_id UInt16, reason RequestReason, field_id UInt16, "
        "client_order_id ClientOrderId"
    ),
    (81, "Throttled"): (
        "request_sequence UInt64, template_id UInt16, retry_after_ns UInt64, client_order_id ClientOrderId"
    ),
    (82, "ReplayComplete"): "sequence UInt64, count UInt64",
    (83, "InstrumentDefinition"): (
        f"{_ANSWER}, instrument_id UInt32, symbol Symbol, base_asset_id UInt32, base AssetCode, base_scale UInt8, "
        "quote_asset_id UInt32, quote AssetCode, quote_scale UInt8, tick_size UInt64, tick_scale UInt8, "
        "lot_size UInt64, lot_scale UInt8, min_quantity Int64, max_quantity Int64, min_notional Int128, "
        "status TradingStatus, last_price Int64"
    ),
    (84, "OpenOrder"): (
        f"{_ANSWER}, order_id UInt64, instrument_id UInt32, key_id UInt16, side Side, order_type OrderType, "
        "time_in_force TimeInForce, self_trade_prevention SelfTradePrevention, flags OrderFlags, " + _QUANTITIES
    ),
    (85, "Balance"): f"{_ANSWER}, asset_id UInt32, asset AssetCode, scale UInt8, total Int128, held Int128",
    (86, "QueryComplete"): "request_sequence UInt64, template_id UInt16, sequence UInt64, count UInt64",
    (100, "Subscribed"): "request_sequence UInt64, instrument_id UInt32, channels Channels, depth UInt16",
    (101, "Unsubscribed"): "request_sequence UInt64, instrument_id UInt32",
    (102, "BookBegin"): f"{_AT}, bids UInt32, asks UInt32",
    (103, "BookLevel"): f"{_AT}, side Side, price Int64, quantity Int128, orders UInt32",
    (104, "BookEnd"): _AT,
    (105, "LevelUpdate"): (
        f"{_AT}, previous_sequence UInt64, side Side, update_flags UpdateFlags, price Int64, quantity Int128, "
        "orders UInt32"
    ),
    (106, "Trade"): (
        f"{_AT}, index UInt32, event_time_ns Int64, trade_id UInt64, price Int64, quantity Int64, "
        "aggressor_side OptionalSide"
    ),
    (107, "TradesSkipped"): f"{_AT}, count UInt64",
    (108, "InstrumentStatus"): f"{_WHEN}, status TradingStatus, reason StatusReason, end_time_ns Int64",
    (109, "AuctionIndicative"): f"{_WHEN}, price Int64, volume Int128, imbalance Int128",
    (110, "AuctionResult"): f"{_WHEN}, price Int64, volume Int128",
    (111, "LimitState"): f"{_WHEN}, side OptionalSide",
    (112, "MarkPrice"): f"{_WHEN}, price Int64",
}


class Layout:
    """The bytes of one message.

    Attributes:
        template: Its number.
        fields: The names of its fields and of their types in the schema, in their order.
        size: How many bytes the fields have.
        kind: The class of its values; a field that is not given is 0 or empty.
    """

    __slots__ = ("_int128", "_struct", "_texts", "fields", "kind", "name", "size", "template")

    def __init__(self, template: int, name: str, fields: str) -> None:
        self.template = template
        self.name = name
        self.fields = [(field, kind) for field, kind in (each.split(" ") for each in fields.split(", "))]
        self._struct = Struct("<" + "".join(_format(kind) for _, kind in self.fields))
        self.size = self._struct.size
        self._int128 = [at for at, (_, kind) in enumerate(self.fields) if kind == "Int128"]
        self._texts = [at for at, (_, kind) in enumerate(self.fields) if kind in _TEXTS]
        self.kind: Any = msgspec.defstruct(
            name, [(field, *_type(kind)) for field, kind in self.fields], namespace={"layout": self}, gc=False
        )

    def encode(self, message: Any) -> bytes:
        """The fields of a message. Raises ProtocolError for a number or a text that does not fit."""
        values = list(msgspec.structs.astuple(message))
        try:
            for at in self._int128:
                values[at] = values[at].to_bytes(16, "little", signed=True)
            for at in self._texts:
                text = values[at].encode("ascii")
                if len(text) > _TEXTS[self.fields[at][1]] or b"\0" in text:
                    raise ValueError(f"{self.fields[at][0]}: the text does not fit")
                values[at] = text
            return self._struct.pack(*values)
        except (OverflowError, ValueError, error) as reason:
            raise ProtocolError(f"{self.name} cannot be sent: {reason}") from None

    def decode(self, data: bytes | bytearray | memoryview, offset: int = 0) -> Any:
        """The message whose fields begin there; more than `size` bytes may follow."""
        values = list(self._struct.unpack_from(data, offset))
        for at in self._int128:
            values[at] = int.from_bytes(values[at], "little", signed=True)
        for at in self._texts:
            values[at] = values[at].rstrip(b"\0").decode("ascii")
        return self.kind(*values)


def _format(kind: str) -> str:
    if kind in _INTEGERS:
        return _INTEGERS[kind]
    if kind in _TEXTS or kind in _BYTES:
        return f"{(_TEXTS | _BYTES)[kind]}s"
    return "16s" if kind == "Int128" else "H" if kind in _WIDE else "B"


def _type(kind: str) -> tuple[type, Any]:
    if kind in _TEXTS:
        return str, ""
    if kind in _BYTES:
        return bytes, bytes(_BYTES[kind])
    return int, 0


LAYOUTS: Final = {template: Layout(template, name, fields) for (template, name), fields in _TABLE.items()}
"""Every message by its number."""
CLASSES: Final[dict[str, Any]] = {layout.name: layout.kind for layout in LAYOUTS.values()}
"""The classes of the messages by name."""


def encode(message: Any) -> bytes:
    """The frame of a message."""
    layout: Layout = message.layout
    fields = layout.encode(message)
    return HEADER.pack(HEADER.size + len(fields), ENCODING, len(fields), layout.template, SCHEMA, VERSION) + fields


def decode(frame: bytes | bytearray | memoryview) -> Any:
    """The message of a whole frame, or None for one of a later version. Raises ProtocolError for what is no frame."""
    if len(frame) < HEADER.size:
        raise ProtocolError("the frame is shorter than its header")
    length, encoding, block, template, schema, version = HEADER.unpack_from(frame)
    if encoding != ENCODING or length != len(frame) or length != HEADER.size + block or schema != SCHEMA or not version:
        raise ProtocolError("the frame's header is none of ours")
    layout = LAYOUTS.get(template)
    if layout is None:
        return None
    if block < layout.size:
        raise ProtocolError(f"{layout.name} has {block} bytes instead of {layout.size}")
    try:
        return layout.decode(frame, HEADER.size)
    except UnicodeDecodeError:
        raise ProtocolError(f"{layout.name} has a text that is not ASCII") from None


def frames(buffer: bytearray) -> Iterator[Any]:
    """Takes the whole frames off the beginning of what was received, and gives their messages.

    Raises ProtocolError for what is no frame.
    """
    at = 0
    try:
        while len(buffer) - at >= 2:
            length = buffer[at] | buffer[at + 1] << 8
            if not HEADER.size <= length <= FRAME_BYTES_MAX:
                raise ProtocolError(f"a frame of {length} bytes")
            if len(buffer) - at < length:
                break
            message = decode(memoryview(bytes(buffer[at : at + length])))
            at += length
            if message is not None:
                yield message
    finally:
        del buffer[:at]
