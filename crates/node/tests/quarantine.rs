//! A command in which the engine panics: it is undone and journalled as failed, its instrument is quarantined, and the
//! others trade on; now, after a restart, and for everybody who reads the journal.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use beurs_node::engine::command::{
    CancelOrder, Command, CommandFailed, InstrumentScope, ListInstrument, MassCancel, NewOrder, SetTradingStatus,
};
use beurs_node::engine::event::Event;
use beurs_node::engine::reject::RejectReason;
use beurs_node::engine::types::{
    AccountId, ClientOrderId, InstrumentId, MassCancelReason, OrderId, Side, StatusReason, Symbol, TradingStatus,
};
use beurs_node::engine::{Engine, EngineConfig};
use beurs_node::io::RealDisk;
use beurs_node::journal::JournalReader;
use beurs_node::wire::{encode_command, EventRecord};
use beurs_node::{verify, Node, NodeConfig, NodeError, NodeHandle, StopReason};
use common::{command, order, setup, small, Random, TempDir};

const ALICE: u32 = 2;
const BOB: u32 = 3;

/// A node that panics in the commands of these sequences.
fn config(path: &Path, panics: &[u64]) -> NodeConfig {
    let panics: BTreeSet<u64> = panics.iter().copied().collect();
    NodeConfig { panic_on: Some(Arc::new(move |sequence, _| panics.contains(&sequence))), ..small(path) }
}

/// Two instruments, and accounts with money: what the tests begin with, so many commands.
fn two_instruments() -> Vec<Command> {
    let mut commands = setup();
    let Some(Command::ListInstrument(first)) = commands.get(2).cloned() else { panic!("it lists an instrument") };
    let symbol = Symbol::new(b"BTC-EUR").expect("a symbol");
    commands.push(Command::ListInstrument(ListInstrument { symbol, ..first }));
    commands
}

fn on_second(command: Command) -> Command {
    let Command::NewOrder(order) = command else { panic!("it is an order") };
    Command::NewOrder(NewOrder { instrument_id: InstrumentId(2), ..order })
}

fn cancel(account: u32, order_id: u64) -> Command {
    let client_order_id = ClientOrderId::EMPTY;
    Command::CancelOrder(CancelOrder { account_id: AccountId(account), order_id: OrderId(order_id), client_order_id })
}

fn events_of(node: &mut Node, command: &Command) -> Vec<Event> {
    let events = node.execute(std::slice::from_ref(command)).expect("the node goes on");
    events
        .slices()
        .iter()
        .flat_map(|slice| slice.records())
        .map(|record| record.to_event().expect("an event"))
        .collect()
}

/// What became of a command, in a few words.
fn told(node: &mut Node, command: &Command) -> Vec<String> {
    events_of(node, command).iter().map(word).collect()
}

fn word(event: &Event) -> String {
    match event {
        Event::Execution(report) => format!("{} {}", report.exec_type.as_str(), report.order_id),
        Event::Rejected(rejected) => format!("rejected {}", rejected.reason.as_str()),
        Event::TradingStatusSet(set) => {
            format!("{} {} {}", set.instrument_id, set.status.as_str(), set.reason.as_str())
        }
        Event::MassCanceled(canceled) => format!("mass canceled {}", canceled.count),
        other => format!("{other:?}"),
    }
}

fn words(records: &[EventRecord]) -> Vec<String> {
    records.iter().map(|record| word(&record.to_event().expect("an event"))).collect()
}

#[test]
fn a_panic_quarantines_its_instrument_and_the_others_trade_on() {
    let directory = TempDir::new("quarantine");
    let begin = two_instruments();
    let first = begin.len() as u64 + 1;
    let (mut node, _) = Node::open(&config(directory.path(), &[first + 3])).expect("a new node");
    node.execute(&begin).expect("a running node");
    // One batch: the fourth command trades with the first, and fails after that.
    let batch = [
        order(ALICE, Side::Sell, 1_000, 5, ""),
        on_second(order(ALICE, Side::Sell, 1_000, 5, "")),
        order(ALICE, Side::Buy, 900, 5, ""),
        order(BOB, Side::Buy, 1_000, 5, "mine"),
        on_second(order(BOB, Side::Buy, 1_000, 2, "")),
        order(BOB, Side::Buy, 900, 5, ""),
    ];
    let events = node.execute(&batch).expect("the node goes on");
    let records: Vec<EventRecord> = events.slices().iter().flat_map(|slice| slice.records()).copied().collect();
    let expected = [
        "new 1",
        "new 2",
        "new 3",
        "rejected command_failed",
        "1 cancel_only quarantined",
        "new 4",
        "trade 4",
        "trade 2",
        "rejected instrument_cancel_only",
    ];
    assert_eq!(words(&records), expected);
    let Ok(Event::Rejected(failed)) = records[3].to_event() else { panic!("it is a rejection") };
    assert_eq!((failed.account_id.0, failed.instrument_id.0, failed.client_order_id.as_str()), (BOB, 1, "mine"));
    assert_eq!((records[4].sequence, records[4].event_index), (first + 3, 1));
    assert_eq!(node.engine().open_order_count(), 3, "order 1 is as it was");

    // Cancels go on; staff opens it again.
    assert_eq!(told(&mut node, &cancel(ALICE, 3)), ["canceled 3"]);
    let open = Command::SetTradingStatus(SetTradingStatus {
        scope: InstrumentScope::Instrument(InstrumentId(1)),
        status: TradingStatus::Open,
        reason: StatusReason::Requested,
        end_time_ns: 0,
    });
    assert_eq!(told(&mut node, &open), ["1 open requested"]);
    assert_eq!(told(&mut node, &order(BOB, Side::Buy, 1_000, 5, "mine")), ["new 5", "trade 5", "trade 1"]);

    // Every reader of the journal comes to the same, without executing what failed.
    let (digest, sequence) = (node.engine().digest(), node.engine().sequence());
    drop(node);
    let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
    assert_eq!((verified.commands, verified.digest), (sequence, digest));
    let (node, recovery) = Node::open(&small(directory.path())).expect("the journal is good");
    assert_eq!((recovery.sequence, node.engine().digest()), (sequence, digest));
    let mut reader =
        JournalReader::open(Arc::new(RealDisk), &directory.path().join("journal"), first + 2).expect("a journal");
    let record = reader.next_whole().expect("a good journal").expect("a record");
    let failed = Command::CommandFailed(Box::new(CommandFailed { command: batch[3].clone() }));
    assert_eq!((record.sequence, record.command), (first + 3, failed));
}

#[test]
fn a_second_failure_halts_the_instrument() {
    let directory = TempDir::new("quarantine-twice");
    let begin = two_instruments();
    let first = begin.len() as u64 + 1;
    let panics = [first + 1, first + 3, first + 6];
    let (mut node, _) = Node::open(&config(directory.path(), &panics)).expect("a new node");
    node.execute(&begin).expect("a running node");
    assert_eq!(told(&mut node, &order(ALICE, Side::Sell, 1_000, 5, "")), ["new 1"]);
    let failed = ["rejected command_failed", "1 cancel_only quarantined"];
    assert_eq!(told(&mut node, &order(ALICE, Side::Sell, 1_000, 5, "")), failed);
    assert_eq!(told(&mut node, &on_second(order(ALICE, Side::Sell, 1_000, 5, ""))), ["new 2"]);
    // A cancel names no instrument, but an order that is on one.
    let halted = ["rejected command_failed", "1 halted quarantined"];
    assert_eq!(told(&mut node, &cancel(ALICE, 1)), halted);
    assert_eq!(told(&mut node, &cancel(ALICE, 1)), ["rejected instrument_halted"]);
    assert_eq!(told(&mut node, &cancel(ALICE, 2)), ["canceled 2"]);
    // What names no instrument is refused, and quarantines none.
    let everywhere = Command::MassCancel(MassCancel {
        account_id: AccountId(ALICE),
        instrument_id: InstrumentId::NONE,
        side: None,
        reason: MassCancelReason::Requested,
    });
    assert_eq!(told(&mut node, &everywhere), ["rejected command_failed"]);
    assert_eq!(told(&mut node, &on_second(order(ALICE, Side::Sell, 1_000, 5, ""))), ["new 3"]);
}

/// Commands fail at random in a long run with checkpoints; the result is that of an engine that is told what failed.
#[test]
fn failures_in_a_long_run_are_undone_to_the_last_unit() {
    let directory = TempDir::new("quarantine-long");
    let mut r = Random(77);
    let failed: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let panic_on = {
        let (failed, count) = (failed.clone(), Mutex::new(Random(5)));
        move |sequence: u64, _: &Command| {
            let mut failed = failed.lock().expect("no panic while it is held");
            let panics = sequence > 60 && failed.len() < 40 && count.lock().expect("likewise").below(90) == 0;
            panics && failed.insert(sequence)
        }
    };
    let config = NodeConfig { panic_on: Some(Arc::new(panic_on)), checkpoint_interval: 700, ..small(directory.path()) };
    let (handle, _) = NodeHandle::open(&config).expect("a new node");
    let open = Command::SetTradingStatus(SetTradingStatus {
        scope: InstrumentScope::All,
        status: TradingStatus::Open,
        reason: StatusReason::Requested,
        end_time_ns: 0,
    });
    let mut given = two_instruments();
    while given.len() < 6_000 {
        let next = if r.below(50) == 0 { open.clone() } else { command(&mut r) };
        given.push(if r.below(2) == 0 && matches!(next, Command::NewOrder(_)) { on_second(next) } else { next });
    }
    let mut records = Vec::new();
    for chunk in given.chunks(100) {
        let events = handle.execute(chunk).expect("the node goes on");
        records.extend(events.slices().iter().flat_map(|slice| slice.records()).copied());
    }
    let failed = failed.lock().expect("no panic").clone();
    assert!(failed.len() > 20, "{} commands failed", failed.len());
    assert_eq!(handle.stats().commands_failed, failed.len() as u64);

    let mut engine = Engine::new(EngineConfig::default());
    let mut expected = Vec::new();
    let event_time_ns: Vec<i64> = {
        let mut reader =
            JournalReader::open(Arc::new(RealDisk), &directory.path().join("journal"), 0).expect("a journal");
        std::iter::from_fn(|| reader.next_whole().expect("a good journal")).map(|record| record.event_time_ns).collect()
    };
    assert_eq!(event_time_ns.len(), given.len(), "nothing was due in between");
    for (sequence, (command, time)) in (1..).zip(given.iter().zip(event_time_ns)) {
        let command = match failed.contains(&sequence) {
            true => Command::CommandFailed(Box::new(CommandFailed { command: command.clone() })),
            false => command.clone(),
        };
        let mut events = Vec::new();
        engine.apply(sequence, time, &command, &mut events);
        expected.extend((0..).zip(&events).map(|(at, event)| EventRecord::new(sequence, time, at, event)));
    }
    assert_eq!(records, expected);
    let digest = handle.with_engine(Engine::digest).expect("a running node");
    assert_eq!(digest, engine.digest());
    // A reader that is late, from the journal.
    let late = handle.replay_events(0, usize::MAX).expect("a good journal");
    assert_eq!(late, expected);
    handle.close();
    let verified = verify(directory.path(), |_| true).expect("a good journal").expect("not stopped");
    assert!(verified.is_good() && verified.digest == digest && !verified.checkpoints.is_empty());
    let (node, _) = Node::open(&small(directory.path())).expect("the journal is good");
    assert_eq!(node.engine().digest(), digest);
}

#[test]
fn a_node_stops_where_a_failure_cannot_be_undone() {
    let begin = two_instruments();
    let sequence = begin.len() as u64 + 1;
    let is_panic = |result: Result<_, NodeError>| match result {
        Err(NodeError::Stopped(StopReason::Panicked { sequence, message })) => (sequence, message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the node goes on"),
    };
    // Without a journal there is nothing to make the state from.
    let in_memory = NodeConfig { path: None, ..config(Path::new(""), &[sequence]) };
    let (mut node, _) = Node::open(&in_memory).expect("a new node");
    node.execute(&begin).expect("a running node");
    let planted = "planted by a test".to_owned();
    assert_eq!(is_panic(node.execute(&[cancel(ALICE, 1)])), (sequence, planted.clone()));
    assert!(matches!(node.execute(&[cancel(ALICE, 1)]), Err(NodeError::Stopped(_))));

    // What is due stays due: to refuse that time advances would not help.
    let directory = TempDir::new("quarantine-time");
    let (mut node, _) = Node::open(&config(directory.path(), &[sequence])).expect("a new node");
    node.execute(&begin).expect("a running node");
    assert_eq!(is_panic(node.execute(&[Command::AdvanceTime])), (sequence, planted.clone()));
    drop(node);
    let (mut node, recovery) = Node::open(&small(directory.path())).expect("the journal is good");
    assert_eq!(recovery.sequence, sequence - 1, "what failed is not in the journal");

    // A bug that comes with every command stops the node in the end.
    let directory = TempDir::new("quarantine-always");
    let always: Vec<u64> = (sequence..sequence + 100).collect();
    let (mut failing, _) = Node::open(&config(directory.path(), &always)).expect("a new node");
    failing.execute(&begin).expect("a running node");
    for _ in 0..64 {
        assert_eq!(told(&mut failing, &cancel(ALICE, 1)), ["rejected command_failed"]);
    }
    assert_eq!(is_panic(failing.execute(&[cancel(ALICE, 1)])), (sequence + 64, planted));
    node.execute(&[cancel(ALICE, 1)]).expect("another one goes on");
}

#[test]
fn nobody_but_the_node_says_that_a_command_failed() {
    let (handle, _) = NodeHandle::open(&NodeConfig::default()).expect("a new node");
    let failed = Command::CommandFailed(Box::new(CommandFailed { command: Command::AdvanceTime }));
    let mut bytes = Vec::new();
    encode_command(&failed, &mut bytes);
    let refused = |result: Result<(), NodeError>| match result {
        Err(NodeError::Wire(error)) => error.field == "kind",
        _ => false,
    };
    assert!(refused(handle.execute(std::slice::from_ref(&failed)).map(drop)));
    assert!(refused(handle.execute_encoded(&bytes).map(drop)));
    assert!(refused(handle.submit(1, failed)));
    assert!(refused(handle.submit_encoded(1, &bytes)));
    assert_eq!(RejectReason::from_u16(601), Some(RejectReason::CommandFailed));
}
