//! A hub over a real node, clients that keep what they got, and a clock that goes when it is told to.

use std::time::{Duration, Instant};

use beurs_node::engine::types::{AccountCode, AccountId, KeyId};
use beurs_node::gateway::{ConnectionId, GatewayConfig, Hub, Key, Keys, NodeExchange, Position};
use beurs_node::sbe::*;
use beurs_node::{NodeConfig, NodeHandle};
use ed25519_dalek::{Signer, SigningKey};

use crate::common;

pub const SECOND: i64 = 1_000_000_000;

/// The private key of a number.
pub fn private(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// Keys 1 to 8 trade for accounts 2 to 9; key 100 reads for account 2.
pub fn keys() -> Keys {
    let key = |account: u32, key_id: u16, trade: bool| Key {
        account_id: AccountId(account),
        account: AccountCode::new(format!("account-{}", account - 2).as_bytes()).expect("a code"),
        key_id: KeyId(key_id),
        trade,
    };
    let keys = Keys::default();
    let reader = (private(100).verifying_key().to_bytes(), key(2, 2, false));
    keys.set((1..=8).map(|n| (private(n).verifying_key().to_bytes(), key(u32::from(n) + 1, 1, true))).chain([reader]));
    keys
}

/// A hub, its node, its clients and its clock.
pub struct Rig {
    pub hub: Hub<NodeExchange, Keys>,
    pub handle: NodeHandle,
    pub keys: Keys,
    pub now_ns: i64,
    /// What clients ask for.
    pub heartbeat_interval_ms: u32,
}

impl Rig {
    pub fn new(node: &NodeConfig, config: GatewayConfig) -> Self {
        let (handle, _) = NodeHandle::open(node).expect("a node");
        Self::over(handle, config)
    }

    pub fn over(handle: NodeHandle, config: GatewayConfig) -> Self {
        if handle.sequence() == 0 {
            handle.execute(&common::setup()).expect("executed");
        }
        let exchange = NodeExchange::new(handle.clone(), &NodeExchange::waker().expect("a waker")).expect("a thread");
        let keys = keys();
        let mut random = common::Random(7);
        let entropy = move |bytes: &mut [u8]| bytes.iter_mut().for_each(|byte| *byte = random.next() as u8);
        Self {
            hub: Hub::new(config, exchange, keys.clone(), entropy),
            handle,
            keys,
            now_ns: SECOND,
            heartbeat_interval_ms: 1_000,
        }
    }

    /// In memory, with the defaults.
    pub fn plain() -> Self {
        Self::new(&NodeConfig::default(), GatewayConfig::default())
    }

    /// Steps until everything that was sent is told. A journalled node takes its time.
    pub fn settle(&mut self) {
        let begun = Instant::now();
        loop {
            let more = self.hub.step(self.now_ns);
            if !more && self.hub.is_idle() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the hub does not settle");
            if !more {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    /// Steps until a client has got a message of a kind.
    pub fn settle_for<M: Message>(&mut self, client: &mut Client) {
        let begun = Instant::now();
        loop {
            self.hub.step(self.now_ns);
            client.read(self);
            if client.last::<M>().is_some() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no {} comes", M::NAME);
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// A connection that has its challenge.
    pub fn connect(&mut self) -> Client {
        let id = self.hub.connect(self.now_ns);
        let mut client =
            Client { id, bytes: Vec::new(), got: Vec::new(), next_request: 1, resumed: Position::default() };
        client.read(self);
        client
    }

    /// A session with a key, without options.
    pub fn session(&mut self, key: u8) -> Client {
        self.session_with(key, 0, Position::default())
    }

    pub fn session_with(&mut self, key: u8, options: u8, after: Position) -> Client {
        let mut client = self.connect();
        let mut logon = client.logon(&private(key), options, after);
        logon.heartbeat_interval_ms = self.heartbeat_interval_ms;
        sign(&mut logon, &private(key), &client.only());
        client.send(self, &logon);
        client.resumed = after;
        client.read(self);
        assert!(client.last::<LogonAccepted>().is_some(), "{:?}", client.templates());
        client
    }

    /// Lets time pass in small steps.
    pub fn pass(&mut self, ns: i64) {
        let until = self.now_ns + ns;
        while self.now_ns < until {
            self.now_ns = (self.now_ns + 10_000_000).min(until);
            self.hub.step(self.now_ns);
        }
    }
}

/// The other end of a connection.
pub struct Client {
    pub id: ConnectionId,
    /// Not a whole frame yet.
    bytes: Vec<u8>,
    /// Templates and fields, in order.
    pub got: Vec<(u16, Vec<u8>)>,
    pub next_request: u64,
    pub resumed: Position,
}

impl Client {
    /// A logon that signs this connection's challenge.
    pub fn logon(&self, key: &SigningKey, options: u8, after: Position) -> Logon {
        let challenge: Challenge = self.only();
        let mut logon = Logon {
            public_key: key.verifying_key().to_bytes(),
            resume_sequence: after.sequence,
            resume_index: after.index,
            heartbeat_interval_ms: 1_000,
            options,
            ..Logon::ZERO
        };
        sign(&mut logon, key, &challenge);
        logon
    }

    pub fn send<M: Message>(&self, rig: &mut Rig, message: &M) {
        self.send_bytes(rig, &frame(message));
    }

    pub fn send_bytes(&self, rig: &mut Rig, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let count = rig.hub.wants(self.id).min(bytes.len());
            if count == 0 {
                rig.hub.step(rig.now_ns);
                if rig.hub.wants(self.id) == 0 {
                    break; // Gone, or it waits: the caller knows.
                }
                continue;
            }
            rig.hub.receive(self.id, &bytes[..count], rig.now_ns);
            bytes = &bytes[count..];
        }
    }

    /// Sends a request with the next number.
    pub fn request<M: Message>(&mut self, rig: &mut Rig, mut message: M) -> u64 {
        let number = self.next_request;
        number_of(&mut message, number);
        self.next_request += 1;
        self.send(rig, &message);
        number
    }

    /// Takes all there is to take.
    pub fn read(&mut self, rig: &mut Rig) {
        loop {
            let output = rig.hub.output(self.id);
            if output.is_empty() {
                break;
            }
            let count = output.len().min(100_000);
            self.bytes.extend_from_slice(&output[..count]);
            rig.hub.sent(self.id, count);
        }
        let mut at = 0;
        while let Some((frame, length)) = next_frame(&self.bytes[at..]).expect("the server sends frames") {
            self.got.push((frame.template_id, frame.fields.to_vec()));
            at += length;
        }
        self.bytes.drain(..at);
    }

    pub fn templates(&self) -> Vec<u16> {
        self.got.iter().map(|(template_id, _)| *template_id).collect()
    }

    /// All messages of a kind.
    pub fn all<M: Message>(&self) -> Vec<M> {
        let of_kind = self.got.iter().filter(|(template_id, _)| *template_id == M::TEMPLATE_ID);
        of_kind.map(|(_, fields)| M::from_bytes(fields).expect("as long as it is")).collect()
    }

    pub fn last<M: Message>(&self) -> Option<M> {
        self.all().pop()
    }

    /// The one message of a kind.
    pub fn only<M: Message>(&self) -> M {
        let all = self.all::<M>();
        assert_eq!(all.len(), 1, "{} of {:?}", M::NAME, self.templates());
        all[0]
    }

    /// All reports: where they are, and what they say without what belongs to the session.
    pub fn reports(&self) -> Vec<(Position, u16, Vec<u8>)> {
        let reports = self.got.iter().filter(|(template_id, _)| (60..80).contains(template_id));
        let parts = reports.map(|(template_id, fields)| {
            let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| fields[at + i]));
            let index = u32::from_le_bytes(std::array::from_fn(|i| fields[16 + i]));
            let flags = [fields[36] & report_flags::LAST];
            let rest = [&fields[20..28], &flags, &fields[37..]].concat();
            (Position { sequence: number(8), index }, *template_id, rest)
        });
        parts.collect()
    }

    /// The numbers that its session gave its reports.
    pub fn report_sequences(&self) -> Vec<u64> {
        let reports = self.got.iter().filter(|(template_id, _)| (60..80).contains(template_id));
        reports.map(|(_, fields)| u64::from_le_bytes(std::array::from_fn(|i| fields[i]))).collect()
    }
}

pub fn sign(logon: &mut Logon, key: &SigningKey, challenge: &Challenge) {
    let nonce = challenge.nonce;
    let signed = [LOGON_CONTEXT.as_slice(), &nonce, &logon.as_bytes()[..LOGON_SIGNED]].concat();
    logon.signature = key.sign(&signed).to_bytes();
}

/// Gives a request its number, which is its first field.
pub fn number_of<M: Message>(message: &mut M, number: u64) {
    let mut bytes = message.as_bytes().to_vec();
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    *message = M::from_bytes(&bytes).expect("as long as it is");
}

pub fn order(side: u8, price: i64, quantity: i64, client_order_id: &str) -> NewOrder {
    NewOrder {
        instrument_id: 1,
        side,
        order_type: 1,
        time_in_force: 1,
        price,
        quantity,
        client_order_id: padded(client_order_id).expect("short"),
        ..NewOrder::ZERO
    }
}
