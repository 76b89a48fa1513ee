"""What a change has set: the fields of its command in the words of the request that asks for it.

Asked for again, with a reason, what is not null in it makes the same command. Two differ: of the random seed, which
nobody gets to see, there is none, and a correction says all of its trade, which a request only names.
"""

from collections.abc import Callable
from typing import Any, Final, get_args

from beurs import engine
from beurs.admin.schemas import FeatureWord, Weekday
from beurs.catalogue import Catalogue
from beurs.engine import format_amount
from beurs.timestamps import timestamp
from beurs.values import (
    AccountMode,
    BandAction,
    Feature,
    MatchingAlgorithm,
    Side,
    Step,
    TradingStatus,
    WireEnum,
)

_TICKS: Final = {"price", "reference", "new_price"}
_LOTS: Final = {
    *("quantity", "min_quantity", "max_quantity", "max_order_quantity", "max_position"),
    *("top_max", "min_allocation"),
}
_QUOTE: Final = {"min_notional", "max_order_notional", "max_exposure", "min_volume", "max_fee"}
_FEES: Final = {"buyer_fee", "seller_fee"}
_WORDS: Final[dict[str, type[WireEnum]]] = {
    "status": TradingStatus,
    "action": BandAction,
    "algorithm": MatchingAlgorithm,
    "mode": AccountMode,
    "side": Side,
}
_TIMES: Final = {"end_time_ns": "end_time", "from_ns": "from_time", "until_ns": "until_time"}
_NULL_IF_ZERO: Final = {
    *("reference", "top_max", "max_order_quantity", "max_order_notional", "max_position", "max_exposure", "max_fee"),
    *("end_time_ns", "side"),
}
"""What 0 says in a command is said in a request by leaving the field out."""
_OF_ALL: Final = {
    "set_trading_status": ("symbol", "instrument_group_id"),
    "kill_switch": ("symbol", "group_id", "account"),
    "mass_cancel": ("symbol", "account"),
}
"""What can be done to all there is, and which fields are null then."""


def value_of(command: bytes, catalogue: Catalogue) -> dict[str, Any] | None:
    """What an encoded command sets; None for the random seed and for a command that is not of staff."""
    decoded = engine.decode_setting(command)
    if decoded is None or decoded[0] == "set_random_seed":
        return None
    name, arguments = decoded
    if name == "list_instrument":
        return _listing(arguments, catalogue)
    # The reason that an event shows; why staff did it is said beside the value.
    arguments.pop("reason", None)
    said = _said(arguments, catalogue)
    if name in _OF_ALL:
        said["all"] = True if all(said[field] is None for field in _OF_ALL[name]) else None
    return said


def _said(arguments: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    instrument_id, asset_id = arguments.get("instrument_id"), arguments.get("asset_id")
    instrument = catalogue.instrument(instrument_id) if instrument_id else None
    asset = catalogue.asset(asset_id) if asset_id else None
    said: dict[str, Any] = {}
    for name, value in arguments.items():
        if name == "instrument_id":
            said["symbol"] = None if instrument is None else instrument.symbol
        elif name == "asset_id":
            said["asset"] = None if asset is None else asset.code
        elif name == "account_id":
            said["account"] = catalogue.account(value).code if value else None
        elif name in ("buyer", "seller"):
            said[name] = catalogue.account(value).code
        elif name in _TIMES:
            said[_TIMES[name]] = None if value == 0 and name in _NULL_IF_ZERO else timestamp(value)
        elif name in _NULL_IF_ZERO and value == 0:
            said[name] = None
        elif name in _WORDS:
            said[name] = str(_WORDS[name].of_number(value))
        elif name in _TICKS:
            assert instrument is not None  # a price is of an instrument
            said[name] = instrument.tick.text(value)
        elif name in _LOTS:
            assert instrument is not None  # and so is a quantity
            said[name] = instrument.lot.text(value)
        elif name in _QUOTE or name in _FEES:
            assert instrument is not None
            said[name] = format_amount(value, instrument.quote_unit.scale)
        elif name == "amount":
            assert asset is not None
            said[name] = format_amount(value, asset.scale)
        elif name in _OTHERS:
            shown, make = _OTHERS[name]
            said[shown] = make(value)
        else:
            said[name] = value
    return said


def _listing(arguments: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """An instrument, whose steps are in the command."""
    base, quote = catalogue.asset(arguments["base_id"]), catalogue.asset(arguments["quote_id"])
    tick = Step(arguments["tick_mantissa"], arguments["tick_scale"])
    lot = Step(arguments["lot_mantissa"], arguments["lot_scale"])
    return {
        "symbol": arguments["symbol"],
        "base": base.code,
        "quote": quote.code,
        "tick_size": tick.text(1),
        "lot_size": lot.text(1),
        "min_quantity": lot.text(arguments["min_quantity"]),
        "max_quantity": lot.text(arguments["max_quantity"]),
        "min_notional": format_amount(arguments["min_notional"], quote.scale),
    }


def _weekdays(bits: int) -> list[str]:
    return [day for at, day in enumerate(get_args(Weekday)) if bits & 1 << at]


def _features(bits: int) -> list[str]:
    return [word for word in get_args(FeatureWord) if bits & Feature[word.upper()]]


def _time_of_day(time_ns: int) -> str:
    return timestamp(time_ns)[11:-1]


_OTHERS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "time_of_day_ns": ("time_of_day", _time_of_day),
    "weekdays": ("weekdays", _weekdays),
    "features": ("features", _features),
    "trade_id": ("trade_id", str),
    "order_id": ("order_id", str),
    "client_order_id": ("client_order_id", lambda text: text or None),
}
