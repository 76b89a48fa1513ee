//! The documentation says what the code says.

use std::fmt::Write as _;
use std::path::PathBuf;

use beurs_node::wire::{
    COMMAND_DOCS, COMMAND_FIELDS, COMMAND_SIZE, EVENT_DOCS, EVENT_FIELDS, EVENT_SIZE, MAX_ENCODED_COMMAND,
};

/// Compares a page with its text. `BEURS_WRITE_DOCS=1 cargo test` writes it instead.
fn page_is(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("BEURS_WRITE_DOCS").is_some() {
        std::fs::write(&path, text).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/{name} is out of date: run `BEURS_WRITE_DOCS=1 cargo test -p beurs-node`");
}

fn table(fields: &[(&str, &str, usize)], docs: &[&str]) -> String {
    let mut table = String::from("| offset | type | field | meaning |\n|---:|---|---|---|\n");
    for ((name, numpy, offset), meaning) in fields.iter().zip(docs) {
        writeln!(table, "| {offset} | `{numpy}` | `{name}` | {} |", meaning.trim()).expect("a string takes it");
    }
    table
}

#[test]
fn the_page_of_records_is_the_field_tables() {
    let text = format!(
        "# Records\n\n\
         Commands go in and events come out as records: flat, of one size, little-endian, naturally aligned, without padding.\n\
         The type of a field is NumPy's; a text (`S36`) is printable ASCII, filled up with zero bytes. A field that a kind\n\
         does not use is 0; in a command anything else is refused. An amount is a 128-bit number in two halves:\n\
         `hi × 2^64 + lo`. This page is generated from `crates/node/src/wire.rs`.\n\n\
         ## COMMAND\n\n{COMMAND_SIZE} bytes. Only the frequent commands have one; all have an encoding (below). Orders\n\
         with terms, and replaces of a trigger price or a display quantity, do not fit it: they go one by one.\n\n{}\n\
         ## EVENT\n\n{EVENT_SIZE} bytes. `sequence` and `event_index` together name an event.\n\n{}\n{ENCODED}",
        table(COMMAND_FIELDS, COMMAND_DOCS),
        table(EVENT_FIELDS, EVENT_DOCS),
    );
    page_is("reference/records.md", &text.replace("{MAX}", &MAX_ENCODED_COMMAND.to_string()));
}

const ENCODED: &str = "\
## Encoded commands

The payload of the journal's records, and what `submit` takes: one byte that says which command it is, then its fields in
this order, without padding, at most {MAX} bytes. A text is as long as its length field says. Numbers are those of the
records; a step is a mantissa and a scale.

| kind | command | fields |
|---:|---|---|
| 1 | NewOrder | side `u8`, order_type `u8`, time_in_force `u8`, post_only `u8`, self_trade_prevention `u8`, length of client_order_id `u8`, flags `u8` (1 quote_quantity, 2 key_id, 4 terms), account_id `u32`, instrument_id `u32`, price `i64`, quantity `i64`; where flagged: quote_quantity `i128`, key_id `u16`, terms (below); client_order_id |
| 2 | CancelOrder | length of client_order_id `u8`, 0 `u16`, account_id `u32`, order_id `u64`, client_order_id |
| 3 | ReplaceOrder | length of original_client_order_id `u8`, length of client_order_id `u8`, flags `u8` (1 trigger_price, 2 display_quantity), account_id `u32`, order_id `u64`, price `i64`, quantity `i64`; where flagged: trigger_price `i64`, display_quantity `i64`; original_client_order_id, client_order_id |
| 4 | MassCancel | side `u8`, reason `u8` (0 requested, 1 disconnected), 0 `u8`, account_id `u32`, instrument_id `u32` |
| 5 | Deposit | 0 in 3 bytes, account_id `u32`, asset_id `u32`, amount `i128` |
| 6 | Withdraw | as Deposit |
| 7 | CancelReplace | mode `u8`, an encoded CancelOrder, an encoded NewOrder |
| 8 | NewOrderList | contingency `u8`, number of orders `u8` (at most 3), that many encoded NewOrders |
| 9 | CancelAllAfter | account_id `u32`, timeout_ns `i64` |
| 10 | AdvanceTime | none |
| 16 | AddAsset | scale `u8`, length of code `u8`, 0 `u8`, code |
| 17 | ListInstrument | length of symbol `u8`, scale of the tick size `u8`, scale of the lot size `u8`, base `u32`, quote `u32`, mantissa of the tick size `u64`, mantissa of the lot size `u64`, min_quantity `i64`, max_quantity `i64`, min_notional `i128`, symbol |
| 18 | OpenAccount | length of code `u8`, group_id `u16`, code |
| 19 | SetAccountGroup | 0 `u8`, group_id `u16`, account_id `u32` |
| 20 | SetFees | 0 `u8`, group_id `u16`, instrument_id `u32`, maker_ppm `i32`, taker_ppm `i32` |
| 21 | SetTradingStatus | scope (1 and instrument_id `u32`; 2 and instrument_group_id `u16`; 3 for all), status `u8`, reason `u8`, end_time_ns `i64` |
| 22 | SetMarkPrice | instrument_id `u32`, price `i64` |
| 23 | SetInstrumentGroup | instrument_id `u32`, instrument_group_id `u16` |
| 24 | SetMatching | instrument_id `u32`, algorithm `u8`, top_max `i64`, lead_percent `u8`, fifo_percent `u8`, min_allocation `i64`, leveling `u8` |
| 25 | SetLeadMarketMaker | instrument_id `u32`, account_id `u32`, share `u16` |
| 26 | SetPriceBands | instrument_id `u32`, reference `i64`, static_up_bps `u32`, static_down_bps `u32`, dynamic_bps `u32`, collar_bps `u32`, action `u8`, auction_ns `i64`, auction_random_ns `i64`, limit_state_ns `i64` |
| 27 | SetFeatures | instrument_id `u32`, features `u32`, max_triggers `u32` |
| 28 | SetSchedule | instrument_id `u32`, slot `u8`, weekdays `u8`, time_of_day_ns `i64`, random_ns `i64`, status `u8` |
| 29 | SetRandomSeed | seed `u64` |
| 30 | SetRiskLimits | scope (1 and account_id `u32`; 2 and group_id `u16`; 3, account_id `u32` and key_id `u16`), instrument_id `u32`, max_order_quantity `i64`, max_order_notional `i128`, max_open_orders `u32`, max_open_conditional_orders `u32`, max_position `i64`, max_exposure `i128`, max_order_rate `u32`, rate_window_ns `i64`, fat_finger_bps `u32`, duplicate_window_ns `i64` |
| 31 | SetAccountMode | account_id `u32`, mode `u8` |
| 32 | KillSwitch | scope (1 for all; 2 and instrument_id `u32`; 3 and group_id `u16`; 4 and account_id `u32`; 5, account_id `u32` and key_id `u16`), engaged `u8` |
| 33 | SetTradeGroup | account_id `u32`, trade_group_id `u32` |
| 34 | SetFeeTier | instrument_id `u32`, group_id `u16`, tier `u8`, min_volume `i128`, maker_ppm `i32`, taker_ppm `i32` |
| 35 | SetFeePromotion | instrument_id `u32`, group_id `u16`, from_ns `i64`, until_ns `i64`, maker_ppm `i32`, taker_ppm `i32` |
| 36 | SetFeeCap | instrument_id `u32`, group_id `u16`, max_fee `i128` |
| 37 | BustTrade | trade_id `u64`, instrument_id `u32`, buyer `u32`, seller `u32`, price `i64`, quantity `i64`, buyer_fee `i128`, seller_fee `i128` |
| 38 | AdjustTrade | trade_id `u64`, instrument_id `u32`, buyer `u32`, seller `u32`, price `i64`, quantity `i64`, new_price `i64` |
| 62 | CommandFailed | an encoded command of another kind; in the journal only |
| 63 | Administer | length of actor `u8`, actor, length of reason `u8`, reason, an encoded command of another kind, not CommandFailed |

The terms of an order are a mask `u16` of what is not the default, and behind it, in this order, what the mask says:
1 trigger_price `i64`, 2 trigger_by `u8`, 4 trail_bps `u16`, 8 display_quantity `i64`, 16 hidden (the bit is all),
32 min_quantity `i64`, 64 expire_time_ns `i64`, 128 auction_only (the bit is all), 256 slide (the bit is all), 512 peg
`u8`, 1024 peg_offset `i64`. What is flagged must not be the default: every command has one encoding only.
";
