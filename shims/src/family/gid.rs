//! Group ids: `kernel/sys.c`.

use crate::abi::Call;
use crate::guest::{Answer, Guest};

/// getgid(2).
pub fn getgid(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().gid.real.raw().into())
}

/// getgid(2) with 16-bit ids.
pub fn getgid16(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().gid.real.to_16().into())
}
