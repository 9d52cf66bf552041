//! What stops the guest and runs the shims.

mod event;
pub mod ptrace;
mod summary;

use std::ffi::CString;
use std::fmt;

use remainroot_shims::cred::Cred;
use remainroot_shims::owner::World;
use remainroot_shims::table::Needs;

pub use event::{End, Event, SIZE as EVENT_SIZE};
pub use ptrace::serve;
pub use summary::{Count, Explaining, Summary, Tell, Watching};

/// What to start, and as whom.
pub struct Launch {
    /// Paths to try, in the order of PATH; the first that can be executed wins.
    pub candidates: Vec<CString>,
    /// Arguments, with the name first.
    pub argv: Vec<CString>,
    /// Environment, `NAME=value`.
    pub env: Vec<CString>,
    /// First virtual credentials.
    pub cred: Cred,
    /// How native ids read.
    pub world: World,
    /// Whether installing a filter takes no_new_privs: so it is without CAP_SYS_ADMIN in the namespace.
    pub set_no_new_privs: bool,
    /// Who is to see in /proc what virtual root would see.
    pub views: Views,
    /// The signal mask that remainroot was started with, and the guest shall have.
    pub signal_mask: libc::sigset_t,
}

/// Who is to see what virtual root would see in files such as /proc/PID/uid_map and status. Each of them stops at every
/// open(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Views {
    /// Those who have dropped root, and those who look at tasks in a run where somebody has.
    OfUsers,
    /// Everybody.
    OfAll,
}

impl Views {
    /// The circumstances that come of it for all.
    fn needs(self) -> Needs {
        match self {
            Views::OfUsers => Needs::empty(),
            Views::OfAll => Needs::VIEWS,
        }
    }
}

/// Why a tracer could not do its work. Not for what guests do: a task that is gone is a normal event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// `fork` failed with this errno.
    Fork(i32),
    /// `PTRACE_SEIZE` failed with this errno.
    Seize(i32),
    /// The guest could not set no_new_privs, with this errno.
    NoNewPrivs(i32),
    /// The guest could not install the filter, with this errno.
    Filter(i32),
    /// /proc could not be opened, with this errno.
    Proc(i32),
    /// A pipe between tracer and guest could not be made or broke, with this errno.
    Pipe(i32),
}

impl EngineError {
    /// Kind and errno as two numbers, for a message between processes.
    pub fn to_raw(self) -> (u32, i32) {
        match self {
            EngineError::Fork(errno) => (1, errno),
            EngineError::Seize(errno) => (2, errno),
            EngineError::NoNewPrivs(errno) => (3, errno),
            EngineError::Filter(errno) => (4, errno),
            EngineError::Proc(errno) => (5, errno),
            EngineError::Pipe(errno) => (6, errno),
        }
    }

    /// The reverse of [`EngineError::to_raw`].
    pub fn from_raw(kind: u32, errno: i32) -> Option<EngineError> {
        Some(match kind {
            1 => EngineError::Fork(errno),
            2 => EngineError::Seize(errno),
            3 => EngineError::NoNewPrivs(errno),
            4 => EngineError::Filter(errno),
            5 => EngineError::Proc(errno),
            6 => EngineError::Pipe(errno),
            _ => return None,
        })
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, errno) = match self {
            EngineError::Fork(errno) => ("cannot fork", errno),
            EngineError::Seize(errno) => ("cannot trace the guest (PTRACE_SEIZE)", errno),
            EngineError::NoNewPrivs(errno) => ("cannot set no_new_privs", errno),
            EngineError::Filter(errno) => ("cannot install the system-call filter (seccomp)", errno),
            EngineError::Proc(errno) => ("cannot open /proc", errno),
            EngineError::Pipe(errno) => ("lost the pipe to the guest", errno),
        };
        write!(f, "{what}: {}", nix::errno::Errno::from_raw(*errno).desc())
    }
}

impl std::error::Error for EngineError {}
