use beurs_engine::command::{Command, Terms};
use beurs_engine::event::{self, Event, ExecutionReport, MassCanceled, Posted, Rejected};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, Amount, AssetId, CancelReason, CancelReplaceMode, ClientOrderId, Contingency, ExecType, InstrumentId,
    KeyId, Liquidity, ListId, ListStatus, Lots, OrderId, OrderStatus, OrderType, Peg, PriceTicks, SelfTradePrevention,
    Side, StatusReason, TimeInForce, TradeId, TradingStatus, TriggerBy,
};

use super::commands::{Refused, Sender};
use super::reports::{accounts, put_report, Envelope, FLAGS_AT};
use super::*;
use crate::wire::EventRecord;

const SENDER: Sender = Sender { account_id: AccountId(7), key_id: KeyId(3) };

/// The bytes of an example of the page, by its name.
fn example(name: &str) -> Vec<u8> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/wire.md"));
    let page = page.expect("the page");
    let (_, rest) = page.split_once(&format!("```hex {name}\n")).expect("the example");
    let digits: String = rest.split("```").next().unwrap_or("").split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

fn only<M: Message>(bytes: &[u8]) -> M {
    let (frame, length) = next_frame(bytes).expect("a frame").expect("whole");
    assert_eq!(length, bytes.len());
    frame.get::<M>().unwrap_or_else(|| panic!("template {} is no {}", frame.template_id, M::NAME))
}

#[test]
fn enums_have_the_numbers_and_names_of_the_engine() {
    macro_rules! check {
        ($($name:ident),+) => { $(
            let ours: Vec<_> = $name::ALL.iter().map(|value| (value.as_str(), *value as u16)).collect();
            let schema = ENUMS.iter().find(|(name, _)| *name == stringify!($name)).expect("in the schema").1;
            assert_eq!(schema, ours, stringify!($name));
        )+ };
    }
    check!(
        Side,
        OrderType,
        TimeInForce,
        SelfTradePrevention,
        TriggerBy,
        Peg,
        Contingency,
        CancelReplaceMode,
        OrderStatus,
        CancelReason,
        Liquidity,
        ListStatus,
        TradingStatus,
        StatusReason,
        RejectReason,
        RequestReason,
        SessionReason
    );
    let sides = ENUMS.iter().find(|(name, _)| *name == "OptionalSide").expect("in the schema").1;
    assert_eq!(sides, [("none", 0), ("buy", 1), ("sell", 2)]);
}

#[test]
fn the_examples_of_the_page_are_what_the_codec_makes() {
    let nonce: [u8; 32] = std::array::from_fn(|at| 0x40 + at as u8);
    let challenge =
        Challenge { nonce, time_ns: 1_800_000_000_000_000_000, logon_timeout_ms: 5_000, frame_bytes_max: 1_024 };
    assert_eq!(frame(&challenge), example("challenge"));

    let key = ed25519_dalek::SigningKey::from_bytes(&std::array::from_fn(|at| at as u8));
    let mut logon = Logon {
        public_key: key.verifying_key().to_bytes(),
        resume_sequence: 1_520,
        resume_index: 3,
        heartbeat_interval_ms: 1_000,
        options: logon_options::ALL,
        ..Logon::ZERO
    };
    let signed = [LOGON_CONTEXT.as_slice(), &nonce, &logon.as_bytes()[..LOGON_SIGNED]].concat();
    assert_eq!(signed.len(), 101);
    logon.signature = ed25519_dalek::Signer::sign(&key, &signed).to_bytes();
    assert_eq!(frame(&logon), example("logon"));

    let order = NewOrder {
        request_sequence: 1,
        instrument_id: 1,
        side: 1,
        order_type: 1,
        time_in_force: 1,
        flags: order_flags::POST_ONLY,
        price: 6_002_092,
        quantity: 219,
        client_order_id: padded("a-1").expect("short"),
        ..NewOrder::ZERO
    };
    assert_eq!(frame(&order), example("order"));
    assert_eq!(only::<NewOrder>(&example("order")), order);
}

#[test]
fn a_frame_is_taken_when_it_is_whole_and_refused_at_the_first_wrong_byte() {
    let whole = frame(&TestRequest { test_id: 7 });
    for length in 0..whole.len() {
        assert_eq!(next_frame(&whole[..length]), Ok(None), "{length}");
    }
    let two = [whole.clone(), whole.clone()].concat();
    let (first, length) = next_frame(&two).expect("a frame").expect("whole");
    assert_eq!((first.get::<TestRequest>(), length), (Some(TestRequest { test_id: 7 }), whole.len()));
    assert_eq!(first.get::<Unsubscribe>(), None);

    let with = |at: usize, number: u16| {
        let mut bytes = whole.clone();
        bytes[at..at + 2].copy_from_slice(&number.to_le_bytes());
        bytes
    };
    for (at, number, reason) in [
        (0, 11, SessionReason::InvalidFrame),
        (0, 1_025, SessionReason::InvalidFrame),
        (2, 0x50eb, SessionReason::InvalidFrame),
        (8, 2, SessionReason::UnsupportedSchema),
        (10, 0, SessionReason::UnsupportedVersion),
        (10, 2, SessionReason::UnsupportedVersion),
        (4, 7, SessionReason::InvalidMessage),
        (4, 9, SessionReason::InvalidMessage),
    ] {
        let bytes = with(at, number);
        assert_eq!(next_frame(&bytes), Err(reason), "{at} {number}");
        // As soon as the wrong bytes are there for those of the framing header, with the whole header for the others.
        let early = if at < 4 || at + 2 == HEADER { Err(reason) } else { Ok(None) };
        assert_eq!(next_frame(&bytes[..at + 2]), early, "{at} {number}");
    }
}

#[test]
fn every_message_comes_back_as_it_was_and_fits_a_frame() {
    macro_rules! check {
        ($($name:ident),+ $(,)?) => { $(
            let bytes: Vec<u8> = (0..$name::SIZE).map(|at| (at * 7 + 1) as u8).collect();
            let message = $name::from_bytes(&bytes).expect("as long as it is");
            assert_eq!(message.as_bytes(), bytes);
            assert_eq!(only::<$name>(&frame(&message)), message);
            assert!(HEADER + $name::SIZE <= FRAME_MAX);
            assert_eq!($name::from_bytes(&bytes[1..]), None);
        )+ };
    }
    check!(
        Challenge,
        Logon,
        LogonAccepted,
        LogonRejected,
        Logout,
        Heartbeat,
        TestRequest,
        NewOrder,
        CancelOrder,
        ReplaceOrder,
        CancelReplace,
        MassCancel,
        NewOrderList,
        CancelAllAfter,
        Subscribe,
        Unsubscribe,
        InstrumentsRequest,
        OpenOrdersRequest,
        BalancesRequest,
        OrderAccepted,
        OrderRejected,
        Fill,
        OrderCanceled,
        OrderTerms,
        OrderListStatus,
        MassCancelResult,
        CancelAllAfterSet,
        BalanceChanged,
        TradeCorrected,
        KillSwitchSet,
        RequestRejected,
        Throttled,
        ReplayComplete,
        InstrumentDefinition,
        OpenOrder,
        Balance,
        QueryComplete,
        BookBegin,
        BookLevel,
        BookEnd,
        LevelUpdate,
        Trade,
        InstrumentStatus,
    );
}

fn full_order() -> NewOrder {
    NewOrder {
        request_sequence: 9,
        instrument_id: 4,
        side: 2,
        order_type: 4,
        time_in_force: 4,
        self_trade_prevention: 3,
        flags: order_flags::HIDDEN | order_flags::SLIDE,
        trigger_by: 2,
        peg: 1,
        trail_bps: 50,
        price: 100,
        quantity: 20,
        quote_quantity: 1 << 70,
        trigger_price: 90,
        display_quantity: 5,
        min_quantity: 2,
        expire_time_ns: 1_000,
        peg_offset: -3,
        client_order_id: padded("all-of-it").expect("short"),
    }
}

#[test]
fn an_order_with_every_term_becomes_the_command() {
    let expected = beurs_engine::command::NewOrder {
        account_id: AccountId(7),
        instrument_id: InstrumentId(4),
        side: Side::Sell,
        order_type: OrderType::StopLimit,
        time_in_force: TimeInForce::Gtd,
        post_only: false,
        self_trade_prevention: SelfTradePrevention::ExpireBoth,
        key_id: KeyId(3),
        price: PriceTicks(100),
        quantity: Lots(20),
        quote_quantity: Amount(1 << 70),
        client_order_id: ClientOrderId::new(b"all-of-it").expect("a text"),
        terms: Some(Box::new(Terms {
            trigger_price: PriceTicks(90),
            trigger_by: TriggerBy::Mark,
            trail_bps: 50,
            display_quantity: Lots(5),
            hidden: true,
            min_quantity: Lots(2),
            expire_time_ns: 1_000,
            auction_only: false,
            slide: true,
            peg: Peg::Primary,
            peg_offset: -3,
        })),
    };
    assert_eq!(full_order().to_command(SENDER), Ok(Command::NewOrder(expected.clone())));

    // The same order in a cancel-replace, read through the same fields.
    let order = full_order();
    let both = CancelReplace {
        order_id: 11,
        original_client_order_id: padded("old").expect("short"),
        mode: 2,
        instrument_id: order.instrument_id,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        self_trade_prevention: order.self_trade_prevention,
        flags: order.flags,
        trigger_by: order.trigger_by,
        peg: order.peg,
        trail_bps: order.trail_bps,
        price: order.price,
        quantity: order.quantity,
        quote_quantity: order.quote_quantity,
        trigger_price: order.trigger_price,
        display_quantity: order.display_quantity,
        min_quantity: order.min_quantity,
        expire_time_ns: order.expire_time_ns,
        peg_offset: order.peg_offset,
        client_order_id: order.client_order_id,
        ..CancelReplace::ZERO
    };
    let Ok(Command::CancelReplace(command)) = both.to_command(SENDER) else { panic!("a cancel-replace") };
    assert_eq!(command.new_order, expected);
    assert_eq!(command.mode, CancelReplaceMode::AllowFailure);
    assert_eq!(command.cancel.order_id, OrderId(11));
    assert_eq!(command.cancel.client_order_id.as_str(), "old");
    assert_eq!(command.cancel.account_id, AccountId(7));
}

#[test]
fn a_plain_order_has_no_terms() {
    let plain = NewOrder { side: 1, order_type: 1, time_in_force: 1, flags: 1, ..NewOrder::ZERO };
    let Ok(Command::NewOrder(order)) = plain.to_command(SENDER) else { panic!("an order") };
    assert_eq!((order.terms, order.post_only), (None, true));
}

#[test]
fn what_is_no_value_is_refused_by_the_fields_id() {
    let refused = |change: fn(&mut NewOrder)| {
        let mut order = full_order();
        change(&mut order);
        order.to_command(SENDER).expect_err("refused")
    };
    let invalid = |field: &str| Refused::field::<NewOrder>(RequestReason::InvalidValue, field);
    assert_eq!(refused(|order| order.side = 0), invalid("side"));
    assert_eq!(refused(|order| order.side = 0).field_id, 3);
    assert_eq!(refused(|order| order.order_type = 8), invalid("order_type"));
    assert_eq!(refused(|order| order.time_in_force = 0), invalid("time_in_force"));
    assert_eq!(refused(|order| order.self_trade_prevention = 5), invalid("self_trade_prevention"));
    assert_eq!(refused(|order| order.flags = 16), invalid("flags"));
    assert_eq!(refused(|order| order.trigger_by = 3), invalid("trigger_by"));
    assert_eq!(refused(|order| order.peg = 255), invalid("peg"));
    let text = Refused::field::<NewOrder>(RequestReason::InvalidText, "client_order_id");
    assert_eq!(refused(|order| order.client_order_id[3] = b' '), text);
    assert_eq!(refused(|order| order.client_order_id[20] = b'x'), text);
    assert_eq!(text.field_id, NewOrder::FIELDS.len() as u16);

    let mass = MassCancel { side: 3, ..MassCancel::ZERO };
    assert_eq!(mass.to_command(SENDER), Err(Refused { reason: RequestReason::InvalidValue, field_id: 3 }));
    let list = NewOrderList { contingency: 4, ..NewOrderList::ZERO };
    assert_eq!(list.to_command(SENDER), Err(Refused { reason: RequestReason::InvalidValue, field_id: 3 }));
}

#[test]
fn a_list_has_as_many_orders_as_its_contingency_says() {
    let mut list = NewOrderList {
        instrument_id: 4,
        contingency: 2,
        side_1: 1,
        order_type_1: 1,
        time_in_force_1: 1,
        price_1: 50,
        quantity_1: 3,
        client_order_id_1: padded("one").expect("short"),
        side_2: 2,
        order_type_2: 4,
        time_in_force_2: 1,
        trigger_price_2: 40,
        price_2: 39,
        quantity_2: 3,
        ..NewOrderList::ZERO
    };
    let Ok(Command::NewOrderList(two)) = list.to_command(SENDER) else { panic!("a list") };
    assert_eq!((two.contingency, two.orders.len()), (Contingency::Oto, 2));
    assert_eq!(two.orders[0].client_order_id.as_str(), "one");
    assert_eq!(two.orders[1].terms.as_ref().map(|terms| terms.trigger_price), Some(PriceTicks(40)));
    assert!(two.orders.iter().all(|order| order.instrument_id == InstrumentId(4) && order.key_id == KeyId(3)));
    // The third is looked at for otoco only.
    list.contingency = 3;
    let refused = list.to_command(SENDER).expect_err("the third has no side");
    assert_eq!(refused, Refused::field::<NewOrderList>(RequestReason::InvalidValue, "side_3"));
    assert_ne!(refused.field_id, 0);
}

fn report() -> ExecutionReport {
    ExecutionReport {
        order_id: OrderId(5),
        client_order_id: ClientOrderId::new(b"c-5").expect("a text"),
        account_id: AccountId(7),
        instrument_id: InstrumentId(4),
        exec_type: ExecType::New,
        status: OrderStatus::PartiallyFilled,
        side: Side::Sell,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Day,
        post_only: true,
        self_trade_prevention: SelfTradePrevention::Decrement,
        cancel_reason: CancelReason::SelfTrade,
        key_id: KeyId(3),
        price: PriceTicks(100),
        quantity: Lots(20),
        quote_quantity: Amount(-1 << 90),
        filled_quantity: Lots(8),
        leaves_quantity: Lots(12),
        displayed_quantity: Lots(2),
        hold: Amount(1 << 100),
        trade_id: TradeId(77),
        last_price: PriceTicks(101),
        last_quantity: Lots(3),
        last_notional: Amount(303),
        fee: Amount(-2),
        liquidity: Liquidity::Maker,
        counter_order_id: OrderId(6),
    }
}

fn encoded(event: Event, account_id: u32) -> Vec<u8> {
    let record = EventRecord::new(900, 12_345, 2, &event);
    let mut out = Vec::new();
    put_report(&mut out, &record, account_id, Envelope { report_sequence: 41, request_sequence: 6, report_flags: 1 });
    out
}

#[test]
fn every_event_about_an_order_is_the_report_of_its_kind() {
    macro_rules! check {
        ($($exec_type:ident => $name:ident),+) => { $(
            let event = Event::Execution(ExecutionReport { exec_type: ExecType::$exec_type, ..report() });
            let bytes = encoded(event, 7);
            assert_eq!(bytes[FLAGS_AT], 1);
            let expected = $name {
                report_sequence: 41,
                sequence: 900,
                index: 2,
                event_time_ns: 12_345,
                request_sequence: 6,
                report_flags: 1,
                order_id: 5,
                instrument_id: 4,
                key_id: 3,
                status: 2,
                side: 2,
                order_type: 1,
                time_in_force: 5,
                self_trade_prevention: 4,
                cancel_reason: 6,
                flags: order_flags::POST_ONLY,
                price: 100,
                quantity: 20,
                filled_quantity: 8,
                leaves_quantity: 12,
                displayed_quantity: 2,
                quote_quantity: -1 << 90,
                hold: 1 << 100,
                client_order_id: padded("c-5").expect("short"),
            };
            assert_eq!(only::<$name>(&bytes), expected);
        )+ };
    }
    check!(
        New => OrderAccepted, Canceled => OrderCanceled, Replaced => OrderReplaced, Restated => OrderRestated,
        Triggered => OrderTriggered, Expired => OrderExpired
    );
    let fill: Fill = only(&encoded(Event::Execution(ExecutionReport { exec_type: ExecType::Trade, ..report() }), 7));
    let parts = (fill.trade_id, fill.last_price, fill.last_quantity, fill.last_notional, fill.fee, fill.liquidity);
    assert_eq!(parts, (77, 101, 3, 303, -2, 1));
    let whole = (fill.order_id, fill.leaves_quantity, fill.hold);
    assert_eq!(whole, (5, 12, 1 << 100));
}

#[test]
fn the_other_events_about_an_account_are_reports_too() {
    let account_id = AccountId(7);
    let instrument_id = InstrumentId(4);
    let rejected: OrderRejected = only(&encoded(
        Event::Rejected(Rejected {
            reason: RejectReason::InsufficientFunds,
            account_id,
            instrument_id,
            order_id: OrderId(5),
            client_order_id: ClientOrderId::new(b"c-5").expect("a text"),
        }),
        7,
    ));
    assert_eq!((rejected.reason, rejected.order_id, rejected.instrument_id), (403, 5, 4));
    assert_eq!(rejected.client_order_id, padded("c-5").expect("short"));

    let terms = Terms { trail_bps: 9, hidden: true, peg_offset: -4, min_quantity: Lots(2), ..Terms::NONE };
    let terms = event::OrderTerms {
        order_id: OrderId(5),
        account_id,
        instrument_id,
        list_id: ListId(8),
        waits: true,
        limit_price: PriceTicks(30),
        terms: Terms { trigger_price: PriceTicks(31), display_quantity: Lots(6), expire_time_ns: 5, ..terms },
    };
    let got: OrderTerms = only(&encoded(Event::Terms(terms), 7));
    assert_eq!((got.order_id, got.list_id, got.flags), (5, 8, terms_flags::HIDDEN | terms_flags::WAITS));
    assert_eq!((got.trail_bps, got.trigger_price, got.display_quantity), (9, 31, 6));
    assert_eq!((got.min_quantity, got.expire_time_ns, got.peg_offset, got.limit_price), (2, 5, -4, 30));

    let list = event::OrderListStatus {
        list_id: ListId(8),
        account_id,
        instrument_id,
        contingency: Contingency::Otoco,
        status: ListStatus::AllDone,
    };
    let got: OrderListStatus = only(&encoded(Event::OrderListStatus(list), 7));
    assert_eq!((got.list_id, got.contingency, got.list_status), (8, 3, 2));

    let mass = MassCanceled { account_id, instrument_id, side: Some(Side::Sell), count: 3 };
    let got: MassCancelResult = only(&encoded(Event::MassCanceled(mass), 7));
    assert_eq!((got.instrument_id, got.side, got.count), (4, 2, 3));

    let timer = Event::CancelAllAfterSet(event::CancelAllAfterSet { account_id, deadline_ns: 55 });
    assert_eq!({ only::<CancelAllAfterSet>(&encoded(timer, 7)).deadline_ns }, 55);

    let posted =
        Posted { account_id, asset_id: AssetId(2), amount: Amount(-5), total: Amount(1 << 80), held: Amount(4) };
    let got: BalanceChanged = only(&encoded(Event::Posted(posted), 7));
    assert_eq!((got.asset_id, got.amount, got.total, got.held), (2, -5, 1 << 80, 4));

    let scope = beurs_engine::command::KillScope::Key(account_id, KeyId(3));
    let switch = Event::KillSwitchSet(event::KillSwitchSet { scope, engaged: true, count: 2 });
    let got: KillSwitchSet = only(&encoded(switch, 7));
    assert_eq!((got.key_id, got.engaged, got.count), (3, 1, 2));

    let corrected = Event::TradeCorrected(event::TradeCorrected {
        trade_id: TradeId(77),
        instrument_id,
        buyer: AccountId(9),
        seller: account_id,
        price: PriceTicks(100),
        new_price: PriceTicks(99),
        quantity: Lots(3),
    });
    assert_eq!(accounts(&EventRecord::new(1, 1, 0, &corrected)), [9, 7]);
    for (account_id, side) in [(9, 1), (7, 2)] {
        let got: TradeCorrected = only(&encoded(corrected, account_id));
        assert_eq!((got.side, got.trade_id, got.price, got.new_price, got.quantity), (side, 77, 100, 99, 3));
    }
}
