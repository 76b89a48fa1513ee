"""Bad input to the exchange in this process: a clear error, and nothing has changed."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beurs import Exchange, NotFound, OrderRejected, Rejected
from beurs.errors import BeursError, DecimalError, InputError
from tests.conftest import fill_venue

NO_DECIMALS = [
    "",
    " ",
    "-1",
    "-0",
    "+1",
    "1e3",
    "1E400",
    "1e400",
    "NaN",
    "nan",
    "Infinity",
    "inf",
    "0x10",
    "1_000",
    "1,000",
    "１２",
    "٣",
    "½",
    "²",
    "1.",
    ".1",
    "1.1.1",
    "00",
    "01",
    " 1",
    "1 ",
    "1\n",
    "\x001",
    "1\x00",
    "1" * 40,
    "9" * 19,
    "0." + "0" * 18 + "1",
    "0." + "1" * 40,
    "1" * 100_000,
    "\ud800",
    "1\u200b",
    "ten",
    "null",
    "true",
    "1;2",
]
NO_DECIMAL_TYPES = [0.1, 1.0, float("nan"), float("inf"), 1, 0, -1, 10**400, True, b"1", ["1"], {"a": 1}, object()]
BAD_DECIMALS = [Decimal(text) for text in ("NaN", "sNaN", "Infinity", "-1", "-0", "1E+400", "1E-400", "0.00001")]
NO_NAMES = [
    "",
    "ALICE",
    "alice ",
    "carol",
    "alice\x00",
    "a" * 10_000,
    "\ud800",
    "аlice",
    0,
    -1,
    99,
    2**31,
    2**64,
    10**400,
]
NO_NAME_TYPES = [None, 1.0, True, b"alice", ["alice"], object()]


@pytest.fixture(scope="module")
def ex():
    """One venue for all: nothing here may change it."""
    with fill_venue(Exchange()) as exchange:
        exchange.submit("alice", "BTC-USD", "buy", "0.1", price="100", client_order_id="open")
        yield exchange


@pytest.fixture(autouse=True)
def nothing_changes(ex):
    """Neither the state nor the sequence: the engine has not even been asked."""
    before = ex.digest()
    yield
    assert ex.digest() == before


@pytest.mark.parametrize("text", NO_DECIMALS, ids=repr)
@pytest.mark.parametrize("field", ["price", "quantity", "quote_quantity", "amount", "replace"])
def test_what_is_no_decimal_is_refused_by_name(ex, field, text):
    with pytest.raises(DecimalError) as failed:
        give(ex, field, text)
    assert failed.value.field == ("price" if field == "replace" else field)
    assert len(str(failed.value)) < 200


@pytest.mark.parametrize("value", NO_DECIMAL_TYPES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("field", ["price", "quantity", "quote_quantity", "amount", "replace"])
def test_floats_and_other_types_are_refused_by_name(ex, field, value):
    with pytest.raises(TypeError, match="price" if field == "replace" else field):
        give(ex, field, value)


@pytest.mark.parametrize("value", BAD_DECIMALS, ids=str)
@pytest.mark.parametrize("field", ["price", "quantity", "replace"])
def test_decimals_that_do_not_fit_are_refused_by_name(ex, field, value):
    with pytest.raises(DecimalError):
        give(ex, field, value)


def give(ex, field, value):
    """Hands the value to the call that takes the field."""
    match field:
        case "price":
            ex.submit("alice", "BTC-USD", "buy", "0.1", price=value)
        case "quantity":
            ex.submit("alice", "BTC-USD", "buy", value, price="100")
        case "quote_quantity":
            ex.submit("alice", "BTC-USD", "buy", quote_quantity=value)
        case "amount":
            ex.deposit("alice", "USD", value)
        case "replace":
            ex.replace("alice", 1, price=value)


@pytest.mark.parametrize("name", NO_NAMES, ids=lambda name: repr(name)[:20])
def test_unknown_names_are_refused(ex, name):
    calls = [
        lambda: ex.submit(name, "BTC-USD", "buy", "0.1", price="100"),
        lambda: ex.submit("alice", name, "buy", "0.1", price="100"),
        lambda: ex.deposit(name, "USD", "1"),
        lambda: ex.deposit("alice", name, "1"),
        lambda: ex.withdraw("alice", name, "1"),
        lambda: ex.cancel(name, 1),
        lambda: ex.replace(name, 1, price="1"),
        lambda: ex.mass_cancel(name),
        lambda: ex.mass_cancel("alice", name),
        lambda: ex.book(name),
        lambda: ex.balances(name),
        lambda: ex.open_orders(name),
        lambda: ex.set_fees(name, maker_ppm=0, taker_ppm=0),
        lambda: ex.set_trading_status(name, "open"),
        lambda: ex.set_account_group(name, 0),
        lambda: ex.list_instrument("X", base=name, quote="USD", tick_size="1", lot_size="1"),
    ]
    for call in calls:
        with pytest.raises(NotFound) as failed:
            call()
        assert len(str(failed.value)) < 500


@pytest.mark.parametrize("name", NO_NAME_TYPES, ids=lambda name: type(name).__name__)
def test_names_of_other_types_are_refused(ex, name):
    for call in (
        lambda: ex.submit(name, "BTC-USD", "buy", "0.1", price="100"),
        lambda: ex.deposit("alice", name, "1"),
        lambda: ex.book(name),
    ):
        with pytest.raises(TypeError, match="named by str or id"):
            call()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("side", "BUY"),
        ("side", 1),
        ("side", None),
        ("order_type", "stops"),
        ("order_type", 2),
        ("time_in_force", "days"),
        ("time_in_force", ""),
        ("self_trade_prevention", "off"),
        ("self_trade_prevention", None),
        ("client_order_id", ""),
        ("client_order_id", "a" * 37),
        ("client_order_id", "a b"),
        ("client_order_id", "é"),
        ("client_order_id", "a\n"),
        ("client_order_id", "\x00"),
        ("client_order_id", "\ud800"),
    ],
)
def test_words_that_are_none_are_refused_by_name(ex, field, value):
    arguments = {"side": "buy", "price": "100", field: value}
    with pytest.raises(InputError, match=field):
        ex.submit("alice", "BTC-USD", arguments.pop("side"), "0.1", **arguments)


@pytest.mark.parametrize(
    "call",
    [
        lambda ex: ex.submit("alice", "BTC-USD", "buy", "0.1", price="100", post_only=1),
        lambda ex: ex.submit("alice", "BTC-USD", "buy", "0.1", price="100", post_only="no"),
        lambda ex: ex.submit("alice", "BTC-USD", "buy", "0.1", price="100", client_order_id=7),
        lambda ex: ex.cancel("alice", "1"),
        lambda ex: ex.cancel("alice", 1.0),
        lambda ex: ex.cancel("alice", True),
        lambda ex: ex.order(None),
        lambda ex: ex.book("BTC-USD", depth="10"),
        lambda ex: ex.book("BTC-USD", depth=1.5),
        lambda ex: ex.events(since=None),
        lambda ex: ex.events(since=1.0),
        lambda ex: ex.add_asset("EUR", scale="2"),
        lambda ex: ex.add_asset(5, scale=2),
        lambda ex: ex.add_asset(None, scale=2),
        lambda ex: ex.open_account(b"carol"),
        lambda ex: ex.open_account("carol", group_id=1.0),
        lambda ex: ex.set_fees("BTC-USD", maker_ppm=0.5, taker_ppm=1),
        lambda ex: ex.set_account_group("alice", None),
        lambda ex: ex.list_instrument("X", base="BTC", quote="USD", tick_size=0.01, lot_size="1"),
        lambda ex: ex.list_instrument("X", base="BTC", quote="USD", tick_size="0.01", lot_size=1),
        lambda ex: ex.submit("alice", "BTC-USD", "buy", "0.1", price="100", size="1"),
    ],
)
def test_other_types_are_refused(ex, call):
    with pytest.raises(TypeError):
        call(ex)


@pytest.mark.parametrize(
    "call",
    [
        lambda ex: ex.cancel("alice", 0),
        lambda ex: ex.cancel("alice", -1),
        lambda ex: ex.cancel("alice", 2**64),
        lambda ex: ex.cancel("alice", client_order_id="a b"),
        lambda ex: ex.cancel("alice", client_order_id=""),
        lambda ex: ex.replace("alice", 0, price="1"),
        lambda ex: ex.replace("alice", 1, price="0"),
        lambda ex: ex.replace("alice", 1, quantity="0"),
        lambda ex: ex.replace("alice", 1, quantity="0.00001"),
        lambda ex: ex.replace("alice", 1, new_client_order_id=""),
        lambda ex: ex.submit("alice", "BTC-USD", "buy", "0.1", price="0", order_type="market"),
        lambda ex: ex.submit("alice", "BTC-USD", "buy", "0.1", quote_quantity="0"),
        lambda ex: ex.submit("alice", "BTC-USD", "buy", quote_quantity="0"),
        lambda ex: ex.book("BTC-USD", depth=-1),
        lambda ex: ex.book("BTC-USD", depth=10**7),
        lambda ex: ex.events(since=-1),
        lambda ex: ex.events(limit=0),
        lambda ex: ex.add_asset("EUR", scale=-1),
        lambda ex: ex.add_asset("EUR", scale=256),
        lambda ex: ex.add_asset("E" * 16, scale=2),
        lambda ex: ex.add_asset("E R", scale=2),
        lambda ex: ex.add_asset("€", scale=2),
        lambda ex: ex.open_account("a" * 32),
        lambda ex: ex.open_account("carol", group_id=65_536),
        lambda ex: ex.open_account("carol", group_id=-1),
        lambda ex: ex.set_fees("BTC-USD", maker_ppm=2**31, taker_ppm=0),
        lambda ex: ex.set_trading_status("BTC-USD", "shut"),
        lambda ex: ex.list_instrument("X", base="BTC", quote="USD", tick_size="0", lot_size="1"),
        lambda ex: ex.list_instrument("X", base="BTC", quote="USD", tick_size="1", lot_size="1", min_quantity="0.5"),
        lambda ex: ex.list_instrument("X" * 32, base="BTC", quote="USD", tick_size="1", lot_size="1"),
        lambda ex: Exchange(event_ring_bytes=-1),
        lambda ex: Exchange(checkpoint_interval=-1),
    ],
)
def test_values_out_of_range_are_refused(ex, call):
    with pytest.raises((InputError, OverflowError)):
        call(ex)


def test_what_the_engine_refuses_changes_no_money():
    """These reach the engine, and take a sequence number."""
    with fill_venue(Exchange()) as ex:
        order_id = ex.submit("alice", "BTC-USD", "buy", "0.1", price="100").order_id
        refused = {
            "invalid_price": lambda: ex.submit("alice", "BTC-USD", "buy", "0.1", price="0"),
            "invalid_quantity": lambda: ex.submit("alice", "BTC-USD", "buy", "0", price="100"),
            "quantity_above_maximum": lambda: ex.submit("alice", "BTC-USD", "buy", "1000.0001", price="1"),
            "notional_below_minimum": lambda: ex.submit("alice", "BTC-USD", "buy", "0.0001", price="1"),
            "invalid_time_in_force": lambda: ex.submit("alice", "BTC-USD", "buy", "0.1", time_in_force="gtc"),
            "invalid_post_only": lambda: ex.submit("alice", "BTC-USD", "buy", "0.1", post_only=True),
            "price_not_allowed": lambda: ex.submit("alice", "BTC-USD", "buy", "0.1", price="1", order_type="market"),
            "quote_quantity_not_allowed": lambda: ex.submit(
                "alice", "BTC-USD", "buy", "0.1", price="1", quote_quantity="1"
            ),
            "invalid_amount": lambda: ex.deposit("alice", "USD", "0"),
            "invalid_scale": lambda: ex.add_asset("EUR", scale=19),
            "invalid_code": lambda: ex.add_asset("€UR".replace("€", "$"), scale=2),
            "same_asset": lambda: ex.list_instrument("X", base="BTC", quote="BTC", tick_size="1", lot_size="1"),
            "inexact_notional": lambda: ex.list_instrument(
                "X", base="BTC", quote="USD", tick_size="0.0001", lot_size="0.0001"
            ),
            "invalid_fee": lambda: ex.set_fees("BTC-USD", maker_ppm=-2, taker_ppm=1),
            "unknown_order": lambda: ex.cancel("bob", order_id),
        }
        state = ex.balances("alice"), ex.balances("bob"), ex.book("BTC-USD").bids, ex.assets(), ex.instruments()
        for code, call in refused.items():
            with pytest.raises(Rejected) as failed:
                call()
            assert failed.value.code == code
        assert state == (
            ex.balances("alice"),
            ex.balances("bob"),
            ex.book("BTC-USD").bids,
            ex.assets(),
            ex.instruments(),
        )


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.binary(max_size=8),
    st.decimals(),
    st.sampled_from(["alice", "BTC-USD", "buy", "sell", "limit", "market", "gtc", "ioc", "fok", "0.1", "100", "1"]),
)


CALLS = st.sampled_from(
    [
        lambda ex, a, b, c, d, e, f: ex.submit(a, b, c, d, price=e, client_order_id=f),
        lambda ex, a, b, c, d, e, f: ex.submit("alice", "BTC-USD", a, b, price=c, time_in_force=d),
        lambda ex, a, b, c, d, e, f: ex.submit("bob", "BTC-USD", "sell", a, quote_quantity=b, post_only=c),
        lambda ex, a, b, c, d, e, f: ex.cancel(a, b, client_order_id=c),
        lambda ex, a, b, c, d, e, f: ex.replace("alice", a, price=b, quantity=c, client_order_id=d),
        lambda ex, a, b, c, d, e, f: ex.mass_cancel(a, b, c),
        lambda ex, a, b, c, d, e, f: ex.withdraw("alice", a, b),
        lambda ex, a, b, c, d, e, f: ex.book(a, b),
        lambda ex, a, b, c, d, e, f: ex.events(a, limit=b),
        lambda ex, a, b, c, d, e, f: ex.execute(a),
        lambda ex, a, b, c, d, e, f: ex.open_account(a, group_id=b),
        lambda ex, a, b, c, d, e, f: ex.set_fees(a, maker_ppm=b, taker_ppm=c),
    ]
)


@settings(max_examples=500)
@given(st.lists(st.tuples(CALLS, st.lists(anything, min_size=6, max_size=6)), max_size=4))
def test_no_argument_at_all_breaks_the_exchange(calls):
    """Every call ends well or with an error of the tree or a TypeError, and no money appears."""
    with fill_venue(Exchange()) as ex:
        for call, arguments in calls:
            with contextlib.suppress(BeursError, TypeError):
                call(ex, *arguments)
        accounts = [account.account_id for account in ex.accounts()]
        for asset, issued in (("BTC", Decimal(10)), ("USD", Decimal(100_000))):
            assert sum(Decimal(ex.balance(account, asset).total) for account in accounts) <= issued


def test_rejections_are_order_rejections_only_for_orders(ex):
    with pytest.raises(Rejected) as failed:
        Exchange().add_asset("$", scale=2)
    assert not isinstance(failed.value, OrderRejected)
