//! Files that are no whole history are refused by every command, in one line.

use std::fs;
use std::path::Path;

use crate::run::{errors, import_surf, run};

/// Where the `application_id` is in the header of an SQLite file.
const APPLICATION_ID_BYTES: std::ops::Range<usize> = 68..72;

fn assert_refused(folder: &Path, expected: &str) {
    for arguments in [
        &["history", "info", "x.db"][..],
        &["history", "snapshot", "x.db", "--at", "+0s"],
        &["history", "verify", "x.db"],
        &["history", "export", "x.db"],
        &["replay", "x.db"],
    ] {
        let output = run(folder, arguments);
        assert_eq!(errors(&output), format!("error: x.db: {expected}\n"), "{arguments:?}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_truncated_history_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    import_surf(folder.path());
    let whole = fs::read(folder.path().join("surf.db")).expect("a history");
    let half = whole.len() / 2;
    fs::write(folder.path().join("x.db"), &whole[..half]).expect("written");
    let expected =
        format!("truncated: its header promises {} bytes, the file has {half}", whole.len());
    assert_refused(folder.path(), &expected);
}

#[test]
fn the_database_of_another_program_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    import_surf(folder.path());
    let mut bytes = fs::read(folder.path().join("surf.db")).expect("a history");
    bytes[APPLICATION_ID_BYTES].fill(0);
    fs::write(folder.path().join("x.db"), &bytes).expect("written");
    let expected =
        "not a history: an SQLite database of another program (application_id 0x00000000)";
    assert_refused(folder.path(), expected);
}

#[test]
fn a_text_called_history_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("x.db"), "no database\n").expect("written");
    assert_refused(folder.path(), "not a history: the file is not an SQLite database");
}

#[test]
fn a_history_that_is_not_there_is_called_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_refused(folder.path(), "no such file");
}

#[test]
fn a_history_with_a_changed_document_opens_and_verify_finds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    import_surf(folder.path());
    let path = folder.path().join("surf.db");
    let mut bytes = fs::read(&path).expect("a history");
    let price = br#""pricePerHour":"1.13""#;
    // SQLite may keep an older copy of a page's content in space that is free now.
    let is_price = |place: &usize| bytes[*place..].starts_with(price);
    let places: Vec<usize> = (0..bytes.len()).filter(is_price).collect();
    for place in places {
        bytes[place + price.len() - 2] = b'9';
    }
    fs::write(&path, &bytes).expect("written");

    let output = run(folder.path(), &["history", "verify", "surf.db"]);
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    let findings = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(findings.starts_with("documents: document "), "{findings}");
    assert_eq!(findings.lines().count(), 1, "{findings}");
    let output = run(folder.path(), &["history", "verify", "surf.db", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"sound\": false"));
}
