//! Files that are not what they should be: every one is refused, with the file, the line and what is wrong.

mod support;

use beurs_replay::{lobster, stream, ReplayError};
use std::path::Path;
use support::Files;

const MESSAGE: &str = "34200.1,1,100,10,1000,1\n";
const ROW: &str = "9999999999,0,1000,10\n";

/// What is said about line `line` of a file, without its path.
fn complaint(error: &ReplayError) -> String {
    match error {
        ReplayError::Malformed { path, line, what } => {
            assert_eq!(error.to_string(), format!("{}, line {line}: {what}", path.display()));
            let name = path.file_name().expect("a file").to_string_lossy();
            format!("{name} {line}: {what}")
        }
        other => other.to_string(),
    }
}

fn lobster_error(messages: &str, orderbook: &str) -> String {
    let files = Files::new();
    let (messages, orderbook) = (files.write("m", messages), files.write("o", orderbook));
    complaint(&lobster::replay(&messages, &orderbook, &mut |_, _| {}).expect_err("malformed"))
}

#[test]
fn malformed_messages_are_refused() {
    let columns = "6 columns wanted (time, type, order id, size, price, direction)";
    let table = [
        ("34200.1,1,100,10,1000", format!("{columns}, 5 found")),
        ("34200.1,1,100,10,1000,1,", format!("{columns}, 7 found")),
        ("34200.1;1;100;10;1000;1", format!("{columns}, 1 found")),
        ("time,type,id,size,price,direction", "time is not seconds after midnight: \"time\"".to_owned()),
        (",1,100,10,1000,1", "time is not seconds after midnight: \"\"".to_owned()),
        ("-1,1,100,10,1000,1", "time is not seconds after midnight: \"-1\"".to_owned()),
        ("3.4e4,1,100,10,1000,1", "time is not seconds after midnight: \"3.4e4\"".to_owned()),
        ("NaN,1,100,10,1000,1", "time is not seconds after midnight: \"NaN\"".to_owned()),
        ("34200.1,x,100,10,1000,1", "type is not an integer: \"x\"".to_owned()),
        ("34200.1,0,100,10,1000,1", "type is not from 1 to 7: 0".to_owned()),
        ("34200.1,8,100,10,1000,1", "type is not from 1 to 7: 8".to_owned()),
        ("34200.1,1,1e2,10,1000,1", "order id is not an integer: \"1e2\"".to_owned()),
        ("34200.1,1,-5,10,1000,1", "order id is not from 0 to 9007199254740991: -5".to_owned()),
        ("34200.1,1,100,10.5,1000,1", "size is not an integer: \"10.5\"".to_owned()),
        ("34200.1,1,100,0,1000,1", "size is not from 1 to 9007199254740991: 0".to_owned()),
        ("34200.1,1,100,-10,1000,1", "size is not from 1 to 9007199254740991: -10".to_owned()),
        ("34200.1,1,100, 10,1000,1", "size is not an integer: \" 10\"".to_owned()),
        ("34200.1,1,100,,1000,1", "size is not an integer: \"\"".to_owned()),
        ("34200.1,1,100,１２,1000,1", "size is not an integer: \"１２\"".to_owned()),
        ("34200.1,1,100,10,0,1", "price is not from 1 to 9007199254740991: 0".to_owned()),
        ("34200.1,4,100,10,-1,1", "price is not from 1 to 9007199254740991: -1".to_owned()),
        ("34200.1,1,100,10,9007199254740992,1", "price is not from 1 to 9007199254740991: 9007199254740992".to_owned()),
        (
            "34200.1,1,100,10,12345678901234567890123456789012345678901234567890,1",
            "price is not an integer: \"1234567890123456789012345678901234567890\" ...".to_owned(),
        ),
        ("34200.1,1,100,10,1000,0", "direction is neither 1 nor -1: 0".to_owned()),
        ("34200.1,1,100,10,1000,2", "direction is neither 1 nor -1: 2".to_owned()),
        ("34200.1,1,100,10,1000,+1", "direction is not an integer: \"+1\"".to_owned()),
        ("34200.1,7,0,0,x,-1", "price is not an integer: \"x\"".to_owned()),
        ("\u{feff}34200.1,1,100,10,1000,1", "time is not seconds after midnight: \"\\u{feff}34200.1\"".to_owned()),
    ];
    for (line, what) in table {
        assert_eq!(lobster_error(&format!("{MESSAGE}{line}\n"), &format!("{ROW}{ROW}")), format!("m 2: {what}"));
    }
    assert_eq!(lobster_error(&format!("{MESSAGE}\n{MESSAGE}"), ROW), "m 2: the line is empty");
    assert_eq!(lobster_error("", ROW), "m 1: the file has no messages");
    assert_eq!(lobster_error(&"1".repeat(2_000_000), ROW), "m 1: the line is longer than 1048576 bytes");
}

#[test]
fn malformed_rows_are_refused() {
    let table = [
        ("9999999999,0,1000", "4 columns wanted, as in the first row, 3 found"),
        ("9999999999,0,1000,10,", "4 columns wanted, as in the first row, 5 found"),
        ("9999999999,0,1000,10,9999999999,0,-9999999999,0", "4 columns wanted, as in the first row, 8 found"),
        ("x,0,1000,10", "ask price is not an integer: \"x\""),
        ("9999999999,0.0,1000,10", "ask size is not an integer: \"0.0\""),
        ("9999999999,0,1e3,10", "bid price is not an integer: \"1e3\""),
        ("9999999999,0,1000,-10", "bid size is not from 0 to 9007199254740991: -10"),
    ];
    for (line, what) in table {
        let error = lobster_error(&MESSAGE.repeat(2), &format!("{ROW}{line}\n"));
        assert_eq!(error, format!("o 2: {what}"));
    }
    let wanted =
        "a multiple of 4 columns wanted (ask price, ask size, bid price, bid size for each of at most 1000 levels)";
    assert_eq!(lobster_error(MESSAGE, MESSAGE), format!("o 1: {wanted}, 6 found"));
    assert_eq!(lobster_error(MESSAGE, &["0"; 4_004].join(",")), format!("o 1: {wanted}, 4004 found"));
    assert_eq!(lobster_error(ROW, ROW).split(':').next(), Some("m 1"), "the files are exchanged");
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    assert_eq!(
        lobster_error(&MESSAGE.repeat(3), &ROW.repeat(2)),
        "the message file has 3 messages, the order book file only 2 rows"
    );
    assert_eq!(lobster_error(MESSAGE, ""), "the message file has 1 messages, the order book file only 0 rows");
    assert_eq!(
        lobster_error(MESSAGE, &ROW.repeat(2)),
        "the order book file has more rows than the message file has messages (1)"
    );
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let files = Files::new();
    let there = files.write("m", MESSAGE);
    let error = lobster::replay(&there, Path::new("not/there.csv"), &mut |_, _| {}).expect_err("no such file");
    assert!(error.to_string().starts_with("not/there.csv: "), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let cut = files.write("o.gz", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1]);
    let error = lobster::replay(&there, &cut, &mut |_, _| {}).expect_err("not a whole gzip file");
    assert!(matches!(error, ReplayError::Io { .. }), "{error}");
}

#[test]
fn malformed_streams_are_refused() {
    let columns = "7 columns wanted (op, id, side, price, quantity, tag, time)";
    let table = [
        ("A,1,1,1000,5,msg", format!("{columns}, 6 found")),
        ("A,1,1,1000,5,msg,1.0,", format!("{columns}, 8 found")),
        ("B,1,1,1000,5,msg,1.0", "op is none of A, X, R, E, C: \"B\"".to_owned()),
        ("op,id,side,price,qty,tag,time", "op is none of A, X, R, E, C: \"op\"".to_owned()),
        ("A,x,1,1000,5,msg,1.0", "id is not an integer: \"x\"".to_owned()),
        ("A,1,0,1000,5,msg,1.0", "side is neither 1 nor -1: 0".to_owned()),
        ("X,1,2,0,0,msg,1.0", "side is neither 1 nor -1: 2".to_owned()),
        ("A,1,1,0,5,msg,1.0", "price is not from 1 to 9007199254740991: 0".to_owned()),
        ("E,1,1,1000,0,msg,1.0", "quantity is not from 1 to 9007199254740991: 0".to_owned()),
        ("R,1,0,0,0,msg,1.0", "quantity is not from 1 to 9007199254740991: 0".to_owned()),
        ("A,1,1,1000,5,msg,soon", "time is not seconds after midnight: \"soon\"".to_owned()),
        ("C,-1,0,0,0,,1.0", "row is not from 0 to 9007199254740991: -1".to_owned()),
        ("C,0,0,0,0,,1.0", "row 0 is compared after row 0".to_owned()),
        ("C,1,0,0,0,,1.0", "row 1 is compared, the order book file has only 1 rows".to_owned()),
    ];
    let files = Files::new();
    let orderbook = files.write("o", "9999999999,0,-9999999999,0\n");
    for (line, what) in table {
        let stream = files.write("s", format!("C,0,0,0,0,,\n{line}\n"));
        let error = stream::replay(&stream, &orderbook, true, &mut |_, _| {}).expect_err("malformed");
        assert_eq!(complaint(&error), format!("s 2: {what}"));
    }
    let empty = files.write("s", "");
    let error = stream::replay(&empty, &orderbook, true, &mut |_, _| {}).expect_err("no row");
    assert_eq!(complaint(&error), "s 1: the stream compares no row");
}
