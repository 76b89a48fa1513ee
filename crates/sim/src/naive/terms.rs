//! Sections 1 and 4 of the rulebook: what an order may say, and what follows from its type, lifetime and terms alone.

use beurs_engine::command::{feature, NewOrder, Terms};
use beurs_engine::event::{Event, OrderTerms};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, InstrumentId, KeyId, ListId, OrderId, OrderType, Peg, PriceTicks, Side, TimeInForce, TriggerBy,
};

use super::{refuse, Instrument, Naive, Order, Waits, MAX_NOTIONAL, MAX_TICKS_OR_LOTS};

const MAX_PEG_OFFSET: i64 = 1_000_000;
const MAX_TRAIL_BPS: u16 = 9_999;

impl Order {
    pub(crate) fn by_quote(&self) -> bool {
        self.quote_quantity != 0
    }

    /// Of a type with a limit.
    pub(crate) fn has_limit(&self) -> bool {
        matches!(self.order_type, OrderType::Limit | OrderType::StopLimit | OrderType::TakeProfitLimit)
    }

    pub(crate) fn is_conditional(&self) -> bool {
        matches!(
            self.order_type,
            OrderType::Stop | OrderType::StopLimit | OrderType::TakeProfit | OrderType::TakeProfitLimit
        )
    }

    pub(crate) fn is_market_to_limit(&self) -> bool {
        self.order_type == OrderType::MarketToLimit
    }

    /// Has a worst price at which it trades: its limit, or the one that a market-to-limit order got.
    pub(crate) fn has_price(&self) -> bool {
        self.has_limit() || self.is_market_to_limit()
    }

    pub(crate) fn resting_lifetime(&self) -> bool {
        matches!(self.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd | TimeInForce::Day)
    }

    /// A market order that waits for an auction's price, before all others.
    pub(crate) fn is_auction_market(&self) -> bool {
        self.terms.auction_only && self.order_type == OrderType::Market
    }

    pub(crate) fn can_rest(&self) -> bool {
        (self.has_price() && self.resting_lifetime()) || self.is_auction_market()
    }

    pub(crate) fn is_pegged(&self) -> bool {
        self.terms.peg != Peg::None
    }

    pub(crate) fn is_iceberg(&self) -> bool {
        self.terms.display_quantity.0 != 0
    }

    /// What the book shows of it when it comes to rest or shows its next peak.
    pub(crate) fn peak(&self) -> i128 {
        if self.terms.hidden || self.is_auction_market() {
            0
        } else if self.is_iceberg() {
            self.leaves.min(i128::from(self.terms.display_quantity.0))
        } else {
            self.leaves
        }
    }

    /// What one visit can trade of it where it stands in the book.
    pub(crate) fn at_hand(&self) -> i128 {
        if self.terms.hidden {
            self.leaves
        } else {
            self.displayed
        }
    }

    pub(crate) fn accepts(&self, price: i128) -> bool {
        !self.has_price()
            || match self.side {
                Side::Buy => price <= self.price,
                Side::Sell => price >= self.price,
            }
    }

    pub(crate) fn has_terms_report(&self) -> bool {
        let plain_type = matches!(self.order_type, OrderType::Limit | OrderType::Market);
        self.terms != Terms::NONE || !plain_type || self.list != 0
    }

    /// The `Terms` event that follows some reports of the order, if it has anything to say.
    pub(crate) fn tell_terms(&self, events: &mut Vec<Event>) {
        if !self.has_terms_report() {
            return;
        }
        let mut terms = self.terms;
        if let Some(price) = self.trail_trigger() {
            terms.trigger_price = PriceTicks(price as i64);
        }
        events.push(Event::Terms(OrderTerms {
            order_id: OrderId(self.order_id),
            account_id: AccountId(self.account),
            instrument_id: InstrumentId(self.instrument),
            list_id: ListId(self.list),
            waits: self.waits != Waits::No,
            limit_price: PriceTicks(if self.is_pegged() { self.worst_price as i64 } else { 0 }),
            terms,
        }));
    }
}

impl Naive {
    /// The order that a command asks for, not checked yet. Its account and instrument exist.
    fn order_of(&self, c: &NewOrder) -> Order {
        let instrument = self.instrument(c.instrument_id.0);
        let charged = self.fees_for(c.account_id.0, instrument);
        Order {
            order_id: 0,
            account: c.account_id.0,
            instrument: c.instrument_id.0,
            side: c.side,
            order_type: c.order_type,
            time_in_force: c.time_in_force,
            post_only: c.post_only,
            self_trade_prevention: c.self_trade_prevention,
            key_id: c.key_id,
            asked_price: i128::from(c.price.0),
            price: i128::from(c.price.0),
            worst_price: 0,
            auction_bound: 0,
            quantity: i128::from(c.quantity.0),
            quote_quantity: c.quote_quantity.0,
            quote_left: c.quote_quantity.0,
            filled: 0,
            leaves: i128::from(c.quantity.0),
            displayed: 0,
            maker_ppm: charged.maker_ppm,
            taker_ppm: charged.taker_ppm,
            carry: 0,
            fee_cap: charged.cap,
            fees_paid: 0,
            client_order_id: c.client_order_id,
            terms: c.terms.as_deref().copied().unwrap_or(Terms::NONE),
            waits: Waits::No,
            list: 0,
            pair: false,
        }
    }

    /// The checks of a new order up to those of its market: reasons 101 to 325. Gives the order if all are passed.
    pub(crate) fn check_fields(&self, c: &NewOrder) -> Result<Order, RejectReason> {
        use RejectReason as R;
        refuse(!self.has_account(c.account_id), R::UnknownAccount)?;
        refuse(!self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
        let instrument = self.instrument(c.instrument_id.0);
        let mut order = self.order_of(c);
        self.check_status(&order)?;
        self.check_permission(order.account, order.key_id, order.instrument)?;
        refuse(self.client_order_id_used(c.account_id, &c.client_order_id), R::DuplicateClientOrderId)?;

        refuse(!valid_time_in_force(&order), R::InvalidTimeInForce)?;
        let limit_that_can_rest = order.has_limit() && order.resting_lifetime();
        refuse(order.post_only && !limit_that_can_rest, R::InvalidPostOnly)?;
        refuse(!order.has_limit() && order.price != 0, R::PriceNotAllowed)?;
        refuse(order.has_limit() && !(1..=MAX_TICKS_OR_LOTS).contains(&order.price), R::InvalidPrice)?;
        if order.by_quote() {
            let may = matches!(order.order_type, OrderType::Market | OrderType::Stop | OrderType::TakeProfit);
            let alone = order.quantity == 0 && !order.terms.auction_only;
            refuse(!may || !alone, R::QuoteQuantityNotAllowed)?;
            refuse(order.quote_quantity < 1, R::InvalidQuantity)?;
            refuse(order.quote_quantity > MAX_NOTIONAL, R::NotionalOverflow)?;
            refuse(order.quote_quantity < instrument.min_notional, R::NotionalBelowMinimum)?;
        } else {
            instrument.check_quantity(order.quantity)?;
            if order.is_market_to_limit() {
                // Its price is known before its notional is looked at; that there is none is another reason's.
                order.price = instrument.best(order.side.opposite()).unwrap_or(0);
            }
            if order.has_limit() || order.price != 0 {
                instrument.check_notional(order.price, order.quantity)?;
            }
        }
        self.check_terms(&order)?;
        refuse(order.key_id.0 > KeyId::MAX, R::InvalidKey)?;

        if order.is_pegged() {
            order.worst_price = order.price;
        }
        if order.is_conditional() {
            order.waits = self.first_wait(&order);
        }
        Ok(order)
    }

    fn check_terms(&self, order: &Order) -> Result<(), RejectReason> {
        use RejectReason as R;
        let terms = &order.terms;
        let conditional = order.is_conditional();
        let trails = terms.trail_bps > 0;
        let limit_that_can_rest = order.has_limit() && order.resting_lifetime();

        let uses = [
            (conditional, feature::CONDITIONAL),
            (terms.display_quantity.0 != 0, feature::ICEBERG),
            (terms.hidden, feature::HIDDEN),
            (terms.peg != Peg::None, feature::PEGGED),
            (order.is_market_to_limit(), feature::MARKET_TO_LIMIT),
            (terms.slide, feature::SLIDE),
            (terms.min_quantity.0 != 0, feature::MINIMUM_QUANTITY),
        ];
        let features = self.instrument(order.instrument).features;
        let lacks = uses.iter().any(|(used, bit)| *used && features & bit == 0);
        refuse(lacks, R::OrderTypeNotAllowed)?;

        let trigger_price = i128::from(terms.trigger_price.0);
        let trigger_allowed = if conditional {
            (1..=MAX_TICKS_OR_LOTS).contains(&trigger_price) || (trails && trigger_price == 0)
        } else {
            trigger_price == 0 && terms.trigger_by == TriggerBy::Last
        };
        refuse(!trigger_allowed, R::InvalidTriggerPrice)?;
        refuse(terms.trail_bps > MAX_TRAIL_BPS || (trails && !conditional), R::InvalidTrail)?;

        let display = i128::from(terms.display_quantity.0);
        let display_allowed = limit_that_can_rest
            && !terms.hidden
            && (1..=order.quantity).contains(&display)
            && display * 1_000 >= order.quantity;
        refuse(display != 0 && !display_allowed, R::InvalidDisplayQuantity)?;
        refuse(terms.hidden && (!limit_that_can_rest || order.post_only), R::InvalidHidden)?;

        let minimum = i128::from(terms.min_quantity.0);
        let minimum_allowed = order.has_limit()
            && !order.post_only
            && order.time_in_force != TimeInForce::Fok
            && (1..=order.quantity).contains(&minimum);
        refuse(minimum != 0 && !minimum_allowed, R::InvalidMinimumQuantity)?;

        let expiry_allowed = if order.time_in_force == TimeInForce::Gtd {
            terms.expire_time_ns > self.event_time_ns
        } else {
            terms.expire_time_ns == 0
        };
        refuse(!expiry_allowed, R::InvalidExpireTime)?;
        refuse(terms.slide && !order.post_only, R::InvalidSlide)?;

        let peg_allowed = match terms.peg {
            Peg::None => terms.peg_offset == 0,
            peg => {
                order.order_type == OrderType::Limit
                    && order.resting_lifetime()
                    && !order.post_only
                    && !terms.hidden
                    && display == 0
                    && minimum == 0
                    && (i64::from(peg == Peg::Market)..=MAX_PEG_OFFSET).contains(&terms.peg_offset)
            }
        };
        refuse(!peg_allowed, R::InvalidPeg)?;

        if terms.auction_only {
            let kind_allowed = match order.order_type {
                OrderType::Limit => {
                    matches!(order.time_in_force, TimeInForce::Gtc | TimeInForce::Day) && !order.post_only
                }
                OrderType::Market => order.time_in_force == TimeInForce::Gtc,
                _ => false,
            };
            let alone = *terms == Terms { auction_only: true, ..Terms::NONE };
            refuse(!kind_allowed || !alone, R::InvalidAuctionOnly)?;
        }
        Ok(())
    }
}

fn valid_time_in_force(order: &Order) -> bool {
    let lifetime = order.time_in_force;
    match order.order_type {
        OrderType::Market if order.terms.auction_only => lifetime == TimeInForce::Gtc,
        OrderType::Market | OrderType::Stop | OrderType::TakeProfit => {
            lifetime == TimeInForce::Ioc || (lifetime == TimeInForce::Fok && !order.by_quote())
        }
        OrderType::MarketToLimit => lifetime != TimeInForce::Fok,
        OrderType::Limit | OrderType::StopLimit | OrderType::TakeProfitLimit => true,
    }
}

impl Instrument {
    pub(crate) fn check_quantity(&self, quantity: i128) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!(1..=MAX_TICKS_OR_LOTS).contains(&quantity), R::InvalidQuantity)?;
        refuse(quantity < self.min_quantity, R::QuantityBelowMinimum)?;
        refuse(quantity > self.max_quantity, R::QuantityAboveMaximum)
    }

    pub(crate) fn check_notional(&self, price: i128, quantity: i128) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(self.notional_overflows(price, quantity), R::NotionalOverflow)?;
        refuse(self.notional(price, quantity) < self.min_notional, R::NotionalBelowMinimum)
    }
}
