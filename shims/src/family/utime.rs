//! Setting times: utime(2), utimensat(2). `vfs_utimes` in `fs/utimes.c`.
//!
//! The kernel sets them. What is looked at is whether the virtual user may, and that the machine's own devices, where
//! they cover a placeholder, are left alone.

use std::rc::Rc;

use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};

use super::file::{Seen, Target};
use crate::abi::{Abi, Call, Errno};
use crate::cred::CapSet;
use crate::guest::{Answer, Dir, Guest, Host, Trailing, host};
use crate::owner::rules;

/// `tv_nsec` for the present time.
const UTIME_NOW: u32 = 0x3FFF_FFFF;
/// `tv_nsec` for leaving a time as it is.
const UTIME_OMIT: u32 = 0x3FFF_FFFE;

/// utime(2), utimes(2).
pub async fn utime(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let target = || Target::path(&*guest, call.word(0), Trailing::Follow);
    let verdict = judge(&*guest, call.word(1) != 0, target);
    carried_out(guest, verdict).await
}

/// futimesat(2).
pub async fn futimesat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let verdict = judge(&*guest, call.word(2) != 0, || of_dir(&*guest, &call, 0));
    carried_out(guest, verdict).await
}

/// utimensat(2).
pub async fn utimensat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let nsecs = match call.abi {
        Abi::X86_64 => [8, 24],
        Abi::I386 => [4, 12],
    };
    let verdict = by_nanoseconds(&*guest, &call, nsecs);
    carried_out(guest, verdict).await
}

/// utimensat_time64(2) of i386.
pub async fn utimensat_time64(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let verdict = by_nanoseconds(&*guest, &call, [8, 24]);
    carried_out(guest, verdict).await
}

/// `nsecs` says where in the structure the nanoseconds of both times are.
fn by_nanoseconds(guest: &dyn Guest, call: &Call, nsecs: [u64; 2]) -> Verdict {
    let flags = call.uint(3);
    let addr = call.word(2);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Verdict::Native;
    }
    let mut times = [UTIME_NOW; 2];
    if addr != 0 {
        for (nsec, at) in times.iter_mut().zip(nsecs) {
            let mut bytes = [0; 4];
            if guest.read(addr + at, &mut bytes).is_err() {
                return Verdict::Native;
            }
            *nsec = u32::from_le_bytes(bytes);
        }
    }
    match times {
        // Then not even the path is looked at.
        [UTIME_OMIT, UTIME_OMIT] => Verdict::Native,
        [UTIME_NOW, UTIME_NOW] => judge(guest, false, || of_dir(guest, call, flags)),
        _ => judge(guest, true, || of_dir(guest, call, flags)),
    }
}

/// A file by descriptor and path; without a path, the descriptor's own (`futimens`).
fn of_dir(guest: &dyn Guest, call: &Call, flags: u32) -> Result<Target, Errno> {
    match (call.word(1), Dir::from_raw(call.int(0))) {
        (0, Dir::Fd(fd)) => Ok(Target::OpenFd(fd)),
        _ => Target::at(guest, call.int(0), call.word(1), flags),
    }
}

/// What is to become of a call.
enum Verdict {
    /// The kernel may do it.
    Native,
    /// It may try: this is a device, perhaps the machine's own.
    Device,
    /// The virtual user may not.
    Refused(Errno),
}

/// Judges a call: times given explicitly, and not just "now", are for the virtual owner alone.
fn judge(guest: &dyn Guest, explicit: bool, target: impl FnOnce() -> Result<Target, Errno>) -> Verdict {
    let cred = guest.cred();
    let may_all = !explicit || cred.capable(CapSet::FOWNER);
    if may_all && !guest.store().has_devices() {
        return Verdict::Native;
    }
    // What cannot be found the kernel refuses in its own words.
    let Ok(seen) = target().and_then(|target| Seen::find(guest, &target)) else { return Verdict::Native };
    if !may_all && !rules::inode_owner_or_capable(&cred, &seen.attr()) {
        return Verdict::Refused(seen.denied(Errno::EPERM));
    }
    match seen.record.and_then(|record| record.device) {
        Some(_) => Verdict::Device,
        None => Verdict::Native,
    }
}

/// Times of a device that covers a placeholder are not ours to set, and nobody misses them.
async fn carried_out(guest: Rc<dyn Guest>, verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Native => Answer::Native,
        Verdict::Refused(errno) => Answer::Err(errno),
        Verdict::Device => match host(&guest, Host::Native).await {
            Err(Errno::EPERM) => Answer::Ret(0),
            _ => Answer::Native,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::mock::{Mock, call, run};
    use crate::owner::Device;
    use crate::owner::tests_support::user;

    fn at(mock: &Mock, nsecs: [u32; 2]) -> u64 {
        let mut times = [0; 32];
        times[8..12].copy_from_slice(&nsecs[0].to_le_bytes());
        times[24..28].copy_from_slice(&nsecs[1].to_le_bytes());
        mock.poke(&times)
    }

    #[test]
    fn explicit_times_are_for_the_owner() {
        let mock = Rc::new(Mock::new());
        mock.file("/f", 0o100644);
        mock.open(3, "/f");
        let (fixed, now) = (at(&mock, [5, UTIME_NOW]), at(&mock, [UTIME_NOW, UTIME_NOW]));
        mock.be(user(1000, 1000, &[]));
        let set = |times| {
            let made = call(&mock, &[], &[3, 0, times]);
            run(&mock, |guest| utimensat(guest, made), |_, host| panic!("{host:?}"))
        };
        assert_eq!(
            (set(fixed), set(now), set(0)),
            (Answer::Err(Errno::EPERM), Answer::Native, Answer::Native)
        );
        mock.record("/f", |record| record.uid = crate::owner::tests_support::uid(1000));
        assert_eq!(set(fixed), Answer::Native);
    }

    #[test]
    fn the_machines_devices_keep_their_times() {
        let mock = Rc::new(Mock::new());
        mock.file("/null", 0o100666);
        mock.record("/null", |record| record.device = Some(Device::Char(0x103)));
        let set = |reply| {
            let made = call(&mock, &["/null"], &[1]);
            run(&mock, |guest| utime(guest, made), |_, _| reply)
        };
        assert_eq!((set(Err(Errno::EPERM)), set(Ok(0))), (Answer::Ret(0), Answer::Native));
    }
}
