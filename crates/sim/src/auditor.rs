//! The auditor: holds everything that the venue says against what its rulebook promises. It shares no code with the engine;
//! what it knows of commands and events is how they are written.
//!
//! Invariants that it asks for:
//! * Sequences are dense, event times never go back, every command has its events and a refused one exactly one.
//! * What has been released is in every later journal, at the same place, and gives the same events again.
//! * The journal holds nothing but what was handed to the node, in that order, and the node's own `AdvanceTime`.
//! * A `client_order_id` is applied once. An answer answers the command it is given for.
//! * filled + canceled + leaves is what was ordered; trades are within limits, best price first, oldest first.
//! * Money: every asset's balances add up to what was brought in; none is negative; fees are exact; holds are covered.
//! * What recovery restores has the digest of a replay from the first command.

mod market;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use beurs_engine::command::{Command, MassCancel};
use beurs_engine::event::{Event, Rejected};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, AssetId, CancelReason, ClientOrderId, ExecType, InstrumentId, MassCancelReason, OrderId, OrderType,
    TradingStatus,
};

pub use market::Listing;
use market::Market;

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which promise.
    pub rule: &'static str,
    /// The facts.
    pub what: String,
}

impl Finding {
    /// A broken promise and its facts.
    pub fn new(rule: &'static str, what: String) -> Self {
        Self { rule, what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// One command with its place and what it gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its place in the order of everything.
    pub sequence: u64,
    /// Its time.
    pub event_time_ns: i64,
    /// The command.
    pub command: Command,
    /// Its events.
    pub events: Vec<Event>,
}

/// What the venue itself shows at a sequence.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    /// The sequence.
    pub sequence: u64,
    /// SHA-256 of the state.
    pub digest: [u8; 32],
    /// Account, asset, total and held, of balances that are not 0.
    pub balances: Vec<(AccountId, AssetId, i128, i128)>,
    /// Order, filled, leaves and price in the book of every open order, by order_id.
    pub orders: Vec<(OrderId, i64, i64, i64)>,
}

/// See the module.
#[derive(Default)]
pub struct Auditor {
    market: Market,
    /// All that was released.
    entries: Vec<Entry>,
    /// Handed to the node, in that order, each with its token, and not answered yet.
    handed: VecDeque<(u64, Command)>,
    /// Answered, so that its sequence is known, and not released yet.
    answered: BTreeMap<u64, Command>,
    /// Promises that were looked at, for the report.
    looked_at: u64,
}

impl Auditor {
    /// Makes what the venue has published about an instrument known.
    pub fn list(&mut self, instrument_id: InstrumentId, listing: Listing) {
        self.market.list(instrument_id, listing);
    }

    /// The last sequence that was released.
    pub fn released_sequence(&self) -> u64 {
        self.entries.len() as u64
    }

    /// All that was released so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The events that were released of a sequence.
    pub fn events(&self, sequence: u64) -> Vec<Event> {
        let entry = sequence.checked_sub(1).and_then(|at| self.entries.get(at as usize));
        entry.map_or_else(Vec::new, |entry| entry.events.clone())
    }

    /// How many commands were looked at.
    pub fn commands(&self) -> u64 {
        self.looked_at
    }

    /// The node has taken a command.
    pub fn handed(&mut self, token: u64, command: &Command) {
        self.handed.push_back((token, command.clone()));
    }

    /// What has a sequence that is not released; what nobody has handed over is the node's own.
    pub fn command(&self, sequence: u64) -> Command {
        self.answered.get(&sequence).cloned().unwrap_or(Command::AdvanceTime)
    }

    /// The node has answered what it was handed with a token: with a sequence, or 0 if it has refused it itself.
    ///
    /// # Errors
    /// It is not the next one that was handed over, or the sequence has another one.
    pub fn completed(&mut self, token: u64, sequence: u64) -> Result<(), Finding> {
        let Some((_, command)) = self.handed.pop_front().filter(|(next, _)| *next == token) else {
            return Err(Finding::new("answers", format!("{token} is not the next one to be answered")));
        };
        if sequence == 0 {
            return Ok(());
        }
        if sequence <= self.released_sequence() || self.answered.insert(sequence, command.clone()).is_some() {
            return Err(Finding::new("dense sequences", format!("{sequence} was given before, now to {command:?}")));
        }
        Ok(())
    }

    /// What the node has taken is to be found in the journal after a crash, up to wherever it got.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn released(&mut self, sequence: u64, event_time_ns: i64, events: Vec<Event>) -> Result<(), Finding> {
        let command = self.command(sequence);
        self.answered.remove(&sequence);
        self.take(Entry { sequence, event_time_ns, command, events })
    }

    fn take(&mut self, entry: Entry) -> Result<(), Finding> {
        self.looked_at += 1;
        let Entry { sequence, event_time_ns, ref command, ref events } = entry;
        let last_time = self.entries.last().map_or(i64::MIN, |entry| entry.event_time_ns);
        if sequence != self.released_sequence() + 1 {
            let what = format!("{sequence} follows {}", self.released_sequence());
            return Err(Finding::new("dense sequences", what));
        }
        let with_place = |finding: Finding| Finding {
            what: format!("{}\n  at sequence {sequence}: {command:?}", finding.what),
            ..finding
        };
        if event_time_ns < last_time {
            let what = format!("{event_time_ns} follows {last_time}");
            return Err(with_place(Finding::new("event times", what)));
        }
        if let Event::Rejected(rejected) = events.first().unwrap_or(&Event::Rejected(NOTHING)) {
            self.refusal(command, rejected, events).map_err(with_place)?;
        }
        self.market.begin(sequence, event_time_ns, *command == Command::AdvanceTime).map_err(with_place)?;
        for event in events {
            self.market.event(event).map_err(with_place)?;
        }
        self.market.end().map_err(with_place)?;
        self.effect(command, events).map_err(with_place)?;
        self.entries.push(entry);
        Ok(())
    }

    /// A refused command gives one event, and some reasons can be held against what was reported before.
    fn refusal(&self, command: &Command, rejected: &Rejected, events: &[Event]) -> Result<(), Finding> {
        let fail = |rule, what: &str| Err(Finding::new(rule, format!("{what}: {rejected:?}")));
        if events.is_empty() {
            return Err(Finding::new("events", "a command without events".into()));
        }
        let allows_more = matches!(command, Command::CancelReplace(_));
        if events.len() != 1 && !allows_more {
            return fail("events", "a refused command has one event");
        }
        match (command, rejected.reason) {
            (Command::NewOrder(order), RejectReason::DuplicateClientOrderId)
                if !self.market.has_used(order.account_id, order.client_order_id) =>
            {
                fail("refusals", "the client_order_id was not used before")
            }
            (Command::CancelOrder(cancel), RejectReason::UnknownOrder) => {
                match self.market.named(cancel.account_id, cancel.order_id, cancel.client_order_id) {
                    Some((id, _)) => fail("refusals", &format!("order {id} is open")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// The events are those of this command and do what it asks.
    #[allow(clippy::collapsible_match)] // One arm for each kind of command, with its checks inside.
    fn effect(&mut self, command: &Command, events: &[Event]) -> Result<(), Finding> {
        let fail = |what: &str| Err(Finding::new("answers", format!("{what}: {:?}", events.first())));
        let rejected = match events.first() {
            Some(Event::Rejected(rejected)) => Some(rejected),
            _ => None,
        };
        let report = match events.first() {
            Some(Event::Execution(report)) => Some(report),
            _ => None,
        };
        match (command, rejected, report) {
            (Command::NewOrder(order), Some(rejected), _) => {
                if (rejected.account_id, rejected.client_order_id) != (order.account_id, order.client_order_id) {
                    return fail("the refusal is of another order");
                }
            }
            (Command::NewOrder(order), None, Some(report)) => {
                let same = report.exec_type == ExecType::New
                    && (report.account_id, report.instrument_id, report.side)
                        == (order.account_id, order.instrument_id, order.side)
                    && (report.order_type, report.time_in_force) == (order.order_type, order.time_in_force)
                    && (report.quantity, report.quote_quantity) == (order.quantity, order.quote_quantity)
                    && report.client_order_id == order.client_order_id;
                let terms = order.terms.as_deref();
                let moves = order.order_type == OrderType::MarketToLimit
                    || terms.is_some_and(|terms| terms.slide || terms.peg != beurs_engine::types::Peg::None);
                if !same || (!moves && report.price != order.price) {
                    return fail("the report is of another order");
                }
            }
            (Command::CancelOrder(cancel), Some(rejected), _) => {
                if (rejected.account_id, rejected.order_id, rejected.client_order_id)
                    != (cancel.account_id, cancel.order_id, cancel.client_order_id)
                {
                    return fail("the refusal is of another cancel");
                }
            }
            (Command::CancelOrder(cancel), None, Some(report)) => {
                let named = (cancel.order_id.0 == 0 || cancel.order_id == report.order_id)
                    && (cancel.client_order_id.is_empty() || cancel.client_order_id == report.client_order_id);
                let canceled =
                    report.exec_type == ExecType::Canceled && report.cancel_reason == CancelReason::Requested;
                if !canceled || !named || report.account_id != cancel.account_id {
                    return fail("the order that was to be canceled is not");
                }
            }
            (Command::ReplaceOrder(replace), Some(rejected), _) => {
                if (rejected.account_id, rejected.order_id) != (replace.account_id, replace.order_id) {
                    return fail("the refusal is of another replace");
                }
            }
            (Command::ReplaceOrder(replace), None, Some(report)) => {
                let named = replace.order_id.0 == 0 || replace.order_id == report.order_id;
                let done = (replace.quantity.0 == 0 || replace.quantity == report.quantity)
                    && (replace.client_order_id.is_empty() || replace.client_order_id == report.client_order_id);
                if report.exec_type != ExecType::Replaced || !named || !done || report.account_id != replace.account_id
                {
                    return fail("the order that was to be replaced is not");
                }
            }
            (Command::MassCancel(cancel), None, _) => return self.mass_cancel(cancel, events),
            (Command::Deposit(deposit), None, _) => match events {
                [Event::Posted(posted)]
                    if (posted.account_id, posted.asset_id, posted.amount)
                        == (deposit.account_id, deposit.asset_id, deposit.amount) => {}
                _ => return fail("the deposit was not posted as it was asked"),
            },
            (Command::Withdraw(withdraw), None, _) => match events {
                [Event::Posted(posted)]
                    if (posted.account_id, posted.asset_id, -posted.amount.0)
                        == (withdraw.account_id, withdraw.asset_id, withdraw.amount.0) => {}
                _ => return fail("the withdrawal was not posted as it was asked"),
            },
            (Command::CancelAllAfter(after), None, _) => match events.last() {
                Some(Event::CancelAllAfterSet(set)) if set.account_id == after.account_id => {}
                _ => return fail("the timer was not set"),
            },
            (Command::AdvanceTime, ..) => match events.last() {
                Some(Event::TimeAdvanced(_)) => {}
                _ => return fail("what was due is not said to be done"),
            },
            (Command::ListInstrument(_), None, _) if !matches!(events, [Event::InstrumentListed(_)]) => {
                return fail("the instrument was not listed");
            }
            (Command::SetPriceBands(bands), None, _) => {
                self.market.change_listing(bands.instrument_id, |listing| listing.bands = Some(bands.action));
            }
            (Command::NewOrder(_) | Command::CancelOrder(_) | Command::ReplaceOrder(_), None, None) => {
                return fail("no report of the order");
            }
            _ => {}
        }
        Ok(())
    }

    fn mass_cancel(&self, cancel: &MassCancel, events: &[Event]) -> Result<(), Finding> {
        // What the book's change leads to (an auction's indication, a limit state) comes behind it.
        let count =
            events.iter().find_map(|event| if let Event::MassCanceled(done) = event { Some(done) } else { None });
        let Some(done) = count else {
            return Err(Finding::new("answers", format!("a mass cancel says how many: {:?}", events.last())));
        };
        let reason = match cancel.reason {
            MassCancelReason::Requested => CancelReason::MassCancel,
            MassCancelReason::Disconnected => CancelReason::Disconnected,
        };
        let of_it = |event: &&Event| matches!(event, Event::Execution(report) if report.cancel_reason == reason);
        let count = events.iter().filter(of_it).count();
        if count != done.count as usize {
            return Err(Finding::new("answers", format!("{count} orders were canceled, not {}", done.count)));
        }
        let left = self.market.open_orders().find(|(_, order)| {
            order.account == cancel.account_id
                && (cancel.instrument_id.0 == 0 || order.instrument == cancel.instrument_id)
                && self.market.status(order.instrument) != Some(TradingStatus::Halted)
                && cancel.side.is_none()
        });
        match left {
            Some((id, _)) => Err(Finding::new("answers", format!("order {id} is open after a mass cancel"))),
            None => Ok(()),
        }
    }

    /// A client has received an answer to what it sent.
    ///
    /// # Errors
    /// It is the answer to something else, or not what was released.
    pub fn answered(&self, command: &Command, sequence: u64, events: &[Event]) -> Result<(), Finding> {
        let entry = sequence.checked_sub(1).and_then(|at| self.entries.get(at as usize));
        match entry {
            Some(entry) if entry.command == *command && entry.events == events => Ok(()),
            Some(entry) => {
                let what = format!("the answer to {command:?} is {sequence}, which is {:?}", entry.command);
                Err(Finding::new("answers", format!("{what}\n  answered {events:?}\n  released {:?}", entry.events)))
            }
            None => Err(Finding::new("durable first", format!("{sequence} was answered before it was released"))),
        }
    }

    /// What the venue shows agrees with what it has reported. Only when all that it has executed is released.
    ///
    /// # Errors
    /// The first difference.
    pub fn shown(&self, shown: &Shown) -> Result<(), Finding> {
        if shown.sequence != self.released_sequence() {
            let what = format!("the venue is at {}, it has released {}", shown.sequence, self.released_sequence());
            return Err(Finding::new("dense sequences", what));
        }
        self.market.compare(shown)
    }

    /// The node is up again after a crash. `journal` is what it holds, with the events of a replay from the first command,
    /// `replayed` what that replay shows in the end, `shown` what the node shows. `may_refuse`: it
    /// may have refused some of what it was handed.
    ///
    /// # Errors
    /// Something that was acknowledged is lost or changed, something was added, or the states differ.
    pub fn recovered(
        &mut self,
        journal: Vec<Entry>,
        replayed: &Shown,
        shown: &Shown,
        may_refuse: bool,
    ) -> Result<(), Finding> {
        let released = self.entries.len();
        if journal.len() < released {
            let what = format!("{released} commands were acknowledged, the journal has {}", journal.len());
            return Err(Finding::new("nothing acknowledged is lost", what));
        }
        for (before, after) in self.entries.iter().zip(&journal) {
            if before != after {
                let what = format!("\n  acknowledged {before:?}\n  recovered    {after:?}");
                return Err(Finding::new("nothing acknowledged is lost", what));
            }
        }
        for entry in journal.into_iter().skip(released) {
            // `AdvanceTime` is the node's own.
            let mut found = entry.command == Command::AdvanceTime;
            while !found {
                let next = self.handed.pop_front().map(|(_, command)| command);
                if next.as_ref() == Some(&entry.command) {
                    found = true;
                    continue;
                }
                if next.is_none() || !may_refuse {
                    let what = format!("{} is {:?}, {next:?} was handed over", entry.sequence, entry.command);
                    return Err(Finding::new("nothing is added", what));
                }
            }
            self.take(entry)?;
        }
        // What is not in the journal now never will be.
        self.handed.clear();
        self.answered.clear();
        if replayed != shown {
            let what = format!("\n  the node shows {shown:?}\n  a replay gives {replayed:?}");
            return Err(Finding::new("recovery is replay", what));
        }
        self.shown(shown)
    }

    /// Whether the account has an open order of this name.
    pub fn is_open(&self, account_id: AccountId, client_order_id: ClientOrderId) -> bool {
        self.market.named(account_id, OrderId::NONE, client_order_id).is_some()
    }

    /// Whether an order of this name was ever accepted.
    pub fn was_entered(&self, account_id: AccountId, client_order_id: ClientOrderId) -> bool {
        self.market.has_used(account_id, client_order_id)
    }

    /// How many orders are open.
    pub fn open_order_count(&self) -> usize {
        self.market.open_orders().count()
    }
}

/// Stands for the event of a command that has none.
const NOTHING: Rejected = Rejected {
    reason: RejectReason::UnknownAccount,
    account_id: AccountId::NONE,
    instrument_id: InstrumentId::NONE,
    order_id: OrderId::NONE,
    client_order_id: ClientOrderId::EMPTY,
};
