//! THE list: every system call of every ABI, and what becomes of it.
//!
//! Its rows make the filter, the dispatch, the support page and the test obligations. Adding a shim = one row here,
//! one function in [`crate::family`], one guest program in the tests.
//! The rows stand in the files of this folder; [`SECTIONS`] puts them in order.

use std::rc::Rc;

use syscalls::Errno;

use crate::abi::{Abi, Call};
use crate::guest::{Answer, Coroutine, Guest};

/// What becomes of a call.
#[derive(Clone, Copy, Debug)]
pub enum Shim {
    /// The kernel's own answer stands. The guest never stops for it.
    Kernel,
    /// This error, from the filter itself: the guest never stops for it.
    Refuse(Errno),
    /// Answered while the guest stands at the call's entry: one stop.
    Entry(fn(&dyn Guest, &Call) -> Answer),
    /// A coroutine, which may let the guest make calls and wait for them.
    Coroutine(fn(Rc<dyn Guest>, Call) -> Coroutine),
}

/// A test of a call's arguments. Only calls whose number has a row with arguments pay for reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// For all.
    Always,
    /// If any bit of `mask` is set in argument `arg` (its low 32 bits).
    AnyBit {
        /// Index of the argument.
        arg: u8,
        /// The bits.
        mask: u32,
    },
    /// If any bit of each of `masks` is set in the argument beside it (its low 32 bits).
    BothBits {
        /// Indices of the arguments.
        args: [u8; 2],
        /// The bits.
        masks: [u32; 2],
    },
    /// If argument `arg` (its low 32 bits) is one of `values`.
    OneOf {
        /// Index of the argument.
        arg: u8,
        /// The values.
        values: &'static [u32],
    },
}

impl When {
    /// Whether the test holds.
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        let low = |arg: u8| args.get(usize::from(arg)).map_or(0, |value| *value as u32);
        match *self {
            When::Always => true,
            When::AnyBit { arg, mask } => low(arg) & mask != 0,
            When::BothBits { args: [a, b], masks: [of_a, of_b] } => low(a) & of_a != 0 && low(b) & of_b != 0,
            When::OneOf { arg, values } => values.contains(&low(arg)),
        }
    }
}

/// A case in which the guest stops for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// For which arguments.
    pub when: When,
    /// Under which circumstances.
    pub needs: Needs,
}

impl Case {
    /// All calls, always.
    pub const ANY: Case = Case { when: When::Always, needs: Needs::ALWAYS };

    /// All calls, under some circumstances.
    const fn under(needs: Needs) -> Case {
        Case { when: When::Always, needs }
    }
}

/// How much of the kernel's behaviour towards real root a guest gets. Printed by `remainroot syscalls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// All of it.
    Full,
    /// All but what is said here.
    Partial(&'static str),
    /// The kernel is asked, and its answer is right or good enough for the reason given.
    Passed(&'static str),
    /// Not available, with the error and the reason.
    Refused(Errno, &'static str),
}

/// A call's number in one ABI, and what becomes of it there.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The number.
    pub nr: u32,
    /// What becomes of it.
    pub shim: Shim,
    /// In which cases: any one of them.
    pub cases: &'static [Case],
}

impl Entry {
    /// Whether a call with these arguments is looked at under any of these circumstances.
    pub fn concerns(&self, args: &[u64; 6], needs: Needs) -> bool {
        self.cases.iter().any(|case| case.needs.intersects(needs) && case.when.holds(args))
    }
}

/// One system call.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The kernel's name for it.
    pub name: &'static str,
    /// In the AMD64 table.
    pub x86_64: Option<Entry>,
    /// In the i386 table. Calls of the same name may differ: `setuid` takes 16-bit ids there.
    pub i386: Option<Entry>,
    /// How far it goes.
    pub support: Support,
}

impl Row {
    /// The entry for an ABI.
    pub fn entry(&self, abi: Abi) -> Option<&Entry> {
        match abi {
            Abi::X86_64 => self.x86_64.as_ref(),
            Abi::I386 => self.i386.as_ref(),
        }
    }
}

/// `entry!(x86_64::setuid, shim)`: `Some(Entry)` for a number of an ABI, by the name of the call.
macro_rules! entry {
    ($abi:ident :: $name:ident, $shim:expr) => {
        entry!($abi::$name, $shim, &[Case::ANY])
    };
    ($abi:ident :: $name:ident, $shim:expr, $cases:expr) => {
        Some(Entry { nr: syscalls::$abi::Sysno::$name as u32, shim: $shim, cases: $cases })
    };
}

/// The kernel's name for a call, from ours, which may be a raw identifier: `break` is a word of Rust's.
const fn kernel_name(name: &'static str) -> &'static str {
    if let [b'r', b'#', plain @ ..] = name.as_bytes()
        && let Ok(plain) = std::str::from_utf8(plain)
    {
        return plain;
    }
    name
}

/// One row; `cases` may be left out for calls that always stop.
macro_rules! row {
    ($name:ident, $support:expr, x86_64: $a:expr, i386: $b:expr $(, cases: $cases:expr)?) => {
        Row {
            name: $crate::table::kernel_name(stringify!($name)),
            x86_64: entry!(x86_64::$name, $a $(, $cases)?),
            i386: entry!(x86::$name, $b $(, $cases)?),
            support: $support,
        }
    };
    ($name:ident, $support:expr, x86_64: $a:expr $(, cases: $cases:expr)?) => {
        Row { name: $crate::table::kernel_name(stringify!($name)), x86_64: entry!(x86_64::$name, $a $(, $cases)?), i386: None, support: $support }
    };
    ($name:ident, $support:expr, i386: $b:expr $(, cases: $cases:expr)?) => {
        Row { name: $crate::table::kernel_name(stringify!($name)), x86_64: None, i386: entry!(x86::$name, $b $(, $cases)?), support: $support }
    };
}

/// Turns an `async fn(Rc<dyn Guest>, Call) -> Answer` into a [`Shim::Coroutine`].
macro_rules! coroutine {
    ($shim:path) => {
        Shim::Coroutine(|guest, call| Box::pin($shim(guest, call)))
    };
}

mod creds;
mod files;
mod needs;
mod passed;
mod process;

pub use needs::Needs;

/// Rows that belong together, as the support page shows them.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// A word for it, in small letters: what `--explain-only` takes.
    pub key: &'static str,
    /// What they have in common.
    pub title: &'static str,
    /// The rows.
    pub rows: &'static [Row],
}

/// The list, section by section.
pub const SECTIONS: &[Section] = &[
    Section { key: "ids", title: "User ids, group ids, groups", rows: creds::IDS },
    Section { key: "rights", title: "Capabilities, prctl, exec", rows: creds::RIGHTS },
    Section { key: "owners", title: "Owners and modes of files", rows: files::OWNERS },
    Section { key: "creation", title: "New files and devices", rows: files::CREATION },
    Section { key: "names", title: "Names and mounts", rows: files::NAMES },
    Section { key: "truncation", title: "Truncation", rows: files::CONTENTS },
    Section { key: "xattrs", title: "Extended attributes", rows: files::ATTRIBUTES },
    Section { key: "processes", title: "Processes", rows: process::ROWS },
    Section { key: "contents", title: "Contents and places of files", rows: passed::FILES },
    Section { key: "memory", title: "Memory", rows: passed::MEMORY },
    Section { key: "tasks", title: "Tasks and signals", rows: passed::TASKS },
    Section { key: "waiting", title: "Waiting, time, scheduling", rows: passed::WAITING },
    Section { key: "communication", title: "Sockets, IPC, keys", rows: passed::COMMUNICATION },
    Section { key: "machine", title: "The machine", rows: passed::MACHINE },
];

/// How many rows there are.
const COUNT: usize = {
    let (mut count, mut i) = (0, 0);
    while i < SECTIONS.len() {
        count += SECTIONS[i].rows.len();
        i += 1;
    }
    count
};

/// The sections' rows, one after the other.
const fn all_rows() -> [Row; COUNT] {
    let mut rows = [SECTIONS[0].rows[0]; COUNT];
    let (mut next, mut section) = (0, 0);
    while section < SECTIONS.len() {
        let mut i = 0;
        while i < SECTIONS[section].rows.len() {
            rows[next] = SECTIONS[section].rows[i];
            next += 1;
            i += 1;
        }
        section += 1;
    }
    rows
}

/// The list. A row's index here is what the filter hands to the engine: it is fixed when the program is built.
pub static ROWS: [Row; COUNT] = all_rows();

/// No index is taken for [`NONE`], which is also what a filter says of calls that have no row.
const _: () = assert!(COUNT < NONE as usize);

/// One more than the highest number that a lookup table holds; higher numbers have no row.
const NUMBERS: usize = 512;
/// In a lookup table: no row has this number.
const NONE: u16 = u16::MAX;

/// Builds the table from an ABI's numbers to row indices.
const fn indices(abi: Abi) -> [u16; NUMBERS] {
    let rows = all_rows();
    let mut table = [NONE; NUMBERS];
    let mut i = 0;
    while i < COUNT {
        let entry = match abi {
            Abi::X86_64 => rows[i].x86_64,
            Abi::I386 => rows[i].i386,
        };
        if let Some(entry) = entry {
            table[entry.nr as usize] = i as u16;
        }
        i += 1;
    }
    table
}

static X86_64: [u16; NUMBERS] = indices(Abi::X86_64);
static I386: [u16; NUMBERS] = indices(Abi::I386);

/// Finds the index in [`ROWS`] of a call's row.
pub fn index_of(abi: Abi, nr: u32) -> Option<u16> {
    let table = match abi {
        Abi::X86_64 => &X86_64,
        Abi::I386 => &I386,
    };
    let index = table.get(usize::try_from(nr).ok()?).copied()?;
    (index != NONE).then_some(index)
}

/// Finds the row of a call.
pub fn row_of(abi: Abi, nr: u32) -> Option<&'static Row> {
    index_of(abi, nr).map(|index| &ROWS[usize::from(index)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name and number of every call that the `syscalls` crate knows in an ABI, from the kernel's own tables.
    fn known(abi: Abi) -> Vec<(&'static str, u32)> {
        use syscalls::{x86, x86_64};
        match abi {
            Abi::X86_64 => x86_64::Sysno::iter().map(|nr| (kernel_name(nr.name()), nr as u32)).collect(),
            Abi::I386 => x86::Sysno::iter().map(|nr| (kernel_name(nr.name()), nr as u32)).collect(),
        }
    }

    #[test]
    fn no_number_has_two_rows() {
        for abi in Abi::ALL {
            for (index, row) in ROWS.iter().enumerate() {
                let Some(entry) = row.entry(abi) else { continue };
                let found = index_of(abi, entry.nr).map(usize::from);
                assert_eq!(found, Some(index), "{} {}: another row has this number", abi.name(), row.name);
            }
        }
    }

    #[test]
    fn every_known_number_has_a_row() {
        for abi in Abi::ALL {
            let without: Vec<_> =
                known(abi).into_iter().filter(|(_, nr)| index_of(abi, *nr).is_none()).collect();
            assert!(
                without.is_empty(),
                "{}: add a row or a word to table/passed.rs: {without:?}",
                abi.name()
            );
        }
    }

    #[test]
    fn a_name_has_one_row_and_that_row_has_every_abi_that_knows_it() {
        let mut names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        for abi in Abi::ALL {
            for (name, nr) in known(abi) {
                let row = row_of(abi, nr).map(|row| row.name);
                assert_eq!(row, Some(name), "{} {nr}", abi.name());
            }
        }
    }

    #[test]
    fn support_agrees_with_what_becomes_of_a_call() {
        for row in &ROWS {
            for shim in [row.x86_64, row.i386].into_iter().flatten().map(|entry| entry.shim) {
                let agrees = match (shim, row.support) {
                    (Shim::Kernel, Support::Passed(_)) => true,
                    (Shim::Refuse(errno), Support::Refused(told, _)) => errno == told,
                    (Shim::Entry(_) | Shim::Coroutine(_), Support::Full | Support::Partial(_)) => true,
                    _ => false,
                };
                assert!(agrees, "{}: {shim:?}, {:?}", row.name, row.support);
            }
        }
    }
}
