"""The first trade: a venue in memory, two accounts, two orders.

python examples/first_trade.py
"""

from beurs import Exchange, OrderRejected

with Exchange() as ex:
    # A venue: two assets, one instrument, fees in parts per million.
    ex.add_asset("BTC", scale=8)
    ex.add_asset("USD", scale=6)
    ex.list_instrument("BTC-USD", base="BTC", quote="USD", tick_size="0.01", lot_size="0.0001", min_notional="1")
    ex.set_fees("BTC-USD", maker_ppm=100, taker_ppm=300)

    # Two people with money.
    ex.open_account("alice")
    ex.open_account("bob")
    ex.deposit("alice", "USD", "20000")
    ex.deposit("bob", "BTC", "1")

    # Alice's order rests in the book and holds its worst cost, fees included.
    order = ex.submit("alice", "BTC-USD", "buy", "0.5", price="20000", client_order_id="my-first")
    print("alice's order", order.order_id, "is", order.status, "and holds", order.reports[0].hold, "USD")

    # Bob sells into it, at the price of the one who was there first.
    sale = ex.submit("bob", "BTC-USD", "sell", "0.2")
    for trade in sale.trades:
        print("bob sold", trade.last_quantity, "BTC at", trade.last_price, "and paid", trade.fee, "USD of fees")

    print("bids:", [(level.price, level.quantity) for level in ex.book("BTC-USD").bids])
    for account in ("alice", "bob", "venue"):
        for balance in ex.balances(account):
            print(f"{account:<5} {balance.asset}: total {balance.total}, available {balance.available}")

    # What the engine refuses, it refuses with a reason, and nothing changes.
    try:
        ex.submit("alice", "BTC-USD", "buy", "10", price="20000")
    except OrderRejected as rejected:
        print("rejected:", rejected)

    ex.cancel("alice", client_order_id="my-first")
    print("state after", ex.sequence, "commands:", ex.digest()[:16])
