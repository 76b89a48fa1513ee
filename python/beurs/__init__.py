"""beurs: a complete exchange. It takes orders, holds the money behind them, matches, settles, and can prove it.

    from beurs import Exchange

    ex = Exchange()            # in memory; Exchange("dir/") journals and recovers
    ex.add_asset("BTC", scale=8)
    ex.add_asset("USD", scale=6)
    ex.list_instrument("BTC-USD", base="BTC", quote="USD", tick_size="0.01", lot_size="0.0001")
    ex.open_account("alice")
    ex.deposit("alice", "USD", "10000")
    ex.submit("alice", "BTC-USD", "buy", "0.5", price="20000")

`beurs.records` has the NumPy types of the batch door, `beurs.errors` every error in one tree.
"""

from beurs.catalogue import Account, Asset, Instrument
from beurs.engine import VERSION as __version__  # noqa: N811 (the name that packages have)
from beurs.errors import (
    BeursError,
    CommandInvalid,
    DecimalError,
    InputError,
    JournalDamaged,
    JournalError,
    JournalFailed,
    JournalLocked,
    Lagged,
    NodeStopped,
    NotFound,
    OrderRejected,
    QueueFull,
    Rejected,
)
from beurs.exchange import Balance, Book, Exchange, Order, PriceLevel, Result
from beurs.reports import (
    AccountGroupSet,
    AccountOpened,
    AssetAdded,
    Event,
    ExecutionReport,
    FeesSet,
    InstrumentListed,
    MassCanceled,
    Posted,
    Rejection,
    TradingStatusSet,
)
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
    "Account",
    "AccountGroupSet",
    "AccountOpened",
    "Asset",
    "AssetAdded",
    "Balance",
    "BeursError",
    "Book",
    "CancelReason",
    "CommandInvalid",
    "DecimalError",
    "Event",
    "Exchange",
    "ExecType",
    "ExecutionReport",
    "FeesSet",
    "InputError",
    "Instrument",
    "InstrumentListed",
    "JournalDamaged",
    "JournalError",
    "JournalFailed",
    "JournalLocked",
    "Lagged",
    "Liquidity",
    "MassCanceled",
    "NodeStopped",
    "NotFound",
    "Order",
    "OrderRejected",
    "OrderStatus",
    "OrderType",
    "Posted",
    "PriceLevel",
    "QueueFull",
    "Rejected",
    "Rejection",
    "Result",
    "SelfTradePrevention",
    "Side",
    "TimeInForce",
    "TradingStatus",
    "TradingStatusSet",
    "__version__",
]
