//! User ids: `kernel/sys.c`, and `kernel/uid16.c` for the 16-bit calls of i386, which widen what they take and
//! narrow what they give.

use crate::abi::{Call, KeepUid};
use crate::guest::{Answer, Guest};

use super::{change, give_three};

/// A 16-bit uid argument.
fn keep_16(call: &Call, n: usize) -> KeepUid {
    KeepUid::from_16(call.uint(n) as u16)
}

/// getuid(2).
pub fn getuid(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().uid.real.raw().into())
}

/// getuid(2) with 16-bit ids.
pub fn getuid16(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().uid.real.to_16().into())
}

/// geteuid(2).
pub fn geteuid(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().uid.effective.raw().into())
}

/// geteuid(2) with 16-bit ids.
pub fn geteuid16(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().uid.effective.to_16().into())
}

/// getresuid(2).
pub fn getresuid(guest: &dyn Guest, call: &Call) -> Answer {
    let ids = guest.cred().uid;
    give_three(guest, call, [ids.real, ids.effective, ids.saved].map(|id| id.raw().to_ne_bytes()))
}

/// getresuid(2) with 16-bit ids.
pub fn getresuid16(guest: &dyn Guest, call: &Call) -> Answer {
    let ids = guest.cred().uid;
    give_three(guest, call, [ids.real, ids.effective, ids.saved].map(|id| id.to_16().to_ne_bytes()))
}

/// setuid(2).
pub fn setuid(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setuid(call.keep_uid(0)))
}

/// setuid(2) with a 16-bit id.
pub fn setuid16(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setuid(keep_16(call, 0)))
}

/// setreuid(2).
pub fn setreuid(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setreuid(call.keep_uid(0), call.keep_uid(1)))
}

/// setreuid(2) with 16-bit ids.
pub fn setreuid16(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setreuid(keep_16(call, 0), keep_16(call, 1)))
}

/// setresuid(2).
pub fn setresuid(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setresuid(call.keep_uid(0), call.keep_uid(1), call.keep_uid(2)))
}

/// setresuid(2) with 16-bit ids.
pub fn setresuid16(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setresuid(keep_16(call, 0), keep_16(call, 1), keep_16(call, 2)))
}

/// setfsuid(2): returns the old fsuid, whatever happens.
pub fn setfsuid(guest: &dyn Guest, call: &Call) -> Answer {
    set_fs(guest, call.keep_uid(0))
}

/// setfsuid(2) with a 16-bit id; what it returns is not narrowed.
pub fn setfsuid16(guest: &dyn Guest, call: &Call) -> Answer {
    set_fs(guest, keep_16(call, 0))
}

fn set_fs(guest: &dyn Guest, uid: KeepUid) -> Answer {
    let old = guest.cred().uid.fs;
    match change(guest, |cred| Ok(cred.setfsuid(uid))) {
        Answer::Ret(_) => Answer::Ret(old.raw().into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Abi, Errno};
    use crate::testing::Fake;

    #[test]
    fn sixteen_bit_calls_widen_and_narrow() {
        let guest = Fake::root(Abi::I386);
        assert_eq!(guest.run(setresuid, &[70000, 0xFFFF_FFFF, 0x8000_0000]), Answer::Ret(0));
        assert_eq!(guest.run(getuid, &[]), Answer::Ret(70000));
        assert_eq!(guest.run(getuid16, &[]), Answer::Ret(65534));
        assert_eq!(guest.run(getresuid16, &[0x100, 0x102, 0x104]), Answer::Ret(0));
        assert_eq!(guest.bytes(0x100, 6), [0xFE, 0xFF, 0, 0, 0xFE, 0xFF]);
        assert_eq!(
            guest.run(setresuid16, &[0x1_0021, 0xFFFF, 0xFFFF]),
            Answer::Ret(0),
            "high halves are noise"
        );
        assert_eq!(guest.run(getuid, &[]), Answer::Ret(33));
        assert_eq!(guest.run(setuid16, &[0xFFFF]), Answer::Err(Errno::EINVAL));
    }

    #[test]
    fn getters_fault_on_bad_pointers_in_order() {
        let guest = Fake::root(Abi::X86_64);
        assert_eq!(guest.run(setresuid, &[1, 2, 3]), Answer::Ret(0));
        assert_eq!(guest.run(getresuid, &[0x100, Fake::BAD, 0x108]), Answer::Err(Errno::EFAULT));
        assert_eq!(guest.bytes(0x100, 12), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn setfsuid_returns_the_old_one() {
        let guest = Fake::root(Abi::X86_64);
        assert_eq!(guest.run(setfsuid, &[0x8000_0000]), Answer::Ret(0));
        assert_eq!(guest.run(setfsuid, &[0xFFFF_FFFF]), Answer::Ret(0x8000_0000));
        assert_eq!(guest.run(setfsuid16, &[0xFFFF]), Answer::Ret(0x8000_0000));
    }
}
