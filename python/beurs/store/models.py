"""The tables of the store, as typed SQLAlchemy models.

Everything here is a function of the journal: the projector writes it, the repository reads it, nothing else does, and
all of it can be dropped and rebuilt. So there are no foreign keys: they would be checked on every row for what the
engine has checked already.

Prices are counts of ticks, quantities counts of lots (below 2**53, 64-bit columns), amounts are counts of the asset's
smallest unit and go to 10**36, more than 64 bits.

Amounts are columns of :class:`Units`: decimal text, in every database. SQLite has no exact number above 64 bits: a
NUMERIC column there turns such a value into a float. PostgreSQL has, but text keeps one meaning: the same bytes in
both, so that two stores can be compared row by row, and no driver can convert a value on the way. Who wants to add
amounts up in PostgreSQL writes ``sum(amount::numeric)``.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

EXTERNAL_ACCOUNT_ID: Final = 0
"""The other side of deposits and withdrawals: the world outside. Its totals are never above zero, and with it the
totals of an asset add up to zero."""
EXTERNAL_ACCOUNT_CODE: Final = "(external)"
"""No account can be opened with parentheses in its code."""
VENUE_ACCOUNT_ID: Final = 1
"""Fees go here."""

OPEN_STATUSES: Final = ("new", "partially_filled")
"""What :attr:`Order.status` says of an open order."""


class Units(TypeDecorator[int]):
    """A whole number of any size up to 39 digits and a sign, stored as its decimal text."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else str(int(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


class Base(DeclarativeBase):
    """The tables' registry."""


class Asset(Base):
    """What is owned: BTC, USD."""

    __tablename__ = "assets"

    asset_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(String(15), unique=True)
    scale: Mapped[int] = mapped_column(SmallInteger)


class Instrument(Base):
    """What is traded: BTC-USD."""

    __tablename__ = "instruments"

    instrument_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    symbol: Mapped[str] = mapped_column(String(31), unique=True)
    base_asset_id: Mapped[int] = mapped_column(Integer)
    quote_asset_id: Mapped[int] = mapped_column(Integer)
    tick_mantissa: Mapped[int] = mapped_column(Units)
    tick_scale: Mapped[int] = mapped_column(SmallInteger)
    lot_mantissa: Mapped[int] = mapped_column(Units)
    lot_scale: Mapped[int] = mapped_column(SmallInteger)
    min_quantity: Mapped[int] = mapped_column(BigInteger)
    max_quantity: Mapped[int] = mapped_column(BigInteger)
    min_notional: Mapped[int] = mapped_column(Units)
    lot_units: Mapped[int] = mapped_column(BigInteger)
    tick_lot_units: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(16))
    status_reason: Mapped[str] = mapped_column(String(16), server_default="requested")
    auction_end_time_ns: Mapped[int | None] = mapped_column(BigInteger)
    indicative_price: Mapped[int | None] = mapped_column(BigInteger)
    indicative_volume: Mapped[int | None] = mapped_column(Units)
    indicative_imbalance: Mapped[int | None] = mapped_column(Units)
    auction_price: Mapped[int | None] = mapped_column(BigInteger)
    auction_volume: Mapped[int | None] = mapped_column(Units)
    auction_time_ns: Mapped[int | None] = mapped_column(BigInteger)
    limit_state_side: Mapped[str | None] = mapped_column(String(4))


class Account(Base):
    """Who owns and trades. Account 0 is the world outside."""

    __tablename__ = "accounts"

    account_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(String(31), unique=True)
    group_id: Mapped[int] = mapped_column(Integer)


class FeeSchedule(Base):
    """The fees of an account group on an instrument, in parts per million of the notional."""

    __tablename__ = "fee_schedules"

    instrument_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    group_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    maker_ppm: Mapped[int] = mapped_column(Integer)
    taker_ppm: Mapped[int] = mapped_column(Integer)


class Order(Base):
    """The last state of an order, open or ended."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_account", "account_id", "order_id"),
        Index(
            "ix_orders_client_order_id",
            "account_id",
            "client_order_id",
            sqlite_where=text("client_order_id IS NOT NULL"),
            postgresql_where=text("client_order_id IS NOT NULL"),
        ),
        Index(
            "ix_orders_open",
            "account_id",
            "order_id",
            sqlite_where=text("status IN ('new', 'partially_filled')"),
            postgresql_where=text("status IN ('new', 'partially_filled')"),
        ),
    )

    order_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(BigInteger)
    instrument_id: Mapped[int] = mapped_column(Integer)
    client_order_id: Mapped[str | None] = mapped_column(String(36))
    side: Mapped[str] = mapped_column(String(4))
    order_type: Mapped[str] = mapped_column(String(20))
    time_in_force: Mapped[str] = mapped_column(String(8))
    post_only: Mapped[bool] = mapped_column(Boolean)
    self_trade_prevention: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    cancel_reason: Mapped[str] = mapped_column(String(24))
    price: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(BigInteger)
    quote_quantity: Mapped[int] = mapped_column(Units)
    filled_quantity: Mapped[int] = mapped_column(BigInteger)
    leaves_quantity: Mapped[int] = mapped_column(BigInteger)
    hold: Mapped[int] = mapped_column(Units)
    created_sequence: Mapped[int] = mapped_column(BigInteger)
    created_time_ns: Mapped[int] = mapped_column(BigInteger)
    updated_sequence: Mapped[int] = mapped_column(BigInteger)
    updated_time_ns: Mapped[int] = mapped_column(BigInteger)
    displayed_quantity: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """As the last report says; 0 in a report from before the order came to rest."""

    terms: Mapped[OrderTerms | None] = relationship(
        primaryjoin="Order.order_id == foreign(OrderTerms.order_id)", lazy="joined", viewonly=True, uselist=False
    )


class OrderTerms(Base):
    """What an order says beyond its report, as it is now. Only orders with terms have one; 0 is none."""

    __tablename__ = "order_terms"
    __table_args__ = (
        Index(
            "ix_order_terms_list",
            "list_id",
            sqlite_where=text("list_id > 0"),
            postgresql_where=text("list_id > 0"),
        ),
    )

    order_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    list_id: Mapped[int] = mapped_column(BigInteger)
    waits: Mapped[bool] = mapped_column(Boolean)
    """Of an order that has ended: whether it still waited."""
    limit_price: Mapped[int] = mapped_column(BigInteger)
    trigger_price: Mapped[int] = mapped_column(BigInteger)
    trigger_by: Mapped[str] = mapped_column(String(8))
    trail_bps: Mapped[int] = mapped_column(Integer)
    display_quantity: Mapped[int] = mapped_column(BigInteger)
    hidden: Mapped[bool] = mapped_column(Boolean)
    min_quantity: Mapped[int] = mapped_column(BigInteger)
    expire_time_ns: Mapped[int] = mapped_column(BigInteger)
    auction_only: Mapped[bool] = mapped_column(Boolean)
    slide: Mapped[bool] = mapped_column(Boolean)
    peg: Mapped[str] = mapped_column(String(8))
    peg_offset: Mapped[int] = mapped_column(BigInteger)


class OrderList(Base):
    """Orders that depend on each other; those whose terms have its ``list_id``."""

    __tablename__ = "order_lists"

    list_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(BigInteger)
    instrument_id: Mapped[int] = mapped_column(Integer)
    contingency: Mapped[str] = mapped_column(String(8))
    status: Mapped[str] = mapped_column(String(16))
    created_sequence: Mapped[int] = mapped_column(BigInteger)
    created_time_ns: Mapped[int] = mapped_column(BigInteger)
    updated_sequence: Mapped[int] = mapped_column(BigInteger)
    updated_time_ns: Mapped[int] = mapped_column(BigInteger)


class Trade(Base):
    """One match, as the public sees it. A trade of an auction has no aggressor, maker and taker."""

    __tablename__ = "trades"
    __table_args__ = (Index("ix_trades_instrument", "instrument_id", "trade_id"),)

    trade_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger)
    event_time_ns: Mapped[int] = mapped_column(BigInteger)
    instrument_id: Mapped[int] = mapped_column(Integer)
    price: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(BigInteger)
    notional: Mapped[int] = mapped_column(Units)
    aggressor_side: Mapped[str | None] = mapped_column(String(4))
    maker_order_id: Mapped[int | None] = mapped_column(BigInteger)
    taker_order_id: Mapped[int | None] = mapped_column(BigInteger)
    buy_order_id: Mapped[int] = mapped_column(BigInteger)
    sell_order_id: Mapped[int] = mapped_column(BigInteger)


class Fill(Base):
    """One side of a trade, as its account sees it.

    ``fill_id`` is twice the trade's id, less 1 for the side reported first: the taker's, in an auction the buyer's.
    """

    __tablename__ = "fills"
    __table_args__ = (
        Index("ix_fills_account", "account_id", "fill_id"),
        Index("ix_fills_order", "order_id", "fill_id"),
    )

    fill_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    trade_id: Mapped[int] = mapped_column(BigInteger)
    sequence: Mapped[int] = mapped_column(BigInteger)
    event_time_ns: Mapped[int] = mapped_column(BigInteger)
    account_id: Mapped[int] = mapped_column(BigInteger)
    order_id: Mapped[int] = mapped_column(BigInteger)
    client_order_id: Mapped[str | None] = mapped_column(String(36))
    instrument_id: Mapped[int] = mapped_column(Integer)
    side: Mapped[str] = mapped_column(String(4))
    liquidity: Mapped[str] = mapped_column(String(8))
    price: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(BigInteger)
    notional: Mapped[int] = mapped_column(Units)
    fee: Mapped[int] = mapped_column(Units)


class Balance(Base):
    """One account's money in one asset: ``available = total − held``."""

    __tablename__ = "balances"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    asset_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    total: Mapped[int] = mapped_column(Units)
    held: Mapped[int] = mapped_column(Units)


class LedgerEntry(Base):
    """One posting. Those of one ``sequence`` add up to zero in every asset. ``entry_id`` is dense from 1."""

    __tablename__ = "ledger_entries"
    __table_args__ = (Index("ix_ledger_entries_account", "account_id", "entry_id"),)

    entry_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger)
    event_time_ns: Mapped[int] = mapped_column(BigInteger)
    account_id: Mapped[int] = mapped_column(BigInteger)
    asset_id: Mapped[int] = mapped_column(Integer)
    amount: Mapped[int] = mapped_column(Units)
    kind: Mapped[str] = mapped_column(String(16))
    trade_id: Mapped[int | None] = mapped_column(BigInteger)
    order_id: Mapped[int | None] = mapped_column(BigInteger)


class Candle(Base):
    """The trades of one instrument in one interval, which starts at ``open_time_ns`` (UTC, a multiple of it)."""

    __tablename__ = "candles"
    __table_args__ = ({"sqlite_with_rowid": False},)

    instrument_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    interval: Mapped[str] = mapped_column(String(4), primary_key=True)
    open_time_ns: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    open: Mapped[int] = mapped_column(BigInteger)
    high: Mapped[int] = mapped_column(BigInteger)
    low: Mapped[int] = mapped_column(BigInteger)
    close: Mapped[int] = mapped_column(BigInteger)
    volume: Mapped[int] = mapped_column(Units)
    notional: Mapped[int] = mapped_column(Units)
    trade_count: Mapped[int] = mapped_column(BigInteger)


class TradeCorrection(Base):
    """A trade's price was corrected from ``price`` to ``new_price``, or its money moved back: ``new_price`` 0.

    The trade's own row, its fills and its candles stay as they are.
    """

    __tablename__ = "trade_corrections"
    __table_args__ = (Index("ix_trade_corrections_trade", "trade_id", "sequence"),)

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_time_ns: Mapped[int] = mapped_column(BigInteger)
    trade_id: Mapped[int] = mapped_column(BigInteger)
    instrument_id: Mapped[int] = mapped_column(Integer)
    buyer_id: Mapped[int] = mapped_column(BigInteger)
    seller_id: Mapped[int] = mapped_column(BigInteger)
    price: Mapped[int] = mapped_column(BigInteger)
    new_price: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(BigInteger)


class Change(Base):
    """What a member of staff has changed, and why. Refused commands change nothing and are not here.

    ``facts`` is a JSON list of the events that say what changed, as the compiled module names their fields; what became
    of single orders is not among them, it is in ``orders``. ``command`` is the encoded command of the journal, null if
    the journal no longer had it, and for the random seed, which nobody gets to see.
    """

    __tablename__ = "changes"

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_time_ns: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(31))
    reason: Mapped[str] = mapped_column(String(64))
    facts: Mapped[str] = mapped_column(Text)
    command: Mapped[bytes | None] = mapped_column(LargeBinary)


class ProjectorState(Base):
    """How far the projector has come. Written in the transaction that writes the rows."""

    __tablename__ = "projector_state"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    event_time_ns: Mapped[int] = mapped_column(BigInteger)
