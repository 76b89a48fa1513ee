"""From arguments to requests. The arguments are those of `beurs.Exchange`, and mean the same.

What cannot be meant is refused here, before anything is sent; whatever can be meant the engine accepts or refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from beurs import arguments
from beurs.catalogue import Catalogue, Instrument
from beurs.client import messages
from beurs.client.messages import CLASSES
from beurs.errors import InputError
from beurs.values import (
    CancelReplaceMode,
    Contingency,
    Number,
    OrderType,
    Peg,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerBy,
)

__all__ = ["cancel_replace", "new_order", "new_order_list", "order_fields", "replace_order"]

_CLIENT_ORDER_ID_MAX: Final = 36


def client_order_id(field: str, value: str | None) -> str:
    """A client's id, or "" for none. Raises InputError for what no frame can say."""
    text = "" if value is None else arguments.text(field, value)
    if len(text) > _CLIENT_ORDER_ID_MAX or not all("!" <= character <= "~" for character in text):
        raise InputError(field, "must be 1 to 36 printable ASCII characters without spaces")
    return text


def order_fields(
    instrument: Instrument,
    side: Side | str,
    quantity: Number | None,
    *,
    price: Number | None,
    quote_quantity: Number | None,
    order_type: OrderType | str | None,
    time_in_force: TimeInForce | str | None,
    post_only: bool,
    self_trade_prevention: SelfTradePrevention | str,
    client_order_id: str,
    trigger_price: Number | None,
    trigger_by: TriggerBy | str,
    trail_bps: int | None,
    display_quantity: Number | None,
    hidden: bool,
    min_quantity: Number | None,
    expire_time_ns: int | None,
    auction_only: bool,
    slide: bool,
    peg: Peg | str,
    peg_offset: Number | None,
) -> dict[str, Any]:
    """The fields of an order, as they stand in a frame."""
    tick, lot = instrument.tick, instrument.lot
    kind, life, follows = arguments.order_kind(
        order_type, time_in_force, price, trigger_price, trail_bps, expire_time_ns, peg
    )
    price_ticks = 0 if price is None else tick.count(price, "price")
    lots = 0 if quantity is None else lot.count(quantity, "quantity")
    quote_units = arguments.units("quote_quantity", quote_quantity, instrument.quote_unit)
    # On the wire an absent number is 0. A 0 that was given is not an absent one.
    if price is not None and price_ticks == 0:
        arguments.refuse_zero_price(kind, follows)
    if quantity is not None and quote_quantity is not None and lots == 0:
        raise InputError("quote_quantity", "must not be given together with quantity")
    flags = 0
    for name, value in (
        ("post_only", post_only),
        ("hidden", hidden),
        ("auction_only", auction_only),
        ("slide", slide),
    ):
        flags |= getattr(messages, name.upper()) if arguments.flag(name, value) else 0
    return {
        "instrument_id": instrument.instrument_id,
        "side": Side.of(side, "side").number,
        "order_type": kind.number,
        "time_in_force": life.number,
        "self_trade_prevention": SelfTradePrevention.of(self_trade_prevention, "self_trade_prevention").number,
        "flags": flags,
        "trigger_by": TriggerBy.of(trigger_by, "trigger_by").number,
        "peg": follows.number,
        "trail_bps": 0 if trail_bps is None else arguments.integer("trail_bps", trail_bps, 1, 65_535),
        "price": price_ticks,
        "quantity": lots,
        "quote_quantity": quote_units,
        "trigger_price": arguments.count("trigger_price", trigger_price, tick),
        "display_quantity": arguments.count("display_quantity", display_quantity, lot),
        "min_quantity": arguments.count("min_quantity", min_quantity, lot),
        "expire_time_ns": arguments.nanoseconds("expire_time_ns", expire_time_ns),
        "peg_offset": 0 if peg_offset is None else tick.count(peg_offset, "peg_offset"),
        "client_order_id": client_order_id,
    }


_DEFAULTS: Final[dict[str, Any]] = {
    "quantity": None,
    "price": None,
    "quote_quantity": None,
    "order_type": None,
    "time_in_force": None,
    "post_only": False,
    "self_trade_prevention": SelfTradePrevention.NONE,
    "client_order_id": None,
    "trigger_price": None,
    "trigger_by": TriggerBy.LAST,
    "trail_bps": None,
    "display_quantity": None,
    "hidden": False,
    "min_quantity": None,
    "expire_time_ns": None,
    "auction_only": False,
    "slide": False,
    "peg": Peg.NONE,
    "peg_offset": None,
}


def _held_order(catalogue: Catalogue, order: Mapping[str, Any], own_id: str) -> dict[str, Any]:
    """The fields of an order that is given by a mapping of the arguments of `submit`."""
    unknown = order.keys() - _DEFAULTS.keys() - {"symbol", "side"}
    if unknown:
        raise TypeError(f"an order has no {', '.join(sorted(unknown))}")
    given = _DEFAULTS | dict(order)
    instrument = catalogue.instrument(given.pop("symbol"))
    given["client_order_id"] = own_id if given["client_order_id"] is None else given["client_order_id"]
    client_order_id("client_order_id", given["client_order_id"])
    return order_fields(instrument, **given)


def new_order(catalogue: Catalogue, order: Mapping[str, Any], own_id: str) -> Any:
    """Enters an order; one without a client_order_id gets `own_id`."""
    return CLASSES["NewOrder"](**_held_order(catalogue, order, own_id))


def new_order_list(
    catalogue: Catalogue, contingency: Contingency | str, orders: Sequence[Mapping[str, Any]], own_ids: Sequence[str]
) -> Any:
    """Enters orders that depend on each other."""
    dependence = Contingency.of(contingency, "contingency")
    if len(orders) != (3 if dependence is Contingency.OTOCO else 2):
        raise InputError("orders", "oco and oto have two orders, otoco has three")
    fields: dict[str, Any] = {"contingency": dependence.number}
    legs = {name for name, _ in messages.LAYOUTS[25].fields}
    for number, (order, own_id) in enumerate(zip(orders, own_ids, strict=True), 1):
        held = _held_order(catalogue, order, own_id)
        if (
            fields.setdefault("instrument_id", held.pop("instrument_id"))
            != catalogue.instrument(order["symbol"]).instrument_id
        ):
            raise InputError("symbol", "the orders of a list are on one instrument")
        for name, value in held.items():
            if f"{name}_{number}" in legs:
                fields[f"{name}_{number}"] = value
            elif value:
                raise InputError(name, "cannot be said of the orders of a list")
    return CLASSES["NewOrderList"](**fields)


def cancel_replace(
    catalogue: Catalogue,
    order_id: int | None,
    original_client_order_id: str | None,
    mode: CancelReplaceMode | str,
    order: Mapping[str, Any],
    own_id: str,
) -> Any:
    """Cancels one order and enters another."""
    return CLASSES["CancelReplace"](
        order_id=arguments.order_id(order_id),
        original_client_order_id=client_order_id("client_order_id", original_client_order_id),
        mode=CancelReplaceMode.of(mode, "mode").number,
        **_held_order(catalogue, order, own_id),
    )


def replace_order(
    instrument: Instrument | None,
    order_id: int | None,
    original_client_order_id: str | None,
    new_client_order_id: str | None,
    numbers: Mapping[str, Number | None],
) -> Any:
    """Changes an order. `numbers`: price, quantity, trigger_price, display_quantity; None leaves it as it is."""
    counts: dict[str, int] = {}
    for name, value in numbers.items():
        if value is None:
            continue
        if instrument is None:
            raise InputError("symbol", f"must be given with a {name}")
        counts[name] = arguments.count(name, value, instrument.tick if name.endswith("price") else instrument.lot)
    return CLASSES["ReplaceOrder"](
        order_id=arguments.order_id(order_id),
        original_client_order_id=client_order_id("client_order_id", original_client_order_id),
        client_order_id=client_order_id("new_client_order_id", new_client_order_id),
        **counts,
    )
