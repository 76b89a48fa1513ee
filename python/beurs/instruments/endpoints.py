"""The routes of instruments under /v1/instruments. Public."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from msgspec import Struct
from starlette.responses import Response

from beurs import catalogue
from beurs.deps import RunningExchange, Services, answer
from beurs.store.status import StatusValues
from beurs.timestamps import timestamp
from beurs.web.openapi import errors, json_of
from beurs.web.words import DecimalText, StatusReasonText, TradingStatusText

router: Final = APIRouter(prefix="/v1/instruments", tags=["instruments"])

SymbolPath = Annotated[str, Path(description="The instrument's symbol.", examples=["BTC-USD"])]


class Instrument(Struct, frozen=True):
    """What can be traded, and in which steps."""

    symbol: str
    base: str
    quote: str
    tick_size: DecimalText
    lot_size: DecimalText
    min_quantity: DecimalText
    max_quantity: DecimalText
    min_notional: DecimalText
    status: TradingStatusText
    status_reason: StatusReasonText
    """Why it has this status."""
    auction_end_time: str | None
    """When the auction that it is in ends by itself."""


class InstrumentList(Struct, frozen=True):
    """Every instrument."""

    instruments: list[Instrument]


async def _instruments(services: RunningExchange) -> dict[str, Instrument]:
    await services.store_caught_up()
    statuses = await services.read(services.repository.statuses)
    if len(statuses) > len(services.instruments.by_id):
        await services.read(services.instruments.refresh)
    known = services.instruments.by_id
    return {known[key].symbol: _instrument(known[key], status) for key, status in statuses.items()}


def _instrument(listed: catalogue.Instrument, values: StatusValues) -> Instrument:
    words: dict[str, Any] = {"status": values.status, "status_reason": values.status_reason}
    end_ns = values.auction_end_time_ns
    return Instrument(
        symbol=listed.symbol,
        base=listed.base,
        quote=listed.quote,
        tick_size=listed.tick_size,
        lot_size=listed.lot_size,
        min_quantity=listed.min_quantity,
        max_quantity=listed.max_quantity,
        min_notional=listed.min_notional,
        auction_end_time=None if end_ns is None else timestamp(end_ns),
        **words,
    )


@router.get("", response_class=Response, responses=json_of(InstrumentList, 200, "The instruments.") | errors(422, 503))
async def list_instruments(services: Services) -> Response:
    """Every instrument and its trading status."""
    return answer(InstrumentList(list((await _instruments(services)).values())))


@router.get(
    "/{symbol}", response_class=Response, responses=json_of(Instrument, 200, "The instrument.") | errors(404, 422, 503)
)
async def get_instrument(services: Services, symbol: SymbolPath) -> Response:
    """One instrument and its trading status."""
    known = services.instruments[symbol]
    return answer((await _instruments(services))[known.symbol])
