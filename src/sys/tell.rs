//! Messages for people, on stderr.

use std::io::Write;

/// Writes `text` to stderr, each line after our name, in one write where the kernel allows it. A reader that is
/// gone, or a stderr that was closed, is no failure: there is nobody to tell. (`eprintln!` would panic, and a tracer
/// that panics takes all its guests along.)
pub fn write(text: &str) {
    let _ = std::io::stderr().write_all(lines(text).as_bytes());
}

/// The lines, without what a terminal would take for a command: messages quote names that others have given.
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        out.push_str("remainroot: ");
        out.extend(line.chars().map(harmless));
        out.push('\n');
    }
    out
}

/// A character, or what stands for one that a terminal would not show but obey.
pub fn harmless(char: char) -> char {
    if char.is_control() && char != '\t' { char::REPLACEMENT_CHARACTER } else { char }
}

/// Formats a message for people and writes it to stderr.
#[macro_export]
macro_rules! tell {
    ($($arg:tt)*) => { $crate::sys::tell::write(&format!($($arg)*)) };
}

#[cfg(test)]
mod tests {
    #[test]
    fn messages_hold_no_commands_for_a_terminal() {
        let text = "a\x1b[2J\u{9b}b\tc\nd\re";
        assert_eq!(super::lines(text), "remainroot: a\u{FFFD}[2J\u{FFFD}b\tc\nremainroot: d\u{FFFD}e\n");
    }
}
