"""The client's core against a peer that a test plays: every message in, every message out, no sockets and no clock."""

import re
from typing import Any

import pytest

from beurs import errors
from beurs.client import messages
from beurs.client.core import ALL_OF_IT
from beurs.client.messages import CLASSES, FRAME_BYTES_MAX, HEADER
from beurs.errors import ConnectionLost, ProtocolError, QueueFull, RequestRefused, SessionRefused, Throttled
from beurs.reports import CancelAllAfterSet, ExecutionReport, MassCanceled, Posted, Rejection
from tests.client.peer import Peer, frame


class Outcome:
    """What became of a request."""

    def __init__(self) -> None:
        self.ended = 0
        self.events: list[Any] = []
        self.error: BaseException | None = None

    def __call__(self, events: list[Any], error: BaseException | None) -> None:
        self.ended += 1
        self.events, self.error = list(events), error


def order(peer: Peer, client_order_id: str = "a", price: int = 100) -> Outcome:
    outcome = Outcome()
    message = CLASSES["NewOrder"](
        instrument_id=1, side=1, order_type=1, time_in_force=1, price=price, quantity=5, client_order_id=client_order_id
    )
    peer.core.submit(message, outcome)
    return outcome


def ask(peer: Peer, name: str, **fields: Any) -> Outcome:
    outcome = Outcome()
    peer.core.submit(CLASSES[name](**fields), outcome)
    return outcome


def opened(**accepted: Any) -> Peer:
    peer = Peer()
    peer.open(**accepted)
    assert peer.readies == 1
    return peer


def accepted(peer: Peer, sequence: int, request: int, *, name: bytes = b"a", **more: Any) -> None:
    fields = {"order_id": sequence, "price": 100, "quantity": 5, "leaves_quantity": 5, "hold": 50_000}
    peer.report("OrderAccepted", sequence, request=request, client_order_id=name, **(fields | more))


def test_an_order_is_answered_with_its_reports() -> None:
    peer = opened()
    first, second = order(peer), order(peer, "b")
    sent = [peer.get("NewOrder"), peer.get("NewOrder")]
    assert [each["request_sequence"] for each in sent] == [3, 4]
    assert (sent[0]["price"], sent[0]["quantity"], sent[0]["client_order_id"]) == (100, 5, "a")
    accepted(peer, 11, 3, last=False)
    assert first.ended == 0
    peer.report(
        "Fill", 11, 1, request=3, order_id=11, client_order_id=b"a", price=100, quantity=5, filled_quantity=5,
        status="filled", trade_id=1, last_price=99, last_quantity=5, last_notional=4_950, fee=-7, liquidity="taker",
    )  # fmt: skip
    peer.report("OrderRejected", 12, request=4, reason="insufficient_funds", client_order_id=b"b")
    new, fill = first.events
    assert isinstance(fill, ExecutionReport)
    assert (new.exec_type, new.account, new.symbol, new.price) == ("new", "alice", "BTC-USD", "1")
    assert (fill.last_price, fill.last_quantity, fill.fee) == ("0.99", "0.0005", "-0.000007")
    assert (fill.liquidity, fill.status) == ("taker", "filled")
    (rejection,) = second.events
    assert isinstance(rejection, Rejection)
    assert (rejection.code, rejection.reason) == ("insufficient_funds", 403)
    assert peer.reports == [new, fill, rejection]
    assert peer.core.position == (12, 0)
    assert peer.core.pending == 0


def test_reports_that_nobody_asked_for_are_handed_on() -> None:
    peer = opened()
    peer.report("OrderCanceled", 11, order_id=3, cancel_reason="expired", status="expired")
    peer.report("BalanceChanged", 12, asset_id=3, amount=-25, total=475, held=0)
    peer.report("CancelAllAfterSet", 13, deadline_ns=0)
    peer.report("MassCancelResult", 14, instrument_id=0, count=2)
    canceled, posted, timer, result = peer.reports
    assert canceled.cancel_reason == "expired"
    assert posted == Posted(
        sequence=12, event_time_ns=1_012, account="alice", asset="EUR", amount="-0.25", total="4.75", held="0"
    )
    assert timer == CancelAllAfterSet(sequence=13, event_time_ns=1_013, account="alice", deadline_ns=None)
    assert result == MassCanceled(sequence=14, event_time_ns=1_014, account="alice", symbol=None, side=None, count=2)


def test_refused_and_throttled_requests_end_with_errors() -> None:
    peer = opened()
    first, second = order(peer), order(peer, "b")
    peer.pump()
    peer.send("RequestRejected", request_sequence=3, template_id=20, reason="invalid_value", field_id=11)
    peer.send("Throttled", request_sequence=4, template_id=20, retry_after_ns=1_000)
    assert isinstance(first.error, RequestRefused)
    assert (first.error.code, first.error.field) == ("invalid_value", "price")
    assert isinstance(second.error, Throttled)
    assert second.error.retry_after_ns == 1_000


def test_requests_beyond_the_bounds_wait_or_are_refused() -> None:
    peer = Peer(pending_max=3)
    peer.open(in_flight_max=2)
    outcomes = [order(peer, name) for name in "abc"]
    with pytest.raises(QueueFull):
        order(peer, "d")
    assert [peer.get("NewOrder")["client_order_id"] for _ in range(2)] == ["a", "b"]
    peer.nothing()
    accepted(peer, 11, 3)
    assert outcomes[0].ended == 1
    assert peer.get("NewOrder")["client_order_id"] == "c"


def test_one_query_is_under_way_at_a_time() -> None:
    peer = opened()
    first, second, other = ask(peer, "OpenOrdersRequest"), ask(peer, "BalancesRequest"), order(peer)
    names = [peer.get("NewOrder"), peer.get("OpenOrdersRequest")]
    peer.nothing()
    at = names[1]["request_sequence"]
    peer.send("OpenOrder", request_sequence=at, sequence=11, order_id=5, instrument_id=1, price=7, quantity=3, hold=1)
    peer.send("QueryComplete", request_sequence=at, template_id=30, sequence=11, count=1)
    (found,) = first.events
    assert (found.order_id, found.symbol, found.price, found.terms) == (5, "BTC-USD", "0.07", None)
    assert second.ended == other.ended == 0
    peer.get("BalancesRequest")


def test_unanswered_requests_are_sent_again_in_their_order() -> None:
    peer = opened()
    outcomes = [order(peer, name) for name in "abc"]
    peer.pump()
    accepted(peer, 11, 3)
    late = order(peer, "d")
    peer.lose()
    peer.resume(behind=(11, 0), sequence=11)
    peer.send("ReplayComplete", sequence=11, count=0)
    sent = [peer.get("NewOrder") for _ in range(3)]
    assert [(each["request_sequence"], each["client_order_id"]) for each in sent] == [(1, "b"), (2, "c"), (3, "d")]
    for at, name in enumerate((b"b", b"c", b"d"), 1):
        accepted(peer, 11 + at, at, name=name)
    assert [outcome.ended for outcome in (*outcomes, late)] == [1, 1, 1, 1]
    assert len(peer.reports) == 4
    assert peer.readies == 2


def test_what_the_replay_answers_is_not_sent_again() -> None:
    peer = opened()
    first, second, third = order(peer), order(peer, "b"), order(peer, "c")
    peer.pump()
    accepted(peer, 11, 3, last=False)
    peer.lose()
    peer.resume(behind=(11, 0), sequence=13)
    peer.report("OrderCanceled", 11, 1, replayed=True, order_id=11, cancel_reason="immediate_or_cancel")
    accepted(peer, 13, 0, name=b"b", replayed=True)
    assert first.ended == second.ended == 1
    assert [event.exec_type for event in first.events] == ["new", "canceled"]
    assert [event.client_order_id for event in second.events] == ["b"]
    peer.send("ReplayComplete", sequence=13, count=2)
    assert peer.get("NewOrder")["client_order_id"] == "c"
    peer.nothing()
    assert third.ended == 0


@pytest.mark.parametrize("by", [{"order_id": 5}, {"client_order_id": "a"}])
def test_a_cancel_that_was_executed_is_found_in_the_replay(by: dict[str, Any]) -> None:
    peer = opened()
    canceled, again = ask(peer, "CancelOrder", **by), ask(peer, "CancelOrder", **by)
    replaced = ask(peer, "ReplaceOrder", order_id=6, price=9, client_order_id="n")
    peer.pump()
    peer.lose()
    peer.resume(behind=(10, ALL_OF_IT), sequence=12)
    peer.report(
        "OrderCanceled", 11, replayed=True, order_id=5, client_order_id=b"a", cancel_reason="requested", price=1
    )
    peer.report("OrderReplaced", 12, replayed=True, order_id=6, client_order_id=b"n", price=9)
    peer.send("ReplayComplete", sequence=12, count=2)
    assert (canceled.ended, again.ended, replaced.ended) == (1, 0, 1)
    peer.get("CancelOrder")
    peer.report("OrderRejected", 13, request=1, reason="unknown_order")
    assert [event.code for event in again.events] == ["unknown_order"]


def test_an_order_that_was_executed_after_the_replay_has_one_effect_and_its_own_reports() -> None:
    peer = opened()
    outcome = order(peer)
    peer.pump()
    peer.lose()
    peer.resume(behind=(10, ALL_OF_IT), sequence=10)
    peer.send("ReplayComplete", sequence=10, count=0)
    peer.get("NewOrder")
    accepted(peer, 11, 0)  # What the session before had still under way.
    assert outcome.ended == 0
    peer.report("OrderRejected", 12, request=1, reason="duplicate_client_order_id", client_order_id=b"a")
    assert outcome.ended == 1
    assert outcome.error is None
    assert [event.exec_type for event in outcome.events] == ["new"]
    assert len(peer.reports) == 2


def test_an_order_without_an_id_is_not_sent_again() -> None:
    peer = opened()
    sent = order(peer, "")
    peer.pump()
    unsent = order(peer, "")
    peer.lose()
    assert isinstance(sent.error, ConnectionLost)
    assert unsent.ended == 0
    peer.resume(behind=(10, ALL_OF_IT), sequence=10)
    peer.send("ReplayComplete", sequence=10, count=0)
    peer.get("NewOrder")
    peer.nothing()


def test_a_lost_connection_at_every_moment_loses_and_doubles_no_report() -> None:
    """Reports of six commands, whatever the moment at which the connection is lost."""
    script = [(sequence, index, index == 2) for sequence in range(11, 17) for index in range(3)]
    for cut in range(len(script) + 1):
        peer = opened()
        for sequence, index, last in script[:cut]:
            peer.report("CancelAllAfterSet", sequence, index, last=last, deadline_ns=sequence)
        peer.lose()
        behind = script[cut - 1][:2] if cut else (10, ALL_OF_IT)
        peer.resume(behind=behind, sequence=16)
        for sequence, index, last in script[cut:]:
            peer.report("CancelAllAfterSet", sequence, index, last=last, replayed=True, deadline_ns=sequence)
        peer.send("ReplayComplete", sequence=16, count=len(script) - cut)
        assert peer.positions == [at[:2] for at in script]


def test_a_replay_that_is_cut_short_goes_on_in_the_next_one() -> None:
    peer = opened()
    outcome = order(peer)
    peer.pump()
    peer.lose()
    peer.resume(behind=(10, ALL_OF_IT), sequence=11)
    accepted(peer, 11, 0, replayed=True, last=False)
    peer.lose()
    peer.resume(behind=(11, 0), sequence=11)
    peer.report("OrderCanceled", 11, 1, replayed=True, order_id=11)
    assert [event.exec_type for event in outcome.events] == ["new", "canceled"]
    peer.send("ReplayComplete", sequence=11, count=1)
    peer.nothing()


def test_a_report_that_comes_twice_is_handed_on_once() -> None:
    peer = opened()
    for _ in range(2):
        peer.report("CancelAllAfterSet", 11, deadline_ns=1)
    assert len(peer.reports) == 1
    with pytest.raises(ProtocolError, match="a report is missing"):
        peer.send("CancelAllAfterSet", report_sequence=9, sequence=12)


def test_a_client_can_begin_behind_a_report_of_an_earlier_one() -> None:
    peer = Peer(resume_from=(4, 2), cancel_on_disconnect=True)
    peer.connect()
    # The first session is for the names; nothing of it counts, and its end has no consequences.
    assert peer.logon["options"] == ["market_data"]
    peer.accept(10)
    peer.report("CancelAllAfterSet", 11, deadline_ns=1)
    peer.define(11)
    assert (peer.core.ended, peer.core.names_only, peer.readies, peer.reports) == (True, True, 0, [])
    peer.lose()
    peer.resume(behind=(4, 2), sequence=11)
    assert set(peer.logon["options"]) == {"market_data", "resume", "cancel_on_disconnect"}
    peer.report("CancelAllAfterSet", 11, replayed=True, deadline_ns=1)
    peer.send("ReplayComplete", sequence=11, count=1)
    assert (peer.core.names_only, peer.readies, len(peer.reports)) == (False, 1, 1)


def test_reports_of_what_is_not_known_wait_for_its_definition() -> None:
    peer = opened()
    peer.report("OrderAccepted", 11, instrument_id=2, order_id=4, price=5, quantity=1, leaves_quantity=1)
    peer.report("CancelAllAfterSet", 12, deadline_ns=1)
    assert peer.reports == []
    asked = peer.get("InstrumentsRequest")["request_sequence"]
    more = {"base_asset_id": 1, "base": b"BTC", "quote_asset_id": 3, "quote": b"EUR", "quote_scale": 2}
    steps = {"tick_size": 5, "tick_scale": 1, "lot_size": 1, "lot_scale": 0, "base_scale": 8}
    peer.send(
        "InstrumentDefinition", request_sequence=asked, sequence=12, instrument_id=2, symbol=b"BTC-EUR", **more, **steps
    )
    peer.send("QueryComplete", request_sequence=asked, template_id=29, sequence=12, count=1)
    asked = peer.get("BalancesRequest")["request_sequence"]
    peer.send("QueryComplete", request_sequence=asked, template_id=31, sequence=12, count=0)
    assert [getattr(report, "price", None) for report in peer.reports] == ["2.5", None]
    # An asset without a name is called by its number.
    peer.report("BalanceChanged", 13, asset_id=9, amount=5, total=5)
    for name, template in (("InstrumentsRequest", 29), ("BalancesRequest", 31)):
        asked = peer.get(name)["request_sequence"]
        peer.send("QueryComplete", request_sequence=asked, template_id=template, sequence=13, count=0)
    assert (peer.reports[-1].asset, peer.reports[-1].amount) == ("9", "5")


def test_heartbeats_are_sent_and_expected() -> None:
    peer = opened()
    assert peer.core.tick(peer.now) == pytest.approx(peer.now + 1)
    peer.nothing()
    peer.now += 1
    peer.core.tick(peer.now)
    assert peer.get("Heartbeat")["sequence"] == 0
    peer.now += 1
    peer.core.tick(peer.now)
    assert {peer.get("TestRequest")["test_id"], peer.get("Heartbeat")["test_id"]} == {1, 0}
    peer.send("Heartbeat", test_id=1, sequence=40)
    assert peer.core.position == (40, ALL_OF_IT)
    peer.send("TestRequest", test_id=77)
    assert peer.get("Heartbeat")["test_id"] == 77
    peer.now += 3
    with pytest.raises(ProtocolError, match="three heartbeat intervals"):
        peer.core.tick(peer.now)


@pytest.mark.parametrize(
    ("reason", "fatal"),
    [("authentication_failed", True), ("too_many_sessions", False), ("resume_lost", True), ("server_stopping", False)],
)
def test_why_a_session_is_refused_says_whether_to_try_again(reason: str, fatal: bool) -> None:
    peer = Peer()
    peer.connect()
    peer.send("LogonRejected", reason=reason, sequence=3)
    assert peer.core.ended
    told = peer.core.fatal if fatal else peer.core.refusal
    assert isinstance(told, SessionRefused)
    assert told.code == reason
    assert (peer.core.fatal is not None) == fatal
    peer = opened()
    outcome = order(peer)
    peer.send("Logout", reason=reason)
    assert (peer.core.fatal is not None) == fatal
    assert outcome.ended == 0
    peer.core.give_up(told)
    assert outcome.error is told


def test_a_client_takes_its_leave() -> None:
    peer = opened()
    order(peer)
    assert peer.core.leave()
    peer.get("NewOrder")
    assert peer.get("Logout")["reason"] == "requested"
    order(peer, "b")
    peer.nothing()
    peer.send("Logout", reason="requested")
    assert (peer.core.ended, peer.core.fatal, peer.core.refusal) == (True, None, None)


def subscribed() -> Peer:
    peer = opened()
    outcome = ask(peer, "Subscribe", instrument_id=1, channels=7, depth=10)
    asked = peer.get("Subscribe")
    assert asked["channels"] == ["book", "trades", "status"]
    peer.send(
        "Subscribed", request_sequence=asked["request_sequence"], instrument_id=1, channels=asked["channels"], depth=10
    )
    assert outcome.ended == 1
    peer.send("BookBegin", instrument_id=1, sequence=20, bids=1, asks=1)
    peer.send("BookLevel", instrument_id=1, sequence=20, side="buy", price=99, quantity=3, orders=1)
    peer.send("BookLevel", instrument_id=1, sequence=20, side="sell", price=101, quantity=4, orders=2)
    assert not peer.core.books[1].whole
    peer.send("BookEnd", instrument_id=1, sequence=20)
    return peer


def update(peer: Peer, before: int, sequence: int, side: str, price: int, quantity: int, *, last: bool = True) -> None:
    peer.send(
        "LevelUpdate", instrument_id=1, sequence=sequence, previous_sequence=before, side=side, price=price,
        quantity=quantity, orders=1 if quantity else 0, update_flags=["last"] if last else [],
    )  # fmt: skip


def test_a_local_book_follows_its_updates() -> None:
    peer = subscribed()
    update(peer, 20, 22, "buy", 100, 7, last=False)
    assert not peer.core.books[1].whole
    update(peer, 20, 22, "buy", 99, 0)
    book = peer.core.books[1].book()
    assert book.sequence == 22
    assert [(level.price, level.quantity) for level in book.bids] == [("1", "0.0007")]
    assert [(level.price, level.orders) for level in book.asks] == [("1.01", 2)]
    assert [event.sequence for event in peer.market] == [20, 22]
    with pytest.raises(ProtocolError, match="BTC-USD: an update of the book is missing"):
        update(peer, 21, 23, "buy", 100, 1)


def test_market_data_comes_in_the_words_of_reports() -> None:
    peer = subscribed()
    at = {"instrument_id": 1, "sequence": 21, "event_time_ns": 5}
    peer.send("Trade", **at, trade_id=3, price=100, quantity=2, aggressor_side="sell")
    peer.send("TradesSkipped", instrument_id=1, sequence=21, count=4)
    peer.send("InstrumentStatus", **at, status="auction", reason="schedule", end_time_ns=9)
    peer.send("AuctionIndicative", **at, price=0, volume=0, imbalance=-3)
    peer.send("AuctionResult", **at, price=100, volume=5)
    peer.send("LimitState", **at, side="buy")
    peer.send("MarkPrice", **at, price=100)
    trade, skipped, status, indication, ended, limit, mark = peer.market[1:]
    assert (trade.price, trade.quantity, trade.aggressor_side) == ("1", "0.0002", "sell")
    assert (skipped.count, status.status, status.end_time_ns) == (4, "auction", 9)
    assert (indication.price, indication.imbalance, ended.volume) == (None, "-0.0003", "0.0005")
    assert (limit.side, mark.price) == ("buy", "1")


def test_subscriptions_are_made_again_and_books_begin_anew() -> None:
    peer = subscribed()
    peer.lose()
    assert not peer.core.books[1].whole
    for _ in range(2):  # Also when that is cut short, it is asked for once.
        peer.resume(behind=(10, ALL_OF_IT), sequence=10)
        peer.send("ReplayComplete", sequence=10, count=0)
        assert peer.get("Subscribe")["depth"] == 10
        peer.nothing()
        peer.lose()


@pytest.mark.parametrize(
    "data",
    [b"\0\0\0\0", frame("NewOrder"), frame("OrderAccepted", report_sequence=2),
     frame("QueryComplete", request_sequence=99, template_id=29), frame("Subscribed", request_sequence=99),
     frame("CancelAllAfterSet", report_sequence=1, request_sequence=99, sequence=11)],
)  # fmt: skip
def test_what_the_protocol_does_not_have_is_an_error(data: bytes) -> None:
    peer = opened()
    with pytest.raises(ProtocolError):
        peer.core.received(data, peer.now)


def test_a_number_that_is_no_word_is_an_error() -> None:
    peer = opened()
    wrong = CLASSES["OrderAccepted"](report_sequence=1, sequence=11, instrument_id=1, side=9, status=1)
    with pytest.raises(ProtocolError, match="cannot be understood"):
        peer.core.received(messages.encode(wrong), peer.now)


def test_frames_have_the_size_that_the_page_gives() -> None:
    longest = max(layout.size for layout in messages.LAYOUTS.values())
    assert longest + HEADER.size <= FRAME_BYTES_MAX


def test_the_errors_of_the_client_are_drawn() -> None:
    import beurs.client

    drawn = re.findall(r"[├└]── (.+?) {2,}", beurs.client.__doc__ or "")
    names = {name for line in drawn for name in line.split(", ")} | {"ClientError"}
    assert {kind.__name__ for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, errors.ClientError)} <= names  # fmt: skip
