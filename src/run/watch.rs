//! Where `--explain` and `--summary` go.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::{Explain, Report, Target};
use crate::engine::{Explaining, Summary, Tell, Watching};
use crate::sandbox::{Trouble, why_io};
use crate::tell;

/// Opens what was asked for, while paths mean what the user means. `None` if nothing was.
///
/// # Errors
/// A file that cannot be made.
pub fn open(explain: Option<&Explain>, summary: Option<&Report>) -> Result<Option<Watching>, Trouble> {
    if explain.is_none() && summary.is_none() {
        return Ok(None);
    }
    let explain = match explain {
        None => None,
        Some(Explain { to, only }) => Some(Explaining { tell: writer("--explain", to)?, only: only.clone() }),
    };
    let report = match summary {
        None => None,
        Some(Report { render, to }) => {
            let (render, write) = (*render, whole("--summary-file", to)?);
            Some(Box::new(move |summary: &Summary| write(&render(summary))) as Tell<Summary>)
        }
    };
    Ok(Some(Watching { explain, report }))
}

fn make(option: &str, path: &Path) -> Result<File, Trouble> {
    File::create(path)
        .map_err(|error| Trouble::new(format!("{option} {}: {}", path.display(), why_io(&error))))
}

/// Writes lines, each at once: what the run comes to its end by may be SIGKILL. A reader that is gone, or a disk that
/// is full, is no reason for a guest to end; it is told once.
fn writer(option: &'static str, target: &Target) -> Result<Tell<str>, Trouble> {
    Ok(match target {
        Target::Stderr => Box::new(|line| tell!("{line}")),
        Target::File(path) => {
            let write = into(option, path)?;
            Box::new(move |line| write(&format!("{line}\n")))
        }
    })
}

/// Writes a text as it is.
fn whole(option: &'static str, target: &Target) -> Result<Tell<str>, Trouble> {
    Ok(match target {
        Target::Stderr => Box::new(|text| drop(std::io::stderr().write_all(text.as_bytes()))),
        Target::File(path) => Box::new(into(option, path)?),
    })
}

/// Writes to a file; the first time that it cannot, it says so.
fn into(option: &'static str, path: &Path) -> Result<impl Fn(&str) + use<>, Trouble> {
    let (file, path, told) = (make(option, path)?, path.to_owned(), Cell::new(false));
    Ok(move |text: &str| {
        if let Err(error) = (&file).write_all(text.as_bytes())
            && !told.replace(true)
        {
            tell!("{option} {}: not all of it is there: {}", path.display(), why_io(&error));
        }
    })
}
