//! One connection: where it stands, what has come and what is to be sent.

use beurs_engine::types::{AccountId, KeyId};

use super::exchange::Position;
use crate::sbe::commands::Sender;
use crate::sbe::{logon_options, SessionReason};

/// No report of the present command yet.
pub(super) const NO_REPORT: usize = usize::MAX;

/// Where a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// The challenge was sent.
    Challenged {
        /// What must be signed.
        nonce: [u8; 32],
        /// When there must have been a logon.
        deadline_ns: i64,
    },
    /// It gets what it missed.
    Replaying {
        /// It has everything up to here.
        after: Position,
        /// The past is being looked up elsewhere.
        waits: bool,
        /// How many reports it got.
        count: u64,
    },
    /// It gets what happens.
    Live,
    /// Its last message is among what is to be sent.
    Ended {
        /// When the client must have taken it.
        deadline_ns: i64,
    },
}

/// One of a session's two budgets: what is taken is paid for by time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    cost_ns: i64,
    /// When all that was taken is paid for.
    paid_ns: i64,
}

/// A budget holds as much as comes in this time.
const BUDGET_NS: i64 = 1_000_000_000;

impl Budget {
    pub(super) fn new(per_second: u32) -> Self {
        Self { cost_ns: BUDGET_NS / i64::from(per_second.max(1)), paid_ns: i64::MIN / 2 }
    }

    /// Takes one.
    ///
    /// # Errors
    /// There is none; in so many nanoseconds there is.
    #[inline]
    pub(super) fn take(&mut self, now_ns: i64) -> Result<(), u64> {
        let paid_ns = self.paid_ns.max(now_ns) + self.cost_ns;
        let over = paid_ns - now_ns - BUDGET_NS.max(self.cost_ns);
        if over > 0 {
            return Err(over as u64);
        }
        self.paid_ns = paid_ns;
        Ok(())
    }
}

/// A subscription of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    pub(super) instrument_id: u32,
    pub(super) channels: u8,
    /// 0 without a book.
    pub(super) depth: u16,
    /// The sequence of the book that the client has; 0 if it needs a snapshot.
    pub(super) book_sequence: u64,
    /// Trades that were left out and not told yet, and the sequence of the last one.
    pub(super) skipped: u64,
    pub(super) skipped_sequence: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) generation: u32,
    pub(super) state: State,
    pub(super) session_id: u64,
    pub(super) public_key: [u8; 32],
    pub(super) sender: Sender,
    pub(super) may_trade: bool,
    pub(super) options: u8,
    pub(super) interval_ns: i64,
    /// What has come and was not looked at.
    pub(super) input: Vec<u8>,
    /// It is not read: something that came must wait.
    pub(super) paused: bool,
    /// What is to be sent, the first `sent` bytes being sent already.
    pub(super) out: Vec<u8>,
    pub(super) sent: usize,
    /// How many bytes were put into `out` or taken from it before it was emptied; to see whether there was anything.
    pub(super) put_before: u64,
    pub(super) put_seen: u64,
    pub(super) last_received_ns: i64,
    pub(super) last_put_ns: i64,
    pub(super) tested: bool,
    pub(super) next_request: u64,
    pub(super) report_sequence: u64,
    /// Of the last report.
    pub(super) position: Position,
    /// Where in `out` the flags of its last report of the command that is being told are.
    pub(super) open_report: usize,
    pub(super) in_flight: u32,
    pub(super) querying: bool,
    pub(super) requests: Budget,
    pub(super) cancels: Budget,
    pub(super) subscriptions: Vec<Subscription>,
    /// Market data was left out.
    pub(super) behind: bool,
}

impl Connection {
    pub(super) fn new(generation: u32, nonce: [u8; 32], deadline_ns: i64, now_ns: i64) -> Self {
        Self {
            generation,
            state: State::Challenged { nonce, deadline_ns },
            session_id: 0,
            public_key: [0; 32],
            sender: Sender { account_id: AccountId::NONE, key_id: KeyId::NONE },
            may_trade: false,
            options: 0,
            interval_ns: i64::MAX,
            input: Vec::new(),
            paused: false,
            out: Vec::new(),
            sent: 0,
            put_before: 0,
            put_seen: 0,
            last_received_ns: now_ns,
            last_put_ns: now_ns,
            tested: false,
            next_request: 1,
            report_sequence: 0,
            position: Position::default(),
            open_report: NO_REPORT,
            in_flight: 0,
            querying: false,
            requests: Budget::new(1),
            cancels: Budget::new(1),
            subscriptions: Vec::new(),
            behind: false,
        }
    }

    /// Whether it has logged on and not ended.
    pub(super) fn is_session(&self) -> bool {
        matches!(self.state, State::Live | State::Replaying { .. })
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    pub(super) fn cancels_on_disconnect(&self) -> bool {
        self.options & logon_options::CANCEL_ON_DISCONNECT != 0
    }

    /// Bytes that the client has not taken.
    #[inline]
    pub(super) fn backlog(&self) -> usize {
        self.out.len() - self.sent
    }

    /// How many bytes were ever to be sent.
    pub(super) fn put_total(&self) -> u64 {
        self.put_before + self.out.len() as u64
    }

    /// So many bytes more were taken.
    pub(super) fn took(&mut self, bytes: usize) {
        self.sent += bytes;
        debug_assert!(self.sent <= self.out.len());
        if self.sent == self.out.len() {
            self.put_before += self.out.len() as u64;
            self.out.clear();
            self.sent = 0;
            if self.out.capacity() > KEPT_BYTES {
                self.out = Vec::new();
            }
        } else if self.sent >= KEPT_BYTES {
            self.put_before += self.sent as u64;
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }
}

/// Memory for what is to be sent is kept up to so many bytes.
const KEPT_BYTES: usize = 1 << 20;

/// Why a session ends, and what the end says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) reason: SessionReason,
    pub(super) template_id: u16,
    pub(super) expected_sequence: u64,
}

impl From<SessionReason> for End {
    fn from(reason: SessionReason) -> Self {
        Self { reason, template_id: 0, expected_sequence: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_holds_a_second_and_fills_up_steadily() {
        let mut budget = Budget::new(10);
        for _ in 0..10 {
            assert_eq!(budget.take(0), Ok(()));
        }
        assert_eq!(budget.take(0), Err(100_000_000));
        assert_eq!(budget.take(99_999_999), Err(1));
        assert_eq!(budget.take(100_000_000), Ok(()));
        assert_eq!(budget.take(100_000_000), Err(100_000_000));
        // It holds no more than a second's worth, however long nothing was taken.
        let later = 1_000_000_000_000;
        assert_eq!((0..20).filter(|_| budget.take(later).is_ok()).count(), 10);
    }

    #[test]
    fn what_was_taken_is_let_go_and_what_is_left_stays() {
        let mut connection = Connection::new(0, [0; 32], 0, 0);
        connection.out = (0..3 * KEPT_BYTES).map(|at| at as u8).collect();
        let whole = connection.out.clone();
        let mut seen = Vec::new();
        while connection.backlog() > 0 {
            let count = connection.backlog().min(300_000);
            seen.extend_from_slice(&connection.out[connection.sent..connection.sent + count]);
            connection.took(count);
            assert_eq!(connection.put_total(), whole.len() as u64);
        }
        assert_eq!(seen, whole);
        assert_eq!(connection.out.capacity(), 0);
    }
}
