"""The door to the compiled module. Nothing else imports `beurs._core`."""

from typing import TYPE_CHECKING

from beurs._core import (
    COMMAND_FIELDS,
    COMMAND_SIZE,
    EVENT_FIELDS,
    EVENT_SIZE,
    VERSION,
    Event,
    Node,
    add_asset,
    cancel_order,
    decode_events,
    deposit,
    enums,
    format_amount,
    format_decimal,
    list_instrument,
    mass_cancel,
    new_order,
    open_account,
    parse_amount,
    parse_decimal,
    reject_reasons,
    replace_order,
    set_account_group,
    set_fees,
    set_trading_status,
    verify,
    withdraw,
)

if TYPE_CHECKING:
    # The shapes of the rows, which only the stub knows.
    from beurs._core import _Account as AccountRow
    from beurs._core import _Asset as AssetRow
    from beurs._core import _Instrument as InstrumentRow
    from beurs._core import _Order as OrderRow

__all__ = [
    "AccountRow",
    "AssetRow",
    "InstrumentRow",
    "OrderRow",
    "COMMAND_FIELDS",
    "COMMAND_SIZE",
    "EVENT_FIELDS",
    "EVENT_SIZE",
    "VERSION",
    "Event",
    "Node",
    "add_asset",
    "cancel_order",
    "decode_events",
    "deposit",
    "enums",
    "format_amount",
    "format_decimal",
    "list_instrument",
    "mass_cancel",
    "new_order",
    "open_account",
    "parse_amount",
    "parse_decimal",
    "reject_reasons",
    "replace_order",
    "set_account_group",
    "set_fees",
    "set_trading_status",
    "verify",
    "withdraw",
]
