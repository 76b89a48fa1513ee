//! Replays a recorded day from the command line:
//! `cargo run --release -p beurs-replay --example replay -- lobster MESSAGES.csv ORDERBOOK.csv`, or
//! `... -- stream STREAM.csv.gz ORDERBOOK.csv [--group]`.

use beurs_replay::{lobster, stream};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut progress = |done: u64, total: u64| eprint!("\r{done} of {total}");
    let report = match words[..] {
        ["lobster", messages, orderbook] => lobster::replay(Path::new(messages), Path::new(orderbook), &mut progress)
            .map(|report| format!("{report:#?}")),
        ["stream", stream, orderbook] => stream::replay(Path::new(stream), Path::new(orderbook), false, &mut progress)
            .map(|report| format!("{report:#?}")),
        ["stream", stream, orderbook, "--group"] => {
            stream::replay(Path::new(stream), Path::new(orderbook), true, &mut progress)
                .map(|report| format!("{report:#?}"))
        }
        _ => {
            eprintln!("usage: replay lobster MESSAGES ORDERBOOK | replay stream STREAM ORDERBOOK [--group]");
            return ExitCode::from(2);
        }
    };
    match report {
        Ok(report) => {
            println!("\r{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\r{error}");
            ExitCode::FAILURE
        }
    }
}
