//! Messages for people, on stderr.

use std::io::Write;

/// Writes `text` to stderr, each line after our name, in one write where the kernel allows it. A reader that is
/// gone, or a stderr that was closed, is no failure: there is nobody to tell.
pub fn write(text: &str) {
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        out.push_str("remainroot: ");
        out.push_str(line);
        out.push('\n');
    }
    let _ = std::io::stderr().write_all(out.as_bytes());
}

/// Formats a message for people and writes it to stderr.
#[macro_export]
macro_rules! tell {
    ($($arg:tt)*) => { $crate::sys::tell::write(&format!($($arg)*)) };
}
