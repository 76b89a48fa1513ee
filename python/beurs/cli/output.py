"""How the command line shows things: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

__all__ = ["book", "document", "fields", "progress", "rows"]

out = Console(soft_wrap=True, highlight=False)
# Where there is no terminal, in a file or a pipe, whole lines are wanted.
_wide = Console(soft_wrap=True, highlight=False, width=10_000)
err = Console(stderr=True, highlight=False)

_NUMBERS = (
    "price",
    "quantity",
    "total",
    "held",
    "available",
    "notional",
    "fee",
    "size",
    "orders",
    "filled",
    "leaves",
    "profit",
    "median",
    "least",
    "greatest",
    "of beurs",
)


def document(value: object) -> None:
    """JSON, as the server gave it."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def rows(title: str, records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A table of those fields of the records; an absent value is a dash."""
    if not records:
        out.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left")
    for column in columns:
        numeric = any(word in column for word in _NUMBERS)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left", no_wrap=True)
    for record in records:
        table.add_row(*(_text(record.get(column)) for column in columns))
    _print(table)


def fields(record: Mapping[str, Any]) -> None:
    """One record, a line a field or an element of a list; what is empty is left out, and so are lists of records."""
    shown = {name: value for name, value in record.items() if value not in (None, [], "")}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                out.print(f"{name.replace('_', ' '):<{width}}  {_text(one)}", markup=False)


def book(answer: Mapping[str, Any]) -> None:
    """The two halves of a book, asks above bids, the best prices in the middle."""
    table = Table(title=f"{answer['symbol']}  (sequence {answer['sequence']})", title_justify="left")
    for column in ("side", "price", "quantity", "orders"):
        table.add_column(column, justify="left" if column == "side" else "right", no_wrap=True)
    for side, levels in (("ask", list(reversed(answer["asks"]))), ("bid", answer["bids"])):
        for level in levels:
            style = "red" if side == "ask" else "green"
            table.add_row(side, level["price"], level["quantity"], str(level["orders"]), style=style)
        if side == "ask":
            table.add_section()
    _print(table)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar while something long runs; gives the function to call with (done, of all)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, of_all: int) -> None:
            bar.update(task, completed=done, total=of_all or None)

        yield report


def _print(table: Table) -> None:
    (out if out.is_terminal else _wide).print(table)


def _text(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.2f}"
    return str(value)
