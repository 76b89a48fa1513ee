"""Market data over WebSocket: `/ws/market-data`.

:class:`Feed` follows the node, :class:`MarketDataEndpoint` is the ASGI application, :data:`UVICORN_OPTIONS` are the
settings of the server that both are made for.
"""

from beurs.streams.endpoint import MarketDataEndpoint
from beurs.streams.feed import Feed, status_texts, ticker_texts
from beurs.streams.protocol import UVICORN_OPTIONS, WebSocketProtocol
from beurs.streams.tape import Tape, TapeTrade

__all__ = [
    "UVICORN_OPTIONS",
    "Feed",
    "MarketDataEndpoint",
    "Tape",
    "TapeTrade",
    "WebSocketProtocol",
    "status_texts",
    "ticker_texts",
]
