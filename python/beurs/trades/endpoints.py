"""The routes of own trades under /v1/trades."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from msgspec import Struct
from starlette.responses import Response

from beurs.deps import Cursor, Limit, OrderIdFilter, Services, Trader, answer
from beurs.engine import format_amount
from beurs.timestamps import timestamp
from beurs.web.openapi import errors, json_of
from beurs.web.steps import Instruments, corrected, price_text, quantity_text
from beurs.web.words import ClientOrderId, DecimalText, LiquidityText, SideText

router: Final = APIRouter(prefix="/v1/trades", tags=["trades"])


class OwnTrade(Struct, frozen=True):
    """One side of a trade, as its account sees it.

    If the venue has corrected it, `corrected_price` is the price that holds, and a `busted` trade does not hold at all.
    """

    trade_id: str
    order_id: str
    client_order_id: ClientOrderId | None
    symbol: str
    side: SideText
    liquidity: LiquidityText
    price: DecimalText
    quantity: DecimalText
    notional: DecimalText
    fee: str
    fee_asset: str
    busted: bool
    corrected_price: DecimalText | None
    sequence: int
    timestamp: str


class OwnTradeList(Struct, frozen=True):
    """Own trades, the newest first."""

    trades: list[OwnTrade]
    next_cursor: str | None


def _trade(row: Any, instruments: Instruments, correction: Any) -> OwnTrade:
    instrument = instruments.by_id[row.instrument_id]
    return OwnTrade(
        trade_id=str(row.trade_id),
        order_id=str(row.order_id),
        client_order_id=row.client_order_id,
        symbol=instrument.symbol,
        side=row.side,
        liquidity=row.liquidity,
        price=price_text(instrument, row.price),
        quantity=quantity_text(instrument, row.quantity),
        notional=format_amount(row.notional, instrument.quote_unit.scale),
        fee=format_amount(row.fee, instrument.quote_unit.scale),
        fee_asset=instrument.quote,
        **corrected(instrument, correction),
        sequence=row.sequence,
        timestamp=timestamp(row.event_time_ns),
    )


@router.get(
    "", response_class=Response, responses=json_of(OwnTradeList, 200, "The trades.") | errors(401, 404, 422, 503)
)
async def list_trades(
    trader: Trader,
    services: Services,
    symbol: Annotated[str | None, Query(description="Only on this instrument.")] = None,
    order_id: OrderIdFilter = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List own trades, the newest first. Everything that was acknowledged before is in it."""
    instrument_id = None if symbol is None else services.instruments[symbol].instrument_id
    await services.store_caught_up()
    rows = await services.read(
        services.repository.fills,
        trader.account_id,
        instrument_id=instrument_id,
        order_id=order_id,
        before=cursor,
        limit=limit + 1,
    )
    next_cursor = str(rows[limit - 1].fill_id) if len(rows) > limit else None
    corrections = await services.read(services.repository.corrections, [row.trade_id for row in rows[:limit]])
    trades = [_trade(row, services.instruments, corrections.get(row.trade_id)) for row in rows[:limit]]
    return answer(OwnTradeList(trades, next_cursor))
