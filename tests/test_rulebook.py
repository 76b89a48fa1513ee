"""The wider rulebook from Python: what is asked becomes the command that is meant, what is said becomes a report."""

import numpy as np
import pytest

from beurs import Feature, OrderRejected, engine, records, reports
from beurs.administration import Administration
from beurs.catalogue import Catalogue
from beurs.errors import CommandInvalid, InputError, Rejected
from beurs.orders.reports import cancel_replace_report
from beurs.records import EventKind
from beurs.reports import Translator
from beurs.web.problems import Problem


class Asked(Administration):
    """Keeps the command instead of executing it."""

    def __init__(self, exchange):
        self._catalogue = Catalogue(exchange.node)
        self.command = b""

    def _execute(self, command, rejected=None):
        self.command = command
        raise LookupError("not executed")


SETTINGS = [
    (
        lambda a: a.set_trading_status("BTC-USD", "auction", reason="schedule", end_time_ns=9),
        lambda: engine.set_trading_status(1, 5, reason=2, end_time_ns=9),
    ),
    (lambda a: a.set_trading_status(None, "halted"), lambda: engine.set_trading_status(None, 4)),
    (
        lambda a: a.set_trading_status(status="open", group=3),
        lambda: engine.set_trading_status(None, 1, instrument_group_id=3),
    ),
    (lambda a: a.set_instrument_group("BTC-USD", 3), lambda: engine.set_instrument_group(1, 3)),
    (lambda a: a.set_mark_price("BTC-USD", "20000.01"), lambda: engine.set_mark_price(1, 2_000_001)),
    (
        lambda a: a.set_matching(
            "BTC-USD", "pro_rata", top_max="1", lead_percent=10, fifo_percent=40, min_allocation="0.0002", leveling=True
        ),
        lambda: engine.set_matching(1, 2, 10_000, 10, 40, 2, True),
    ),
    (lambda a: a.set_lead_market_maker("BTC-USD", "alice", 7), lambda: engine.set_lead_market_maker(1, 2, 7)),
    (
        lambda a: a.set_price_bands(
            "BTC-USD",
            reference="100",
            static_up_bps=1,
            static_down_bps=2,
            dynamic_bps=3,
            collar_bps=4,
            action="auction",
        ),
        lambda: engine.set_price_bands(
            1,
            reference=10_000,
            static_up_bps=1,
            static_down_bps=2,
            dynamic_bps=3,
            collar_bps=4,
            action=2,
            auction_ns=60_000_000_000,
        ),
    ),
    (lambda a: a.set_features("BTC-USD", Feature.ICEBERG | Feature.HIDDEN), lambda: engine.set_features(1, 6, 1_000)),
    (
        lambda a: a.set_schedule("BTC-USD", 1, "closed", weekdays=31, time_of_day_ns=5, random_ns=6),
        lambda: engine.set_schedule(1, 1, 31, 5, 6, 7),
    ),
    (lambda a: a.set_random_seed(2**64 - 1), lambda: engine.set_random_seed(2**64 - 1)),
    (
        lambda a: a.set_risk_limits(
            account="alice",
            key_id=4,
            symbol="BTC-USD",
            max_order_quantity="1",
            max_order_notional="2",
            max_exposure="3",
        ),
        lambda: engine.set_risk_limits(
            1,
            account_id=2,
            key_id=4,
            max_order_quantity=10_000,
            max_order_notional=2_000_000,
            max_exposure=3_000_000,
        ),
    ),
    (
        lambda a: a.set_risk_limits(group_id=0, max_open_orders=5, max_order_rate=6, rate_window_ns=10**9),
        lambda: engine.set_risk_limits(0, group_id=0, max_open_orders=5, max_order_rate=6, rate_window_ns=10**9),
    ),
    (lambda a: a.set_account_mode("alice", "cancel_only"), lambda: engine.set_account_mode(2, 2)),
    (lambda a: a.kill_switch(), lambda: engine.kill_switch(True)),
    (lambda a: a.kill_switch(symbol="BTC-USD"), lambda: engine.kill_switch(True, instrument_id=1)),
    (lambda a: a.kill_switch(False, group_id=0), lambda: engine.kill_switch(False, group_id=0)),
    (lambda a: a.kill_switch(account="alice", key_id=9), lambda: engine.kill_switch(True, account_id=2, key_id=9)),
    (lambda a: a.set_trade_group("alice", 8), lambda: engine.set_trade_group(2, 8)),
    (
        lambda a: a.set_fee_tier("BTC-USD", 2, min_volume="1000000", maker_ppm=-10, taker_ppm=200),
        lambda: engine.set_fee_tier(1, 0, 2, 10**12, -10, 200),
    ),
    (
        lambda a: a.set_fee_promotion("BTC-USD", from_ns=1, until_ns=2, maker_ppm=3, taker_ppm=4, group_id=5),
        lambda: engine.set_fee_promotion(1, 5, 1, 2, 3, 4),
    ),
    (lambda a: a.set_fee_cap("BTC-USD", "5"), lambda: engine.set_fee_cap(1, 0, 5_000_000)),
    (lambda a: a.set_fee_cap("BTC-USD", None), lambda: engine.set_fee_cap(1, 0, 0)),
    (
        lambda a: a.bust_trade(
            7, "BTC-USD", buyer="alice", seller="bob", price="100", quantity="1", buyer_fee="-0.5", seller_fee="1"
        ),
        lambda: engine.bust_trade(7, 1, 2, 3, 10_000, 10_000, -500_000, 1_000_000),
    ),
    (
        lambda a: a.adjust_trade(7, "BTC-USD", buyer="alice", seller="bob", price="100", quantity="1", new_price="99"),
        lambda: engine.adjust_trade(7, 1, 2, 3, 10_000, 10_000, 9_900),
    ),
]


@pytest.mark.parametrize(("ask", "meant"), SETTINGS)
def test_staff_commands_are_those_that_are_meant(ex, ask, meant):
    asked = Asked(ex)
    with pytest.raises(LookupError):
        ask(asked)
    assert asked.command == meant()
    # Every one of them can be given by staff with a reason, which makes it longer by both texts and their lengths.
    assert len(engine.administer("carol", "A reason", asked.command)) == len(asked.command) + 16


@pytest.mark.parametrize(
    "meant",
    [
        *(meant for _, meant in SETTINGS),
        lambda: engine.add_asset("BTC", 8),
        lambda: engine.list_instrument("BTC-USD", 1, 2, 3, 4, 5, 6, 7, 8, 10**30),
        lambda: engine.open_account("alice", 3),
        lambda: engine.deposit(2, 1, 10**30),
        lambda: engine.withdraw(2, 1, 7),
        lambda: engine.cancel_order(0, 7, "mine"),
        lambda: engine.mass_cancel(2, 1, 2, 1),
        lambda: engine.mass_cancel(0, 0, 0),
        lambda: engine.set_account_group(2, 9),
        lambda: engine.set_fees(1, 2, -3, 4),
    ],
)
def test_a_command_of_staff_is_read_back_as_what_makes_it(meant):
    for command in (meant(), engine.administer("carol", "A reason", meant())):
        name, arguments = engine.decode_setting(command)
        assert getattr(engine, name)(**arguments) == meant()


def test_what_is_not_of_staff_is_not_read_back():
    assert engine.decode_setting(engine.advance_time()) is None
    assert engine.decode_setting(engine.cancel_all_after(2, 7)) is None
    for wrong in (b"", b"nonsense", engine.advance_time() * 2):
        with pytest.raises(CommandInvalid):
            engine.decode_setting(wrong)


ORDERS = [
    (
        {"order_type": "stop", "trigger_price": "90", "trigger_by": "mark"},
        (3, 2, 0, {"trigger_price": 9_000, "trigger_by": 2}),
    ),
    (
        {"order_type": "take_profit_limit", "price": "100", "trail_bps": 50, "trigger_price": "110"},
        (6, 1, 10_000, {"trigger_price": 11_000, "trail_bps": 50}),
    ),
    ({"price": "100", "display_quantity": "0.1"}, (1, 1, 10_000, {"display_quantity": 1_000})),
    ({"price": "100", "hidden": True, "min_quantity": "0.2"}, (1, 1, 10_000, {"hidden": True, "min_quantity": 2_000})),
    ({"price": "100", "expire_time_ns": 5}, (1, 4, 10_000, {"expire_time_ns": 5})),
    ({"price": "100", "auction_only": True, "time_in_force": "day"}, (1, 5, 10_000, {"auction_only": True})),
    ({"price": "100", "slide": True, "key_id": 7}, (1, 1, 10_000, {"slide": True, "key_id": 7})),
    ({"peg": "primary", "peg_offset": "0.05"}, (1, 1, 0, {"peg": 1, "peg_offset": 5})),
    ({"order_type": "market_to_limit"}, (7, 1, 0, {})),
]


@pytest.mark.parametrize(("given", "meant"), ORDERS)
def test_orders_with_terms_are_those_that_are_meant(ex, given, meant):
    order_type, life, price, terms = meant
    expected = engine.new_order(2, 1, 1, order_type, life, False, 0, price, 5_000, 0, "", **terms)
    # The encoding has no other door: an order with terms is one command among others once it is sent.
    assert ex._new_order("alice", "BTC-USD", "buy", "0.5", **given) == expected


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("order_type", lambda ex: ex.submit("alice", "BTC-USD", "buy", "1", trigger_price="1")),
        ("trigger_price", lambda ex: ex.submit("alice", "BTC-USD", "buy", "1", order_type="stop", trigger_price="0")),
        ("trail_bps", lambda ex: ex.submit("alice", "BTC-USD", "buy", "1", order_type="stop", trail_bps=0)),
        ("display_quantity", lambda ex: ex.submit("alice", "BTC-USD", "buy", "1", price="1", display_quantity="0")),
        ("min_quantity", lambda ex: ex.submit("alice", "BTC-USD", "buy", "1", price="1", min_quantity="0.00001")),
        ("price", lambda ex: ex.submit("alice", "BTC-USD", "buy", "1", price="0", peg="market")),
        ("peg", lambda ex: ex.submit("alice", "BTC-USD", "buy", "1", price="1", peg="best")),
        ("key_id", lambda ex: ex.submit("alice", "BTC-USD", "buy", "1", price="1", key_id=65_536)),
        ("orders", lambda ex: ex.submit_list("alice", "oco", [{"symbol": 1, "side": "buy"}] * 4)),
        ("contingency", lambda ex: ex.submit_list("alice", "all", [])),
        ("mode", lambda ex: ex.cancel_replace("alice", 1, mode="never", new_order={"symbol": 1, "side": "buy"})),
        ("group", lambda ex: ex.set_trading_status("BTC-USD", "open", group=1)),
        ("max_position", lambda ex: ex.set_risk_limits(account="alice", max_position="1")),
        ("account_id", lambda ex: ex.kill_switch(symbol="BTC-USD", account="alice")),
        ("account_id", lambda ex: ex.set_risk_limits(key_id=1)),
        ("reason", lambda ex: ex.staff("carol", " no ").set_mark_price("BTC-USD", "1")),
        ("reason", lambda ex: ex.staff("carol", "x" * 65).set_mark_price("BTC-USD", "1")),
        ("actor", lambda ex: ex.staff("ca rol", "x").set_mark_price("BTC-USD", "1")),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_engine(ex, field, call):
    before = ex.sequence
    with pytest.raises(InputError, match=field):
        call(ex)
    assert ex.sequence == before


def test_the_encoders_take_only_what_fits_together():
    order = engine.new_order(2, 1, 1, 1, 1, False, 0, 1, 1, 0, "")
    cancel = engine.cancel_order(2, 7, "")
    with pytest.raises(InputError, match="cancel"):
        engine.cancel_replace(1, order, order)
    with pytest.raises(InputError, match="new_order"):
        engine.cancel_replace(1, cancel, cancel)
    with pytest.raises(InputError, match="3 orders"):
        engine.new_order_list(1, [order] * 4)
    with pytest.raises(InputError, match="another kind"):
        engine.administer("carol", "Why", engine.administer("carol", "Why", engine.advance_time()))
    assert order in engine.cancel_replace(2, cancel, order)
    assert engine.new_order_list(3, [order] * 3).endswith(order * 3)


def test_a_refused_cancel_replace_and_list_raise(ex):
    order = {"symbol": "BTC-USD", "side": "buy", "quantity": "1", "price": "1"}
    with pytest.raises(OrderRejected):
        ex.cancel_replace("alice", 999, new_order=order)
    with pytest.raises(OrderRejected):
        ex.submit_list("alice", "oco", [order, order])


def event(kind, **fields):
    record = np.zeros(1, dtype=records.EVENT)
    record["sequence"], record["event_time_ns"], record["kind"] = 9, 8, kind
    for name, value in fields.items():
        if name in ("amount", "total"):
            records.set_amounts(record, name, value)
        else:
            record[name] = value
    return record.tobytes()


AT = {"sequence": 9, "event_time_ns": 8}
ALICE, BTC_USD = {"account_id": 2}, {"instrument_id": 1}
NO_SCOPE = {"symbol": None, "group_id": None, "account": None, "key_id": None}
SAID = [
    (
        event(
            EventKind.TERMS,
            order_id=5,
            **ALICE,
            **BTC_USD,
            counter_order_id=6,
            flags=8 | 4,
            last_price=9_000,
            trigger_by=2,
            trail_bps=50,
            displayed_quantity=1_000,
            quantity=2_000,
            time_ns=7,
            peg=1,
            amount=5,
            price=100,
        ),
        reports.OrderTerms(
            **AT,
            order_id=5,
            account="alice",
            symbol="BTC-USD",
            list_id=6,
            waits=True,
            limit_price="1",
            trigger_price="90",
            trigger_by="mark",
            trail_bps=50,
            display_quantity="0.1",
            hidden=False,
            min_quantity="0.2",
            expire_time_ns=7,
            auction_only=False,
            slide=True,
            peg="primary",
            peg_offset="0.05",
        ),
    ),
    (
        event(EventKind.ORDER_LIST_STATUS, counter_order_id=6, **ALICE, **BTC_USD, detail=3, status=1),
        reports.OrderListStatus(
            **AT, list_id=6, account="alice", symbol="BTC-USD", contingency="otoco", status="executing"
        ),
    ),
    (
        event(EventKind.AUCTION_INDICATION, **BTC_USD, price=100, amount=2**70 * 10_000, total=-5_000),
        reports.AuctionIndication(**AT, symbol="BTC-USD", price="1", volume=str(2**70), imbalance="-0.5"),
    ),
    (
        event(EventKind.AUCTION_ENDED, **BTC_USD),
        reports.AuctionEnded(**AT, symbol="BTC-USD", price=None, volume="0"),
    ),
    (event(EventKind.LIMIT_STATE_SET, **BTC_USD, side=2), reports.LimitStateSet(**AT, symbol="BTC-USD", side="sell")),
    (
        event(EventKind.CANCEL_ALL_AFTER_SET, **ALICE, time_ns=77),
        reports.CancelAllAfterSet(**AT, account="alice", deadline_ns=77),
    ),
    (event(EventKind.TIME_ADVANCED, count=3), reports.TimeAdvanced(**AT, count=3)),
    (event(EventKind.MARK_PRICE_SET, **BTC_USD, price=1), reports.MarkPriceSet(**AT, symbol="BTC-USD", price="0.01")),
    (
        event(EventKind.KILL_SWITCH_SET, detail=1, flags=1, count=4),
        reports.KillSwitchSet(**AT, scope="all", engaged=True, count=4, **NO_SCOPE),
    ),
    (
        event(EventKind.KILL_SWITCH_SET, detail=3, group_id=0),
        reports.KillSwitchSet(**AT, scope="group", engaged=False, count=0, **NO_SCOPE | {"group_id": 0}),
    ),
    (
        event(EventKind.KILL_SWITCH_SET, detail=5, **ALICE, key_id=6),
        reports.KillSwitchSet(
            **AT, scope="key", engaged=False, count=0, **NO_SCOPE | {"account": "alice", "key_id": 6}
        ),
    ),
    (
        event(EventKind.SETTING_CHANGED, detail=36, **BTC_USD, group_id=2),
        reports.SettingChanged(**AT, setting="fee_cap", **NO_SCOPE | {"symbol": "BTC-USD", "group_id": 2}),
    ),
    (
        event(EventKind.TRADE_CORRECTED, trade_id=3, **BTC_USD, **ALICE, counter_order_id=3, price=100, quantity=1),
        reports.TradeCorrected(
            **AT,
            trade_id=3,
            symbol="BTC-USD",
            buyer="alice",
            seller="bob",
            price="1",
            new_price=None,
            quantity="0.0001",
        ),
    ),
    (
        event(
            EventKind.ADMINISTERED,
            code=b"carol",
            client_order_id=b"A reason that goes on for longer tha",
            amount=int.from_bytes(b"n 36 characters!", "little"),
        ),
        reports.Administered(**AT, actor="carol", note="A reason that goes on for longer than 36 characters!"),
    ),
    (
        event(EventKind.ADMINISTERED, code=b"carol", client_order_id=b"Short"),
        reports.Administered(**AT, actor="carol", note="Short"),
    ),
    (
        event(EventKind.TRADING_STATUS_SET, **BTC_USD, trading_status=5, reason=3, time_ns=5),
        reports.TradingStatusSet(**AT, symbol="BTC-USD", status="auction", reason="price_band", end_time_ns=5),
    ),
]


@pytest.mark.parametrize(("record", "report"), SAID)
def test_every_event_is_told_with_names_and_decimals(ex, record, report):
    (told,) = Translator(Catalogue(ex.node)).events(record)
    assert told == report


def test_the_statuses_that_were_set_are_given_back(ex):
    (told,) = ex.set_trading_status("BTC-USD", "halted")
    assert (told.symbol, told.status, told.reason, told.end_time_ns) == ("BTC-USD", "halted", "requested", None)


def test_a_failed_command_is_refused_whatever_it_was(ex, monkeypatch):
    failed = event(EventKind.REJECTED, reason=601, **ALICE, **BTC_USD) + event(
        EventKind.TRADING_STATUS_SET, **BTC_USD, trading_status=3, reason=7
    )

    class FailingNode:
        def execute(self, command):
            return failed

    with pytest.raises(Problem) as problem:
        cancel_replace_report(failed, None)
    assert (problem.value.status, problem.value.detail.code) == (500, "command_failed")
    monkeypatch.setattr(ex, "_node", FailingNode())
    order = {"symbol": "BTC-USD", "side": "buy", "quantity": "1", "price": "1"}
    for give in (
        lambda: ex.submit("alice", **order),
        lambda: ex.cancel("alice", 1),
        lambda: ex.cancel_replace("alice", 1, new_order=order),
        lambda: ex.submit_list("alice", "oto", [order, order]),
        lambda: ex.set_mark_price("BTC-USD", "1"),
        lambda: ex.staff("carol", "Why").set_mark_price("BTC-USD", "1"),
    ):
        with pytest.raises(Rejected) as refused:
            give()
        assert refused.value.code == "command_failed"


def test_staff_moves_money_and_cancels_with_who_and_why(ex):
    carol = ex.staff("carol", "asked by phone")
    before = ex.sequence
    assert carol.deposit("alice", "USD", "10").total == ex.balance("alice", "USD").total
    assert carol.withdraw("alice", "USD", "10").total == ex.balance("alice", "USD").total
    first, *others = (ex.submit("alice", "BTC-USD", "buy", "0.1", price="100").order_id for _ in range(3))
    assert carol.cancel(None, first).cancel_reason == "requested"
    assert [report.order_id for report in carol.mass_cancel("alice", reason="disconnected")] == others
    with pytest.raises(OrderRejected):
        carol.cancel("alice", first)
    with pytest.raises(Rejected):
        carol.withdraw("alice", "USD", "1000000000000")
    told = [event for event in ex.events(before) if isinstance(event, reports.Administered)]
    assert [(event.actor, event.note) for event in told] == [("carol", "asked by phone")] * 4
