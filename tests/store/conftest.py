"""Real nodes and real databases for the store's tests."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from beurs import engine
from beurs.engine import (
    Node,
    add_asset,
    cancel_order,
    deposit,
    list_instrument,
    mass_cancel,
    new_order,
    open_account,
    replace_order,
    set_account_group,
    set_fees,
    set_trading_status,
    withdraw,
)
from beurs.store import Store
from beurs.store.models import Base

ACCOUNTS = 6


class Venue:
    """A node with assets, instruments and accounts, and a random crowd."""

    def __init__(self, node: Node, seed: int) -> None:
        self.node = node
        self.random = random.Random(seed)
        self.commands = 0

    def open(self) -> None:
        """Lists three instruments and opens accounts with more money than 64 bits can say."""
        commands = [
            add_asset("BTC", 8),
            add_asset("USD", 18),
            add_asset("ETH", 18),
            list_instrument("BTC-USD", 1, 2, 1, 2, 1, 6, 1, 2**53 - 1, 0),
            list_instrument("ETH-USD", 3, 2, 5, 1, 1, 3, 1, 2**53 - 1, 0),
            list_instrument("ETH-BTC", 3, 1, 1, 5, 1, 2, 1, 2**53 - 1, 0),
            set_fees(1, 0, -50, 300),
            set_fees(2, 0, 100, 250),
            set_fees(1, 1, 0, 0),
        ]
        commands += [open_account(f"account-{n}", n % 2) for n in range(2, ACCOUNTS + 2)]
        for account_id in range(2, ACCOUNTS + 2):
            commands += [deposit(account_id, 1, 10**12), deposit(account_id, 2, 10**25), deposit(account_id, 3, 10**22)]
        self.run(commands)

    def run(self, commands: list[bytes]) -> None:
        self.node.execute(b"".join(commands))
        self.commands += len(commands)

    def trade(self, count: int) -> None:
        """Executes ``count`` random commands, in batches; many are refused, and that is right."""
        while count > 0:
            size = min(count, self.random.choice((1, 7, 100)))
            self.run([self._command() for _ in range(size)])
            count -= size

    def _command(self) -> bytes:
        r = self.random
        account = r.randrange(2, ACCOUNTS + 2)
        instrument = r.choice((1, 1, 1, 2, 3))
        side = r.choice((1, 2))
        price = {1: 6_000_000, 2: 6_000, 3: 5_000}[instrument] + r.randrange(-20, 21)
        name = r.choice(("", f"c{self.commands}-{r.randrange(10**9)}"))
        kind = r.random()
        stp = r.randrange(5)
        if kind < 0.50:
            force = r.choice((1, 1, 1, 2, 3))
            return new_order(
                account, instrument, side, 1, force, force == 1 and r.random() < 0.2, stp, price, r.randrange(1, 500), 0, name
            )
        if kind < 0.60:
            if r.random() < 0.5:
                return new_order(account, instrument, side, 2, 2, False, stp, 0, r.randrange(1, 500), 0, name)
            return new_order(account, instrument, side, 2, 2, False, stp, 0, 0, r.randrange(1, 10**20), name)
        orders = self.node.open_orders(account)
        order = r.choice(orders)["order_id"] if orders else 1
        if kind < 0.70:
            return cancel_order(account, order, "")
        if kind < 0.88:
            return replace_order(account, order, "", r.choice(("", name)), r.choice((0, price)), r.randrange(0, 600))
        if kind < 0.95:
            return r.choice((deposit, withdraw))(account, r.choice((1, 2, 3)), r.randrange(1, 10**12))
        if kind < 0.97:
            return set_account_group(account, r.randrange(3))
        if kind < 0.98:
            return set_fees(instrument, r.randrange(3), r.randrange(-100, 100), r.randrange(100, 400))
        if kind < 0.997:
            return r.choice((set_trading_status(instrument, r.choice((1, 2, 3))), set_trading_status(instrument, 1)))
        return mass_cancel(account, r.choice((0, instrument)), r.choice((0, side)))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Printed, and taken from BEURS_TEST_SEED to repeat a run."""
    value = int(os.environ.get("BEURS_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {value}")
    return value


@pytest.fixture
def venue(tmp_path: Path, seed: int) -> Iterator[Venue]:
    """A journalled venue with a small ring, so that a reader soon has to go to the journal."""
    node = engine.Node(str(tmp_path / "journal"), event_ring_bytes=1 << 20)
    venue = Venue(node, seed)
    venue.open()
    yield venue
    node.close()


def tables(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    with store.reading() as session:
        return {
            table.name: [tuple(row) for row in session.execute(table.select().order_by(*table.primary_key))]
            for table in Base.metadata.sorted_tables
        }


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own. Skips, with the reason, where there is none."""
    pytest.importorskip("psycopg", reason="no psycopg: the store is not tested on PostgreSQL")
    programs = {name: _postgres_program(name) for name in ("initdb", "postgres")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: the store is not tested on PostgreSQL")
    # PostgreSQL refuses to run as root.
    user = {"user": "nobody", "group": "nogroup", "extra_groups": ()} if os.geteuid() == 0 else {}
    directory = Path(subprocess.check_output(["mktemp", "-d", "/tmp/beurs-pg-XXXXXX"], text=True, **user).strip())
    data = directory / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = None
    try:
        made = subprocess.run(
            [programs["initdb"], "-D", data, "-U", "beurs", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            capture_output=True, text=True, check=False, cwd=directory, **user,
        )  # fmt: skip
        if made.returncode:
            pytest.skip(f"initdb failed, the store is not tested on PostgreSQL: {made.stderr.strip()[-300:]}")
        server = subprocess.Popen(
            [programs["postgres"], "-D", data, "-p", str(port), "-k", directory, "-c", "fsync=off", "-h", "127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=directory, **user,
        )  # fmt: skip
        url = f"postgresql+psycopg://beurs@127.0.0.1:{port}"
        administration = create_engine(f"{url}/postgres", isolation_level="AUTOCOMMIT")
        deadline = time.monotonic() + 20
        while True:
            try:
                with administration.connect():
                    break
            except Exception as error:
                if time.monotonic() > deadline or server.poll() is not None:
                    pytest.skip(f"PostgreSQL does not start, the store is not tested on it: {error}")
                time.sleep(0.1)
        administration.dispose()
        yield url
    finally:
        if server is not None:
            server.terminate()
            server.wait(10)
        shutil.rmtree(directory, ignore_errors=True)


def _postgres_program(name: str) -> str | None:
    found = shutil.which(name)
    if found:
        return found
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else None


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Makes empty stores, of each kind of database in turn."""
    stores: list[Store] = []

    def make() -> Store:
        if request.param == "sqlite":
            store = Store.at(tmp_path / f"store-{len(stores)}.sqlite")
        else:
            url = request.getfixturevalue("postgres")
            name = f"beurs_{time.time_ns()}_{len(stores)}"
            administration = create_engine(f"{url}/postgres", isolation_level="AUTOCOMMIT")
            with administration.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
            administration.dispose()
            store = Store(f"{url}/{name}")
        store.migrate()
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()
