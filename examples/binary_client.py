"""Trading through the binary door of an exchange that `make run` has started.

python examples/binary_client.py [ADDRESS [KEY_FILE]]
"""

import sys
from decimal import Decimal

from beurs.client import Client
from beurs.errors import OrderRejected

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9000"
KEY_FILE = sys.argv[2] if len(sys.argv) > 2 else "beurs-data/alice.pem"

with Client(ADDRESS, KEY_FILE, keep_reports=1_000) as alice:
    # Requests go out at once; their replies are waited for when they are needed.
    replies = [alice.submit("BTC-USD", "buy", "0.5", price=Decimal(1_000) + 10 * step) for step in range(3)]
    for reply in replies:
        (report,) = reply.result().reports
        print(f"buy {report.quantity} at {report.price}: {report.status}, holds {report.hold} USD")

    # Every report comes once, whoever caused it.
    print("told of", [type(alice.reports.next().result(10)).__name__ for _ in replies])

    first, second, third = (reply.result().order_id for reply in replies)
    changed = alice.replace(first, symbol="BTC-USD", price="1005").result()
    print("replaced, now at", changed.reports[0].price)
    print("the second is", alice.cancel(second).result().status)
    print("mass-canceled", len(alice.mass_cancel("BTC-USD").result()))
    try:
        alice.cancel(third).result()
    except OrderRejected as refused:
        print("refused:", refused)
