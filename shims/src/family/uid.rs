//! User ids: `kernel/sys.c`.

use crate::abi::Call;
use crate::guest::{Answer, Guest};

/// getuid(2).
pub fn getuid(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().uid.real.raw().into())
}

/// getuid(2) with 16-bit ids.
pub fn getuid16(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().uid.real.to_16().into())
}
