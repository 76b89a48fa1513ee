"""What every test may use."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from beurs import Exchange

# Every run tries the same examples, so that a failure in CI is a failure here.
settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("repeatable")
# A line for every request is for who looks for a fault.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))


def fill_venue(ex: Exchange) -> Exchange:
    """BTC-USD with fees of 100 and 300 ppm; alice has 100,000 USD, bob has 10 BTC."""
    ex.add_asset("BTC", scale=8)
    ex.add_asset("USD", scale=6)
    ex.list_instrument(
        "BTC-USD", base="BTC", quote="USD", tick_size="0.01", lot_size="0.0001", max_quantity="1000", min_notional="1"
    )
    ex.set_fees("BTC-USD", maker_ppm=100, taker_ppm=300)
    ex.open_account("alice")
    ex.open_account("bob")
    ex.deposit("alice", "USD", "100000")
    ex.deposit("bob", "BTC", "10")
    return ex


@pytest.fixture
def ex() -> Iterator[Exchange]:
    """A small venue in memory."""
    with Exchange() as exchange:
        yield fill_venue(exchange)
