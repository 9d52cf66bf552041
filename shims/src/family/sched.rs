//! CPU affinity: `kernel/sched/syscalls.c`. The kernel answers; but an engine that moved the task to another CPU for
//! its own reasons has to put it back first, or the guest would read, or inherit, CPUs that are not its own choice.

use super::allowed;
use crate::abi::Call;
use crate::guest::{Answer, Guest, Whom};

/// sched_getaffinity(2).
pub fn affinity(guest: &dyn Guest, call: &Call) -> Answer {
    guest.own_cpus(call.int(0));
    Answer::Native
}

/// sched_setaffinity(2), which may not move tasks of other users.
pub fn set_affinity(guest: &dyn Guest, call: &Call) -> Answer {
    let cred = guest.cred();
    if call.int(0) > 0 && !cred.is_whole_root() {
        let refused = allowed(guest, Whom::Task(call.int(0)), |peer| cred.may_schedule(&peer.cred));
        if refused != Answer::Native {
            return refused;
        }
    }
    affinity(guest, call)
}
