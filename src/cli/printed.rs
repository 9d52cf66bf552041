//! Files that are printed from the code and kept in the repository, for those who read it there. A test prints them
//! again; `REMAINROOT_BLESS=1 cargo test` writes what it printed.

use std::fs;
use std::path::Path;

/// The variable that turns a comparison into a change.
const BLESS: &str = "REMAINROOT_BLESS";

/// Fails if the file, by its path in the repository, holds anything but `text`.
pub fn same(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os(BLESS).is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    if let Some(difference) = difference(&kept, text) {
        panic!(
            "{path} is out of date: {difference}\nwrite it anew: {BLESS}=1 cargo test --bin remainroot cli::"
        );
    }
}

/// Fails if what the file holds between two marks is anything but `text`.
pub fn same_part(path: &str, start: &str, end: &str, text: &str) {
    let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (before, rest) = kept.split_once(start).unwrap_or_else(|| panic!("{path} has no {start:?}"));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("{path} has no {end:?} behind {start:?}"));
    same(path, &[before, start, text, end, after].concat());
}

/// The first line that differs.
fn difference(kept: &str, text: &str) -> Option<String> {
    if kept == text {
        return None;
    }
    let same = kept.lines().zip(text.lines()).take_while(|(kept, text)| kept == text).count();
    let line = |of: &str| of.lines().nth(same).unwrap_or("(nothing)").to_owned();
    Some(format!("line {}: is\n  {}\nnot\n  {}", same + 1, line(kept), line(text)))
}

#[test]
fn a_difference_is_found() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    assert!(difference("a\nb\n", "a\nc\n").unwrap().starts_with("line 2: is\n  b\nnot\n  c"));
    assert!(difference("a\n", "a\nb\n").unwrap().contains("(nothing)"));
    assert!(difference("a\n", "a").is_some());
}
