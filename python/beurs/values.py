"""Decimal text, steps and the words of the field.

Decimals come in as `str` or `Decimal` and go out as `str`, by the grammar `(0|[1-9][0-9]{0,17})(\\.[0-9]{1,18})?`. A
float is never taken: 0.1 is not a tenth. Inside, everything is a whole number of steps; the arithmetic is the compiled
module's. Every enum member is its own text and has the `number` that stands for it in records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntFlag, StrEnum
from typing import ParamSpec, Self

from beurs import engine
from beurs.errors import DecimalError, InputError

__all__ = [
    "AccountMode",
    "BandAction",
    "CancelReason",
    "CancelReplaceMode",
    "Contingency",
    "ExecType",
    "Feature",
    "Liquidity",
    "ListStatus",
    "MassCancelReason",
    "MatchingAlgorithm",
    "Number",
    "OrderStatus",
    "OrderType",
    "Peg",
    "SelfTradePrevention",
    "Setting",
    "Side",
    "StatusReason",
    "Step",
    "TimeInForce",
    "TradingStatus",
    "TriggerBy",
    "decimal_text",
]

Number = str | Decimal
"""What is taken where a decimal is expected."""

_P = ParamSpec("_P")
_MAX_SCALE = 18
_MAX_MANTISSA = 2**64 - 1


class WireEnum(StrEnum):
    """A word with the number it has in records and on the wire. Equal to its text."""

    number: int

    def __new__(cls, text: str, number: int = -1) -> Self:  # A look-up by text gives no number.
        member = str.__new__(cls, text)
        member._value_ = text
        member.number = number
        return member

    @classmethod
    def of(cls, value: object, field: str) -> Self:
        """The member that `value`, a member or its text, means. Raises InputError naming `field`."""
        if isinstance(value, str):
            try:
                return cls(value)
            except ValueError:
                pass
        raise InputError(field, f"must be one of {', '.join(cls)}")

    @classmethod
    def of_number(cls, number: int) -> Self:
        """The member with this number."""
        for member in cls:
            if member.number == number:
                return member
        raise InputError("number", f"{number} is no {cls.__name__}")


class Side(WireEnum):
    """The side of an order (FIX Side 54)."""

    BUY = "buy", 1
    SELL = "sell", 2

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(WireEnum):
    """How the price of an order is given (FIX OrdType 40)."""

    LIMIT = "limit", 1
    """Trades at its price or better."""
    MARKET = "market", 2
    """Trades at whatever price is there; never rests in continuous trading."""
    STOP = "stop", 3
    """Waits for its trigger price on the far side of the market, then is a market order."""
    STOP_LIMIT = "stop_limit", 4
    """Waits for its trigger price on the far side of the market, then is a limit order."""
    TAKE_PROFIT = "take_profit", 5
    """Waits for its trigger price on the near side of the market, then is a market order."""
    TAKE_PROFIT_LIMIT = "take_profit_limit", 6
    """Waits for its trigger price on the near side of the market, then is a limit order."""
    MARKET_TO_LIMIT = "market_to_limit", 7
    """Trades at the best opposite price only; what is left is a limit order at that price (FIX K)."""


class TimeInForce(WireEnum):
    """How long an order lives (FIX TimeInForce 59)."""

    GTC = "gtc", 1
    """Good till canceled."""
    IOC = "ioc", 2
    """Immediate or cancel: what cannot trade at once is canceled."""
    FOK = "fok", 3
    """Fill or kill: trades whole at once, or not at all."""
    GTD = "gtd", 4
    """Good till its `expire_time_ns`."""
    DAY = "day", 5
    """Good till its instrument closes."""


class SelfTradePrevention(WireEnum):
    """What happens when an order meets another one of the same account; the taker's mode decides."""

    NONE = "none", 0
    EXPIRE_TAKER = "expire_taker", 1
    EXPIRE_MAKER = "expire_maker", 2
    EXPIRE_BOTH = "expire_both", 3
    DECREMENT = "decrement", 4


class TradingStatus(WireEnum):
    """What an instrument accepts (FIX SecurityTradingStatus 326)."""

    OPEN = "open", 1
    """Everything."""
    POST_ONLY = "post_only", 2
    """Post-only orders, replaces that do not match, and cancels."""
    CANCEL_ONLY = "cancel_only", 3
    """Cancels."""
    HALTED = "halted", 4
    """Nothing but mass cancels by the venue: the book is frozen as it stands."""
    AUCTION = "auction", 5
    """A call auction: orders are collected, and an indicative price is published."""
    PRE_OPEN = "pre_open", 6
    """Before the auction: orders are collected."""
    CLOSED = "closed", 7
    """After the session: cancels only, and day orders have ended."""


class OrderStatus(WireEnum):
    """The state of an order (FIX OrdStatus 39)."""

    NEW = "new", 1
    """Accepted, nothing traded."""
    PARTIALLY_FILLED = "partially_filled", 2
    """Some of it traded."""
    FILLED = "filled", 3
    """All of it traded."""
    CANCELED = "canceled", 4
    """Ended before all of it traded."""
    EXPIRED = "expired", 5
    """Ended by its time in force, GTD or Day."""


class ExecType(WireEnum):
    """What just happened to an order (FIX ExecType 150)."""

    NEW = "new", 1
    """The order was accepted."""
    TRADE = "trade", 2
    """A part of it traded."""
    CANCELED = "canceled", 3
    """It ended without trading its leaves."""
    REPLACED = "replaced", 4
    """Its owner changed it."""
    RESTATED = "restated", 5
    """The venue changed it: reduced by self-trade prevention, or priced anew by its peg."""
    TRIGGERED = "triggered", 6
    """Its trigger price was reached; or its trailing began (FIX L)."""
    EXPIRED = "expired", 7
    """Its time is over (FIX C)."""


class Liquidity(WireEnum):
    """Which part an order played in a trade (FIX LastLiquidityInd 851)."""

    NONE = "none", 0
    """Not a trade."""
    MAKER = "maker", 1
    """It was in the book."""
    TAKER = "taker", 2
    """It came in and crossed."""
    AUCTION = "auction", 3
    """Both orders of a trade at an auction's price."""


class CancelReason(WireEnum):
    """Why an order was canceled."""

    NONE = "none", 0
    """Not canceled."""
    REQUESTED = "requested", 1
    """Its owner asked."""
    MASS_CANCEL = "mass_cancel", 2
    """A mass cancel named it."""
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel", 3
    """The rest of an IOC limit order."""
    FILL_OR_KILL = "fill_or_kill", 4
    """A FOK order that could not trade whole."""
    NO_LIQUIDITY = "no_liquidity", 5
    """The rest of a market order for which nothing was left to trade with."""
    SELF_TRADE = "self_trade", 6
    """Self-trade prevention."""
    EXPIRED = "expired", 7
    """Its `expire_time_ns` has come."""
    END_OF_DAY = "end_of_day", 8
    """Its instrument has closed."""
    ORDER_LIST = "order_list", 9
    """Another order of its list has traded, triggered or ended."""
    MINIMUM_QUANTITY = "minimum_quantity", 10
    """Less than its minimum quantity could trade at once."""
    PRICE_BAND = "price_band", 11
    """What was left would trade outside the price bands or the collar."""
    AUCTION_ENDED = "auction_ended", 12
    """The auction for which it was entered is over."""
    INSUFFICIENT_FUNDS = "insufficient_funds", 13
    """What it needs when it triggers or is released is not available."""
    DISCONNECTED = "disconnected", 14
    """The connection of its account's client was lost."""
    CANCEL_ALL_AFTER = "cancel_all_after", 15
    """The account's cancel-all-after time has come."""
    KILL_SWITCH = "kill_switch", 16
    """A kill switch."""
    REFUSED = "refused", 17
    """When it triggered or was released it broke a rule that it kept when it was entered."""


class MassCancelReason(WireEnum):
    """Why orders are mass canceled."""

    REQUESTED = "requested", 0
    """Who may ask has asked: the orders are canceled as `mass_cancel`."""
    DISCONNECTED = "disconnected", 1
    """The connection of the account's client was lost: the orders are canceled as `disconnected`."""


class TriggerBy(WireEnum):
    """Which price triggers a conditional order (FIX TriggerPriceType 1107)."""

    LAST = "last", 0
    """The price of the last trade."""
    BEST = "best", 1
    """The price at which the order could trade: the best ask for a buy, the best bid for a sell."""
    MARK = "mark", 2
    """The mark price that the venue sets."""


class Peg(WireEnum):
    """What the price of an order follows (FIX PegPriceType 1094)."""

    NONE = "none", 0
    """Nothing."""
    PRIMARY = "primary", 1
    """The best price of its own side."""
    MARKET = "market", 2
    """The best price of the other side."""


class Contingency(WireEnum):
    """How the orders of a list depend on each other (FIX ContingencyType 1385)."""

    OCO = "oco", 1
    """One cancels the other."""
    OTO = "oto", 2
    """One triggers the other."""
    OTOCO = "otoco", 3
    """One triggers a pair of which one cancels the other."""


class ListStatus(WireEnum):
    """The state of an order list (FIX ListOrderStatus 431)."""

    EXECUTING = "executing", 1
    """Its orders are at work, or wait to be."""
    ALL_DONE = "all_done", 2
    """All of its orders have ended."""


class CancelReplaceMode(WireEnum):
    """What a cancel-replace does when one of its halves is refused."""

    STOP_ON_FAILURE = "stop_on_failure", 1
    """The new order is entered only if the cancel succeeds."""
    ALLOW_FAILURE = "allow_failure", 2
    """The new order is entered whatever becomes of the cancel."""


class StatusReason(WireEnum):
    """Why the trading status is what it is (FIX HaltReason 327)."""

    REQUESTED = "requested", 1
    """The venue has asked."""
    SCHEDULE = "schedule", 2
    """The schedule."""
    PRICE_BAND = "price_band", 3
    """A price band was reached."""
    TRIGGER_CASCADE = "trigger_cascade", 4
    """More conditional orders triggered one another than may in one command."""
    LIMIT_STATE = "limit_state", 5
    """The best price stood at a price band for too long."""
    AUCTION_END = "auction_end", 6
    """The auction is over."""
    QUARANTINED = "quarantined", 7
    """A command on it failed, and was undone. The schedule does not end it, only the venue does."""


class BandAction(WireEnum):
    """What happens to an order that would trade outside the price bands."""

    CANCEL = "cancel", 1
    """What is left of it is canceled."""
    AUCTION = "auction", 2
    """The instrument goes to a volatility auction, with what is left of it."""


class MatchingAlgorithm(WireEnum):
    """How orders at one price share what comes in."""

    PRICE_TIME = "price_time", 1
    """The oldest first."""
    PRO_RATA = "pro_rata", 2
    """In proportion to their leaves."""


class AccountMode(WireEnum):
    """What an account may do."""

    NORMAL = "normal", 1
    """Everything."""
    CANCEL_ONLY = "cancel_only", 2
    """Cancels."""
    REJECT_ONLY = "reject_only", 3
    """Nothing: every order command of it is refused."""


class Setting(WireEnum):
    """A setting whose change is told by `SettingChanged`, with the number of the command that sets it."""

    INSTRUMENT_GROUP = "instrument_group", 23
    MATCHING = "matching", 24
    LEAD_MARKET_MAKER = "lead_market_maker", 25
    PRICE_BANDS = "price_bands", 26
    FEATURES = "features", 27
    SCHEDULE = "schedule", 28
    RANDOM_SEED = "random_seed", 29
    RISK_LIMITS = "risk_limits", 30
    ACCOUNT_MODE = "account_mode", 31
    TRADE_GROUP = "trade_group", 33
    FEE_TIER = "fee_tier", 34
    FEE_PROMOTION = "fee_promotion", 35
    FEE_CAP = "fee_cap", 36


class Feature(IntFlag):
    """The kinds of orders that an instrument can take; their sum is given to `set_features`."""

    CONDITIONAL = 1
    ICEBERG = 2
    HIDDEN = 4
    PEGGED = 8
    MARKET_TO_LIMIT = 16
    SLIDE = 32
    MINIMUM_QUANTITY = 64
    ORDER_LISTS = 128
    ALL = 255


def decimal_text(value: object, field: str) -> str:
    """The text of a decimal given as `str` or `Decimal`.

    Raises TypeError naming `field` for any other type, DecimalError for a Decimal that no text of the grammar can say.
    """
    if isinstance(value, str):
        if not value.isascii():  # Full-width digits are digits to Python, not to us.
            raise DecimalError(field, "must be written in ASCII digits")
        return value
    if not isinstance(value, Decimal):
        raise TypeError(f"{field}: a decimal is given as str or Decimal, not {type(value).__name__}")
    # The bounds come first: plain notation of Decimal("1E+1000000") would be a million digits.
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or not -_MAX_SCALE <= exponent <= _MAX_SCALE or value.adjusted() > _MAX_SCALE:
        raise DecimalError(field, "must be finite, with at most 18 digits before the point and 18 behind it")
    return f"{value:f}"


@dataclass(frozen=True, slots=True)
class Step:
    """A decimal step, `mantissa / 10**scale`: a tick size or a lot size. 0.05 is `Step(5, 2)`.

    An amount of an asset is a count of `Step(1, asset's scale)`.
    """

    mantissa: int
    scale: int

    @classmethod
    def of(cls, value: Number, field: str) -> Self:
        """Reads a step such as "0.01". Raises DecimalError unless it is above 0 and its mantissa is below 2**64."""
        text = decimal_text(value, field)
        mantissa, scale = _counted(engine.parse_amount, field, text, _MAX_SCALE), _MAX_SCALE
        if mantissa == 0:
            raise DecimalError(field, "must be above 0", "invalid_step")
        while scale and mantissa % 10 == 0:
            mantissa, scale = mantissa // 10, scale - 1
        if mantissa > _MAX_MANTISSA:
            raise DecimalError(field, "has too many digits", "too_large")
        return cls(mantissa, scale)

    def count(self, value: Number, field: str) -> int:
        """How many steps `value` is: at most 2**53 - 1. Raises DecimalError naming `field`."""
        return _counted(engine.parse_decimal, field, decimal_text(value, field), self.mantissa, self.scale)

    def text(self, count: int) -> str:
        """`count` steps as decimal text without needless zeros: "0.5", "12"."""
        return engine.format_decimal(count, self.mantissa, self.scale)

    def units(self, value: Number, field: str) -> int:
        """The amount `value` in units of 10**-scale, below 10**36. Raises DecimalError naming `field`."""
        return _counted(engine.parse_amount, field, decimal_text(value, field), self.scale)

    def signed_units(self, value: Number, field: str) -> int:
        """The same, with a minus before what is negative."""
        text = decimal_text(value, field)
        units = _counted(engine.parse_amount, field, text.removeprefix("-"), self.scale)
        return -units if text.startswith("-") else units

    def __str__(self) -> str:
        return self.text(1)


def _counted(parse: Callable[_P, int], field: str, *arguments: _P.args, **named: _P.kwargs) -> int:
    """Calls one of the compiled parsers and gives its error the name of the field."""
    try:
        return parse(*arguments, **named)
    except DecimalError as error:
        raise DecimalError(field, error.rule, error.code) from None
