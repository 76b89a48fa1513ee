//! A hub over a node, for bytes that no good client sends.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

use beurs_engine::command::Command;
use beurs_engine::types::{AccountCode, AccountId, KeyId};
use beurs_node::gateway::client::SigningKey;
use beurs_node::gateway::{ConnectionId, GatewayConfig, Hub, Key, Keys};
use beurs_node::sbe::{
    self, logon_options, next_frame, put, Challenge, Logon, LogonAccepted, LogonRejected, Logout, Message,
    OrderRejected, QueryComplete, RequestRejected, ENCODING_TYPE, FRAME_MAX, HEADER,
};
use beurs_node::SteppedNode;

use super::exchange::Lent;
use super::{requests, sign};
use crate::workload::Rng;

/// Whose requests the inputs are.
const ACCOUNT: AccountId = AccountId(2);
/// In front of the bytes that are sent: the logon's options with [`SILENT`] and [`DEAF`], and how large the pieces are.
const PREFIX: usize = 2;
/// No logon is sent.
const SILENT: u8 = 1 << 6;
/// What comes is not read before the end.
const DEAF: u8 = 1 << 7;
/// What the hub keeps for a client, and how much one answer may be more.
const OUTPUT_BYTES: usize = 16 << 10;
const ANSWER_BYTES: usize = 256 << 10;
const INPUT_BYTES: usize = 2 << 10;
const MS: i64 = 1_000_000;

/// See the module.
pub(crate) struct Hostile {
    hub: Hub<Lent, Keys>,
    key: SigningKey,
    now_ns: i64,
    tried: u64,
}

/// Good streams of requests, as inputs.
pub(crate) fn inputs(commands: &[Command]) -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for (at, commands) in commands.chunks(4).enumerate() {
        let mut input = vec![at as u8 & logon_options::ALL, 40 + at as u8];
        let frames = commands.iter().filter_map(|command| requests::request(command, ACCOUNT, 1));
        frames.for_each(|(frame, _)| input.extend_from_slice(&frame));
        if input.len() > PREFIX {
            inputs.push(input);
        }
    }
    let mut queries = vec![logon_options::MARKET_DATA, 255];
    for instrument_id in 1..=2 {
        put(&mut queries, &sbe::Subscribe { instrument_id, channels: 7, depth: 5, ..sbe::Subscribe::ZERO });
    }
    put(&mut queries, &sbe::InstrumentsRequest::ZERO);
    put(&mut queries, &sbe::OpenOrdersRequest::ZERO);
    put(&mut queries, &sbe::BalancesRequest::ZERO);
    put(&mut queries, &sbe::TestRequest { test_id: 7 });
    put(&mut queries, &sbe::Unsubscribe { instrument_id: 1, ..sbe::Unsubscribe::ZERO });
    put(&mut queries, &sbe::Heartbeat::ZERO);
    put(&mut queries, &Logout::ZERO);
    repair(&mut queries);
    inputs.iter_mut().for_each(|input| repair(input));
    inputs.extend([queries, vec![SILENT, 9, 1, 2, 3]]);
    inputs
}

/// Gives frames right headers, and requests their numbers.
pub(crate) fn repair(input: &mut [u8]) {
    let (mut at, mut request_sequence) = (PREFIX, 1_u64);
    while at + HEADER <= input.len() {
        let length = usize::from(u16::from_le_bytes([input[at], input[at + 1]]));
        if !(HEADER..=FRAME_MAX).contains(&length) || at + length > input.len() {
            return;
        }
        let frame = &mut input[at..at + length];
        let template_id = [frame[6], frame[7]];
        let block = ((length - HEADER) as u16).to_le_bytes();
        frame[2..4].copy_from_slice(&ENCODING_TYPE.to_le_bytes());
        frame[4..6].copy_from_slice(&block);
        frame[8..12].copy_from_slice(&Logout::HEADER[8..12]);
        if (20..50).contains(&u16::from_le_bytes(template_id)) && length >= HEADER + 8 {
            frame[HEADER..HEADER + 8].copy_from_slice(&request_sequence.to_le_bytes());
            request_sequence += 1;
        }
        at += length;
    }
}

impl Hostile {
    pub(crate) fn new(node: SteppedNode, seed: u64) -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        let keys = Keys::default();
        let account = AccountCode::new(b"hostile").expect("a code");
        let known = Key { account_id: ACCOUNT, account, key_id: KeyId::NONE, trade: true };
        keys.set([(key.verifying_key().to_bytes(), known)]);
        let batch = node.batch_limit().min(4);
        let lent = Lent {
            node: Some(node),
            batch,
            started: Vec::new(),
            refused: 0,
            jobs: VecDeque::new(),
            answers: VecDeque::new(),
            forgets_disconnect: false,
            ahead: None,
        };
        let config = GatewayConfig {
            input_bytes_max: INPUT_BYTES,
            output_bytes_max: OUTPUT_BYTES,
            in_flight_max: 4,
            pending_max: 16,
            subscriptions_max: 2,
            requests_per_second: 50,
            linger: Duration::from_millis(10),
            ..GatewayConfig::default()
        };
        let mut entropy = Rng::new(seed);
        let fill = move |bytes: &mut [u8]| bytes.iter_mut().for_each(|byte| *byte = entropy.bits() as u8);
        Self { hub: Hub::new(config, lent, keys, fill), key, now_ns: MS, tried: 0 }
    }

    /// How many commands the node has executed.
    pub(crate) fn commands(&mut self) -> u64 {
        self.hub.exchange().node.as_ref().map_or(0, |node| node.engine().sequence())
    }

    /// A little time passes: the hub works, the disk writes.
    fn pass(&mut self) {
        self.now_ns += MS;
        self.hub.step(self.now_ns);
        if let Some(node) = &mut self.hub.exchange().node {
            node.write();
            assert!(node.stop_reason().is_none(), "no client stops the node");
        }
        let jobs: Vec<_> = self.hub.exchange().jobs.drain(..).collect();
        // The past is empty here: it is about the bytes.
        jobs.into_iter().for_each(|job| self.hub.exchange().answer(job, &[]));
    }

    /// Reads what has come as messages: their kinds, and the reasons that some give.
    fn read(&mut self, id: ConnectionId, got: &mut Vec<(u16, u16)>) -> Option<Challenge> {
        let output = self.hub.output(id).to_vec();
        let (mut at, mut challenge) = (0, None);
        while let Some((frame, length)) = next_frame(&output[at..]).expect("the hub sends frames") {
            challenge = frame.get::<Challenge>().or(challenge);
            let reason = None
                .or_else(|| frame.get::<LogonRejected>().map(|message| message.reason))
                .or_else(|| frame.get::<Logout>().map(|message| message.reason))
                .or_else(|| frame.get::<RequestRejected>().map(|message| message.reason * 100 + message.field_id))
                .or_else(|| frame.get::<OrderRejected>().map(|message| message.reason));
            got.push((frame.template_id, reason.unwrap_or(0)));
            at += length;
        }
        assert_eq!(at, output.len(), "the hub sends whole frames");
        self.hub.sent(id, at);
        challenge
    }

    fn log_on(&mut self, options: u8) -> (ConnectionId, Vec<(u16, u16)>) {
        let id = self.hub.connect(self.now_ns);
        let mut got = Vec::new();
        let challenge = self.read(id, &mut got).expect("a challenge");
        if options & SILENT == 0 {
            let public_key = self.key.verifying_key().to_bytes();
            let mut logon = Logon { public_key, heartbeat_interval_ms: 1_000, options: options & 7, ..Logon::ZERO };
            sign(&mut logon, &self.key, &challenge);
            self.hub.receive(id, &sbe::frame(&logon), self.now_ns);
            self.pass();
            if options & DEAF == 0 {
                self.read(id, &mut got);
                assert!(got.iter().any(|(kind, _)| *kind == LogonAccepted::TEMPLATE_ID), "a good logon: {got:?}");
            }
        }
        (id, got)
    }

    /// Sends an input on a connection of its own. What came back, in kind.
    pub(crate) fn check(&mut self, input: &[u8]) -> impl Hash {
        let (options, piece) = (input.first().copied().unwrap_or(0), input.get(1).copied().unwrap_or(0));
        let mut left = input.get(PREFIX..).unwrap_or_default();
        let (id, mut got) = self.log_on(options);
        let mut idle = 0;
        // A long input in a few pieces only, so that it does not take long.
        let most = (usize::from(piece) + 1).max(left.len() / 64);
        while !left.is_empty() && idle < 50 {
            let wanted = self.hub.wants(id);
            assert!(wanted <= INPUT_BYTES, "what waits is bounded");
            let count = left.len().min(most).min(wanted);
            if count > 0 {
                self.hub.receive(id, &left[..count], self.now_ns);
                left = &left[count..];
                idle = 0;
            } else {
                idle += 1; // It waits for what it has sent before; for ever, if it does not read.
            }
            if count == 0 || piece & 1 == 0 {
                self.pass();
            }
            assert!(self.hub.output(id).len() <= OUTPUT_BYTES + ANSWER_BYTES, "what is to be sent is bounded");
            if options & DEAF == 0 {
                self.read(id, &mut got);
            }
        }
        assert!(left.is_empty() || options & DEAF != 0, "a client that reads can send");
        for _ in 0..4 {
            self.pass();
        }
        self.read(id, &mut got);
        self.hub.close(id);
        self.tried += 1;
        for _ in 0..200 {
            if self.hub.is_idle() {
                break;
            }
            self.pass();
        }
        assert!(self.hub.is_idle() && self.hub.stats().connections == 0, "nothing of it is left");
        self.now_ns += 2_000 * MS;
        if self.tried % 32 == 0 {
            self.check_alive();
        }
        let exchange = self.hub.exchange();
        exchange.started.clear();
        // The same thing many times is one kind of answer.
        got.dedup();
        got.truncate(6);
        got
    }

    /// Another client is served.
    fn check_alive(&mut self) {
        let (id, mut got) = self.log_on(0);
        let query = sbe::BalancesRequest { request_sequence: 1 };
        self.hub.receive(id, &sbe::frame(&query), self.now_ns);
        for _ in 0..4 {
            self.pass();
        }
        self.read(id, &mut got);
        assert!(got.iter().any(|(kind, _)| *kind == QueryComplete::TEMPLATE_ID), "another client is served: {got:?}");
        self.hub.close(id);
    }
}
