"""The assets, instruments and accounts of an exchange by name and by id, with their decimals as text.

Nothing is ever removed or renamed at the venue, so what is known stays right, except an instrument's trading status
and an account's group: `Catalogue` asks for those anew whenever something has happened since it last asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from beurs.errors import NotFound
from beurs.rows import AccountRow, AssetRow, InstrumentRow
from beurs.values import Step, TradingStatus

__all__ = ["Account", "Asset", "Catalogue", "Instrument"]


@dataclass(frozen=True, slots=True)
class Asset:
    """Something that is owned: a currency, a coin.

    Attributes:
        asset_id: From 1, in the order of adding.
        code: Its unique code, such as "BTC".
        scale: How many decimals its smallest unit has.
    """

    asset_id: int
    code: str
    scale: int
    unit: Step = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Instrument:
    """Something that is traded: a base asset for a quote asset. Numbers are decimal text.

    Attributes:
        instrument_id: From 1, in the order of listing.
        symbol: Its unique symbol, such as "BTC-USD".
        base: The code of the asset that is traded.
        quote: The code of the asset that pays.
        tick_size: The price step, in quote per base.
        lot_size: The quantity step, in base.
        min_quantity: The smallest order, in base.
        max_quantity: The largest order, in base.
        min_notional: The smallest price × quantity of an order, in quote.
        status: What it accepts.
    """

    instrument_id: int
    symbol: str
    base: str
    quote: str
    tick_size: str
    lot_size: str
    min_quantity: str
    max_quantity: str
    min_notional: str
    status: TradingStatus
    tick: Step = field(repr=False, compare=False)
    lot: Step = field(repr=False, compare=False)
    base_unit: Step = field(repr=False, compare=False)
    quote_unit: Step = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Account:
    """Who owns money and orders.

    Attributes:
        account_id: From 1; 1 is the venue itself, which receives the fees.
        code: Its unique code, such as "alice".
        group_id: The group whose fees it pays.
    """

    account_id: int
    code: str
    group_id: int


class Source(Protocol):
    """What a catalogue reads."""

    @property
    def sequence(self) -> int:
        """The sequence number of the last command."""

    def assets(self) -> list[AssetRow]:
        """All of them, by ascending id."""

    def instruments(self) -> list[InstrumentRow]:
        """All of them, by ascending id."""

    def accounts(self) -> list[AccountRow]:
        """All of them, by ascending id."""


class Catalogue:
    """Looks things up by name (str) or id (int). Raises NotFound for what there is not."""

    __slots__ = ("_accounts", "_assets", "_instruments", "_sequence", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._sequence = -1
        self._assets: dict[str | int, Asset] = {}
        self._instruments: dict[str | int, Instrument] = {}
        self._accounts: dict[str | int, Account] = {}

    def asset(self, name: str | int) -> Asset:
        """The asset of that code or asset_id."""
        found = self._assets.get(_key(name, "asset"))
        if found is None and self._refresh():
            found = self._assets.get(name)
        if found is None:
            raise NotFound("asset", name)
        return found

    def instrument(self, name: str | int) -> Instrument:
        """The instrument of that symbol or instrument_id. Its status may be old; that of `instruments()` is not."""
        found = self._instruments.get(_key(name, "symbol"))
        if found is None and self._refresh():
            found = self._instruments.get(name)
        if found is None:
            raise NotFound("symbol", name)
        return found

    def account(self, name: str | int) -> Account:
        """The account of that code or account_id. Its group may be old; that of `accounts()` is not."""
        found = self._accounts.get(_key(name, "account"))
        if found is None and self._refresh():
            found = self._accounts.get(name)
        if found is None:
            raise NotFound("account", name)
        return found

    def opened(self, account: Account) -> Account:
        """Takes an account that has just been opened, which saves reading all of them again."""
        self._accounts[account.account_id] = self._accounts[account.code] = account
        return account

    def assets(self) -> list[Asset]:
        """All assets, by ascending asset_id."""
        self._refresh()
        return [asset for name, asset in self._assets.items() if isinstance(name, int)]

    def instruments(self) -> list[Instrument]:
        """All instruments, by ascending instrument_id."""
        self._refresh()
        return [instrument for name, instrument in self._instruments.items() if isinstance(name, int)]

    def accounts(self) -> list[Account]:
        """All accounts, by ascending account_id."""
        self._refresh()
        return [account for name, account in self._accounts.items() if isinstance(name, int)]

    def _refresh(self) -> bool:
        """Reads everything again if there was a command since. Says whether it did."""
        sequence = self._source.sequence
        if sequence == self._sequence:
            return False
        # New dictionaries, so that another thread sees the old or the new state, whole.
        assets: dict[str | int, Asset] = {}
        for row in self._source.assets():
            asset = Asset(row["asset_id"], row["code"], row["scale"], Step(1, row["scale"]))
            assets[asset.asset_id] = assets[asset.code] = asset
        instruments: dict[str | int, Instrument] = {}
        for listed in self._source.instruments():
            instrument = _instrument(listed, assets)
            instruments[instrument.instrument_id] = instruments[instrument.symbol] = instrument
        accounts: dict[str | int, Account] = {}
        for opened in self._source.accounts():
            account = Account(opened["account_id"], opened["code"], opened["group_id"])
            accounts[account.account_id] = accounts[account.code] = account
        self._assets, self._instruments, self._accounts = assets, instruments, accounts
        self._sequence = sequence
        return True


def _instrument(row: InstrumentRow, assets: dict[str | int, Asset]) -> Instrument:
    base, quote = assets[row["base_id"]], assets[row["quote_id"]]
    tick = Step(row["tick_mantissa"], row["tick_scale"])
    lot = Step(row["lot_mantissa"], row["lot_scale"])
    return Instrument(
        instrument_id=row["instrument_id"],
        symbol=row["symbol"],
        base=base.code,
        quote=quote.code,
        tick_size=str(tick),
        lot_size=str(lot),
        min_quantity=lot.text(row["min_quantity"]),
        max_quantity=lot.text(row["max_quantity"]),
        min_notional=quote.unit.text(row["min_notional"]),
        status=TradingStatus(row["status"]),
        tick=tick,
        lot=lot,
        base_unit=base.unit,
        quote_unit=quote.unit,
    )


def _key(name: object, what: str) -> str | int:
    """Refuses what is neither: True is no id, 1.0 is no id."""
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise TypeError(f"{what}: named by str or id, not {type(name).__name__}")
    return name
