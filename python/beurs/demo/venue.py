"""The demo venue: three assets, three instruments, accounts for two people and for the market simulator, with money and
keys, and a key for a member of staff.

Setting it up again changes nothing. The keys are made at random when a data directory is first used and stay the same;
they are kept in the clear in `demo-keys.json`, which only its owner may read, because they are printed at every start.
Keys that sign, for the binary door, are beside it: `alice.pem` and `bob.pem`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from beurs.config import Settings
from beurs.engine import (
    Gateway,
    Node,
    add_asset,
    administer,
    decode_events,
    deposit,
    list_instrument,
    open_account,
    set_fees,
)
from beurs.keys import KEY_FILE, KeyFile, new_key, write_private
from beurs.signing import new_pair, public_half, read_private

SIMULATOR: Final = ("simulator", "simulator-taker")
"""The accounts that the market simulator trades for; the last one takes."""
PEOPLE: Final = ("alice", "bob")
STAFF: Final = "staff"
"""The name of the demo's member of staff."""
ACTOR, REASON = "demo", "demo set-up"
"""Who sets the demo up, and why, as the list of changes has it."""
_ASSETS: Final = {"BTC": 8, "ETH": 8, "USD": 8}
_MONEY: Final = {  # whole coins and dollars
    "alice": {"BTC": 100, "ETH": 1_000, "USD": 5_000_000},
    "bob": {"BTC": 100, "ETH": 1_000, "USD": 5_000_000},
    **{code: {"BTC": 80, "ETH": 1_600, "USD": 5_000_000} for code in SIMULATOR},
}
_GROUP: Final = 0
_MAKER_PPM, _TAKER_PPM = 100, 500


@dataclass(frozen=True, slots=True)
class _Listing:
    symbol: str
    base: str
    quote: str
    tick: tuple[int, int]  # mantissa, scale
    lot: tuple[int, int]
    max_quantity: int  # lots
    min_notional: int  # smallest units of quote


_LISTINGS: Final = (
    _Listing("BTC-USD", "BTC", "USD", (1, 2), (1, 5), 1_000 * 10**5, 1 * 10**8),
    _Listing("ETH-USD", "ETH", "USD", (1, 2), (1, 4), 10_000 * 10**4, 1 * 10**8),
    _Listing("ETH-BTC", "ETH", "BTC", (1, 5), (1, 3), 10_000 * 10**3, 10**4),
)


def set_up(node: Node) -> None:
    """Makes what is not there yet."""
    known = {row["code"] for row in node.assets()}
    _execute(node, [add_asset(code, scale) for code, scale in _ASSETS.items() if code not in known])
    assets = {row["code"]: row for row in node.assets()}
    listed = {row["symbol"] for row in node.instruments()}
    new = [listing for listing in _LISTINGS if listing.symbol not in listed]
    _execute(
        node,
        [
            list_instrument(
                listing.symbol,
                assets[listing.base]["asset_id"],
                assets[listing.quote]["asset_id"],
                *listing.tick,
                *listing.lot,
                1,
                listing.max_quantity,
                listing.min_notional,
            )
            for listing in new
        ],
    )
    instruments = {row["symbol"]: row["instrument_id"] for row in node.instruments()}
    _execute(node, [set_fees(instruments[listing.symbol], _GROUP, _MAKER_PPM, _TAKER_PPM) for listing in new])
    opened = {row["code"] for row in node.accounts()}
    _execute(node, [open_account(code, _GROUP) for code in _MONEY if code not in opened])
    accounts = {row["code"]: row["account_id"] for row in node.accounts()}
    for code, money in _MONEY.items():
        # By what the account has, so that a stop between opening it and paying in is made good.
        funded = {asset_id for asset_id, total, _ in node.balances(accounts[code]) if total}
        _execute(
            node,
            [
                deposit(accounts[code], assets[asset]["asset_id"], amount * 10 ** assets[asset]["scale"])
                for asset, amount in money.items()
                if assets[asset]["asset_id"] not in funded
            ],
        )


def _execute(node: Node, commands: list[bytes]) -> None:
    """Executes them as changes of staff, whose list begins with them."""
    if not commands:
        return
    noted = [administer(ACTOR, REASON, command) for command in commands]
    for event in decode_events(node.execute(b"".join(noted))):
        if event.kind == "rejected":
            raise RuntimeError(f"the demo cannot be set up in this journal: {event.code}")


def demo_keys(settings: Settings) -> dict[str, str]:
    """The key of each demo account and of the member of staff, made at the first call for a data directory."""
    path: Path = settings.data_directory / "demo-keys.json"
    held: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    missing = [name for name in (*_MONEY, STAFF) if name not in held]
    if missing:
        held |= {name: new_key() for name in missing}
        write_private(path, held)
    accounts = {code: held[code] for code in _MONEY}
    files = {code: settings.data_directory / f"{code}.pem" for code in PEOPLE}
    signers = {code: public_half(read_private(at)) if at.exists() else new_pair(at) for code, at in files.items()}
    KeyFile(settings.data_directory / KEY_FILE).keep_demo_keys(accounts, {STAFF: held[STAFF]}, signers)
    return held


def welcome(url: str, keys: dict[str, str], gateway: Gateway | None = None) -> str:
    """What is printed when the exchange is ready."""
    lines = [
        f"beurs is open at {url}",
        "",
        f"  page          {url}/",
        f"  API           {url}/docs",
        f"  market data   {url.replace('http', 'ws', 1)}/ws/market-data",
    ]
    if gateway is not None:
        lines.append(f"  binary door   {', '.join(gateway.addresses)}")
    people = {name: keys[name] for name in (*PEOPLE, STAFF) if name in keys}
    if people:
        width = max(map(len, people))
        lines += [
            "",
            "  demo keys (for this data directory):",
            *(f"    {code:<{width}}  {key}" for code, key in people.items()),
        ]
        order = '{"symbol":"BTC-USD","side":"buy","price":"10000.00","quantity":"0.01"}'
        headers = f"-H 'X-API-Key: {people['alice']}' -H 'Content-Type: application/json'"
        lines += ["", "  try:", f"    curl -s {url}/v1/orders {headers} -d '{order}'"]
    return "\n".join([*lines, "", "Ctrl-C stops it; starting again continues where it stopped.", ""])
