"""The instruments and assets by name and by number, as the REST edge needs them.

Filled from the node at start and again whenever an instrument is listed. What changes with trading (status, last price)
is not kept here but read from the node.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from beurs.engine import Node, format_amount, format_decimal, parse_amount, parse_decimal
from beurs.errors import DecimalError
from beurs.web.problems import Problem


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset and its decimals."""

    asset_id: int
    code: str
    scale: int

    def text(self, units: int) -> str:
        """An amount as decimal text; below zero (a rebate, a withdrawal) with a minus sign."""
        return f"-{format_amount(-units, self.scale)}" if units < 0 else format_amount(units, self.scale)


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument and its steps. The only place where the REST edge turns decimal text into counts and back."""

    instrument_id: int
    symbol: str
    base: Asset
    quote: Asset
    tick: tuple[int, int]  # mantissa, scale
    lot: tuple[int, int]
    min_quantity: int
    max_quantity: int
    min_notional: int

    def ticks(self, text: str) -> int:
        """A price as a count of ticks, at least 1."""
        return _positive(_parse(parse_decimal, "price", text, *self.tick), "price", "invalid_price")

    def lots(self, text: str) -> int:
        """A quantity as a count of lots, at least 1."""
        return _positive(_parse(parse_decimal, "quantity", text, *self.lot), "quantity", "invalid_quantity")

    def quote_units(self, text: str) -> int:
        """A quote quantity in the quote asset's smallest unit, at least 1."""
        units = _parse(parse_amount, "quote_quantity", text, self.quote.scale)
        return _positive(units, "quote_quantity", "invalid_quantity")

    def price_text(self, ticks: int) -> str:
        """A price as decimal text."""
        return format_decimal(ticks, *self.tick)

    def quantity_text(self, lots: int) -> str:
        """A quantity as decimal text."""
        return format_decimal(lots, *self.lot)


def _parse(parse: Any, field: str, *arguments: Any) -> int:
    try:
        count: int = parse(*arguments)
    except DecimalError as error:
        raise Problem(error.code, error.rule, field) from None
    return count


def _positive(count: int, field: str, code: str) -> int:
    if count == 0:
        raise Problem(code, field=field)
    return count


class Catalog:
    """Every asset and instrument of the venue."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.assets: dict[int, Asset] = {}
        self.by_id: dict[int, Instrument] = {}
        self.by_symbol: dict[str, Instrument] = {}
        self.refresh()

    def refresh(self) -> None:
        """Takes what the node knows now."""
        self.assets = {row["asset_id"]: Asset(row["asset_id"], row["code"], row["scale"]) for row in self._node.assets()}
        self.by_id = {row["instrument_id"]: self._instrument(row) for row in self._node.instruments()}
        self.by_symbol = {instrument.symbol: instrument for instrument in self.by_id.values()}

    def _instrument(self, row: dict[str, Any]) -> Instrument:
        return Instrument(
            instrument_id=row["instrument_id"],
            symbol=row["symbol"],
            base=self.assets[row["base_id"]],
            quote=self.assets[row["quote_id"]],
            tick=(row["tick_mantissa"], row["tick_scale"]),
            lot=(row["lot_mantissa"], row["lot_scale"]),
            min_quantity=row["min_quantity"],
            max_quantity=row["max_quantity"],
            min_notional=row["min_notional"],
        )

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of a symbol. Raises Problem unknown_instrument."""
        instrument = self.by_symbol.get(symbol)
        if instrument is None:
            raise Problem("unknown_instrument", field="symbol")
        return instrument

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self.by_id.values())
