"""The routes of market data under /v1/market/{symbol}. Public."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from msgspec import Struct
from starlette.responses import Response

from beurs.catalogue import Instrument
from beurs.deps import Cursor, Depth, Limit, Services, Time, answer
from beurs.engine import format_amount
from beurs.streams import status_texts
from beurs.timestamps import timestamp
from beurs.web.openapi import errors, json_of
from beurs.web.steps import corrected, price_text, quantity_text
from beurs.web.words import DecimalText, SideText

router: Final = APIRouter(prefix="/v1/market/{symbol}", tags=["market data"])

SymbolPath = Annotated[str, Path(description="The instrument's symbol.", examples=["BTC-USD"])]
# A test holds these against the store's own list.
Interval = Literal["1m", "5m", "15m", "1h", "4h", "1d"]


class PriceLevel(Struct, frozen=True):
    """What rests at one price."""

    price: DecimalText
    quantity: DecimalText
    orders: int


class Book(Struct, frozen=True):
    """The best price levels of both halves of a book, the best one first, after the command `sequence`."""

    symbol: str
    sequence: int
    bids: list[PriceLevel]
    asks: list[PriceLevel]


class PublicTrade(Struct, frozen=True):
    """One match. One of an auction has no aggressor, no maker and no taker.

    A trade that the venue has corrected keeps its price here: `corrected_price` is the one that holds, and a `busted`
    trade does not hold at all.
    """

    trade_id: str
    symbol: str
    price: DecimalText
    quantity: DecimalText
    aggressor_side: SideText | None
    maker_order_id: str | None
    taker_order_id: str | None
    buy_order_id: str
    sell_order_id: str
    busted: bool
    corrected_price: DecimalText | None
    sequence: int
    timestamp: str


class PublicTradeList(Struct, frozen=True):
    """Trades, the newest first."""

    trades: list[PublicTrade]
    next_cursor: str | None


class Indication(Struct, frozen=True):
    """What an auction would give if it ended now. `imbalance` is what would be left at the price, buys less sells."""

    price: DecimalText | None
    """null if nothing would trade."""
    volume: DecimalText
    imbalance: str


class AuctionResult(Struct, frozen=True):
    """What an auction gave."""

    price: DecimalText | None
    """null if nothing traded."""
    volume: DecimalText
    timestamp: str


class AuctionReport(Struct, frozen=True):
    """The auction that an instrument is in, and the last one that ended."""

    symbol: str
    indication: Indication | None
    """null outside of auctions, and in one before there is anything in the book."""
    end_time: str | None
    """When it ends by itself; null outside of auctions, and if the venue ends it."""
    last_auction: AuctionResult | None


class TickerReport(Struct, frozen=True):
    """The last 24 hours, to the minute, and the best prices now. null where there is nothing."""

    symbol: str
    last_price: DecimalText | None
    best_bid: DecimalText | None
    best_bid_quantity: DecimalText | None
    best_ask: DecimalText | None
    best_ask_quantity: DecimalText | None
    open: DecimalText | None
    high: DecimalText | None
    low: DecimalText | None
    change: str | None
    volume: DecimalText
    notional: DecimalText
    trade_count: int
    sequence: int


class CandleReport(Struct, frozen=True):
    """The trades of one interval. An interval without trades has no candle."""

    open_time: str
    open: DecimalText
    high: DecimalText
    low: DecimalText
    close: DecimalText
    volume: DecimalText
    notional: DecimalText
    trade_count: int


class CandleList(Struct, frozen=True):
    """Candles, the oldest first."""

    symbol: str
    interval: Interval
    candles: list[CandleReport]


def _levels(instrument: Instrument, levels: list[tuple[int, int, int]]) -> list[PriceLevel]:
    return [
        PriceLevel(price_text(instrument, price), quantity_text(instrument, quantity), orders)
        for price, quantity, orders in levels
    ]


@router.get("/book", response_class=Response, responses=json_of(Book, 200, "The book.") | errors(404, 422, 503))
async def book(services: Services, symbol: SymbolPath, depth: Depth = 10) -> Response:
    """The book by price. Everything that was acknowledged before is in it."""
    instrument = services.instruments[symbol]
    sequence, bids, asks = await services.read(services.node.book, instrument.instrument_id, depth)
    return answer(Book(symbol, sequence, _levels(instrument, bids), _levels(instrument, asks)))


@router.get(
    "/trades", response_class=Response, responses=json_of(PublicTradeList, 200, "The trades.") | errors(404, 422, 503)
)
async def trades(services: Services, symbol: SymbolPath, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """The trades of an instrument, the newest first."""
    instrument = services.instruments[symbol]
    await services.store_caught_up()
    rows = await services.read(services.repository.trades, instrument.instrument_id, before=cursor, limit=limit + 1)
    next_cursor = str(rows[limit - 1].trade_id) if len(rows) > limit else None
    corrections = await services.read(services.repository.corrections, [row.trade_id for row in rows[:limit]])
    found = [_trade(row, instrument, corrections.get(row.trade_id)) for row in rows[:limit]]
    return answer(PublicTradeList(found, next_cursor))


def _trade(row: Any, instrument: Instrument, correction: Any) -> PublicTrade:
    return PublicTrade(
        trade_id=str(row.trade_id),
        symbol=instrument.symbol,
        price=price_text(instrument, row.price),
        quantity=quantity_text(instrument, row.quantity),
        aggressor_side=row.aggressor_side,
        maker_order_id=None if row.maker_order_id is None else str(row.maker_order_id),
        taker_order_id=None if row.taker_order_id is None else str(row.taker_order_id),
        buy_order_id=str(row.buy_order_id),
        sell_order_id=str(row.sell_order_id),
        **corrected(instrument, correction),
        sequence=row.sequence,
        timestamp=timestamp(row.event_time_ns),
    )


@router.get(
    "/auction", response_class=Response, responses=json_of(AuctionReport, 200, "The auction.") | errors(404, 422, 503)
)
async def auction(services: Services, symbol: SymbolPath) -> Response:
    """What the instrument's auction would give now, if it is in one, and what the last one gave."""
    instrument = services.instruments[symbol]
    await services.store_caught_up()
    status = (await services.read(services.repository.statuses))[instrument.instrument_id]
    texts = status_texts(status, instrument.tick, instrument.lot)
    indication, last = texts["indication"], texts["last_auction"]
    return answer(
        AuctionReport(
            symbol,
            None if indication is None else Indication(**indication),
            texts["auction_end_time"],
            None if last is None else AuctionResult(**last),
        )
    )


@router.get(
    "/ticker", response_class=Response, responses=json_of(TickerReport, 200, "The ticker.") | errors(404, 422, 503)
)
async def ticker(services: Services, symbol: SymbolPath) -> Response:
    """The last 24 hours of an instrument and its best prices now."""
    instrument = services.instruments[symbol]
    await services.store_caught_up()
    day = await services.read(services.repository.ticker, instrument.instrument_id, services.now_ns())
    sequence, bids, asks = await services.read(services.node.book, instrument.instrument_id, 1)
    best_bid, best_ask = _levels(instrument, bids[:1]), _levels(instrument, asks[:1])

    def price(ticks: int | None) -> str | None:
        return None if ticks is None else price_text(instrument, ticks)

    return answer(
        TickerReport(
            symbol=symbol,
            last_price=price(day.last_price),
            best_bid=best_bid[0].price if best_bid else None,
            best_bid_quantity=best_bid[0].quantity if best_bid else None,
            best_ask=best_ask[0].price if best_ask else None,
            best_ask_quantity=best_ask[0].quantity if best_ask else None,
            open=price(day.open),
            high=price(day.high),
            low=price(day.low),
            change=price(day.change),
            volume=quantity_text(instrument, day.volume),
            notional=format_amount(day.notional, instrument.quote_unit.scale),
            trade_count=day.trade_count,
            sequence=sequence,
        )
    )


@router.get(
    "/candles", response_class=Response, responses=json_of(CandleList, 200, "The candles.") | errors(404, 422, 503)
)
async def candles(
    services: Services,
    symbol: SymbolPath,
    interval: Annotated[Interval, Query(description="The length of a candle.")] = "1m",
    start_time: Time = None,
    end_time: Time = None,
    limit: Limit = 500,
) -> Response:
    """The newest candles that open at or after `start_time` and before `end_time`, the oldest first."""
    instrument = services.instruments[symbol]
    await services.store_caught_up()
    rows = await services.read(
        services.repository.candles,
        instrument.instrument_id,
        interval,
        start_ns=start_time,
        end_ns=end_time,
        limit=limit,
    )
    return answer(CandleList(symbol, interval, [_candle(row, instrument) for row in rows]))


def _candle(row: Any, instrument: Instrument) -> CandleReport:
    return CandleReport(
        open_time=timestamp(row.open_time_ns),
        open=price_text(instrument, row.open),
        high=price_text(instrument, row.high),
        low=price_text(instrument, row.low),
        close=price_text(instrument, row.close),
        volume=quantity_text(instrument, row.volume),
        notional=format_amount(row.notional, instrument.quote_unit.scale),
        trade_count=row.trade_count,
    )
