//! `remainroot owners diff`: what differs between two trees in all but content.

use std::cmp::Ordering;

use super::entry::{Entry, Kind};
use super::names::{hex, shown};
use super::{Progress, Tree, Trouble};
use nix::libc::{major, minor};

/// The order in which a walk comes to paths: by their parts, so that a directory's content follows it at once.
pub(super) fn order(a: &[u8], b: &[u8]) -> Ordering {
    // The root comes first, and has no parts.
    let parts = |path: &[u8]| !path.is_empty();
    match (parts(a), parts(b)) {
        (true, true) => a.split(|&byte| byte == b'/').cmp(b.split(|&byte| byte == b'/')),
        (a, b) => a.cmp(&b),
    }
}

/// Passes a line on each difference to `print`. Returns how many there are.
pub fn diff(
    a: &Tree<'_>,
    b: &Tree<'_>,
    mut print: impl FnMut(&str) -> Result<(), Trouble>,
) -> Result<u64, Trouble> {
    let progress = Progress::new("comparing");
    let (mut left, mut right) = (a.entries(&progress)?, b.entries(&progress)?);
    let (mut one, mut other) = (left.next()?, right.next()?);
    let mut count = 0;
    loop {
        let first = match (&one, &other) {
            (None, None) => return Ok(count),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => order(&one.path, &other.path),
        };
        let line = match (&one, &other) {
            (Some(one), _) if first.is_lt() => format!("- {}\n", name(one)),
            (_, Some(other)) if first.is_gt() => format!("+ {}\n", name(other)),
            (Some(one), Some(other)) => differences(one, other),
            _ => String::new(),
        };
        if !line.is_empty() {
            count += 1;
            print(&line)?;
        }
        if first.is_le() {
            one = left.next()?;
        }
        if first.is_ge() {
            other = right.next()?;
        }
    }
}

fn name(entry: &Entry) -> String {
    if entry.path.is_empty() { ".".to_owned() } else { shown(&entry.path) }
}

/// What differs between two entries of one path; nothing if nothing does.
fn differences(one: &Entry, other: &Entry) -> String {
    let mut found = Vec::new();
    let mut compare = |what: &str, one: String, other: String| {
        if one != other {
            found.push(format!("{what} {one} -> {other}"));
        }
    };
    let owner = |entry: &Entry| format!("{}:{}", entry.attr.uid, entry.attr.gid);
    compare("type", one.kind().word().to_owned(), other.kind().word().to_owned());
    compare("owner", owner(one), owner(other));
    compare("mode", format!("{:04o}", one.permissions()), format!("{:04o}", other.permissions()));
    let device = |entry: &Entry| match entry.kind() {
        Kind::Char | Kind::Block => format!("{},{}", major(entry.attr.rdev), minor(entry.attr.rdev)),
        _ => "none".to_owned(),
    };
    compare("device", device(one), device(other));
    compare("aim", shown(&one.target), shown(&other.target));
    let first = |entry: &Entry| entry.first.as_ref().map_or_else(|| "nothing".to_owned(), |path| shown(path));
    compare("link to", first(one), first(other));
    for attribute in
        one.xattrs.keys().chain(other.xattrs.keys().filter(|name| !one.xattrs.contains_key(*name)))
    {
        let value = |entry: &Entry| {
            entry
                .xattrs
                .get(attribute)
                .map_or_else(|| "absent".to_owned(), |value| format!("0x{}", hex(value)))
        };
        compare(&shown(attribute), value(one), value(other));
    }
    if found.is_empty() { String::new() } else { format!("! {}: {}\n", name(one), found.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_directory_follows_it_at_once() {
        let mut paths = [&b"a-b"[..], b"a/b", b"", b"a", b"a/b/c", b"a.", b"b"];
        paths.sort_by(|a, b| order(a, b));
        assert_eq!(paths, [&b""[..], b"a", b"a/b", b"a/b/c", b"a-b", b"a.", b"b"]);
    }
}
