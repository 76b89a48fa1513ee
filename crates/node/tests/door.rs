//! The binary door through real sockets.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use beurs_node::engine::types::{AccountCode, AccountId, KeyId};
use beurs_node::gateway::client::{Client, LogonError, SigningKey};
use beurs_node::gateway::{Address, GatewayConfig, Key, Keys, Position, Server};
use beurs_node::sbe::*;
use beurs_node::{NodeConfig, NodeHandle};
use common::TempDir;

fn private(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// Keys 1 to 8 trade for accounts 2 to 9.
fn keys() -> Keys {
    let keys = Keys::default();
    keys.set((1..=8).map(|number| {
        let account = AccountCode::new(format!("account-{}", number - 1).as_bytes()).expect("a code");
        let (account_id, key_id) = (AccountId(u32::from(number) + 1), KeyId(1));
        (private(number).verifying_key().to_bytes(), Key { account_id, account, key_id, trade: true })
    }));
    keys
}

fn any_port() -> Address {
    Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn serve(node: &NodeConfig, addresses: &[Address], config: GatewayConfig) -> (NodeHandle, Server) {
    let (handle, _) = NodeHandle::open(node).expect("a node");
    if handle.sequence() == 0 {
        handle.execute(&common::setup()).expect("executed");
    }
    let server = Server::start(handle.clone(), keys(), addresses, config).expect("a server");
    (handle, server)
}

fn plain() -> (NodeHandle, Server) {
    serve(&NodeConfig::default(), &[any_port()], GatewayConfig::default())
}

fn session(server: &Server, key: u8, options: u8, after: Position) -> Client {
    let mut client = Client::connect(&server.addresses()[0]).expect("connected");
    client.log_on(&private(key), options, after, 60_000).expect("a session");
    client
}

fn order(request_sequence: u64, price: i64, client_order_id: &str) -> NewOrder {
    NewOrder {
        request_sequence,
        instrument_id: 1,
        side: 1,
        order_type: 1,
        time_in_force: 1,
        price,
        quantity: 1,
        client_order_id: padded(client_order_id).expect("short"),
        ..NewOrder::ZERO
    }
}

fn open_orders(handle: &NodeHandle, account: u32) -> usize {
    handle.with_engine(|engine| engine.open_orders(AccountId(account)).count()).expect("running")
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn orders_go_through_tcp_and_unix_sockets_and_are_durable() {
    let directory = TempDir::new("door");
    let socket = directory.path().join("door.sock");
    let node = NodeConfig::at(directory.path().join("node"));
    let (handle, server) = serve(&node, &[any_port(), Address::Unix(socket.clone())], GatewayConfig::default());
    for (at, address) in server.addresses().iter().enumerate() {
        let mut client = Client::connect(address).expect("connected");
        let accepted = client.log_on(&private(1), 0, Position::default(), 1_000).expect("a session");
        assert_eq!({ accepted.account_id }, 2);
        for number in 1..=2_000 {
            client.push(&order(number, 1_000 - number as i64 % 7, &format!("{at}-{number}")));
        }
        client.flush().expect("sent");
        for number in 1..=2_000 {
            let accepted: OrderAccepted = client.wait_for().expect("accepted");
            assert_eq!({ accepted.request_sequence }, number);
        }
        client.push(&TestRequest { test_id: 5 });
        client.flush().expect("sent");
        assert_eq!({ client.wait_for::<Heartbeat>().expect("alive").test_id }, 5);
        client.push(&Logout::ZERO);
        client.flush().expect("sent");
        assert_eq!({ client.wait_for::<Logout>().expect("the end").reason }, SessionReason::Requested as u16);
        assert_eq!(client.receive().expect_err("closed").kind(), ErrorKind::UnexpectedEof);
    }
    server.stop();
    assert!(!socket.exists());
    drop(server);
    handle.close();
    drop(handle);
    let (handle, _) = NodeHandle::open(&node).expect("a node");
    assert_eq!(open_orders(&handle, 2), 4_000);
}

#[test]
fn a_port_or_a_path_in_use_is_named_and_a_dead_socket_is_replaced() {
    let directory = TempDir::new("taken");
    let path = Address::Unix(directory.path().join("door.sock"));
    let (handle, server) = serve(&NodeConfig::default(), &[any_port(), path.clone()], GatewayConfig::default());
    for address in server.addresses() {
        let again = Server::start(handle.clone(), keys(), std::slice::from_ref(address), GatewayConfig::default());
        let error = again.err().expect("in use");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&address.to_string()), "{error}");
    }
    drop(server);
    let Address::Unix(file) = &path else { unreachable!() };
    drop(std::os::unix::net::UnixListener::bind(file).expect("bound")); // It leaves its file behind.
    assert!(file.exists());
    let server = Server::start(handle, keys(), &[path], GatewayConfig::default()).expect("a server");
    session(&server, 1, 0, Position::default());
}

#[test]
fn a_wrong_logon_is_refused() {
    let (_handle, server) = plain();
    let mut client = Client::connect(&server.addresses()[0]).expect("connected");
    let refused = client.log_on(&private(99), 0, Position::default(), 1_000).expect_err("unknown");
    assert!(matches!(refused, LogonError::Rejected(SessionReason::AuthenticationFailed)), "{refused:?}");
    wait_until("it is counted", || server.stats().logons_refused == 1);
}

#[test]
fn many_connections_come_and_go_and_those_that_stay_are_served() {
    let config = GatewayConfig { connections_max: 200, unauthenticated_max: 100, ..GatewayConfig::default() };
    let (handle, server) = serve(&NodeConfig::default(), &[any_port()], config);
    let mut sessions: Vec<Client> = (0..64).map(|at| session(&server, 1 + at % 8, 0, Position::default())).collect();
    for round in 0..20 {
        let silent: Vec<Client> =
            (0..20).map(|_| Client::connect(&server.addresses()[0]).expect("connected")).collect();
        for (at, client) in sessions.iter_mut().enumerate() {
            let number = client.number();
            client.push(&order(number, 1_000, &format!("{at}-{round}")));
            client.flush().expect("sent");
        }
        drop(silent);
    }
    for client in &mut sessions {
        for number in 1..=20 {
            let mine = loop {
                let accepted: OrderAccepted = client.wait_for().expect("accepted");
                if accepted.request_sequence != 0 {
                    break accepted;
                }
            };
            assert_eq!({ mine.request_sequence }, number);
        }
    }
    wait_until("the silent ones are gone", || server.stats().connections == 64);
    drop(sessions);
    wait_until("all are gone", || server.stats().connections == 0);
    assert_eq!((0..8).map(|account| open_orders(&handle, account + 2)).sum::<usize>(), 64 * 20);
}

#[test]
fn a_client_that_reads_nothing_slows_nobody_and_is_ended_with_a_place_to_resume() {
    let config = GatewayConfig { output_bytes_max: 1 << 20, ..GatewayConfig::default() };
    let (_handle, server) = serve(&NodeConfig::default(), &[any_port()], config);
    let mut stuck = session(&server, 1, 0, Position::default());
    let mut brisk = session(&server, 1, 0, Position::default());
    let mut seen = 0;
    // The system's buffers take some megabytes, and then it shows.
    for round in 0..2_000 {
        for _ in 0..100 {
            let number = brisk.number();
            brisk.push(&NewOrder { time_in_force: 2, ..order(number, 1_000, "") });
        }
        brisk.flush().expect("sent");
        for _ in 0..100 {
            brisk.wait_for::<OrderCanceled>().expect("canceled");
            seen += 2;
        }
        if server.stats().slow_consumers == 1 {
            break;
        }
        assert!(round < 1_999, "it was never too slow");
    }
    let mut last = Position::default();
    let mut got = 0;
    let end = loop {
        match stuck.next_message().expect("a frame") {
            Some(frame) => {
                if let Some(end) = frame.get::<Logout>() {
                    break end;
                }
                if let Some(report) = frame.get::<OrderAccepted>() {
                    last = Position { sequence: report.sequence, index: report.index };
                    got += 1;
                } else if let Some(report) = frame.get::<OrderCanceled>() {
                    last = Position { sequence: report.sequence, index: report.index };
                    got += 1;
                }
            }
            None => stuck.receive().expect("what was queued, and the end"),
        }
    };
    assert_eq!({ end.reason }, SessionReason::SlowConsumer as u16);
    assert_eq!((end.resume_sequence, end.resume_index), (last.sequence, last.index));
    let mut again = session(&server, 1, logon_options::RESUME, last);
    let mut rest = 0;
    while rest + got < seen {
        match again.next_message().expect("a frame") {
            Some(frame) if (60..80).contains(&frame.template_id) => rest += 1,
            Some(_) => {}
            None => again.receive().expect("the rest"),
        }
    }
    assert_eq!({ again.wait_for::<ReplayComplete>().expect("complete").count }, rest);
}

#[test]
fn what_was_sent_is_canceled_when_the_connection_breaks() {
    let (handle, server) = plain();
    let mut client = session(&server, 1, logon_options::CANCEL_ON_DISCONNECT, Position::default());
    let mut other = session(&server, 2, 0, Position::default());
    client.push(&order(1, 1_000, ""));
    client.flush().expect("sent");
    client.wait_for::<OrderAccepted>().expect("accepted");
    other.push(&order(1, 1_000, ""));
    other.flush().expect("sent");
    other.wait_for::<OrderAccepted>().expect("accepted");
    assert_eq!(open_orders(&handle, 2), 1);
    drop(client);
    wait_until("it is canceled", || open_orders(&handle, 2) == 0);
    assert_eq!(open_orders(&handle, 3), 1);
    // The orderly stop does it too, before the server is gone.
    let mut client = session(&server, 1, logon_options::CANCEL_ON_DISCONNECT, Position::default());
    client.push(&order(1, 1_000, ""));
    client.flush().expect("sent");
    client.wait_for::<OrderAccepted>().expect("accepted");
    server.stop();
    assert_eq!({ client.wait_for::<Logout>().expect("the end").reason }, SessionReason::ServerStopping as u16);
    assert_eq!((open_orders(&handle, 2), open_orders(&handle, 3)), (0, 1));
}

#[test]
fn bytes_and_an_end_that_come_together_are_both_seen() {
    let (handle, server) = plain();
    for round in 0..50 {
        let mut client = session(&server, 1, 0, Position::default());
        client.push(&order(1, 1_000, &format!("{round}")));
        client.flush().expect("sent");
        client.shut_down().expect("shut down");
        wait_until("both are seen", || server.stats().connections == 0);
        wait_until("it is executed", || open_orders(&handle, 2) == round + 1);
    }
}

#[test]
fn a_wrong_frame_is_answered_before_the_connection_closes() {
    let (_handle, server) = plain();
    let Address::Tcp(address) = server.addresses()[0].clone() else { unreachable!() };
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    // Much more than is looked at; the answer must not be lost to a reset.
    let _ = stream.write_all(&[0xff; 300_000]);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("to the end, without a reset");
    let (_, length) = next_frame(&bytes).expect("a frame").expect("the challenge");
    let (frame, _) = next_frame(&bytes[length..]).expect("a frame").expect("the answer");
    let rejected = frame.get::<LogonRejected>().expect("a refusal");
    assert_eq!({ rejected.reason }, SessionReason::InvalidFrame as u16);
}
