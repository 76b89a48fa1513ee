"""Arguments of the exchange in this process: what cannot be meant is refused here, before anything is sent."""

from __future__ import annotations

from typing import Final

from beurs.errors import InputError
from beurs.values import Number, OrderType, Peg, Step, TimeInForce

__all__ = [
    "above_zero",
    "client_order_id",
    "count",
    "flag",
    "integer",
    "nanoseconds",
    "order_id",
    "order_kind",
    "refuse_zero_price",
    "text",
    "units",
]

_CONDITIONAL: Final = {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
_WITHOUT_LIMIT: Final = {OrderType.MARKET, OrderType.STOP, OrderType.TAKE_PROFIT}


def text(field: str, value: object) -> str:
    """A str."""
    if not isinstance(value, str):
        raise TypeError(f"{field}: must be str, not {type(value).__name__}")
    return value


def integer(field: str, value: object, low: int, high: int) -> int:
    """An int, which True is not, from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field}: must be int, not {type(value).__name__}")
    if not low <= value <= high:
        raise InputError(field, f"must be from {low} to {high}")
    return value


def nanoseconds(field: str, value: object) -> int:
    """A time since 1970 UTC, or a length of time; an absent one is 0."""
    return 0 if value is None else integer(field, value, 0, 2**63 - 1)


def count(field: str, value: Number | None, step: Step) -> int:
    """How many steps a decimal is. An absent one is 0, so a given one is above 0."""
    return 0 if value is None else above_zero(field, step.count(value, field))


def units(field: str, value: Number | None, unit: Step) -> int:
    """An amount in the smallest unit. An absent one is 0, so a given one is above 0."""
    return 0 if value is None else above_zero(field, unit.units(value, field))


def above_zero(field: str, number: int) -> int:
    """A number above 0."""
    if number == 0:
        raise InputError(field, "must be above 0")
    return number


def flag(field: str, value: object) -> bool:
    """True or False, nothing like it."""
    if not isinstance(value, bool):
        raise TypeError(f"{field}: must be bool, not {type(value).__name__}")
    return value


def order_id(value: object) -> int:
    """An absent order_id is 0; a given one is at least 1."""
    return 0 if value is None else integer("order_id", value, 1, 2**63 - 1)


def client_order_id(field: str, value: object) -> str:
    """An absent client_order_id is the empty text; a given one is not empty."""
    if value is None:
        return ""
    if text(field, value) == "":
        raise InputError(field, "must be 1 to 36 printable ASCII characters without spaces")
    return str(value)


def order_kind(
    order_type: OrderType | str | None,
    time_in_force: TimeInForce | str | None,
    price: Number | None,
    trigger_price: Number | None,
    trail_bps: int | None,
    expire_time_ns: int | None,
    peg: Peg | str,
) -> tuple[OrderType, TimeInForce, Peg]:
    """The type and the life of an order, and what it follows: those given, or what the other arguments say."""
    follows = Peg.of(peg, "peg")
    if order_type is not None:
        kind = OrderType.of(order_type, "order_type")
    elif trigger_price is not None or trail_bps is not None:
        raise InputError("order_type", f"must be given for a conditional order: {', '.join(sorted(_CONDITIONAL))}")
    else:
        kind = OrderType.MARKET if price is None and follows is Peg.NONE else OrderType.LIMIT
    if time_in_force is not None:
        life = TimeInForce.of(time_in_force, "time_in_force")
    elif expire_time_ns is not None:
        life = TimeInForce.GTD
    else:
        life = TimeInForce.IOC if kind in _WITHOUT_LIMIT else TimeInForce.GTC
    return kind, life, follows


def refuse_zero_price(kind: OrderType, follows: Peg) -> None:
    """Refuses a price of 0 that was given where an absent one, which is 0 too, means something else."""
    if follows is not Peg.NONE:
        raise InputError("price", "must be above 0")
    if kind in _WITHOUT_LIMIT:
        raise InputError("price", f"must not be given for a {kind} order")
