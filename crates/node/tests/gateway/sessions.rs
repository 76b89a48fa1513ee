//! Logons, requests and their ends, heartbeats, budgets, bounds.

use std::time::Duration;

use beurs_node::engine::types::AccountId;
use beurs_node::gateway::{GatewayConfig, Position};
use beurs_node::sbe::*;

use crate::rig::*;

fn reason(logout: &Logout) -> SessionReason {
    SessionReason::from_u16(logout.reason).expect("a reason")
}

fn rejected(client: &Client) -> (SessionReason, u16) {
    let LogonRejected { reason, field_id, .. } = client.only();
    (SessionReason::from_u16(reason).expect("a reason"), field_id)
}

fn open_orders(rig: &Rig, account: u32) -> usize {
    rig.handle.with_engine(|engine| engine.open_orders(AccountId(account)).count()).expect("running")
}

#[test]
fn a_logon_says_whose_session_it_is() {
    let mut rig = Rig::plain();
    let client = rig.session_with(100, logon_options::MARKET_DATA, Position::default());
    assert_eq!(client.templates(), [Challenge::TEMPLATE_ID, LogonAccepted::TEMPLATE_ID]);
    let LogonAccepted { account_id, key_id, permissions, options, sequence, account, .. } = client.only();
    assert_eq!((account_id, key_id, permissions, options), (2, 2, permissions::READ, logon_options::MARKET_DATA));
    assert_eq!((sequence, account), (rig.handle.sequence(), padded("account-0").expect("short")));
    let stats = rig.hub.stats();
    assert_eq!((stats.connections, stats.sessions, stats.logons), (1, 1, 1));
}

#[test]
fn a_logon_that_is_not_right_is_refused_and_the_connection_ends() {
    let mut rig = Rig::plain();
    let mut refused = |expected: (SessionReason, &str), change: &dyn Fn(&mut Logon, &Challenge)| {
        let mut client = rig.connect();
        let mut logon = client.logon(&private(1), 0, Position::default());
        change(&mut logon, &client.only());
        client.send(&mut rig, &logon);
        client.read(&mut rig);
        let field_id = if expected.1.is_empty() { 0 } else { Logon::field_id(expected.1) };
        assert_eq!(rejected(&client), (expected.0, field_id));
        assert!(rig.hub.is_finished(client.id, rig.now_ns));
        rig.hub.close(client.id);
        assert_eq!(rig.hub.stats().connections, 0);
    };
    let resign = |logon: &mut Logon, challenge: &Challenge| sign(logon, &private(1), challenge);
    let failed = (SessionReason::AuthenticationFailed, "");
    for bit in [0, 100, 511] {
        refused(failed, &|logon, _| logon.signature[bit / 8] ^= 1 << (bit % 8));
    }
    // A key that nobody knows, and one that another key has signed for.
    refused(failed, &|logon, challenge| {
        logon.public_key = private(77).verifying_key().to_bytes();
        sign(logon, &private(77), challenge);
    });
    refused(failed, &|logon, challenge| sign(logon, &private(2), challenge));
    // What is not signed: other options, another position, another challenge.
    refused(failed, &|logon, _| logon.options = logon_options::CANCEL_ON_DISCONNECT);
    refused(failed, &|logon, _| logon.resume_index += 1);
    refused(failed, &|logon, challenge| {
        let other = Challenge { nonce: [9; 32], ..*challenge };
        sign(logon, &private(1), &other);
    });
    for interval in [0, 99, 60_001] {
        refused((SessionReason::InvalidOption, "heartbeat_interval_ms"), &|logon, challenge| {
            logon.heartbeat_interval_ms = interval;
            resign(logon, challenge);
        });
    }
    refused((SessionReason::InvalidOption, "options"), &|logon, challenge| {
        logon.options = 8;
        resign(logon, challenge);
    });
    refused((SessionReason::InvalidOption, "options"), &|logon, challenge| {
        logon.public_key = private(100).verifying_key().to_bytes();
        logon.options = logon_options::CANCEL_ON_DISCONNECT;
        sign(logon, &private(100), challenge);
    });
    refused((SessionReason::ResumeAhead, ""), &|logon, challenge| {
        (logon.options, logon.resume_sequence) = (logon_options::RESUME, 1_000_000);
        resign(logon, challenge);
    });
}

#[test]
fn a_recorded_logon_is_worth_nothing() {
    let mut rig = Rig::plain();
    let first = rig.connect();
    let logon = first.logon(&private(1), 0, Position::default());
    first.send(&mut rig, &logon);
    let mut second = rig.connect();
    second.send(&mut rig, &logon);
    second.read(&mut rig);
    assert_eq!(rejected(&second).0, SessionReason::AuthenticationFailed);
    // And on the same connection it is a message out of place.
    first.send(&mut rig, &logon);
    let mut first = first;
    first.read(&mut rig);
    assert_eq!(reason(&first.only()), SessionReason::UnexpectedMessage);
}

#[test]
fn who_does_not_log_on_in_time_or_says_something_else_is_refused() {
    let mut rig = Rig::plain();
    let mut late = rig.connect();
    let mut other = rig.connect();
    other.send(&mut rig, &TestRequest { test_id: 1 });
    other.read(&mut rig);
    assert_eq!(rejected(&other).0, SessionReason::UnexpectedMessage);
    rig.pass(4 * SECOND);
    late.read(&mut rig);
    assert_eq!(late.all::<LogonRejected>(), []);
    rig.pass(SECOND + SECOND / 10);
    late.read(&mut rig);
    assert_eq!(rejected(&late).0, SessionReason::LogonTimeout);
}

#[test]
fn connections_and_sessions_are_bounded() {
    let config = GatewayConfig {
        connections_max: 4,
        unauthenticated_max: 2,
        sessions_per_account_max: 1,
        ..GatewayConfig::default()
    };
    let mut rig = Rig::new(&Default::default(), config);
    let one = rig.session(1);
    let mut again = rig.connect();
    let logon = again.logon(&private(1), 0, Position::default());
    again.send(&mut rig, &logon);
    again.read(&mut rig);
    assert_eq!(rejected(&again).0, SessionReason::TooManySessions);
    rig.hub.close(again.id);
    let waiting = [rig.connect(), rig.connect()];
    let third = rig.connect();
    assert_eq!(rejected(&third).0, SessionReason::TooManySessions);
    rig.hub.close(third.id);
    rig.hub.close(waiting[0].id);
    // A place that is free again is taken again, and the old name does not name the new connection.
    let next = rig.connect();
    assert_ne!(next.id, waiting[0].id);
    assert!(rig.hub.output(waiting[0].id).is_empty() && rig.hub.is_finished(waiting[0].id, 0));
    rig.hub.close(next.id);
    rig.hub.close(one.id);
    assert_eq!(rig.hub.stats().sessions, 0);
    rig.session(1);
}

#[test]
fn an_order_is_answered_to_its_session_and_told_to_the_others_of_its_account() {
    let mut rig = Rig::plain();
    let (mut one, mut other, mut counter) = (rig.session(1), rig.session(1), rig.session(2));
    one.request(&mut rig, order(1, 1_000, 5, "bid"));
    counter.request(&mut rig, order(2, 1_000, 2, "ask"));
    rig.settle();
    for client in [&mut one, &mut other, &mut counter] {
        client.read(&mut rig);
    }
    let templates = [Challenge::TEMPLATE_ID, LogonAccepted::TEMPLATE_ID, OrderAccepted::TEMPLATE_ID, Fill::TEMPLATE_ID];
    assert_eq!(one.templates(), templates);
    assert_eq!(other.templates(), templates);
    assert_eq!(counter.templates(), templates);

    let accepted: OrderAccepted = one.only();
    let seen = (accepted.request_sequence, accepted.report_sequence, accepted.report_flags, accepted.key_id);
    assert_eq!(seen, (1, 1, report_flags::LAST, 1));
    assert_eq!({ accepted.client_order_id }, padded("bid").expect("short"));
    // The same report, not as an answer.
    assert_eq!(other.only::<OrderAccepted>(), OrderAccepted { request_sequence: 0, ..accepted });
    // The maker's fill was caused by another session's request; the taker's order has two reports, the second is the last.
    let maker: Fill = one.only();
    assert_eq!((maker.request_sequence, maker.report_sequence, maker.last_quantity), (0, 2, 2));
    let (taken, taker): (OrderAccepted, Fill) = (counter.only(), counter.only());
    assert_eq!((taken.report_flags, taker.report_flags), (0, report_flags::LAST));
    assert_eq!((taken.request_sequence, taker.request_sequence, taker.leaves_quantity), (1, 1, 0));
    assert_eq!({ taker.trade_id }, { maker.trade_id });
    assert_eq!({ taker.sequence }, { maker.sequence });
}

#[test]
fn every_request_that_is_a_command_has_its_answer() {
    let mut rig = Rig::plain();
    let mut client = rig.session(2);
    let replace = ReplaceOrder {
        original_client_order_id: padded("b").expect("short"),
        client_order_id: padded("c").expect("short"),
        price: 990,
        quantity: 4,
        ..ReplaceOrder::ZERO
    };
    let both = CancelReplace {
        original_client_order_id: padded("c").expect("short"),
        client_order_id: padded("d").expect("short"),
        mode: 1,
        instrument_id: 1,
        side: 1,
        order_type: 1,
        time_in_force: 1,
        price: 980,
        quantity: 3,
        ..CancelReplace::ZERO
    };
    let list = NewOrderList {
        instrument_id: 1,
        contingency: 2,
        side_1: 1,
        order_type_1: 1,
        time_in_force_1: 1,
        price_1: 970,
        quantity_1: 2,
        side_2: 2,
        order_type_2: 4,
        time_in_force_2: 1,
        price_2: 900,
        quantity_2: 2,
        trigger_price_2: 901,
        ..NewOrderList::ZERO
    };
    client.request(&mut rig, order(1, 999, 5, "b"));
    client.request(&mut rig, replace);
    client.request(&mut rig, both);
    client.request(&mut rig, CancelOrder { client_order_id: padded("d").expect("short"), ..CancelOrder::ZERO });
    client.request(&mut rig, CancelOrder { order_id: 999, ..CancelOrder::ZERO });
    client.request(&mut rig, list);
    client.request(&mut rig, MassCancel { instrument_id: 1, ..MassCancel::ZERO });
    client.request(&mut rig, CancelAllAfter { timeout_ns: SECOND, ..CancelAllAfter::ZERO });
    rig.settle();
    client.read(&mut rig);
    let expected = [
        (1, vec![OrderAccepted::TEMPLATE_ID]),
        (2, vec![OrderReplaced::TEMPLATE_ID]),
        (3, vec![OrderCanceled::TEMPLATE_ID, OrderAccepted::TEMPLATE_ID]),
        (4, vec![OrderCanceled::TEMPLATE_ID]),
        (5, vec![OrderRejected::TEMPLATE_ID]),
        (
            6,
            vec![
                OrderListStatus::TEMPLATE_ID,
                OrderAccepted::TEMPLATE_ID,
                OrderTerms::TEMPLATE_ID,
                OrderAccepted::TEMPLATE_ID,
                OrderTerms::TEMPLATE_ID,
            ],
        ),
        (
            7,
            vec![
                OrderCanceled::TEMPLATE_ID,
                OrderCanceled::TEMPLATE_ID,
                OrderListStatus::TEMPLATE_ID,
                MassCancelResult::TEMPLATE_ID,
            ],
        ),
        (8, vec![CancelAllAfterSet::TEMPLATE_ID]),
    ];
    let reports: Vec<_> = client.got.iter().filter(|(template_id, _)| (60..80).contains(template_id)).collect();
    let number = |fields: &[u8]| u64::from_le_bytes(std::array::from_fn(|at| fields[28 + at]));
    for (request, templates) in expected {
        let of_it: Vec<_> = reports.iter().filter(|(_, fields)| number(fields) == request).collect();
        assert_eq!(of_it.iter().map(|(template_id, _)| *template_id).collect::<Vec<_>>(), templates, "{request}");
        let last: Vec<bool> = of_it.iter().map(|(_, fields)| fields[36] & report_flags::LAST != 0).collect();
        let only_the_last: Vec<bool> = (0..last.len()).map(|at| at + 1 == last.len()).collect();
        assert_eq!(last, only_the_last, "{request}");
    }
    assert_eq!(client.report_sequences(), (1..=reports.len() as u64).collect::<Vec<_>>());
}

#[test]
fn repeating_an_order_has_one_effect_and_the_answer_says_so() {
    let mut rig = Rig::plain();
    let mut client = rig.session(1);
    for _ in 0..3 {
        client.request(&mut rig, order(1, 1_000, 5, "once"));
    }
    rig.settle();
    client.read(&mut rig);
    assert_eq!(client.all::<OrderAccepted>().len(), 1);
    let refusals: Vec<_> = client.all::<OrderRejected>().iter().map(|no| (no.reason, no.request_sequence)).collect();
    assert_eq!(refusals, [(301, 2), (301, 3)]);
    assert_eq!(open_orders(&rig, 2), 1);
}

#[test]
fn a_number_that_is_not_the_next_one_ends_the_session() {
    let mut rig = Rig::plain();
    for wrong in [0, 1, 3, u64::MAX] {
        let mut client = rig.session(1);
        client.request(&mut rig, order(1, 1_000, 1, ""));
        client.send(&mut rig, &NewOrder { request_sequence: wrong, ..order(1, 1_000, 1, "") });
        rig.settle();
        client.read(&mut rig);
        let logout: Logout = client.only();
        assert_eq!(reason(&logout), SessionReason::SequenceGap);
        assert_eq!((logout.expected_sequence, logout.template_id), (2, NewOrder::TEMPLATE_ID));
        rig.hub.close(client.id);
    }
    assert_eq!(open_orders(&rig, 2), 4);
}

#[test]
fn what_cannot_be_a_command_is_refused_and_the_session_goes_on() {
    let mut rig = Rig::plain();
    let mut client = rig.session(1);
    client.request(&mut rig, NewOrder { side: 3, ..order(1, 1_000, 1, "named") });
    client.request(&mut rig, NewOrder { client_order_id: [0xff; 36], ..order(1, 1_000, 1, "") });
    client.request(&mut rig, MassCancel { side: 9, ..MassCancel::ZERO });
    client.request(&mut rig, order(1, 1_000, 1, "good"));
    rig.settle();
    client.read(&mut rig);
    let rejected: Vec<_> = client
        .all::<RequestRejected>()
        .iter()
        .map(|no| (no.request_sequence, no.template_id, no.reason, no.field_id, no.client_order_id))
        .collect();
    let named = padded("named").expect("short");
    let value = RequestReason::InvalidValue as u16;
    let text = RequestReason::InvalidText as u16;
    assert_eq!(
        rejected,
        [
            (1, 20, value, 3, named),
            (2, 20, text, NewOrder::field_id("client_order_id"), [0; 36]),
            (3, 24, value, 3, [0; 36])
        ]
    );
    assert_eq!({ client.only::<OrderAccepted>().request_sequence }, 4);
    assert_eq!(rig.hub.stats().requests_refused, 3);
}

#[test]
fn a_key_that_may_only_read_does() {
    let mut rig = Rig::plain();
    let mut reader = rig.session(100);
    let mut trader = rig.session(1);
    reader.request(&mut rig, order(1, 1_000, 1, ""));
    reader.request(&mut rig, MassCancel::ZERO);
    trader.request(&mut rig, order(1, 1_000, 1, ""));
    reader.request(&mut rig, OpenOrdersRequest::ZERO);
    rig.settle();
    reader.read(&mut rig);
    let reasons: Vec<u16> = reader.all::<RequestRejected>().iter().map(|no| no.reason).collect();
    assert_eq!(reasons, [RequestReason::NotAllowed as u16; 2]);
    assert_eq!(reader.all::<OrderAccepted>().len(), 1);
    assert_eq!(reader.all::<OpenOrder>().len(), 1);
    assert_eq!(open_orders(&rig, 2), 1);
}

#[test]
fn cancels_have_a_budget_of_their_own() {
    let config = GatewayConfig { requests_per_second: 5, cancels_per_second: 4, ..GatewayConfig::default() };
    let mut rig = Rig::new(&Default::default(), config);
    let mut client = rig.session(1);
    for _ in 0..7 {
        client.request(&mut rig, order(1, 1_000, 1, "x"));
    }
    for _ in 0..5 {
        client.request(&mut rig, MassCancel::ZERO);
    }
    rig.settle();
    client.read(&mut rig);
    let throttled: Vec<_> = client
        .all::<Throttled>()
        .iter()
        .map(|late| (late.request_sequence, late.template_id, late.retry_after_ns, late.client_order_id))
        .collect();
    let x = padded("x").expect("short");
    assert_eq!(throttled, [(6, 20, 200_000_000, x), (7, 20, 200_000_000, x), (12, 24, 250_000_000, [0; 36])]);
    assert_eq!(client.all::<MassCancelResult>().len(), 4);
    rig.now_ns += 200_000_000;
    client.got.clear();
    client.request(&mut rig, order(1, 1_000, 1, "y"));
    client.request(&mut rig, order(1, 1_000, 1, "z"));
    rig.settle();
    client.read(&mut rig);
    assert_eq!((client.all::<OrderAccepted>().len(), client.all::<Throttled>().len()), (1, 1));
}

#[test]
fn who_has_too_much_in_flight_is_not_read_until_some_of_it_is_answered() {
    let config = GatewayConfig { in_flight_max: 10, input_bytes_max: 4_096, ..GatewayConfig::default() };
    let mut rig = Rig::new(&Default::default(), config);
    let mut client = rig.session(1);
    let mut other = rig.session(2);
    let mut stream = Vec::new();
    for number in 1..=100 {
        put(&mut stream, &NewOrder { request_sequence: number, ..order(1, 1_000, 1, "") });
    }
    let mut given = 0;
    loop {
        let wants = rig.hub.wants(client.id);
        if wants == 0 {
            break;
        }
        let count = wants.min(1_000).min(stream.len() - given);
        rig.hub.receive(client.id, &stream[given..given + count], rig.now_ns);
        given += count;
    }
    // Ten are taken, a part of the rest was read, and no more is until there are answers.
    assert!(given < stream.len() && given >= 10 * 141, "{given}");
    other.request(&mut rig, order(2, 2_000, 1, ""));
    rig.settle();
    while given < stream.len() {
        let count = rig.hub.wants(client.id).min(stream.len() - given);
        rig.hub.receive(client.id, &stream[given..given + count], rig.now_ns);
        given += count;
        rig.settle();
    }
    client.read(&mut rig);
    let answered: Vec<u64> = client.all::<OrderAccepted>().iter().map(|yes| yes.request_sequence).collect();
    assert_eq!(answered, (1..=100).collect::<Vec<_>>());
    other.read(&mut rig);
    assert_eq!(other.all::<OrderAccepted>().len(), 1);
}

#[test]
fn each_side_gives_signs_of_life() {
    let mut rig = Rig::plain();
    let mut client = rig.session(1);
    rig.pass(SECOND * 11 / 10);
    client.read(&mut rig);
    let Heartbeat { test_id, sequence, .. } = client.only();
    assert_eq!((test_id, sequence), (0, rig.handle.sequence()));
    client.send(&mut rig, &TestRequest { test_id: 99 });
    client.read(&mut rig);
    assert_eq!(client.last::<Heartbeat>().map(|beat| beat.test_id), Some(99));
    // The client says nothing: it is asked after two intervals, and the session ends after three.
    rig.pass(SECOND * 21 / 10);
    client.read(&mut rig);
    assert_eq!(client.all::<TestRequest>().len(), 1);
    assert_eq!(client.all::<Logout>(), []);
    client.send(&mut rig, &Heartbeat::ZERO);
    rig.pass(SECOND * 19 / 10);
    client.read(&mut rig);
    assert_eq!(client.all::<Logout>(), []);
    rig.pass(SECOND * 12 / 10);
    client.read(&mut rig);
    assert_eq!(reason(&client.only()), SessionReason::HeartbeatTimeout);
}

#[test]
fn orders_are_canceled_on_disconnect_however_the_session_ends() {
    type Ending = fn(&mut Rig, &mut Client);
    let endings: [(&str, Ending); 6] = [
        ("closed", |rig, client| rig.hub.close(client.id)),
        ("logout", |rig, client| client.send(rig, &Logout::ZERO)),
        ("heartbeat", |rig, _| rig.pass(SECOND * 32 / 10)),
        ("wrong frame", |rig, client| client.send_bytes(rig, &[0; 12])),
        ("stopping", |rig, _| rig.hub.shut_down(rig.now_ns)),
        ("revoked", |rig, _| {
            rig.keys.set([]);
            rig.hub.check_keys(rig.now_ns);
        }),
    ];
    for (name, end) in endings {
        for option in [logon_options::CANCEL_ON_DISCONNECT, 0] {
            let mut rig = Rig::plain();
            let mut client = rig.session_with(1, option, Position::default());
            let mut bystander = rig.session(2);
            client.request(&mut rig, order(1, 1_000, 1, "a"));
            bystander.request(&mut rig, order(1, 1_000, 1, "b"));
            rig.settle();
            end(&mut rig, &mut client);
            rig.settle();
            assert_eq!(open_orders(&rig, 2), usize::from(option == 0), "{name}");
            assert_eq!(open_orders(&rig, 3), 1, "{name}");
        }
    }
}

#[test]
fn a_logout_says_where_to_resume() {
    let mut rig = Rig::plain();
    let mut client = rig.session(1);
    let begun = { client.only::<LogonAccepted>().sequence };
    client.send(&mut rig, &Logout::ZERO);
    client.read(&mut rig);
    let none: Logout = client.only();
    assert_eq!((none.resume_sequence, none.resume_index, reason(&none)), (begun, u32::MAX, SessionReason::Requested));

    let mut client = rig.session(1);
    client.request(&mut rig, order(1, 1_000, 1, ""));
    rig.settle();
    client.send(&mut rig, &Logout::ZERO);
    client.read(&mut rig);
    let (accepted, logout): (OrderAccepted, Logout) = (client.only(), client.only());
    assert_eq!((logout.resume_sequence, logout.resume_index), (accepted.sequence, accepted.index));
    assert!(rig.hub.is_finished(client.id, rig.now_ns));
}

#[test]
fn a_key_that_changes_ends_its_sessions_and_no_others() {
    let mut rig = Rig::plain();
    let (mut one, mut two) = (rig.session(1), rig.session(2));
    let both = keys();
    let mut known = Vec::new();
    for number in 2..=8 {
        let public_key = private(number).verifying_key().to_bytes();
        known.push((public_key, beurs_node::gateway::KeyDirectory::find(&both, &public_key).expect("a key")));
    }
    rig.keys.set(known);
    rig.hub.check_keys(rig.now_ns);
    one.read(&mut rig);
    two.read(&mut rig);
    assert_eq!(reason(&one.only()), SessionReason::KeyRevoked);
    assert_eq!(two.all::<Logout>(), []);
}

#[test]
fn the_node_may_stop_and_everybody_is_told() {
    let mut rig = Rig::plain();
    let mut client = rig.session_with(1, logon_options::CANCEL_ON_DISCONNECT, Position::default());
    client.request(&mut rig, order(1, 1_000, 1, ""));
    rig.handle.close();
    rig.hub.step(rig.now_ns);
    client.read(&mut rig);
    assert_eq!(reason(&client.only()), SessionReason::ExchangeStopped);
    assert!(!rig.hub.step(rig.now_ns));
}

#[test]
fn questions_are_answered() {
    let mut rig = Rig::plain();
    let mut client = rig.session(1);
    client.request(&mut rig, order(1, 1_000, 5, "a"));
    client.request(&mut rig, order(2, 1_010, 3, "b"));
    rig.settle();
    client.got.clear();
    client.request(&mut rig, InstrumentsRequest::ZERO);
    client.request(&mut rig, BalancesRequest::ZERO);
    rig.settle();
    client.read(&mut rig);
    // One at a time.
    let RequestRejected { reason, request_sequence, .. } = client.only();
    assert_eq!((reason, request_sequence), (RequestReason::QueryUnderWay as u16, 4));
    let instrument: InstrumentDefinition = client.only();
    let sizes = (instrument.tick_size, instrument.tick_scale, instrument.lot_size, instrument.lot_scale);
    assert_eq!(
        (sizes, instrument.symbol, instrument.base),
        ((1, 1, 1, 1), padded("BTC-USD").expect("short"), padded("BTC").expect("short"))
    );
    assert_eq!((instrument.base_scale, instrument.quote_scale, instrument.status), (8, 2, 1));
    let done: QueryComplete = client.only();
    let sequence = rig.handle.sequence();
    assert_eq!((done.request_sequence, done.template_id, done.count, done.sequence), (3, 29, 1, sequence));

    client.got.clear();
    client.request(&mut rig, BalancesRequest::ZERO);
    rig.settle();
    client.request(&mut rig, OpenOrdersRequest::ZERO);
    rig.settle();
    let after = OpenOrdersRequest { after_order_id: 1, ..OpenOrdersRequest::ZERO };
    client.request(&mut rig, after);
    rig.settle();
    client.read(&mut rig);
    let balances: Vec<_> = client.all::<Balance>().iter().map(|b| (b.asset_id, b.total, b.held, b.scale)).collect();
    let units = rig.handle.with_engine(|engine| engine.instruments().next().map(|i| (i.lot_units, i.tick_lot_units)));
    let (lot_units, tick_lot_units) = units.expect("running").expect("an instrument");
    let held = (i128::from(tick_lot_units) * 5_000, i128::from(lot_units) * 3);
    assert_eq!(balances, [(1, 1_000_000_000_000_000, held.1, 8), (2, 1_000_000_000_000_000, held.0, 2)]);
    let orders: Vec<_> =
        client.all::<OpenOrder>().iter().map(|o| (o.order_id, o.quantity, o.request_sequence)).collect();
    assert_eq!(orders, [(1, 5, 6), (2, 3, 6), (2, 3, 7)]);
    let counts: Vec<u64> = client.all::<QueryComplete>().iter().map(|done| done.count).collect();
    assert_eq!(counts, [2, 2, 1]);
}

#[test]
fn a_client_that_does_not_read_is_ended_and_no_other_notices() {
    let config =
        GatewayConfig { output_bytes_max: 100_000, linger: Duration::from_secs(2), ..GatewayConfig::default() };
    let mut rig = Rig::new(&Default::default(), config);
    let mut stuck = rig.session_with(1, logon_options::CANCEL_ON_DISCONNECT, Position::default());
    let mut brisk = rig.session(1);
    for number in 0..2_000 {
        let time_in_force = if number % 10 == 0 { 1 } else { 2 };
        brisk.request(&mut rig, NewOrder { time_in_force, ..order(1, 1_000 - number % 10, 1, "") });
        if number % 50 == 0 {
            rig.settle();
            brisk.read(&mut rig);
        }
    }
    rig.settle();
    brisk.read(&mut rig);
    assert_eq!(brisk.all::<OrderAccepted>().len(), 2_000);
    assert_eq!(rig.hub.stats().slow_consumers, 1);
    // What was queued before the end is there, and then where to resume.
    assert!(rig.hub.output(stuck.id).len() < 101_000);
    stuck.read(&mut rig);
    let logout: Logout = stuck.only();
    assert_eq!(reason(&logout), SessionReason::SlowConsumer);
    let (last, _, _) = stuck.reports().pop().expect("some");
    assert_eq!((last.sequence, last.index), (logout.resume_sequence, logout.resume_index));
    assert!(rig.hub.is_finished(stuck.id, rig.now_ns));
    assert_eq!(open_orders(&rig, 2), brisk.all::<OrderAccepted>().len() - brisk.all::<OrderCanceled>().len());
    assert!(!brisk.all::<MassCancelResult>().is_empty());
    // One that takes nothing at all is closed in the end.
    let deaf = rig.session(3);
    rig.hub.shut_down(rig.now_ns);
    assert!(!rig.hub.is_finished(deaf.id, rig.now_ns + SECOND));
    assert!(rig.hub.is_finished(deaf.id, rig.now_ns + 2 * SECOND));
}
