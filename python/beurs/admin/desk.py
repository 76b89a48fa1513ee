"""The desk of one member of staff: `beurs.administration` over the running exchange, for one change and one reason.

It is used in a worker thread, because names and the store are read there, and hands its command to the event loop. One
desk executes one command, which is journalled with who gave it and why.
"""

import asyncio
import secrets

import numpy as np

from beurs import engine, records
from beurs.admin.facts import Change, facts
from beurs.admin.value import value_of
from beurs.administration import Administration
from beurs.catalogue import Instrument
from beurs.deps import RunningExchange
from beurs.errors import Rejected
from beurs.keys import Operator
from beurs.reports import Event, Rejection, Translator
from beurs.store.repository import SettledTrade
from beurs.timestamps import timestamp
from beurs.values import Number, Side
from beurs.web.problems import REJECT_RULES, Problem


class Desk(Administration):
    """The commands of one member of staff for one reason. `report` tells what the command did, once it has."""

    __slots__ = ("_catalogue", "_loop", "_operator", "_reason", "_services", "report")

    def __init__(
        self, services: RunningExchange, operator: Operator, reason: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._services = services
        self._catalogue = services.instruments.catalogue
        self._operator = operator
        self._reason = reason
        self._loop = loop
        self.report: Change | None = None

    def _execute(self, command: bytes, rejected: type[Rejected] = Rejected) -> list[Event]:
        noted = engine.administer(self._operator.name, self._reason, command)
        told = records.events(asyncio.run_coroutine_threadsafe(self._submit(noted), self._loop).result())
        # Without those of orders, of which there may be a million: the reports of what a kill switch cancels.
        told = told[~np.isin(told["kind"], records.ORDER_EVENTS)]
        events = Translator(self._catalogue).events(told.tobytes())
        first = events[0]
        if isinstance(first, Rejection):
            raise rejected(first.code, first.reason, REJECT_RULES[first.code], first.sequence)
        time = timestamp(first.event_time_ns)
        value = value_of(command, self._catalogue)
        self.report = Change(first.sequence, time, self._operator.name, self._reason, value, facts(events))
        return events

    async def _submit(self, command: bytes) -> bytes:
        return await self._services.sequencer.submit(command)

    # What is not the staff's alone, or needs to be looked up.

    def deposit(self, account: str, asset: str, amount: Number) -> None:
        """Brings money in."""
        kind = self._catalogue.asset(asset)
        owner = self._catalogue.account(account)
        self._execute(engine.deposit(owner.account_id, kind.asset_id, kind.unit.units(amount, "amount")))

    def withdraw(self, account: str, asset: str, amount: Number) -> None:
        """Takes money out."""
        kind = self._catalogue.asset(asset)
        owner = self._catalogue.account(account)
        self._execute(engine.withdraw(owner.account_id, kind.asset_id, kind.unit.units(amount, "amount")))

    def mass_cancel(self, account: str | None = None, symbol: str | None = None, side: Side | None = None) -> None:
        """Cancels all orders of an account, on an instrument, of a side, or of any combination."""
        command = engine.mass_cancel(
            0 if account is None else self._catalogue.account(account).account_id,
            0 if symbol is None else self._catalogue.instrument(symbol).instrument_id,
            0 if side is None else side.number,
        )
        self._execute(command)

    def draw_random_seed(self) -> None:
        """Sets the random seed to a number that nobody sees."""
        self.set_random_seed(secrets.randbits(64))

    def bust_settled_trade(self, trade_id: int) -> None:
        """Undoes the money of a trade, as the store has it."""
        trade, instrument = self._settled(trade_id)
        fee = instrument.quote_unit.scale
        self.bust_trade(
            trade_id,
            instrument.instrument_id,
            buyer=trade.buyer_id,
            seller=trade.seller_id,
            price=instrument.tick.text(trade.price),
            quantity=instrument.lot.text(trade.quantity),
            buyer_fee=engine.format_amount(trade.buyer_fee, fee),
            seller_fee=engine.format_amount(trade.seller_fee, fee),
        )

    def adjust_settled_trade(self, trade_id: int, new_price: Number) -> None:
        """Corrects the price of a trade, which the store has."""
        trade, instrument = self._settled(trade_id)
        self.adjust_trade(
            trade_id,
            instrument.instrument_id,
            buyer=trade.buyer_id,
            seller=trade.seller_id,
            price=instrument.tick.text(trade.price),
            quantity=instrument.lot.text(trade.quantity),
            new_price=new_price,
        )

    def _settled(self, trade_id: int) -> tuple[SettledTrade, Instrument]:
        trade = self._services.repository.settled_trade(trade_id)
        if trade is None:
            raise Problem("unknown_trade", field="trade_id")
        return trade, self._catalogue.instrument(trade.instrument_id)
