"""What the engine says, for people: names instead of ids, decimal text instead of counts.

`Translator` makes these out of EVENT records. Decimals are `str`, in quote per base for prices, in base for quantities,
in the asset itself for amounts. An absent id or text is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from beurs import engine
from beurs.catalogue import Catalogue
from beurs.values import (
    CancelReason,
    ExecType,
    Liquidity,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingStatus,
)

__all__ = [
    "AccountGroupSet",
    "AccountOpened",
    "AssetAdded",
    "Event",
    "ExecutionReport",
    "FeesSet",
    "InstrumentListed",
    "MassCanceled",
    "Posted",
    "Rejection",
    "TradingStatusSet",
    "Translator",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What every event has.

    Attributes:
        sequence: The number of the command that caused it, dense from 1.
        event_time_ns: When the command was sequenced: nanoseconds since 1970 UTC.
    """

    sequence: int
    event_time_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport(_Said):
    """The whole order after what happened, and what happened (FIX 35=8).

    Attributes:
        order_id: The venue's id of the order.
        client_order_id: The client's id of it (FIX ClOrdID 11), or None.
        account: Whose order.
        symbol: On what instrument.
        exec_type: What happened.
        status: The state after it.
        price: Its limit, or None for a market order.
        quantity: Its total quantity, or None for an order given by quote_quantity.
        quote_quantity: How much quote it may trade, or None.
        filled_quantity: What has traded of it, this report included (FIX CumQty 14).
        leaves_quantity: What may still trade of it (FIX LeavesQty 151).
        hold: The money held for it after this: quote for a buy, base for a sell.
        cancel_reason: Why it was canceled or restated, or None.
        trade_id: Of a trade: its id; the other side's report has the same. Else None, as all that follow.
        last_price: Of a trade: its price, the maker's.
        last_quantity: Of a trade: how much.
        last_notional: Of a trade: price × quantity, in quote.
        fee: Of a trade: what this side pays, in quote; negative for a rebate.
        liquidity: Of a trade: maker or taker.
        counter_order_id: Of a trade: the other order.
    """

    order_id: int
    client_order_id: str | None
    account: str
    symbol: str
    exec_type: ExecType
    status: OrderStatus
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    post_only: bool
    self_trade_prevention: SelfTradePrevention
    price: str | None
    quantity: str | None
    quote_quantity: str | None
    filled_quantity: str
    leaves_quantity: str
    hold: str
    cancel_reason: CancelReason | None = None
    trade_id: int | None = None
    last_price: str | None = None
    last_quantity: str | None = None
    last_notional: str | None = None
    fee: str | None = None
    liquidity: Liquidity | None = None
    counter_order_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection(_Said):
    """A command was refused and changed nothing. Ids are those of the command, as given, or None."""

    code: str
    reason: int
    account_id: int | None
    instrument_id: int | None
    order_id: int | None
    client_order_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MassCanceled(_Said):
    """A mass cancel is done; the reports of its `count` orders come before it. None stands for all."""

    account: str | None
    symbol: str | None
    side: Side | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted(_Said):
    """Money came in, or went out when `amount` is negative; `total` and `held` are the balance after it."""

    account: str
    asset: str
    amount: str
    total: str
    held: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetAdded(_Said):
    """An asset is known."""

    asset_id: int
    code: str
    scale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentListed(_Said):
    """An instrument is tradable."""

    instrument_id: int
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpened(_Said):
    """An account is open."""

    account_id: int
    code: str
    group_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountGroupSet(_Said):
    """An account has another group."""

    account: str
    group_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeesSet(_Said):
    """Fees were set, in parts per million of the notional."""

    symbol: str
    group_id: int
    maker_ppm: int
    taker_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStatusSet(_Said):
    """An instrument has another status."""

    symbol: str
    status: TradingStatus


Event: TypeAlias = (
    ExecutionReport
    | Rejection
    | MassCanceled
    | Posted
    | AssetAdded
    | InstrumentListed
    | AccountOpened
    | AccountGroupSet
    | FeesSet
    | TradingStatusSet
)
"""Everything the engine can say."""


class Translator:
    """Makes events out of EVENT records, with the names and decimals of a catalogue."""

    __slots__ = ("_catalogue",)

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def events(self, records: bytes) -> list[Event]:
        """The events of the records, in their order."""
        return [self._event(event.kind, event.as_dict()) for event in engine.decode_events(records)]

    def _event(self, kind: str, fields: dict[str, Any]) -> Event:
        sequence, event_time_ns = fields["sequence"], fields["event_time_ns"]
        match kind:
            case "execution":
                return self._execution(fields)
            case "rejected":
                return Rejection(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    code=fields["code"],
                    reason=fields["reason"],
                    account_id=fields["account_id"] or None,
                    instrument_id=fields["instrument_id"] or None,
                    order_id=fields["order_id"] or None,
                    client_order_id=fields["client_order_id"] or None,
                )
            case "mass_canceled":
                return MassCanceled(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    account=self._catalogue.account(fields["account_id"]).code if fields["account_id"] else None,
                    symbol=self._catalogue.instrument(fields["instrument_id"]).symbol
                    if fields["instrument_id"]
                    else None,
                    side=Side(fields["side"]) if "side" in fields else None,
                    count=fields["count"],
                )
            case "posted":
                asset = self._catalogue.asset(fields["asset_id"])
                return Posted(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    account=self._catalogue.account(fields["account_id"]).code,
                    asset=asset.code,
                    amount=asset.unit.text(fields["amount"]),
                    total=asset.unit.text(fields["total"]),
                    held=asset.unit.text(fields["held"]),
                )
            case "asset_added":
                return AssetAdded(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    asset_id=fields["asset_id"],
                    code=fields["code"],
                    scale=fields["scale"],
                )
            case "instrument_listed":
                return InstrumentListed(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    instrument_id=fields["instrument_id"],
                    symbol=fields["symbol"],
                )
            case "account_opened":
                return AccountOpened(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    account_id=fields["account_id"],
                    code=fields["code"],
                    group_id=fields["group_id"],
                )
            case "account_group_set":
                return AccountGroupSet(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    account=self._catalogue.account(fields["account_id"]).code,
                    group_id=fields["group_id"],
                )
            case "fees_set":
                return FeesSet(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    symbol=self._catalogue.instrument(fields["instrument_id"]).symbol,
                    group_id=fields["group_id"],
                    maker_ppm=fields["maker_ppm"],
                    taker_ppm=fields["taker_ppm"],
                )
            case "trading_status_set":
                return TradingStatusSet(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    symbol=self._catalogue.instrument(fields["instrument_id"]).symbol,
                    status=TradingStatus(fields["status"]),
                )
        raise AssertionError(f"the compiled module gave an event of an unknown kind: {kind}")

    def _execution(self, fields: dict[str, Any]) -> ExecutionReport:
        instrument = self._catalogue.instrument(fields["instrument_id"])
        side = Side(fields["side"])
        order_type = OrderType(fields["order_type"])
        held_unit = instrument.quote_unit if side is Side.BUY else instrument.base_unit
        quote, lot, tick = instrument.quote_unit, instrument.lot, instrument.tick
        by_quote = bool(fields["quote_quantity"])
        traded = fields["exec_type"] == ExecType.TRADE
        reason = CancelReason(fields["cancel_reason"])
        return ExecutionReport(
            sequence=fields["sequence"],
            event_time_ns=fields["event_time_ns"],
            order_id=fields["order_id"],
            client_order_id=fields["client_order_id"] or None,
            account=self._catalogue.account(fields["account_id"]).code,
            symbol=instrument.symbol,
            exec_type=ExecType(fields["exec_type"]),
            status=OrderStatus(fields["status"]),
            side=side,
            order_type=order_type,
            time_in_force=TimeInForce(fields["time_in_force"]),
            post_only=fields["post_only"],
            self_trade_prevention=SelfTradePrevention(fields["self_trade_prevention"]),
            price=tick.text(fields["price"]) if order_type is OrderType.LIMIT else None,
            quantity=None if by_quote else lot.text(fields["quantity"]),
            quote_quantity=quote.text(fields["quote_quantity"]) if by_quote else None,
            filled_quantity=lot.text(fields["filled_quantity"]),
            leaves_quantity=lot.text(fields["leaves_quantity"]),
            hold=held_unit.text(fields["hold"]),
            cancel_reason=None if reason is CancelReason.NONE else reason,
            trade_id=fields["trade_id"] if traded else None,
            last_price=tick.text(fields["last_price"]) if traded else None,
            last_quantity=lot.text(fields["last_quantity"]) if traded else None,
            last_notional=quote.text(fields["last_notional"]) if traded else None,
            fee=quote.text(fields["fee"]) if traded else None,
            liquidity=Liquidity(fields["liquidity"]) if traded else None,
            counter_order_id=fields["counter_order_id"] if traded else None,
        )
