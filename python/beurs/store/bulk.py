"""Writes many rows with few statements.

A statement of many VALUES rows, not ``executemany``: SQLite's driver gives up and takes back Python's global lock at
every execution, so that one execution per row, in a process whose other threads are busy, waits for the lock at every
row (measured: 2 µs a row alone, 70 µs next to one busy thread). One execution per thousand rows waits once, and the
database works without the lock meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table

VARIABLES_MAX = 32_000
"""Bound variables in a statement; SQLite allows 32,766, PostgreSQL 65,535."""
ROWS_MAX = 1024
"""Rows in a statement."""


class BulkWriter:
    """Inserts rows of one table; rows whose primary key is there already are updated, or with ``keep`` left alone.

    A row is a sequence of values as the driver takes them, in the order of ``columns``. Within one :meth:`write` a
    primary key stands once.
    """

    def __init__(self, table: Table, columns: Sequence[str], *, keep: bool = False, fixed: Sequence[str] = ()) -> None:
        """``fixed`` columns keep what they were inserted with."""
        names = [table.c[name].name for name in columns]
        keys = [column.name for column in table.primary_key]
        updated = [name for name in names if name not in keys and name not in fixed]
        # Names of our own tables, nothing from outside.
        self._head = f"INSERT INTO {table.name} ({', '.join(_quoted(name) for name in names)}) VALUES "  # noqa: S608
        conflict = f" ON CONFLICT ({', '.join(_quoted(name) for name in keys)}) DO "
        if keep:
            self._tail = conflict + "NOTHING"
        else:
            self._tail = f"{conflict}UPDATE SET " + ", ".join(f"{_quoted(n)} = excluded.{_quoted(n)}" for n in updated)
        self._width = len(names)
        # Few sizes, so that the driver's cache of prepared statements always has them.
        largest = min(ROWS_MAX, VARIABLES_MAX // self._width)
        self._sizes = sorted({largest, *(size for size in (256, 64, 16, 4, 1) if size <= largest)}, reverse=True)
        self._statements: dict[tuple[str, int], str] = {}

    def write(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Writes ``rows`` in the connection's transaction."""
        placeholder = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        start = 0
        for size in self._sizes:
            while len(rows) - start >= size:
                statement = self._statement(placeholder, size)
                connection.exec_driver_sql(statement, _flat(rows[start : start + size]))
                start += size

    def _statement(self, placeholder: str, size: int) -> str:
        statement = self._statements.get((placeholder, size))
        if statement is None:
            row = f"({', '.join([placeholder] * self._width)})"
            statement = self._head + ", ".join([row] * size) + self._tail
            self._statements[placeholder, size] = statement
        return statement


def _quoted(name: str) -> str:
    return f'"{name}"'


def _flat(rows: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(chain.from_iterable(rows))
