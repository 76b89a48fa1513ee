"""Positions as decimal text: what an account has traded of an instrument, what that cost, and what it has earned."""

from __future__ import annotations

from dataclasses import dataclass

from beurs import engine
from beurs.catalogue import Instrument
from beurs.rows import PositionRow

__all__ = ["Position", "position_of"]

_MORE_DECIMALS = 4
_MAX_SCALE = 18


@dataclass(frozen=True, slots=True)
class Position:
    """An account's position in an instrument, by average cost. Numbers are decimal text, some with a minus.

    Attributes:
        symbol: Which instrument.
        quantity: Bought less sold, in base; negative if more was sold.
        average_price: What is open cost, for one base; None if nothing is open. Rounded half up to four decimals more
            than the tick size has, 18 at most. `cost` is exact.
        cost: What is open cost, in quote.
        mark_price: What it is valued at: the mark price, else the last price; None without either.
        realised_profit: What was earned by opening and closing, before fees, in quote.
        unrealised_profit: What closing at `mark_price` would add to it, in quote; None without a mark_price.
        fees: Fees paid less rebates received, in quote.
        bought: All that was bought, in base.
        sold: All that was sold, in base.
    """

    symbol: str
    quantity: str
    average_price: str | None
    cost: str
    mark_price: str | None
    realised_profit: str
    unrealised_profit: str | None
    fees: str
    bought: str
    sold: str


def position_of(row: PositionRow, instrument: Instrument) -> Position:
    """A position of the node, with the decimals of its instrument."""
    lots, money = instrument.lot.text, instrument.quote_unit.scale
    return Position(
        symbol=instrument.symbol,
        quantity=lots(row["quantity"]),
        average_price=_average_price(row, instrument),
        cost=engine.format_amount(row["cost"], money),
        mark_price=instrument.tick.text(row["mark"]) if row["mark"] else None,
        realised_profit=engine.format_amount(row["realised"], money),
        unrealised_profit=engine.format_amount(row["unrealised"], money) if row["mark"] else None,
        fees=engine.format_amount(row["fees"], money),
        bought=lots(row["bought"]),
        sold=lots(row["sold"]),
    )


def _average_price(row: PositionRow, instrument: Instrument) -> str | None:
    quantity = abs(row["quantity"])
    if quantity == 0:
        return None
    scale = min(instrument.tick.scale + _MORE_DECIMALS, _MAX_SCALE)
    units = row["cost_tick_lots"] * instrument.tick.mantissa * 10 ** (scale - instrument.tick.scale)
    return engine.format_amount((2 * units + quantity) // (2 * quantity), scale)
