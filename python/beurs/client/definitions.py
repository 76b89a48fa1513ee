"""What the door has told of assets, instruments and the own account, and reports in those words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from beurs import engine
from beurs.catalogue import Catalogue
from beurs.client import messages
from beurs.client.messages import CLASSES
from beurs.exchange import Balance, Order
from beurs.reports import (
    AuctionEnded,
    AuctionIndication,
    CancelAllAfterSet,
    ExecutionReport,
    KillSwitchSet,
    LimitStateSet,
    MarkPriceSet,
    MassCanceled,
    OrderListStatus,
    OrderTerms,
    Posted,
    Rejection,
    TradingStatusSet,
    Translator,
)
from beurs.rows import AccountRow, AssetRow, InstrumentRow
from beurs.values import (
    CancelReason,
    Contingency,
    Liquidity,
    ListStatus,
    OrderStatus,
    OrderType,
    Peg,
    SelfTradePrevention,
    Side,
    StatusReason,
    TimeInForce,
    TradingStatus,
    TriggerBy,
    WireEnum,
)

__all__ = ["BookChanged", "Definitions", "MarketData", "Report", "TradeCorrected", "TradePrinted", "TradesSkipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeCorrected:
    """An own trade was busted (`new_price` is None), or its price adjusted. `side` is the account's."""

    sequence: int
    event_time_ns: int
    trade_id: int
    symbol: str
    side: Side
    price: str
    new_price: str | None
    quantity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePrinted:
    """A trade of anybody's. `aggressor_side` is that of who crossed, None in an auction."""

    sequence: int
    event_time_ns: int
    symbol: str
    trade_id: int
    price: str
    quantity: str
    aggressor_side: Side | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradesSkipped:
    """So many trades were left out, because the client reads too slowly."""

    sequence: int
    symbol: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookChanged:
    """The local book of the instrument is now that after the command `sequence`."""

    sequence: int
    symbol: str


Report: TypeAlias = (
    ExecutionReport
    | OrderTerms
    | OrderListStatus
    | Rejection
    | MassCanceled
    | CancelAllAfterSet
    | Posted
    | TradeCorrected
    | KillSwitchSet
)
"""What an account is told of itself."""
MarketData: TypeAlias = (
    BookChanged
    | TradePrinted
    | TradesSkipped
    | TradingStatusSet
    | AuctionIndication
    | AuctionEnded
    | LimitStateSet
    | MarkPriceSet
)
"""What everybody may know."""


def _texts(kind: type[WireEnum]) -> dict[int, str]:
    return {member.number: member.value for member in kind}


_SIDE: Final = _texts(Side)
_ORDER_TYPE: Final = _texts(OrderType)
_TIME_IN_FORCE: Final = _texts(TimeInForce)
_SELF_TRADE_PREVENTION: Final = _texts(SelfTradePrevention)
_ORDER_STATUS: Final = _texts(OrderStatus)
_CANCEL_REASON: Final = _texts(CancelReason)
_LIQUIDITY: Final = _texts(Liquidity)
_TRIGGER_BY: Final = _texts(TriggerBy)
_PEG: Final = _texts(Peg)
_CONTINGENCY: Final = _texts(Contingency)
_LIST_STATUS: Final = _texts(ListStatus)
_TRADING_STATUS: Final = _texts(TradingStatus)
_STATUS_REASON: Final = _texts(StatusReason)
_CODES: Final = {number: code for number, code, _ in engine.reject_reasons()}
_EXEC_TYPES: Final = {
    CLASSES["OrderAccepted"]: "new",
    CLASSES["Fill"]: "trade",
    CLASSES["OrderCanceled"]: "canceled",
    CLASSES["OrderReplaced"]: "replaced",
    CLASSES["OrderRestated"]: "restated",
    CLASSES["OrderTriggered"]: "triggered",
    CLASSES["OrderExpired"]: "expired",
}


class Definitions:
    """Names and steps, as a catalogue reads them, and the translation by them.

    Raises NotFound for an instrument or an asset that the door has not told of yet, KeyError for a number of an enum
    that is none.
    """

    def __init__(self) -> None:
        self.sequence = 0
        """How often something was added."""
        self._assets: dict[int, AssetRow] = {}
        self._instruments: dict[int, InstrumentRow] = {}
        self._account: AccountRow = {"account_id": 0, "code": "", "group_id": 0}
        self.catalogue = Catalogue(self)
        self._translator = Translator(self.catalogue)

    # What a catalogue reads.

    def assets(self) -> list[AssetRow]:
        """All that is known."""
        return [self._assets[number] for number in sorted(self._assets)]

    def instruments(self) -> list[InstrumentRow]:
        """All that is known."""
        return [self._instruments[number] for number in sorted(self._instruments)]

    def accounts(self) -> list[AccountRow]:
        """The own one."""
        return [self._account]

    # What the door tells.

    def set_account(self, account_id: int, code: str) -> None:
        """Whose the session is."""
        self._account = {"account_id": account_id, "code": code, "group_id": 0}
        self.sequence += 1

    @property
    def account(self) -> str:
        """The code of the own account."""
        return self._account["code"]

    def add_asset(self, asset_id: int, code: str, scale: int) -> None:
        """An asset."""
        row: AssetRow = {"asset_id": asset_id, "code": code, "scale": scale, "issued": 0}
        if self._assets.get(asset_id) != row:  # Whatever is new has the catalogue read everything again.
            self._assets[asset_id] = row
            self.sequence += 1

    def add_instrument(self, m: Any) -> None:
        """An InstrumentDefinition."""
        self.add_asset(m.base_asset_id, m.base, m.base_scale)
        self.add_asset(m.quote_asset_id, m.quote, m.quote_scale)
        row: InstrumentRow = {
            "instrument_id": m.instrument_id,
            "symbol": m.symbol,
            "base_id": m.base_asset_id,
            "quote_id": m.quote_asset_id,
            "tick_mantissa": m.tick_size,
            "tick_scale": m.tick_scale,
            "lot_mantissa": m.lot_size,
            "lot_scale": m.lot_scale,
            "min_quantity": m.min_quantity,
            "max_quantity": m.max_quantity,
            "min_notional": m.min_notional,
            "status": _TRADING_STATUS[m.status],
            "last_price": m.last_price,
            "lot_units": 0,
            "tick_lot_units": 0,
        }
        if self._instruments.get(m.instrument_id) != row:
            self._instruments[m.instrument_id] = row
            self.sequence += 1

    def balance(self, m: Any) -> Balance:
        """A Balance."""
        self.add_asset(m.asset_id, m.asset, m.scale)
        text = self.catalogue.asset(m.asset_id).unit.text
        return Balance(m.asset, text(m.total), text(m.held), text(m.total - m.held))

    def open_order(self, m: Any) -> Order:
        """An OpenOrder. The terms of one are not among what the door tells of open orders."""
        report = self._translator.event(self._execution(m, "new", "new", "none"))
        assert isinstance(report, ExecutionReport)
        names = Order.__dataclass_fields__.keys() - {"terms"}
        return Order(terms=None, **{name: getattr(report, name) for name in names})

    # Translation.

    def report(self, m: Any) -> Report:
        """A report."""
        exec_type = _EXEC_TYPES.get(type(m))
        if exec_type is not None:
            fields = self._execution(m, exec_type, _ORDER_STATUS[m.status], _CANCEL_REASON[m.cancel_reason])
            if exec_type == "trade":
                fields |= {
                    "trade_id": m.trade_id,
                    "last_price": m.last_price,
                    "last_quantity": m.last_quantity,
                    "last_notional": m.last_notional,
                    "fee": m.fee,
                    "liquidity": _LIQUIDITY[m.liquidity],
                    "counter_order_id": None,
                }
            return self._translator.event(fields)  # type: ignore[return-value] # an execution
        fields = {
            "sequence": m.sequence,
            "event_time_ns": m.event_time_ns,
            "account_id": self._account["account_id"],
        }
        match m.layout.name:
            case "OrderRejected":
                fields |= {"kind": "rejected", "code": _CODES[m.reason], "reason": m.reason, "order_id": m.order_id}
                fields |= {"instrument_id": m.instrument_id, "client_order_id": m.client_order_id}
            case "OrderTerms":
                same = ("order_id", "list_id", "instrument_id", "trail_bps", "trigger_price", "display_quantity",
                        "min_quantity", "expire_time_ns", "peg_offset", "limit_price")  # fmt: skip
                fields |= {"kind": "terms", **{name: getattr(m, name) for name in same}}
                fields |= {"trigger_by": _TRIGGER_BY[m.trigger_by], "peg": _PEG[m.peg]}
                for name in ("hidden", "auction_only", "slide", "waits"):
                    fields[name] = bool(m.flags & getattr(messages, f"TERMS_{name.upper()}"))
            case "OrderListStatus":
                fields |= {"kind": "order_list_status", "list_id": m.list_id, "instrument_id": m.instrument_id}
                fields |= {"contingency": _CONTINGENCY[m.contingency], "status": _LIST_STATUS[m.list_status]}
            case "MassCancelResult":
                fields |= {"kind": "mass_canceled", "instrument_id": m.instrument_id, "count": m.count}
                fields |= {"side": _SIDE[m.side]} if m.side else {}
            case "CancelAllAfterSet":
                fields |= {"kind": "cancel_all_after_set", "deadline_ns": m.deadline_ns}
            case "BalanceChanged":
                fields |= {"kind": "posted", "asset_id": m.asset_id, "amount": m.amount}
                fields |= {"total": m.total, "held": m.held}
            case "KillSwitchSet":
                fields |= {"kind": "kill_switch_set", "engaged": bool(m.engaged), "count": m.count}
                fields |= {"scope": "key", "key_id": m.key_id} if m.key_id else {"scope": "account"}
            case "TradeCorrected":
                instrument = self.catalogue.instrument(m.instrument_id)
                return TradeCorrected(
                    sequence=m.sequence,
                    event_time_ns=m.event_time_ns,
                    trade_id=m.trade_id,
                    symbol=instrument.symbol,
                    side=Side(_SIDE[m.side]),
                    price=instrument.tick.text(m.price),
                    new_price=instrument.tick.text(m.new_price) if m.new_price else None,
                    quantity=instrument.lot.text(m.quantity),
                )
        return self._translator.event(fields)  # type: ignore[return-value] # one of these kinds

    def _execution(self, m: Any, exec_type: str, status: str, cancel_reason: str) -> dict[str, Any]:
        return {
            "kind": "execution",
            "sequence": m.sequence,
            "event_time_ns": getattr(m, "event_time_ns", 0),
            "order_id": m.order_id,
            "client_order_id": m.client_order_id,
            "account_id": self._account["account_id"],
            "instrument_id": m.instrument_id,
            "key_id": m.key_id,
            "exec_type": exec_type,
            "status": status,
            "side": _SIDE[m.side],
            "order_type": _ORDER_TYPE[m.order_type],
            "time_in_force": _TIME_IN_FORCE[m.time_in_force],
            "post_only": bool(m.flags & messages.POST_ONLY),
            "self_trade_prevention": _SELF_TRADE_PREVENTION[m.self_trade_prevention],
            "cancel_reason": cancel_reason,
            "price": m.price,
            "quantity": m.quantity,
            "quote_quantity": m.quote_quantity,
            "filled_quantity": m.filled_quantity,
            "leaves_quantity": m.leaves_quantity,
            "displayed_quantity": m.displayed_quantity,
            "hold": m.hold,
        }

    def market_data(self, m: Any) -> MarketData:
        """Market data, but for the book."""
        instrument = self.catalogue.instrument(m.instrument_id)
        name = m.layout.name
        if name == "Trade":
            return TradePrinted(
                sequence=m.sequence,
                event_time_ns=m.event_time_ns,
                symbol=instrument.symbol,
                trade_id=m.trade_id,
                price=instrument.tick.text(m.price),
                quantity=instrument.lot.text(m.quantity),
                aggressor_side=Side(_SIDE[m.aggressor_side]) if m.aggressor_side else None,
            )
        if name == "TradesSkipped":
            return TradesSkipped(sequence=m.sequence, symbol=instrument.symbol, count=m.count)
        fields = {name: getattr(m, name) for name, _ in m.layout.fields}
        match name:
            case "InstrumentStatus":
                fields |= {"kind": "trading_status_set", "status": _TRADING_STATUS[m.status]}
                fields["status_reason"] = _STATUS_REASON[m.reason]
            case "AuctionIndicative":
                fields["kind"] = "auction_indication"
            case "AuctionResult":
                fields["kind"] = "auction_ended"
            case "LimitState":
                del fields["side"]
                fields |= {"kind": "limit_state_set"} | ({"side": _SIDE[m.side]} if m.side else {})
            case "MarkPrice":
                fields["kind"] = "mark_price_set"
        return self._translator.event(fields)  # type: ignore[return-value] # one of these kinds
