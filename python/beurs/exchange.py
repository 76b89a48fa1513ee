"""The exchange in this process: no server, no network, the same engine and the same journal.

An `Exchange` translates names and decimal text into the engine's integers, and its events back. It decides nothing:
what is not refused here for being unreadable, the engine accepts or rejects. Every method that changes something
returns when that is durable (with a journal) or done (in memory), and either has its whole effect or none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from beurs import engine, records
from beurs.catalogue import Account, Asset, Catalogue, Instrument
from beurs.errors import InputError, Lagged, OrderRejected, Rejected
from beurs.reports import AccountOpened, Event, ExecutionReport, MassCanceled, Posted, Rejection, Translator
from beurs.rows import OrderRow
from beurs.values import Number, OrderStatus, OrderType, SelfTradePrevention, Side, Step, TimeInForce, TradingStatus

__all__ = ["Balance", "Book", "Exchange", "Order", "PriceLevel", "Result"]

MAX_DEPTH = 1_000_000
"""The most price levels of one side that `Exchange.book` gives."""

_EVENT_CHUNK_BYTES = 8 << 20
_RULES = {code: (number, rule) for number, code, rule in engine.reject_reasons()}
_ReportType = TypeVar("_ReportType")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one order command.

    Attributes:
        order_id: The venue's id of the order.
        status: Its state after the command.
        reports: Everything that happened, in its order; of trades both sides.
    """

    order_id: int
    status: OrderStatus
    reports: list[ExecutionReport]

    @property
    def trades(self) -> list[ExecutionReport]:
        """This order's own side of every trade."""
        return [report for report in self.reports if report.trade_id and report.order_id == self.order_id]


@dataclass(frozen=True, slots=True)
class Balance:
    """One account's money in one asset, as decimal text. `available` is `total` less `held`."""

    asset: str
    total: str
    held: str
    available: str


@dataclass(frozen=True, slots=True)
class PriceLevel:
    """All orders at one price: the price in quote per base, the sum of their leaves in base, their number."""

    price: str
    quantity: str
    orders: int


@dataclass(frozen=True, slots=True)
class Book:
    """The price levels of an instrument after the command `sequence`, best first."""

    symbol: str
    sequence: int
    bids: list[PriceLevel]
    asks: list[PriceLevel]


@dataclass(frozen=True, slots=True)
class Order:
    """An open order. Numbers are decimal text; `hold` is in quote for a buy and in base for a sell."""

    order_id: int
    client_order_id: str | None
    account: str
    symbol: str
    side: Side
    time_in_force: TimeInForce
    post_only: bool
    self_trade_prevention: SelfTradePrevention
    price: str
    quantity: str
    filled_quantity: str
    leaves_quantity: str
    hold: str


class Exchange:
    """An exchange in this process.

    Args:
        directory: Where its journal lies, made if it is missing and recovered if it is not; None keeps everything in
            memory. One process at a time can have a directory open.
        checkpoint_interval: Commands between two checkpoints. More make a start slower, fewer make work.
        event_ring_bytes: How much memory the latest events may take. Older ones `events` reads from the journal.

    Raises:
        JournalLocked: The directory is in use.
        JournalDamaged: The journal is damaged before its end.

    Accounts, instruments and assets are named by code or symbol (str) or by id (int). Decimals are given as `str` or
    `Decimal`, never as float, and given back as `str`. It may be used from several threads, and as a context manager.

    Example:
        >>> ex = Exchange()
        >>> _ = ex.add_asset("BTC", scale=8), ex.add_asset("USD", scale=6)
        >>> _ = ex.list_instrument("BTC-USD", base="BTC", quote="USD", tick_size="0.01", lot_size="0.0001")
        >>> _ = ex.open_account("alice")
        >>> ex.deposit("alice", "USD", "10000").available
        '10000'
        >>> ex.submit("alice", "BTC-USD", "buy", "0.5", price="20000").status.value
        'new'
        >>> ex.book("BTC-USD").bids
        [PriceLevel(price='20000', quantity='0.5', orders=1)]
    """

    __slots__ = ("_catalogue", "_journalled", "_node", "_translator")

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        checkpoint_interval: int = 1_000_000,
        event_ring_bytes: int = 8 << 20,
    ) -> None:
        self._node = engine.Node(directory, checkpoint_interval=checkpoint_interval, event_ring_bytes=event_ring_bytes)
        self._journalled = directory is not None
        self._catalogue = Catalogue(self._node)
        self._translator = Translator(self._catalogue)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Makes a last checkpoint, if there is a journal, and lets go of the directory. Twice is once.

        Afterwards every method raises NodeStopped.
        """
        self._node.close()

    # What there is.

    def add_asset(self, code: str, *, scale: int) -> Asset:
        """Makes an asset known. Its smallest unit is `10**-scale`, with `scale` from 0 to 18.

        Raises Rejected: `invalid_code`, `duplicate_code`, `invalid_scale`, `too_many_entries`.
        """
        self._execute(engine.add_asset(_text("code", code), _integer("scale", scale, 0, 255)))
        return self._catalogue.asset(code)

    def list_instrument(
        self,
        symbol: str,
        *,
        base: str | int,
        quote: str | int,
        tick_size: Number,
        lot_size: Number,
        min_quantity: Number | None = None,
        max_quantity: Number | None = None,
        min_notional: Number | None = None,
    ) -> Instrument:
        """Makes an instrument tradable: `base` for `quote`, at once.

        Args:
            symbol: Its unique symbol.
            base: The asset that is traded.
            quote: The asset that pays.
            tick_size: The price step, in quote per base.
            lot_size: The quantity step, in base.
            min_quantity: The smallest order, in base; one lot if not given.
            max_quantity: The largest order, in base; 2**53 - 1 lots if not given.
            min_notional: The smallest price × quantity of an order, in quote; none if not given.

        Raises Rejected: `duplicate_code`, `same_asset`, `inexact_notional` and others of 501 to 511.
        """
        base_asset, quote_asset = self._catalogue.asset(base), self._catalogue.asset(quote)
        tick, lot = Step.of(tick_size, "tick_size"), Step.of(lot_size, "lot_size")
        command = engine.list_instrument(
            _text("symbol", symbol),
            base_asset.asset_id,
            quote_asset.asset_id,
            tick.mantissa,
            tick.scale,
            lot.mantissa,
            lot.scale,
            1 if min_quantity is None else lot.count(min_quantity, "min_quantity"),
            2**53 - 1 if max_quantity is None else lot.count(max_quantity, "max_quantity"),
            0 if min_notional is None else quote_asset.unit.units(min_notional, "min_notional"),
        )
        self._execute(command)
        return self._catalogue.instrument(symbol)

    def open_account(self, code: str, *, group_id: int = 0) -> Account:
        """Opens an account in a fee group. Raises Rejected: `invalid_code`, `duplicate_code`, `too_many_entries`."""
        command = engine.open_account(_text("code", code), _integer("group_id", group_id, 0, 65_535))
        (opened,) = _all_of(AccountOpened, self._execute(command))
        return self._catalogue.opened(Account(opened.account_id, opened.code, opened.group_id))

    def set_account_group(self, account: str | int, group_id: int) -> None:
        """Moves an account to another fee group. Its open orders keep the fees they were entered with."""
        account_id = self._catalogue.account(account).account_id
        self._execute(engine.set_account_group(account_id, _integer("group_id", group_id, 0, 65_535)))

    def set_fees(self, symbol: str | int, *, maker_ppm: int, taker_ppm: int, group_id: int = 0) -> None:
        """Sets the fees of a group on an instrument, in parts per million of the notional, for orders from now on.

        What is set for group 0 holds for every group that has nothing of its own. A negative `maker_ppm` is a rebate.

        Raises Rejected: `invalid_fee`.
        """
        command = engine.set_fees(
            self._catalogue.instrument(symbol).instrument_id,
            _integer("group_id", group_id, 0, 65_535),
            _integer("maker_ppm", maker_ppm, -(2**31), 2**31 - 1),
            _integer("taker_ppm", taker_ppm, -(2**31), 2**31 - 1),
        )
        self._execute(command)

    def set_trading_status(self, symbol: str | int, status: TradingStatus | str) -> None:
        """Says what an instrument accepts: `open`, `post_only`, `cancel_only` or `halted`."""
        number = TradingStatus.of(status, "status").number
        self._execute(engine.set_trading_status(self._catalogue.instrument(symbol).instrument_id, number))

    def assets(self) -> list[Asset]:
        """All assets, by ascending asset_id."""
        return self._catalogue.assets()

    def instruments(self) -> list[Instrument]:
        """All instruments, by ascending instrument_id."""
        return self._catalogue.instruments()

    def accounts(self) -> list[Account]:
        """All accounts, by ascending account_id. The first is the venue, which receives the fees."""
        return self._catalogue.accounts()

    # Money.

    def deposit(self, account: str | int, asset: str | int, amount: Number) -> Balance:
        """Brings money in and gives the balance after it. Raises Rejected: `invalid_amount`, `amount_overflow`."""
        owner, kind = self._catalogue.account(account), self._catalogue.asset(asset)
        return self._post(engine.deposit(owner.account_id, kind.asset_id, kind.unit.units(amount, "amount")))

    def withdraw(self, account: str | int, asset: str | int, amount: Number) -> Balance:
        """Takes money out and gives the balance after it. Raises Rejected: `invalid_amount`, `insufficient_funds`."""
        owner, kind = self._catalogue.account(account), self._catalogue.asset(asset)
        return self._post(engine.withdraw(owner.account_id, kind.asset_id, kind.unit.units(amount, "amount")))

    def balances(self, account: str | int) -> list[Balance]:
        """The account's balances that are not 0, by ascending asset_id."""
        rows = self._node.balances(self._catalogue.account(account).account_id)
        return [self._balance(self._catalogue.asset(asset_id), total, held) for asset_id, total, held in rows]

    def balance(self, account: str | int, asset: str | int) -> Balance:
        """The account's balance in one asset, also if it is 0."""
        kind = self._catalogue.asset(asset)
        for asset_id, total, held in self._node.balances(self._catalogue.account(account).account_id):
            if asset_id == kind.asset_id:
                return self._balance(kind, total, held)
        return self._balance(kind, 0, 0)

    # Orders.

    def submit(
        self,
        account: str | int,
        symbol: str | int,
        side: Side | str,
        quantity: Number | None = None,
        *,
        price: Number | None = None,
        quote_quantity: Number | None = None,
        order_type: OrderType | str | None = None,
        time_in_force: TimeInForce | str | None = None,
        post_only: bool = False,
        self_trade_prevention: SelfTradePrevention | str = SelfTradePrevention.NONE,
        client_order_id: str | None = None,
    ) -> Result:
        """Enters an order (FIX D).

        Args:
            account: Who pays.
            symbol: What is traded.
            side: `buy` or `sell`.
            quantity: How much, in base. A market order may be given by `quote_quantity` instead.
            price: The limit, in quote per base. Without it the order is a market order.
            quote_quantity: How much quote a market order may trade, before fees.
            order_type: `limit` or `market`; what the price says if not given.
            time_in_force: `gtc`, `ioc` or `fok`; if not given `gtc` for a limit and `ioc` for a market order.
            post_only: Refuse the order rather than let it take.
            self_trade_prevention: What to do on meeting an own order.
            client_order_id: 1 to 36 printable ASCII characters without spaces. Sent again, it has no second effect.

        Returns:
            Its id, its state and the reports of everything that happened, makers included.

        Raises:
            OrderRejected: The engine refused it; `code`, `reason` and `rule` say why.
            DecimalError: A number breaks the grammar, or is not a whole number of ticks or lots.
            InputError, NotFound, TypeError: An argument cannot be meant.
        """
        owner, instrument = self._catalogue.account(account), self._catalogue.instrument(symbol)
        if order_type is None:
            kind = OrderType.MARKET if price is None else OrderType.LIMIT
        else:
            kind = OrderType.of(order_type, "order_type")
        if time_in_force is None:
            life = TimeInForce.GTC if kind is OrderType.LIMIT else TimeInForce.IOC
        else:
            life = TimeInForce.of(time_in_force, "time_in_force")
        price_ticks = 0 if price is None else instrument.tick.count(price, "price")
        lots = 0 if quantity is None else instrument.lot.count(quantity, "quantity")
        quote_units = 0 if quote_quantity is None else instrument.quote_unit.units(quote_quantity, "quote_quantity")
        # The engine knows an absent number as 0. A 0 that was given is not an absent one.
        if price is not None and kind is OrderType.MARKET and price_ticks == 0:
            raise InputError("price", "must not be given for a market order")
        if quantity is not None and quote_quantity is not None and (lots == 0 or quote_units == 0):
            raise InputError("quote_quantity", "must not be given together with quantity")
        if quote_quantity is not None and quote_units == 0:
            raise InputError("quote_quantity", "must be above 0")
        command = engine.new_order(
            owner.account_id,
            instrument.instrument_id,
            Side.of(side, "side").number,
            kind.number,
            life.number,
            _flag("post_only", post_only),
            SelfTradePrevention.of(self_trade_prevention, "self_trade_prevention").number,
            price_ticks,
            lots,
            quote_units,
            _client_order_id("client_order_id", client_order_id),
        )
        return self._order(command)

    def cancel(
        self, account: str | int | None, order_id: int | None = None, *, client_order_id: str | None = None
    ) -> ExecutionReport:
        """Cancels an open order of the account, named by either id or by both (FIX F).

        None is the venue: it may cancel everybody's orders, by order_id, also while the instrument is halted.

        Raises OrderRejected: `unknown_order`, `order_reference_missing`, `instrument_halted`.
        """
        command = engine.cancel_order(
            0 if account is None else self._catalogue.account(account).account_id,
            _order_id(order_id),
            _client_order_id("client_order_id", client_order_id),
        )
        return self._order(command).reports[-1]

    def replace(
        self,
        account: str | int,
        order_id: int | None = None,
        *,
        client_order_id: str | None = None,
        price: Number | None = None,
        quantity: Number | None = None,
        new_client_order_id: str | None = None,
    ) -> Result:
        """Changes an open order of the account (FIX G). It keeps its order_id.

        It keeps its place in the queue only if the price stays and the quantity does not grow; otherwise it enters the
        book again as if new, and may trade.

        Args:
            account: Whose order.
            order_id: The venue's id of it.
            client_order_id: The client's present id of it; either id or both.
            price: The new limit; stays if not given.
            quantity: The new total quantity, what is filled included (FIX OrderQty 38); stays if not given.
            new_client_order_id: A new client's id for it; stays if not given.

        Raises OrderRejected as `submit` does, and `unknown_order`, `quantity_not_above_filled`.
        """
        owner, reference = self._catalogue.account(account), _order_id(order_id)
        present = _client_order_id("client_order_id", client_order_id)
        ticks = lots = 0
        if price is not None or quantity is not None:
            row = None
            if reference:
                row = self._node.order(reference)
            elif present:
                row = self._node.order_by_client_id(owner.account_id, present)
            if reference == 0 and present == "":
                raise _refused("order_reference_missing")
            if row is None or row["account_id"] != owner.account_id:
                raise _refused("unknown_order")
            reference = row["order_id"]
            instrument = self._catalogue.instrument(row["instrument_id"])
            ticks = 0 if price is None else _above_zero("price", instrument.tick.count(price, "price"))
            lots = 0 if quantity is None else _above_zero("quantity", instrument.lot.count(quantity, "quantity"))
        command = engine.replace_order(
            owner.account_id,
            reference,
            present,
            _client_order_id("new_client_order_id", new_client_order_id),
            ticks,
            lots,
        )
        return self._order(command)

    def mass_cancel(
        self, account: str | int | None = None, symbol: str | int | None = None, side: Side | str | None = None
    ) -> list[ExecutionReport]:
        """Cancels all orders of an account, on an instrument, of a side, or of any combination; None is all (FIX q).

        Returns the reports of the canceled orders, by ascending order_id.
        """
        command = engine.mass_cancel(
            0 if account is None else self._catalogue.account(account).account_id,
            0 if symbol is None else self._catalogue.instrument(symbol).instrument_id,
            0 if side is None else Side.of(side, "side").number,
        )
        *reports, done = self._execute(command)
        assert isinstance(done, MassCanceled)
        return _all_of(ExecutionReport, reports)

    def order(self, order_id: int) -> Order | None:
        """The open order of that id, or None."""
        row = self._node.order(_integer("order_id", order_id, 1, 2**63 - 1))
        return None if row is None else self._open_order(row)

    def open_orders(self, account: str | int) -> list[Order]:
        """The account's open orders, by ascending order_id."""
        rows = self._node.open_orders(self._catalogue.account(account).account_id)
        return [self._open_order(row) for row in rows]

    def book(self, symbol: str | int, depth: int = 10) -> Book:
        """The best `depth` price levels of both sides, from 0 to 1,000,000."""
        instrument = self._catalogue.instrument(symbol)
        sequence, bids, asks = self._node.book(instrument.instrument_id, _integer("depth", depth, 0, MAX_DEPTH))

        def levels(half: list[tuple[int, int, int]]) -> list[PriceLevel]:
            return [
                PriceLevel(instrument.tick.text(price), instrument.lot.text(lots), orders)
                for price, lots, orders in half
            ]

        return Book(instrument.symbol, sequence, levels(bids), levels(asks))

    # The batch door.

    def execute(self, commands: npt.NDArray[np.void] | bytes | bytearray | memoryview) -> npt.NDArray[np.void]:
        """Executes COMMAND records one after the other, and gives their EVENT records.

        Args:
            commands: An array of dtype `beurs.records.COMMAND`, contiguous, shape (n,), or the bytes of one. Nothing
                may write to it meanwhile.

        Returns:
            The events, dtype `beurs.records.EVENT`, shape (m,) with m ≥ n, read-only. `sequence` says of which command
            an event is: the first command of the batch has the exchange's sequence before it, plus 1. A refused command
            gives one event of kind REJECTED; it does not end the batch. Many commands may have one time.

        Raises:
            CommandInvalid: A record is not a command. None of the batch was executed.
        """
        if isinstance(commands, np.ndarray) and commands.dtype not in (records.COMMAND, np.dtype(np.uint8)):
            raise InputError("commands", "must be an array of dtype beurs.records.COMMAND")
        return np.frombuffer(self._node.execute_records(commands), dtype=records.EVENT)

    # Everything that happened, and the state.

    def events(self, since: int = 0, *, limit: int | None = None) -> list[Event]:
        """The events of the commands after the command `since`, oldest first.

        All of them, or those of the first commands that make up at least `limit` events.

        Raises Lagged if there is no journal and events that far back are not held in memory any more.
        """
        position = _integer("since", since, 0, 2**63 - 1)
        most = None if limit is None else _integer("limit", limit, 1, 2**63 - 1)
        events: list[Event] = []
        while most is None or len(events) < most:
            found = self._translator.events(self._events_after(position))
            if not found:
                break
            events += found
            position = found[-1].sequence
        return events

    @property
    def sequence(self) -> int:
        """The sequence number of the last command, 0 at first."""
        return self._node.sequence

    @property
    def event_time_ns(self) -> int:
        """The time of the last command: nanoseconds since 1970 UTC."""
        return self._node.event_time_ns

    def digest(self) -> str:
        """The SHA-256 of `snapshot()`, in hexadecimal. Two exchanges with the same digest are in the same state."""
        return self._node.digest()

    def snapshot(self) -> bytes:
        """The whole state in its canonical encoding, described in docs/concepts/engine.md."""
        return self._node.snapshot()

    def checkpoint(self) -> int:
        """Saves the state beside the journal, so that the next start is quick. Gives the sequence it stands at.

        Raises InputError if there is no journal.
        """
        return self._node.checkpoint()

    @property
    def node(self) -> engine.Node:
        """What is below, for who wants every nanosecond: integers in and out, nothing translated.

        Its single-call door `new_order(account_id, instrument_id, side, price, quantity, ...)`,
        `cancel_order(account_id, order_id)` and `replace_order(account_id, order_id, price, quantity)` takes numbers of
        ticks and lots and the `number` of enums, and returns the order_id, or the negative number of the reason if the
        command was refused. In memory a call takes some hundred nanoseconds; with a journal it waits for the disk.
        """
        return self._node

    def stats(self) -> dict[str, Any]:
        """Counters of the node, by name."""
        return self._node.stats()

    # Inside.

    def _events_after(self, sequence: int) -> bytes:
        node = self._node
        try:
            return node.events_since(sequence, _EVENT_CHUNK_BYTES)
        except Lagged:
            if not self._journalled:
                raise
            return node.replay_events(sequence, _EVENT_CHUNK_BYTES)

    def _execute(self, command: bytes, rejected: type[Rejected] = Rejected) -> list[Event]:
        events = self._translator.events(self._node.execute(command))
        first = events[0]
        if isinstance(first, Rejection):
            raise rejected(first.code, first.reason, _RULES[first.code][1], first.sequence)
        return events

    def _order(self, command: bytes) -> Result:
        reports = _all_of(ExecutionReport, self._execute(command, OrderRejected))
        order_id = reports[0].order_id
        last = next(report for report in reversed(reports) if report.order_id == order_id)
        return Result(order_id, last.status, reports)

    def _post(self, command: bytes) -> Balance:
        (posted,) = _all_of(Posted, self._execute(command))
        unit = self._catalogue.asset(posted.asset).unit
        total, held = (_units(text, unit.scale) for text in (posted.total, posted.held))
        return Balance(posted.asset, posted.total, posted.held, unit.text(total - held))

    def _balance(self, asset: Asset, total: int, held: int) -> Balance:
        text = asset.unit.text
        return Balance(asset.code, text(total), text(held), text(total - held))

    def _open_order(self, row: OrderRow) -> Order:
        instrument = self._catalogue.instrument(row["instrument_id"])
        side = Side(row["side"])
        held_unit = instrument.quote_unit if side is Side.BUY else instrument.base_unit
        return Order(
            order_id=row["order_id"],
            client_order_id=row["client_order_id"] or None,
            account=self._catalogue.account(row["account_id"]).code,
            symbol=instrument.symbol,
            side=side,
            time_in_force=TimeInForce(row["time_in_force"]),
            post_only=row["post_only"],
            self_trade_prevention=SelfTradePrevention(row["self_trade_prevention"]),
            price=instrument.tick.text(row["price"]),
            quantity=instrument.lot.text(row["quantity"]),
            filled_quantity=instrument.lot.text(row["filled_quantity"]),
            leaves_quantity=instrument.lot.text(row["leaves_quantity"]),
            hold=held_unit.text(row["hold"]),
        )


def _refused(code: str) -> OrderRejected:
    """What the engine would say to an order command that cannot even be encoded, because its instrument is unknown."""
    number, rule = _RULES[code]
    return OrderRejected(code, number, rule)


def _all_of(kind: type[_ReportType], events: list[Event]) -> list[_ReportType]:
    """The events, all of which are of this kind."""
    reports: list[_ReportType] = [event for event in events if isinstance(event, kind)]
    assert len(reports) == len(events), events
    return reports


def _units(text: str, scale: int) -> int:
    """What the engine has said, in the smallest unit. It may be longer than what may be said to it."""
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(scale, "0"))


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{field}: must be str, not {type(value).__name__}")
    return value


def _integer(field: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field}: must be int, not {type(value).__name__}")
    if not low <= value <= high:
        raise InputError(field, f"must be from {low} to {high}")
    return value


def _above_zero(field: str, count: int) -> int:
    if count == 0:
        raise InputError(field, "must be above 0")
    return count


def _flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{field}: must be bool, not {type(value).__name__}")
    return value


def _order_id(value: object) -> int:
    """An absent order_id is 0; a given one is at least 1."""
    return 0 if value is None else _integer("order_id", value, 1, 2**63 - 1)


def _client_order_id(field: str, value: object) -> str:
    """An absent client_order_id is the empty text; a given one is not empty."""
    if value is None:
        return ""
    if _text(field, value) == "":
        raise InputError(field, "must be 1 to 36 printable ASCII characters without spaces")
    return str(value)
