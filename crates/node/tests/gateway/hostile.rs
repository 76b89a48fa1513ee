//! Bytes that no good client sends, at every place where they can come.

use beurs_node::engine::types::AccountId;
use beurs_node::gateway::{GatewayConfig, Position};
use beurs_node::sbe::*;
use beurs_node::NodeConfig;

use crate::common::Random;
use crate::rig::*;

/// A good client's orders, as one stream.
fn stream(count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 1..=count {
        put(&mut bytes, &NewOrder { request_sequence: number, ..order(1, 1_000 - number as i64, 1, "") });
    }
    bytes
}

fn open_orders(rig: &Rig) -> usize {
    rig.handle.with_engine(|engine| engine.open_orders(AccountId(2)).count()).expect("running")
}

/// That the hub still does its work for others.
fn check_alive(rig: &mut Rig) {
    let mut client = rig.session(8);
    client.request(rig, order(1, 1, 1, ""));
    rig.settle();
    client.read(rig);
    assert_eq!(client.all::<OrderAccepted>().len(), 1);
    rig.hub.close(client.id);
}

#[test]
fn a_connection_may_break_at_every_byte() {
    let mut rig = Rig::plain();
    let orders = stream(3);
    let one = orders.len() / 3;
    let logon_bytes = HEADER + Logon::SIZE;
    let mut expected = 0;
    for cut in 0..=logon_bytes + orders.len() {
        let client = rig.connect();
        let whole = [frame(&client.logon(&private(1), 0, Position::default())), orders.clone()].concat();
        // In two pieces, so that the second one finds something there.
        client.send_bytes(&mut rig, &whole[..cut / 2]);
        client.send_bytes(&mut rig, &whole[cut / 2..cut]);
        rig.hub.close(client.id);
        rig.settle();
        expected += cut.saturating_sub(logon_bytes) / one;
        assert_eq!(open_orders(&rig), expected, "cut at {cut}");
    }
    assert_eq!(rig.hub.stats().connections, 0);
    check_alive(&mut rig);
}

#[test]
fn bytes_come_one_by_one() {
    let mut rig = Rig::plain();
    let mut client = rig.connect();
    let logon = frame(&client.logon(&private(1), 0, Position::default()));
    for byte in [logon, stream(5)].concat() {
        client.send_bytes(&mut rig, &[byte]);
    }
    rig.settle();
    client.read(&mut rig);
    assert_eq!(client.all::<OrderAccepted>().len(), 5);
}

#[test]
fn every_changed_byte_of_a_request_is_refused_or_is_another_good_request() {
    let mut rig = Rig::plain();
    let good = frame(&NewOrder { request_sequence: 1, ..order(1, 1_000, 1, "x") });
    for at in 0..good.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut client = rig.session(1);
            let mut bytes = good.clone();
            bytes[at] ^= change;
            client.send_bytes(&mut rig, &bytes);
            rig.settle();
            client.read(&mut rig);
            let ends = client.all::<OrderAccepted>().len()
                + client.all::<OrderRejected>().len()
                + client.all::<RequestRejected>().len()
                + client.all::<Logout>().len();
            // Only a longer frame has not come whole.
            let longer = usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) > bytes.len();
            assert!(ends == 1 || (ends == 0 && longer), "byte {at} with {change:#x}: {:?}", client.templates());
            if at < 12 {
                assert_eq!(client.all::<OrderAccepted>(), [], "byte {at}");
            }
            rig.hub.close(client.id);
        }
    }
    rig.settle();
    check_alive(&mut rig);
}

#[test]
fn every_changed_byte_of_a_logon_is_refused() {
    let mut rig = Rig::plain();
    for at in 0..HEADER + Logon::SIZE {
        let mut client = rig.connect();
        let mut bytes = frame(&client.logon(&private(1), 0, Position::default()));
        bytes[at] ^= 1 << (at % 8);
        client.send_bytes(&mut rig, &bytes);
        client.read(&mut rig);
        assert_eq!(client.all::<LogonAccepted>(), [], "byte {at}");
        rig.hub.close(client.id);
    }
    assert_eq!((rig.hub.stats().sessions, rig.hub.stats().connections), (0, 0));
    check_alive(&mut rig);
}

#[test]
fn random_bytes_end_the_session_or_do_nothing() {
    let seed = std::env::var("BEURS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_129);
    println!("BEURS_SEED={seed}");
    let mut r = Random(seed);
    let mut rig = Rig::new(&NodeConfig::default(), GatewayConfig::default());
    let templates: Vec<u16> = (0..130).collect();
    for round in 0..3_000 {
        let mut client = if round % 3 == 0 { rig.connect() } else { rig.session_with(1, 3, Position::default()) };
        for _ in 0..r.below(6) {
            let mut bytes = Vec::new();
            match r.below(3) {
                0 => bytes.extend((0..r.below(300)).map(|_| r.next() as u8)),
                _ => {
                    // A frame that looks right, with anything in it.
                    let size = [129, 52, 120, 174, 13, 289, 16, 15, 12, 8, 24, 113][r.below(12) as usize];
                    let template = templates[r.below(130) as usize];
                    let template = if r.below(2) == 0 { 20 + template % 12 } else { template };
                    for number in [12 + size as u16, ENCODING_TYPE, size as u16, template, 1, 1] {
                        bytes.extend(number.to_le_bytes());
                    }
                    bytes.extend(client.next_request.to_le_bytes());
                    bytes.extend((8..size).map(|_| if r.below(4) == 0 { r.next() as u8 } else { r.below(4) as u8 }));
                    client.next_request += u64::from(r.below(8) != 0);
                }
            }
            client.send_bytes(&mut rig, &bytes);
            if r.below(2) == 0 {
                rig.settle();
            }
            client.read(&mut rig);
        }
        rig.hub.close(client.id);
        rig.now_ns += 1_000_000;
    }
    rig.settle();
    assert_eq!(rig.hub.stats().connections, 0);
    check_alive(&mut rig);
}

#[test]
fn what_only_the_server_says_ends_a_session_that_says_it() {
    let mut rig = Rig::plain();
    for template in (1..130).filter(|template| !(20..32).contains(template) && ![5, 6, 7].contains(template)) {
        let mut client = rig.session(1);
        let mut bytes = frame(&TestRequest::ZERO);
        bytes[6] = template;
        client.send_bytes(&mut rig, &bytes);
        client.read(&mut rig);
        let Logout { reason, template_id, .. } = client.only();
        let expected =
            if (32..50).contains(&template) { SessionReason::InvalidMessage } else { SessionReason::UnexpectedMessage };
        assert_eq!((reason, template_id), (expected as u16, u16::from(template)), "template {template}");
        // Nothing that comes behind is looked at.
        client.send_bytes(&mut rig, &stream(1));
        rig.settle();
        client.read(&mut rig);
        assert_eq!(client.all::<OrderAccepted>(), []);
        rig.hub.close(client.id);
    }
}
