//! `beurs-fuzz`: gives mutated bytes to everything that reads bytes from outside, for as long as you like.
//!
//! `beurs-fuzz [--target wire|records|journal|checkpoint|door|all] [--seconds N] [--seed N] [--input FILE]`. An input that
//! breaks a rule is written to a file, which `--input` tries again, and the program ends with status 1.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use beurs_sim::fuzz::{Failure, Fuzzer, Target};

const USAGE: &str = "usage: beurs-fuzz [--target wire|records|journal|checkpoint|door|all] [--seconds N] [--seed N] \
                     [--input FILE]";

struct Options {
    targets: Vec<Target>,
    seconds: u64,
    seed: u64,
    input: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options { targets: Target::ALL.to_vec(), seconds: 60, seed: 1, input: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{name} needs a number, not {value}"));
        match name.as_str() {
            "--target" if value == "all" => options.targets = Target::ALL.to_vec(),
            "--target" => {
                options.targets = vec![Target::parse(&value).ok_or_else(|| format!("unknown target {value}"))?];
            }
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = number()?,
            "--input" => options.input = Some(value),
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    if options.input.is_some() && options.targets.len() != 1 {
        return Err("--input needs a --target".to_owned());
    }
    Ok(options)
}

fn report(target: Target, seed: u64, failure: &Failure) {
    let path = format!("fuzz-{}-{seed}-{}.bin", target.name(), failure.index);
    let kept = match std::fs::write(&path, &failure.input) {
        Ok(()) => format!("it is in {path}"),
        Err(error) => format!("{path} cannot be written: {error}"),
    };
    eprintln!("{}: seed {seed}, input {}: {}; {kept}", target.name(), failure.index, failure.message);
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut failed = false;
    for &target in &options.targets {
        let mut fuzzer = Fuzzer::new(target, options.seed);
        if let Some(path) = &options.input {
            let input = match std::fs::read(path) {
                Ok(input) => input,
                Err(error) => {
                    eprintln!("{path}: {error}");
                    return ExitCode::from(2);
                }
            };
            if let Err(failure) = fuzzer.check(&input, 0) {
                eprintln!("{}: {}", target.name(), failure.message);
                failed = true;
            }
            continue;
        }
        let end = Instant::now() + Duration::from_secs(options.seconds.div_ceil(options.targets.len() as u64));
        while Instant::now() < end {
            if let Err(failure) = fuzzer.step() {
                report(target, options.seed, &failure);
                failed = true;
                break;
            }
        }
        println!("{}: {} inputs, {} kinds of answers", target.name(), fuzzer.tried(), fuzzer.answers());
    }
    ExitCode::from(u8::from(failed))
}
