//! Commands as the requests with which a client asks for them.

use beurs_engine::command::{self, Command, Terms};
use beurs_engine::types::{AccountId, ClientOrderId, Contingency, KeyId, Side};
use beurs_node::sbe::commands::{Refused, Sender};
use beurs_node::sbe::{self, frame, order_flags};

/// What a client's request would do, as the server understands it.
type Understood = Result<Command, Refused>;

fn flags(order: &command::NewOrder, terms: &Terms) -> u8 {
    let all = [
        (order.post_only, order_flags::POST_ONLY),
        (terms.hidden, order_flags::HIDDEN),
        (terms.auction_only, order_flags::AUCTION_ONLY),
        (terms.slide, order_flags::SLIDE),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag).sum()
}

fn terms(order: &command::NewOrder) -> Terms {
    order.terms.as_deref().copied().unwrap_or(Terms::NONE)
}

/// A message with the fields of an order, and some of its own.
macro_rules! order {
    ($type:ident, $order:expr, { $($own:tt)* }) => {{
        let (order, terms) = ($order, terms($order));
        sbe::$type {
            instrument_id: order.instrument_id.0,
            side: order.side as u8,
            order_type: order.order_type as u8,
            time_in_force: order.time_in_force as u8,
            self_trade_prevention: order.self_trade_prevention as u8,
            flags: flags(order, &terms),
            trigger_by: terms.trigger_by as u8,
            peg: terms.peg as u8,
            trail_bps: terms.trail_bps,
            price: order.price.0,
            quantity: order.quantity.0,
            quote_quantity: order.quote_quantity.0,
            trigger_price: terms.trigger_price.0,
            display_quantity: terms.display_quantity.0,
            min_quantity: terms.min_quantity.0,
            expire_time_ns: terms.expire_time_ns,
            peg_offset: terms.peg_offset,
            client_order_id: name(&order.client_order_id),
            $($own)*
        }
    }};
}

/// One order of a list.
macro_rules! list_order {
    ($message:ident, $order:expr, $side:ident $type:ident $tif:ident $stp:ident $flags:ident $by:ident $trail:ident
     $price:ident $quantity:ident $trigger:ident $display:ident $min:ident $expire:ident $id:ident) => {
        if let Some(order) = $order {
            let terms = terms(order);
            $message.$side = order.side as u8;
            $message.$type = order.order_type as u8;
            $message.$tif = order.time_in_force as u8;
            $message.$stp = order.self_trade_prevention as u8;
            $message.$flags = flags(order, &terms);
            $message.$by = terms.trigger_by as u8;
            $message.$trail = terms.trail_bps;
            $message.$price = order.price.0;
            $message.$quantity = order.quantity.0;
            $message.$trigger = terms.trigger_price.0;
            $message.$display = terms.display_quantity.0;
            $message.$min = terms.min_quantity.0;
            $message.$expire = terms.expire_time_ns;
            $message.$id = name(&order.client_order_id);
        }
    };
}

fn name(name: &ClientOrderId) -> [u8; 36] {
    *name.padded()
}

/// The frame of a request, and what it asks for when it is read again; `None` for what no client can ask.
pub(super) fn request(
    command: &Command,
    account_id: AccountId,
    request_sequence: u64,
) -> Option<(Vec<u8>, Understood)> {
    let sender = Sender { account_id, key_id: KeyId::NONE };
    Some(match command {
        Command::NewOrder(new) => {
            let message = order!(NewOrder, new, { request_sequence });
            (frame(&message), message.to_command(sender))
        }
        Command::CancelOrder(cancel) => {
            let message = sbe::CancelOrder {
                request_sequence,
                order_id: cancel.order_id.0,
                client_order_id: name(&cancel.client_order_id),
            };
            (frame(&message), message.to_command(sender))
        }
        Command::ReplaceOrder(replace) => {
            let message = sbe::ReplaceOrder {
                request_sequence,
                order_id: replace.order_id.0,
                price: replace.price.0,
                quantity: replace.quantity.0,
                trigger_price: replace.trigger_price.0,
                display_quantity: replace.display_quantity.0,
                original_client_order_id: name(&replace.original_client_order_id),
                client_order_id: name(&replace.client_order_id),
            };
            (frame(&message), message.to_command(sender))
        }
        Command::CancelReplace(both) => {
            let message = order!(CancelReplace, &both.new_order, {
                request_sequence,
                order_id: both.cancel.order_id.0,
                original_client_order_id: name(&both.cancel.client_order_id),
                mode: both.mode as u8,
            });
            (frame(&message), message.to_command(sender))
        }
        Command::MassCancel(cancel) => {
            let side = cancel.side.map_or(0, |side: Side| side as u8);
            let message = sbe::MassCancel { request_sequence, instrument_id: cancel.instrument_id.0, side };
            (frame(&message), message.to_command(sender))
        }
        Command::CancelAllAfter(after) => {
            let message = sbe::CancelAllAfter { request_sequence, timeout_ns: after.timeout_ns };
            (frame(&message), Ok(message.to_command(sender)))
        }
        Command::NewOrderList(list) => {
            let mut message = sbe::NewOrderList {
                request_sequence,
                instrument_id: list.orders.first()?.instrument_id.0,
                contingency: list.contingency as u8,
                ..sbe::NewOrderList::ZERO
            };
            let third = list.orders.get(2).filter(|_| list.contingency == Contingency::Otoco);
            list_order!(message, list.orders.first(), side_1 order_type_1 time_in_force_1 self_trade_prevention_1 flags_1
                trigger_by_1 trail_bps_1 price_1 quantity_1 trigger_price_1 display_quantity_1 min_quantity_1
                expire_time_ns_1 client_order_id_1);
            list_order!(message, list.orders.get(1), side_2 order_type_2 time_in_force_2 self_trade_prevention_2 flags_2
                trigger_by_2 trail_bps_2 price_2 quantity_2 trigger_price_2 display_quantity_2 min_quantity_2
                expire_time_ns_2 client_order_id_2);
            list_order!(message, third, side_3 order_type_3 time_in_force_3 self_trade_prevention_3 flags_3
                trigger_by_3 trail_bps_3 price_3 quantity_3 trigger_price_3 display_quantity_3 min_quantity_3
                expire_time_ns_3 client_order_id_3);
            (frame(&message), message.to_command(sender))
        }
        _ => return None,
    })
}
