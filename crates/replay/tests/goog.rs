//! The sample day of the vendor, GOOG on 2012-06-21, through the whole engine.

mod support;

use beurs_replay::lobster::{self, LobsterReport};
use beurs_replay::stream::{self, StreamReport};
use flate2::write::GzEncoder;
use flate2::Compression;
use std::io::Write;
use support::{goog, goog_stream, with_fewer_levels, Day, Files};

fn replay(day: &Day) -> LobsterReport {
    let files = Files::new();
    let (messages, orderbook) = (files.write("m.csv", &day.messages), files.write("o.csv", &day.orderbook));
    lobster::replay(&messages, &orderbook, &mut |_, _| {}).expect("the day is well-formed")
}

/// What must hold of every sound day.
fn assert_sound(report: &LobsterReport) {
    assert_eq!(report.first_difference, None);
    assert_eq!(report.identical, report.rows);
    assert_eq!(report.hit + report.anonymous + report.disagree, report.executions);
    assert_eq!(
        (report.crossed, report.refused, report.repeated_ids, report.unresolved),
        (0, 0, 0, 0),
        "new orders that trade, refused commands, repeated ids, unresolved messages"
    );
}

#[test]
fn ten_levels_are_identical_in_every_row() {
    let Some(day) = goog(10) else { return };
    let report = replay(&day);
    assert_sound(&report);
    assert_eq!((report.levels, report.rows, report.executions), (10, 147_915, 7_764));
    assert_eq!((report.new_orders, report.reductions, report.deletions), (71_258, 19, 64_961));
    assert!(report.hit >= 7_756, "{} executions hit the named order", report.hit);
}

#[test]
fn five_levels_are_identical_in_every_row() {
    let Some(day) = goog(10) else { return };
    let report = replay(&with_fewer_levels(&day, 5));
    assert_sound(&report);
    assert_eq!((report.levels, report.rows, report.executions), (5, 112_672, 7_764));
    assert!(report.hit >= 7_758, "{} executions hit the named order", report.hit);
}

#[test]
fn one_level_is_identical_in_every_row() {
    let (Some(day), Some(ten)) = (goog(1), goog(10)) else {
        return;
    };
    let report = replay(&day);
    assert_sound(&report);
    assert_eq!((report.levels, report.rows, report.executions), (1, 49_481, 7_764));
    assert!(report.hit >= 7_759, "{} executions hit the named order", report.hit);
    // This is how we know that days with fewer levels are made as the vendor makes them.
    let made = with_fewer_levels(&ten, 1);
    assert!(made.messages == day.messages && made.orderbook == day.orderbook);
}

#[test]
fn any_number_of_levels_is_identical_in_every_row() {
    let Some(day) = goog(10) else { return };
    for levels in [2, 4, 8] {
        let report = replay(&with_fewer_levels(&day, levels));
        assert_sound(&report);
        assert_eq!(report.levels, levels as u64);
        assert!(report.hit >= 7_756, "{levels} levels: {} executions hit the named order", report.hit);
    }
}

/// Every `step`th line of a file, changed.
fn change_lines(text: &str, step: usize, count: usize, change: impl Fn(&str) -> String) -> String {
    let mut changed = String::with_capacity(text.len() + count);
    for (index, line) in text.lines().enumerate() {
        if index > 0 && index % step == 0 && index / step <= count {
            changed += &change(line);
        } else {
            changed += line;
        }
        changed.push('\n');
    }
    changed
}

#[test]
fn a_thousand_wrong_sizes_are_seen() {
    let Some(day) = goog(10) else { return };
    type Change = fn(i64) -> i64;
    let changes: [(&str, Change); 2] = [("one share more", |size| size + 1), ("half", |size| (size + 1) / 2)];
    for (name, change) in changes {
        let orderbook = change_lines(&day.orderbook, 147, 1_000, |row| {
            let mut fields: Vec<String> = row.split(',').map(str::to_owned).collect();
            fields[1] = change(fields[1].parse().expect("a size")).to_string();
            fields.join(",")
        });
        let changed =
            day.orderbook.lines().zip(orderbook.lines()).filter(|(right, wrong)| right != wrong).count() as u64;
        let report = replay(&Day { messages: day.messages.clone(), orderbook });
        let different = report.rows - report.identical;
        println!("{name}: {changed} rows changed, {different} rows differ, {} executions hit", report.hit);
        // Every wrong row, and most of the rows after one, because the book was set to the wrong one.
        assert!((changed * 19 / 10..=changed * 2).contains(&different), "{name}: {different} rows differ");
        assert_eq!(report.first_difference.map(|difference| difference.row), Some(147));
    }
}

#[test]
fn a_thousand_lost_deletions_are_seen() {
    let Some(day) = goog(10) else { return };
    let mut lost = Day { messages: String::new(), orderbook: String::new() };
    let (mut deletions, mut removed) = (0, 0);
    for (message, row) in day.messages.lines().zip(day.orderbook.lines()) {
        let deletion = message.split(',').nth(1) == Some("3");
        deletions += u32::from(deletion);
        if deletion && deletions % 64 == 0 && removed < 1_000 {
            removed += 1;
            continue;
        }
        for (text, line) in [(&mut lost.messages, message), (&mut lost.orderbook, row)] {
            *text += line;
            text.push('\n');
        }
    }
    assert_eq!(removed, 1_000);
    let report = replay(&lost);
    let different = report.rows - report.identical;
    println!("{different} rows differ");
    // Each is seen once, unless two are lost before the next row, or the order was the last one in sight.
    assert!((990..=1_000).contains(&different), "{different} rows differ");
}

#[test]
fn one_wrong_digit_in_the_last_level_is_seen() {
    let Some(day) = goog(10) else { return };
    for row in [0, 1, 50_000, 147_915] {
        let mut index = 0;
        let orderbook: String = day
            .orderbook
            .lines()
            .map(|line| {
                index += 1;
                if index - 1 == row {
                    format!("{line}0\n")
                } else {
                    format!("{line}\n")
                }
            })
            .collect();
        let report = replay(&Day { messages: day.messages.clone(), orderbook });
        let first = report.first_difference.map(|difference| difference.row);
        // Row 0 seeds the book: it is row 1 that shows it wrong.
        assert_eq!(first, Some(row.max(1)), "row {row}");
    }
}

#[test]
fn gzip_files_are_read_as_plain_ones() {
    let Some(day) = goog(1) else { return };
    let files = Files::new();
    let packed = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory can be written");
        encoder.finish().expect("memory can be written")
    };
    let messages = files.write("m.csv.gz", packed(&day.messages));
    let orderbook = files.write("o.csv", packed(&day.orderbook));
    let mut told = Vec::new();
    let report = lobster::replay(&messages, &orderbook, &mut |done, total| told.push((done, total)));
    assert_sound(&report.expect("the day is well-formed"));
    assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "progress rises");
    assert_eq!(told.last(), Some(&(49_482, 49_482)));
}

fn replay_stream(levels: u32, grouped: bool) -> Option<StreamReport> {
    let (stream, day) = (goog_stream(levels)?, goog(levels)?);
    let files = Files::new();
    let orderbook = files.write("o.csv", &day.orderbook);
    let report = stream::replay(&stream, &orderbook, grouped, &mut |_, _| {}).expect("the stream is well-formed");
    assert_eq!(report.first_difference, None);
    assert_eq!((report.different_rows, report.missed_makers, report.unexpected_fills), (0, 0, 0));
    assert_eq!((report.refused, report.not_open, report.repeated_ids, report.rows_left), (0, 0, 0, 0));
    assert_eq!(report.executions, 7_759);
    Some(report)
}

#[test]
fn prepared_streams_are_exact_one_by_one() {
    for (levels, rows) in [(10, 147_916), (1, 49_482)] {
        let Some(report) = replay_stream(levels, false) else {
            return;
        };
        assert_eq!((report.rows, report.rows_inside_groups, report.incoming_orders), (rows, 0, 7_759));
    }
}

#[test]
fn prepared_streams_are_exact_when_grouped() {
    let Some(ten) = replay_stream(10, true) else { return };
    assert_eq!(
        (ten.incoming_orders, ten.several_fills, ten.several_prices, ten.posting_a_rest),
        (6_002, 1_174, 209, 30)
    );
    assert_eq!(ten.rows + ten.rows_inside_groups, 147_916);
    let Some(one) = replay_stream(1, true) else { return };
    assert_eq!(one.rows + one.rows_inside_groups, 49_482);
}
