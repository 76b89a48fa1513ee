"""The routes of instruments under /v1/instruments. Public."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from msgspec import Struct
from starlette.responses import Response

from beurs import catalogue
from beurs.deps import Services, answer
from beurs.web.openapi import errors, json_of
from beurs.web.words import DecimalText

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
    status: str


class InstrumentList(Struct, frozen=True):
    """Every instrument."""

    instruments: list[Instrument]


def _instrument(listed: catalogue.Instrument) -> Instrument:
    return Instrument(*(str(getattr(listed, name)) for name in Instrument.__struct_fields__))


@router.get("", response_class=Response, responses=json_of(InstrumentList, 200, "The instruments.") | errors(422, 503))
async def list_instruments(services: Services) -> Response:
    """Every instrument and its trading status."""
    return answer(InstrumentList([_instrument(listed) for listed in services.instruments.catalogue.instruments()]))


@router.get(
    "/{symbol}", response_class=Response, responses=json_of(Instrument, 200, "The instrument.") | errors(404, 422, 503)
)
async def get_instrument(services: Services, symbol: SymbolPath) -> Response:
    """One instrument and its trading status."""
    instrument_id = services.instruments[symbol].instrument_id
    # The catalogue's list is as of now, status included.
    listed = services.instruments.catalogue.instruments()[instrument_id - 1]
    return answer(_instrument(listed))
