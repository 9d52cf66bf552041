//! Group ids: `kernel/sys.c`, and `kernel/uid16.c` for the 16-bit calls of i386, which widen what they take and
//! narrow what they give.

use crate::abi::{Call, KeepGid};
use crate::guest::{Answer, Guest};

use super::{change, give_three};

/// A 16-bit gid argument.
fn keep_16(call: &Call, n: usize) -> KeepGid {
    KeepGid::from_16(call.uint(n) as u16)
}

/// getgid(2).
pub fn getgid(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().gid.real.raw().into())
}

/// getgid(2) with 16-bit ids.
pub fn getgid16(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().gid.real.to_16().into())
}

/// getegid(2).
pub fn getegid(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().gid.effective.raw().into())
}

/// getegid(2) with 16-bit ids.
pub fn getegid16(guest: &dyn Guest, _: &Call) -> Answer {
    Answer::Ret(guest.cred().gid.effective.to_16().into())
}

/// getresgid(2).
pub fn getresgid(guest: &dyn Guest, call: &Call) -> Answer {
    let ids = guest.cred().gid;
    give_three(guest, call, [ids.real, ids.effective, ids.saved].map(|id| id.raw().to_ne_bytes()))
}

/// getresgid(2) with 16-bit ids.
pub fn getresgid16(guest: &dyn Guest, call: &Call) -> Answer {
    let ids = guest.cred().gid;
    give_three(guest, call, [ids.real, ids.effective, ids.saved].map(|id| id.to_16().to_ne_bytes()))
}

/// setgid(2).
pub fn setgid(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setgid(call.keep_gid(0)))
}

/// setgid(2) with a 16-bit id.
pub fn setgid16(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setgid(keep_16(call, 0)))
}

/// setregid(2).
pub fn setregid(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setregid(call.keep_gid(0), call.keep_gid(1)))
}

/// setregid(2) with 16-bit ids.
pub fn setregid16(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setregid(keep_16(call, 0), keep_16(call, 1)))
}

/// setresgid(2).
pub fn setresgid(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setresgid(call.keep_gid(0), call.keep_gid(1), call.keep_gid(2)))
}

/// setresgid(2) with 16-bit ids.
pub fn setresgid16(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, |cred| cred.setresgid(keep_16(call, 0), keep_16(call, 1), keep_16(call, 2)))
}

/// setfsgid(2): returns the old fsgid, whatever happens.
pub fn setfsgid(guest: &dyn Guest, call: &Call) -> Answer {
    set_fs(guest, call.keep_gid(0))
}

/// setfsgid(2) with a 16-bit id; what it returns is not narrowed.
pub fn setfsgid16(guest: &dyn Guest, call: &Call) -> Answer {
    set_fs(guest, keep_16(call, 0))
}

fn set_fs(guest: &dyn Guest, gid: KeepGid) -> Answer {
    let old = guest.cred().gid.fs;
    match change(guest, |cred| Ok(cred.setfsgid(gid))) {
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
        assert_eq!(guest.run(setregid, &[70000, 33]), Answer::Ret(0));
        assert_eq!(guest.run(getgid16, &[]), Answer::Ret(65534));
        assert_eq!(guest.run(getegid16, &[]), Answer::Ret(33));
        assert_eq!(guest.run(setregid16, &[0xFFFF, 0xFFFE]), Answer::Ret(0));
        assert_eq!(guest.run(getresgid, &[0x100, 0x104, 0x108]), Answer::Ret(0));
        let ids = [70000u32, 65534, 65534].map(u32::to_ne_bytes).concat();
        assert_eq!(guest.bytes(0x100, 12), ids);
        assert_eq!(guest.run(setgid16, &[0xFFFF]), Answer::Err(Errno::EINVAL));
    }

    #[test]
    fn setfsgid_returns_the_old_one() {
        let guest = Fake::root(Abi::I386);
        assert_eq!(guest.run(setfsgid, &[70000]), Answer::Ret(0));
        assert_eq!(guest.run(setfsgid16, &[33]), Answer::Ret(70000), "not narrowed");
        assert_eq!(guest.run(setfsgid16, &[0xFFFF]), Answer::Ret(33));
    }
}
