"""Every SQL read of the exchange.

Rows come as detached models; prices are ticks, quantities lots, amounts units. Lists are newest first (candles oldest
first) and come in pages: ``before`` takes the last id of the page before. All methods block and are meant for a worker
thread. Rows are as of :meth:`Repository.position`; who must see a command's effect waits for its sequence first
(:meth:`beurs.store.projector.Projector.wait_for_async`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from beurs.store.candles import INTERVALS, CandleValues, Ticker, ticker, ticker_start_ns
from beurs.store.database import Store
from beurs.store.models import (
    EXTERNAL_ACCOUNT_ID,
    OPEN_STATUSES,
    Account,
    Asset,
    Balance,
    Base,
    Candle,
    Change,
    FeeSchedule,
    Fill,
    Instrument,
    LedgerEntry,
    Order,
    OrderList,
    OrderTerms,
    ProjectorState,
    Trade,
    TradeCorrection,
)
from beurs.store.status import StatusValues, status_of

_Model = TypeVar("_Model", bound=Base)

LIMIT_MAX: Final = 1000
"""Rows in a page. More are not given, whatever ``limit`` says."""


@dataclass(frozen=True, slots=True)
class Recent:
    """Where the tables are, and of every instrument the last trades and one-minute candles, oldest first,
    and its trading status."""

    position: int
    event_time_ns: int
    instruments: dict[int, tuple[list[Trade], list[CandleValues]]]
    statuses: dict[int, StatusValues]


@dataclass(frozen=True, slots=True)
class SettledTrade:
    """A trade as its money was moved: the price it is settled at now, and what both sides paid in fees.

    A busted trade has the price it had before.
    """

    trade_id: int
    instrument_id: int
    buyer_id: int
    seller_id: int
    price: int
    quantity: int
    buyer_fee: int
    seller_fee: int


class Repository:
    """Reads a :class:`Store`. Safe for any number of threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def position(self) -> tuple[int, int]:
        """The sequence and the event time that the tables are at; zeros in an empty store."""
        with self._store.reading() as session:
            state = session.scalar(select(ProjectorState))
            return (0, 0) if state is None else (state.sequence, state.event_time_ns)

    def assets(self) -> list[Asset]:
        """Every asset, by id."""
        return self._all(select(Asset).order_by(Asset.asset_id))

    def instruments(self) -> list[Instrument]:
        """Every instrument, by id."""
        return self._all(select(Instrument).order_by(Instrument.instrument_id))

    def statuses(self) -> dict[int, StatusValues]:
        """The trading status of every instrument and what goes with it."""
        return {listed.instrument_id: status_of(listed) for listed in self.instruments()}

    def account(self, account_id: int) -> Account | None:
        """One account."""
        with self._store.reading() as session:
            return session.get(Account, account_id)

    def account_codes(self) -> set[str]:
        """The codes of all accounts."""
        with self._store.reading() as session:
            return set(session.scalars(select(Account.code).where(Account.account_id != EXTERNAL_ACCOUNT_ID)))

    def fee_schedules(self, instrument_id: int | None = None) -> list[FeeSchedule]:
        """The fees that are set, on one instrument or on all."""
        query = select(FeeSchedule).order_by(FeeSchedule.instrument_id, FeeSchedule.group_id)
        if instrument_id is not None:
            query = query.where(FeeSchedule.instrument_id == instrument_id)
        return self._all(query)

    def balances(self, account_id: int) -> list[Balance]:
        """An account's balances, by asset; those of assets it never had are not there."""
        return self._all(select(Balance).where(Balance.account_id == account_id).order_by(Balance.asset_id))

    def orders(
        self,
        account_id: int,
        *,
        statuses: Collection[str] | None = None,
        instrument_id: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Order]:
        """An account's orders, newest first. ``before`` is an ``order_id``."""
        query = select(Order).where(Order.account_id == account_id)
        if statuses is not None:
            if set(statuses) == set(OPEN_STATUSES):
                # In the words of the partial index, or it is not used.
                query = query.where(Order.status.in_(OPEN_STATUSES))
            else:
                query = query.where(Order.status.in_(sorted(statuses)))
        if instrument_id is not None:
            query = query.where(Order.instrument_id == instrument_id)
        if before is not None:
            query = query.where(Order.order_id < before)
        return self._all(query.order_by(Order.order_id.desc()).limit(_page(limit)))

    def order(self, account_id: int, order_id: int) -> Order | None:
        """One order of the account, open or ended."""
        with self._store.reading() as session:
            order = session.get(Order, order_id)
            return order if order is not None and order.account_id == account_id else None

    def order_by_client_order_id(self, account_id: int, client_order_id: str) -> Order | None:
        """The newest order of the account with this ``client_order_id``."""
        query = (
            select(Order)
            .where(Order.account_id == account_id, Order.client_order_id == client_order_id)
            .order_by(Order.order_id.desc())
            .limit(1)
        )
        with self._store.reading() as session:
            return session.scalar(query)

    def order_list(self, account_id: int, list_id: int) -> tuple[OrderList, list[Order]] | None:
        """An order list of the account and its orders, in the order they were given."""
        with self._store.reading() as session:
            found = session.get(OrderList, list_id)
            if found is None or found.account_id != account_id:
                return None
            members = select(OrderTerms.order_id).where(OrderTerms.list_id == list_id, OrderTerms.list_id > 0)
            orders = session.scalars(select(Order).where(Order.order_id.in_(members)).order_by(Order.order_id))
            return found, list(orders)

    def corrections(self, trade_ids: Collection[int]) -> dict[int, TradeCorrection]:
        """The last correction of each of these trades that has one."""
        if not trade_ids:
            return {}
        query = (
            select(TradeCorrection).where(TradeCorrection.trade_id.in_(trade_ids)).order_by(TradeCorrection.sequence)
        )
        return {correction.trade_id: correction for correction in self._all(query)}

    def fills(
        self,
        account_id: int,
        *,
        instrument_id: int | None = None,
        order_id: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Fill]:
        """An account's fills, newest first. ``before`` is a ``fill_id``."""
        query = select(Fill).where(Fill.account_id == account_id)
        if instrument_id is not None:
            query = query.where(Fill.instrument_id == instrument_id)
        if order_id is not None:
            query = query.where(Fill.order_id == order_id)
        if before is not None:
            query = query.where(Fill.fill_id < before)
        return self._all(query.order_by(Fill.fill_id.desc()).limit(_page(limit)))

    def trades(self, instrument_id: int, *, before: int | None = None, limit: int = 100) -> list[Trade]:
        """An instrument's public trades, newest first. ``before`` is a ``trade_id``."""
        query = select(Trade).where(Trade.instrument_id == instrument_id)
        if before is not None:
            query = query.where(Trade.trade_id < before)
        return self._all(query.order_by(Trade.trade_id.desc()).limit(_page(limit)))

    def candles(
        self,
        instrument_id: int,
        interval: str,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[Candle]:
        """The newest candles that open at or after ``start_ns`` and before ``end_ns``, oldest first.

        Raises KeyError for an interval that is not one of :data:`INTERVALS`.
        """
        INTERVALS[interval]
        query = select(Candle).where(Candle.instrument_id == instrument_id, Candle.interval == interval)
        if start_ns is not None:
            query = query.where(Candle.open_time_ns >= start_ns)
        if end_ns is not None:
            query = query.where(Candle.open_time_ns < end_ns)
        return self._all(query.order_by(Candle.open_time_ns.desc()).limit(_page(limit)))[::-1]

    def ticker(self, instrument_id: int, now_ns: int) -> Ticker:
        """The 24 hours up to ``now_ns``."""
        with self._store.reading() as session:
            last_price = session.scalar(_last_trades(instrument_id, 1).with_only_columns(Trade.price))
            return ticker(_minutes(session, instrument_id, now_ns), last_price, now_ns)

    def recent(self, now_ns: int, trades_max: int) -> Recent:
        """The last trades and the last 24 hours of every instrument, all of one moment."""
        with self._store.reading() as session:
            state = session.scalar(select(ProjectorState))
            return Recent(
                0 if state is None else state.sequence,
                0 if state is None else state.event_time_ns,
                {
                    instrument_id: (
                        list(session.scalars(_last_trades(instrument_id, trades_max)))[::-1],
                        _minutes(session, instrument_id, now_ns),
                    )
                    for instrument_id in session.scalars(select(Instrument.instrument_id)).all()
                },
                {listed.instrument_id: status_of(listed) for listed in session.scalars(select(Instrument))},
            )

    def ledger(
        self, account_id: int, *, asset_id: int | None = None, before: int | None = None, limit: int = 100
    ) -> list[LedgerEntry]:
        """An account's postings, newest first. ``before`` is an ``entry_id``."""
        query = select(LedgerEntry).where(LedgerEntry.account_id == account_id)
        if asset_id is not None:
            query = query.where(LedgerEntry.asset_id == asset_id)
        if before is not None:
            query = query.where(LedgerEntry.entry_id < before)
        return self._all(query.order_by(LedgerEntry.entry_id.desc()).limit(_page(limit)))

    def settled_trade(self, trade_id: int) -> SettledTrade | None:
        """What has been settled of a trade."""
        with self._store.reading() as session:
            both = select(Fill).where(Fill.fill_id.in_((2 * trade_id - 1, 2 * trade_id)))
            sides = {fill.side: fill for fill in session.scalars(both)}
            if len(sides) != 2:
                return None
            buy, sell = sides["buy"], sides["sell"]
            last = (
                select(TradeCorrection)
                .where(TradeCorrection.trade_id == trade_id)
                .order_by(TradeCorrection.sequence.desc())
                .limit(1)
            )
            correction = session.scalar(last)
            price = buy.price if correction is None else correction.new_price or correction.price
            return SettledTrade(
                *(trade_id, buy.instrument_id, buy.account_id, sell.account_id),
                *(price, buy.quantity, buy.fee, sell.fee),
            )

    def changes(self, *, actor: str | None = None, before: int | None = None, limit: int = 100) -> list[Change]:
        """What staff has changed, newest first. ``before`` is a ``sequence``."""
        query = select(Change)
        if actor is not None:
            query = query.where(Change.actor == actor)
        if before is not None:
            query = query.where(Change.sequence < before)
        return self._all(query.order_by(Change.sequence.desc()).limit(_page(limit)))

    def _all(self, query: Select[_Model]) -> list[_Model]:
        with self._store.reading() as session:
            return list(session.scalars(query))


def _last_trades(instrument_id: int, limit: int) -> Select[Trade]:
    return select(Trade).where(Trade.instrument_id == instrument_id).order_by(Trade.trade_id.desc()).limit(limit)


def _minutes(session: Session, instrument_id: int, now_ns: int) -> list[CandleValues]:
    query = (
        select(Candle)
        .where(
            Candle.instrument_id == instrument_id,
            Candle.interval == "1m",
            Candle.open_time_ns >= ticker_start_ns(now_ns),
        )
        .order_by(Candle.open_time_ns)
    )
    names = CandleValues.__dataclass_fields__
    return [CandleValues(*(getattr(candle, name) for name in names)) for candle in session.scalars(query)]


def _page(limit: int) -> int:
    # One more than a client may ask for tells whether there is another page.
    return max(1, min(limit, LIMIT_MAX + 1))
