"""What the engine says, for people: names instead of ids, decimal text instead of counts.

`Translator` makes these out of EVENT records. Decimals are `str`, in quote per base for prices, in base for quantities,
in the asset itself for amounts. An absent id or text is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from beurs import engine
from beurs.catalogue import Catalogue, Instrument
from beurs.rows import TermsRow
from beurs.values import (
    CancelReason,
    Contingency,
    ExecType,
    Liquidity,
    ListStatus,
    OrderStatus,
    OrderType,
    Peg,
    SelfTradePrevention,
    Setting,
    Side,
    StatusReason,
    TimeInForce,
    TradingStatus,
    TriggerBy,
)

__all__ = [
    "AccountGroupSet",
    "AccountOpened",
    "Administered",
    "AssetAdded",
    "AuctionEnded",
    "AuctionIndication",
    "CancelAllAfterSet",
    "Event",
    "ExecutionReport",
    "FeesSet",
    "InstrumentListed",
    "KillSwitchSet",
    "LimitStateSet",
    "MarkPriceSet",
    "MassCanceled",
    "OrderListStatus",
    "OrderTerms",
    "Posted",
    "Rejection",
    "SettingChanged",
    "Terms",
    "TimeAdvanced",
    "TradeCorrected",
    "TradingStatusSet",
    "Translator",
    "terms_of",
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
        price: Its limit, or None for an order without one.
        quantity: Its total quantity, or None for an order given by quote_quantity.
        quote_quantity: How much quote it may trade, or None.
        filled_quantity: What has traded of it, this report included (FIX CumQty 14).
        leaves_quantity: What may still trade of it (FIX LeavesQty 151).
        displayed_quantity: What of it the book shows now.
        hold: The money held for it after this: quote for a buy, base for a sell.
        key_id: The key that it was sent with, or None.
        cancel_reason: Why it was canceled, has expired or was restated, or None.
        trade_id: Of a trade: its id; the other side's report has the same. Else None, as all that follow.
        last_price: Of a trade: its price, the maker's.
        last_quantity: Of a trade: how much.
        last_notional: Of a trade: price × quantity, in quote.
        fee: Of a trade: what this side pays, in quote; negative for a rebate.
        liquidity: Of a trade: maker, taker or auction.
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
    displayed_quantity: str
    hold: str
    key_id: int | None = None
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
    """An instrument has another status. `end_time_ns`: when an auction ends by itself, or None."""

    symbol: str
    status: TradingStatus
    reason: StatusReason
    end_time_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an order says beyond the common fields, as it is now.

    Attributes:
        list_id: Its order list, or None.
        waits: Whether it waits for its trigger, or for another order of its list.
        limit_price: The worst price of a pegged order, or None.
        trigger_price: The price that triggers it, now, or None.
        trigger_by: Which price triggers it.
        trail_bps: How far it trails the best price seen, in basis points, or None.
        display_quantity: How much of it is shown at one time, or None for all.
        hidden: Whether nothing of it is shown.
        min_quantity: How much must trade at once, or None.
        expire_time_ns: When it expires, or None.
        auction_only: Whether it lives in auctions only.
        slide: Whether it is priced one tick from the opposite best price rather than refused.
        peg: What its price follows.
        peg_offset: How far it stays behind that, in quote per base.
    """

    list_id: int | None
    waits: bool
    limit_price: str | None
    trigger_price: str | None
    trigger_by: TriggerBy
    trail_bps: int | None
    display_quantity: str | None
    hidden: bool
    min_quantity: str | None
    expire_time_ns: int | None
    auction_only: bool
    slide: bool
    peg: Peg
    peg_offset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms(Terms):
    """The terms of the order `order_id`; right after the `new`, `replaced` or `triggered` report of one with terms."""

    sequence: int
    event_time_ns: int
    order_id: int
    account: str
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderListStatus(_Said):
    """An order list has another state (FIX N)."""

    list_id: int
    account: str
    symbol: str
    contingency: Contingency
    status: ListStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionIndication(_Said):
    """What an auction would give if it ended now. `imbalance` is buys less sells left at the price, None: no trade."""

    symbol: str
    price: str | None
    volume: str
    imbalance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionEnded(_Said):
    """An auction is over; its trades come before it, all at `price`, or None if there were none."""

    symbol: str
    price: str | None
    volume: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitStateSet(_Said):
    """The best price of `side` has come to stand at a price band; None: it has left it."""

    symbol: str
    side: Side | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAllAfterSet(_Said):
    """An account's dead-man timer was set; None: it is disarmed."""

    account: str
    deadline_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAdvanced(_Said):
    """What was due has been done: `count` timers; their events come before it."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkPriceSet(_Said):
    """An instrument has another mark price."""

    symbol: str
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitchSet(_Said):
    """A kill switch is engaged or released; the reports of the `count` orders that it canceled come before it.

    Attributes:
        scope: `all`, `instrument`, `group`, `account` or `key`; the fields that this names are given, others are None.
    """

    scope: str
    engaged: bool
    count: int
    symbol: str | None
    group_id: int | None
    account: str | None
    key_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChanged(_Said):
    """A setting without an event of its own has changed. What it is not about is None."""

    setting: Setting
    symbol: str | None
    account: str | None
    group_id: int | None
    key_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeCorrected(_Said):
    """A trade's money was moved back (`new_price` is None), or corrected; the postings come before it."""

    trade_id: int
    symbol: str
    buyer: str
    seller: str
    price: str
    new_price: str | None
    quantity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Administered(_Said):
    """Who of the staff changed something, and why; the change's events come after it."""

    actor: str
    note: str


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
    | OrderTerms
    | OrderListStatus
    | AuctionIndication
    | AuctionEnded
    | LimitStateSet
    | CancelAllAfterSet
    | TimeAdvanced
    | MarkPriceSet
    | KillSwitchSet
    | SettingChanged
    | TradeCorrected
    | Administered
)
"""Everything the engine can say."""


_SETTINGS_OF_GROUPS = {Setting.RISK_LIMITS, Setting.FEE_TIER, Setting.FEE_PROMOTION, Setting.FEE_CAP}


def terms_of(row: TermsRow, instrument: Instrument) -> Terms:
    """The terms of an open order, from the node's row."""
    return Terms(**_term_values(row, instrument))


def _term_values(row: Mapping[str, Any], instrument: Instrument) -> dict[str, Any]:
    tick, lot = instrument.tick, instrument.lot
    return {
        "list_id": row["list_id"] or None,
        "waits": row["waits"],
        "limit_price": tick.text(row["limit_price"]) if row["limit_price"] else None,
        "trigger_price": tick.text(row["trigger_price"]) if row["trigger_price"] else None,
        "trigger_by": TriggerBy(row["trigger_by"]),
        "trail_bps": row["trail_bps"] or None,
        "display_quantity": lot.text(row["display_quantity"]) if row["display_quantity"] else None,
        "hidden": row["hidden"],
        "min_quantity": lot.text(row["min_quantity"]) if row["min_quantity"] else None,
        "expire_time_ns": row["expire_time_ns"] or None,
        "auction_only": row["auction_only"],
        "slide": row["slide"],
        "peg": Peg(row["peg"]),
        "peg_offset": tick.text(row["peg_offset"]),
    }


class Translator:
    """Makes events out of EVENT records, with the names and decimals of a catalogue."""

    __slots__ = ("_catalogue",)

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def events(self, records: bytes) -> list[Event]:
        """The events of the records, in their order."""
        return [self.event(event.as_dict()) for event in engine.decode_events(records)]

    def event(self, fields: dict[str, Any]) -> Event:
        """An event whose record was decoded to these fields."""
        kind: str = fields["kind"]
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
                    reason=StatusReason(fields["status_reason"]),
                    end_time_ns=fields["end_time_ns"] or None,
                )
            case "terms":
                return self._terms(fields)
            case "order_list_status":
                return OrderListStatus(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    list_id=fields["list_id"],
                    account=self._catalogue.account(fields["account_id"]).code,
                    symbol=self._catalogue.instrument(fields["instrument_id"]).symbol,
                    contingency=Contingency(fields["contingency"]),
                    status=ListStatus(fields["status"]),
                )
            case "auction_indication":
                instrument = self._catalogue.instrument(fields["instrument_id"])
                return AuctionIndication(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    symbol=instrument.symbol,
                    price=instrument.tick.text(fields["price"]) if fields["price"] else None,
                    volume=instrument.lot.text(fields["volume"]),
                    imbalance=instrument.lot.text(fields["imbalance"]),
                )
            case "auction_ended":
                instrument = self._catalogue.instrument(fields["instrument_id"])
                return AuctionEnded(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    symbol=instrument.symbol,
                    price=instrument.tick.text(fields["price"]) if fields["price"] else None,
                    volume=instrument.lot.text(fields["volume"]),
                )
            case "limit_state_set":
                return LimitStateSet(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    symbol=self._catalogue.instrument(fields["instrument_id"]).symbol,
                    side=Side(fields["side"]) if "side" in fields else None,
                )
            case "cancel_all_after_set":
                return CancelAllAfterSet(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    account=self._catalogue.account(fields["account_id"]).code,
                    deadline_ns=fields["deadline_ns"] or None,
                )
            case "time_advanced":
                return TimeAdvanced(sequence=sequence, event_time_ns=event_time_ns, count=fields["count"])
            case "mark_price_set":
                instrument = self._catalogue.instrument(fields["instrument_id"])
                return MarkPriceSet(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    symbol=instrument.symbol,
                    price=instrument.tick.text(fields["price"]),
                )
            case "kill_switch_set":
                return KillSwitchSet(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    scope=fields["scope"],
                    engaged=fields["engaged"],
                    count=fields["count"],
                    symbol=self._symbol(fields),
                    group_id=fields.get("group_id"),
                    account=self._account(fields),
                    key_id=fields.get("key_id"),
                )
            case "setting_changed":
                # Group 0 is a group where a setting is one of groups, and else none.
                of_group = fields["setting"] in _SETTINGS_OF_GROUPS and not fields["account_id"]
                return SettingChanged(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    setting=Setting(fields["setting"]),
                    symbol=self._symbol(fields),
                    account=self._account(fields),
                    group_id=fields["group_id"] if of_group else None,
                    key_id=fields["key_id"] or None,
                )
            case "trade_corrected":
                instrument = self._catalogue.instrument(fields["instrument_id"])
                return TradeCorrected(
                    sequence=sequence,
                    event_time_ns=event_time_ns,
                    trade_id=fields["trade_id"],
                    symbol=instrument.symbol,
                    buyer=self._catalogue.account(fields["buyer_id"]).code,
                    seller=self._catalogue.account(fields["seller_id"]).code,
                    price=instrument.tick.text(fields["price"]),
                    new_price=instrument.tick.text(fields["new_price"]) if fields["new_price"] else None,
                    quantity=instrument.lot.text(fields["quantity"]),
                )
            case "administered":
                return Administered(
                    sequence=sequence, event_time_ns=event_time_ns, actor=fields["actor"], note=fields["note"]
                )
        raise AssertionError(f"the compiled module gave an event of an unknown kind: {kind}")

    def _symbol(self, fields: dict[str, Any]) -> str | None:
        instrument_id = fields.get("instrument_id")
        return self._catalogue.instrument(instrument_id).symbol if instrument_id else None

    def _account(self, fields: dict[str, Any]) -> str | None:
        account_id = fields.get("account_id")
        return self._catalogue.account(account_id).code if account_id else None

    def _terms(self, fields: dict[str, Any]) -> OrderTerms:
        instrument = self._catalogue.instrument(fields["instrument_id"])
        return OrderTerms(
            sequence=fields["sequence"],
            event_time_ns=fields["event_time_ns"],
            order_id=fields["order_id"],
            account=self._catalogue.account(fields["account_id"]).code,
            symbol=instrument.symbol,
            **_term_values(fields, instrument),
        )

    def _execution(self, fields: dict[str, Any]) -> ExecutionReport:
        instrument = self._catalogue.instrument(fields["instrument_id"])
        side = Side(fields["side"])
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
            order_type=OrderType(fields["order_type"]),
            time_in_force=TimeInForce(fields["time_in_force"]),
            post_only=fields["post_only"],
            self_trade_prevention=SelfTradePrevention(fields["self_trade_prevention"]),
            price=tick.text(fields["price"]) if fields["price"] else None,
            quantity=None if by_quote else lot.text(fields["quantity"]),
            quote_quantity=quote.text(fields["quote_quantity"]) if by_quote else None,
            filled_quantity=lot.text(fields["filled_quantity"]),
            leaves_quantity=lot.text(fields["leaves_quantity"]),
            displayed_quantity=lot.text(fields["displayed_quantity"]),
            hold=held_unit.text(fields["hold"]),
            key_id=fields["key_id"] or None,
            cancel_reason=None if reason is CancelReason.NONE else reason,
            trade_id=fields["trade_id"] if traded else None,
            last_price=tick.text(fields["last_price"]) if traded else None,
            last_quantity=lot.text(fields["last_quantity"]) if traded else None,
            last_notional=quote.text(fields["last_notional"]) if traded else None,
            fee=quote.text(fields["fee"]) if traded else None,
            liquidity=Liquidity(fields["liquidity"]) if traded else None,
            counter_order_id=fields["counter_order_id"] if traded else None,
        )
