//! Small days by hand: messages in, the whole report out.

mod support;

use beurs_replay::lobster::{self, LobsterReport};
use beurs_replay::stream::{self, StreamReport};
use beurs_replay::{Difference, Level, Levels, ReplayError};
use support::Files;

fn replay(lines: &[(&str, &str)]) -> LobsterReport {
    let files = Files::new();
    let text = |column: fn(&(&str, &str)) -> String| lines.iter().map(column).collect::<Vec<_>>().join("\n");
    let messages = files.write("m.csv", text(|line| line.0.to_owned()));
    let orderbook = files.write("o.csv", text(|line| line.1.to_owned()));
    let mut report = lobster::replay(&messages, &orderbook, &mut |_, _| {}).expect("a well-formed day");
    assert!(report.total_seconds >= report.engine_seconds);
    (report.engine_seconds, report.total_seconds) = (0.0, 0.0);
    report
}

fn sound(report: &LobsterReport) -> bool {
    report.identical == report.rows && report.unresolved + report.refused + report.crossed + report.repeated_ids == 0
}

#[test]
fn hidden_executions_auctions_and_halts_change_nothing_and_sides_may_be_empty() {
    let report = replay(&[
        ("34200.000,1,100,10,1000,1", "9999999999,0,1000,10,9999999999,0,-9999999999,0"),
        ("34200.1,1,101,5,1100,-1", "1100,5,1000,10,9999999999,0,-9999999999,0"),
        ("34200.2,5,0,3,1050,1", "1100,5,1000,10,9999999999,0,-9999999999,0"),
        ("34200.3,6,-1,3,1050,-1", "1100,5,1000,10,9999999999,0,-9999999999,0"),
        ("36023,7,0,0,-1,-1", "1100,5,1000,10,9999999999,0,-9999999999,0"),
        ("36323,7,0,0,0,-1", "1100,5,1000,10,9999999999,0,-9999999999,0"),
        ("36723,7,0,0,1,-1", "1100,5,1000,10,9999999999,0,-9999999999,0"),
        ("36724.5,4,101,5,1100,-1", "9999999999,0,1000,10,9999999999,0,-9999999999,0"),
        ("36725.5,2,100,4,1000,1", "9999999999,0,1000,6,9999999999,0,-9999999999,0"),
        ("36726.5,4,100,2,1000,1", "9999999999,0,1000,4,9999999999,0,-9999999999,0"),
        ("36727.5,2,100,1,1000,1", "9999999999,0,1000,3,9999999999,0,-9999999999,0"),
        ("36728.5,3,100,3,1000,1", "9999999999,0,-9999999999,0,9999999999,0,-9999999999,0"),
    ]);
    let expected = LobsterReport {
        levels: 2,
        rows: 11,
        identical: 11,
        new_orders: 1,
        reductions: 2,
        deletions: 1,
        executions: 2,
        hit: 2,
        hidden: 1,
        auctions: 1,
        halts: 3,
        commands: 7,
        ..LobsterReport::default()
    };
    assert_eq!(report, expected);
}

#[test]
fn hindsight_seeds_the_first_row_in_the_order_of_ids_with_the_rest_behind() {
    // 30 rest at 1000: 12 of order 50, 8 of order 40, and 10 that nobody will name. 40 is the older one. Order 30 rests
    // out of sight and comes into view by itself. The anonymous 10 are the youngest: they do not stand in the way.
    let report = replay(&[
        ("1.0,1,90,7,1100,-1", "1100,7,1000,30"),
        ("1.1,4,40,3,1000,1", "1100,7,1000,27"),
        ("1.2,4,40,5,1000,1", "1100,7,1000,22"),
        ("1.3,4,50,12,1000,1", "1100,7,1000,10"),
        ("1.4,3,60,10,1000,1", "1100,7,990,9"),
        ("1.5,4,30,9,990,1", "1100,7,-9999999999,0"),
    ]);
    assert!(sound(&report), "{report:#?}");
    assert_eq!((report.hit, report.levels_corrected), (4, 0));
}

#[test]
fn ids_nobody_can_place_are_taken_from_the_anonymous_lot() {
    // 40 and 41 together are the 10 that row 0 shows.
    let report = replay(&[
        ("1.0,5,0,7,1100,-1", "1100,7,1000,10"),
        ("1.1,4,40,6,1000,1", "1100,7,1000,4"),
        ("1.2,4,41,1,1000,1", "1100,7,1000,3"),
        ("1.3,3,41,3,1000,1", "1100,7,-9999999999,0"),
    ]);
    assert_eq!((report.identical, report.hit, report.anonymous), (3, 2, 0), "both are known");

    let report = replay(&[
        ("1.0,5,0,7,1100,-1", "1100,7,1000,10"),
        ("1.1,4,40,6,1000,1", "1100,7,1000,4"),
        ("1.2,4,41,1,1000,1", "1100,7,1000,3"),
        ("1.3,1,42,3,1000,1", "1100,7,1000,6"),
        ("1.4,3,41,3,1000,1", "1100,7,1000,3"),
        ("1.5,4,41,3,1000,1", "1100,7,-9999999999,0"),
    ]);
    // 41 is too large for the seed (7 > 4), so its first execution is anonymous, and so is the deletion; the last
    // execution finds order 42 in its place.
    assert_eq!((report.hit, report.anonymous, report.disagree), (1, 2, 0));
    assert_eq!((report.identical, report.unresolved), (4, 1));
}

#[test]
fn orders_of_the_opening_batch_are_queued_by_id() {
    let report = replay(&[
        ("1.0,1,100,1,1100,-1", "1100,1,-9999999999,0"),
        ("1.1,1,110,4,1000,1", "1100,1,1000,4"),
        ("1.2,1,17,2,1000,1", "1100,1,1000,6"),
        ("1.2,1,12,1,1000,1", "1100,1,1000,7"),
        ("1.3,1,120,9,1000,1", "1100,1,1000,16"),
        ("1.4,4,12,1,1000,1", "1100,1,1000,15"),
        ("1.4,4,17,2,1000,1", "1100,1,1000,13"),
        ("1.4,4,110,4,1000,1", "1100,1,1000,9"),
        ("1.4,4,120,9,1000,1", "1100,1,-9999999999,0"),
    ]);
    assert!(sound(&report), "{report:#?}");
    assert_eq!(report.hit, 4);
}

#[test]
fn an_order_entered_out_of_sight_is_queued_where_its_id_says() {
    // 105 rests at 990, which is out of sight, between 104 and 106, which were entered while it was in sight.
    let report = replay(&[
        ("1.0,1,103,1,1100,-1", "1100,1,-9999999999,0"),
        ("1.1,1,104,2,990,1", "1100,1,990,2"),
        ("1.2,1,105,5,1000,1", "1100,1,1000,5"),
        ("1.3,1,107,5,1100,-1", "1100,6,1000,5"),
        ("1.4,3,105,5,1000,1", "1100,6,990,5"),
        ("1.5,1,108,4,990,1", "1100,6,990,9"),
        ("1.6,4,104,2,990,1", "1100,6,990,7"),
        ("1.6,4,106,3,990,1", "1100,6,990,4"),
        ("1.6,4,108,4,990,1", "1100,6,-9999999999,0"),
    ]);
    assert!(sound(&report), "{report:#?}");
    assert_eq!((report.hit, report.hindsight_orders, report.levels_corrected), (3, 1, 0));
}

#[test]
fn what_comes_into_view_is_corrected_and_nothing_else() {
    let report = replay(&[
        ("1.0,1,100,1,1100,-1", "1100,1,-9999999999,0"),
        ("1.1,1,101,2,980,1", "1100,1,980,2"),
        ("1.2,1,102,5,1000,1", "1100,1,1000,5"),
        // While 980 is out of sight, 101 is deleted, and somebody enters 7 at 970.
        ("1.3,3,102,5,1000,1", "1100,1,970,7"),
        ("1.4,1,103,2,980,1", "1100,1,980,2"),
    ]);
    assert!(sound(&report), "{report:#?}");
    assert_eq!((report.rows_corrected, report.levels_corrected), (1, 2));
    assert_eq!((report.lots_revealed, report.orders_dropped), (1, 1));

    let report = replay(&[
        ("1.0,1,100,1,1100,-1", "1100,1,-9999999999,0,9999999999,0,-9999999999,0"),
        ("1.1,1,101,2,980,1", "1100,1,980,2,9999999999,0,-9999999999,0"),
        ("1.2,1,102,5,1000,1", "1100,1,1000,5,9999999999,0,970,2"),
        ("1.3,3,102,5,1000,1", "1100,1,970,2,9999999999,0,-9999999999,0"),
    ]);
    // The side showed fewer levels than it has places: nothing was out of sight, 970 is wrong, and so is what is missing.
    let level = |price, quantity| Level { price, quantity };
    let difference = Difference {
        row: 2,
        expected: Levels { bids: vec![level(1000, 5), level(970, 2)], asks: vec![level(1100, 1)] },
        got: Levels { bids: vec![level(1000, 5), level(980, 2)], asks: vec![level(1100, 1)] },
    };
    assert_eq!(difference.to_string(), "line 3, bid level 2: expected 2 at 970, got 2 at 980");
    assert_eq!(report.first_difference, Some(difference));
    // The book was set to the wrong row, so that row 3 is not counted again.
    assert_eq!((report.rows, report.identical, report.rows_corrected), (3, 2, 0));
}

#[test]
fn an_execution_of_a_younger_order_disagrees_and_the_rows_stay_identical() {
    let report = replay(&[
        ("1.0,1,100,1,1100,-1", "1100,1,-9999999999,0"),
        ("1.1,1,101,2,1000,1", "1100,1,1000,2"),
        ("1.2,1,102,3,1000,1", "1100,1,1000,5"),
        ("1.3,4,102,3,1000,1", "1100,1,1000,2"),
        ("1.4,4,101,2,1000,1", "1100,1,-9999999999,0"),
    ]);
    assert!(sound(&report), "{report:#?}");
    assert_eq!((report.hit, report.anonymous, report.disagree), (1, 0, 1));
}

#[test]
fn impossible_days_are_counted_and_do_not_stop_the_replay() {
    let report = replay(&[
        ("1.0,1,100,1,1100,-1", "1100,1,-9999999999,0"),
        // Crosses the book.
        ("1.1,1,101,3,1200,1", "1100,1,1200,3"),
        // The same id again.
        ("1.2,1,101,3,900,1", "9999999999,0,900,3"),
        // An execution of more than there is, a reduction to nothing, and an order that is not there.
        ("1.3,4,101,8,900,1", "9999999999,0,-9999999999,0"),
        ("1.4,2,101,8,900,1", "9999999999,0,-9999999999,0"),
        // Too much money for the engine: 2^53 - 1 shares at as many dollars.
        ("1.5,1,102,9007199254740991,9007199254740991,-1", "9007199254740991,9007199254740991,-9999999999,0"),
        ("1.4,1,103,5,900,1", "9999999999,0,900,5"),
    ]);
    assert_eq!((report.rows, report.crossed, report.repeated_ids, report.disagree), (6, 1, 1, 1));
    assert_eq!(report.unresolved, 1);
    assert!(report.refused >= 1);
    assert!(report.identical >= 3, "{report:#?}");
}

fn stream(lines: &[&str], rows: &[&str], grouped: bool) -> Result<StreamReport, ReplayError> {
    let files = Files::new();
    let (stream, orderbook) = (files.write("s.csv", lines.join("\n")), files.write("o.csv", rows.join("\n")));
    let mut report = stream::replay(&stream, &orderbook, grouped, &mut |_, _| {})?;
    (report.engine_seconds, report.total_seconds) = (0.0, 0.0);
    Ok(report)
}

const STREAM: [&str; 12] = [
    "A,7,-1,1000,10,seed,",
    "A,-1,-1,1000,5,seed,",
    "A,8,-1,1010,10,msg,1.0",
    "C,0,0,0,0,,1.0",
    "R,7,0,0,4,msg,1.5",
    "C,1,0,0,0,,1.5",
    "E,7,1,1000,6,msg,2.0",
    "E,-1,1,1000,5,msg,2.0",
    "C,3,0,0,0,,2.0",
    "E,8,1,1010,10,msg,2.0",
    "A,9,1,1010,3,msg,2.0",
    "C,5,0,0,0,,2.0",
];
const STREAM_ROWS: [&str; 6] =
    ["1000,15,0,0", "1000,11,0,0", "1000,5,0,0", "1010,10,0,0", "9999999999,0,0,0", "0,0,1010,3"];

#[test]
fn a_stream_is_replayed_one_by_one() {
    let expected = StreamReport {
        levels: 1,
        rows: 4,
        adds: 4,
        reduces: 1,
        executions: 3,
        incoming_orders: 3,
        commands: 8,
        ..StreamReport::default()
    };
    assert_eq!(stream(&STREAM, &STREAM_ROWS, false).expect("a well-formed stream"), expected);
}

#[test]
fn grouped_executions_become_one_incoming_order_that_posts_its_rest() {
    let expected = StreamReport {
        grouped: true,
        levels: 1,
        rows: 3,
        rows_inside_groups: 1,
        adds: 3,
        reduces: 1,
        executions: 3,
        incoming_orders: 1,
        several_fills: 1,
        several_prices: 1,
        posting_a_rest: 1,
        commands: 5,
        ..StreamReport::default()
    };
    assert_eq!(stream(&STREAM, &STREAM_ROWS, true).expect("a well-formed stream"), expected);
}

#[test]
fn what_ends_a_group() {
    for (name, line) in [
        ("another time", "E,8,1,1010,10,msg,2.1"),
        ("another operation", "X,8,0,0,0,ghost,2.0"),
        ("another side", "E,8,-1,1010,10,msg,2.0"),
        ("a better price", "E,8,1,990,10,msg,2.0"),
        ("an order made up", "A,9,1,1000,10,reveal,2.0"),
        ("an order that does not cross", "A,9,1,990,10,msg,2.0"),
        ("an order of the other side", "A,9,-1,1000,10,msg,2.0"),
    ] {
        let lines = [&STREAM[..8], &["C,3,0,0,0,,2.0", line, "C,4,0,0,0,,2.0"][..]].concat();
        let report = stream(&lines, &STREAM_ROWS, true).expect("a well-formed stream");
        assert_eq!((report.several_fills, report.several_prices, report.posting_a_rest), (1, 0, 0), "{name}");
        assert_eq!(report.rows_inside_groups, 0, "{name}");
    }
}

#[test]
fn a_stream_that_expects_something_else_is_counted() {
    // The maker with priority is 7, the stream says -1; then 7 has less than it should.
    let mut lines = STREAM;
    lines[6] = "E,-1,1,1000,5,msg,2.0";
    lines[7] = "E,7,1,1000,6,msg,2.1";
    let report = stream(&lines, &STREAM_ROWS, false).expect("a well-formed stream");
    assert_eq!((report.missed_makers, report.unexpected_fills, report.different_rows), (2, 3, 0));

    let mut rows = STREAM_ROWS;
    rows[1] = "1000,12,0,0";
    let report = stream(&STREAM, &rows, false).expect("a well-formed stream");
    assert_eq!(report.different_rows, 1);
    let difference = report.first_difference.expect("a row differs");
    assert_eq!(difference.to_string(), "line 2, ask level 1: expected 12 at 1000, got 11 at 1000");

    let lines = ["A,1,1,10,5,msg,1", "A,2,-1,10,1,msg,1", "X,3,0,0,0,msg,1", "R,2,0,0,1,msg,1", "C,0,0,0,0,,1"];
    let report = stream(&lines, &["0,0,10,4", "0,0,10,4"], true).expect("a well-formed stream");
    assert_eq!((report.unexpected_fills, report.not_open, report.different_rows, report.rows_left), (1, 2, 0, 1));
}
