"""The store's database: connections, schema, transactions.

Invariants: one writer at a time; with SQLite the database is in WAL mode, so that readers never wait for the writer nor
it for them. ``synchronous=NORMAL`` may lose the last transactions at a power cut, never half of one; the projector then
takes them from the journal again.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.orm import Session, sessionmaker

log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 10_000


class Store:
    """A database with the store's schema, at an SQLAlchemy URL.

    ``sqlite:////var/lib/beurs/store.db`` or ``postgresql+psycopg://user@host/beurs``. SQLite in memory is refused: its
    connections cannot be shared by threads.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.url = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if not parsed.database or parsed.database == ":memory:":
                raise ValueError("the store needs a file: sqlite:///path/store.db")
            if sqlite3.sqlite_version_info < (3, 32):
                raise RuntimeError(f"SQLite {sqlite3.sqlite_version} is too old, 3.32 is needed")
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            # A writer connection of its own, which takes the write lock when its transaction begins: two writers wait
            # for each other instead of failing in the middle.
            self._writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", query_only=False)
            self._reader = _sqlite_engine(url, begin="BEGIN", query_only=True)
        else:
            self._writer = create_engine(url, pool_size=2, max_overflow=2, pool_pre_ping=True)
            self._reader = create_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True).execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self._sessions = sessionmaker(self._reader, expire_on_commit=False)

    @classmethod
    def at(cls, path: str | Path) -> Self:
        """A store in the SQLite file ``path``."""
        return cls(f"sqlite:///{Path(path).absolute()}")

    def migrate(self) -> None:
        """Brings the schema to the version of this program; creates it in an empty database."""
        # It would tell every step of every start.
        logging.getLogger("alembic").setLevel(logging.WARNING)
        with self._writer.connect() as connection:
            before = MigrationContext.configure(connection).get_current_revision()
            # The question has begun a transaction; Alembic wants to begin its own.
            connection.rollback()
            command.upgrade(_alembic(connection), "head")
            after = MigrationContext.configure(connection).get_current_revision()
        if after != before:
            log.info("store: the schema is now at %s, it was at %s", after, before or "nothing")

    def drop(self) -> None:
        """Drops every table of the store. :meth:`migrate` makes them anew, empty."""
        with self._writer.connect() as connection:
            command.downgrade(_alembic(connection), "base")

    def revision(self) -> str | None:
        """The schema's version, ``None`` before the first :meth:`migrate`."""
        with self._reader.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction: committed at the end, rolled back by any exception."""
        with self._writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One read-only transaction; all that is read in it is of one moment."""
        with self._sessions() as session, session.begin():
            yield session

    def close(self) -> None:
        """Closes every connection."""
        self._reader.dispose()
        self._writer.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sqlite_engine(url: str, *, begin: str, query_only: bool) -> Engine:
    # Connections are kept: with them goes their cache of prepared statements.
    engine = create_engine(
        url,
        pool_size=8 if query_only else 1,
        max_overflow=8 if query_only else 1,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "cached_statements": 256},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        # The driver would begin transactions when it likes; `begin` below does it where we say.
        connection.isolation_level = None
        cursor = connection.cursor()
        if not query_only:
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA temp_store = MEMORY")
        cursor.execute("PRAGMA cache_size = -16384")
        cursor.execute(f"PRAGMA query_only = {int(query_only)}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
