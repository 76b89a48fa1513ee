"""A venue with a random crowd, for tests of what follows a node."""

from __future__ import annotations

import random

from beurs.engine import (
    Node,
    add_asset,
    cancel_order,
    deposit,
    list_instrument,
    mass_cancel,
    new_order,
    new_order_list,
    open_account,
    replace_order,
    set_account_group,
    set_fees,
    set_trading_status,
    withdraw,
)

ACCOUNTS = 6


class Venue:
    """A node with assets, instruments and accounts, and a random crowd; with `terms` its orders are of all kinds."""

    def __init__(self, node: Node, seed: int, *, terms: bool = False) -> None:
        self.node = node
        self.random = random.Random(seed)
        self.terms = terms
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

    def _special(self) -> bytes:
        """An order with terms, an order list, or the beginning or the end of an auction."""
        r = self.random
        account, side, price = r.randrange(2, ACCOUNTS + 2), r.choice((1, 2)), 6_000_000 + r.randrange(-30, 30)
        quantity = r.randrange(1, 500)

        def order(kind: int, force: int = 1, limit: int = price, **terms: int) -> bytes:
            return new_order(account, 1, side, kind, force, False, 0, limit, quantity, 0, "", **terms)

        match r.randrange(10):
            case 0:
                return order(4, trigger_price=price + r.randrange(-20, 20))
            case 1:
                return order(3, 2, 0, trigger_price=price)
            case 2:
                return order(6, trigger_price=price, trail_bps=r.choice((0, 1)))
            case 3:
                return order(1, display_quantity=r.randrange(1, quantity + 1))
            case 4:
                return order(1, hidden=True)
            case 5:
                return order(1, 4, expire_time_ns=2**62)
            case 6:
                low, high = sorted((price, price + r.randrange(1, 40)))
                return new_order_list(
                    1,
                    [
                        new_order(account, 1, 2, 1, 1, False, 0, high, quantity, 0, ""),
                        new_order(account, 1, 2, 3, 2, False, 0, 0, quantity, 0, "", trigger_price=low),
                    ],
                )
            case 7:
                first = order(1)
                return new_order_list(
                    2, [first, new_order(account, 1, 3 - side, 1, 1, False, 0, price, quantity, 0, "")]
                )
            case 8:
                return set_trading_status(1, 5)
            case _:
                return set_trading_status(1, r.choice((1, 1, 1, 7)))

    def _command(self) -> bytes:
        r = self.random
        if self.terms and r.random() < 0.2:
            return self._special()
        account = r.randrange(2, ACCOUNTS + 2)
        instrument = r.choice((1, 1, 1, 2, 3))
        side = r.choice((1, 2))
        middle = {1: 6_000_000, 2: 6_000, 3: 5_000}[instrument]
        # Rather on the passive side, so that books have depth.
        price = middle + (-1 if side == 1 else 1) * r.randrange(-10, 30)
        name = r.choice(("", f"c{self.commands}-{r.randrange(10**9)}"))
        kind = r.random()
        stp = r.randrange(5)
        if kind < 0.50:
            force = r.choice((1, 1, 1, 2, 3))
            return new_order(
                account,
                instrument,
                side,
                1,
                force,
                force == 1 and r.random() < 0.2,
                stp,
                price,
                r.randrange(1, 500),
                0,
                name,
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
