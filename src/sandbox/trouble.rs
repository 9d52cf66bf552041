//! Failures, in words for people.

use std::fmt;

/// What failed, on which path and why; and what would mend it.
#[derive(Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What failed, on which path, and why.
    pub what: String,
    /// What would mend it, where that is known.
    pub mend: Option<String>,
}

impl Trouble {
    /// Trouble that speaks for itself.
    pub fn new(what: impl Into<String>) -> Trouble {
        Trouble { what: what.into(), mend: None }
    }

    /// Adds what would mend it.
    pub fn mended_by(mut self, mend: impl Into<String>) -> Trouble {
        self.mend = Some(mend.into());
        self
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.mend {
            Some(mend) => write!(f, "\n{mend}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Trouble {}

/// An errno in words, which are strerror(3)'s.
pub fn why(errno: nix::errno::Errno) -> &'static str {
    match errno {
        nix::errno::Errno::EAGAIN => "Resource temporarily unavailable",
        errno => errno.desc(),
    }
}

/// The errno of an I/O error, in words.
pub fn why_io(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => why(nix::errno::Errno::from_raw(errno)).to_owned(),
        None => error.to_string(),
    }
}
