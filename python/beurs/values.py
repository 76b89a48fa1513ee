"""Decimal text, steps and the words of the field.

Decimals come in as `str` or `Decimal` and go out as `str`, by the grammar `(0|[1-9][0-9]{0,17})(\\.[0-9]{1,18})?`. A
float is never taken: 0.1 is not a tenth. Inside, everything is a whole number of steps; the arithmetic is the compiled
module's. Every enum member is its own text and has the `number` that stands for it in records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import ParamSpec, Self

from beurs import engine
from beurs.errors import DecimalError, InputError

__all__ = [
    "CancelReason",
    "ExecType",
    "Liquidity",
    "Number",
    "OrderStatus",
    "OrderType",
    "SelfTradePrevention",
    "Side",
    "Step",
    "TimeInForce",
    "TradingStatus",
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
    MARKET = "market", 2


class TimeInForce(WireEnum):
    """How long an order lives (FIX TimeInForce 59)."""

    GTC = "gtc", 1
    """Good till canceled."""
    IOC = "ioc", 2
    """Immediate or cancel: what cannot trade at once is canceled."""
    FOK = "fok", 3
    """Fill or kill: trades whole at once, or not at all."""


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
    POST_ONLY = "post_only", 2
    CANCEL_ONLY = "cancel_only", 3
    HALTED = "halted", 4


class OrderStatus(WireEnum):
    """The state of an order (FIX OrdStatus 39)."""

    NEW = "new", 1
    PARTIALLY_FILLED = "partially_filled", 2
    FILLED = "filled", 3
    CANCELED = "canceled", 4


class ExecType(WireEnum):
    """What just happened to an order (FIX ExecType 150)."""

    NEW = "new", 1
    TRADE = "trade", 2
    CANCELED = "canceled", 3
    REPLACED = "replaced", 4
    RESTATED = "restated", 5


class Liquidity(WireEnum):
    """Which part an order played in a trade (FIX LastLiquidityInd 851)."""

    NONE = "none", 0
    MAKER = "maker", 1
    TAKER = "taker", 2


class CancelReason(WireEnum):
    """Why an order was canceled."""

    NONE = "none", 0
    REQUESTED = "requested", 1
    MASS_CANCEL = "mass_cancel", 2
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel", 3
    FILL_OR_KILL = "fill_or_kill", 4
    NO_LIQUIDITY = "no_liquidity", 5
    SELF_TRADE = "self_trade", 6


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

    def __str__(self) -> str:
        return self.text(1)


def _counted(parse: Callable[_P, int], field: str, *arguments: _P.args, **named: _P.kwargs) -> int:
    """Calls one of the compiled parsers and gives its error the name of the field."""
    try:
        return parse(*arguments, **named)
    except DecimalError as error:
        raise DecimalError(field, error.rule, error.code) from None
