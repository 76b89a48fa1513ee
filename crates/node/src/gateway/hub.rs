//! All sessions: what comes in becomes commands, what the exchange gives becomes reports.
//!
//! Invariants:
//! * Commands of a session are executed in the order in which they came, those of all sessions in the order in which the
//!   hub saw them.
//! * A session gets each report of its account once, in the order of the events, and only what is durable.
//! * Every request has one end: a last report, a refusal, or an answer.
//! * Everything is bounded by [`GatewayConfig`]; who does not read is not waited for.

use std::collections::VecDeque;

use beurs_engine::command::{Command, MassCancel};
use beurs_engine::types::{
    AccountId, ClientOrderId, InstrumentId, Liquidity, MassCancelReason, Side, StatusReason, Symbol,
};
use beurs_engine::Engine;

use super::books::{self, Books, Found, DEPTH_MAX};
use super::connection::{Budget, Connection, End, State, Subscription, NO_REPORT};
use super::exchange::{Exchange, Gone, Pending, Position, ReplayJob, Replayed};
use super::keys::KeyDirectory;
use super::{GatewayConfig, GatewayStats};
use crate::sbe::commands::{Refused, Sender};
use crate::sbe::reports::{accounts, put_report, Envelope, FLAGS_AT};
use crate::sbe::{
    self, channels, logon_options, next_frame, permissions, put, report_flags, AuctionIndicative, AuctionResult,
    Balance, Challenge, Frame, Heartbeat, InstrumentDefinition, InstrumentStatus, LimitState, Logon, LogonAccepted,
    LogonRejected, Logout, MarkPrice, Message, OpenOrder, QueryComplete, ReplayComplete, RequestReason,
    RequestRejected, SessionReason, Subscribed, TestRequest, Throttled, Trade, TradesSkipped, Unsubscribed, FRAME_MAX,
    LOGON_CONTEXT, LOGON_SIGNED,
};
use crate::wire::{amount_from_halves, event_kind, EventRecord};

/// Names a connection; never used again for another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnectionId {
    /// A small number, used again after the connection has gone.
    pub slot: usize,
    generation: u32,
}

/// Connections are looked at for what is due this often.
const LOOK_AFTER_NS: i64 = 20_000_000;
/// Bytes of events that are routed before anything else is done.
const ROUTE_BYTES: usize = 4 << 20;
/// Answers of one query.
const ANSWERS_MAX: usize = 10_000;
/// Books that are read in one look at the engine.
const BOOKS_AT_ONCE: usize = 64;
/// A client may choose its heartbeat interval within these, in milliseconds.
const HEARTBEAT_MS: std::ops::RangeInclusive<u32> = 100..=60_000;

/// Where a command came from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// A request of a session.
    Request { connection: ConnectionId, request_sequence: u64, template_id: u16 },
    /// The end of a session of this account.
    Disconnect(AccountId),
}

/// A request that is answered by a look at the exchange, and was not looked up yet.
#[derive(Clone, Copy, Debug)]
struct Query {
    connection: ConnectionId,
    account_id: AccountId,
    request_sequence: u64,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Instruments { only: u32, after: u32 },
    OpenOrders { after: u64 },
    Balances,
    Subscribe { instrument_id: u32, channels: u8, depth: u16 },
    Unsubscribe { instrument_id: u32 },
}

impl What {
    fn template_id(self) -> u16 {
        match self {
            Self::Instruments { .. } => sbe::InstrumentsRequest::TEMPLATE_ID,
            Self::OpenOrders { .. } => sbe::OpenOrdersRequest::TEMPLATE_ID,
            Self::Balances => sbe::BalancesRequest::TEMPLATE_ID,
            Self::Subscribe { .. } => sbe::Subscribe::TEMPLATE_ID,
            Self::Unsubscribe { .. } => sbe::Unsubscribe::TEMPLATE_ID,
        }
    }
}

/// An answer that waits for its command to be durable.
struct Answer {
    query: Query,
    sequence: u64,
    /// What was found; for a subscription the status of the instrument, and nothing if there is none.
    bytes: Vec<u8>,
}

/// The sessions of a gateway, without sockets, threads and clocks. The caller says what time it is, in nanoseconds of any
/// clock that does not go back.
pub struct Hub<E, K> {
    exchange: E,
    core: Core<K>,
    queries: VecDeque<Query>,
    answers: VecDeque<Answer>,
    /// Books that were read, and wait for the command they were read behind to be durable.
    found: Option<(u64, Vec<Found>)>,
    next_books_ns: i64,
    next_look_ns: i64,
    stopped: bool,
    /// Places of commands that were refused.
    refused: Vec<usize>,
}

/// Fills bytes that nobody can guess.
type Entropy = Box<dyn FnMut(&mut [u8]) + Send>;

/// Everything but the exchange, so that both can be used at one time.
struct Core<K> {
    config: GatewayConfig,
    keys: K,
    entropy: Entropy,
    /// Nanoseconds since 1970 UTC, for what clients are told.
    wall_ns: i64,
    connections: Vec<Option<Box<Connection>>>,
    free: Vec<usize>,
    generation: u32,
    unauthenticated: usize,
    sessions: usize,
    /// The slots of the live sessions of each account; by account_id, from 1.
    accounts: Vec<Vec<usize>>,
    pending: Pending<Source>,
    /// Where commands under way came from, with the sequence of the first of each batch.
    under_way: VecDeque<(u64, Vec<Source>)>,
    spare: Vec<Source>,
    /// Every event up to here has been routed.
    routed: u64,
    /// Sessions with reports of the command that is being routed.
    touched: Vec<usize>,
    /// Sessions that were not read on, and may be.
    paused: Vec<ConnectionId>,
    /// Sessions that get what they missed.
    replaying: Vec<ConnectionId>,
    /// Sessions that missed market data.
    behind: Vec<ConnectionId>,
    books: Books,
    /// Accounts whose orders are to be canceled as soon as the disk has room for it.
    cancel_later: Vec<AccountId>,
    changed: Vec<usize>,
    stats: GatewayStats,
    new_queries: Vec<Query>,
}

impl<E: Exchange, K: KeyDirectory> Hub<E, K> {
    /// A hub without connections. `entropy` fills bytes that nobody can guess.
    pub fn new(config: GatewayConfig, exchange: E, keys: K, entropy: impl FnMut(&mut [u8]) + Send + 'static) -> Self {
        let routed = exchange.released();
        let limit = exchange.batch_limit().max(1);
        Self {
            exchange,
            core: Core {
                config,
                keys,
                entropy: Box::new(entropy),
                wall_ns: 0,
                connections: Vec::new(),
                free: Vec::new(),
                generation: 0,
                unauthenticated: 0,
                sessions: 0,
                accounts: Vec::new(),
                pending: Pending::new(limit),
                under_way: VecDeque::new(),
                spare: Vec::new(),
                routed,
                touched: Vec::new(),
                paused: Vec::new(),
                replaying: Vec::new(),
                behind: Vec::new(),
                books: Books::default(),
                cancel_later: Vec::new(),
                changed: Vec::new(),
                stats: GatewayStats::default(),
                new_queries: Vec::new(),
            },
            queries: VecDeque::new(),
            answers: VecDeque::new(),
            found: None,
            next_books_ns: 0,
            next_look_ns: 0,
            stopped: false,
            refused: Vec::new(),
        }
    }

    /// Says what time it is for clients, in nanoseconds since 1970 UTC.
    pub fn set_wall_clock(&mut self, wall_ns: i64) {
        self.core.wall_ns = wall_ns;
    }

    /// A connection has been made. Its challenge is to be sent; at a bound it is a refusal, and it has ended.
    pub fn connect(&mut self, now_ns: i64) -> ConnectionId {
        self.core.connect(now_ns)
    }

    /// How many bytes of a connection may be read now; 0 while it must wait. A connection that has ended has all it sends
    /// thrown away.
    pub fn wants(&self, id: ConnectionId) -> usize {
        match self.core.get(id) {
            Some(connection) if connection.is_ended() => self.core.config.input_bytes_max,
            Some(connection) if connection.paused => 0,
            Some(connection) => self.core.config.input_bytes_max.saturating_sub(connection.input.len()),
            None => 0,
        }
    }

    /// Takes what came from a client: at most what it [`wants`](Self::wants).
    pub fn receive(&mut self, id: ConnectionId, bytes: &[u8], now_ns: i64) {
        self.core.receive(id, bytes, now_ns);
    }

    /// A connection is gone: there is nobody to send to any more.
    pub fn close(&mut self, id: ConnectionId) {
        self.core.remove(id);
    }

    /// What is to be sent to a client.
    pub fn output(&self, id: ConnectionId) -> &[u8] {
        self.core.get(id).map_or(&[], |connection| &connection.out[connection.sent..])
    }

    /// So many bytes of it were sent.
    pub fn sent(&mut self, id: ConnectionId, bytes: usize) {
        if let Some(connection) = self.core.get_mut(id) {
            connection.took(bytes);
        }
    }

    /// Whether a connection has ended, and what was to be sent is sent or its [time is over](Self::is_over).
    pub fn is_finished(&self, id: ConnectionId, now_ns: i64) -> bool {
        match self.core.get(id) {
            None => true,
            Some(connection) => match connection.state {
                State::Ended { deadline_ns } => connection.backlog() == 0 || now_ns >= deadline_ns,
                _ => false,
            },
        }
    }

    /// Whether the time of a connection that has ended is over.
    pub fn is_over(&self, id: ConnectionId, now_ns: i64) -> bool {
        self.core
            .get(id)
            .is_none_or(|connection| matches!(connection.state, State::Ended { deadline_ns } if now_ns >= deadline_ns))
    }

    /// More can be sent to a client, or it is to be looked at for another reason.
    pub fn touch(&mut self, id: ConnectionId) {
        if self.core.get(id).is_some() {
            self.core.changed.push(id.slot);
        }
    }

    /// Takes the connections for which something may be to be done: send, read on, close.
    pub fn take_changed(&mut self, out: &mut Vec<ConnectionId>) {
        let core = &mut self.core;
        core.changed.sort_unstable();
        core.changed.dedup();
        for slot in core.changed.drain(..) {
            if let Some(Some(connection)) = core.connections.get(slot) {
                out.push(ConnectionId { slot, generation: connection.generation });
            }
        }
    }

    /// When [`step`](Self::step) has something to do although nothing came; `None` for never.
    pub fn next_due_ns(&self, now_ns: i64) -> Option<i64> {
        if self.core.connections.len() == self.core.free.len() {
            return None;
        }
        let books_due = self.core.books.any_dirty() && self.found.is_none();
        Some(if books_due { self.next_look_ns.min(self.next_books_ns.max(now_ns)) } else { self.next_look_ns })
    }

    /// Whether nothing waits to be executed or to be told.
    pub fn is_idle(&self) -> bool {
        self.core.pending.len() == 0 && self.core.under_way.is_empty()
    }

    /// Numbers.
    pub fn stats(&self) -> GatewayStats {
        let connections = self.core.connections.len() - self.core.free.len();
        GatewayStats { connections, sessions: self.core.sessions, ..self.core.stats }
    }

    /// The exchange.
    pub fn exchange(&mut self) -> &mut E {
        &mut self.exchange
    }

    /// Ends all sessions: the server is stopping. Go on with [`step`](Self::step) until it [is idle](Self::is_idle), so that
    /// what their ends cancel is canceled.
    pub fn shut_down(&mut self, now_ns: i64) {
        self.core.end_all(SessionReason::ServerStopping, now_ns);
    }

    /// Ends the sessions of keys that are no longer valid, or not as they were.
    pub fn check_keys(&mut self, now_ns: i64) {
        let core = &mut self.core;
        let revoked: Vec<ConnectionId> = core
            .ids()
            .filter(|&id| {
                core.get(id).is_some_and(|connection| {
                    let key = core.keys.find(&connection.public_key);
                    let same = key.is_some_and(|key| {
                        key.account_id == connection.sender.account_id
                            && key.key_id == connection.sender.key_id
                            && key.trade == connection.may_trade
                    });
                    connection.is_session() && !same
                })
            })
            .collect();
        for id in revoked {
            core.end(id, SessionReason::KeyRevoked.into(), now_ns);
        }
    }

    /// Does all there is to do: executes what came, tells what has become durable, looks at what is due. Whether there is
    /// more to do at once.
    pub fn step(&mut self, now_ns: i64) -> bool {
        if self.stopped {
            self.core.end_all(SessionReason::ExchangeStopped, now_ns);
            return false;
        }
        let more = match self.work(now_ns) {
            Ok(more) => more,
            Err(Gone::Stopped) => {
                self.stopped = true;
                self.core.options_off();
                self.core.end_all(SessionReason::ExchangeStopped, now_ns);
                false
            }
            // Work answers this itself wherever it can come.
            Err(Gone::Lagged(_)) => true,
        };
        if now_ns >= self.next_look_ns {
            self.next_look_ns = now_ns + LOOK_AFTER_NS;
            self.core.look_after(now_ns);
        }
        more
    }

    fn work(&mut self, now_ns: i64) -> Result<bool, Gone> {
        self.start()?;
        self.route(now_ns)?;
        self.replay(now_ns)?;
        self.core.read_on(now_ns);
        self.start()?;
        self.answer(now_ns)?;
        if !self.core.books.is_empty() {
            self.tell_books(now_ns)?;
        }
        Ok(self.exchange.released() > self.core.routed)
    }

    fn start(&mut self) -> Result<(), Gone> {
        while let Some(commands) = self.core.pending.front() {
            self.refused.clear();
            let Some(first) = self.exchange.start(commands, &mut self.refused)? else { break };
            let spare = std::mem::take(&mut self.core.spare);
            let mut sources = self.core.pending.taken(spare);
            // From the back, so that the places of the others stay.
            for &at in self.refused.iter().rev() {
                self.core.disk_full(sources.remove(at));
            }
            if !sources.is_empty() {
                self.core.under_way.push_back((first, sources));
            }
        }
        Ok(())
    }

    /// Tells what has become durable.
    fn route(&mut self, now_ns: i64) -> Result<(), Gone> {
        let core = &mut self.core;
        match self.exchange.events_since(core.routed, ROUTE_BYTES, &mut |records| core.route(records, now_ns)) {
            Err(Gone::Lagged(oldest)) => {
                // Too much has happened elsewhere since the last step. Sessions resume from the journal.
                core.end_all(SessionReason::ServerBehind, now_ns);
                core.skip_to(oldest);
                Ok(())
            }
            given => given,
        }
    }

    fn replay(&mut self, now_ns: i64) -> Result<(), Gone> {
        while let Some(answer) = self.exchange.replayed() {
            self.core.replayed(answer, now_ns);
        }
        let mut replaying = std::mem::take(&mut self.core.replaying);
        let mut failed = None;
        replaying.retain(|&id| match self.replay_one(id, now_ns) {
            Ok(goes_on) => goes_on,
            Err(gone) => {
                failed = Some(gone);
                true
            }
        });
        self.core.replaying.append(&mut replaying);
        failed.map_or(Ok(()), Err)
    }

    /// Whether the session still misses something.
    fn replay_one(&mut self, id: ConnectionId, now_ns: i64) -> Result<bool, Gone> {
        let core = &mut self.core;
        let room = core.config.output_bytes_max / 4;
        let through = core.routed;
        let Some(connection) = core.get_mut(id) else { return Ok(false) };
        let State::Replaying { after, waits, .. } = connection.state else { return Ok(false) };
        if waits || connection.backlog() > room {
            return Ok(true);
        }
        let account_id = connection.sender.account_id.0;
        // The command of the position may have more events; those before it are left out again.
        let from = if after.index == u32::MAX { after.sequence } else { after.sequence.saturating_sub(1) };
        let mut last = from;
        let given = self.exchange.events_since(from, room.max(1 << 16), &mut |records| {
            let records = &records[..records.partition_point(|record| record.sequence <= through)];
            core.replay(id, records);
            last = records.last().map_or(last, |record| record.sequence);
        });
        match given {
            Ok(()) => {
                let core = &mut self.core;
                // Every command has an event: if none came, there is none.
                let done = last >= through || last == from;
                let after = if done { Position::behind(through) } else { Position::behind(last) };
                core.advance_replay(id, after);
                if done {
                    core.go_live(id, now_ns);
                }
                Ok(!done)
            }
            Err(Gone::Lagged(_)) => {
                let Some(connection) = self.core.get_mut(id) else { return Ok(false) };
                if let State::Replaying { waits, .. } = &mut connection.state {
                    *waits = true;
                }
                self.exchange.replay(ReplayJob { ticket: id.ticket(), account_id, after, through });
                Ok(true)
            }
            Err(Gone::Stopped) => Err(Gone::Stopped),
        }
    }

    /// Looks up what was asked, and gives the answers that are durable.
    fn answer(&mut self, now_ns: i64) -> Result<(), Gone> {
        self.queries.extend(self.core.new_queries.drain(..));
        while let Some(query) = self.queries.pop_front() {
            let (bytes, sequence) = self.exchange.look(|engine| look_up(engine, &query))?;
            self.answers.push_back(Answer { query, sequence, bytes });
        }
        let released = self.exchange.released();
        while self.answers.front().is_some_and(|answer| answer.sequence <= released) {
            let Some(answer) = self.answers.pop_front() else { break };
            self.core.answer(&answer, now_ns);
        }
        Ok(())
    }

    fn tell_books(&mut self, now_ns: i64) -> Result<(), Gone> {
        if self.found.is_none() && self.core.books.any_dirty() && now_ns >= self.next_books_ns {
            self.next_books_ns = now_ns + self.core.config.book_interval.as_nanos() as i64;
            let wanted = self.core.books.take_dirty(BOOKS_AT_ONCE);
            let (found, sequence) = self.exchange.look(|engine| books::look(engine, &wanted))?;
            self.found = Some((sequence, found));
        }
        let released = self.exchange.released();
        if let Some((sequence, found)) = self.found.take_if(|(sequence, _)| *sequence <= released) {
            for (instrument_id, levels) in found {
                self.core.books.found(sequence, instrument_id, &levels);
                self.core.tell_book(instrument_id);
            }
        }
        self.core.catch_up();
        Ok(())
    }
}

impl ConnectionId {
    fn ticket(self) -> u64 {
        (self.slot as u64) << 32 | u64::from(self.generation)
    }

    fn from_ticket(ticket: u64) -> Self {
        Self { slot: (ticket >> 32) as usize, generation: ticket as u32 }
    }
}

/// The answers to a query, its end included.
fn look_up(engine: &Engine, query: &Query) -> Vec<u8> {
    let mut out = Vec::new();
    let (request_sequence, sequence) = (query.request_sequence, engine.sequence());
    let mut count = 0_u64;
    match query.what {
        What::Subscribe { instrument_id, .. } => {
            let id = InstrumentId(instrument_id);
            if let (Some(instrument), Some(settings)) = (engine.instrument(id), engine.settings(id)) {
                let status = InstrumentStatus {
                    instrument_id,
                    sequence,
                    event_time_ns: engine.event_time_ns(),
                    status: instrument.status as u8,
                    reason: StatusReason::Requested as u8,
                    end_time_ns: settings.end_time_ns,
                };
                put(&mut out, &status);
            }
            return out;
        }
        What::Unsubscribe { .. } => return out,
        What::Instruments { only, after } => {
            let assets: Vec<_> = engine.assets().collect();
            let asset = |id: beurs_engine::types::AssetId| {
                let asset = id.index().and_then(|at| assets.get(at));
                asset.map_or(([0; 16], 0), |asset| (widened(asset.code.padded()), asset.scale))
            };
            let instruments = engine.instruments().filter(|instrument| {
                let id = instrument.instrument_id.0;
                if only == 0 {
                    id > after
                } else {
                    id == only
                }
            });
            for instrument in instruments.take(ANSWERS_MAX) {
                let ((base, base_scale), (quote, quote_scale)) = (asset(instrument.base), asset(instrument.quote));
                put(
                    &mut out,
                    &InstrumentDefinition {
                        request_sequence,
                        sequence,
                        instrument_id: instrument.instrument_id.0,
                        symbol: widened(instrument.symbol.padded()),
                        base_asset_id: instrument.base.0,
                        base,
                        base_scale,
                        quote_asset_id: instrument.quote.0,
                        quote,
                        quote_scale,
                        tick_size: instrument.tick_size.mantissa,
                        tick_scale: instrument.tick_size.scale,
                        lot_size: instrument.lot_size.mantissa,
                        lot_scale: instrument.lot_size.scale,
                        min_quantity: instrument.min_quantity.0,
                        max_quantity: instrument.max_quantity.0,
                        min_notional: instrument.min_notional.0,
                        status: instrument.status as u8,
                        last_price: instrument.last_price.0,
                    },
                );
                count += 1;
            }
        }
        What::OpenOrders { after } => {
            let orders = engine.open_orders(query.account_id).filter(|order| order.order_id.0 > after);
            for order in orders.take(ANSWERS_MAX) {
                let quantity =
                    if order.quote_quantity.0 == 0 { order.filled_quantity.0 + order.leaves_quantity.0 } else { 0 };
                put(
                    &mut out,
                    &OpenOrder {
                        request_sequence,
                        sequence,
                        order_id: order.order_id.0,
                        instrument_id: order.instrument_id.0,
                        key_id: order.key_id.0,
                        side: order.side as u8,
                        order_type: order.order_type as u8,
                        time_in_force: order.time_in_force as u8,
                        self_trade_prevention: order.self_trade_prevention as u8,
                        flags: if order.post_only { sbe::order_flags::POST_ONLY } else { 0 },
                        price: order.price.0,
                        quantity,
                        filled_quantity: order.filled_quantity.0,
                        leaves_quantity: order.leaves_quantity.0,
                        displayed_quantity: order.displayed_quantity.0,
                        quote_quantity: order.quote_quantity.0,
                        hold: order.hold.0,
                        client_order_id: *order.client_order_id.padded(),
                    },
                );
                count += 1;
            }
        }
        What::Balances => {
            let assets: Vec<_> = engine.assets().collect();
            for (asset_id, balance) in engine.balances(query.account_id) {
                let Some(asset) = asset_id.index().and_then(|at| assets.get(at)) else { continue };
                put(
                    &mut out,
                    &Balance {
                        request_sequence,
                        sequence,
                        asset_id: asset_id.0,
                        asset: widened(asset.code.padded()),
                        scale: asset.scale,
                        total: balance.total,
                        held: balance.held,
                    },
                );
                count += 1;
            }
        }
    }
    let template_id = query.what.template_id();
    put(&mut out, &QueryComplete { request_sequence, template_id, sequence, count });
    out
}

/// A text in a longer field.
fn widened<const N: usize, const M: usize>(text: &[u8; N]) -> [u8; M] {
    let mut bytes = [0; M];
    bytes[..N].copy_from_slice(text);
    bytes
}

const _: () = assert!(Symbol::MAX < 32);

impl<K: KeyDirectory> Core<K> {
    fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(id.slot)?.as_deref().filter(|connection| connection.generation == id.generation)
    }

    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(id.slot)?.as_deref_mut().filter(|connection| connection.generation == id.generation)
    }

    fn ids(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.connections.iter().enumerate().filter_map(|(slot, connection)| {
            connection.as_ref().map(|connection| ConnectionId { slot, generation: connection.generation })
        })
    }

    fn connect(&mut self, now_ns: i64) -> ConnectionId {
        let mut nonce = [0; 32];
        (self.entropy)(&mut nonce);
        let timeout = self.config.logon_timeout;
        let deadline_ns = now_ns + timeout.as_nanos() as i64;
        self.generation = self.generation.wrapping_add(1);
        let mut connection = Box::new(Connection::new(self.generation, nonce, deadline_ns, now_ns));
        let full = self.connections.len() - self.free.len() >= self.config.connections_max
            || self.unauthenticated >= self.config.unauthenticated_max;
        let challenge = Challenge {
            nonce,
            time_ns: self.wall_ns,
            logon_timeout_ms: timeout.as_millis() as u32,
            frame_bytes_max: FRAME_MAX as u16,
        };
        put(&mut connection.out, &challenge);
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.connections.push(None);
                self.connections.len() - 1
            }
        };
        let id = ConnectionId { slot, generation: self.generation };
        self.connections[slot] = Some(connection);
        self.unauthenticated += 1;
        self.changed.push(slot);
        if full {
            self.end(id, SessionReason::TooManySessions.into(), now_ns);
        }
        id
    }

    /// The end of a session or of what wanted to be one: the last message is put, nothing that comes is looked at any more,
    /// and what the session's end cancels is canceled.
    fn end(&mut self, id: ConnectionId, end: End, now_ns: i64) {
        let routed = self.routed;
        let linger_ns = self.config.linger.as_nanos() as i64;
        let Some(connection) = self.get_mut(id) else { return };
        let reason = end.reason as u16;
        match connection.state {
            State::Ended { .. } => return,
            State::Challenged { .. } => {
                let ahead = matches!(end.reason, SessionReason::ResumeAhead | SessionReason::ResumeLost);
                let sequence = if ahead { routed } else { 0 };
                let field_id = if end.reason == SessionReason::InvalidOption { end.template_id } else { 0 };
                put(&mut connection.out, &LogonRejected { reason, field_id, sequence });
            }
            State::Live | State::Replaying { .. } => put(
                &mut connection.out,
                &Logout {
                    reason,
                    template_id: end.template_id,
                    expected_sequence: end.expected_sequence,
                    resume_sequence: connection.position.sequence,
                    resume_index: connection.position.index,
                },
            ),
        }
        connection.input = Vec::new();
        connection.open_report = NO_REPORT;
        let session = connection.is_session();
        self.leave(id);
        self.stats.logons_refused += u64::from(!session);
        if let Some(connection) = self.get_mut(id) {
            connection.state = State::Ended { deadline_ns: now_ns + linger_ns };
        }
        self.changed.push(id.slot);
        if end.reason == SessionReason::SlowConsumer {
            self.stats.slow_consumers += 1;
        }
    }

    /// Takes a connection out of everything that counts or names it, and does what its session's end asks for.
    fn leave(&mut self, id: ConnectionId) {
        let Some(connection) = self.get_mut(id) else { return };
        let (account_id, cancels) = (connection.sender.account_id, connection.cancels_on_disconnect());
        let subscriptions = std::mem::take(&mut connection.subscriptions);
        match connection.state {
            State::Ended { .. } => return,
            State::Challenged { .. } => {
                self.unauthenticated -= 1;
                return;
            }
            State::Live | State::Replaying { .. } => self.sessions -= 1,
        }
        if let Some(slots) = self.accounts.get_mut(account_id.0 as usize) {
            slots.retain(|&slot| slot != id.slot);
        }
        for subscription in subscriptions {
            self.books.remove(subscription.instrument_id, id.slot, subscription.depth);
        }
        if cancels {
            self.cancel_all(account_id);
        }
    }

    fn cancel_all(&mut self, account_id: AccountId) {
        let (instrument_id, side, reason) = (InstrumentId::NONE, None, MassCancelReason::Disconnected);
        let command = Command::MassCancel(MassCancel { account_id, instrument_id, side, reason });
        self.pending.push(command, Source::Disconnect(account_id));
    }

    /// A command was refused because the disk is full.
    fn disk_full(&mut self, source: Source) {
        match source {
            Source::Request { connection: id, request_sequence, template_id } => {
                let (reason, field_id, client_order_id) = (RequestReason::DiskFull as u16, 0, [0; 36]);
                if let Some(connection) = self.get_mut(id) {
                    connection.in_flight = connection.in_flight.saturating_sub(1);
                }
                self.refuse(id, RequestRejected { request_sequence, template_id, reason, field_id, client_order_id });
            }
            Source::Disconnect(account_id) => self.cancel_later.push(account_id),
        }
    }

    fn remove(&mut self, id: ConnectionId) {
        if self.get(id).is_none() {
            return;
        }
        self.leave(id);
        self.connections[id.slot] = None;
        self.free.push(id.slot);
    }

    fn end_all(&mut self, reason: SessionReason, now_ns: i64) {
        let all: Vec<ConnectionId> = self.ids().collect();
        for id in all {
            self.end(id, reason.into(), now_ns);
        }
    }

    /// The exchange has stopped: nothing can be canceled any more.
    fn options_off(&mut self) {
        for connection in self.connections.iter_mut().flatten() {
            connection.options = 0;
        }
    }

    /// Looks at what is due: logons, heartbeats, ends.
    fn look_after(&mut self, now_ns: i64) {
        for account_id in std::mem::take(&mut self.cancel_later) {
            self.cancel_all(account_id);
        }
        let routed = self.routed;
        let wall_ns = self.wall_ns;
        let mut late = Vec::new();
        for (slot, connection) in self.connections.iter_mut().enumerate() {
            let Some(connection) = connection else { continue };
            let id = ConnectionId { slot, generation: connection.generation };
            match connection.state {
                State::Challenged { deadline_ns, .. } if now_ns >= deadline_ns => {
                    late.push((id, SessionReason::LogonTimeout));
                }
                State::Challenged { .. } => {}
                State::Ended { deadline_ns } => {
                    if now_ns >= deadline_ns || connection.backlog() == 0 {
                        self.changed.push(slot);
                    }
                }
                State::Live | State::Replaying { .. } => {
                    if connection.put_seen != connection.put_total() {
                        connection.put_seen = connection.put_total();
                        connection.last_put_ns = now_ns;
                    }
                    if connection.paused {
                        connection.last_received_ns = now_ns; // It may have said something that was not read.
                    }
                    let quiet_ns = now_ns - connection.last_received_ns;
                    let interval_ns = connection.interval_ns;
                    if quiet_ns >= 3 * interval_ns {
                        late.push((id, SessionReason::HeartbeatTimeout));
                        continue;
                    }
                    // Who takes nothing needs no sign of life.
                    let idle = connection.backlog() == 0;
                    if quiet_ns >= 2 * interval_ns && !connection.tested {
                        connection.tested = true;
                        put(&mut connection.out, &TestRequest { test_id: now_ns as u64 });
                        self.changed.push(slot);
                    } else if idle && now_ns - connection.last_put_ns >= interval_ns {
                        let sequence = match connection.state {
                            State::Live => routed,
                            _ => connection.position.sequence.saturating_sub(1),
                        };
                        put(&mut connection.out, &Heartbeat { test_id: 0, time_ns: wall_ns, sequence });
                        self.changed.push(slot);
                    }
                }
            }
        }
        for (id, reason) in late {
            self.end(id, reason.into(), now_ns);
        }
    }

    fn receive(&mut self, id: ConnectionId, bytes: &[u8], now_ns: i64) {
        let Some(connection) = self.get_mut(id) else { return };
        connection.last_received_ns = now_ns;
        connection.tested = false;
        if connection.is_ended() {
            return;
        }
        if connection.input.is_empty() {
            let taken = self.parse(id, bytes, now_ns);
            if let Some(connection) = self.get_mut(id).filter(|connection| !connection.is_ended()) {
                connection.input.extend_from_slice(&bytes[taken..]);
            }
        } else {
            connection.input.extend_from_slice(bytes);
            self.parse_input(id, now_ns);
        }
    }

    fn parse_input(&mut self, id: ConnectionId, now_ns: i64) {
        let Some(connection) = self.get_mut(id) else { return };
        let mut input = std::mem::take(&mut connection.input);
        let taken = self.parse(id, &input, now_ns);
        if let Some(connection) = self.get_mut(id).filter(|connection| !connection.is_ended()) {
            input.drain(..taken);
            connection.input = input;
        }
    }

    /// Looks again at what came for sessions that had to wait.
    fn read_on(&mut self, now_ns: i64) {
        let paused = std::mem::take(&mut self.paused);
        for id in paused {
            let Some(connection) = self.get_mut(id).filter(|connection| connection.paused) else { continue };
            connection.paused = false;
            self.parse_input(id, now_ns);
            if self.get(id).is_some_and(|connection| !connection.paused) {
                self.changed.push(id.slot);
            }
        }
    }

    /// Takes whole frames, as many as may be taken now. Gives how many bytes they are.
    fn parse(&mut self, id: ConnectionId, bytes: &[u8], now_ns: i64) -> usize {
        let mut at = 0;
        while let Some(connection) = self.get_mut(id).filter(|connection| !connection.is_ended()) {
            match next_frame(&bytes[at..]) {
                Ok(None) => break,
                Err(reason) => {
                    self.end(id, reason.into(), now_ns);
                    break;
                }
                Ok(Some((frame, length))) => {
                    let request = (REQUESTS_FROM..REQUESTS_TO).contains(&frame.template_id);
                    let waits = matches!(connection.state, State::Replaying { .. });
                    if request && (waits || connection.in_flight >= self.config.in_flight_max) {
                        if let Some(connection) = self.get_mut(id) {
                            connection.paused = true;
                        }
                        self.paused.push(id);
                        break;
                    }
                    if let Err(end) = self.take_frame(id, &frame, now_ns) {
                        self.end(id, end, now_ns);
                        break;
                    }
                    at += length;
                }
            }
        }
        at
    }

    fn take_frame(&mut self, id: ConnectionId, frame: &Frame<'_>, now_ns: i64) -> Result<(), End> {
        let Some(connection) = self.get_mut(id) else { return Ok(()) };
        if matches!(connection.state, State::Challenged { .. }) {
            return match frame.template_id {
                Logon::TEMPLATE_ID => self.log_on(id, &exactly(frame)?, now_ns),
                Logout::TEMPLATE_ID => {
                    Err(exactly::<Logout>(frame).map_or_else(|end| end, |_| SessionReason::Requested.into()))
                }
                _ => Err(unexpected(frame)),
            };
        }
        match frame.template_id {
            Heartbeat::TEMPLATE_ID => exactly::<Heartbeat>(frame).map(|_| ()),
            TestRequest::TEMPLATE_ID => {
                let TestRequest { test_id } = exactly(frame)?;
                let (wall_ns, routed) = (self.wall_ns, self.routed);
                if let Some(connection) = self.get_mut(id) {
                    let sequence = if connection.state == State::Live { routed } else { 0 };
                    put(&mut connection.out, &Heartbeat { test_id, time_ns: wall_ns, sequence });
                    self.check_backlog(id)?;
                }
                self.changed.push(id.slot);
                Ok(())
            }
            Logout::TEMPLATE_ID => {
                Err(exactly::<Logout>(frame).map_or_else(|end| end, |_| SessionReason::Requested.into()))
            }
            REQUESTS_FROM..REQUESTS_TO => self.take_request(id, frame, now_ns),
            _ => Err(unexpected(frame)),
        }
    }

    /// Whether the client takes what it is sent.
    fn check_backlog(&self, id: ConnectionId) -> Result<(), End> {
        let most = self.config.output_bytes_max;
        match self.get(id) {
            Some(connection) if connection.backlog() > most => Err(SessionReason::SlowConsumer.into()),
            _ => Ok(()),
        }
    }

    fn log_on(&mut self, id: ConnectionId, logon: &Logon, now_ns: i64) -> Result<(), End> {
        let Logon { public_key, signature, options, heartbeat_interval_ms, resume_sequence, resume_index } = *logon;
        let Some(Connection { state: State::Challenged { nonce, .. }, .. }) = self.get(id) else { return Ok(()) };
        let signed = [LOGON_CONTEXT.as_slice(), nonce, &logon.as_bytes()[..LOGON_SIGNED]].concat();
        let key = self.keys.find(&public_key).filter(|_| verifies(&public_key, &signed, &signature));
        let Some(key) = key else { return Err(SessionReason::AuthenticationFailed.into()) };

        let invalid = |field: &str| End { template_id: Logon::field_id(field), ..SessionReason::InvalidOption.into() };
        if options > logon_options::ALL || (options & logon_options::CANCEL_ON_DISCONNECT != 0 && !key.trade) {
            return Err(invalid("options"));
        }
        if !HEARTBEAT_MS.contains(&heartbeat_interval_ms) {
            return Err(invalid("heartbeat_interval_ms"));
        }
        let account = key.account_id.0 as usize;
        let open = self
            .connections
            .iter()
            .flatten()
            .filter(|other| other.is_session() && other.sender.account_id == key.account_id);
        if open.count() >= self.config.sessions_per_account_max {
            return Err(SessionReason::TooManySessions.into());
        }
        let resume = options & logon_options::RESUME != 0;
        let after = if resume {
            Position { sequence: resume_sequence, index: resume_index }
        } else {
            Position::behind(self.routed)
        };
        if after.sequence > self.routed {
            return Err(SessionReason::ResumeAhead.into());
        }

        // From here on it is a session.
        if self.accounts.len() <= account {
            self.accounts.resize_with(account + 1, Vec::new);
        }
        self.unauthenticated -= 1;
        self.sessions += 1;
        self.stats.logons += 1;
        let accepted = LogonAccepted {
            session_id: self.stats.logons,
            sequence: self.routed,
            account_id: key.account_id.0,
            key_id: key.key_id.0,
            permissions: if key.trade { permissions::ALL } else { permissions::READ },
            options,
            heartbeat_interval_ms,
            requests_per_second: self.config.requests_per_second,
            cancels_per_second: self.config.cancels_per_second,
            in_flight_max: self.config.in_flight_max,
            account: widened(key.account.padded()),
        };
        let (requests, cancels) = (self.config.requests_per_second, self.config.cancels_per_second);
        let Some(connection) = self.get_mut(id) else { return Ok(()) };
        connection.session_id = accepted.session_id;
        connection.public_key = public_key;
        connection.sender = Sender { account_id: key.account_id, key_id: key.key_id };
        connection.may_trade = key.trade;
        connection.options = options;
        connection.interval_ns = i64::from(heartbeat_interval_ms) * 1_000_000;
        connection.requests = Budget::new(requests);
        connection.cancels = Budget::new(cancels);
        connection.position = after;
        put(&mut connection.out, &accepted);
        if resume {
            connection.state = State::Replaying { after, waits: false, count: 0 };
            self.replaying.push(id);
        } else {
            connection.state = State::Live;
            self.accounts[account].push(id.slot);
        }
        connection_put(self.get_mut(id), now_ns);
        self.changed.push(id.slot);
        Ok(())
    }

    #[inline]
    fn take_request(&mut self, id: ConnectionId, frame: &Frame<'_>, now_ns: i64) -> Result<(), End> {
        let Some(connection) = self.connections[id.slot].as_deref_mut() else { return Ok(()) };
        // Every request begins with its number; whether it is as long as it should be is looked at first.
        let Some(expected) = request_size(frame.template_id) else { return Err(invalid_message(frame)) };
        if frame.fields.len() != expected {
            return Err(invalid_message(frame));
        }
        let request_sequence = u64::from_le_bytes(std::array::from_fn(|at| frame.fields[at]));
        if request_sequence != connection.next_request {
            let expected_sequence = connection.next_request;
            let template_id = frame.template_id;
            return Err(End { reason: SessionReason::SequenceGap, template_id, expected_sequence });
        }
        connection.next_request += 1;
        self.stats.requests += 1;
        let cancel = matches!(
            frame.template_id,
            sbe::CancelOrder::TEMPLATE_ID | sbe::MassCancel::TEMPLATE_ID | sbe::CancelAllAfter::TEMPLATE_ID
        );
        let budget = if cancel { &mut connection.cancels } else { &mut connection.requests };
        if let Err(retry_after_ns) = budget.take(now_ns) {
            self.stats.requests_throttled += 1;
            let template_id = frame.template_id;
            let client_order_id = client_order_id(frame);
            put(&mut connection.out, &Throttled { request_sequence, template_id, retry_after_ns, client_order_id });
            self.changed.push(id.slot);
            return self.check_backlog(id);
        }
        let sender = connection.sender;
        let made = match frame.template_id {
            sbe::NewOrder::TEMPLATE_ID => exactly::<sbe::NewOrder>(frame)?.to_command(sender),
            sbe::CancelOrder::TEMPLATE_ID => exactly::<sbe::CancelOrder>(frame)?.to_command(sender),
            sbe::ReplaceOrder::TEMPLATE_ID => exactly::<sbe::ReplaceOrder>(frame)?.to_command(sender),
            sbe::CancelReplace::TEMPLATE_ID => exactly::<sbe::CancelReplace>(frame)?.to_command(sender),
            sbe::MassCancel::TEMPLATE_ID => exactly::<sbe::MassCancel>(frame)?.to_command(sender),
            sbe::NewOrderList::TEMPLATE_ID => exactly::<sbe::NewOrderList>(frame)?.to_command(sender),
            sbe::CancelAllAfter::TEMPLATE_ID => Ok(exactly::<sbe::CancelAllAfter>(frame)?.to_command(sender)),
            _ => {
                self.take_query(id, frame, request_sequence);
                return self.check_backlog(id);
            }
        };
        let allowed = made.and_then(|command| {
            let refused = |reason| Refused { reason, field_id: 0 };
            if !connection.may_trade {
                return Err(refused(RequestReason::NotAllowed));
            }
            if self.pending.len() >= self.config.pending_max {
                return Err(refused(RequestReason::Busy));
            }
            Ok(command)
        });
        match allowed {
            Ok(command) => {
                connection.in_flight += 1;
                let template_id = frame.template_id;
                self.pending.push(command, Source::Request { connection: id, request_sequence, template_id });
                Ok(())
            }
            Err(refused) => {
                let template_id = frame.template_id;
                let client_order_id = client_order_id(frame);
                let Refused { reason, field_id } = refused;
                let reason = reason as u16;
                self.refuse(id, RequestRejected { request_sequence, template_id, reason, field_id, client_order_id });
                self.check_backlog(id)
            }
        }
    }

    fn refuse(&mut self, id: ConnectionId, rejected: RequestRejected) {
        self.stats.requests_refused += 1;
        if let Some(connection) = self.get_mut(id) {
            put(&mut connection.out, &rejected);
        }
        self.changed.push(id.slot);
    }

    fn refuse_query(&mut self, query: &Query, Refused { reason, field_id }: Refused) {
        let Query { connection, request_sequence, what, .. } = *query;
        let (template_id, reason, client_order_id) = (what.template_id(), reason as u16, [0; 36]);
        self.refuse(connection, RequestRejected { request_sequence, template_id, reason, field_id, client_order_id });
    }

    /// Subscriptions and queries: they are answered in their order.
    fn take_query(&mut self, id: ConnectionId, frame: &Frame<'_>, request_sequence: u64) {
        let what = if let Some(sbe::Subscribe { instrument_id, channels, depth, .. }) = frame.get() {
            What::Subscribe { instrument_id, channels, depth }
        } else if let Some(sbe::Unsubscribe { instrument_id, .. }) = frame.get() {
            What::Unsubscribe { instrument_id }
        } else if let Some(sbe::InstrumentsRequest { instrument_id, after_instrument_id, .. }) = frame.get() {
            What::Instruments { only: instrument_id, after: after_instrument_id }
        } else if let Some(sbe::OpenOrdersRequest { after_order_id, .. }) = frame.get() {
            What::OpenOrders { after: after_order_id }
        } else {
            What::Balances
        };
        let Some(connection) = self.get_mut(id) else { return };
        let account_id = connection.sender.account_id;
        let query = Query { connection: id, account_id, request_sequence, what };
        if !matches!(what, What::Subscribe { .. } | What::Unsubscribe { .. }) {
            if connection.querying {
                return self.refuse_query(&query, Refused { reason: RequestReason::QueryUnderWay, field_id: 0 });
            }
            connection.querying = true;
        }
        self.new_queries.push(query);
    }

    /// Gives the answer to a query, which is durable now.
    fn answer(&mut self, answer: &Answer, now_ns: i64) {
        let Answer { query, bytes, .. } = answer;
        let id = query.connection;
        let Some(connection) = self.get_mut(id).filter(|connection| connection.is_session()) else { return };
        let done = match query.what {
            What::Subscribe { instrument_id, channels, depth } => {
                self.subscribe(query, bytes, instrument_id, channels, depth)
            }
            What::Unsubscribe { instrument_id } => self.unsubscribe(query, instrument_id),
            What::Instruments { .. } | What::OpenOrders { .. } | What::Balances => {
                connection.querying = false;
                connection.out.extend_from_slice(bytes);
                Ok(())
            }
        };
        if let Err(refused) = done {
            self.refuse_query(query, refused);
        }
        self.changed.push(id.slot);
        if let Err(end) = self.check_backlog(id) {
            self.end(id, end, now_ns);
        }
    }

    fn unsubscribe(&mut self, query: &Query, instrument_id: u32) -> Result<(), Refused> {
        let Query { connection: id, request_sequence, .. } = *query;
        let Some(connection) = self.get_mut(id) else { return Ok(()) };
        let at = connection.subscriptions.iter().position(|held| held.instrument_id == instrument_id);
        let at = at.ok_or(Refused { reason: RequestReason::NotSubscribed, field_id: 0 })?;
        let held = connection.subscriptions.swap_remove(at);
        put(&mut connection.out, &Unsubscribed { request_sequence, instrument_id });
        self.books.remove(instrument_id, id.slot, held.depth);
        Ok(())
    }

    fn subscribe(
        &mut self,
        query: &Query,
        status: &[u8],
        instrument_id: u32,
        wanted: u8,
        depth: u16,
    ) -> Result<(), Refused> {
        let Query { connection: id, request_sequence, .. } = *query;
        let subscriptions_max = self.config.subscriptions_max;
        let Some(connection) = self.get_mut(id) else { return Ok(()) };
        let book = wanted & channels::BOOK != 0;
        let invalid = |field| Err(Refused::field::<sbe::Subscribe>(RequestReason::InvalidValue, field));
        if connection.options & logon_options::MARKET_DATA == 0 {
            return Err(Refused { reason: RequestReason::MarketDataOff, field_id: 0 });
        }
        if wanted == 0 || wanted > channels::ALL {
            return invalid("channels");
        }
        if if book { !(1..=DEPTH_MAX).contains(&depth) } else { depth != 0 } {
            return invalid("depth");
        }
        if status.is_empty() {
            return Err(Refused::field::<sbe::Subscribe>(RequestReason::UnknownInstrument, "instrument_id"));
        }
        let held = connection.subscriptions.iter().position(|held| held.instrument_id == instrument_id);
        if held.is_none() && connection.subscriptions.len() >= subscriptions_max {
            return Err(Refused { reason: RequestReason::TooManySubscriptions, field_id: 0 });
        }
        let before = held.map(|at| connection.subscriptions.swap_remove(at));
        connection.subscriptions.push(Subscription {
            instrument_id,
            channels: wanted,
            depth,
            book_sequence: 0,
            skipped: 0,
            skipped_sequence: 0,
        });
        put(&mut connection.out, &Subscribed { request_sequence, instrument_id, channels: wanted, depth });
        if wanted & channels::STATUS != 0 {
            connection.out.extend_from_slice(status);
        }
        if let Some(before) = before {
            self.books.remove(instrument_id, id.slot, before.depth);
        }
        self.books.add(instrument_id, id.slot, depth);
        if book {
            self.fall_behind(id); // If the book is known, it can be told at once.
        }
        Ok(())
    }

    /// Where the command of a sequence came from, if from here.
    #[inline]
    fn source_of(&mut self, sequence: u64) -> Option<Source> {
        loop {
            let (first, sources) = self.under_way.front()?;
            let at = sequence.checked_sub(*first)? as usize;
            if let Some(source) = sources.get(at) {
                return Some(*source);
            }
            if let Some((_, mut sources)) = self.under_way.pop_front() {
                sources.clear();
                self.spare = sources;
            }
        }
    }

    /// Tells events that are durable; whole commands.
    fn route(&mut self, records: &[EventRecord], now_ns: i64) {
        let mut at = 0;
        while at < records.len() {
            let sequence = records[at].sequence;
            let request = match self.source_of(sequence) {
                Some(Source::Request { connection, request_sequence, .. }) => Some((connection, request_sequence)),
                _ => None,
            };
            while at < records.len() && records[at].sequence == sequence {
                let record = &records[at];
                let [first, second] = accounts(record);
                if first != 0 {
                    self.report(first, record, request);
                }
                if second != 0 && second != first {
                    self.report(second, record, request);
                }
                if !self.books.is_empty() {
                    self.tell(record);
                }
                at += 1;
            }
            self.finish_command(request, now_ns);
            self.routed = sequence;
        }
        // Sources of commands that are told are let go at once, so that the hub is idle when all is told.
        self.source_of(self.routed + 1);
    }

    #[inline]
    fn report(&mut self, account_id: u32, record: &EventRecord, request: Option<(ConnectionId, u64)>) {
        let Some(slots) = self.accounts.get(account_id as usize) else { return };
        for &slot in slots {
            let Some(connection) = self.connections[slot].as_deref_mut() else { continue };
            connection.report_sequence += 1;
            let request_sequence = match request {
                Some((id, request_sequence)) if id.slot == slot && id.generation == connection.generation => {
                    request_sequence
                }
                _ => 0,
            };
            if connection.open_report == NO_REPORT {
                self.touched.push(slot);
            }
            connection.open_report = connection.out.len() + FLAGS_AT;
            let report_sequence = connection.report_sequence;
            let envelope = Envelope { report_sequence, request_sequence, report_flags: 0 };
            put_report(&mut connection.out, record, account_id, envelope);
            connection.position = Position::of(record);
            self.stats.reports += 1;
        }
    }

    /// A command has been told: its last report of each session is marked, and the session that sent it may send another.
    #[inline]
    fn finish_command(&mut self, request: Option<(ConnectionId, u64)>, now_ns: i64) {
        let most = self.config.output_bytes_max;
        while let Some(slot) = self.touched.pop() {
            let Some(connection) = self.connections[slot].as_deref_mut() else { continue };
            connection.out[connection.open_report] |= report_flags::LAST;
            connection.open_report = NO_REPORT;
            let id = ConnectionId { slot, generation: connection.generation };
            if connection.backlog() > most {
                self.end(id, SessionReason::SlowConsumer.into(), now_ns);
            }
            if self.changed.last() != Some(&slot) {
                self.changed.push(slot);
            }
        }
        if let Some((id, _)) = request {
            if let Some(connection) = self.get_mut(id) {
                connection.in_flight = connection.in_flight.saturating_sub(1);
            }
        }
    }

    /// Nothing up to this sequence will be told.
    fn skip_to(&mut self, sequence: u64) {
        self.routed = sequence;
        self.source_of(sequence + 1);
    }

    /// Appends what a session missed of these events.
    fn replay(&mut self, id: ConnectionId, records: &[EventRecord]) {
        let Some(connection) = self.get_mut(id) else { return };
        let State::Replaying { after, count, .. } = &mut connection.state else { return };
        let before = connection.report_sequence;
        let account_id = connection.sender.account_id.0;
        let mut open: Option<(u64, usize)> = None;
        for record in records {
            if Position::of(record) <= *after || !accounts(record).contains(&account_id) {
                continue;
            }
            if let Some((sequence, flags)) = open {
                if sequence != record.sequence {
                    connection.out[flags] |= report_flags::LAST;
                }
            }
            open = Some((record.sequence, connection.out.len() + FLAGS_AT));
            connection.report_sequence += 1;
            *count += 1;
            let report_sequence = connection.report_sequence;
            let report_flags = report_flags::REPLAYED;
            let envelope = Envelope { report_sequence, request_sequence: 0, report_flags };
            put_report(&mut connection.out, record, account_id, envelope);
            connection.position = Position::of(record);
        }
        if let Some((_, flags)) = open {
            connection.out[flags] |= report_flags::LAST;
        }
        self.stats.reports += connection.report_sequence - before;
        self.changed.push(id.slot);
    }

    fn advance_replay(&mut self, id: ConnectionId, to: Position) {
        if let Some(Connection { state: State::Replaying { after, waits, .. }, .. }) = self.get_mut(id) {
            *after = to.max(*after);
            *waits = false;
        }
    }

    /// What was looked up for a session has come.
    fn replayed(&mut self, answer: Replayed, now_ns: i64) {
        let id = ConnectionId::from_ticket(answer.ticket);
        match answer.events {
            Some((records, through)) => {
                self.replay(id, &records);
                self.advance_replay(id, Position::behind(through));
            }
            None => self.end(id, SessionReason::ResumeLost.into(), now_ns),
        }
    }

    /// A session has everything up to now.
    fn go_live(&mut self, id: ConnectionId, now_ns: i64) {
        let sequence = self.routed;
        let Some(connection) = self.get_mut(id) else { return };
        let State::Replaying { count, .. } = connection.state else { return };
        connection.state = State::Live;
        let account = connection.sender.account_id.0 as usize;
        put(&mut connection.out, &ReplayComplete { sequence, count });
        connection_put(Some(connection), now_ns);
        self.accounts[account].push(id.slot);
        self.changed.push(id.slot);
    }

    /// Tells an event to those who have subscribed to its instrument.
    fn tell(&mut self, record: &EventRecord) {
        let instrument_id = record.instrument_id;
        if self.books.get(instrument_id).is_none() {
            return;
        }
        let (sequence, event_time_ns) = (record.sequence, record.event_time_ns);
        let mut bytes = Vec::new();
        let (channel, may_skip) = match record.kind {
            event_kind::EXECUTION => {
                self.books.mark(instrument_id);
                // A trade is two reports: the taker's and the maker's, or in an auction the buyer's and the seller's.
                let first = record.liquidity == TAKER || (record.liquidity == AUCTION && record.side == BUY);
                if record.trade_id == 0 || !first {
                    return;
                }
                let trade = Trade {
                    instrument_id,
                    sequence,
                    index: record.event_index,
                    event_time_ns,
                    trade_id: record.trade_id,
                    price: record.last_price,
                    quantity: record.last_quantity,
                    aggressor_side: if record.liquidity == TAKER { record.side } else { 0 },
                };
                put(&mut bytes, &trade);
                (channels::TRADES, true)
            }
            event_kind::TRADING_STATUS_SET => {
                let status = InstrumentStatus {
                    instrument_id,
                    sequence,
                    event_time_ns,
                    status: record.trading_status,
                    reason: record.reason as u8,
                    end_time_ns: record.time_ns,
                };
                put(&mut bytes, &status);
                (channels::STATUS, false)
            }
            event_kind::AUCTION_INDICATION => {
                let indicative = AuctionIndicative {
                    instrument_id,
                    sequence,
                    event_time_ns,
                    price: record.price,
                    volume: amount_from_halves(record.amount_lo, record.amount_hi),
                    imbalance: amount_from_halves(record.total_lo, record.total_hi),
                };
                put(&mut bytes, &indicative);
                (channels::STATUS, true)
            }
            event_kind::AUCTION_ENDED => {
                let volume = amount_from_halves(record.amount_lo, record.amount_hi);
                put(&mut bytes, &AuctionResult { instrument_id, sequence, event_time_ns, price: record.price, volume });
                (channels::STATUS, false)
            }
            event_kind::LIMIT_STATE_SET => {
                put(&mut bytes, &LimitState { instrument_id, sequence, event_time_ns, side: record.side });
                (channels::STATUS, false)
            }
            event_kind::MARK_PRICE_SET => {
                put(&mut bytes, &MarkPrice { instrument_id, sequence, event_time_ns, price: record.price });
                (channels::STATUS, true)
            }
            _ => return,
        };
        let slots = self.books.get(instrument_id).map_or(Vec::new(), |watched| watched.slots.clone());
        let room = self.config.output_bytes_max / 4;
        for slot in slots {
            let Some(connection) = self.connections[slot].as_deref_mut() else { continue };
            let id = ConnectionId { slot, generation: connection.generation };
            let slow = connection.backlog() > room || connection.behind;
            let held = connection.subscriptions.iter_mut().find(|held| held.instrument_id == instrument_id);
            let Some(held) = held.filter(|held| held.channels & channel != 0) else { continue };
            if slow && may_skip {
                if channel == channels::TRADES {
                    held.skipped += 1;
                    held.skipped_sequence = sequence;
                }
                self.fall_behind(id);
            } else {
                connection.out.extend_from_slice(&bytes);
                if self.changed.last() != Some(&slot) {
                    self.changed.push(slot);
                }
            }
        }
    }

    /// A session misses market data; it is told what is when there is room.
    fn fall_behind(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id) {
            if !std::mem::replace(&mut connection.behind, true) {
                self.behind.push(id);
            }
        }
    }

    /// Tells a book that was read anew.
    fn tell_book(&mut self, instrument_id: u32) {
        let room = self.config.output_bytes_max / 4;
        let Some(watched) = self.books.get(instrument_id) else { return };
        let slots = watched.slots.clone();
        let mut late = Vec::new();
        let Some(watched) = self.books.get(instrument_id) else { return };
        for slot in slots {
            let Some(connection) = self.connections[slot].as_deref_mut() else { continue };
            let slow = connection.backlog() > room || connection.behind;
            let held = connection.subscriptions.iter_mut().find(|held| held.instrument_id == instrument_id);
            let Some(held) = held.filter(|held| held.depth != 0) else { continue };
            let Some(feed) = watched.feeds.iter().find(|feed| feed.depth == held.depth) else { continue };
            if feed.sequence == 0 || held.book_sequence == feed.sequence {
                continue;
            }
            if !slow && held.book_sequence != 0 && held.book_sequence == feed.previous {
                held.book_sequence = feed.sequence;
                connection.out.extend_from_slice(&feed.update);
                self.changed.push(slot);
            } else {
                held.book_sequence = 0;
                late.push(ConnectionId { slot, generation: connection.generation });
            }
        }
        for id in late {
            self.fall_behind(id);
        }
    }

    /// Tells those who missed market data what is now, if they have room.
    fn catch_up(&mut self) {
        let room = self.config.output_bytes_max / 4;
        let mut behind = std::mem::take(&mut self.behind);
        behind.retain(|&id| {
            let Some(connection) = self.connections[id.slot].as_deref_mut() else { return false };
            if connection.generation != id.generation || !connection.is_session() {
                return false;
            }
            // It is behind until what it has not taken is little, so that it does not fall behind again at once.
            if connection.backlog() > room / 4 {
                return true;
            }
            let mut waits = false;
            for held in &mut connection.subscriptions {
                let instrument_id = held.instrument_id;
                if held.skipped > 0 {
                    let (sequence, count) = (held.skipped_sequence, std::mem::take(&mut held.skipped));
                    put(&mut connection.out, &TradesSkipped { instrument_id, sequence, count });
                }
                if held.depth == 0 || held.book_sequence != 0 {
                    continue;
                }
                let feeds = self.books.get(instrument_id).map_or(&[][..], |watched| &watched.feeds);
                let feed = feeds.iter().find(|feed| feed.depth == held.depth && feed.sequence != 0);
                match feed {
                    Some(feed) if connection.out.len() - connection.sent <= room => {
                        feed.put_snapshot(&mut connection.out, instrument_id);
                        held.book_sequence = feed.sequence;
                    }
                    Some(_) => waits = true,
                    None => {} // It is told when it has been read.
                }
            }
            connection.behind = waits;
            self.changed.push(id.slot);
            waits
        });
        self.behind.append(&mut behind);
    }
}

/// The templates of requests.
const REQUESTS_FROM: u16 = sbe::NewOrder::TEMPLATE_ID;
/// Behind them.
const REQUESTS_TO: u16 = 50;
// As in a record.
const TAKER: u8 = Liquidity::Taker as u8;
const AUCTION: u8 = Liquidity::Auction as u8;
const BUY: u8 = Side::Buy as u8;

/// The block length of a request.
#[inline]
fn request_size(template_id: u16) -> Option<usize> {
    Some(match template_id {
        sbe::NewOrder::TEMPLATE_ID => sbe::NewOrder::SIZE,
        sbe::CancelOrder::TEMPLATE_ID => sbe::CancelOrder::SIZE,
        sbe::ReplaceOrder::TEMPLATE_ID => sbe::ReplaceOrder::SIZE,
        sbe::CancelReplace::TEMPLATE_ID => sbe::CancelReplace::SIZE,
        sbe::MassCancel::TEMPLATE_ID => sbe::MassCancel::SIZE,
        sbe::NewOrderList::TEMPLATE_ID => sbe::NewOrderList::SIZE,
        sbe::CancelAllAfter::TEMPLATE_ID => sbe::CancelAllAfter::SIZE,
        sbe::Subscribe::TEMPLATE_ID => sbe::Subscribe::SIZE,
        sbe::Unsubscribe::TEMPLATE_ID => sbe::Unsubscribe::SIZE,
        sbe::InstrumentsRequest::TEMPLATE_ID => sbe::InstrumentsRequest::SIZE,
        sbe::OpenOrdersRequest::TEMPLATE_ID => sbe::OpenOrdersRequest::SIZE,
        sbe::BalancesRequest::TEMPLATE_ID => sbe::BalancesRequest::SIZE,
        _ => return None,
    })
}

fn invalid_message(frame: &Frame<'_>) -> End {
    End { template_id: frame.template_id, ..SessionReason::InvalidMessage.into() }
}

fn unexpected(frame: &Frame<'_>) -> End {
    End { template_id: frame.template_id, ..SessionReason::UnexpectedMessage.into() }
}

/// The message, which must be exactly as long as it is.
#[inline]
fn exactly<M: Message>(frame: &Frame<'_>) -> Result<M, End> {
    M::from_bytes(frame.fields).ok_or_else(|| invalid_message(frame))
}

/// The client's id in a request, if it has one that is a text.
fn client_order_id(frame: &Frame<'_>) -> [u8; 36] {
    let ends_with_it = matches!(
        frame.template_id,
        sbe::NewOrder::TEMPLATE_ID
            | sbe::CancelOrder::TEMPLATE_ID
            | sbe::ReplaceOrder::TEMPLATE_ID
            | sbe::CancelReplace::TEMPLATE_ID
    );
    let text = ends_with_it.then(|| frame.fields.last_chunk::<36>()).flatten();
    let text = text.filter(|text| ClientOrderId::from_padded(text).is_some());
    text.copied().unwrap_or([0; 36])
}

/// Something was put for a client.
fn connection_put(connection: Option<&mut Connection>, now_ns: i64) {
    if let Some(connection) = connection {
        connection.put_seen = connection.put_total();
        connection.last_put_ns = now_ns;
    }
}

fn verifies(public_key: &[u8; 32], signed: &[u8], signature: &[u8; 64]) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    let key = ed25519_dalek::VerifyingKey::from_bytes(public_key);
    key.is_ok_and(|key| key.verify_strict(signed, &signature).is_ok())
}
