"""The store: SQL tables of what has happened, for everything that asks questions about the past.

A function of the journal: :class:`Projector` writes it, :class:`Repository` reads it, :func:`rebuild` makes it anew.
"""

from beurs.store.audit import check
from beurs.store.candles import INTERVALS, CandleValues, Ticker
from beurs.store.database import Store
from beurs.store.projector import Projector, StoreAhead, catch_up, rebuild
from beurs.store.repository import LIMIT_MAX, Repository
from beurs.store.watch import StoreWatch

__all__ = [
    "INTERVALS",
    "LIMIT_MAX",
    "CandleValues",
    "Projector",
    "Repository",
    "Store",
    "StoreAhead",
    "StoreWatch",
    "Ticker",
    "catch_up",
    "check",
    "rebuild",
]
