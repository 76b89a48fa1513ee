//! Sessions of the binary door in the simulation: clients that speak bytes over connections that delay, break at any byte and
//! stand still, with the node's own hub at the other end.
//!
//! Invariants that are asked for, from what the client has received:
//! * The reports of an account are those of the journal, in its order, to the byte; none is missing and none comes twice,
//!   however often the client has come back. Each session counts its reports without a gap.
//! * A client is told nothing that is not released, so nothing that a later journal does not have.
//! * Every request of a session has one end at the most, and that is what was asked; in the order in which it was asked.
//! * What the server says it has told up to a place, it has told.
//! * A session that asked for it cancels the orders of its account by its end.

mod exchange;
pub(crate) mod hostile;
mod requests;

use std::collections::{BTreeMap, VecDeque};

use beurs_engine::command::Command;
use beurs_engine::types::{AccountCode, AccountId, KeyId, MassCancelReason};
use beurs_node::gateway::client::SigningKey;
use beurs_node::gateway::{ConnectionId, GatewayConfig, Hub, Key, Keys, Position};
use beurs_node::sbe::reports::{accounts, put_report, Envelope};
use beurs_node::sbe::{
    logon_options, next_frame, put, report_flags, Challenge, Frame, Heartbeat, Logon, LogonAccepted, LogonRejected,
    Logout, Message, ReplayComplete, RequestReason, RequestRejected, SessionReason, TestRequest, HEADER, LOGON_CONTEXT,
    LOGON_SIGNED,
};
use beurs_node::wire::EventRecord;
use ed25519_dalek::Signer;
use sha2::{Digest, Sha256};

use crate::auditor::{Auditor, Entry, Finding};
use crate::clients::{Client, Request};
use crate::defects::{Defect, Tampering};
use crate::machine::Machine;
use crate::workload::Rng;
use exchange::Lent;

const US: i64 = 1_000;
const MS: i64 = 1_000_000;
/// Templates of reports.
const REPORTS: std::ops::Range<u16> = 60..80;

/// How sessions are; drawn from the seed.
#[derive(Clone, Debug)]
pub(crate) struct DoorPlan {
    /// Which clients speak bytes.
    speakers: Vec<bool>,
    /// How long bytes take at the most.
    delay_ns: i64,
    /// In a thousand looks at a connection: how often it breaks, and stands still.
    cut: u64,
    stall: u64,
    /// How many in a thousand logons are seen by somebody who tries them on another connection.
    stolen: u64,
    /// How many in a thousand sessions cancel at their end, and resume.
    cancel_on_disconnect: u64,
    resume: u64,
    /// Bytes that are on their way to a client at the most, and that the hub keeps for it.
    window_bytes: usize,
    output_bytes_max: usize,
    in_flight_max: u32,
    between_ns: i64,
}

impl DoorPlan {
    /// A plan of its own for each seed.
    pub(crate) fn draw(rng: &mut Rng, clients: usize, defect: Option<Defect>) -> Self {
        let share = rng.pick(&[0, 300, 600, 1000]);
        let share = match defect {
            None => share,
            Some(defect) if defect.is_of_the_door() => share.max(600),
            // Other mistakes are told by what leaves the node elsewhere.
            Some(_) => 0,
        };
        Self {
            speakers: (0..clients).map(|_| rng.chance(share)).collect(),
            delay_ns: rng.pick(&[50, 300, 3_000]) * US,
            cut: rng.pick(&[0, 1, 5, 20]),
            stall: rng.pick(&[0, 0, 2, 10]),
            stolen: rng.pick(&[0, 0, 300]),
            cancel_on_disconnect: rng.pick(&[0, 300, 1000]),
            resume: rng.pick(&[500, 1000, 1000]),
            window_bytes: rng.pick(&[300, 2_000, 64 << 10]),
            output_bytes_max: rng.pick(&[4 << 10, 8 << 20]),
            in_flight_max: rng.pick(&[1, 4, 8_192]),
            between_ns: rng.pick(&[20, 100, 500]) * US,
        }
    }
}

/// What the rest of the simulation lends for a look.
pub(crate) struct World<'a> {
    pub(crate) now_ns: i64,
    pub(crate) batch: usize,
    pub(crate) machine: &'a mut Machine,
    pub(crate) auditor: &'a mut Auditor,
    pub(crate) clients: &'a mut [Client],
    pub(crate) tampering: &'a mut Tampering,
    pub(crate) tokens: &'a mut u64,
    pub(crate) counts: &'a mut BTreeMap<&'static str, u64>,
    pub(crate) trace: &'a mut Sha256,
}

impl World<'_> {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_insert(0) += 1;
        self.trace.update(what);
    }
}

/// Bytes on their way, each piece with when it arrives; as many as are sent arrive, in their order.
#[derive(Debug, Default)]
struct Pipe {
    pieces: VecDeque<(i64, Vec<u8>)>,
    bytes: usize,
    last_ns: i64,
}

impl Pipe {
    fn push(&mut self, mut bytes: &[u8], now_ns: i64, most_ns: i64, rng: &mut Rng) {
        self.bytes += bytes.len();
        while !bytes.is_empty() {
            let length = (1 + rng.below(rng_bound(bytes.len())) as usize).min(bytes.len());
            self.last_ns = self.last_ns.max(now_ns + rng.between(most_ns / 4, most_ns));
            self.pieces.push_back((self.last_ns, bytes[..length].to_vec()));
            bytes = &bytes[length..];
        }
    }

    /// The next piece that has arrived, up to so many bytes of it.
    fn pop(&mut self, now_ns: i64, most: usize) -> Option<Vec<u8>> {
        let (at_ns, piece) = self.pieces.front_mut()?;
        if *at_ns > now_ns || most == 0 {
            return None;
        }
        let taken: Vec<u8> = piece.drain(..most.min(piece.len())).collect();
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        self.bytes -= taken.len();
        Some(taken)
    }

    /// What comes behind a byte is lost.
    fn cut(&mut self, rng: &mut Rng) {
        let mut left = rng.below(self.bytes as u64 + 1) as usize;
        for (_, piece) in &mut self.pieces {
            piece.truncate(left);
            left -= piece.len();
        }
        self.pieces.retain(|(_, piece)| !piece.is_empty());
        self.bytes = self.pieces.iter().map(|(_, piece)| piece.len()).sum();
    }
}

/// Mostly large pieces, whole messages among them, and small ones of what is little.
fn rng_bound(length: usize) -> u64 {
    length.max(40) as u64 * 2
}

/// One connection.
#[derive(Debug)]
struct Line {
    /// The server's end; `None` once it is closed.
    id: Option<ConnectionId>,
    /// Whose it is.
    client: usize,
    /// Whether the client still has its end.
    attached: bool,
    /// Somebody tries the logon of another connection.
    thief: bool,
    up: Pipe,
    down: Pipe,
    /// When the server learns, behind the bytes, that the client is gone.
    hung_up_ns: Option<i64>,
    /// It has a session that cancels at its end, which has not come.
    cancels: bool,
    /// How far the numbers of reports are moved, if a mistake is made.
    moved: i64,
}

impl Line {
    fn new(id: ConnectionId, client: usize, attached: bool) -> Self {
        Self {
            id: Some(id),
            client,
            attached,
            thief: !attached,
            up: Pipe::default(),
            down: Pipe::default(),
            hung_up_ns: None,
            cancels: false,
            moved: 0,
        }
    }

    fn is_of(&self, client: usize) -> bool {
        self.attached && self.client == client
    }
}

/// A client that speaks bytes, and its present session.
#[derive(Debug)]
struct Speaker {
    account_id: AccountId,
    key: SigningKey,
    /// It has all reports up to here.
    position: Position,
    connect_ns: i64,
    session: Session,
    stalled_until_ns: i64,
}

/// What a client knows of a session; anew for each connection.
#[derive(Debug, Default)]
struct Session {
    input: Vec<u8>,
    /// The logon was accepted.
    begun: bool,
    resumed: bool,
    replaying: bool,
    over: bool,
    next_request: u64,
    /// Requests without an end, each with what it is to the client.
    open: BTreeMap<u64, (u64, Command)>,
    last_end: u64,
    report_sequence: u64,
    replayed: u64,
    last_report: Position,
}

/// See the module.
pub(crate) struct Door {
    plan: DoorPlan,
    rng: Rng,
    hub: Option<Hub<Lent, Keys>>,
    keys: Keys,
    speakers: BTreeMap<usize, Speaker>,
    lines: Vec<Line>,
    healed: bool,
    /// Commands that the hub has started, each with its token and its sequence.
    started: VecDeque<(u64, u64)>,
    /// In this life of the node: ends of sessions that cancel, and what was canceled for that, by account.
    ended: BTreeMap<AccountId, u64>,
    canceled: BTreeMap<AccountId, u64>,
    counted: usize,
}

impl Door {
    pub(crate) fn new(plan: DoorPlan, rng: Rng) -> Self {
        let keys = Keys::default();
        let mut speakers = BTreeMap::new();
        for client in plan.speakers.iter().enumerate().filter(|(_, speaks)| **speaks).map(|(client, _)| client) {
            let speaker = Speaker {
                account_id: AccountId(2 + client as u32),
                key: SigningKey::from_bytes(&[client as u8 + 1; 32]),
                position: Position::default(),
                connect_ns: 0,
                session: Session::default(),
                stalled_until_ns: 0,
            };
            speakers.insert(client, speaker);
        }
        keys.set(speakers.values().map(|speaker| {
            let account = AccountCode::new(format!("client-{}", speaker.account_id.0).as_bytes());
            let key = Key {
                account_id: speaker.account_id,
                account: account.expect("a code"),
                key_id: KeyId::NONE,
                trade: true,
            };
            (speaker.key.verifying_key().to_bytes(), key)
        }));
        Self {
            plan,
            rng,
            hub: None,
            keys,
            speakers,
            lines: Vec::new(),
            healed: false,
            started: VecDeque::new(),
            ended: BTreeMap::new(),
            canceled: BTreeMap::new(),
            counted: 0,
        }
    }

    /// How sessions are.
    pub(crate) fn plan(&self) -> &DoorPlan {
        &self.plan
    }

    /// Whether a client speaks bytes.
    pub(crate) fn speaks(&self, client: usize) -> bool {
        self.speakers.contains_key(&client)
    }

    /// How long to the next look; `None` if nobody speaks bytes.
    pub(crate) fn pause_ns(&mut self) -> Option<i64> {
        let most = self.plan.between_ns;
        (!self.speakers.is_empty()).then(|| self.rng.between(most / 2, most))
    }

    /// From now on nothing goes wrong with connections.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.plan.delay_ns = self.plan.delay_ns.min(300 * US);
        for speaker in self.speakers.values_mut() {
            speaker.stalled_until_ns = 0;
            speaker.connect_ns = 0;
        }
    }

    /// The node is gone, and with it every connection.
    pub(crate) fn node_died(&mut self) {
        self.hub = None;
        self.started.clear();
        self.ended.clear();
        self.canceled.clear();
        for line in &mut self.lines {
            line.id = None;
            line.up.pieces.clear();
            line.down.cut(&mut self.rng);
        }
    }

    /// The node is back, and has what is in its journal.
    pub(crate) fn node_recovered(&mut self, auditor: &Auditor) {
        self.counted = auditor.entries().len();
    }

    /// Tokens of what the hub has started before this one, or whose sequence is released, with their sequences.
    pub(crate) fn take_started(&mut self, before: u64, released: u64) -> Vec<(u64, u64)> {
        let count =
            self.started.iter().take_while(|(token, sequence)| *token < before || *sequence <= released).count();
        self.started.drain(..count).collect()
    }

    /// A client asks for something. Without a session it is as if it had been lost.
    pub(crate) fn send(&mut self, request: &Request, now_ns: i64) -> Result<(), Finding> {
        let Some(speaker) = self.speakers.get_mut(&request.client) else { return Ok(()) };
        let line = self.lines.iter_mut().find(|line| line.is_of(request.client));
        let (Some(line), true) = (line, speaker.session.begun && !speaker.session.over) else { return Ok(()) };
        let session = &mut speaker.session;
        let number = session.next_request + 1;
        let Some((bytes, understood)) = requests::request(&request.command, speaker.account_id, number) else {
            return Err(Finding::new("simulation", format!("no client asks for {:?}", request.command)));
        };
        if understood.as_ref() != Ok(&request.command) {
            let what = format!("{:?} is understood as {understood:?}", request.command);
            return Err(Finding::new("requests", what));
        }
        session.next_request = number;
        session.open.insert(number, (request.number, request.command.clone()));
        line.up.push(&bytes, now_ns, self.plan.delay_ns, &mut self.rng);
        Ok(())
    }

    /// A client is cut off until then.
    pub(crate) fn cut(&mut self, client: usize, now_ns: i64, until_ns: i64) {
        let Some(speaker) = self.speakers.get_mut(&client) else { return };
        speaker.connect_ns = until_ns;
        if let Some(line) = self.lines.iter_mut().find(|line| line.is_of(client)) {
            // The server learns of it at once, or when it has nearly forgotten.
            let later = if self.rng.chance(500) { 0 } else { self.rng.between(MS, 30 * MS) };
            line.hung_up_ns = Some(now_ns + later);
            line.attached = false;
            line.up.cut(&mut self.rng);
            line.down = Pipe::default();
            speaker.session = Session::default();
        }
    }

    /// Lets everything go on: bytes arrive, the hub works, clients look at what they have got.
    pub(crate) fn turn(&mut self, world: &mut World<'_>) -> Result<(), Finding> {
        if self.hub.is_none() && world.machine.is_up() {
            self.open(world);
        }
        self.break_lines(world);
        self.connect(world);
        self.read(world)?;
        if self.hub.is_some() && world.machine.is_up() {
            self.bring_up(world);
            self.work(world)?;
            self.take_output(world)?;
            self.check_disconnects(world)?;
        }
        Ok(())
    }

    fn open(&mut self, world: &mut World<'_>) {
        let mut entropy = Rng::new(self.rng.bits());
        let config = GatewayConfig {
            output_bytes_max: self.plan.output_bytes_max,
            in_flight_max: self.plan.in_flight_max,
            ..GatewayConfig::default()
        };
        let lent = Lent {
            node: world.machine.lend(),
            batch: world.batch,
            started: Vec::new(),
            refused: 0,
            jobs: VecDeque::new(),
            answers: VecDeque::new(),
            forgets_disconnect: world.tampering.is(Defect::ForgottenDisconnect),
            ahead: world.tampering.is(Defect::SessionAheadOfDisk).then(Vec::new),
        };
        let fill = move |bytes: &mut [u8]| bytes.iter_mut().for_each(|byte| *byte = entropy.bits() as u8);
        let mut hub = Hub::new(config, lent, self.keys.clone(), fill);
        world.machine.give_back(hub.exchange().node.take());
        self.hub = Some(hub);
    }

    fn break_lines(&mut self, world: &mut World<'_>) {
        if self.healed {
            return;
        }
        for client in self.speakers.keys().copied().collect::<Vec<_>>() {
            if !self.lines.iter().any(|line| line.is_of(client)) {
                continue;
            }
            if self.rng.chance(self.plan.cut) {
                let off_ns = self.rng.between(0, 10 * MS);
                self.cut(client, world.now_ns, world.now_ns + off_ns);
                world.count("connection cut");
            } else if self.rng.chance(self.plan.stall) {
                let until_ns = world.now_ns + self.rng.between(MS, 40 * MS);
                if let Some(speaker) = self.speakers.get_mut(&client) {
                    speaker.stalled_until_ns = until_ns;
                }
                world.count("client does not read");
            }
        }
    }

    /// Makes connections that are missed, and gives up those that the server has closed.
    fn connect(&mut self, world: &mut World<'_>) {
        let now_ns = world.now_ns;
        for line in &mut self.lines {
            if !line.attached || line.id.is_some() || !line.down.pieces.is_empty() {
                continue;
            }
            line.attached = false;
            if let Some(speaker) = self.speakers.get_mut(&line.client) {
                speaker.session = Session::default();
                speaker.connect_ns = speaker.connect_ns.max(now_ns + self.rng.between(0, 5 * MS));
            }
        }
        self.lines.retain(|line| line.id.is_some() || line.attached);
        let Some(hub) = self.hub.as_mut().filter(|_| world.machine.is_up()) else { return };
        for (&client, speaker) in &mut self.speakers {
            if now_ns >= speaker.connect_ns && !self.lines.iter().any(|line| line.is_of(client)) {
                speaker.session = Session::default();
                self.lines.push(Line::new(hub.connect(now_ns), client, true));
            }
        }
    }

    /// Clients read.
    fn read(&mut self, world: &mut World<'_>) -> Result<(), Finding> {
        let mut seen = Vec::new();
        for line in self.lines.iter_mut().filter(|line| line.attached) {
            let client = line.client;
            let Some(speaker) = self.speakers.get_mut(&client) else { continue };
            if world.now_ns < speaker.stalled_until_ns {
                continue;
            }
            while let Some(bytes) = line.down.pop(world.now_ns, usize::MAX) {
                world.trace.update(&bytes);
                speaker.session.input.extend_from_slice(&bytes);
            }
            let input = std::mem::take(&mut speaker.session.input);
            let (mut at, mut replies) = (0, Vec::new());
            loop {
                let frame = next_frame(&input[at..]).map_err(|reason| {
                    Finding::new("frames", format!("client {client} has got no frame: {}", reason.as_str()))
                })?;
                let Some((frame, length)) = frame else { break };
                let (plan, rng, healed) = (&self.plan, &mut self.rng, self.healed);
                let mut reader = Reader { plan, rng, healed, client, speaker, replies: &mut replies };
                reader
                    .message(&frame, &input[at..at + length], world)
                    .map_err(|finding| Finding { what: format!("client {client}: {}", finding.what), ..finding })?;
                at += length;
            }
            speaker.session.input = input[at..].to_vec();
            line.up.push(&replies, world.now_ns, self.plan.delay_ns, &mut self.rng);
            let logon = |frame: Frame<'_>| frame.template_id == Logon::TEMPLATE_ID;
            let has_logon = next_frame(&replies).is_ok_and(|frame| frame.is_some_and(|(frame, _)| logon(frame)));
            if has_logon && !self.healed && self.rng.chance(self.plan.stolen) {
                seen.push((client, replies));
            }
        }
        // Somebody who has seen a logon tries it on a connection of his own.
        let Some(hub) = self.hub.as_mut().filter(|_| world.machine.is_up()) else { return Ok(()) };
        for (client, logon) in seen {
            let mut thief = Line::new(hub.connect(world.now_ns), client, false);
            thief.up.push(&logon, world.now_ns, self.plan.delay_ns, &mut self.rng);
            self.lines.push(thief);
            world.count("logon tried again");
        }
        Ok(())
    }

    /// What clients sent arrives.
    fn bring_up(&mut self, world: &mut World<'_>) {
        let Some(hub) = &mut self.hub else { return };
        for line in &mut self.lines {
            let Some(id) = line.id else { continue };
            while let Some(bytes) = line.up.pop(world.now_ns, hub.wants(id)) {
                hub.receive(id, &bytes, world.now_ns);
            }
            if line.hung_up_ns.is_some_and(|at_ns| world.now_ns >= at_ns) && line.up.pieces.is_empty() {
                hub.close(id);
                end_session(&mut self.ended, line);
                line.id = None;
            }
        }
    }

    /// The hub works.
    fn work(&mut self, world: &mut World<'_>) -> Result<(), Finding> {
        let Some(hub) = &mut self.hub else { return Ok(()) };
        let asked: Vec<_> = hub.exchange().jobs.drain(..).collect();
        if !asked.is_empty() {
            world.count("replay from the journal");
            let past = records(&world.machine.journal()?.0);
            asked.into_iter().for_each(|job| hub.exchange().answer(job, &past));
        }
        hub.set_wall_clock(world.now_ns);
        hub.exchange().node = world.machine.lend();
        for _ in 0..100 {
            if !hub.step(world.now_ns) {
                break;
            }
        }
        world.machine.give_back(hub.exchange().node.take());
        for (sequence, command) in std::mem::take(&mut hub.exchange().started) {
            *world.tokens += 1;
            world.auditor.handed(*world.tokens, &command);
            self.started.push_back((*world.tokens, sequence));
        }
        if std::mem::take(&mut hub.exchange().refused) > 0 && !world.machine.was_full() {
            return Err(Finding::new("no reason to refuse", "the door has refused because of a full disk".into()));
        }
        Ok(())
    }

    /// What the hub has to send goes on its way.
    fn take_output(&mut self, world: &mut World<'_>) -> Result<(), Finding> {
        let Some(hub) = &mut self.hub else { return Ok(()) };
        for line in &mut self.lines {
            let Some(id) = line.id else { continue };
            while line.down.bytes < self.plan.window_bytes {
                let output = hub.output(id);
                let frame = next_frame(output)
                    .map_err(|reason| Finding::new("frames", format!("the hub sends no frame: {}", reason.as_str())))?;
                let Some((frame, length)) = frame else {
                    if !output.is_empty() {
                        return Err(Finding::new("frames", "the hub sends a piece of a frame".into()));
                    }
                    break;
                };
                if line.thief && frame.template_id == LogonAccepted::TEMPLATE_ID {
                    return Err(Finding::new("logons", "a logon was accepted on another connection".into()));
                }
                if frame
                    .get::<LogonAccepted>()
                    .is_some_and(|accepted| accepted.options & logon_options::CANCEL_ON_DISCONNECT != 0)
                {
                    line.cancels = true;
                }
                if let Some(Logout { reason, .. }) = frame.get() {
                    if reason == SessionReason::ExchangeStopped as u16 {
                        line.cancels = false;
                    }
                    end_session(&mut self.ended, line);
                }
                let bytes = tampered(&frame, output[..length].to_vec(), line, world.tampering);
                line.down.push(&bytes, world.now_ns, self.plan.delay_ns, &mut self.rng);
                hub.sent(id, length);
            }
            if hub.is_finished(id, world.now_ns) {
                hub.close(id);
                line.id = None;
            }
        }
        Ok(())
    }

    /// Every end of a session that was to cancel has canceled, as far as nothing is under way.
    fn check_disconnects(&mut self, world: &mut World<'_>) -> Result<(), Finding> {
        let idle = self.hub.as_ref().is_some_and(Hub::is_idle);
        // While the disk is full they wait for room.
        if !idle || !world.machine.is_quiet() || world.machine.was_full() {
            return Ok(());
        }
        for Entry { command, .. } in &world.auditor.entries()[self.counted..] {
            match command {
                Command::MassCancel(cancel) if cancel.reason == MassCancelReason::Disconnected => {
                    *self.canceled.entry(cancel.account_id).or_insert(0) += 1;
                    *world.counts.entry("canceled on disconnect").or_insert(0) += 1;
                }
                _ => {}
            }
        }
        self.counted = world.auditor.entries().len();
        for (account_id, ended) in &self.ended {
            let canceled = self.canceled.get(account_id).copied().unwrap_or_default();
            if canceled < *ended {
                let what = format!("account {account_id}: {ended} sessions have ended, {canceled} were followed by it");
                return Err(Finding::new("cancel on disconnect", what));
            }
        }
        Ok(())
    }

    /// Whether every client has a session and all its reports, and nothing is under way; if not, why.
    pub(crate) fn unsettled(&self, auditor: &Auditor) -> Option<String> {
        let idle = self.hub.as_ref().is_some_and(Hub::is_idle);
        for (client, speaker) in &self.speakers {
            let session = &speaker.session;
            if !session.begun || session.over || session.replaying {
                return Some(format!("client {client} has no session"));
            }
            if let Some(expected) = next_report(auditor, speaker.account_id, speaker.position) {
                return Some(format!("client {client} has no report of {:?}", Position::of(&expected.record)));
            }
        }
        (!idle && !self.speakers.is_empty()).then(|| "the hub is at work".into())
    }
}

/// The server sees the end of a session.
fn end_session(ended: &mut BTreeMap<AccountId, u64>, line: &mut Line) {
    if std::mem::take(&mut line.cancels) {
        *ended.entry(account(line.client)).or_insert(0) += 1;
    }
}

fn account(client: usize) -> AccountId {
    AccountId(2 + client as u32)
}

/// Signs a logon, and the challenge with it.
fn sign(logon: &mut Logon, key: &SigningKey, challenge: &Challenge) {
    let nonce = challenge.nonce;
    let signed = [LOGON_CONTEXT.as_slice(), &nonce, &logon.as_bytes()[..LOGON_SIGNED]].concat();
    logon.signature = key.sign(&signed).to_bytes();
}

/// What leaves of a frame, when mistakes are made.
fn tampered(frame: &Frame<'_>, mut bytes: Vec<u8>, line: &mut Line, tampering: &mut Tampering) -> Vec<u8> {
    if !REPORTS.contains(&frame.template_id) {
        return bytes;
    }
    let renumber = |bytes: &mut [u8], moved: i64| {
        let number = number(frame.fields, 0).wrapping_add_signed(moved);
        bytes[HEADER..HEADER + 8].copy_from_slice(&number.to_le_bytes());
    };
    let replayed = frame.fields[36] & report_flags::REPLAYED != 0;
    if replayed && tampering.is(Defect::ResumeLosesReport) && tampering.now() {
        line.moved -= 1;
        return Vec::new();
    }
    renumber(&mut bytes, line.moved);
    if replayed && tampering.is(Defect::ResumeRepeatsReport) && tampering.now() {
        line.moved += 1;
        let mut again = bytes.clone();
        renumber(&mut again, line.moved);
        bytes.append(&mut again);
    }
    bytes
}

/// A little-endian number in the fields of a report.
fn number(fields: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|byte| fields[at + byte]))
}

/// Everything in a journal as records.
fn records(entries: &[Entry]) -> Vec<EventRecord> {
    entries.iter().flat_map(records_of).collect()
}

fn records_of(entry: &Entry) -> impl Iterator<Item = EventRecord> + '_ {
    let record = |(index, event)| EventRecord::new(entry.sequence, entry.event_time_ns, index as u32, event);
    entry.events.iter().enumerate().map(record)
}

/// A report that an account is to get.
struct Expected {
    record: EventRecord,
    /// It is the last one of its command.
    last: bool,
}

/// The first report of an account behind a position, of what was released.
fn next_report(auditor: &Auditor, account_id: AccountId, position: Position) -> Option<Expected> {
    let from = (position.sequence.saturating_sub(1) as usize).min(auditor.entries().len());
    auditor.entries()[from..].iter().find_map(|entry| {
        let of_it = |record: &EventRecord| Position::of(record) > position && accounts(record).contains(&account_id.0);
        let mut reports = records_of(entry).filter(of_it);
        let record = reports.next()?;
        Some(Expected { record, last: reports.next().is_none() })
    })
}

/// A client that looks at what it has got.
struct Reader<'a> {
    plan: &'a DoorPlan,
    rng: &'a mut Rng,
    healed: bool,
    client: usize,
    speaker: &'a mut Speaker,
    replies: &'a mut Vec<u8>,
}

impl Reader<'_> {
    fn message(&mut self, frame: &Frame<'_>, whole: &[u8], world: &mut World<'_>) -> Result<(), Finding> {
        let session = &mut self.speaker.session;
        if session.over {
            return Err(Finding::new("sessions", format!("message {} comes behind the end", frame.template_id)));
        }
        if let Some(challenge) = frame.get::<Challenge>() {
            self.log_on(&challenge);
        } else if let Some(accepted) = frame.get::<LogonAccepted>() {
            return self.accepted(&accepted, world);
        } else if let Some(LogonRejected { reason, .. }) = frame.get() {
            session.over = true;
            return self.ended("logons", reason, &[SessionReason::TooManySessions], world);
        } else if let Some(logout) = frame.get::<Logout>() {
            session.over = true;
            let (sequence, index) = (logout.resume_sequence, logout.resume_index);
            if session.last_report != (Position { sequence, index }) {
                let what = format!("it ends at {sequence}, {index}, the last report is {:?}", session.last_report);
                return Err(Finding::new("resume position", what));
            }
            let allowed = [SessionReason::SlowConsumer, SessionReason::ServerBehind];
            return self.ended("sessions", logout.reason, &allowed, world);
        } else if let Some(TestRequest { test_id }) = frame.get() {
            put(self.replies, &Heartbeat { test_id, ..Heartbeat::ZERO });
        } else if let Some(Heartbeat { sequence, .. }) = frame.get() {
            return self.told_to(sequence, world);
        } else if let Some(ReplayComplete { sequence, count }) = frame.get() {
            if count != session.replayed {
                let what = format!("{count} reports are said to be replayed, {} came", session.replayed);
                return Err(Finding::new("every report once", what));
            }
            session.replaying = false;
            world.count("resumed");
            return self.told_to(sequence, world);
        } else if let Some(RequestRejected { request_sequence, reason, .. }) = frame.get() {
            let known = [RequestReason::DiskFull as u16, RequestReason::Busy as u16];
            if session.open.remove(&request_sequence).is_none() || !known.contains(&reason) {
                return Err(Finding::new("answers", format!("request {request_sequence} is refused: {reason}")));
            }
            world.count("refused by the door");
        } else if REPORTS.contains(&frame.template_id) {
            return self.report(frame, whole, world);
        } else {
            return Err(Finding::new("sessions", format!("nobody asked for message {}", frame.template_id)));
        }
        Ok(())
    }

    fn log_on(&mut self, challenge: &Challenge) {
        let speaker = &mut *self.speaker;
        let resume = self.healed || self.rng.chance(self.plan.resume);
        let cancels = self.rng.chance(self.plan.cancel_on_disconnect);
        let options = if resume { logon_options::RESUME } else { 0 }
            | if cancels { logon_options::CANCEL_ON_DISCONNECT } else { 0 };
        let mut logon = Logon {
            public_key: speaker.key.verifying_key().to_bytes(),
            resume_sequence: speaker.position.sequence,
            resume_index: speaker.position.index,
            heartbeat_interval_ms: 100,
            options,
            ..Logon::ZERO
        };
        sign(&mut logon, &speaker.key, challenge);
        speaker.session.resumed = resume;
        put(self.replies, &logon);
    }

    fn accepted(&mut self, accepted: &LogonAccepted, world: &mut World<'_>) -> Result<(), Finding> {
        let speaker = &mut *self.speaker;
        let (sequence, account_id) = (accepted.sequence, accepted.account_id);
        if account_id != speaker.account_id.0 {
            return Err(Finding::new("logons", format!("the session is of account {account_id}")));
        }
        if sequence > world.auditor.released_sequence() {
            return Err(Finding::new("durable first", format!("the logon says {sequence}, which is not released")));
        }
        if !speaker.session.resumed {
            speaker.position = Position::behind(sequence);
        }
        speaker.session.begun = true;
        speaker.session.replaying = speaker.session.resumed;
        speaker.session.last_report = speaker.position;
        world.count("sessions");
        Ok(())
    }

    /// A session has ended, or did not begin. The exchange may stop at any time.
    fn ended(
        &self,
        rule: &'static str,
        reason: u16,
        allowed: &[SessionReason],
        world: &mut World<'_>,
    ) -> Result<(), Finding> {
        let reason = SessionReason::from_u16(reason).ok_or_else(|| Finding::new(rule, format!("reason {reason}")))?;
        if reason == SessionReason::SlowConsumer {
            world.count("slow consumer");
        }
        if reason != SessionReason::ExchangeStopped && !allowed.contains(&reason) {
            return Err(Finding::new(rule, format!("the session is refused or ended: {}", reason.as_str())));
        }
        Ok(())
    }

    /// The server says that it has told everything up to a command.
    fn told_to(&mut self, sequence: u64, world: &World<'_>) -> Result<(), Finding> {
        let speaker = &mut *self.speaker;
        if sequence > world.auditor.released_sequence() {
            return Err(Finding::new("durable first", format!("all is said to be told to {sequence}")));
        }
        let missed = next_report(world.auditor, speaker.account_id, speaker.position);
        if let Some(Expected { record, .. }) = missed.filter(|expected| expected.record.sequence <= sequence) {
            let what = format!("all is said to be told to {sequence}, {:?} did not come", Position::of(&record));
            return Err(Finding::new("every report once", what));
        }
        speaker.position = speaker.position.max(Position::behind(sequence));
        Ok(())
    }

    fn report(&mut self, frame: &Frame<'_>, whole: &[u8], world: &mut World<'_>) -> Result<(), Finding> {
        let speaker = &mut *self.speaker;
        let session = &mut speaker.session;
        let fields = frame.fields;
        let (report_sequence, sequence, request_sequence) = (number(fields, 0), number(fields, 8), number(fields, 28));
        let (index, flags) = (number(fields, 16) as u32, fields[36]);
        let position = Position { sequence, index };
        if !session.begun || report_sequence != session.report_sequence + 1 {
            let what = format!("report {report_sequence} follows {}", session.report_sequence);
            return Err(Finding::new("session sequences", what));
        }
        session.report_sequence = report_sequence;
        if sequence > world.auditor.released_sequence() {
            return Err(Finding::new("durable first", format!("{position:?} is told before it is released")));
        }
        let expected = next_report(world.auditor, speaker.account_id, speaker.position);
        let Some(Expected { record, last }) = expected.filter(|expected| Position::of(&expected.record) == position)
        else {
            let what = format!("{position:?} follows {:?}", speaker.position);
            return Err(Finding::new("every report once", what));
        };
        let of_request = if request_sequence == 0 { None } else { session.open.get(&request_sequence) };
        let envelope = Envelope {
            report_sequence,
            request_sequence: if of_request.is_some() { request_sequence } else { 0 },
            report_flags: if last { report_flags::LAST } else { 0 }
                | if session.replaying { report_flags::REPLAYED } else { 0 },
        };
        let mut bytes = Vec::new();
        put_report(&mut bytes, &record, speaker.account_id.0, envelope);
        if bytes != whole {
            let what = format!("\n  came      {whole:?}\n  should be {bytes:?}, flags {flags}");
            return Err(Finding::new("reports", what));
        }
        speaker.position = position;
        session.last_report = position;
        session.replayed += u64::from(session.replaying);
        world.count("reports to sessions");
        if request_sequence == 0 || !last {
            return Ok(());
        }
        let Some((number, command)) = session.open.remove(&request_sequence) else { return Ok(()) };
        if request_sequence <= session.last_end {
            let what = format!("request {request_sequence} ends behind {}", session.last_end);
            return Err(Finding::new("answers", what));
        }
        session.last_end = request_sequence;
        let events = world.auditor.events(sequence);
        world.auditor.answered(&command, sequence, &events)?;
        if world.clients[self.client].answer(number, &events).is_some() {
            world.count("answered in a session");
        }
        Ok(())
    }
}
