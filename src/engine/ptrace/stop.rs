//! A ptrace-stop as a value that can be spent once.

use remainroot_shims::abi::Call;

use crate::arch;
use crate::sys::ptrace::{self, Result, Resume, SignalMask, SyscallStop};

/// A task in a ptrace-stop. Whoever holds it is the one who lets the task go on; resuming consumes it. Every use may
/// find the task gone, because SIGKILL ends a ptrace-stop, too.
#[must_use = "a stop that is not resumed leaves a stopped process behind"]
pub struct Stopped {
    tid: i32,
}

impl Stopped {
    /// For the loop alone: `tid` was just reported as stopped.
    pub(super) fn new(tid: i32) -> Stopped {
        Stopped { tid }
    }

    /// The task.
    pub fn tid(&self) -> i32 {
        self.tid
    }

    /// Lets it go on, with a signal to deliver (0: none).
    pub fn resume(self, how: Resume, signal: i32) -> Result<()> {
        ptrace::resume(self.tid, how, signal)
    }

    /// At the entry of a call: it is skipped, and answered with `value`.
    pub fn answer(&self, value: u64) -> Result<()> {
        arch::skip_call(self.tid, value)
    }

    /// Leaves it stopped, for [`Stopped::new`] to be made again from its tid: a child that cannot be told yet whose
    /// it is.
    pub fn park(self) -> i32 {
        self.tid
    }

    /// The new task of a fork event; the former tid of an exec event.
    pub fn event_message(&self) -> Result<i32> {
        Ok(ptrace::event_message(self.tid)? as i32)
    }

    /// Has all signals wait that can, and returns the mask that was there.
    pub fn hold_signals(&self) -> Result<SignalMask> {
        let mask = ptrace::signal_mask(self.tid)?;
        self.set_signal_mask(SignalMask::ALL)?;
        Ok(mask)
    }

    /// Gives it a signal mask.
    pub fn set_signal_mask(&self, mask: SignalMask) -> Result<()> {
        ptrace::set_signal_mask(self.tid, mask)
    }

    /// What kind of system-call stop this is.
    pub fn syscall(&self) -> Result<SyscallStop> {
        ptrace::syscall_info(self.tid)
    }

    /// Changes the call's arguments, from `old` to `new`.
    pub fn change_arguments(&self, call: &Call, old: &[u64; 6], new: &[u64; 6]) -> Result<()> {
        arch::change_arguments(self.tid, call.abi, old, new)
    }
}
