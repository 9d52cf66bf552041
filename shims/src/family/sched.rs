//! CPU affinity: `kernel/sched/syscalls.c`. The kernel answers; but an engine that moved the task to another CPU for
//! its own reasons has to put it back first, or the guest would read, or inherit, CPUs that are not its own choice.

use crate::abi::Call;
use crate::guest::{Answer, Guest};

/// sched_getaffinity(2), sched_setaffinity(2).
pub fn affinity(guest: &dyn Guest, call: &Call) -> Answer {
    guest.own_cpus(call.int(0));
    Answer::Native
}
