"""The market data feed: follows the node's events and tells subscribers what the public may know.

One task of the event loop. On every tick it takes the events since the last one, adds the trades to the tapes and sends
each of them; then it reads the books that were touched and sends what changed since it last sent (conflation: a book is
read once a tick, however often it changed). A tick costs at most about a quarter of the loop's time: they come 1 to 10
ms apart when busy.

Invariants: trades are sent once each, in their order, never conflated; a depth update tells the sequence of the message
before it; a message is encoded once, however many subscribers there are; no subscriber is waited for; everything is as
durable as the node says, so nothing that is sent is ever taken back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from beurs import records
from beurs.engine import EVENT_SIZE
from beurs.errors import Lagged, NodeStopped
from beurs.records import EventKind
from beurs.rows import AssetRow, InstrumentRow
from beurs.store.candles import Ticker
from beurs.store.projection import AUCTION, BUY, public_trades
from beurs.store.repository import Repository
from beurs.store.status import STATUS_KINDS, StatusValues
from beurs.streams.books import BestView, DepthView, Level
from beurs.streams.messages import (
    DEPTH_DEFAULT,
    Message,
    Refused,
    Subscribe,
    Unsubscribe,
    signed_decimal,
)
from beurs.streams.tape import TRADES_KEPT, Tape, TapeTrade
from beurs.timestamps import timestamp
from beurs.values import Step

log = logging.getLogger(__name__)

TICK_EVENTS: Final = 4096
"""Events in a tick; what is left is for the next one, after the loop had a turn."""
TICK_SECONDS_MIN: Final = 0.001
TICK_SECONDS_MAX: Final = 0.010
UNSEEN_SECONDS: Final = 0.1
"""How often to look while nobody subscribes: events are taken in large pieces, and the loop is left to the others."""
IDLE_SECONDS: Final = 0.005
"""How often to look when nothing happens and nobody notifies."""
TICKER_SECONDS: Final = 0.1
"""A ticker is sent at most this often."""
TICKER_REFRESH_SECONDS: Final = 1.0
"""How often to look whether the 24 hours have moved on."""


class Source(Protocol):
    """What the feed needs of a node."""

    @property
    def sequence(self) -> int:
        """The last durable one."""

    def events_since(self, sequence: int, max_bytes: int) -> bytes:
        """EVENT records of whole commands after ``sequence``, from memory; raises Lagged."""

    def replay_events(self, sequence: int, max_bytes: int) -> bytes:
        """The same from the journal."""

    def book(self, instrument_id: int, depth: int) -> tuple[int, list[Level], list[Level]]:
        """The sequence, the bids and the asks, best first."""

    def assets(self) -> list[AssetRow]:
        """Every asset."""

    def instruments(self) -> list[InstrumentRow]:
        """Every instrument."""


class Subscriber(Protocol):
    """Who gets messages."""

    def deliver(self, frames: bytes, messages: Sequence[Message]) -> None:
        """Takes messages, ``frames`` being all their frames, joined. Never blocks, never raises."""

    def end(self, code: int, reason: str) -> None:
        """Ends the connection: the feed has to stop, or cannot go on without a gap."""


@dataclass(frozen=True, slots=True)
class _Listed:
    instrument_id: int
    symbol: str
    tick: Step
    lot: Step
    quote_unit: Step


TopicKey = tuple[str, int, int]
"""Channel, instrument_id, depth (0 where there is none)."""


@dataclass(slots=True)
class _Topic:
    key: TopicKey
    subscribers: dict[Subscriber, None] = field(default_factory=dict)
    view: DepthView | BestView | None = None
    ticker_sent: dict[str, Any] | None = None
    ticker_time: float = 0.0

    def publish(self, messages: list[Message]) -> int:
        frames = messages[0].frame if len(messages) == 1 else b"".join(message.frame for message in messages)
        # A copy: who is dropped while being served leaves the topic.
        for subscriber in list(self.subscribers):
            subscriber.deliver(frames, messages)
        return len(self.subscribers) * len(messages)


class Feed:
    """Belongs to one event loop. :meth:`start` it, :meth:`stop` it before the node is closed."""

    def __init__(
        self,
        source: Source,
        repository: Repository | None = None,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """``repository`` tells of the trades before the start; without it they are read from the journal."""
        self._source = source
        self._repository = repository
        self._clock_ns = clock_ns
        self._position = 0
        self._event_time_ns = 0
        self._listed: dict[int, _Listed] = {}
        self._by_symbol: dict[str, _Listed] = {}
        self._tapes: dict[int, Tape] = {}
        self._statuses: dict[int, StatusValues] = {}
        self._topics: dict[TopicKey, _Topic] = {}
        self._books: dict[int, list[_Topic]] = {}
        self._tickers_due: set[int] = set()
        self._ticker_refresh_time = 0.0
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._error: str | None = None
        self._messages_total = 0
        self._deliveries_total = 0
        self._ticks_total = 0

    # What the application does with a feed.

    async def start(self) -> None:
        """Learns what has happened so far, then follows. Raises what the node or the store raise."""
        assert self._task is None, "started twice"
        loop = asyncio.get_running_loop()
        if self._repository is not None:
            await loop.run_in_executor(None, self._fill, self._repository)
        else:
            self._list_instruments()
        while await self._step():  # noqa: ASYNC110 -- there is nothing to wait for, others get a turn
            await asyncio.sleep(0)
        self._task = loop.create_task(self._run(), name="beurs-feed")

    async def stop(self) -> None:
        """Ends the task. Subscribers are not told; the server ends their connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def notify(self) -> None:
        """Says that there are events: an idle feed looks at once. Only for the feed's own loop."""
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    @property
    def position(self) -> int:
        """The sequence of the last event that was sent."""
        return self._position

    @property
    def error(self) -> str | None:
        """What keeps the feed from going on, ``None`` when all is well."""
        if self._task is not None and self._task.done():
            return self._error or "the feed has ended"
        return self._error

    def stats(self) -> dict[str, int | str | None]:
        """Numbers for /stats."""
        return {
            "position": self._position,
            "topics": len(self._topics),
            "ticks_total": self._ticks_total,
            "messages_total": self._messages_total,
            "deliveries_total": self._deliveries_total,
            "error": self.error,
        }

    def tape(self, instrument_id: int) -> Tape:
        """The last trades and the ticker of an instrument, as of :attr:`position`."""
        tape = self._tapes.get(instrument_id)
        if tape is None:
            tape = self._tapes[instrument_id] = Tape()
        return tape

    # What sessions do with it.

    def key(self, request: Subscribe | Unsubscribe) -> TopicKey:
        """What a request is about. Raises Refused."""
        listed = self._by_symbol.get(request.symbol)
        if listed is None:
            raise Refused("unknown_instrument", field="symbol", request_id=request.id)
        depth = (request.depth or DEPTH_DEFAULT) if request.channel == "depth" else 0
        return request.channel, listed.instrument_id, depth

    def subscribe(self, subscriber: Subscriber, key: TopicKey) -> Message:
        """Adds a subscriber; the snapshot that its updates build on. To subscribe twice gives the snapshot again."""
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = self._topic(key)
            if topic.view is not None:
                self._books.setdefault(key[1], []).append(topic)
        topic.subscribers[subscriber] = None
        self.notify()  # it may be pausing, because nobody looked
        self._messages_total += 1
        return Message(self._snapshot(topic))

    def unsubscribe(self, subscriber: Subscriber, key: TopicKey) -> None:
        """Removes a subscriber."""
        topic = self._topics.get(key)
        if topic is None:
            return
        topic.subscribers.pop(subscriber, None)
        if not topic.subscribers:
            del self._topics[key]
            if topic.view is not None:
                self._books[key[1]].remove(topic)
                if not self._books[key[1]]:
                    del self._books[key[1]]

    def _topic(self, key: TopicKey) -> _Topic:
        channel, instrument_id, depth = key
        listed = self._listed[instrument_id]
        topic = _Topic(key)
        if channel == "depth":
            topic.view = DepthView(listed.symbol, depth, listed.tick, listed.lot)
        elif channel == "bbo":
            topic.view = BestView(listed.symbol, listed.tick, listed.lot)
        if topic.view is not None:
            topic.view.set(*self._source.book(instrument_id, max(depth, 1)))
        return topic

    def _snapshot(self, topic: _Topic) -> dict[str, Any]:
        if topic.view is not None:
            return topic.view.snapshot()
        channel, instrument_id, _ = topic.key
        listed = self._listed[instrument_id]
        if channel == "ticker":
            content = self._ticker_content(listed)
            topic.ticker_sent, topic.ticker_time = content, time.monotonic()
            return {"type": "snapshot", **content, **self._moment()}
        if channel == "status":
            return {"type": "snapshot", **_status_content(listed, self._status(instrument_id)), **self._moment()}
        return {
            "type": "snapshot",
            "channel": "trades",
            "symbol": listed.symbol,
            "sequence": self._position,
            "trades": [_trade_content(listed, trade) for trade in self.tape(instrument_id).trades],
        }

    # The start.

    def _fill(self, repository: Repository) -> None:
        recent = repository.recent(self._clock_ns(), TRADES_KEPT)
        self._position, self._event_time_ns = recent.position, recent.event_time_ns
        for instrument_id, (trades, minutes) in recent.instruments.items():
            names = TapeTrade._fields
            self.tape(instrument_id).fill((TapeTrade(*(getattr(t, name) for name in names)) for t in trades), minutes)
        self._statuses.update(recent.statuses)
        self._list_instruments()

    def _list_instruments(self) -> None:
        scales = {asset["asset_id"]: asset["scale"] for asset in self._source.assets()}
        for row in self._source.instruments():
            listed = _Listed(
                row["instrument_id"],
                row["symbol"],
                Step(row["tick_mantissa"], row["tick_scale"]),
                Step(row["lot_mantissa"], row["lot_scale"]),
                Step(1, scales[row["quote_id"]]),
            )
            self._listed.setdefault(listed.instrument_id, listed)
            self._by_symbol.setdefault(listed.symbol, listed)

    # Following.

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begin = loop.time()
            try:
                busy = await self._step()
                self._send_tickers(begin)
                self._error = None
            except NodeStopped:
                self._error = "the node has stopped"
                self._end_all(1001, "the exchange has stopped")
                return
            except Exception as error:
                self._error = f"{type(error).__name__}: {error}"[:500]
                log.exception("feed: failed at sequence %d, trying again", self._position)
                await asyncio.sleep(1.0)
                continue
            behind = self._source.sequence - self._position
            if busy and (self._topics or behind > TICK_EVENTS):
                await asyncio.sleep(min(max(3 * (loop.time() - begin), TICK_SECONDS_MIN), TICK_SECONDS_MAX))
            elif not behind or not self._topics:
                self._idle = loop.create_future()
                timer = loop.call_later(IDLE_SECONDS if self._topics else UNSEEN_SECONDS, self.notify)
                await self._idle
                timer.cancel()

    async def _step(self) -> bool:
        """One tick; whether there was anything."""
        source, position = self._source, self._position
        try:
            data = source.events_since(position, TICK_EVENTS * EVENT_SIZE)
        except Lagged:
            loop = asyncio.get_running_loop()
            data = await loop.run_in_executor(None, source.replay_events, position, TICK_EVENTS * EVENT_SIZE)
        if not data:
            return False
        self._apply(data)
        return True

    def _apply(self, data: bytes) -> None:
        events = records.events(data)
        self._ticks_total += 1
        kinds = events["kind"]
        if bool(np.any(kinds == EventKind.INSTRUMENT_LISTED)):
            self._list_instruments()
        executions = events[kinds == EventKind.EXECUTION]
        touched: list[int] = np.unique(executions["instrument_id"]).tolist() if len(executions) else []
        trades = executions[public_trades(executions)]
        self._position = int(events["sequence"][-1])
        self._event_time_ns = int(events["event_time_ns"][-1])
        if len(trades):
            self._take_trades(trades)
        statuses = np.isin(kinds, STATUS_KINDS)
        if bool(np.any(statuses)):
            self._take_statuses(events[statuses])
        for instrument_id in touched:
            topics = self._books.get(instrument_id)
            if topics:
                self._send_book(instrument_id, topics)

    def _take_trades(self, trades: npt.NDArray[np.void]) -> None:
        notionals = records.amounts(trades, "last_notional").tolist()
        names = (
            "trade_id",
            "sequence",
            "event_time_ns",
            "last_price",
            "last_quantity",
            "side",
            "counter_order_id",
            "order_id",
            "instrument_id",
            "liquidity",
        )
        columns = [trades[name].tolist() for name in names]
        by_instrument: dict[int, list[TapeTrade]] = {}
        for trade_id, sequence, time_ns, price, quantity, side, other, own, instrument_id, liquidity, notional in zip(
            *columns, notionals, strict=True
        ):
            buys = side == BUY
            if liquidity == AUCTION:
                aggressor = maker = taker = None
            else:
                aggressor, maker, taker = "buy" if buys else "sell", other, own
            buy, sell = (own, other) if buys else (other, own)
            trade = TapeTrade(
                trade_id, sequence, time_ns, price, quantity, notional, aggressor, maker, taker, buy, sell
            )
            by_instrument.setdefault(instrument_id, []).append(trade)
        for instrument_id, new in by_instrument.items():
            tape = self.tape(instrument_id)
            tape.add(new)
            self._tickers_due.add(instrument_id)
            topic = self._topics.get(("trades", instrument_id, 0))
            if topic is not None:
                listed = self._listed[instrument_id]
                self._publish(
                    topic,
                    [
                        Message({"type": "update", "channel": "trades", **_trade_content(listed, trade)})
                        for trade in new
                    ],
                )

    def _take_statuses(self, events: npt.NDArray[np.void]) -> None:
        """Each change is told, in its order, but of the indications of one instrument between two other changes only
        the last one."""
        changes: dict[int, list[Message]] = {}
        last = len(events) - 1
        kinds: list[int] = events["kind"].tolist()
        instrument_ids: list[int] = events["instrument_id"].tolist()
        following: dict[int, int] = {}
        overtaken: set[int] = set()
        for i in range(last, -1, -1):
            if kinds[i] == EventKind.AUCTION_INDICATION and following.get(instrument_ids[i]) == kinds[i]:
                overtaken.add(i)
            following[instrument_ids[i]] = kinds[i]
        for i, event in enumerate(events):
            instrument_id = instrument_ids[i]
            status = self._status(instrument_id)
            status.apply(event)
            if i not in overtaken and ("status", instrument_id, 0) in self._topics:
                moment = {"sequence": int(event["sequence"]), "timestamp": timestamp(int(event["event_time_ns"]))}
                content = _status_content(self._listed[instrument_id], status)
                changes.setdefault(instrument_id, []).append(Message({"type": "update", **content, **moment}))
        for instrument_id, messages in changes.items():
            self._publish(self._topics["status", instrument_id, 0], messages)

    def _status(self, instrument_id: int) -> StatusValues:
        status = self._statuses.get(instrument_id)
        if status is None:
            status = self._statuses[instrument_id] = StatusValues()
        return status

    def _send_book(self, instrument_id: int, topics: Iterable[_Topic]) -> None:
        depth = max(topic.key[2] for topic in topics) or 1
        sequence, bids, asks = self._source.book(instrument_id, depth)
        for topic in topics:
            assert topic.view is not None
            update = topic.view.update(sequence, bids, asks)
            if update is not None:
                self._publish(topic, [Message(update)])

    def _send_tickers(self, now: float) -> None:
        refresh = now - self._ticker_refresh_time >= TICKER_REFRESH_SECONDS
        if refresh:
            self._ticker_refresh_time = now
            # Events simply end when a node has stopped; a question to its state says so.
            self._source.assets()
            due = {key[1] for key in self._topics if key[0] == "ticker"}
        elif self._tickers_due:
            due = set(self._tickers_due)
        else:
            return
        for instrument_id in due:
            topic = self._topics.get(("ticker", instrument_id, 0))
            if topic is None:
                self._tickers_due.discard(instrument_id)
                continue
            if now - topic.ticker_time < TICKER_SECONDS:
                continue
            self._tickers_due.discard(instrument_id)
            content = self._ticker_content(self._listed[instrument_id])
            if content != topic.ticker_sent:
                topic.ticker_sent, topic.ticker_time = content, now
                self._publish(topic, [Message({"type": "update", **content, **self._moment()})])

    def _publish(self, topic: _Topic, messages: list[Message]) -> None:
        self._messages_total += len(messages)
        self._deliveries_total += topic.publish(messages)

    def _end_all(self, code: int, reason: str) -> None:
        subscribers = {subscriber: None for topic in self._topics.values() for subscriber in topic.subscribers}
        for subscriber in subscribers:
            subscriber.end(code, reason)

    def _moment(self) -> dict[str, Any]:
        return {"sequence": self._position, "timestamp": timestamp(self._event_time_ns)}

    def _ticker_content(self, listed: _Listed) -> dict[str, Any]:
        return {
            "channel": "ticker",
            "symbol": listed.symbol,
            **ticker_texts(
                self.tape(listed.instrument_id).ticker(self._clock_ns()), listed.tick, listed.lot, listed.quote_unit
            ),
        }


def ticker_texts(ticker: Ticker, tick: Step, lot: Step, quote_unit: Step) -> dict[str, Any]:
    """A ticker as JSON has it: decimal text, ``None`` for what does not exist."""

    def price(ticks: int | None) -> str | None:
        return None if ticks is None else tick.text(ticks)

    change, percent = ticker.change, None
    if change is not None and ticker.open:
        # In hundredths of a percent, half away from zero, with integers only.
        hundredths = (abs(change) * 20_000 + ticker.open) // (2 * ticker.open)
        percent = f"{'-' if change < 0 and hundredths else ''}{hundredths // 100}.{hundredths % 100:02d}"
    return {
        "last_price": price(ticker.last_price),
        "open": price(ticker.open),
        "high": price(ticker.high),
        "low": price(ticker.low),
        "volume": lot.text(ticker.volume),
        "notional": quote_unit.text(ticker.notional),
        "trade_count": ticker.trade_count,
        "change": None if change is None else signed_decimal(change, tick.mantissa, tick.scale),
        "change_percent": percent,
    }


def _status_content(listed: _Listed, status: StatusValues) -> dict[str, Any]:
    return {"channel": "status", "symbol": listed.symbol, **status_texts(status, listed.tick, listed.lot)}


def status_texts(status: StatusValues, tick: Step, lot: Step) -> dict[str, Any]:
    """A trading status as JSON has it: decimal text, ``None`` for what does not exist."""

    def auction(price: int | None, volume: int) -> dict[str, Any]:
        return {"price": None if price is None else tick.text(price), "volume": lot.text(volume)}

    indication = last_auction = None
    if status.indicative_volume is not None:
        imbalance = signed_decimal(status.indicative_imbalance or 0, lot.mantissa, lot.scale)
        indication = {**auction(status.indicative_price, status.indicative_volume), "imbalance": imbalance}
    if status.auction_volume is not None:
        ended = {"timestamp": timestamp(status.auction_time_ns or 0)}
        last_auction = {**auction(status.auction_price, status.auction_volume), **ended}
    end_ns = status.auction_end_time_ns
    return {
        "status": status.status,
        "reason": status.status_reason,
        "auction_end_time": None if end_ns is None else timestamp(end_ns),
        "indication": indication,
        "last_auction": last_auction,
        "limit_state": status.limit_state_side,
    }


def _trade_content(listed: _Listed, trade: TapeTrade) -> dict[str, Any]:
    return {
        "symbol": listed.symbol,
        "sequence": trade.sequence,
        "trade_id": str(trade.trade_id),
        "price": listed.tick.text(trade.price),
        "quantity": listed.lot.text(trade.quantity),
        "aggressor_side": trade.aggressor_side,
        "maker_order_id": None if trade.maker_order_id is None else str(trade.maker_order_id),
        "taker_order_id": None if trade.taker_order_id is None else str(trade.taker_order_id),
        "buy_order_id": str(trade.buy_order_id),
        "sell_order_id": str(trade.sell_order_id),
        "timestamp": timestamp(trade.event_time_ns),
    }
