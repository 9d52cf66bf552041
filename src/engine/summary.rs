//! What a run came to, in numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use remainroot_shims::explain::Filter;
use remainroot_shims::owner::Tally;
use remainroot_shims::table::Row;

/// One call of the table's.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// How often it was stopped for.
    pub calls: u64,
    /// How often the kernel's answer was not looked at.
    pub passed: u64,
    /// How often it failed, by errno, and whoever decided that.
    pub errors: BTreeMap<i32, u64>,
    /// How long its tasks stood still for us: the kernel's own work is not in it.
    pub stopped: Duration,
}

/// A run.
#[derive(Debug)]
pub struct Summary {
    /// Calls that were made at least once, in the table's order.
    pub calls: Vec<(&'static Row, Count)>,
    /// Calls of an ABI that the table does not know.
    pub unknown: u64,
    /// What is recorded in the end.
    pub recorded: Tally,
    /// Effective uid and gid of all that tasks were besides 0 and 0, in order.
    pub ids: Vec<(u32, u32)>,
    /// How long the run took.
    pub took: Duration,
    /// Whether programs were left behind, which go on.
    pub goes_on: bool,
}

/// Takes what is told.
pub type Tell<T> = Box<dyn Fn(&T)>;

/// Calls, told one by one.
pub struct Explaining {
    /// Takes a line for each.
    pub tell: Tell<str>,
    /// Of which.
    pub only: Filter,
}

/// Who gets to know.
pub struct Watching {
    /// A line for each call.
    pub explain: Option<Explaining>,
    /// The numbers, once, at the end.
    pub report: Option<Tell<Summary>>,
}
