//! Filters of the guest's own: seccomp(2), prctl(2) with PR_SET_SECCOMP. The kernel installs them. But from then on they
//! judge every call that an engine makes the task do, so the engine is told before.
//!
//! SECCOMP_MODE_STRICT is not looked at: the kernel refuses it (EINVAL) to a task under an engine's own filter
//! (`seccomp_may_assign_mode`).

use crate::abi::Call;
use crate::guest::{Answer, Guest};

/// The operation of seccomp(2) that installs a filter (`SECCOMP_SET_MODE_FILTER`).
pub const SET_FILTER: u32 = 1;

/// The same for prctl(2): `SECCOMP_MODE_FILTER`.
const MODE_FILTER: u64 = 2;

/// seccomp(2), for [`SET_FILTER`].
pub fn seccomp(guest: &dyn Guest, call: &Call) -> Answer {
    // Without a program, a library asks which flags the kernel knows (EFAULT).
    if call.word(2) != 0 {
        guest.filter_comes();
    }
    Answer::Native
}

/// prctl(2), for PR_SET_SECCOMP.
pub(super) fn prctl(guest: &dyn Guest, call: &Call) -> Answer {
    if call.word(1) == MODE_FILTER && call.word(2) != 0 {
        guest.filter_comes();
    }
    Answer::Native
}
