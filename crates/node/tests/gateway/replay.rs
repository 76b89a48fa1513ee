//! Resuming: behind any report a session gets what it missed, once.

use beurs_node::gateway::{GatewayConfig, Position};
use beurs_node::sbe::*;
use beurs_node::{NodeConfig, NodeHandle};

use crate::common::{self, small, TempDir};
use crate::rig::*;

/// A session that has seen everything since the beginning, over a node with a history.
fn witness(rig: &mut Rig) -> Client {
    let mut witness = rig.session_with(1, logon_options::RESUME, Position::default());
    let commands = common::workload(11, 2_000);
    for batch in commands[common::setup().len()..].chunks(7) {
        rig.handle.execute(batch).expect("executed");
        rig.settle();
        witness.read(rig);
    }
    rig.settle();
    rig.settle_for::<ReplayComplete>(&mut witness);
    witness
}

fn check_every_position(rig: &mut Rig, step: usize) {
    let witness = witness(rig);
    let all = witness.reports();
    assert!(all.len() > 200, "{}", all.len());
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order");
    let positions = all.iter().map(|(position, ..)| *position);
    let commands = positions.clone().map(|position| Position::behind(position.sequence));
    let nothing = [Position::default(), Position { sequence: 1, index: 0 }];
    let after: Vec<Position> = positions.chain(commands).chain(nothing).step_by(step).collect();
    for after in after {
        let mut client = rig.session_with(1, logon_options::RESUME, after);
        rig.settle_for::<ReplayComplete>(&mut client);
        let expected: Vec<_> = all.iter().filter(|(position, ..)| *position > after).cloned().collect();
        assert_eq!(client.reports(), expected, "behind {after:?}");
        let complete: ReplayComplete = client.only();
        let sequence = rig.handle.sequence();
        assert_eq!((complete.count, complete.sequence), (expected.len() as u64, sequence));
        let replayed = client.got.iter().filter(|(template_id, _)| (60..80).contains(template_id));
        assert!(replayed.clone().all(|(_, fields)| fields[36] & report_flags::REPLAYED != 0));
        assert!(replayed.clone().all(|(_, fields)| fields[28..36] == [0; 8]), "not answers of this session");
        assert_eq!(client.report_sequences(), (1..=expected.len() as u64).collect::<Vec<_>>());
        rig.hub.close(client.id);
    }
}

#[test]
fn behind_any_position_comes_what_was_missed_from_memory() {
    check_every_position(&mut Rig::plain(), 3);
}

#[test]
fn behind_any_position_comes_what_was_missed_from_the_journal() {
    let directory = TempDir::new("replay");
    let node = NodeConfig { event_ring_bytes: 300_000, ..small(directory.path()) };
    check_every_position(&mut Rig::new(&node, GatewayConfig::default()), 37);
}

#[test]
fn the_first_thing_behind_a_replay_is_live_and_nothing_is_between() {
    let mut rig = Rig::plain();
    let before = witness(&mut rig);
    let all = before.reports();
    let after = all[all.len() / 2].0;
    let mut client = rig.session_with(1, logon_options::RESUME, after);
    // Sent at once, looked at when the replay is over; and the account has another session meanwhile.
    client.request(&mut rig, order(1, 900, 1, "mine"));
    let mut other = rig.session(1);
    other.request(&mut rig, order(1, 901, 1, "other"));
    rig.settle();
    rig.settle_for::<ReplayComplete>(&mut client);
    rig.settle();
    client.read(&mut rig);
    let mut whole = before;
    whole.read(&mut rig);
    let expected: Vec<_> = whole.reports().into_iter().filter(|(position, ..)| *position > after).collect();
    assert_eq!(client.reports(), expected);
    let mine: Vec<_> = client.all::<OrderAccepted>().into_iter().filter(|yes| yes.request_sequence == 1).collect();
    assert_eq!({ mine[0].client_order_id }, padded("mine").expect("short"));
    let complete = client.templates().iter().position(|&t| t == ReplayComplete::TEMPLATE_ID).expect("there");
    let replayed = client.got[..complete].iter().filter(|(template_id, _)| (60..80).contains(template_id)).count();
    assert_eq!(replayed as u64, { client.only::<ReplayComplete>().count });
}

#[test]
fn a_replay_that_is_longer_than_what_may_be_queued_comes_as_it_is_read() {
    let config = GatewayConfig { output_bytes_max: 200_000, ..GatewayConfig::default() };
    let mut rig = Rig::new(&NodeConfig::default(), config);
    let orders: Vec<_> =
        (0..5_000).map(|n| common::order(2, beurs_node::engine::types::Side::Buy, 1_000 - n % 50, 1, "")).collect();
    rig.handle.execute(&orders).expect("executed");
    rig.settle();
    let mut client = rig.session_with(1, logon_options::RESUME, Position::default());
    let mut most = 0;
    for _ in 0..1_000 {
        rig.hub.step(rig.now_ns);
        most = most.max(rig.hub.output(client.id).len());
    }
    assert!(most < 200_000, "{most}");
    assert_eq!(client.all::<ReplayComplete>(), []);
    rig.settle_for::<ReplayComplete>(&mut client);
    assert_eq!(client.all::<OrderAccepted>().len(), 5_000);
    assert_eq!(client.all::<Logout>(), []);
}

#[test]
fn what_is_no_longer_there_cannot_be_resumed() {
    let mut rig = Rig::new(&NodeConfig { event_ring_bytes: 0, ..NodeConfig::default() }, GatewayConfig::default());
    rig.settle();
    let mut client = rig.session_with(1, logon_options::RESUME, Position::default());
    rig.settle_for::<Logout>(&mut client);
    assert_eq!({ client.only::<Logout>().reason }, SessionReason::ResumeLost as u16);
}

#[test]
fn what_was_acknowledged_is_replayed_after_a_restart() {
    let directory = TempDir::new("restart");
    let node = small(directory.path());
    let mut rig = Rig::new(&node, GatewayConfig::default());
    let mut client = rig.session(1);
    for number in 0..500 {
        client.request(&mut rig, order(1 + (number % 2) as u8, 1_000, 1 + number % 3, &format!("c-{number}")));
        if number == 250 {
            rig.settle();
        }
    }
    rig.settle();
    client.read(&mut rig);
    let all = client.reports();
    drop(rig.hub);
    rig.handle.close();
    drop(rig.handle);
    let (handle, _) = NodeHandle::open(&node).expect("a node");
    let mut rig = Rig::over(handle, GatewayConfig::default());
    for at in [0, 1, 250, all.len() - 1] {
        let mut again = rig.session_with(1, logon_options::RESUME, all[at].0);
        rig.settle_for::<ReplayComplete>(&mut again);
        // Behind those there are the refusals that earlier turns got.
        assert_eq!(again.reports()[..all.len() - at - 1], all[at + 1..]);
        // Sent again, each has no second effect.
        again.got.clear();
        for number in 0..500 {
            again.request(&mut rig, order(1, 1_000, 1, &format!("c-{number}")));
        }
        rig.settle();
        again.read(&mut rig);
        assert!(again.all::<OrderRejected>().iter().all(|no| no.reason == 301));
        assert_eq!(again.all::<OrderRejected>().len(), 500);
        rig.hub.close(again.id);
    }
}
