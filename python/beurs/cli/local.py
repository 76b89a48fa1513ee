"""What commands on a data directory share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import typer

from beurs import engine
from beurs.cli import output
from beurs.cli.options import KEY_VARIABLE, URL_VARIABLE
from beurs.errors import JournalLocked

__all__ = ["DIFFERS", "account_codes", "fail", "last_sequence", "load_settings"]

T = TypeVar("T")
DIFFERS: Final = 3
"""The exit code of a command that compared something which differs."""


def load_settings(config: Path | None, **flags: object) -> Any:
    """The settings of a server. The variables of the client are not among them."""
    from beurs.config import Settings

    for variable in (URL_VARIABLE, KEY_VARIABLE):
        os.environ.pop(variable, None)
    return Settings.load(config, **flags)


def account_codes(settings: Any) -> set[str]:
    """Those of the journal; while a server has it, those that its store tells."""
    return _look(
        settings, lambda node: {known["code"] for known in node.accounts()}, lambda store: store.account_codes()
    )


def last_sequence(settings: Any) -> int:
    """The journal's last sequence; while a server has it, that up to which its store is, which is durable."""
    return _look(settings, lambda node: node.sequence, lambda store: int(store.position()[0]))


def fail(reason: str) -> NoReturn:
    """Says why it cannot be done, and ends the command."""
    print(f"beurs: {reason}", file=output.err.file)
    raise typer.Exit(1)


def _look(settings: Any, in_journal: Callable[[engine.Node], T], in_store: Callable[[Any], T]) -> T:
    from beurs.store import Repository, Store

    try:
        node = engine.Node(str(settings.data_directory))
    except JournalLocked:
        with Store(settings.store_url) as store:
            return in_store(Repository(store))
    try:
        return in_journal(node)
    finally:
        node.close()
