//! Starts the guest, and stands for it: three processes.
//!
//! - The *front* is the process that the user started. It keeps its place in the process group of the terminal, waits,
//!   passes signals on, and passes the guest's exit status on.
//! - The *tracer*, its child, goes into the sandbox, starts the guest, and serves its system calls. It dies with the
//!   front, and all traced processes with it.
//! - The *guest* is the tracer's child, in the front's process group.

mod account;
mod doubles;
mod environment;
mod explain;
mod forward;
mod front;
mod tracer;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::getpid;

use remainroot_shims::abi::Gid;
use remainroot_shims::cred::CapSet;
use remainroot_shims::explain::Filter;

pub use crate::engine::{Count, Summary, Views};
pub use explain::engine as engine_trouble;

use crate::sandbox::Sandbox;
use crate::store::{Choice, Format};
use crate::sys::process::{Fork, exit_now, fork};
use crate::sys::{inherit, signal, stdio};
use crate::tell;

/// Exit status for failures of our own.
const OUR_FAILURE: i32 = 125;

/// Exit status where the program was found and could not be run.
const CANNOT_RUN: i32 = 126;

/// Exit status where the program was not found.
const NOT_FOUND: i32 = 127;

/// An identity as it was said: names or numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: String,
    /// The group, if it is not the user's own.
    pub group: Option<String>,
}

/// One of the five sets of [`remainroot_shims::cred::Caps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapKind {
    /// What a file may give at exec.
    Bounding,
    /// What may be made effective.
    Permitted,
    /// What permission checks look at.
    Effective,
    /// Kept across exec for files that list them.
    Inheritable,
    /// Kept across exec of other files.
    Ambient,
}

/// Where something is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// On stderr.
    Stderr,
    /// In this file, which is made anew.
    File(PathBuf),
}

/// Of which calls a line is written, and where.
#[derive(Clone, Debug)]
pub struct Explain {
    /// Where it goes.
    pub to: Target,
    /// Which calls.
    pub only: Filter,
}

/// How the numbers at the end are written, and where.
#[derive(Clone, Debug)]
pub struct Report {
    /// Makes a text of them.
    pub render: fn(&Summary) -> String,
    /// Where it goes.
    pub to: Target,
}

/// What to run, where, and as whom.
#[derive(Debug)]
pub struct Plan {
    /// Where the guest lives.
    pub sandbox: Sandbox,
    /// Where the owners of files are kept.
    pub store: Choice,
    /// How files carry their owners themselves.
    pub owner_xattr: Option<Format>,
    /// Who is to see in /proc what virtual root would see.
    pub views: Views,
    /// Whom it starts as.
    pub identity: Identity,
    /// Its supplementary groups, where they are not to be looked up.
    pub groups: Option<Vec<Gid>>,
    /// Capability sets that are not as usual.
    pub capabilities: Vec<(CapKind, CapSet)>,
    /// Whether it starts with no_new_privs.
    pub no_new_privs: bool,
    /// Whether to start from an empty environment.
    pub clear_env: bool,
    /// Variables to set, in order.
    pub env: Vec<(OsString, OsString)>,
    /// What the program's name may have been meant as, should there be no such program.
    pub other_meaning: Option<String>,
    /// What to tell of each call.
    pub explain: Option<Explain>,
    /// What to tell of it all at the end.
    pub summary: Option<Report>,
    /// The program and its arguments; not empty.
    pub command: Vec<OsString>,
}

/// Carries a plan out. Returns the exit status; does not return if the guest was killed by a signal, of which this
/// process then dies as well. Failures are told on stderr.
pub fn execute(plan: Plan) -> i32 {
    // From here on signals wait until the front reads them; the guest gets the mask back.
    let mask = signal::set_mask(&signal::all());
    inherit::wait_for_children();
    let front = getpid().as_raw();
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
    let (ours, tracers) = match pair {
        Ok(pair) => pair,
        Err(errno) => {
            tell!("cannot make a socket: {}", errno.desc());
            return OUR_FAILURE;
        }
    };
    match fork() {
        Ok(Fork::Child) => {
            drop(ours);
            exit_now(tracer::main(plan, tracers, mask, front))
        }
        Ok(Fork::Parent(tracer)) => {
            drop(tracers);
            stdio::let_go_of_inherited();
            front::main(tracer, ours, &plan.command[0])
        }
        Err(errno) => {
            tell!("{}", explain::engine(crate::engine::EngineError::Fork(errno)));
            OUR_FAILURE
        }
    }
}
