//! The messages of the binary door. Generated from docs/reference/beurs.sbe.xml by scripts/sbe.py.

use super::{code, message};

/// The number of the schema.
pub const SCHEMA_ID: u16 = 1;
/// Its version.
pub const SCHEMA_VERSION: u16 = 1;

code! {
    /// Why a request was refused before it became a command.
    RequestReason {
        /// The field is not a value of its type.
        InvalidValue = 1 => "invalid_value",
        /// The text is not printable ASCII without spaces, filled up with zero bytes.
        InvalidText = 2 => "invalid_text",
        /// The key may only read.
        NotAllowed = 3 => "not_allowed",
        /// The exchange has as many commands under way as it takes.
        Busy = 4 => "busy",
        /// The instrument does not exist.
        UnknownInstrument = 5 => "unknown_instrument",
        /// The logon did not ask for market data.
        MarketDataOff = 6 => "market_data_off",
        /// The connection has as many subscriptions as are allowed.
        TooManySubscriptions = 7 => "too_many_subscriptions",
        /// There is no such subscription.
        NotSubscribed = 8 => "not_subscribed",
        /// Another query of the connection is not answered yet.
        QueryUnderWay = 9 => "query_under_way",
        /// The journal's disk is full: only what reduces risk is taken.
        DiskFull = 10 => "disk_full",
    }
}

code! {
    /// Why a session did not begin or has ended.
    SessionReason {
        /// The client asked.
        Requested = 1 => "requested",
        /// There is no such key, or the signature is not of this key over this challenge.
        AuthenticationFailed = 2 => "authentication_failed",
        /// The schema is not this one.
        UnsupportedSchema = 3 => "unsupported_schema",
        /// The version of the schema is newer than the server knows.
        UnsupportedVersion = 4 => "unsupported_version",
        /// The framing header has a length outside the bounds, or another encoding type.
        InvalidFrame = 5 => "invalid_frame",
        /// There is no such message, or it has another block length.
        InvalidMessage = 6 => "invalid_message",
        /// The message is not one that a client may send now.
        UnexpectedMessage = 7 => "unexpected_message",
        /// The request sequence is not the next one.
        SequenceGap = 8 => "sequence_gap",
        /// No logon came in time.
        LogonTimeout = 9 => "logon_timeout",
        /// Nothing came for three heartbeat intervals.
        HeartbeatTimeout = 10 => "heartbeat_timeout",
        /// An option of the logon is outside its range.
        InvalidOption = 11 => "invalid_option",
        /// As many sessions of the account or connections of the server are open as are allowed.
        TooManySessions = 12 => "too_many_sessions",
        /// The client does not read its reports as fast as they come.
        SlowConsumer = 13 => "slow_consumer",
        /// The resume position is one that the exchange has not reached.
        ResumeAhead = 14 => "resume_ahead",
        /// The exchange no longer has the reports behind the resume position.
        ResumeLost = 15 => "resume_lost",
        /// The key is no longer valid.
        KeyRevoked = 16 => "key_revoked",
        /// The server is shutting down.
        ServerStopping = 17 => "server_stopping",
        /// The exchange has stopped; what was not answered may or may not have happened.
        ExchangeStopped = 18 => "exchange_stopped",
        /// The server did not keep up with the exchange; resume behind the position.
        ServerBehind = 19 => "server_behind",
    }
}

/// What a session asks for.
pub mod logon_options {
    /// All open orders of the account are canceled when the session ends, however it ends.
    pub const CANCEL_ON_DISCONNECT: u8 = 1;
    /// Subscriptions are allowed.
    pub const MARKET_DATA: u8 = 2;
    /// Reports behind the resume position are replayed; else the session begins with what happens after the logon.
    pub const RESUME: u8 = 4;
    /// All of them.
    pub const ALL: u8 = 7;
}

/// What a key may do.
pub mod permissions {
    /// Enter, change and cancel orders.
    pub const TRADE: u8 = 1;
    /// Receive reports and ask for orders and balances.
    pub const READ: u8 = 2;
    /// All of them.
    pub const ALL: u8 = 3;
}

/// What an order says of itself.
pub mod order_flags {
    /// Refuse rather than take.
    pub const POST_ONLY: u8 = 1;
    /// Nothing of it is shown.
    pub const HIDDEN: u8 = 2;
    /// It lives in auctions only.
    pub const AUCTION_ONLY: u8 = 4;
    /// Post-only: priced one tick from the opposite best price rather than refused.
    pub const SLIDE: u8 = 8;
    /// All of them.
    pub const ALL: u8 = 15;
}

/// What the terms of an order say.
pub mod terms_flags {
    /// Nothing of it is shown.
    pub const HIDDEN: u8 = 1;
    /// It lives in auctions only.
    pub const AUCTION_ONLY: u8 = 2;
    /// It slides.
    pub const SLIDE: u8 = 4;
    /// It waits for its trigger, or for another order of its list.
    pub const WAITS: u8 = 8;
    /// All of them.
    pub const ALL: u8 = 15;
}

/// What is to be known of a report.
pub mod report_flags {
    /// The last report of its command for this account.
    pub const LAST: u8 = 1;
    /// It comes from the replay and was, perhaps, sent before.
    pub const REPLAYED: u8 = 2;
    /// All of them.
    pub const ALL: u8 = 3;
}

/// What of an instrument is subscribed to.
pub mod channels {
    /// Price levels.
    pub const BOOK: u8 = 1;
    /// Trades.
    pub const TRADES: u8 = 2;
    /// Trading status, auctions, limit states, mark prices.
    pub const STATUS: u8 = 4;
    /// All of them.
    pub const ALL: u8 = 7;
}

/// What is to be known of a level.
pub mod update_flags {
    /// The last level of this update of the book: the book is whole again.
    pub const LAST: u8 = 1;
    /// All of them.
    pub const ALL: u8 = 1;
}

message! {
    /// From the server, first of all: what the logon has to sign.
    Challenge = 1, 46 {
        /// Random, used once.
        nonce: [u8; 32],
        /// The server's clock, nanoseconds since 1970 UTC.
        time_ns: i64,
        /// How long the server waits for the logon.
        logon_timeout_ms: u32,
        /// The longest frame that the server takes.
        frame_bytes_max: u16,
    }
}

message! {
    /// From the client: who it is and what it wants.
    Logon = 2, 113 {
        /// The Ed25519 public key.
        public_key: [u8; 32],
        /// With resume: the position of the last report that the client has.
        resume_sequence: u64,
        /// With resume: its index.
        resume_index: u32,
        /// How often something is sent by each side at least, 100 to 60000.
        heartbeat_interval_ms: u32,
        /// What is wanted.
        options: u8,
        /// Ed25519 over the context, the nonce and all fields before this one.
        signature: [u8; 64],
    }
}

message! {
    /// From the server: the session has begun.
    LogonAccepted = 3, 72 {
        /// A number for logs.
        session_id: u64,
        /// The last command of the exchange at the logon: the replay goes up to it.
        sequence: u64,
        /// The key's account.
        account_id: u32,
        /// The key's number within the account.
        key_id: u16,
        /// What the key may do.
        permissions: u8,
        /// What was granted.
        options: u8,
        /// As asked.
        heartbeat_interval_ms: u32,
        /// How many requests a second are taken, cancels left out.
        requests_per_second: u32,
        /// How many cancels a second are taken.
        cancels_per_second: u32,
        /// How many requests may be unanswered before the server stops reading.
        in_flight_max: u32,
        /// The account's code.
        account: [u8; 32],
    }
}

message! {
    /// From the server, which then closes: no session.
    LogonRejected = 4, 12 {
        /// Why.
        reason: u16,
        /// invalid_option: the id of the field of Logon; else 0.
        field_id: u16,
        /// resume_ahead, resume_lost: the last command of the exchange; else 0.
        sequence: u64,
    }
}

message! {
    /// From either side: the session ends. The server closes behind it, the client waits for that.
    Logout = 5, 24 {
        /// Why.
        reason: u16,
        /// The message that was wrong, or 0.
        template_id: u16,
        /// sequence_gap: the request sequence that was due; else 0.
        expected_sequence: u64,
        /// From the server: the position of the last report sent, to resume behind.
        resume_sequence: u64,
        /// From the server: its index.
        resume_index: u32,
    }
}

message! {
    /// From either side, when nothing else was sent for the heartbeat interval, and in answer to a TestRequest.
    Heartbeat = 6, 24 {
        /// As in the TestRequest, or 0.
        test_id: u64,
        /// The sender's clock, nanoseconds since 1970 UTC.
        time_ns: i64,
        /// From the server: every report of commands up to this one has been sent. From the client: 0.
        sequence: u64,
    }
}

message! {
    /// From either side: answer with a Heartbeat.
    TestRequest = 7, 8 {
        /// Comes back in the answer.
        test_id: u64,
    }
}

message! {
    /// Enter an order.
    NewOrder = 20, 129 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// What is traded.
        instrument_id: u32,
        /// Buy or sell.
        side: u8,
        /// How the price is given.
        order_type: u8,
        /// How long it lives.
        time_in_force: u8,
        /// What to do on meeting an own order.
        self_trade_prevention: u8,
        /// Yes-or-no terms.
        flags: u8,
        /// Conditional orders: which price triggers it; else last.
        trigger_by: u8,
        /// What its price follows.
        peg: u8,
        /// Conditional orders: how far it trails, in basis points; else 0.
        trail_bps: u16,
        /// The limit in ticks; 0 for a market order.
        price: i64,
        /// In lots; 0 for a market order given by quote_quantity.
        quantity: i64,
        /// Market orders given by what they may trade, in the quote asset's smallest unit; else 0.
        quote_quantity: i128,
        /// Conditional orders: in ticks; else 0.
        trigger_price: i64,
        /// Icebergs: how much is shown at one time, in lots; else 0.
        display_quantity: i64,
        /// How much must trade at once, in lots; else 0.
        min_quantity: i64,
        /// gtd: when it expires, nanoseconds since 1970 UTC; else 0.
        expire_time_ns: i64,
        /// How far it stays behind the price it follows, in ticks.
        peg_offset: i64,
        /// The client's id, which makes the request safe to repeat.
        client_order_id: [u8; 36],
    }
}

message! {
    /// Cancel one order, named by either id or both.
    CancelOrder = 21, 52 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// The venue's id, or 0.
        order_id: u64,
        /// The client's id, or empty.
        client_order_id: [u8; 36],
    }
}

message! {
    /// Change one order, named by either id or both.
    ReplaceOrder = 22, 120 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// The venue's id, or 0.
        order_id: u64,
        /// The new limit in ticks; 0 keeps it.
        price: i64,
        /// The new total quantity in lots, what is filled included; 0 keeps it.
        quantity: i64,
        /// The new trigger price in ticks; 0 keeps it.
        trigger_price: i64,
        /// The new display quantity in lots; 0 keeps it.
        display_quantity: i64,
        /// The client's present id, or empty.
        original_client_order_id: [u8; 36],
        /// A new id, or empty to keep it.
        client_order_id: [u8; 36],
    }
}

message! {
    /// Cancel one order and enter another, as one command.
    CancelReplace = 23, 174 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// The venue's id of the order to cancel, or 0.
        order_id: u64,
        /// The client's id of the order to cancel, or empty.
        original_client_order_id: [u8; 36],
        /// What if one half is refused.
        mode: u8,
        /// What is traded.
        instrument_id: u32,
        /// Buy or sell.
        side: u8,
        /// How the price is given.
        order_type: u8,
        /// How long it lives.
        time_in_force: u8,
        /// What to do on meeting an own order.
        self_trade_prevention: u8,
        /// Yes-or-no terms.
        flags: u8,
        /// Conditional orders: which price triggers it; else last.
        trigger_by: u8,
        /// What its price follows.
        peg: u8,
        /// Conditional orders: how far it trails, in basis points; else 0.
        trail_bps: u16,
        /// The limit in ticks; 0 for a market order.
        price: i64,
        /// In lots; 0 for a market order given by quote_quantity.
        quantity: i64,
        /// Market orders given by what they may trade, in the quote asset's smallest unit; else 0.
        quote_quantity: i128,
        /// Conditional orders: in ticks; else 0.
        trigger_price: i64,
        /// Icebergs: how much is shown at one time, in lots; else 0.
        display_quantity: i64,
        /// How much must trade at once, in lots; else 0.
        min_quantity: i64,
        /// gtd: when it expires, nanoseconds since 1970 UTC; else 0.
        expire_time_ns: i64,
        /// How far it stays behind the price it follows, in ticks.
        peg_offset: i64,
        /// The client's id, which makes the request safe to repeat.
        client_order_id: [u8; 36],
    }
}

message! {
    /// Cancel all orders of the account in a scope.
    MassCancel = 24, 13 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// On this instrument; 0 for all.
        instrument_id: u32,
        /// Of this side; none for both.
        side: u8,
    }
}

message! {
    /// Enter orders that depend on each other.
    NewOrderList = 25, 289 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// What is traded.
        instrument_id: u32,
        /// How they depend on each other; oco and oto have two orders and ignore the third, otoco three.
        contingency: u8,
        /// Buy or sell.
        side_1: u8,
        /// How the price is given.
        order_type_1: u8,
        /// How long it lives.
        time_in_force_1: u8,
        /// What to do on meeting an own order.
        self_trade_prevention_1: u8,
        /// Yes-or-no terms.
        flags_1: u8,
        /// Conditional orders: which price triggers it; else last.
        trigger_by_1: u8,
        /// Conditional orders: how far it trails, in basis points; else 0.
        trail_bps_1: u16,
        /// The limit in ticks; 0 for a market order.
        price_1: i64,
        /// In lots; 0 for a market order given by quote_quantity.
        quantity_1: i64,
        /// Conditional orders: in ticks; else 0.
        trigger_price_1: i64,
        /// Icebergs: how much is shown at one time, in lots; else 0.
        display_quantity_1: i64,
        /// How much must trade at once, in lots; else 0.
        min_quantity_1: i64,
        /// gtd: when it expires, nanoseconds since 1970 UTC; else 0.
        expire_time_ns_1: i64,
        /// The client's id, which makes the request safe to repeat.
        client_order_id_1: [u8; 36],
        /// Buy or sell.
        side_2: u8,
        /// How the price is given.
        order_type_2: u8,
        /// How long it lives.
        time_in_force_2: u8,
        /// What to do on meeting an own order.
        self_trade_prevention_2: u8,
        /// Yes-or-no terms.
        flags_2: u8,
        /// Conditional orders: which price triggers it; else last.
        trigger_by_2: u8,
        /// Conditional orders: how far it trails, in basis points; else 0.
        trail_bps_2: u16,
        /// The limit in ticks; 0 for a market order.
        price_2: i64,
        /// In lots; 0 for a market order given by quote_quantity.
        quantity_2: i64,
        /// Conditional orders: in ticks; else 0.
        trigger_price_2: i64,
        /// Icebergs: how much is shown at one time, in lots; else 0.
        display_quantity_2: i64,
        /// How much must trade at once, in lots; else 0.
        min_quantity_2: i64,
        /// gtd: when it expires, nanoseconds since 1970 UTC; else 0.
        expire_time_ns_2: i64,
        /// The client's id, which makes the request safe to repeat.
        client_order_id_2: [u8; 36],
        /// Buy or sell.
        side_3: u8,
        /// How the price is given.
        order_type_3: u8,
        /// How long it lives.
        time_in_force_3: u8,
        /// What to do on meeting an own order.
        self_trade_prevention_3: u8,
        /// Yes-or-no terms.
        flags_3: u8,
        /// Conditional orders: which price triggers it; else last.
        trigger_by_3: u8,
        /// Conditional orders: how far it trails, in basis points; else 0.
        trail_bps_3: u16,
        /// The limit in ticks; 0 for a market order.
        price_3: i64,
        /// In lots; 0 for a market order given by quote_quantity.
        quantity_3: i64,
        /// Conditional orders: in ticks; else 0.
        trigger_price_3: i64,
        /// Icebergs: how much is shown at one time, in lots; else 0.
        display_quantity_3: i64,
        /// How much must trade at once, in lots; else 0.
        min_quantity_3: i64,
        /// gtd: when it expires, nanoseconds since 1970 UTC; else 0.
        expire_time_ns_3: i64,
        /// The client's id, which makes the request safe to repeat.
        client_order_id_3: [u8; 36],
    }
}

message! {
    /// Arm, move or disarm the account's dead-man timer.
    CancelAllAfter = 26, 16 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// From now, 1 ms to 24 h; 0 disarms.
        timeout_ns: i64,
    }
}

message! {
    /// Market data of an instrument from now on.
    Subscribe = 27, 15 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// Which.
        instrument_id: u32,
        /// What of it; at least one.
        channels: u8,
        /// book: how many price levels of each side, 1 to 1000; else 0.
        depth: u16,
    }
}

message! {
    /// No more market data of an instrument.
    Unsubscribe = 28, 12 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// Which.
        instrument_id: u32,
    }
}

message! {
    /// Asks for InstrumentDefinition messages, at most 10,000 of them.
    InstrumentsRequest = 29, 16 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// Which; 0 for all.
        instrument_id: u32,
        /// Of all: only instruments with a higher id; 0 from the first on.
        after_instrument_id: u32,
    }
}

message! {
    /// Asks for the account's open orders, at most 10,000 of them.
    OpenOrdersRequest = 30, 16 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
        /// Only orders with a higher id; 0 from the first on.
        after_order_id: u64,
    }
}

message! {
    /// Asks for the account's balances.
    BalancesRequest = 31, 8 {
        /// 1 for the first request of the session, then one more each.
        request_sequence: u64,
    }
}

message! {
    /// The order is accepted.
    OrderAccepted = 60, 166 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// The venue's id.
        order_id: u64,
        /// On what.
        instrument_id: u32,
        /// The key it was entered with, or 0.
        key_id: u16,
        /// The state after this.
        status: u8,
        /// Buy or sell.
        side: u8,
        /// What it was entered as.
        order_type: u8,
        /// How long it lives.
        time_in_force: u8,
        /// Its mode.
        self_trade_prevention: u8,
        /// Why it was canceled, has expired or was reduced; else none.
        cancel_reason: u8,
        /// post_only only; OrderTerms has the others.
        flags: u8,
        /// The limit in ticks; 0 without one.
        price: i64,
        /// Total, in lots.
        quantity: i64,
        /// What has traded, in lots.
        filled_quantity: i64,
        /// What may still trade, in lots.
        leaves_quantity: i64,
        /// What the book shows, in lots.
        displayed_quantity: i64,
        /// In the quote asset's smallest unit, or 0.
        quote_quantity: i128,
        /// What is held for it: quote for a buy, base for a sell.
        hold: i128,
        /// The client's id, or empty.
        client_order_id: [u8; 36],
    }
}

message! {
    /// The command was refused by the exchange and changed nothing.
    OrderRejected = 61, 87 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// Why.
        reason: u16,
        /// As the command named it, or 0.
        instrument_id: u32,
        /// As the command named it, or 0.
        order_id: u64,
        /// As the command named it: the new order's, or that of the order to cancel or replace.
        client_order_id: [u8; 36],
    }
}

message! {
    /// A part of the order traded.
    Fill = 62, 223 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// The venue's id.
        order_id: u64,
        /// On what.
        instrument_id: u32,
        /// The key it was entered with, or 0.
        key_id: u16,
        /// The state after this.
        status: u8,
        /// Buy or sell.
        side: u8,
        /// What it was entered as.
        order_type: u8,
        /// How long it lives.
        time_in_force: u8,
        /// Its mode.
        self_trade_prevention: u8,
        /// Why it was canceled, has expired or was reduced; else none.
        cancel_reason: u8,
        /// post_only only; OrderTerms has the others.
        flags: u8,
        /// The limit in ticks; 0 without one.
        price: i64,
        /// Total, in lots.
        quantity: i64,
        /// What has traded, in lots.
        filled_quantity: i64,
        /// What may still trade, in lots.
        leaves_quantity: i64,
        /// What the book shows, in lots.
        displayed_quantity: i64,
        /// In the quote asset's smallest unit, or 0.
        quote_quantity: i128,
        /// What is held for it: quote for a buy, base for a sell.
        hold: i128,
        /// The client's id, or empty.
        client_order_id: [u8; 36],
        /// The trade's id.
        trade_id: u64,
        /// In ticks.
        last_price: i64,
        /// In lots.
        last_quantity: i64,
        /// price × quantity in the quote asset's smallest unit.
        last_notional: i128,
        /// What this side pays in the quote asset's smallest unit; negative for a rebate.
        fee: i128,
        /// Maker, taker or auction.
        liquidity: u8,
    }
}

message! {
    /// The order ended without trading its leaves.
    OrderCanceled = 63, 166 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// The venue's id.
        order_id: u64,
        /// On what.
        instrument_id: u32,
        /// The key it was entered with, or 0.
        key_id: u16,
        /// The state after this.
        status: u8,
        /// Buy or sell.
        side: u8,
        /// What it was entered as.
        order_type: u8,
        /// How long it lives.
        time_in_force: u8,
        /// Its mode.
        self_trade_prevention: u8,
        /// Why it was canceled, has expired or was reduced; else none.
        cancel_reason: u8,
        /// post_only only; OrderTerms has the others.
        flags: u8,
        /// The limit in ticks; 0 without one.
        price: i64,
        /// Total, in lots.
        quantity: i64,
        /// What has traded, in lots.
        filled_quantity: i64,
        /// What may still trade, in lots.
        leaves_quantity: i64,
        /// What the book shows, in lots.
        displayed_quantity: i64,
        /// In the quote asset's smallest unit, or 0.
        quote_quantity: i128,
        /// What is held for it: quote for a buy, base for a sell.
        hold: i128,
        /// The client's id, or empty.
        client_order_id: [u8; 36],
    }
}

message! {
    /// Its owner changed it.
    OrderReplaced = 64, 166 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// The venue's id.
        order_id: u64,
        /// On what.
        instrument_id: u32,
        /// The key it was entered with, or 0.
        key_id: u16,
        /// The state after this.
        status: u8,
        /// Buy or sell.
        side: u8,
        /// What it was entered as.
        order_type: u8,
        /// How long it lives.
        time_in_force: u8,
        /// Its mode.
        self_trade_prevention: u8,
        /// Why it was canceled, has expired or was reduced; else none.
        cancel_reason: u8,
        /// post_only only; OrderTerms has the others.
        flags: u8,
        /// The limit in ticks; 0 without one.
        price: i64,
        /// Total, in lots.
        quantity: i64,
        /// What has traded, in lots.
        filled_quantity: i64,
        /// What may still trade, in lots.
        leaves_quantity: i64,
        /// What the book shows, in lots.
        displayed_quantity: i64,
        /// In the quote asset's smallest unit, or 0.
        quote_quantity: i128,
        /// What is held for it: quote for a buy, base for a sell.
        hold: i128,
        /// The client's id, or empty.
        client_order_id: [u8; 36],
    }
}

message! {
    /// The venue changed it: self-trade prevention reduced it, or its peg priced it anew.
    OrderRestated = 65, 166 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// The venue's id.
        order_id: u64,
        /// On what.
        instrument_id: u32,
        /// The key it was entered with, or 0.
        key_id: u16,
        /// The state after this.
        status: u8,
        /// Buy or sell.
        side: u8,
        /// What it was entered as.
        order_type: u8,
        /// How long it lives.
        time_in_force: u8,
        /// Its mode.
        self_trade_prevention: u8,
        /// Why it was canceled, has expired or was reduced; else none.
        cancel_reason: u8,
        /// post_only only; OrderTerms has the others.
        flags: u8,
        /// The limit in ticks; 0 without one.
        price: i64,
        /// Total, in lots.
        quantity: i64,
        /// What has traded, in lots.
        filled_quantity: i64,
        /// What may still trade, in lots.
        leaves_quantity: i64,
        /// What the book shows, in lots.
        displayed_quantity: i64,
        /// In the quote asset's smallest unit, or 0.
        quote_quantity: i128,
        /// What is held for it: quote for a buy, base for a sell.
        hold: i128,
        /// The client's id, or empty.
        client_order_id: [u8; 36],
    }
}

message! {
    /// Its trigger price was reached, or its trailing began.
    OrderTriggered = 66, 166 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// The venue's id.
        order_id: u64,
        /// On what.
        instrument_id: u32,
        /// The key it was entered with, or 0.
        key_id: u16,
        /// The state after this.
        status: u8,
        /// Buy or sell.
        side: u8,
        /// What it was entered as.
        order_type: u8,
        /// How long it lives.
        time_in_force: u8,
        /// Its mode.
        self_trade_prevention: u8,
        /// Why it was canceled, has expired or was reduced; else none.
        cancel_reason: u8,
        /// post_only only; OrderTerms has the others.
        flags: u8,
        /// The limit in ticks; 0 without one.
        price: i64,
        /// Total, in lots.
        quantity: i64,
        /// What has traded, in lots.
        filled_quantity: i64,
        /// What may still trade, in lots.
        leaves_quantity: i64,
        /// What the book shows, in lots.
        displayed_quantity: i64,
        /// In the quote asset's smallest unit, or 0.
        quote_quantity: i128,
        /// What is held for it: quote for a buy, base for a sell.
        hold: i128,
        /// The client's id, or empty.
        client_order_id: [u8; 36],
    }
}

message! {
    /// Its time is over.
    OrderExpired = 67, 166 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// The venue's id.
        order_id: u64,
        /// On what.
        instrument_id: u32,
        /// The key it was entered with, or 0.
        key_id: u16,
        /// The state after this.
        status: u8,
        /// Buy or sell.
        side: u8,
        /// What it was entered as.
        order_type: u8,
        /// How long it lives.
        time_in_force: u8,
        /// Its mode.
        self_trade_prevention: u8,
        /// Why it was canceled, has expired or was reduced; else none.
        cancel_reason: u8,
        /// post_only only; OrderTerms has the others.
        flags: u8,
        /// The limit in ticks; 0 without one.
        price: i64,
        /// Total, in lots.
        quantity: i64,
        /// What has traded, in lots.
        filled_quantity: i64,
        /// What may still trade, in lots.
        leaves_quantity: i64,
        /// What the book shows, in lots.
        displayed_quantity: i64,
        /// In the quote asset's smallest unit, or 0.
        quote_quantity: i128,
        /// What is held for it: quote for a buy, base for a sell.
        hold: i128,
        /// The client's id, or empty.
        client_order_id: [u8; 36],
    }
}

message! {
    /// What an order says beyond its report; right behind the report it belongs to.
    OrderTerms = 68, 110 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// Which order.
        order_id: u64,
        /// Its list, or 0.
        list_id: u64,
        /// On what.
        instrument_id: u32,
        /// Yes-or-no terms.
        flags: u8,
        /// Which price triggers it.
        trigger_by: u8,
        /// What its price follows.
        peg: u8,
        /// How far it trails, in basis points.
        trail_bps: u16,
        /// In ticks, as it is now.
        trigger_price: i64,
        /// How much is shown at one time, in lots; 0 for all.
        display_quantity: i64,
        /// In lots.
        min_quantity: i64,
        /// When it expires; 0 for never.
        expire_time_ns: i64,
        /// In ticks.
        peg_offset: i64,
        /// The worst price of a pegged order, in ticks; 0 for others.
        limit_price: i64,
    }
}

message! {
    /// An order list has another state.
    OrderListStatus = 69, 51 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// The venue's id of the list.
        list_id: u64,
        /// On what.
        instrument_id: u32,
        /// How its orders depend on each other.
        contingency: u8,
        /// Its state.
        list_status: u8,
    }
}

message! {
    /// A mass cancel is done; the reports of its orders came before.
    MassCancelResult = 70, 46 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// As asked.
        instrument_id: u32,
        /// As asked.
        side: u8,
        /// How many orders were canceled.
        count: u32,
    }
}

message! {
    /// The dead-man timer was set, or has gone off.
    CancelAllAfterSet = 71, 45 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// When it cancels; 0 if it is disarmed.
        deadline_ns: i64,
    }
}

message! {
    /// Money came in or went out, or a trade was corrected.
    BalanceChanged = 72, 89 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// What money.
        asset_id: u32,
        /// By how much the balance changed.
        amount: i128,
        /// The total after it.
        total: i128,
        /// The held part after it.
        held: i128,
    }
}

message! {
    /// A trade was busted or its price adjusted.
    TradeCorrected = 73, 74 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// Which trade.
        trade_id: u64,
        /// On what.
        instrument_id: u32,
        /// The account's side of it.
        side: u8,
        /// The price it was settled at.
        price: i64,
        /// The price that holds; 0 if it was busted.
        new_price: i64,
        /// In lots.
        quantity: i64,
    }
}

message! {
    /// A kill switch for the account or one of its keys is engaged or released.
    KillSwitchSet = 74, 44 {
        /// 1 for the first report of the session, then one more each.
        report_sequence: u64,
        /// The command that caused it.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The request of this session that caused it; 0 for another cause, and in the replay.
        request_sequence: u64,
        /// Last of its command; replayed.
        report_flags: u8,
        /// For this key; 0 for the account.
        key_id: u16,
        /// 1 engaged, 0 released.
        engaged: u8,
        /// How many orders it canceled.
        count: u32,
    }
}

message! {
    /// The request was refused before it became a command; nothing happened.
    RequestRejected = 80, 50 {
        /// Which request.
        request_sequence: u64,
        /// What it was.
        template_id: u16,
        /// The rule that it broke.
        reason: u16,
        /// The id of the field that broke it, or 0.
        field_id: u16,
        /// As given, if it is a text; else empty.
        client_order_id: [u8; 36],
    }
}

message! {
    /// The request came too fast; nothing happened.
    Throttled = 81, 54 {
        /// Which request.
        request_sequence: u64,
        /// What it was.
        template_id: u16,
        /// When it would be taken, from now.
        retry_after_ns: u64,
        /// As given, if it is a text; else empty.
        client_order_id: [u8; 36],
    }
}

message! {
    /// The replay is over; what follows is live.
    ReplayComplete = 82, 16 {
        /// Every report of commands up to this one has been sent.
        sequence: u64,
        /// How many reports were replayed.
        count: u64,
    }
}

message! {
    /// An instrument.
    InstrumentDefinition = 83, 153 {
        /// The request that it answers.
        request_sequence: u64,
        /// As of this command.
        sequence: u64,
        /// Its id.
        instrument_id: u32,
        /// Its code.
        symbol: [u8; 32],
        /// What is traded.
        base_asset_id: u32,
        /// Its code.
        base: [u8; 16],
        /// How many decimals its smallest unit has.
        base_scale: u8,
        /// What pays.
        quote_asset_id: u32,
        /// Its code.
        quote: [u8; 16],
        /// How many decimals its smallest unit has.
        quote_scale: u8,
        /// The price step, quote per base: tick_size divided by 10 to the tick_scale.
        tick_size: u64,
        /// Its decimals.
        tick_scale: u8,
        /// The quantity step in base: lot_size divided by 10 to the lot_scale.
        lot_size: u64,
        /// Its decimals.
        lot_scale: u8,
        /// In lots.
        min_quantity: i64,
        /// In lots.
        max_quantity: i64,
        /// In the quote asset's smallest unit.
        min_notional: i128,
        /// What it accepts.
        status: u8,
        /// Of the last trade, in ticks; 0 before the first.
        last_price: i64,
    }
}

message! {
    /// An open order.
    OpenOrder = 84, 143 {
        /// The request that it answers.
        request_sequence: u64,
        /// As of this command.
        sequence: u64,
        /// The venue's id.
        order_id: u64,
        /// On what.
        instrument_id: u32,
        /// The key it was entered with, or 0.
        key_id: u16,
        /// Buy or sell.
        side: u8,
        /// What it was entered as.
        order_type: u8,
        /// How long it lives.
        time_in_force: u8,
        /// Its mode.
        self_trade_prevention: u8,
        /// post_only only; OrderTerms has the others.
        flags: u8,
        /// The limit in ticks; 0 without one.
        price: i64,
        /// Total, in lots.
        quantity: i64,
        /// What has traded, in lots.
        filled_quantity: i64,
        /// What may still trade, in lots.
        leaves_quantity: i64,
        /// What the book shows, in lots.
        displayed_quantity: i64,
        /// In the quote asset's smallest unit, or 0.
        quote_quantity: i128,
        /// What is held for it: quote for a buy, base for a sell.
        hold: i128,
        /// The client's id, or empty.
        client_order_id: [u8; 36],
    }
}

message! {
    /// A balance that is not empty.
    Balance = 85, 69 {
        /// The request that it answers.
        request_sequence: u64,
        /// As of this command.
        sequence: u64,
        /// Of this asset.
        asset_id: u32,
        /// Its code.
        asset: [u8; 16],
        /// How many decimals its smallest unit has.
        scale: u8,
        /// In the smallest unit.
        total: i128,
        /// Of it, held for open orders.
        held: i128,
    }
}

message! {
    /// All answers to a query were sent.
    QueryComplete = 86, 26 {
        /// Which request.
        request_sequence: u64,
        /// What it was.
        template_id: u16,
        /// As of this command.
        sequence: u64,
        /// How many answers there were.
        count: u64,
    }
}

message! {
    /// The subscription has begun.
    Subscribed = 100, 15 {
        /// Which request.
        request_sequence: u64,
        /// Of this instrument.
        instrument_id: u32,
        /// As asked.
        channels: u8,
        /// As asked.
        depth: u16,
    }
}

message! {
    /// The subscription has ended.
    Unsubscribed = 101, 12 {
        /// Which request.
        request_sequence: u64,
        /// Of this instrument.
        instrument_id: u32,
    }
}

message! {
    /// A snapshot of the book begins; what was known of it is void.
    BookBegin = 102, 20 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
        /// How many bid levels follow.
        bids: u32,
        /// How many ask levels follow them.
        asks: u32,
    }
}

message! {
    /// A level of a snapshot; best price first.
    BookLevel = 103, 41 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
        /// Bid or ask.
        side: u8,
        /// In ticks.
        price: i64,
        /// What is shown, in lots.
        quantity: i128,
        /// How many orders are shown.
        orders: u32,
    }
}

message! {
    /// The snapshot is whole.
    BookEnd = 104, 12 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
    }
}

message! {
    /// A level has changed.
    LevelUpdate = 105, 50 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
        /// The sequence of the snapshot or update before.
        previous_sequence: u64,
        /// Bid or ask.
        side: u8,
        /// Last of the update.
        update_flags: u8,
        /// In ticks.
        price: i64,
        /// What is shown now, in lots; 0 if the level is gone, or no longer within the depth.
        quantity: i128,
        /// How many orders are shown.
        orders: u32,
    }
}

message! {
    /// A trade.
    Trade = 106, 49 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
        /// Its place among the events of that command.
        index: u32,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// The trade's id.
        trade_id: u64,
        /// In ticks.
        price: i64,
        /// In lots.
        quantity: i64,
        /// Who crossed; none in an auction.
        aggressor_side: u8,
    }
}

message! {
    /// Trades were left out, because the client reads too slowly.
    TradesSkipped = 107, 20 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
        /// How many.
        count: u64,
    }
}

message! {
    /// An instrument has another trading status; also right behind Subscribed.
    InstrumentStatus = 108, 30 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// What it accepts.
        status: u8,
        /// Why; requested behind Subscribed.
        reason: u8,
        /// Auction: when it ends by itself; 0 for never and for other statuses.
        end_time_ns: i64,
    }
}

message! {
    /// What the auction would give if it ended now.
    AuctionIndicative = 109, 60 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// In ticks; 0 if nothing would trade.
        price: i64,
        /// What would trade, in lots.
        volume: i128,
        /// What would be left at that price: buys less sells, in lots.
        imbalance: i128,
    }
}

message! {
    /// The auction is over.
    AuctionResult = 110, 44 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// Of all its trades, in ticks; 0 if there were none.
        price: i64,
        /// What has traded, in lots.
        volume: i128,
    }
}

message! {
    /// The best price of a side has come to stand at a price band, or has left it.
    LimitState = 111, 21 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// Whose best price; none for neither.
        side: u8,
    }
}

message! {
    /// The venue has set the mark price.
    MarkPrice = 112, 28 {
        /// Of this instrument.
        instrument_id: u32,
        /// As of this command.
        sequence: u64,
        /// When, nanoseconds since 1970 UTC.
        event_time_ns: i64,
        /// In ticks.
        price: i64,
    }
}

/// The enums of the schema, as names and numbers.
#[rustfmt::skip]
pub const ENUMS: &[(&str, &[(&str, u16)])] = &[
    ("Side", &[("buy", 1), ("sell", 2)]),
    ("OptionalSide", &[("none", 0), ("buy", 1), ("sell", 2)]),
    ("OrderType", &[("limit", 1), ("market", 2), ("stop", 3), ("stop_limit", 4), ("take_profit", 5), ("take_profit_limit", 6), ("market_to_limit", 7)]),
    ("TimeInForce", &[("gtc", 1), ("ioc", 2), ("fok", 3), ("gtd", 4), ("day", 5)]),
    ("SelfTradePrevention", &[("none", 0), ("expire_taker", 1), ("expire_maker", 2), ("expire_both", 3), ("decrement", 4)]),
    ("TriggerBy", &[("last", 0), ("best", 1), ("mark", 2)]),
    ("Peg", &[("none", 0), ("primary", 1), ("market", 2)]),
    ("Contingency", &[("oco", 1), ("oto", 2), ("otoco", 3)]),
    ("CancelReplaceMode", &[("stop_on_failure", 1), ("allow_failure", 2)]),
    ("OrderStatus", &[("new", 1), ("partially_filled", 2), ("filled", 3), ("canceled", 4), ("expired", 5)]),
    ("CancelReason", &[("none", 0), ("requested", 1), ("mass_cancel", 2), ("immediate_or_cancel", 3), ("fill_or_kill", 4), ("no_liquidity", 5), ("self_trade", 6), ("expired", 7), ("end_of_day", 8), ("order_list", 9), ("minimum_quantity", 10), ("price_band", 11), ("auction_ended", 12), ("insufficient_funds", 13), ("disconnected", 14), ("cancel_all_after", 15), ("kill_switch", 16), ("refused", 17)]),
    ("Liquidity", &[("none", 0), ("maker", 1), ("taker", 2), ("auction", 3)]),
    ("ListStatus", &[("executing", 1), ("all_done", 2)]),
    ("TradingStatus", &[("open", 1), ("post_only", 2), ("cancel_only", 3), ("halted", 4), ("auction", 5), ("pre_open", 6), ("closed", 7)]),
    ("StatusReason", &[("requested", 1), ("schedule", 2), ("price_band", 3), ("trigger_cascade", 4), ("limit_state", 5), ("auction_end", 6), ("quarantined", 7)]),
    ("RejectReason", &[("unknown_account", 101), ("unknown_asset", 102), ("unknown_instrument", 103), ("order_reference_missing", 104), ("unknown_order", 105), ("instrument_halted", 201), ("instrument_cancel_only", 202), ("instrument_post_only", 203), ("instrument_closed", 204), ("auction_only_not_allowed", 205), ("not_in_auction", 206), ("account_cancel_only", 207), ("account_reject_only", 208), ("kill_switch_engaged", 209), ("duplicate_client_order_id", 301), ("invalid_time_in_force", 302), ("invalid_post_only", 303), ("price_not_allowed", 304), ("invalid_price", 305), ("quote_quantity_not_allowed", 306), ("invalid_quantity", 307), ("quantity_below_minimum", 308), ("quantity_above_maximum", 309), ("quantity_not_above_filled", 310), ("notional_overflow", 311), ("notional_below_minimum", 312), ("invalid_amount", 313), ("amount_overflow", 314), ("order_type_not_allowed", 315), ("invalid_trigger_price", 316), ("invalid_trail", 317), ("invalid_display_quantity", 318), ("invalid_hidden", 319), ("invalid_minimum_quantity", 320), ("invalid_expire_time", 321), ("invalid_slide", 322), ("invalid_peg", 323), ("invalid_auction_only", 324), ("invalid_key", 325), ("invalid_order_list", 326), ("invalid_timeout", 327), ("replace_not_allowed", 329), ("nested_administer", 330), ("duplicate_trade_correction", 331), ("unknown_trade", 332), ("price_outside_bands", 381), ("fat_finger", 382), ("order_quantity_limit", 383), ("order_notional_limit", 384), ("open_orders_limit", 385), ("open_conditional_orders_limit", 386), ("position_limit", 387), ("exposure_limit", 388), ("duplicate_order", 389), ("order_rate_limit", 390), ("no_reference_price", 391), ("too_many_open_orders", 401), ("post_only_would_match", 402), ("insufficient_funds", 403), ("invalid_code", 501), ("duplicate_code", 502), ("invalid_scale", 503), ("same_asset", 504), ("invalid_tick_size", 505), ("invalid_lot_size", 506), ("inexact_notional", 507), ("invalid_quantity_range", 508), ("invalid_minimum_notional", 509), ("invalid_fee", 510), ("too_many_entries", 511), ("invalid_matching", 512), ("book_not_empty", 513), ("invalid_price_bands", 514), ("invalid_features", 515), ("invalid_schedule", 516), ("invalid_risk_limits", 517), ("invalid_fee_tier", 518), ("invalid_fee_cap", 519), ("invalid_end_time", 520), ("command_failed", 601), ("disk_full", 901)]),
    ("RequestReason", &[("invalid_value", 1), ("invalid_text", 2), ("not_allowed", 3), ("busy", 4), ("unknown_instrument", 5), ("market_data_off", 6), ("too_many_subscriptions", 7), ("not_subscribed", 8), ("query_under_way", 9), ("disk_full", 10)]),
    ("SessionReason", &[("requested", 1), ("authentication_failed", 2), ("unsupported_schema", 3), ("unsupported_version", 4), ("invalid_frame", 5), ("invalid_message", 6), ("unexpected_message", 7), ("sequence_gap", 8), ("logon_timeout", 9), ("heartbeat_timeout", 10), ("invalid_option", 11), ("too_many_sessions", 12), ("slow_consumer", 13), ("resume_ahead", 14), ("resume_lost", 15), ("key_revoked", 16), ("server_stopping", 17), ("exchange_stopped", 18), ("server_behind", 19)]),
];
