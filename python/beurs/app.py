"""The exchange as one process: what `beurs serve` runs.

    open_exchange     journal, engine, demo, store, projector: everything that needs no event loop
    create_app        the ASGI application over it; its lifespan adds what belongs to the event loop
    serve             both, behind uvicorn, until SIGINT or SIGTERM

Stopping goes the other way round: no new connections, the requests under way are answered, the sequencer is drained,
the store catches up, a checkpoint is written, the journal is closed.
"""

import asyncio
import contextlib
import gc
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from beurs import binary, logs, terminal
from beurs.accounts.endpoints import router as account_router
from beurs.accounts.session import SessionEndpoint
from beurs.admin.changes import router as changes_router
from beurs.admin.clock import router as clock_router
from beurs.admin.endpoints import router as admin_router
from beurs.admin.views import router as views_router
from beurs.catalogue import Catalogue
from beurs.config import Settings, SettingsInvalid
from beurs.demo import venue
from beurs.demo.simulator import Simulator
from beurs.deps import RunningExchange, only_known_parameters
from beurs.engine import VERSION, Node
from beurs.errors import BeursError
from beurs.instruments.endpoints import router as instruments_router
from beurs.keys import KEY_FILE, KeyFile, KeyRing, Operator, StaffKey, Trader
from beurs.liabilities.daily import proving
from beurs.liabilities.endpoints import router as liabilities_router
from beurs.market_data.endpoints import router as market_data_router
from beurs.metrics import Metrics
from beurs.orders.door import ORDER_PATH, ORDERS_PATH, OrderDoor
from beurs.orders.endpoints import lists_router
from beurs.orders.endpoints import router as orders_router
from beurs.sequencer import Sequencer
from beurs.store import Projector, Repository, Store, StoreWatch
from beurs.streams import UVICORN_OPTIONS, Feed, MarketDataEndpoint
from beurs.trades.endpoints import router as trades_router
from beurs.web import openapi
from beurs.web.edge import Edge, HotRoute
from beurs.web.problems import Problem, from_error
from beurs.web.protocol import HttpProtocol
from beurs.web.steps import Instruments

log = structlog.get_logger()

ROUTERS: Final = (
    orders_router,
    lists_router,
    trades_router,
    instruments_router,
    market_data_router,
    account_router,
    liabilities_router,
    changes_router,
    views_router,
    clock_router,
    admin_router,
)
STORE_READER: Final = "store"
"""Under this name the node knows how far the store is; it archives and drops nothing that the store still needs."""
DESCRIPTION: Final = (
    "Prices and quantities are decimal strings, ids are strings, sequences are numbers. Every answer that is not a "
    'success is `{"error": {"code", "message", "field"?}}`.'
)


@dataclass(slots=True)
class OpenExchange:
    """The parts of an exchange that need no event loop."""

    settings: Settings
    node: Node
    store: Store
    projector: Projector | StoreWatch
    demo_keys: dict[str, str]
    keys: KeyRing
    stopped: BeursError | None = None
    """Why the node has stopped by itself: its disk failed."""

    def stop(self, reason: BeursError) -> None:
        """Notes that the node has stopped by itself; the server then ends."""
        log.critical("the node has stopped", reason=str(reason))
        self.stopped = reason


@contextmanager
def open_exchange(settings: Settings) -> Iterator[OpenExchange]:
    """Opens the journal, recovers, and starts what follows it; closes all of it at the end.

    Raises what the journal or the store have against it: JournalLocked, JournalDamaged, StoreAhead.
    """
    settings.data_directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        node = Node(
            str(settings.data_directory),
            checkpoint_interval=settings.checkpoint_interval,
            checkpoints_kept=settings.checkpoints_kept,
            journal_retention=settings.journal_retention,
            journal_archive_directory=settings.journal_archive_directory,
            readers=[STORE_READER],
            queue_capacity=settings.queue_capacity,
            clock=settings.clock,
        )
        stack.callback(_close, node)
        demo_keys: dict[str, str] = {}
        if settings.demo:
            venue.set_up(node)
            demo_keys = venue.demo_keys(settings)
        store = Store(settings.store_url)
        stack.callback(store.close)
        # While nobody waits for it the store takes many events at once: small transactions cost the order path time.
        projector = Projector(
            node,
            store,
            gather_seconds=0.2,
            on_progress=lambda position: node.set_reader(STORE_READER, position),
        )
        projector.start()
        node.set_reader(STORE_READER, projector.position)
        stack.callback(projector.stop, settings.shutdown_seconds_max)
        log.info("opened", sequence=node.sequence, data_directory=str(settings.data_directory))
        yield OpenExchange(settings, node, store, projector, demo_keys, key_ring(node, settings))


def _close(node: Node) -> None:
    failures = node.stats()["checkpoint_failures"]
    node.close()  # it makes a last checkpoint
    stats = node.stats()
    log.info("closed", sequence=stats["sequence"], checkpoint_sequence=stats["last_checkpoint_sequence"])
    if stats["checkpoint_failures"] > failures:
        log.error("no checkpoint at the end: the next start executes the journal behind the one before")


def key_ring(node: Node, settings: Settings) -> KeyRing:
    """The keys that may be used, from the file in the data directory; also those that are made later."""
    file = KeyFile(settings.data_directory / KEY_FILE)
    seen = file.signature()

    def look_again() -> None:
        nonlocal seen
        now = file.signature()
        if now != seen:
            seen = now
            try:
                _add_keys(ring, node, settings)
            except (OSError, ValueError, KeyError) as error:
                log.error("the key file cannot be read", reason=repr(error))

    ring = KeyRing(look_again)
    _add_keys(ring, node, settings)
    return ring


def _add_keys(ring: KeyRing, node: Node, settings: Settings) -> None:
    accounts = {row["code"]: row["account_id"] for row in node.accounts()}
    file = KeyFile(settings.data_directory / KEY_FILE)
    for key_digest, held in file.read().items():
        if held.demo and not settings.demo:
            continue
        if isinstance(held, StaffKey):
            ring.add(key_digest, Operator(held.staff))
        elif held.account in accounts:
            ring.add(key_digest, Trader(accounts[held.account], held.account, held.key_id))
        else:
            log.warning("a key of an account that does not exist", account=held.account)
    for public, signer in file.public_halves().items():
        if signer.demo and not settings.demo:
            continue
        if signer.account in accounts:
            ring.signers[public] = Trader(accounts[signer.account], signer.account, signer.key_id)
        else:
            log.warning("a key of an account that does not exist", account=signer.account)


def create_app(exchange: OpenExchange) -> Edge:
    """The ASGI application over an open exchange."""
    hot = HotRoutes()

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        async with _running(exchange) as running:
            hot.door = api.state.door = OrderDoor(
                running.sequencer,
                running.instruments,
                running.keys,
                running.metrics,
                body_bytes_max=exchange.settings.body_bytes_max,
            )
            api.state.exchange = running
            api.state.sessions = sessions = SessionEndpoint(running.sequencer, running.keys)
            running.metrics.gauge("beurs_sessions", "Sessions at /ws/session.", lambda: sessions.count)
            yield
            await sessions.drain()

    async def market_data(scope: Scope, receive: Receive, send: Send) -> None:
        await api.state.exchange.market_data(scope, receive, send)

    async def session(scope: Scope, receive: Receive, send: Send) -> None:
        await api.state.sessions(scope, receive, send)

    # The page at /docs comes with what it needs, so that it works where there is no internet.
    api = FastAPIOffline(
        title="beurs",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(only_known_parameters)],
    )
    for router in ROUTERS:
        api.include_router(router)
    api.include_router(admin_router, prefix="/v1", include_in_schema=False)
    api.router.routes.append(WebSocketRoute("/ws/market-data", _Asgi(market_data)))
    api.router.routes.append(WebSocketRoute("/ws/session", _Asgi(session)))
    api.router.routes.extend(terminal.routes())
    for kind in (Problem, BeursError, SQLAlchemyError, RequestValidationError, HTTPException, Exception):
        api.add_exception_handler(kind, _answer)
    api.openapi = lambda: openapi.describe(api)  # type: ignore[method-assign] # as FastAPI's documentation says
    return Edge(api, hot.route)


@asynccontextmanager
async def _running(exchange: OpenExchange) -> AsyncIterator[RunningExchange]:
    """What belongs to the event loop: the sequencer's door, the feed, the simulator."""
    settings, node, projector = exchange.settings, exchange.node, exchange.projector
    sequencer = Sequencer(node, asyncio.get_running_loop(), exchange.stop)
    repository = Repository(exchange.store)
    feed = Feed(node, repository)
    running = RunningExchange(
        settings=settings,
        node=node,
        sequencer=sequencer,
        instruments=Instruments(Catalogue(node)),
        keys=exchange.keys,
        metrics=Metrics(),
        repository=repository,
        projector=projector,
        feed=feed,
        market_data=MarketDataEndpoint(feed),
        started_at=time.monotonic(),
    )
    _measure(running)
    await feed.start()
    try:
        async with simulating(settings, node, sequencer), proving(settings, node):
            yield running
    finally:
        if not await sequencer.drain(settings.shutdown_seconds_max):
            log.warning("commands were still under way", count=sequencer.depth)
        sequencer.close()
        await feed.stop()


@asynccontextmanager
async def simulating(settings: Settings, node: Node, sequencer: Sequencer) -> AsyncIterator[None]:
    """Runs the market simulator meanwhile, if the settings say so and its accounts exist."""
    simulator = None
    accounts = {row["code"]: row["account_id"] for row in node.accounts()}
    if settings.simulator_runs and all(code in accounts for code in venue.SIMULATOR):
        simulator = Simulator(node, sequencer.submit, [accounts[code] for code in venue.SIMULATOR])
        await simulator.start()
    try:
        yield
    finally:
        if simulator is not None:
            await simulator.stop()


def _measure(running: RunningExchange) -> None:
    gauge, counter = running.metrics.gauge, running.metrics.counter
    gauge("beurs_sequence", "The sequence of the last durable command.", lambda: running.node.sequence)
    gauge("beurs_commands_under_way", "Commands that wait to be durable.", lambda: running.sequencer.depth)
    stats = running.node.stats
    gauge("beurs_queue_depth", "Commands that wait to be executed.", lambda: stats()["queue_depth"])
    gauge("beurs_journal_depth", "Batches that wait to be written.", lambda: stats()["journal_depth"])
    counter("beurs_journal_writes", "Writes to the journal, one fdatasync each.", lambda: stats()["journal_writes"])
    counter("beurs_journal_commands", "Commands in those writes.", lambda: stats()["journal_commands"])
    counter("beurs_journal_bytes", "Bytes in those writes.", lambda: stats()["journal_bytes"])
    running.metrics.powers_of_two(
        "beurs_journal_write_seconds",
        "How long a write and its fdatasync took.",
        lambda: stats()["journal_latency_us_log2"],
    )
    counter("beurs_commands_failed", "Commands that were undone.", lambda: stats()["commands_failed"])
    counter("beurs_segments_removed", "Segments archived or dropped.", lambda: stats()["segments_removed"])
    counter("beurs_retention_failures", "Failures to do so.", lambda: stats()["retention_failures"])
    gauge("beurs_disk_full", "1 while the journal's disk is full.", lambda: int(stats()["disk_full"]))
    counter("beurs_disk_full_refusals", "Commands refused for it.", lambda: stats()["disk_full_refusals"])
    gauge("beurs_store_lag", "Durable commands that are not in the store yet.", lambda: running.projector.lag)
    gauge("beurs_market_data_connections", "Market data clients.", lambda: running.market_data.stats()["connections"])


class _Asgi:
    """An ASGI application as a route takes it: an object, not a function."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class HotRoutes:
    """Names the hot routes, once the application has started."""

    __slots__ = ("door",)

    def __init__(self) -> None:
        self.door: OrderDoor | None = None

    def route(self, method: str, path: str) -> HotRoute | None:
        """The hot route of a request, or None."""
        if self.door is None:
            return None
        if path == ORDERS_PATH:
            return self.door.new_order if method == "POST" else None
        if method == "DELETE" and path.startswith(ORDER_PATH):
            return self.door.cancel_order
        return None


async def _answer(request: Request, error: Exception) -> Response:
    problem = from_error(error)
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    if problem.code == "method_not_allowed":
        # Of all routes of the path: the framework names those of the first.
        path = request.url.path
        routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
        methods = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
        methods = methods or {"GET"}
        headers["allow"] = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
    return Response(problem.body(), problem.status, headers)


class Server(uvicorn.Server):
    """uvicorn, with what the exchange adds to it."""

    def __init__(self, config: uvicorn.Config, exchange: OpenExchange, welcome: str) -> None:
        super().__init__(config)
        self._exchange = exchange
        self._welcome = welcome

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, keeps the garbage collector off what is there to stay, and says where to go."""
        await super().startup(sockets)
        # A collection at a bad moment is the longest pause there is: from now on only at quiet moments, see `on_tick`.
        gc.collect()
        gc.freeze()
        gc.disable()
        print(self._welcome, flush=True)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, HttpProtocol):
                    connection.end_if_late(now, self._exchange.settings.body_seconds_max)
            gc.collect(2 if counter % 600 == 0 else 1)
        if self._exchange.stopped is not None:
            self.should_exit = True
        return await super().on_tick(counter)


def bind(host: str, port: int) -> socket.socket:
    """A bound socket. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"{host}:{port}: {error.strerror}") from None
    return bound


def server_config(exchange: OpenExchange) -> uvicorn.Config:
    """How uvicorn serves an exchange."""
    return uvicorn.Config(
        create_app(exchange),
        loop="uvloop",
        http=HttpProtocol,
        **UVICORN_OPTIONS,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(exchange.settings.shutdown_seconds_max) or 1,
    )


def address(settings: Settings, bound: socket.socket) -> str:
    """The URL of a bound socket."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{bound.getsockname()[1]}"


def serve(settings: Settings) -> None:
    """Runs the exchange in this process until SIGINT or SIGTERM.

    Raises OSError when it cannot listen, what `open_exchange` raises, and what the node stopped with if its disk fails.
    """
    if settings.workers:
        raise SettingsInvalid("workers: `beurs serve` starts them, this is one process")
    logs.set_up(settings.log_format, settings.log_level)
    # uvicorn takes both signals while it runs and raises them again afterwards; then they have done their work.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    binary.check(settings)
    with (
        bind(settings.host, settings.port) as bound,
        open_exchange(settings) as exchange,
        binary.door(settings, exchange.node, exchange.keys) as gateway,
    ):
        welcome = venue.welcome(address(settings, bound), exchange.demo_keys, gateway)
        Server(server_config(exchange), exchange, welcome).run(sockets=[bound])
        if exchange.stopped is not None:
            raise exchange.stopped


def main() -> None:
    """`python -m beurs.app`: serves in one process with the settings of the environment."""
    serve(Settings.load())


if __name__ == "__main__":
    main()
