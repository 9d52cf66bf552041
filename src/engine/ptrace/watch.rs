//! Telling what is done for guests: a line for each call, and numbers at the end. A run that nobody asked has none of
//! this, and no filter that stops for more.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use remainroot_shims::abi::{Abi, Call, Errno};
use remainroot_shims::explain::{self, Begun, Besides, Outcome};
use remainroot_shims::guest::{Answer, Guest};
use remainroot_shims::table::{self, Case, Entry, ROWS, Row, Shim};

use super::run::Run;
use super::tracee::Tracee;
use crate::engine::{Count, Explaining, Summary, Watching};
use crate::sys::fd;

/// Calls without a shim that are counted all the same, because a guest may take their answers for more than they are.
const TELLING: [&str; 22] = [
    "ptrace",
    "setrlimit",
    "quotactl",
    "quotactl_fd",
    "add_key",
    "request_key",
    "keyctl",
    "open_by_handle_at",
    "fanotify_init",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "clock_settime",
    "acct",
    "swapon",
    "init_module",
    "finit_module",
    "reboot",
    "bpf",
    "semget",
    "shmget",
    "msgget",
];

/// The table for the first filter of a run that is watched: it stops for refused and telling calls as well.
pub(super) fn rows() -> Vec<Row> {
    let seen: Shim = Shim::Entry(|_, _| Answer::Native);
    let watched = |row: &Row, entry: Entry| match entry.shim {
        Shim::Refuse(_) => Entry { shim: seen, cases: &[Case::ANY], ..entry },
        Shim::Kernel if TELLING.contains(&row.name) => Entry { shim: seen, cases: &[Case::ANY], ..entry },
        _ => entry,
    };
    ROWS.iter()
        .map(|row| Row {
            x86_64: row.x86_64.map(|entry| watched(row, entry)),
            i386: row.i386.map(|entry| watched(row, entry)),
            ..*row
        })
        .collect()
}

/// A call that is being served.
struct Open {
    index: usize,
    call: Call,
    begun: Option<Begun>,
    /// `TID NAME UID:GID`, as they were.
    who: String,
    /// Since when the task stands still for us.
    since: Option<Instant>,
    spent: Duration,
}

/// What is known so far.
pub(super) struct Watch {
    to: Watching,
    open: RefCell<AHashMap<i32, Open>>,
    counts: RefCell<Vec<Count>>,
    ids: RefCell<BTreeSet<(u32, u32)>>,
    unknown: Cell<u64>,
    start: Instant,
    told: Cell<bool>,
}

/// What /proc says of a task.
struct View<'a>(&'a Tracee);

impl Besides for View<'_> {
    fn place(&self, descriptor: i32) -> Option<Vec<u8>> {
        let tid = Guest::tid(self.0);
        // Relative to /proc, which is where we are.
        let link = match descriptor {
            libc::AT_FDCWD => format!("{tid}/cwd"),
            number => format!("{tid}/fd/{number}"),
        };
        Some(std::fs::read_link(link).ok()?.into_os_string().into_vec())
    }

    fn has_memory(&self) -> bool {
        !self.0.memory_may_wait()
    }
}

impl Watch {
    pub fn new(to: Watching) -> Watch {
        Watch {
            to,
            open: RefCell::default(),
            counts: RefCell::new(vec![Count::default(); ROWS.len()]),
            ids: RefCell::default(),
            unknown: Cell::default(),
            start: Instant::now(),
            told: Cell::default(),
        }
    }

    /// A task has stopped for a call.
    pub fn begins(&self, run: &Run, tracee: &Tracee, call: &Call) {
        let since = Some(Instant::now());
        let Some(index) = table::index_of(call.abi, call.nr).map(usize::from) else { return };
        let tid = Guest::tid(tracee);
        let is_wanted = |explaining: &&Explaining| {
            explaining.only.wants(index)
                && explaining.only.is_about(tracee, call, &ROWS[index], &View(tracee))
        };
        let (begun, who) = match self.to.explain.as_ref().filter(is_wanted) {
            None => (None, String::new()),
            Some(_) => {
                let cred = tracee.cred();
                let path = CString::new(format!("{tid}/comm")).unwrap_or_default();
                let name = fd::read_file(run.proc.as_raw_fd(), &path).unwrap_or_default();
                let name = explain::escaped(name.trim_ascii_end());
                let abi = if call.abi == Abi::I386 { " i386" } else { "" };
                let begun = explain::begin(tracee, call, &ROWS[index], &View(tracee));
                (Some(begun), format!("{tid} {name} {}:{}{abi}", cred.uid.effective, cred.gid.effective))
            }
        };
        let open = Open { index, call: *call, begun, who, since, spent: Duration::ZERO };
        self.open.borrow_mut().insert(tid, open);
    }

    /// The task goes on, to make a host call.
    pub fn leaves(&self, tid: i32) {
        if let Some(open) = self.open.borrow_mut().get_mut(&tid)
            && let Some(since) = open.since.take()
        {
            open.spent += since.elapsed();
        }
    }

    /// It is back from that.
    pub fn returns(&self, tid: i32) {
        if let Some(open) = self.open.borrow_mut().get_mut(&tid) {
            open.since = Some(Instant::now());
        }
    }

    /// Its call has come out so.
    pub fn ends(&self, tracee: &Tracee, outcome: Outcome) {
        let tid = Guest::tid(tracee);
        self.leaves(tid);
        let Some(open) = self.open.borrow_mut().remove(&tid) else { return };
        self.count(&open, outcome);
        let cred = tracee.cred();
        let ids = (cred.uid.effective.raw(), cred.gid.effective.raw());
        if ids != (0, 0) {
            self.ids.borrow_mut().insert(ids);
        }
        if let (Some(Explaining { tell, only }), Some(begun)) = (&self.to.explain, open.begun)
            && only.accepts(outcome)
        {
            let readable = View(tracee).has_memory() && outcome != Outcome::Killed;
            let line = explain::finish(begun, tracee, &open.call, &ROWS[open.index], outcome, readable);
            tell(&format!("{} {line}", open.who));
        }
    }

    /// The task, formerly `former`, runs another program now.
    pub fn executes(&self, tracee: &Tracee, former: i32) {
        let open = self.open.borrow_mut().remove(&former);
        let mut tasks = self.open.borrow_mut();
        // Its own, or that of a leader which is gone.
        tasks.remove(&Guest::tid(tracee));
        if let Some(open) = open {
            tasks.insert(Guest::tid(tracee), open);
        }
        drop(tasks);
        self.ends(tracee, Outcome::Kernel(Ok(0)));
    }

    fn count(&self, open: &Open, outcome: Outcome) {
        let mut counts = self.counts.borrow_mut();
        let count = &mut counts[open.index];
        count.calls += 1;
        count.stopped += open.spent;
        match outcome {
            Outcome::Here(Err(errno)) | Outcome::Kernel(Err(errno)) => {
                *count.errors.entry(errno.into_raw()).or_default() += 1;
            }
            Outcome::Passed => count.passed += 1,
            Outcome::Here(Ok(_)) | Outcome::Kernel(Ok(_)) | Outcome::Interrupted | Outcome::Killed => {}
        }
    }

    /// A call came by an ABI that nobody knows.
    pub fn unknown_call(&self, tid: i32, nr: u64) {
        self.unknown.set(self.unknown.get() + 1);
        if let Some(Explaining { tell, only }) = &self.to.explain
            && only.accepts_unknown(Errno::ENOSYS)
        {
            tell(&format!("{tid} call {nr:#x} of an unknown ABI = -1 ENOSYS (Function not implemented)"));
        }
    }

    /// The run is over, or its programs go on without anybody to wait for them. Told once.
    pub fn reports(&self, run: &Run, goes_on: bool) {
        let Some(tell) = self.to.report.as_ref().filter(|_| !self.told.replace(true)) else { return };
        let counts = self.counts.borrow();
        let seen = ROWS.iter().zip(counts.iter()).filter(|(_, count)| count.calls > 0);
        tell(&Summary {
            calls: seen.map(|(row, count)| (row, count.clone())).collect(),
            unknown: self.unknown.get(),
            recorded: run.store.tally(),
            ids: self.ids.borrow().iter().copied().collect(),
            took: self.start.elapsed(),
            goes_on,
        });
    }
}

#[cfg(test)]
mod tests {
    use remainroot_shims::table::Support;

    use super::*;

    #[test]
    fn telling_calls_are_in_the_table_and_stop_a_watched_run() {
        for name in TELLING {
            assert!(ROWS.iter().any(|row| row.name == name), "{name}");
        }
        let rows = rows();
        for (plain, watched) in ROWS.iter().zip(&rows) {
            let stops =
                matches!(watched.x86_64.map(|entry| entry.shim), Some(Shim::Entry(_) | Shim::Coroutine(_)));
            let must = matches!(plain.support, Support::Refused(..)) || TELLING.contains(&plain.name);
            assert!(stops || !must || plain.x86_64.is_none(), "{}", plain.name);
        }
    }
}
