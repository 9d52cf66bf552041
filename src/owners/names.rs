//! Names as formats of text write them.

use std::fmt::Write;
use std::path::Path;

/// Bytes as mtree(5) writes them (vis(3) with VIS_CSTYLE off): backslash and three octal digits for everything but
/// visible ASCII, and for what the format itself uses.
pub(super) fn octal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'=' | b'*' | b'?' | b'[') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "\\{byte:03o}");
        }
    }
    out
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Bytes for messages: as they are, but for what a terminal would take for a command.
pub(super) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// A path below a tree's root as people would write it.
pub(super) fn below(root: &Path, path: &[u8]) -> String {
    let root = root.to_string_lossy();
    if path.is_empty() {
        root.into_owned()
    } else {
        format!("{}/{}", root.trim_end_matches('/'), shown(path))
    }
}

/// Seconds since the epoch as a date and time (RFC 3339).
pub(super) fn rfc_3339(epoch: i64) -> String {
    let (days, seconds) = (epoch.div_euclid(86_400), epoch.rem_euclid(86_400));
    // Days are counted in eras of 400 years that begin on the first of March, so that leap days come last.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) =
        if month < 10 { (era * 400 + year, month + 3) } else { (era * 400 + year + 1, month - 9) };
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_format_uses_is_written_in_octal() {
        assert_eq!(octal(b"a b\\c#=\xFF\n"), "a\\040b\\134c\\043\\075\\377\\012");
        assert_eq!(octal(b"plain-1.2_x"), "plain-1.2_x");
    }

    #[test]
    fn messages_hold_no_commands_for_a_terminal() {
        assert_eq!(shown(b"a\x1b[2Jb"), "a\u{FFFD}[2Jb");
    }

    #[test]
    fn paths_begin_with_the_root() {
        assert_eq!(below("/".as_ref(), b"a"), "/a");
        assert_eq!(below("tree/".as_ref(), b"a/b\x07"), "tree/a/b\u{FFFD}");
        assert_eq!(below("tree".as_ref(), b""), "tree");
    }

    #[test]
    fn dates() {
        assert_eq!(rfc_3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc_3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc_3339(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(rfc_3339(-1), "1969-12-31T23:59:59Z");
    }
}
