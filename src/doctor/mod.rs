//! What this machine allows, found out by trying: each thing that a run needs is done once, in a child, and whole runs
//! are made at the end. Where something fails, what forbids it is looked for.

mod attempt;
mod container;
mod engines;
mod files;
mod inside;
mod kernel;
mod state;
mod whole;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::sandbox::Trouble;

pub use whole::{GUEST, be_guest};

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// A limit: runs work, with the restriction that is told.
    Warn,
    /// It keeps runs, or runs of one kind, from working.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug)]
pub struct Finding {
    /// A name that stays the same, for scripts.
    pub id: &'static str,
    /// How serious it is.
    pub level: Level,
    /// What there is, and what that means.
    pub what: String,
    /// What would mend it.
    pub fix: Option<String>,
}

impl Finding {
    fn new(id: &'static str, level: Level, what: impl Into<String>) -> Finding {
        Finding { id, level, what: what.into(), fix: None }
    }

    fn ok(id: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(id, Level::Ok, what)
    }

    fn warn(id: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(id, Level::Warn, what)
    }

    fn trouble(id: &'static str, level: Level, trouble: Trouble) -> Finding {
        Finding { id, level, what: trouble.what, fix: trouble.mend }
    }

    fn fixed_by(mut self, fix: impl Into<String>) -> Finding {
        self.fix = Some(fix.into());
        self
    }
}

/// Which kinds of runs work, as tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways {
    /// `remainroot -- CMD`.
    pub plain: bool,
    /// With `--rootfs` or `--bind`.
    pub rootfs: bool,
    /// With `--userns none`.
    pub without_namespace: bool,
    /// Without `--store`: with the index of owners that is there, or a new one, or none where none can be.
    pub default_store: bool,
}

/// All in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All kinds of runs work.
    Works,
    /// Some do.
    Limited,
    /// None does.
    Cannot,
}

impl Ways {
    /// What they come to.
    pub fn verdict(self) -> Verdict {
        match self {
            Ways { plain: true, rootfs: true, default_store: true, .. } => Verdict::Works,
            Ways { plain: false, rootfs: false, without_namespace: false, .. } => Verdict::Cannot,
            _ => Verdict::Limited,
        }
    }
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// The kernel's release.
    pub kernel: String,
    /// The machine's architecture.
    pub machine: String,
    /// The container that we are in, as far as one can be told.
    pub container: Option<String>,
    /// The directory that was looked at.
    pub path: PathBuf,
    /// In the order in which they matter.
    pub findings: Vec<Finding>,
    /// Which runs work.
    pub ways: Ways,
}

/// Looks at everything. `path` is a directory (or a file in one) whose file system is to be tried; nothing stays there.
/// This process must have one thread.
///
/// # Errors
/// What is wrong with `path`.
pub fn examine(path: &Path) -> Result<Report, Trouble> {
    let dir = files::directory(path)?;
    let (kernel, machine) = kernel::release();
    let mut findings = vec![kernel::version(&kernel, &machine), kernel::proc()];
    findings.push(kernel::namespace());
    findings.push(kernel::mounts(level_of(&findings, "user-namespaces")));
    findings.extend(kernel::filters());
    findings.extend([kernel::tracing(), kernel::memory(), kernel::descriptors()]);
    let (container, found) = container::look(findings.iter().any(|finding| finding.level != Level::Ok));
    findings.extend(found);
    findings.extend(files::look(&dir));
    findings.push(state::look(|name: &str| std::env::var_os(name)));
    findings.push(inside::look());
    findings.push(engines::look());
    let mounts_work = level_of(&findings, "mounts") == Level::Ok;
    let (plain, without_namespace) = (whole::run("auto"), whole::run("none"));
    let ways = Ways {
        plain: plain.is_ok(),
        rootfs: plain.is_ok() && mounts_work,
        without_namespace: without_namespace.is_ok(),
        default_store: level_of(&findings, "store") != Level::Fail,
    };
    findings.push(whole::finding(plain, without_namespace));
    Ok(Report { kernel, machine, container, path: dir.path, findings, ways })
}

fn level_of(findings: &[Finding], id: &str) -> Level {
    findings.iter().find(|finding| finding.id == id).map_or(Level::Fail, |finding| finding.level)
}

/// The field of /proc/self/status with this name, colon included.
fn status_field(name: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

/// Whether a variable or argument is of any use.
fn is_said(value: &OsStr) -> bool {
    !value.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_from_the_ways() {
        let with = |plain, rootfs, without_namespace, default_store| {
            Ways { plain, rootfs, without_namespace, default_store }.verdict()
        };
        let of = |plain, rootfs, without_namespace| with(plain, rootfs, without_namespace, true);
        assert_eq!(of(true, true, true), Verdict::Works);
        // A filter may forbid what only --userns none would need.
        assert_eq!(of(true, true, false), Verdict::Works);
        assert_eq!(of(true, false, true), Verdict::Limited);
        assert_eq!(of(false, false, true), Verdict::Limited);
        assert_eq!(of(false, false, false), Verdict::Cannot);
        assert_eq!(with(true, true, true, false), Verdict::Limited);
        assert_eq!(with(false, false, false, false), Verdict::Cannot);
    }
}
