//! The documentation says what the code says.

use std::path::PathBuf;

/// Compares a page with its text. `BEURS_WRITE_DOCS=1 cargo test` writes it instead.
fn page_is(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("BEURS_WRITE_DOCS").is_some() {
        std::fs::write(&path, text).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/{name} is out of date: run `BEURS_WRITE_DOCS=1 cargo test -p beurs-engine`");
}

#[test]
fn the_table_of_rejections_is_the_enum() {
    let text = format!(
        "# Why a command is rejected\n\n\
         One reason is given, the first that applies in the order of this table. Numbers and codes are stable and are never\n\
         reused. This page is generated from `crates/engine/src/reject.rs`.\n\n{}",
        beurs_engine::reject::reject_table()
    );
    page_is("reference/rejects.md", &text);
}
