"""The exchange in this process: no server, no network, the same engine and the same journal.

An `Exchange` translates names and decimal text into the engine's integers, and its events back. It decides nothing:
what is not refused here for being unreadable, the engine accepts or rejects. Every method that changes something
returns when that is durable (with a journal) or done (in memory), and either has its whole effect or none.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from beurs import arguments, engine, records
from beurs.administration import Administration
from beurs.catalogue import Account, Asset, Catalogue, Instrument
from beurs.errors import InputError, Lagged, OrderRejected, Rejected
from beurs.positions import Position, position_of
from beurs.reports import (
    Administered,
    CancelAllAfterSet,
    Event,
    ExecutionReport,
    OrderListStatus,
    Posted,
    Rejection,
    Terms,
    TimeAdvanced,
    Translator,
    terms_of,
)
from beurs.rows import OrderRow
from beurs.values import (
    CancelReplaceMode,
    Contingency,
    ExecType,
    ListStatus,
    MassCancelReason,
    Number,
    OrderStatus,
    OrderType,
    Peg,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerBy,
)

__all__ = ["Balance", "Book", "CancelReplaced", "Exchange", "ListResult", "Order", "PriceLevel", "Result", "Staff"]

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
        reports: What happened to orders, in its order; of trades both sides.
        events: Everything that happened, in its order: the reports, and what they led to.
    """

    order_id: int
    status: OrderStatus
    reports: list[ExecutionReport]
    events: list[Event] = field(repr=False)

    @property
    def trades(self) -> list[ExecutionReport]:
        """This order's own side of every trade."""
        return [report for report in self.reports if report.trade_id and report.order_id == self.order_id]


@dataclass(frozen=True, slots=True)
class ListResult:
    """What became of an order list.

    Attributes:
        list_id: The venue's id of it.
        status: Its state after the command.
        order_ids: The venue's ids of its orders, in the order they were given.
        reports: What happened to orders, in its order; of trades both sides.
        events: Everything that happened, in its order.
    """

    list_id: int
    status: ListStatus
    order_ids: list[int]
    reports: list[ExecutionReport]
    events: list[Event] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CancelReplaced:
    """What became of the two halves of a cancel-replace. Of each, one is given and the other None.

    Attributes:
        canceled: The report of the canceled order.
        cancel_rejected: Why the cancel was refused.
        entered: What became of the new order.
        order_rejected: Why the new order was refused.
    """

    canceled: ExecutionReport | None
    cancel_rejected: Rejection | None
    entered: Result | None
    order_rejected: Rejection | None


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
    """An open order: in the book, or waiting. Numbers are decimal text.

    `price` is None for one without a limit, of a pegged order its present price; `quantity` is None for one given by
    `quote_quantity`. `hold` is in quote for a buy and in base for a sell, and of the two orders of an OCO pair only the
    larger one is held. `displayed_quantity` is what of it the book shows. `terms` is None for a plain order.
    """

    order_id: int
    client_order_id: str | None
    account: str
    symbol: str
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
    key_id: int | None
    terms: Terms | None


class Counter(Administration):
    """Money and cancels, which a program gives for the venue and its members, and staff with who and why."""

    __slots__ = ()

    def deposit(self, account: str | int, asset: str | int, amount: Number) -> Balance:
        """Brings money in and gives the balance after it. Raises Rejected: `invalid_amount`, `amount_overflow`."""
        owner, kind = self._catalogue.account(account), self._catalogue.asset(asset)
        return self._post(engine.deposit(owner.account_id, kind.asset_id, kind.unit.units(amount, "amount")))

    def withdraw(self, account: str | int, asset: str | int, amount: Number) -> Balance:
        """Takes money out and gives the balance after it. Raises Rejected: `invalid_amount`, `insufficient_funds`."""
        owner, kind = self._catalogue.account(account), self._catalogue.asset(asset)
        return self._post(engine.withdraw(owner.account_id, kind.asset_id, kind.unit.units(amount, "amount")))

    def cancel(
        self, account: str | int | None, order_id: int | None = None, *, client_order_id: str | None = None
    ) -> ExecutionReport:
        """Cancels an open order of the account, named by either id or by both (FIX F).

        None is the venue: it may cancel everybody's orders, by order_id, also while the instrument is halted.

        Raises OrderRejected: `unknown_order`, `order_reference_missing`, `instrument_halted`.
        """
        command = engine.cancel_order(
            0 if account is None else self._catalogue.account(account).account_id,
            arguments.order_id(order_id),
            arguments.client_order_id("client_order_id", client_order_id),
        )
        result = self._order(command)
        return [report for report in result.reports if report.order_id == result.order_id][-1]

    def mass_cancel(
        self,
        account: str | int | None = None,
        symbol: str | int | None = None,
        side: Side | str | None = None,
        *,
        reason: MassCancelReason | str = MassCancelReason.REQUESTED,
    ) -> list[ExecutionReport]:
        """Cancels all orders of an account, on an instrument, of a side, or of any combination; None is all (FIX q).

        With the reason `disconnected` it is what a lost connection does: the reports say so.

        Returns the reports of the canceled orders, by ascending order_id.
        """
        command = engine.mass_cancel(
            0 if account is None else self._catalogue.account(account).account_id,
            0 if symbol is None else self._catalogue.instrument(symbol).instrument_id,
            0 if side is None else Side.of(side, "side").number,
            MassCancelReason.of(reason, "reason").number,
        )
        reports = _those(ExecutionReport, self._execute(command))
        return [report for report in reports if report.exec_type is ExecType.CANCELED]

    def _order(self, command: bytes) -> Result:
        return _result(self._execute(command, OrderRejected))

    def _post(self, command: bytes) -> Balance:
        (posted,) = _those(Posted, self._execute(command))
        unit = self._catalogue.asset(posted.asset).unit
        total, held = (_units(text, unit.scale) for text in (posted.total, posted.held))
        return Balance(posted.asset, posted.total, posted.held, unit.text(total - held))


class Exchange(Counter):
    """An exchange in this process.

    Args:
        directory: Where its journal lies, made if it is missing and recovered if it is not; None keeps everything in
            memory. One process at a time can have a directory open.
        checkpoint_interval: Commands between two checkpoints, made beside the engine with a second one's memory. More
            make a start slower, fewer make work; 0 makes one on closing only.
        checkpoints_kept: How many checkpoints are kept, the newest.
        journal_retention: What becomes of journal segments that lie behind all checkpoints that are kept: "keep",
            "archive" (they move to `journal_archive_directory`, which may be on another disk) or "drop".
        journal_archive_directory: Where archived segments go.
        event_ring_bytes: How much memory the latest events may take. Older ones `events` reads from the journal.
        clock: `system`, or `manual` for a clock that stands still until `set_time` moves it. It begins at the time of
            the last command, at first at 0, which is 1970.

    Raises:
        JournalLocked: The directory is in use.
        JournalDamaged: The journal is damaged before its end.
        JournalTrimmed: Segments were archived or dropped, and there is no good checkpoint behind which to go on.

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
        checkpoints_kept: int = 3,
        journal_retention: str = "keep",
        journal_archive_directory: str | os.PathLike[str] | None = None,
        event_ring_bytes: int = 8 << 20,
        clock: Literal["system", "manual"] = "system",
    ) -> None:
        self._node = engine.Node(
            directory,
            checkpoint_interval=checkpoint_interval,
            checkpoints_kept=checkpoints_kept,
            journal_retention=journal_retention,
            journal_archive_directory=journal_archive_directory,
            event_ring_bytes=event_ring_bytes,
            clock=clock,
        )
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

    def positions(self, account: str | int) -> list[Position]:
        """The account's positions by ascending instrument_id, closed ones too."""
        rows = self._node.positions(self._catalogue.account(account).account_id)
        return [position_of(row, self._catalogue.instrument(row["instrument_id"])) for row in rows]

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
        trigger_price: Number | None = None,
        trigger_by: TriggerBy | str = TriggerBy.LAST,
        trail_bps: int | None = None,
        display_quantity: Number | None = None,
        hidden: bool = False,
        min_quantity: Number | None = None,
        expire_time_ns: int | None = None,
        auction_only: bool = False,
        slide: bool = False,
        peg: Peg | str = Peg.NONE,
        peg_offset: Number | None = None,
        key_id: int = 0,
    ) -> Result:
        """Enters an order (FIX D).

        Args:
            account: Who pays.
            symbol: What is traded.
            side: `buy` or `sell`.
            quantity: How much, in base. A market order may be given by `quote_quantity` instead.
            price: The limit, in quote per base; of a pegged order the worst price. Without it the order is a market
                order.
            quote_quantity: How much quote a market order may trade, before fees.
            order_type: What the price says if not given; a conditional order (`stop`, `stop_limit`, `take_profit`,
                `take_profit_limit`) and `market_to_limit` must say it.
            time_in_force: If not given `gtd` with an expire_time_ns, else `gtc` for an order with a limit and `ioc` for
                one without.
            post_only: Refuse the order rather than let it take.
            self_trade_prevention: What to do on meeting an own order.
            client_order_id: 1 to 36 printable ASCII characters without spaces. Sent again, it has no second effect.
            trigger_price: The price that triggers a conditional order; one that trails begins to at this price.
            trigger_by: Which price triggers it: `last`, `best` or `mark`.
            trail_bps: How far a conditional order trails the best price seen, in basis points.
            display_quantity: How much of it is shown at one time, in base.
            hidden: Show nothing of it.
            min_quantity: How much must trade at once, in base, or it is canceled.
            expire_time_ns: When a `gtd` order expires: nanoseconds since 1970 UTC.
            auction_only: It lives in auctions only.
            slide: A post-only order that would trade is priced one tick behind the opposite best price instead.
            peg: What its price follows: `primary`, the best price of its own side, or `market`, that of the other.
            peg_offset: How far it stays behind the price it follows, in quote per base.
            key_id: The account's key that it is sent with, for the key's limits; 0 for none.

        Returns:
            Its id, its state and the reports of everything that happened, makers included.

        Raises:
            OrderRejected: The engine refused it; `code`, `reason` and `rule` say why.
            DecimalError: A number breaks the grammar, or is not a whole number of ticks or lots.
            InputError, NotFound, TypeError: An argument cannot be meant.
        """
        given = locals()  # All of the arguments, under their names: the orders of a list have the same ones.
        del given["self"]
        return self._order(self._new_order(**given))

    def _new_order(
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
        trigger_price: Number | None = None,
        trigger_by: TriggerBy | str = TriggerBy.LAST,
        trail_bps: int | None = None,
        display_quantity: Number | None = None,
        hidden: bool = False,
        min_quantity: Number | None = None,
        expire_time_ns: int | None = None,
        auction_only: bool = False,
        slide: bool = False,
        peg: Peg | str = Peg.NONE,
        peg_offset: Number | None = None,
        key_id: int = 0,
    ) -> bytes:
        """The encoding of an order, from the arguments of `submit`."""
        owner, instrument = self._catalogue.account(account), self._catalogue.instrument(symbol)
        kind, life, follows = arguments.order_kind(
            order_type, time_in_force, price, trigger_price, trail_bps, expire_time_ns, peg
        )
        price_ticks = 0 if price is None else instrument.tick.count(price, "price")
        lots = 0 if quantity is None else instrument.lot.count(quantity, "quantity")
        quote_units = 0 if quote_quantity is None else instrument.quote_unit.units(quote_quantity, "quote_quantity")
        # The engine knows an absent number as 0. A 0 that was given is not an absent one.
        if price is not None and price_ticks == 0:
            arguments.refuse_zero_price(kind, follows)
        if quantity is not None and quote_quantity is not None and (lots == 0 or quote_units == 0):
            raise InputError("quote_quantity", "must not be given together with quantity")
        if quote_quantity is not None and quote_units == 0:
            raise InputError("quote_quantity", "must be above 0")
        return engine.new_order(
            owner.account_id,
            instrument.instrument_id,
            Side.of(side, "side").number,
            kind.number,
            life.number,
            arguments.flag("post_only", post_only),
            SelfTradePrevention.of(self_trade_prevention, "self_trade_prevention").number,
            price_ticks,
            lots,
            quote_units,
            arguments.client_order_id("client_order_id", client_order_id),
            key_id=arguments.integer("key_id", key_id, 0, 65_535),
            trigger_price=arguments.count("trigger_price", trigger_price, instrument.tick),
            trigger_by=TriggerBy.of(trigger_by, "trigger_by").number,
            trail_bps=0 if trail_bps is None else arguments.integer("trail_bps", trail_bps, 1, 65_535),
            display_quantity=arguments.count("display_quantity", display_quantity, instrument.lot),
            hidden=arguments.flag("hidden", hidden),
            min_quantity=arguments.count("min_quantity", min_quantity, instrument.lot),
            expire_time_ns=arguments.nanoseconds("expire_time_ns", expire_time_ns),
            auction_only=arguments.flag("auction_only", auction_only),
            slide=arguments.flag("slide", slide),
            peg=follows.number,
            peg_offset=0 if peg_offset is None else instrument.tick.count(peg_offset, "peg_offset"),
        )

    def submit_list(
        self, account: str | int, contingency: Contingency | str, orders: Sequence[Mapping[str, Any]]
    ) -> ListResult:
        """Enters orders that depend on each other (FIX E).

        Args:
            account: Who pays.
            contingency: `oco`: one cancels the other. `oto`: the second waits for the first to fill completely.
                `otoco`: the second and third are an OCO pair that does.
            orders: Two or three orders of one instrument, each the arguments of `submit` but the account, by name.

        Raises OrderRejected: `invalid_order_list`, and as `submit` does. All of them are entered or none.
        """
        dependence = Contingency.of(contingency, "contingency")
        if len(orders) > 3:
            raise InputError("orders", "a list has two or three orders")
        encoded = [self._new_order(account, **order) for order in orders]
        events = self._execute(engine.new_order_list(dependence.number, encoded), OrderRejected)
        states = [event for event in events if isinstance(event, OrderListStatus)]
        entered, reports = states[0], _those(ExecutionReport, events)
        new = [report.order_id for report in reports if report.exec_type is ExecType.NEW]
        status = [state.status for state in states if state.list_id == entered.list_id][-1]
        return ListResult(entered.list_id, status, new[: len(orders)], reports, events)

    def cancel_replace(
        self,
        account: str | int,
        order_id: int | None = None,
        *,
        new_order: Mapping[str, Any],
        client_order_id: str | None = None,
        mode: CancelReplaceMode | str = CancelReplaceMode.STOP_ON_FAILURE,
    ) -> CancelReplaced:
        """Cancels an open order of the account and enters another one, as one command.

        Args:
            account: Whose orders.
            order_id: The venue's id of the order to cancel.
            new_order: The order to enter: the arguments of `submit` but the account, by name.
            client_order_id: The client's id of the order to cancel; either id or both.
            mode: `stop_on_failure`: the new order is entered only if the cancel succeeds. `allow_failure`: whatever
                becomes of the cancel.

        Raises OrderRejected if nothing was done: the cancel was refused and stopped the rest, or both were refused.
        """
        canceling = engine.cancel_order(
            self._catalogue.account(account).account_id,
            arguments.order_id(order_id),
            arguments.client_order_id("client_order_id", client_order_id),
        )
        how = CancelReplaceMode.of(mode, "mode")
        command = engine.cancel_replace(how.number, canceling, self._new_order(account, **new_order))
        events = self._translator.events(self._node.execute(command))
        first, rest = events[0], events[1:]
        # One that failed is followed by the quarantine of its instrument.
        if not rest or (isinstance(first, Rejection) and first.code == "command_failed"):
            self._accepted(events, OrderRejected)
        refusals = _those(Rejection, rest)
        at = next((i for i, event in enumerate(rest) if _is_new(event)), len(rest))
        return CancelReplaced(
            canceled=first if isinstance(first, ExecutionReport) else None,
            cancel_rejected=first if isinstance(first, Rejection) else None,
            entered=None if refusals else _result(rest[at:]),
            order_rejected=refusals[-1] if refusals else None,
        )

    def replace(
        self,
        account: str | int,
        order_id: int | None = None,
        *,
        client_order_id: str | None = None,
        price: Number | None = None,
        quantity: Number | None = None,
        new_client_order_id: str | None = None,
        trigger_price: Number | None = None,
        display_quantity: Number | None = None,
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
            trigger_price: The new trigger price of a conditional order that still waits; stays if not given.
            display_quantity: The new display quantity of an iceberg order; stays if not given.

        Raises OrderRejected as `submit` does, and `unknown_order`, `quantity_not_above_filled`, `replace_not_allowed`.
        """
        owner, reference = self._catalogue.account(account), arguments.order_id(order_id)
        present = arguments.client_order_id("client_order_id", client_order_id)
        ticks = lots = trigger_ticks = display_lots = 0
        if any(number is not None for number in (price, quantity, trigger_price, display_quantity)):
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
            ticks = arguments.count("price", price, instrument.tick)
            lots = arguments.count("quantity", quantity, instrument.lot)
            trigger_ticks = arguments.count("trigger_price", trigger_price, instrument.tick)
            display_lots = arguments.count("display_quantity", display_quantity, instrument.lot)
        command = engine.replace_order(
            owner.account_id,
            reference,
            present,
            arguments.client_order_id("new_client_order_id", new_client_order_id),
            ticks,
            lots,
            trigger_price=trigger_ticks,
            display_quantity=display_lots,
        )
        return self._order(command)

    def cancel_all_after(self, account: str | int, timeout_ns: int) -> CancelAllAfterSet:
        """Has all orders of the account canceled when `timeout_ns` from now are over, unless it is called again before.

        From 1 ms to 24 h; 0 disarms. Raises Rejected: `invalid_timeout`.
        """
        timeout = arguments.integer("timeout_ns", timeout_ns, -(2**63), 2**63 - 1)
        events = self._execute(engine.cancel_all_after(self._catalogue.account(account).account_id, timeout))
        return _those(CancelAllAfterSet, events)[-1]

    def advance_time(self) -> TimeAdvanced:
        """Does what is due by now. The exchange does so by itself, on time; this is for who will not wait for it."""
        return _those(TimeAdvanced, self._execute(engine.advance_time()))[-1]

    def set_time(self, event_time_ns: int) -> list[Event]:
        """Moves a manual clock on, does what is due by then, and gives the events of that, oldest first.

        Commands have this time from then on, until it is moved again. What is due (orders expire, auctions end, the
        schedule, fee promotions, cancel-all-after) is done at this time, in the order in which it was due; go in
        smaller steps to have each at its own.

        Args:
            event_time_ns: Nanoseconds since 1970 UTC; not before the time at which the clock stands.

        Raises InputError: `clock` if the exchange was not opened with `clock="manual"`, `event_time_ns` if the clock
        would go backwards.

        Example:
            >>> ex = Exchange(clock="manual")
            >>> _ = ex.add_asset("BTC", scale=8), ex.add_asset("USD", scale=6)
            >>> _ = ex.list_instrument("BTC-USD", base="BTC", quote="USD", tick_size="0.01", lot_size="0.0001")
            >>> _ = ex.open_account("alice"), ex.deposit("alice", "USD", "10000")
            >>> _ = ex.submit("alice", "BTC-USD", "buy", "0.5", price="100", expire_time_ns=60_000_000_000)
            >>> ex.set_time(59_999_999_999)
            []
            >>> [event.status.value for event in ex.set_time(60_000_000_000) if isinstance(event, ExecutionReport)]
            ['expired']
        """
        before = self._node.sequence
        self._node.set_time(arguments.integer("event_time_ns", event_time_ns, 0, 2**63 - 1))
        return self.events(before)

    def staff(self, actor: str, reason: str) -> Staff:
        """The commands of the venue's staff, each with who gives it and why in the journal and among the events.

        What is done with them is among the changes that a server lists (`GET /v1/admin/changes`). What is done with the
        exchange's own methods of the same names, for which nobody gives a reason, is not.

        Args:
            actor: Who: at most 31 printable ASCII characters without spaces.
            reason: Why: 1 to 64 printable ASCII characters.
        """
        return Staff(self, arguments.text("actor", actor), arguments.text("reason", reason))

    def order(self, order_id: int) -> Order | None:
        """The open order of that id, or None."""
        row = self._node.order(arguments.integer("order_id", order_id, 1, 2**63 - 1))
        return None if row is None else self._open_order(row)

    def open_orders(self, account: str | int) -> list[Order]:
        """The account's open orders, by ascending order_id."""
        rows = self._node.open_orders(self._catalogue.account(account).account_id)
        return [self._open_order(row) for row in rows]

    def book(self, symbol: str | int, depth: int = 10) -> Book:
        """The best `depth` price levels of both sides, from 0 to 1,000,000."""
        instrument = self._catalogue.instrument(symbol)
        sequence, bids, asks = self._node.book(
            instrument.instrument_id, arguments.integer("depth", depth, 0, MAX_DEPTH)
        )

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
            an event is. The sequences of the commands go up by 1, except where the exchange puts a command of its own
            in between: it does what is due (an expiry, the end of an auction), and the first may begin later than the
            sequence before it, plus 1. Only the events of these commands are given; `events` has all. A refused command
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

        Raises Lagged if there is no journal and events that far back are not held in memory any more, JournalTrimmed if
        they were archived or dropped.
        """
        position = arguments.integer("since", since, 0, 2**63 - 1)
        most = None if limit is None else arguments.integer("limit", limit, 1, 2**63 - 1)
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

        It waits for the checkpoint to be on disk and verified; the exchange runs on meanwhile.

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
        return self._accepted(self._translator.events(self._node.execute(command)), rejected)

    def _accepted(self, events: list[Event], rejected: type[Rejected]) -> list[Event]:
        first = events[0]
        if isinstance(first, Rejection):
            raise rejected(first.code, first.reason, _RULES[first.code][1], first.sequence)
        return events

    def _balance(self, asset: Asset, total: int, held: int) -> Balance:
        text = asset.unit.text
        return Balance(asset.code, text(total), text(held), text(total - held))

    def _open_order(self, row: OrderRow) -> Order:
        instrument = self._catalogue.instrument(row["instrument_id"])
        side = Side(row["side"])
        held_unit = instrument.quote_unit if side is Side.BUY else instrument.base_unit
        by_quote = row["quote_quantity"] != 0
        return Order(
            order_id=row["order_id"],
            client_order_id=row["client_order_id"] or None,
            account=self._catalogue.account(row["account_id"]).code,
            symbol=instrument.symbol,
            side=side,
            order_type=OrderType(row["order_type"]),
            time_in_force=TimeInForce(row["time_in_force"]),
            post_only=row["post_only"],
            self_trade_prevention=SelfTradePrevention(row["self_trade_prevention"]),
            price=instrument.tick.text(row["price"]) if row["price"] else None,
            quantity=None if by_quote else instrument.lot.text(row["quantity"]),
            quote_quantity=instrument.quote_unit.text(row["quote_quantity"]) if by_quote else None,
            filled_quantity=instrument.lot.text(row["filled_quantity"]),
            leaves_quantity=instrument.lot.text(row["leaves_quantity"]),
            displayed_quantity=instrument.lot.text(row["displayed_quantity"]),
            hold=held_unit.text(row["hold"]),
            key_id=row["key_id"] or None,
            terms=None if row["terms"] is None else terms_of(row["terms"], instrument),
        )


def _refused(code: str) -> OrderRejected:
    """What the engine would say to an order command that cannot even be encoded, because its instrument is unknown."""
    number, rule = _RULES[code]
    return OrderRejected(code, number, rule)


def _those(kind: type[_ReportType], events: Iterable[Event]) -> list[_ReportType]:
    """The events of this kind."""
    return [event for event in events if isinstance(event, kind)]


def _is_new(event: Event) -> bool:
    return isinstance(event, ExecutionReport) and event.exec_type is ExecType.NEW


def _result(events: list[Event]) -> Result:
    """What became of the order whose report is the first."""
    reports = _those(ExecutionReport, events)
    order_id = reports[0].order_id
    last = next(report for report in reversed(reports) if report.order_id == order_id)
    return Result(order_id, last.status, reports, events)


def _units(text: str, scale: int) -> int:
    """What the engine has said, in the smallest unit. It may be longer than what may be said to it."""
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(scale, "0"))


class Staff(Counter):
    """The commands of the venue's staff, given by one of them for one reason. Made by `Exchange.staff`."""

    __slots__ = ("_actor", "_catalogue", "_exchange", "_reason")

    def __init__(self, exchange: Exchange, actor: str, reason: str) -> None:
        self._exchange = exchange
        self._catalogue = exchange._catalogue
        self._actor = actor
        self._reason = reason

    def _execute(self, command: bytes, rejected: type[Rejected] = Rejected) -> list[Event]:
        events = self._exchange._execute(engine.administer(self._actor, self._reason, command), rejected)
        return [event for event in events if not isinstance(event, Administered)]
