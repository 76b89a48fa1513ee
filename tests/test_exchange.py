"""The exchange in this process, through its public door."""

import threading
from decimal import Decimal

import pytest

from beurs import (
    CancelReason,
    Exchange,
    ExecType,
    Lagged,
    Liquidity,
    MassCanceled,
    NotFound,
    OrderRejected,
    OrderStatus,
    PriceLevel,
    Rejected,
    Rejection,
    Side,
    TradingStatus,
)
from beurs.errors import InputError, JournalLocked, NodeStopped
from tests.conftest import fill_venue


def balance(ex, account, asset):
    found = ex.balance(account, asset)
    return found.total, found.held, found.available


def test_a_resting_order_holds_its_worst_cost(ex):
    result = ex.submit("alice", "BTC-USD", "buy", "0.5", price="20000")
    assert (result.order_id, result.status, len(result.reports)) == (1, OrderStatus.NEW, 1)
    report = result.reports[0]
    assert (report.exec_type, report.price, report.quantity, report.hold) == (ExecType.NEW, "20000", "0.5", "10003")
    assert balance(ex, "alice", "USD") == ("100000", "10003", "89997")
    book = ex.book("BTC-USD")
    assert (book.bids, book.asks, book.sequence) == ([PriceLevel("20000", "0.5", 1)], [], ex.sequence)


def test_a_trade_settles_both_sides_and_pays_the_venue(ex):
    ex.submit("alice", "BTC-USD", "buy", "0.5", price="20000")
    result = ex.submit("bob", "BTC-USD", "sell", "0.2")
    assert result.status is OrderStatus.FILLED
    assert [(report.account, report.exec_type, report.liquidity) for report in result.reports] == [
        ("bob", ExecType.NEW, None),
        ("bob", ExecType.TRADE, Liquidity.TAKER),
        ("alice", ExecType.TRADE, Liquidity.MAKER),
    ]
    (trade,) = result.trades
    assert (trade.last_price, trade.last_quantity, trade.last_notional, trade.fee) == ("20000", "0.2", "4000", "1.2")
    assert result.reports[2].fee == "0.4"
    assert balance(ex, "alice", "BTC") == ("0.2", "0", "0.2")
    assert balance(ex, "bob", "USD") == ("3998.8", "0", "3998.8")
    assert balance(ex, "venue", "USD") == ("1.6", "0", "1.6")


def test_decimals_are_taken_as_decimal_too(ex):
    result = ex.submit("alice", "BTC-USD", Side.BUY, Decimal("0.5000"), price=Decimal("2E+4"))
    assert (result.reports[0].price, result.reports[0].quantity) == ("20000", "0.5")


def test_names_and_ids_mean_the_same(ex):
    by_name = ex.submit("alice", "BTC-USD", "buy", "0.1", price="10")
    by_id = ex.submit(2, 1, "buy", "0.1", price="10")
    assert {report.account for report in by_name.reports + by_id.reports} == {"alice"}
    assert ex.balances("alice") == ex.balances(2)
    assert ex.balance("alice", 2) == ex.balance("alice", "USD")


def test_a_market_order_by_quote_quantity_says_what_it_took(ex):
    ex.submit("bob", "BTC-USD", "sell", "1", price="20000")
    result = ex.submit("alice", "BTC-USD", "buy", quote_quantity="5000")
    assert result.status is OrderStatus.FILLED
    report = result.trades[0]
    assert (report.price, report.quantity, report.quote_quantity) == (None, None, "5000")
    assert (report.last_quantity, report.filled_quantity) == ("0.25", "0.25")


def test_an_ioc_remainder_ends_canceled(ex):
    ex.submit("bob", "BTC-USD", "sell", "0.1", price="20000")
    result = ex.submit("alice", "BTC-USD", "buy", "0.3", price="20000", time_in_force="ioc")
    last = result.reports[-1]
    assert (result.status, last.cancel_reason, last.filled_quantity, last.leaves_quantity) == (
        OrderStatus.CANCELED,
        CancelReason.IMMEDIATE_OR_CANCEL,
        "0.1",
        "0",
    )
    assert ex.open_orders("alice") == []


def test_a_rejected_order_raises_and_changes_nothing(ex):
    balances, sequence = ex.balances("alice"), ex.sequence
    with pytest.raises(OrderRejected) as failed:
        ex.submit("alice", "BTC-USD", "buy", "10", price="20000")
    assert (failed.value.code, failed.value.reason, failed.value.sequence) == ("insufficient_funds", 403, sequence + 1)
    assert "available balance" in failed.value.rule
    assert ex.balances("alice") == balances
    (event,) = ex.events(since=sequence)
    assert isinstance(event, Rejection)
    assert (event.code, event.reason) == ("insufficient_funds", 403)


def test_sending_an_order_twice_has_one_effect(ex):
    ex.submit("alice", "BTC-USD", "buy", "0.1", price="100", client_order_id="one")
    with pytest.raises(OrderRejected, match="duplicate_client_order_id"):
        ex.submit("alice", "BTC-USD", "buy", "0.1", price="100", client_order_id="one")
    assert [order.client_order_id for order in ex.open_orders("alice")] == ["one"]


def test_cancel_by_either_id(ex):
    first = ex.submit("alice", "BTC-USD", "buy", "0.1", price="100", client_order_id="one")
    ex.submit("alice", "BTC-USD", "buy", "0.1", price="100", client_order_id="two")
    assert ex.cancel("alice", first.order_id).status is OrderStatus.CANCELED
    assert ex.cancel("alice", client_order_id="two").cancel_reason is CancelReason.REQUESTED
    with pytest.raises(OrderRejected, match="unknown_order"):
        ex.cancel("alice", first.order_id)
    with pytest.raises(OrderRejected, match="order_reference_missing"):
        ex.cancel("alice")
    assert balance(ex, "alice", "USD") == ("100000", "0", "100000")


def test_nobody_cancels_or_replaces_the_order_of_another(ex):
    order_id = ex.submit("alice", "BTC-USD", "buy", "0.1", price="100").order_id
    with pytest.raises(OrderRejected, match="unknown_order"):
        ex.cancel("bob", order_id)
    with pytest.raises(OrderRejected, match="unknown_order"):
        ex.replace("bob", order_id, quantity="0.05")
    assert len(ex.open_orders("alice")) == 1


def test_a_replace_that_only_reduces_keeps_its_place(ex):
    first = ex.submit("alice", "BTC-USD", "buy", "0.3", price="100").order_id
    ex.submit("alice", "BTC-USD", "buy", "0.3", price="100")
    assert ex.replace("alice", first, quantity="0.1").reports[0].exec_type is ExecType.REPLACED
    result = ex.submit("bob", "BTC-USD", "sell", "0.1")
    assert result.trades[0].counter_order_id == first


def test_a_replace_may_trade(ex):
    ex.submit("bob", "BTC-USD", "sell", "0.1", price="101")
    order = ex.submit("alice", "BTC-USD", "buy", "0.3", price="100", client_order_id="a")
    result = ex.replace("alice", client_order_id="a", price="101", new_client_order_id="b")
    assert result.order_id == order.order_id
    assert [report.exec_type for report in result.reports] == [ExecType.REPLACED, ExecType.TRADE, ExecType.TRADE]
    assert ex.order(order.order_id).client_order_id == "b"
    assert ex.order(order.order_id).leaves_quantity == "0.2"


def test_a_replace_names_an_order_there_is(ex):
    with pytest.raises(OrderRejected, match="unknown_order"):
        ex.replace("alice", 77, price="1")
    with pytest.raises(OrderRejected, match="unknown_order"):
        ex.replace("alice", 77)
    with pytest.raises(OrderRejected, match="order_reference_missing"):
        ex.replace("alice", price="1")


def test_a_mass_cancel_takes_what_it_is_told(ex):
    for price in ("100", "101", "102"):
        ex.submit("alice", "BTC-USD", "buy", "0.1", price=price)
    ex.submit("bob", "BTC-USD", "sell", "0.1", price="200")
    assert ex.mass_cancel("alice", "BTC-USD", "sell") == []
    assert [report.order_id for report in ex.mass_cancel("alice")] == [1, 2, 3]
    assert [report.order_id for report in ex.mass_cancel()] == [4]
    last = ex.events()[-1]
    assert isinstance(last, MassCanceled)
    assert (last.account, last.symbol, last.side, last.count) == (None, None, None, 1)


@pytest.mark.parametrize("scale", [0, 2, 18])
def test_a_balance_may_be_longer_than_any_amount_that_can_be_said(ex, scale):
    ex.add_asset("COIN", scale=scale)
    most = "999999999999999999"
    assert ex.deposit("alice", "COIN", most).total == most
    if scale == 18:
        assert ex.deposit("bob", "COIN", "1").available == "1"
        balance = ex.withdraw("alice", "COIN", "0.000000000000000001")
        assert balance.available == "999999999999999998.999999999999999999"
    else:
        balance = ex.deposit("alice", "COIN", most)
        assert (balance.total, balance.held, balance.available) == ("1999999999999999998", "0", "1999999999999999998")
    assert balance == ex.balance("alice", "COIN")


def test_the_venue_cancels_everybodys_orders_even_while_halted(ex):
    order_id = ex.submit("alice", "BTC-USD", "buy", "0.1", price="100").order_id
    ex.set_trading_status("BTC-USD", "halted")
    with pytest.raises(OrderRejected, match="instrument_halted"):
        ex.cancel("alice", order_id)
    report = ex.cancel(None, order_id)
    assert (report.account, report.order_id, report.cancel_reason) == ("alice", order_id, "requested")


def test_a_trading_status_is_seen_and_obeyed(ex):
    ex.set_trading_status("BTC-USD", "halted")
    assert ex.instruments()[0].status is TradingStatus.HALTED
    with pytest.raises(OrderRejected, match="instrument_halted"):
        ex.submit("alice", "BTC-USD", "buy", "0.1", price="100")
    ex.set_trading_status("BTC-USD", TradingStatus.OPEN)
    ex.submit("alice", "BTC-USD", "buy", "0.1", price="100")


def test_fees_are_those_of_the_account_group(ex):
    ex.set_fees("BTC-USD", maker_ppm=-50, taker_ppm=100, group_id=3)
    ex.set_account_group("bob", 3)
    ex.open_account("carol", group_id=3)
    ex.deposit("carol", "USD", "10000")
    ex.submit("carol", "BTC-USD", "buy", "0.1", price="10000")
    result = ex.submit("bob", "BTC-USD", "sell", "0.1")
    assert [report.fee for report in result.reports[1:]] == ["0.1", "-0.05"]
    assert [account.group_id for account in ex.accounts()] == [0, 0, 3, 3]


def test_money_goes_in_and_out(ex):
    assert ex.deposit("alice", "BTC", "0.5").available == "0.5"
    assert ex.withdraw("alice", "USD", "99999.999999").total == "0.000001"
    with pytest.raises(Rejected, match="insufficient_funds"):
        ex.withdraw("alice", "USD", "1")
    assert balance(ex, "alice", "USD")[0] == "0.000001"


def test_what_is_there_already_is_refused_clearly(ex):
    with pytest.raises(Rejected, match=r"duplicate_code \(502\)"):
        ex.list_instrument("BTC-USD", base="BTC", quote="USD", tick_size="0.01", lot_size="0.0001")
    with pytest.raises(Rejected, match="duplicate_code"):
        ex.add_asset("BTC", scale=8)
    with pytest.raises(Rejected, match="duplicate_code"):
        ex.open_account("alice")


def test_the_lists_say_what_there_is(ex):
    assert [asset.code for asset in ex.assets()] == ["BTC", "USD"]
    assert [account.code for account in ex.accounts()] == ["venue", "alice", "bob"]
    (instrument,) = ex.instruments()
    assert (instrument.symbol, instrument.tick_size, instrument.lot_size) == ("BTC-USD", "0.01", "0.0001")
    assert (instrument.min_quantity, instrument.max_quantity, instrument.min_notional) == ("0.0001", "1000", "1")


def test_the_book_is_cut_at_its_depth(ex):
    for cents in range(20):
        ex.submit("alice", "BTC-USD", "buy", "0.1", price=f"100.{cents:02}")
    assert [level.price for level in ex.book("BTC-USD", depth=3).bids] == ["100.19", "100.18", "100.17"]
    assert len(ex.book("BTC-USD").bids) == 10
    assert ex.book("BTC-USD", depth=0).bids == []
    assert len(ex.book("BTC-USD", depth=1_000_000).bids) == 20


def test_events_can_be_read_on(ex):
    ex.submit("alice", "BTC-USD", "buy", "0.1", price="100")
    everything = ex.events()
    assert [event.sequence for event in everything] == list(range(1, 10))
    assert ex.events(since=8) == everything[8:]
    assert ex.events(since=9) == ex.events(since=10**15) == []
    assert ex.events(limit=1)[0] == everything[0]


def test_old_events_are_lost_in_memory_and_kept_in_a_journal(tmp_path):
    def many(ex):
        ex.add_asset("USD", scale=2)
        for _ in range(300):
            ex.deposit("venue", "USD", "1")
        return ex

    with many(Exchange(event_ring_bytes=16_384)) as ex:
        with pytest.raises(Lagged) as failed:
            ex.events()
        assert 0 < failed.value.oldest < 301
        assert len(ex.events(since=failed.value.oldest)) == 301 - failed.value.oldest
    with many(Exchange(tmp_path / "venue", event_ring_bytes=16_384)) as ex:
        assert [event.sequence for event in ex.events()] == list(range(1, 302))


def test_a_journal_recovers_the_same_state(tmp_path):
    with fill_venue(Exchange(tmp_path)) as ex:
        ex.submit("alice", "BTC-USD", "buy", "0.5", price="20000")
        ex.submit("bob", "BTC-USD", "sell", "0.2")
        digest, sequence, events, snapshot = ex.digest(), ex.sequence, ex.events(), ex.snapshot()
    with Exchange(str(tmp_path)) as ex:
        assert (ex.digest(), ex.sequence, ex.events(), ex.snapshot()) == (digest, sequence, events, snapshot)
        assert ex.submit("bob", "BTC-USD", "sell", "0.1").order_id == 3


def test_a_directory_belongs_to_one(tmp_path):
    with fill_venue(Exchange(tmp_path)) as ex, pytest.raises(JournalLocked, match="open"):
        Exchange(tmp_path)
    with Exchange(tmp_path) as ex:
        assert len(ex.accounts()) == 3


def test_a_closed_exchange_says_so(tmp_path):
    for exchange in (Exchange(), Exchange(tmp_path)):
        fill_venue(exchange)
        exchange.close()
        exchange.close()
        with pytest.raises(NodeStopped, match="closed"):
            exchange.deposit("alice", "USD", "1")
        with pytest.raises(NodeStopped):
            exchange.book("BTC-USD")


def test_only_a_journal_has_checkpoints(ex, tmp_path):
    with pytest.raises(ValueError, match="no journal"):
        ex.checkpoint()
    with fill_venue(Exchange(tmp_path)) as journalled:
        assert journalled.checkpoint() == journalled.sequence == 8


def test_the_same_commands_give_the_same_digest():
    with fill_venue(Exchange()) as one, fill_venue(Exchange()) as other:
        for ex in (one, other):
            ex.submit("alice", "BTC-USD", "buy", "0.1", price="100")
        # Time is part of the state; everything else is the same.
        assert one.book("BTC-USD") == other.book("BTC-USD")
        assert one.balances("alice") == other.balances("alice")


def test_the_single_call_door_gives_ids_and_reasons(ex):
    node = ex.node
    assert node.new_order(2, 1, 1, 10_000, 1_000) == 1
    assert node.new_order(2, 1, 1, 10_000, 10**9) == -309
    assert node.new_order(2, 1, 1, 10_000, 1_000, "mine", 1, 1, True, 0, 0) == 2
    assert node.replace_order(2, 2, 0, 500) == 2
    assert node.cancel_order(2, 1) == 1
    assert node.cancel_order(2, 1) == -105
    assert [order.client_order_id for order in ex.open_orders("alice")] == ["mine"]


def test_threads_share_an_exchange(ex):
    def trade():
        for _ in range(200):
            order = ex.submit("alice", "BTC-USD", "buy", "0.01", price="100")
            ex.cancel("alice", order.order_id)

    threads = [threading.Thread(target=trade) for _ in range(4)]
    before = ex.sequence
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ex.sequence == before + 1600
    assert ex.open_orders("alice") == []
    assert balance(ex, "alice", "USD") == ("100000", "0", "100000")


def test_a_name_that_is_unknown_is_named(ex):
    with pytest.raises(NotFound, match="unknown symbol 'BTC-EUR'"):
        ex.book("BTC-EUR")
    with pytest.raises(LookupError, match="unknown account"):
        ex.balances("carol")


SECOND = 1_000_000_000


def test_a_manual_clock_stands_still_until_it_is_moved():
    with Exchange(clock="manual") as ex:
        assert ex.event_time_ns == 0
        assert ex.set_time(SECOND) == []
        fill_venue(ex)
        entered = ex.submit("alice", "BTC-USD", "buy", "0.1", price="100", expire_time_ns=10 * SECOND)
        assert entered.reports[0].event_time_ns == ex.event_time_ns == SECOND
        ex.cancel_all_after("bob", 20 * SECOND)
        ask = ex.submit("bob", "BTC-USD", "sell", "0.1", price="200")

        before = ex.sequence
        assert ex.set_time(10 * SECOND - 1) == []
        assert ex.sequence == before
        expired, advanced = ex.set_time(10 * SECOND)
        assert (expired.order_id, expired.status, expired.event_time_ns) == (entered.order_id, "expired", 10 * SECOND)
        assert (advanced.count, advanced.sequence) == (1, ex.sequence)
        canceled, *_ = ex.set_time(21 * SECOND)
        assert (canceled.order_id, canceled.status, canceled.event_time_ns) == (ask.order_id, "canceled", 21 * SECOND)
        assert ex.set_time(21 * SECOND) == []


def test_a_manual_clock_never_goes_backwards(tmp_path):
    with Exchange(tmp_path / "venue", clock="manual") as ex:
        ex.set_time(5)
        fill_venue(ex)
        with pytest.raises(InputError, match="event_time_ns: must not be before the clock's time"):
            ex.set_time(4)
        with pytest.raises(InputError, match="event_time_ns: must be from 0"):
            ex.set_time(-1)
        digest = ex.digest()
    with Exchange(tmp_path / "venue", clock="manual") as ex:  # It stands where the last command is.
        with pytest.raises(InputError, match="event_time_ns: must not be before the clock's time"):
            ex.set_time(4)
        assert ex.set_time(5) == []
        assert ex.digest() == digest


def test_only_a_manual_clock_can_be_moved(ex):
    sequence = ex.sequence
    with pytest.raises(InputError, match="clock: must be manual for its time to be set"):
        ex.set_time(2**63 - 1)
    assert ex.sequence == sequence
    with pytest.raises(InputError, match="clock: must be system or manual"):
        Exchange(clock="stopped")
