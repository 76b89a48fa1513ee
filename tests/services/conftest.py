"""The real application on a real socket, over a real journal, in this process, so that a test can look at the node."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from beurs.app import OpenExchange, Server, bind, open_exchange, server_config
from beurs.config import Settings
from tests.waiting import WAIT_SECONDS_MAX, until

# The snapshot begins with magic, sequence and time; a refused command moves only those two.
STATE_AT = 24


@dataclass
class Running:
    """A running exchange."""

    exchange: OpenExchange
    url: str
    port: int

    def client(self, account: str | None = "alice", **named: Any) -> httpx.Client:
        """A client with the key of a demo account, or of `staff`."""
        headers = {} if account is None else {"X-API-Key": self.exchange.demo_keys[account]}
        return httpx.Client(base_url=self.url, headers=headers, timeout=WAIT_SECONDS_MAX, **named)

    def state(self) -> bytes:
        """Everything the engine knows, but the number and the time of the last command."""
        return self.exchange.node.snapshot()[STATE_AT:]


class _TestServer(Server):
    """Without what it does to the process: garbage collection belongs to the tests."""

    startup = uvicorn.Server.startup
    on_tick = uvicorn.Server.on_tick


def run(settings: Settings) -> Iterator[Running]:
    """Runs an exchange in a thread until the generator goes on."""
    with bind(settings.host, settings.port) as bound, open_exchange(settings) as exchange:
        config = server_config(exchange)
        # On a loaded machine a test may pause for longer than a server keeps a silent connection. What it sends then
        # meets the close.
        config.timeout_keep_alive = 600
        server = _TestServer(config, exchange, "")
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive())  # until then nothing listens
            assert server.started
            port = bound.getsockname()[1]
            url = f"http://127.0.0.1:{port}"
            httpx.get(f"{url}/ready", timeout=WAIT_SECONDS_MAX).raise_for_status()
            yield Running(exchange, url, port)
        finally:
            server.should_exit = True
            thread.join(WAIT_SECONDS_MAX)
            assert not thread.is_alive(), "the server does not stop"


def settings(directory: Any, **named: Any) -> Settings:
    """Settings of a test: demo, no simulator, any port, and patience."""
    defaults = {"demo": True, "simulator": False, "store_wait_seconds_max": WAIT_SECONDS_MAX}
    return Settings.load(data_directory=directory, port=0, **(defaults | named))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One exchange for all tests of a module."""
    yield from run(settings(tmp_path_factory.mktemp("exchange")))


@pytest.fixture
def fresh(tmp_path: Any) -> Iterator[Running]:
    """An exchange of one's own."""
    yield from run(settings(tmp_path))


@pytest.fixture
def timeless(tmp_path: Any) -> Iterator[Running]:
    """An exchange of one's own, whose clock stands still until it is moved."""
    yield from run(settings(tmp_path, clock="manual"))


@pytest.fixture
def alice(running: Running) -> Iterator[httpx.Client]:
    """A client with alice's key, whose orders and bob's are canceled before."""
    for account in ("alice", "bob"):
        with running.client(account) as client:
            client.delete("/v1/orders").raise_for_status()
    with running.client("alice") as client:
        yield client


@pytest.fixture
def bob(running: Running, alice: httpx.Client) -> Iterator[httpx.Client]:
    """A client with bob's key."""
    with running.client("bob") as client:
        yield client


def buy(price: str | None = "100.00", quantity: str | None = "1", **more: Any) -> dict[str, Any]:
    """The body of a buy order on BTC-USD."""
    body = {"symbol": "BTC-USD", "side": "buy", "price": price, "quantity": quantity, **more}
    return {name: value for name, value in body.items() if value is not None}


def sell(price: str | None = "100.00", quantity: str | None = "1", **more: Any) -> dict[str, Any]:
    """The body of a sell order on BTC-USD."""
    return buy(price, quantity, **more) | {"side": "sell"}
