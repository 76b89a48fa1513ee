"""What events mean for the store's rows: state and a function from EVENT records to rows, without any database.

Invariants: the rows depend only on the events, never on how these were cut into batches; events at or before
``position`` change nothing; events after a gap are refused; of one ``sequence`` the postings add up to zero in every
asset; ``held`` of an account in an asset is the sum of the holds of its open orders, of an OCO pair the larger one.

The state is what the rows of later events depend on: totals, holds and pairs of open orders, the status of every
instrument, the last candle of every interval, the last ``entry_id``. After an error it is thrown away and loaded from
the database again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from beurs import engine
from beurs.records import ORDER_EVENTS, EventKind, amounts
from beurs.store.candles import INTERVALS, CandleValues, fold, minute_candles
from beurs.store.models import EXTERNAL_ACCOUNT_CODE, EXTERNAL_ACCOUNT_ID, VENUE_ACCOUNT_ID
from beurs.store.status import STATUS_KINDS, StatusValues
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
    Side,
    TimeInForce,
    TriggerBy,
    WireEnum,
)

Events = npt.NDArray[np.void]
Row = tuple[Any, ...]


class EventGap(Exception):
    """Events are missing before these."""

    def __init__(self, position: int, sequence: int) -> None:
        super().__init__(f"expected the events of sequence {position + 1}, got those of {sequence}")
        self.position = position
        self.sequence = sequence


class ListedInstrument(NamedTuple):
    """What an InstrumentListed event does not say; it never changes."""

    instrument_id: int
    symbol: str
    base_asset_id: int
    quote_asset_id: int
    tick_mantissa: int
    tick_scale: int
    lot_mantissa: int
    lot_scale: int
    min_quantity: int
    max_quantity: int
    min_notional: int
    lot_units: int
    tick_lot_units: int


@dataclass(slots=True)
class Rows:
    """Rows to be written, by table; every column in the order of :data:`beurs.store.projector.WRITERS`."""

    sequence: int
    event_time_ns: int
    assets: list[Row] = field(default_factory=list)
    instruments: list[Row] = field(default_factory=list)
    instrument_statuses: dict[int, dict[str, Any]] = field(default_factory=dict)
    accounts: list[Row] = field(default_factory=list)
    account_groups: dict[int, int] = field(default_factory=dict)
    fee_schedules: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    order_terms: list[Row] = field(default_factory=list)
    order_lists: list[Row] = field(default_factory=list)
    trade_corrections: list[Row] = field(default_factory=list)
    trades: list[Row] = field(default_factory=list)
    fills: list[Row] = field(default_factory=list)
    balances: list[Row] = field(default_factory=list)
    ledger_entries: list[Row] = field(default_factory=list)
    candles: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)


def _words(enum: type[WireEnum]) -> npt.NDArray[np.object_]:
    words = np.full(max(member.number for member in enum) + 1, None, dtype=object)
    for member in enum:
        words[member.number] = str(member)
    return words


_SIDE: Final = _words(Side)
_ORDER_TYPE: Final = _words(OrderType)
_TIME_IN_FORCE: Final = _words(TimeInForce)
_SELF_TRADE_PREVENTION: Final = _words(SelfTradePrevention)
_STATUS: Final = _words(OrderStatus)
_CANCEL_REASON: Final = _words(CancelReason)
_LIQUIDITY: Final = _words(Liquidity)
_TRIGGER_BY: Final = _words(TriggerBy)
_PEG: Final = _words(Peg)
_CONTINGENCY: Final = _words(Contingency)
_LIST_STATUS: Final = _words(ListStatus)

TRADE: Final = ExecType.TRADE.number
BUY: Final = Side.BUY.number
TAKER: Final = Liquidity.TAKER.number
AUCTION: Final = Liquidity.AUCTION.number
_FILLED: Final = OrderStatus.FILLED.number
_EXECUTING: Final = ListStatus.EXECUTING.number
_OTO: Final = Contingency.OTO.number
_HIDDEN, _AUCTION_ONLY, _SLIDE, _WAITS = 1, 2, 4, 8  # the flags of a Terms event

_WITHOUT_ROWS: Final = (
    EventKind.REJECTED,
    EventKind.MASS_CANCELED,
    EventKind.CANCEL_ALL_AFTER_SET,
    EventKind.TIME_ADVANCED,
    EventKind.MARK_PRICE_SET,
    EventKind.KILL_SWITCH_SET,
    EventKind.SETTING_CHANGED,
    EventKind.ADMINISTERED,
)
"""What leaves no rows of its own: orders and money have events of their own, settings are facts of a change."""


def public_trades(executions: Events) -> npt.NDArray[np.bool_]:
    """Which reports are trades as the public sees them: one of the two of each, the taker's or an auction's buyer's."""
    liquidity = executions["liquidity"]
    one = (liquidity == TAKER) | ((liquidity == AUCTION) & (executions["side"] == BUY))
    return np.asarray((executions["exec_type"] == TRADE) & one)


_IN_EVERY_EVENT: Final = ("sequence", "event_time_ns", "event_index")


class Projection:
    """The state, and :meth:`apply`."""

    def __init__(self, listed_instruments: Callable[[], Iterable[ListedInstrument]]) -> None:
        """``listed_instruments`` tells of every instrument listed so far, and perhaps of later ones."""
        self._listed_instruments = listed_instruments
        self.position = 0
        self.event_time_ns = 0
        self.last_entry_id = 0
        self.instruments: dict[int, ListedInstrument] = {}
        self.statuses: dict[int, StatusValues] = {}
        self.totals: dict[tuple[int, int], int] = {}
        self.held: dict[tuple[int, int], int] = {}
        self.holds: dict[int, int] = {}
        """Of every open order that has one."""
        self.partners: dict[int, int] = {}
        """Of every open order of an OCO pair, the other one."""
        self.candles: dict[tuple[int, str], CandleValues] = {}
        """The last one of every instrument and interval."""
        self._assets_by_instrument = np.zeros((1, 2), dtype=np.int64)

    def add_instrument(self, instrument: ListedInstrument, status: StatusValues | None = None) -> None:
        """Makes an instrument known, before the events on it; one that is new is open."""
        self.instruments[instrument.instrument_id] = instrument
        self.statuses[instrument.instrument_id] = status or StatusValues()
        table = np.zeros((max(self.instruments) + 1, 2), dtype=np.int64)
        for known in self.instruments.values():
            table[known.instrument_id] = (known.base_asset_id, known.quote_asset_id)
        self._assets_by_instrument = table

    def apply(self, events: Events) -> Rows | None:
        """The rows that these events, of whole commands in sequence, make or change; ``None`` if all are known.

        Raises EventGap, and then nothing has changed. After any other exception the state is undefined.
        """
        sequences = events["sequence"]
        known = int(np.searchsorted(sequences, self.position, side="right"))
        if known:
            events, sequences = events[known:], sequences[known:]
        if not len(events):
            return None
        if int(sequences[0]) != self.position + 1:
            raise EventGap(self.position, int(sequences[0]))
        if len(sequences) > 1 and int(np.max(np.diff(sequences))) > 1:
            step = int(np.argmax(np.diff(sequences) > 1))
            raise EventGap(int(sequences[step]), int(sequences[step + 1]))
        rows = Rows(int(sequences[-1]), int(events["event_time_ns"][-1]))
        kinds = events["kind"]
        is_execution, is_terms = kinds == EventKind.EXECUTION, kinds == EventKind.TERMS
        others = events[~(is_execution | is_terms | np.isin(kinds, _WITHOUT_ROWS))]
        executions = events[is_execution]
        postings: list[Row] = []
        if len(others):
            self._apply_others(others, rows, postings)
        if bool(np.any(is_terms)):
            rows.order_terms = _order_terms(events[is_terms])
            self.partners.update(_partners(events[kinds == EventKind.ORDER_LIST_STATUS], rows))
        administered = kinds == EventKind.ADMINISTERED
        if bool(np.any(administered)):
            of_staff = np.isin(sequences, sequences[administered]) & ~np.isin(kinds, ORDER_EVENTS)
            rows.changes = _changes(events[of_staff])
        changed: set[tuple[int, int]] = set()
        if len(executions):
            self._apply_orders(executions, rows, changed)
            trades = executions[executions["exec_type"] == TRADE]
            if len(trades):
                self._apply_trades(trades, rows, postings)
        if postings:
            self._apply_postings(postings, rows, changed)
        totals, held = self.totals, self.held
        rows.balances = [(*key, str(totals.get(key, 0)), str(held.get(key, 0))) for key in sorted(changed)]
        self.position, self.event_time_ns = rows.sequence, rows.event_time_ns
        return rows

    def _apply_others(self, events: Events, rows: Rows, postings: list[Row]) -> None:
        """The events that are rare, one by one."""
        corrections = events[events["kind"] == EventKind.TRADE_CORRECTED]
        # By sequence: the postings of a correction come before it, in the same command.
        corrected: dict[int, int] = dict(
            zip(corrections["sequence"].tolist(), corrections["trade_id"].tolist(), strict=True)
        )
        lists: dict[int, Row] = {}
        for event, amount in zip(events, amounts(events, "amount").tolist(), strict=True):
            kind = int(event["kind"])
            if kind == EventKind.POSTED:
                sequence, time_ns = int(event["sequence"]), int(event["event_time_ns"])
                account_id, asset_id = int(event["account_id"]), int(event["asset_id"])
                if sequence in corrected:  # The money goes from one account to another, not to the world outside.
                    trade_id = corrected[sequence]
                    postings.append((sequence, time_ns, account_id, asset_id, amount, "correction", trade_id, None))
                    continue
                name = "deposit" if amount > 0 else "withdrawal"
                postings.append((sequence, time_ns, account_id, asset_id, amount, name, None, None))
                postings.append((sequence, time_ns, EXTERNAL_ACCOUNT_ID, asset_id, -amount, name, None, None))
            elif kind == EventKind.ASSET_ADDED:
                rows.assets.append((int(event["asset_id"]), event["code"].decode(), int(event["scale"])))
            elif kind == EventKind.INSTRUMENT_LISTED:
                rows.instruments.append(self._list_instrument(int(event["instrument_id"])))
            elif kind == EventKind.ACCOUNT_OPENED:
                if int(event["account_id"]) == VENUE_ACCOUNT_ID:
                    rows.accounts.append((EXTERNAL_ACCOUNT_ID, EXTERNAL_ACCOUNT_CODE, 0))
                rows.accounts.append((int(event["account_id"]), event["code"].decode(), int(event["group_id"])))
            elif kind == EventKind.ACCOUNT_GROUP_SET:
                rows.account_groups[int(event["account_id"])] = int(event["group_id"])
            elif kind == EventKind.FEES_SET:
                rows.fee_schedules.append(
                    tuple(int(event[name]) for name in ("instrument_id", "group_id", "maker_ppm", "taker_ppm"))
                )
            elif kind in STATUS_KINDS:
                instrument_id = int(event["instrument_id"])
                status = self.statuses[instrument_id]
                status.apply(event)
                rows.instrument_statuses[instrument_id] = asdict(status)
            elif kind == EventKind.ORDER_LIST_STATUS:
                list_id = int(event["counter_order_id"])
                moment = (int(event["sequence"]), int(event["event_time_ns"]))
                # When it was created is kept of the row that is there already.
                created = lists[list_id][5:7] if list_id in lists else moment
                lists[list_id] = (
                    list_id,
                    int(event["account_id"]),
                    int(event["instrument_id"]),
                    _CONTINGENCY[int(event["detail"])],
                    _LIST_STATUS[int(event["status"])],
                    *created,
                    *moment,
                )
            elif kind == EventKind.TRADE_CORRECTED:
                names = ("sequence", "event_time_ns", "trade_id", "instrument_id", "account_id", "counter_order_id")
                values = (*names, "price", "last_price", "quantity")
                rows.trade_corrections.append(tuple(int(event[name]) for name in values))
            else:
                raise ValueError(f"event of unknown kind {kind}")
        rows.order_lists = list(lists.values())
        # A statement writes a key once: the last word holds.
        rows.fee_schedules = list({row[:2]: row for row in rows.fee_schedules}.values())

    def _list_instrument(self, instrument_id: int) -> Row:
        for instrument in self._listed_instruments():
            if instrument.instrument_id not in self.instruments:
                self.add_instrument(instrument)
        listed = self.instruments[instrument_id]
        return (
            *listed[:4],
            str(listed.tick_mantissa),
            listed.tick_scale,
            str(listed.lot_mantissa),
            listed.lot_scale,
            listed.min_quantity,
            listed.max_quantity,
            str(listed.min_notional),
            listed.lot_units,
            listed.tick_lot_units,
            *asdict(self.statuses[instrument_id]).values(),
        )

    def _apply_orders(self, executions: Events, rows: Rows, changed: set[tuple[int, int]]) -> None:
        """The last report of every order is its row; its hold replaces the one before."""
        order_ids, first = np.unique(executions["order_id"], return_index=True)
        last = len(executions) - 1 - np.unique(executions["order_id"][::-1], return_index=True)[1]
        created, reports = executions[first], executions[last]
        ids: list[int] = order_ids.tolist()
        account_ids = reports["account_id"].tolist()
        hold_list: list[int] = amounts(reports, "hold").tolist()
        sides = reports["side"]
        rows.orders = list(
            zip(
                ids,
                account_ids,
                reports["instrument_id"].tolist(),
                [text.decode() or None for text in reports["client_order_id"].tolist()],
                _SIDE[sides].tolist(),
                _ORDER_TYPE[reports["order_type"]].tolist(),
                _TIME_IN_FORCE[reports["time_in_force"]].tolist(),
                (reports["post_only"] != 0).tolist(),
                _SELF_TRADE_PREVENTION[reports["self_trade_prevention"]].tolist(),
                _STATUS[reports["status"]].tolist(),
                _CANCEL_REASON[reports["cancel_reason"]].tolist(),
                reports["price"].tolist(),
                reports["quantity"].tolist(),
                map(str, amounts(reports, "quote_quantity").tolist()),
                reports["filled_quantity"].tolist(),
                reports["leaves_quantity"].tolist(),
                map(str, hold_list),
                # Of the first report of the order in these events: if that is not its first one, the row exists and
                # keeps what it has.
                created["sequence"].tolist(),
                created["event_time_ns"].tolist(),
                reports["sequence"].tolist(),
                reports["event_time_ns"].tolist(),
                reports["displayed_quantity"].tolist(),
                strict=True,
            )
        )
        asset_ids = self._assets_by_instrument[reports["instrument_id"], (sides == BUY).astype(np.intp)].tolist()
        open_hold = np.where(reports["status"] < _FILLED, True, False).tolist()
        holds, held, partners = self.holds, self.held, self.partners
        for order_id, account_id, asset_id, hold, is_open in zip(
            ids, account_ids, asset_ids, hold_list, open_hold, strict=True
        ):
            before = holds.get(order_id, 0)
            if is_open and hold:
                holds[order_id] = hold
            elif before:
                del holds[order_id]
            after = hold if is_open else 0
            if partners and order_id in partners:
                other = holds.get(partners[order_id], 0)
                before, after = max(before, other), max(after, other)
                if not is_open:
                    partners.pop(partners.pop(order_id), None)
            if after != before:
                key = (account_id, asset_id)
                held[key] = held.get(key, 0) + after - before
                changed.add(key)

    def _apply_trades(self, fills: Events, rows: Rows, postings: list[Row]) -> None:
        """Every trade report is a fill with its postings; one of the two of a trade is the public trade, too."""
        trade_ids: list[int] = fills["trade_id"].tolist()
        sequences: list[int] = fills["sequence"].tolist()
        times_ns: list[int] = fills["event_time_ns"].tolist()
        account_ids: list[int] = fills["account_id"].tolist()
        order_ids: list[int] = fills["order_id"].tolist()
        instrument_ids: list[int] = fills["instrument_id"].tolist()
        prices: list[int] = fills["last_price"].tolist()
        quantities: list[int] = fills["last_quantity"].tolist()
        notionals: list[int] = amounts(fills, "last_notional").tolist()
        fees: list[int] = amounts(fills, "fee").tolist()
        buys: list[bool] = (fills["side"] == BUY).tolist()
        is_public = public_trades(fills)
        sides = _SIDE[fills["side"]].tolist()
        notional_texts = list(map(str, notionals))
        rows.fills = list(
            zip(
                (fills["trade_id"].astype(np.int64) * 2 - is_public).tolist(),
                trade_ids,
                sequences,
                times_ns,
                account_ids,
                order_ids,
                [text.decode() or None for text in fills["client_order_id"].tolist()],
                instrument_ids,
                sides,
                _LIQUIDITY[fills["liquidity"]].tolist(),
                prices,
                quantities,
                notional_texts,
                map(str, fees),
                strict=True,
            )
        )
        instruments = self.instruments
        for sequence, time_ns, account_id, instrument_id, buy, quantity, notional, fee, trade_id, order_id in zip(
            sequences,
            times_ns,
            account_ids,
            instrument_ids,
            buys,
            quantities,
            notionals,
            fees,
            trade_ids,
            order_ids,
            strict=True,
        ):
            instrument = instruments[instrument_id]
            base, quote = instrument.base_asset_id, instrument.quote_asset_id
            units = quantity * instrument.lot_units
            if buy:
                notional = -notional
            else:
                units = -units
            postings.append((sequence, time_ns, account_id, base, units, "trade", trade_id, order_id))
            postings.append((sequence, time_ns, account_id, quote, notional, "trade", trade_id, order_id))
            if fee:
                postings.append((sequence, time_ns, account_id, quote, -fee, "fee", trade_id, order_id))
                postings.append((sequence, time_ns, VENUE_ACCOUNT_ID, quote, fee, "fee", trade_id, order_id))
        public = np.flatnonzero(is_public).tolist()
        in_auction: list[bool] = (fills["liquidity"] == AUCTION).tolist()
        counter_order_ids: list[int] = fills["counter_order_id"].tolist()
        rows.trades = [
            (
                trade_ids[i],
                sequences[i],
                times_ns[i],
                instrument_ids[i],
                prices[i],
                quantities[i],
                notional_texts[i],
                *((None, None, None) if in_auction[i] else (sides[i], counter_order_ids[i], order_ids[i])),
                *((order_ids[i], counter_order_ids[i]) if buys[i] else (counter_order_ids[i], order_ids[i])),
            )
            for i in public
        ]
        by_instrument: dict[int, list[int]] = {}
        for i in public:
            by_instrument.setdefault(instrument_ids[i], []).append(i)
        for instrument_id, places in by_instrument.items():
            minutes = minute_candles(
                [times_ns[i] for i in places],
                [prices[i] for i in places],
                [quantities[i] for i in places],
                [notionals[i] for i in places],
            )
            for interval, length_ns in INTERVALS.items():
                key = (instrument_id, interval)
                candles = fold(minutes, length_ns, self.candles.get(key))
                self.candles[key] = candles[-1]
                rows.candles.extend(
                    (
                        instrument_id,
                        interval,
                        candle.open_time_ns,
                        candle.open,
                        candle.high,
                        candle.low,
                        candle.close,
                        str(candle.volume),
                        str(candle.notional),
                        candle.trade_count,
                    )
                    for candle in candles
                )

    def _apply_postings(self, postings: list[Row], rows: Rows, changed: set[tuple[int, int]]) -> None:
        # Deposits were collected before trades; entries are numbered in the order of the events.
        if rows.trades:
            postings.sort(key=_sequence_of)
        entry_id, totals, entries = self.last_entry_id, self.totals, rows.ledger_entries
        for sequence, time_ns, account_id, asset_id, amount, kind, trade_id, order_id in postings:
            entry_id += 1
            key = (account_id, asset_id)
            totals[key] = totals.get(key, 0) + amount
            changed.add(key)
            entries.append((entry_id, sequence, time_ns, account_id, asset_id, str(amount), kind, trade_id, order_id))
        self.last_entry_id = entry_id


def _order_terms(events: Events) -> list[Row]:
    """The last word on every order's terms."""
    order_ids, place = np.unique(events["order_id"][::-1], return_index=True)
    terms = events[len(events) - 1 - place]
    flags = terms["flags"]
    return list(
        zip(
            order_ids.tolist(),
            terms["counter_order_id"].tolist(),
            (flags & _WAITS != 0).tolist(),
            terms["price"].tolist(),
            terms["last_price"].tolist(),
            _TRIGGER_BY[terms["trigger_by"]].tolist(),
            terms["trail_bps"].tolist(),
            terms["displayed_quantity"].tolist(),
            (flags & _HIDDEN != 0).tolist(),
            terms["quantity"].tolist(),
            terms["time_ns"].tolist(),
            (flags & _AUCTION_ONLY != 0).tolist(),
            (flags & _SLIDE != 0).tolist(),
            _PEG[terms["peg"]].tolist(),
            terms["amount_lo"].tolist(),
            strict=True,
        )
    )


def _partners(lists: Events, rows: Rows) -> dict[int, int]:
    """The new OCO pairs. A list is told in one command: its state, and the terms of all of its orders."""
    new = lists[(lists["status"] == _EXECUTING) & (lists["detail"] != _OTO)]
    members: dict[int, list[int]] = {list_id: [] for list_id in new["counter_order_id"].tolist()}
    if members:
        for order_id, list_id, *_ in rows.order_terms:
            if list_id in members:
                members[list_id].append(order_id)
    return pairs(members.values())


def pairs(lists: Iterable[Iterable[int]]) -> dict[int, int]:
    """Who is whose partner in these OCO and OTOCO lists, given by the ids of their orders: the last two of each."""
    partners: dict[int, int] = {}
    for order_ids in lists:
        *_, first, second = sorted(order_ids)
        partners[first], partners[second] = second, first
    return partners


def _changes(events: Events) -> list[Row]:
    """The rows of commands of staff: who and why come first, then the facts. No event says the command itself."""
    rows: list[Row] = []
    facts: list[dict[str, Any]] = []
    for event in engine.decode_events(events.tobytes()):
        fields = event.as_dict()
        if fields["kind"] == "administered":
            facts = []
            rows.append((fields["sequence"], fields["event_time_ns"], fields["actor"], fields["note"], facts))
        else:
            facts.append({name: value for name, value in fields.items() if name not in _IN_EVERY_EVENT})
    return [(*row[:-1], json.dumps(row[-1]), None) for row in rows]


def _sequence_of(posting: Row) -> int:
    sequence: int = posting[0]
    return sequence
