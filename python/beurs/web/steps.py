"""Decimal text of an instrument's prices, quantities and amounts, in and out, for the REST edge; and its instruments by
symbol.

What comes in is checked here once, with the field's name in the error; what goes out is canonical.
"""

from typing import Any

from beurs.catalogue import Asset, Catalogue, Instrument
from beurs.engine import format_amount, format_decimal, parse_amount, parse_decimal
from beurs.errors import DecimalError
from beurs.web.problems import Problem


class Instruments:
    """The listed instruments. `refresh` takes in what has been listed since; a look-up never does, so that asking for
    symbols that do not exist costs nothing."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.by_symbol: dict[str, Instrument] = {}
        self.by_id: dict[int, Instrument] = {}
        self.assets: dict[int, Asset] = {}
        self.refresh()

    def refresh(self) -> None:
        """Takes what the catalogue knows now."""
        self.assets = {asset.asset_id: asset for asset in self.catalogue.assets()}
        self.by_id = {instrument.instrument_id: instrument for instrument in self.catalogue.instruments()}
        self.by_symbol = {instrument.symbol: instrument for instrument in self.by_id.values()}

    def __getitem__(self, symbol: str) -> Instrument:
        """The instrument of a symbol. Raises Problem unknown_instrument."""
        instrument = self.by_symbol.get(symbol)
        if instrument is None:
            raise Problem("unknown_instrument", field="symbol")
        return instrument


# To the engine 0 is an absent number. So a 0 that was given is refused here, unless (`least` is 0) the engine refuses
# it just as it would refuse an absent one; then it has the say, so that of several reasons it gives the right one.


def ticks(instrument: Instrument, text: str, least: int = 1, field: str = "price") -> int:
    """A price as a count of ticks."""
    return _stepped(least, field, text, instrument.tick.mantissa, instrument.tick.scale)


def lots(instrument: Instrument, text: str, least: int = 1, field: str = "quantity") -> int:
    """A quantity as a count of lots."""
    return _stepped(least, field, text, instrument.lot.mantissa, instrument.lot.scale)


def quote_units(instrument: Instrument, text: str) -> int:
    """A quote quantity in the quote asset's smallest unit."""
    scale = instrument.quote_unit.scale
    try:
        return _at_least(1, "quote_quantity", parse_amount(text, scale))
    except DecimalError as error:
        raise _problem(error, "quote_quantity", 1, scale) from None


def _stepped(least: int, field: str, text: str, mantissa: int, scale: int) -> int:
    try:
        return _at_least(least, field, parse_decimal(text, mantissa, scale))
    except DecimalError as error:
        raise _problem(error, field, mantissa, scale) from None


def _at_least(least: int, field: str, count: int) -> int:
    if count < least:
        raise Problem(_BELOW_ONE[field], field=field)
    return count


_BELOW_ONE = {
    "price": "invalid_price",
    "quantity": "invalid_quantity",
    "quote_quantity": "invalid_quantity",
    "trigger_price": "invalid_trigger_price",
    "display_quantity": "invalid_display_quantity",
    "min_quantity": "invalid_minimum_quantity",
}


def _problem(error: DecimalError, field: str, mantissa: int, scale: int) -> Problem:
    step = f" of {format_decimal(1, mantissa, scale)}" if error.code == "not_a_multiple" else ""
    return Problem(error.code, f"The {field} {error.rule}{step}.", field)


def price_text(instrument: Instrument, price_ticks: int) -> str:
    """A price as decimal text."""
    return format_decimal(price_ticks, instrument.tick.mantissa, instrument.tick.scale)


def corrected(instrument: Instrument, correction: Any) -> dict[str, Any]:
    """What became of a trade, from its last correction as the store has it, or None."""
    if correction is None:
        return {"busted": False, "corrected_price": None}
    new_price = correction.new_price
    return {"busted": new_price == 0, "corrected_price": price_text(instrument, new_price) if new_price else None}


def quantity_text(instrument: Instrument, quantity_lots: int) -> str:
    """A quantity as decimal text."""
    return format_decimal(quantity_lots, instrument.lot.mantissa, instrument.lot.scale)


def hold_text(instrument: Instrument, side: str, units: int) -> str:
    """What is held for an order: quote for a buy, base for a sell."""
    return format_amount(units, (instrument.quote_unit if side == "buy" else instrument.base_unit).scale)
