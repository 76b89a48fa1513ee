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
         ## COMMAND\n\n{COMMAND_SIZE} bytes. Only the frequent commands have one; all have an encoding (below).\n\n{}\n\
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
| 1 | NewOrder | side `u8`, order_type `u8`, time_in_force `u8`, post_only `u8`, self_trade_prevention `u8`, length of client_order_id `u8`, has quote_quantity `u8`, account_id `u32`, instrument_id `u32`, price `i64`, quantity `i64`, quote_quantity `i128` if it has one, client_order_id |
| 2 | CancelOrder | length of client_order_id `u8`, 0 `u16`, account_id `u32`, order_id `u64`, client_order_id |
| 3 | ReplaceOrder | length of original_client_order_id `u8`, length of client_order_id `u8`, 0 `u8`, account_id `u32`, order_id `u64`, price `i64`, quantity `i64`, original_client_order_id, client_order_id |
| 4 | MassCancel | side `u8`, 0 `u16`, account_id `u32`, instrument_id `u32` |
| 5 | Deposit | 0 in 3 bytes, account_id `u32`, asset_id `u32`, amount `i128` |
| 6 | Withdraw | as Deposit |
| 16 | AddAsset | scale `u8`, length of code `u8`, 0 `u8`, code |
| 17 | ListInstrument | length of symbol `u8`, scale of the tick size `u8`, scale of the lot size `u8`, base `u32`, quote `u32`, mantissa of the tick size `u64`, mantissa of the lot size `u64`, min_quantity `i64`, max_quantity `i64`, min_notional `i128`, symbol |
| 18 | OpenAccount | length of code `u8`, group_id `u16`, code |
| 19 | SetAccountGroup | 0 `u8`, group_id `u16`, account_id `u32` |
| 20 | SetFees | 0 `u8`, group_id `u16`, instrument_id `u32`, maker_ppm `i32`, taker_ppm `i32` |
| 21 | SetTradingStatus | status `u8`, 0 `u16`, instrument_id `u32` |
";
