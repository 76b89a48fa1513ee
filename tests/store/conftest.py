"""Real nodes and real databases for the store's tests."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from beurs import engine
from beurs.store import Store
from beurs.store.models import Base

from ..venues import Venue
from ..waiting import WAIT_SECONDS_MAX


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
        deadline = time.monotonic() + WAIT_SECONDS_MAX
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
            server.send_signal(signal.SIGINT)  # Without waiting for its clients.
            server.wait(WAIT_SECONDS_MAX)
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
