"""A real server with the market data stream, on a port of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, WebSocketRoute

from beurs import engine
from beurs.store import Repository
from beurs.streams import UVICORN_OPTIONS, Feed, MarketDataEndpoint

from ..venues import Venue
from ..waiting import WAIT_SECONDS_MAX, until


class Server:
    """uvicorn in a thread, over a venue that the test trades on."""

    def __init__(
        self,
        venue: Venue,
        *,
        repository: Repository | None = None,
        options: dict[str, Any] | None = None,
        connections_max: int = 10_000,
        routes: Callable[[], list[BaseRoute]] = list,
        port: int = 0,
    ) -> None:
        self.venue = venue
        self.feed = Feed(venue.node, repository)
        self.endpoint = MarketDataEndpoint(self.feed, connections_max=connections_max)

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            await self.feed.start()
            yield
            await self.feed.stop()

        app = Starlette(routes=[WebSocketRoute("/ws/market-data", self.endpoint), *routes()], lifespan=lifespan)
        self._socket = socket.create_server(("127.0.0.1", port), backlog=2048)
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app, loop="uvloop", lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=3600,
            **{**UVICORN_OPTIONS, **(options or {})},
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()
        until(lambda: self.server.started or not self._thread.is_alive())
        assert self.server.started

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/market-data"

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(WAIT_SECONDS_MAX)
        assert not self._thread.is_alive(), "the server does not stop"
        self._socket.close()


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    node = engine.Node(str(tmp_path / "journal"))
    venue = Venue(node, 7)
    venue.open()
    yield venue
    node.close()


@pytest.fixture
def new_server(venue: Venue) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(**named: Any) -> Server:
        servers.append(Server(venue, **named))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def server(new_server: Callable[..., Server]) -> Server:
    return new_server()
