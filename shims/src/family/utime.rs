//! Setting times: utime(2), utimensat(2). `vfs_utimes` in `fs/utimes.c`.
//!
//! The kernel sets them. What is looked at is whether the virtual user may, and that it is a placeholder's that are set,
//! not those of the machine's own device that covers it.

use std::rc::Rc;

use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};

use super::file::{Seen, Target};
use crate::abi::{Abi, Call, Errno};
use crate::cred::CapSet;
use crate::guest::{Answer, Dir, Guest, Host, Trailing, host};
use crate::owner::{Access, Time, rules};

/// `tv_nsec` for the present time.
const UTIME_NOW: u32 = 0x3FFF_FFFF;
/// `tv_nsec` for leaving a time as it is.
const UTIME_OMIT: u32 = 0x3FFF_FFFE;

/// utime(2), whose times are two whole seconds.
pub async fn utime(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let target = || Target::path(&*guest, call.word(0), Trailing::Follow);
    let wish = wish(&*guest, call.word(1), &Layout::seconds(call.abi));
    let verdict = judge(&*guest, wish, target);
    carried_out(guest, verdict).await
}

/// utimes(2).
pub async fn utimes(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let target = || Target::path(&*guest, call.word(0), Trailing::Follow);
    let wish = wish(&*guest, call.word(1), &Layout::micros(call.abi));
    let verdict = judge(&*guest, wish, target);
    carried_out(guest, verdict).await
}

/// futimesat(2).
pub async fn futimesat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let wish = wish(&*guest, call.word(2), &Layout::micros(call.abi));
    let verdict = judge(&*guest, wish, || of_dir(&*guest, &call, 0));
    carried_out(guest, verdict).await
}

/// utimensat(2).
pub async fn utimensat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let verdict = by_nanoseconds(&*guest, &call, &Layout::nanos(call.abi));
    carried_out(guest, verdict).await
}

/// utimensat_time64(2) of i386.
pub async fn utimensat_time64(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let layout = Layout { part: 4, ..Layout::nanos(Abi::X86_64) };
    let verdict = by_nanoseconds(&*guest, &call, &layout);
    carried_out(guest, verdict).await
}

/// Two times in a guest's memory.
struct Layout {
    /// Bytes of both.
    size: usize,
    /// Where the parts of a second are, if there are any.
    parts: Option<[usize; 2]>,
    /// Bytes of each. Of eight, i386 has always looked at four.
    part: usize,
    /// How many of those a second has.
    per_second: u32,
    /// Whether parts may be UTIME_NOW and UTIME_OMIT.
    special: Special,
}

/// See [`Layout::special`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Special {
    Known,
    Unknown,
}

impl Layout {
    /// `struct utimbuf`.
    fn seconds(abi: Abi) -> Layout {
        let size = 2 * word(abi);
        Layout { size, parts: None, part: 0, per_second: 1, special: Special::Unknown }
    }

    /// Two of `struct timeval`.
    fn micros(abi: Abi) -> Layout {
        Layout { per_second: 1_000_000, special: Special::Unknown, ..Layout::nanos(abi) }
    }

    /// Two of `struct timespec`.
    fn nanos(abi: Abi) -> Layout {
        let word = word(abi);
        let parts = Some([word, 3 * word]);
        Layout { size: 4 * word, parts, part: word, per_second: 1_000_000_000, special: Special::Known }
    }
}

const fn word(abi: Abi) -> usize {
    match abi {
        Abi::X86_64 => 8,
        Abi::I386 => 4,
    }
}

/// What is wished for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// What the kernel refuses, or does, before it asks who wishes it.
    Unasked,
    /// The present time, for both.
    Now,
    /// Anything else, which is for the owner alone: in the form of utimensat(2).
    Explicit([Time; 2]),
}

/// Reads two times; a null pointer stands for the present. Those that cannot be read (EFAULT) or are none (EINVAL) the
/// kernel refuses in its own order, and of two that shall stay (UTIME_OMIT) it does not even look at the path.
fn wish(guest: &dyn Guest, addr: u64, layout: &Layout) -> Wish {
    if addr == 0 {
        return Wish::Now;
    }
    let mut bytes = vec![0; layout.size];
    if guest.read(addr, &mut bytes).is_err() {
        return Wish::Unasked;
    }
    // Seconds come first, and parts of them have the same room.
    let room = layout.size / if layout.parts.is_some() { 4 } else { 2 };
    let seconds = [0, layout.size / 2].map(|at| match bytes[at..at + room].first_chunk() {
        Some(bytes) => i64::from_le_bytes(*bytes),
        None => bytes[at..].first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes).into()),
    });
    let Some(parts) = layout.parts else { return Wish::Explicit(seconds.map(|sec| Time { sec, nsec: 0 })) };
    let read = |at: usize| {
        let (low, high) = bytes[at..at + layout.part].split_first_chunk()?;
        high.iter().all(|&byte| byte == 0).then_some(u32::from_le_bytes(*low))
    };
    let is_special = |part| layout.special == Special::Known && matches!(part, UTIME_NOW | UTIME_OMIT);
    match parts.map(read) {
        [Some(UTIME_OMIT), Some(UTIME_OMIT)] if layout.special == Special::Known => Wish::Unasked,
        [Some(UTIME_NOW), Some(UTIME_NOW)] if layout.special == Special::Known => Wish::Now,
        [Some(a), Some(b)] if [a, b].iter().all(|&part| part < layout.per_second || is_special(part)) => {
            let nsec =
                |part| if is_special(part) { part } else { part * (1_000_000_000 / layout.per_second) };
            let [first, second] = seconds;
            Wish::Explicit([Time { sec: first, nsec: nsec(a) }, Time { sec: second, nsec: nsec(b) }])
        }
        _ => Wish::Unasked,
    }
}

fn by_nanoseconds(guest: &dyn Guest, call: &Call, layout: &Layout) -> Verdict {
    let flags = call.uint(3);
    // A descriptor alone takes no flags (`do_utimes_fd`).
    let alone = call.word(1) == 0 && Dir::from_raw(call.int(0)) != Dir::Cwd;
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 || (alone && flags != 0) {
        return Verdict::Native;
    }
    judge(guest, wish(guest, call.word(2), layout), || of_dir(guest, call, flags))
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
    /// It may try: this is a device, perhaps covered with the machine's own.
    Device(Box<Seen>, [Time; 2]),
    /// The virtual user may not.
    Refused(Errno),
}

/// Judges a call: the present time is for the virtual owner, and for those who may write; others for the owner alone
/// (`setattr_prepare`, `may_setattr`).
fn judge(guest: &dyn Guest, wish: Wish, target: impl FnOnce() -> Result<Target, Errno>) -> Verdict {
    let cred = guest.cred();
    let may_all = cred.capable(CapSet::FOWNER);
    if wish == Wish::Unasked || (may_all && !guest.store().has_devices()) {
        return Verdict::Native;
    }
    // What cannot be found the kernel refuses in its own words.
    let Ok(seen) = target().and_then(|target| Seen::find(guest, &target)) else { return Verdict::Native };
    if !may_all && !rules::inode_owner_or_capable(&cred, &seen.attr()) {
        let refusal = match wish {
            Wish::Now => seen.permits(&cred, Access::WRITE),
            _ => Err(Errno::EPERM),
        };
        if let Err(errno) = refusal {
            return Verdict::Refused(seen.denied(errno));
        }
    }
    let times = match wish {
        Wish::Explicit(times) => times,
        _ => [Time { sec: 0, nsec: UTIME_NOW }; 2],
    };
    if seen.record.as_ref().is_some_and(|record| record.device.is_some()) {
        Verdict::Device(Box::new(seen), times)
    } else {
        Verdict::Native
    }
}

/// Times of a device are those of the placeholder, so that they last; the machine's own, where that covers it, are not
/// ours to set.
async fn carried_out(guest: Rc<dyn Guest>, verdict: Verdict) -> Answer {
    let (device, times) = match verdict {
        Verdict::Native => return Answer::Native,
        Verdict::Refused(errno) => return Answer::Err(errno),
        Verdict::Device(seen, times) => (seen, times),
    };
    match host(&guest, Host::Native).await {
        Err(Errno::EPERM) => match device.node.set_times(times) {
            Ok(()) => Answer::Ret(0),
            Err(errno) => Answer::Err(errno),
        },
        _ => Answer::Native,
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
            (Answer::Err(Errno::EPERM), Answer::Err(Errno::EACCES), Answer::Err(Errno::EACCES))
        );
        mock.set_native_mode("/f", 0o100646);
        assert_eq!(
            (set(fixed), set(now)),
            (Answer::Err(Errno::EPERM), Answer::Native),
            "a writer may touch it"
        );
        let none = at(&mock, [5, 1_000_000_000]);
        assert_eq!(
            (set(none), set(1 << 40)),
            (Answer::Native, Answer::Native),
            "EINVAL and EFAULT come first"
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

    #[test]
    fn a_device_has_the_times_of_its_placeholder() {
        let mock = Rc::new(Mock::new());
        mock.file("/null", 0o100666);
        mock.record("/null", |record| record.device = Some(Device::Char(0x103)));
        let words: Vec<u8> =
            [7, 5, -2, i64::from(UTIME_OMIT)].iter().flat_map(|word: &i64| word.to_le_bytes()).collect();
        let refused = |_: &Mock, _| Err(Errno::EPERM);
        let time = |sec, nsec| Time { sec, nsec };
        let times = mock.poke(&words);
        let made = call(&mock, &[], &[-100i64 as u64, mock.poke(b"/null\0"), times, 0]);
        assert_eq!(run(&mock, |guest| utimensat(guest, made), refused), Answer::Ret(0));
        assert_eq!(mock.times("/null"), Some([time(7, 5), time(-2, UTIME_OMIT)]));
        let made = call(&mock, &["/null"], &[times]);
        assert_eq!(run(&mock, |guest| utime(guest, made), refused), Answer::Ret(0));
        assert_eq!(mock.times("/null"), Some([time(7, 0), time(5, 0)]));
        let micros: Vec<u8> = [7, 5, 8, 999_999].iter().flat_map(|word: &i64| word.to_le_bytes()).collect();
        let made = call(&mock, &["/null"], &[mock.poke(&micros)]);
        assert_eq!(run(&mock, |guest| utimes(guest, made), refused), Answer::Ret(0));
        assert_eq!(mock.times("/null"), Some([time(7, 5_000), time(8, 999_999_000)]));
        let made = call(&mock, &["/null"], &[0]);
        assert_eq!(run(&mock, |guest| utimes(guest, made), refused), Answer::Ret(0));
        assert_eq!(mock.times("/null"), Some([time(0, UTIME_NOW); 2]));
    }
}
