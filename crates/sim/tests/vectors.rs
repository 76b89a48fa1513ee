//! The scenario tables of `tests/scenarios` on the engine, with the naive model beside it. The format is described there.
//!
//! A scenario that says something this runner does not know is an error: a misspelt check must not pass.
//! `BEURS_SCENARIOS=rules_peg` runs only the files whose names contain that.

mod scenarios;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use scenarios::read::{known_keys, list, object, string};
use scenarios::Runner;
use serde_json::Value;

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the scenarios are in the repository")
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_scenario_comes_out_as_written() {
    let only = std::env::var("BEURS_SCENARIOS").unwrap_or_default();
    let paths: Vec<PathBuf> = files().into_iter().filter(|path| path.to_string_lossy().contains(&only)).collect();
    let (mut scenarios, mut checks, mut failures) = (0, 0, Vec::new());
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = fs::read_to_string(path).expect("a readable file");
        let file: Value = serde_json::from_str(&content).unwrap_or_else(|error| panic!("{name}: {error}"));
        let file = object(&file);
        known_keys(file, &["source", "about", "venue", "setup", "scenarios"]);
        assert!(!string(file, "source").is_empty(), "{name} names its source");
        let mut names = BTreeSet::new();
        for scenario in list(file, "scenarios").iter().map(object) {
            known_keys(scenario, &["name", "differences", "venue", "steps"]);
            assert!(names.insert(string(scenario, "name")), "{name} has {} once", string(scenario, "name"));
            scenarios += 1;
            let place = Cell::new(0);
            let run = || {
                let mut runner = Runner::new(object(scenario.get("venue").unwrap_or_else(|| &file["venue"])));
                for step in list(file, "setup").iter().chain(list(scenario, "steps")).map(object) {
                    place.set(place.get() + 1);
                    runner.step(step);
                }
                runner.restore();
                runner.checks
            };
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(made) => checks += made,
                Err(panic) => {
                    let said = panic.downcast_ref::<String>().map_or("", String::as_str);
                    failures.push(format!("{name}: {}, step {}: {said}", string(scenario, "name"), place.get()));
                }
            }
        }
    }
    println!("{} files, {scenarios} scenarios, {checks} checks", paths.len());
    assert!(failures.is_empty(), "failed:\n{}", failures.join("\n"));
    assert!(!only.is_empty() || scenarios >= 150, "the scenarios are there: {scenarios}");
}
