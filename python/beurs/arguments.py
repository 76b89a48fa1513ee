"""Arguments of the exchange in this process: what cannot be meant is refused here, before anything is sent."""

from __future__ import annotations

from beurs.errors import InputError
from beurs.values import Number, Step

__all__ = ["above_zero", "client_order_id", "count", "flag", "integer", "nanoseconds", "order_id", "text", "units"]


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
