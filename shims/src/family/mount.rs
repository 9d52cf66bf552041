//! mount(2): `fs/namespace.c`.

use std::ffi::CStr;
use std::rc::Rc;

use linux_raw_sys::general::{MS_BIND, MS_MOVE, MS_PRIVATE, MS_REMOUNT, MS_SHARED, MS_SLAVE, MS_UNBINDABLE};

use super::file::Target;
use crate::abi::{Call, Errno};
use crate::guest::{Answer, Guest, Host, Trailing, host};

/// Flags with which mount(2) makes no new instance of a file system.
const OTHER_OPERATIONS: u32 =
    MS_REMOUNT | MS_BIND | MS_MOVE | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

/// The longest name of a file system that we read.
const NAME_MAX: usize = 64;

/// mount(2). A new instance of proc or sysfs that a namespace is refused (`mount_too_revealing`) becomes a bind of the
/// present one, with all that is mounted in it.
pub async fn mount(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let Some(tree) = fresh_tree(&*guest, call.word(2)).filter(|_| call.uint(3) & OTHER_OPERATIONS == 0)
    else {
        return Answer::Native;
    };
    if host(&guest, Host::Native).await != Err(Errno::EPERM) {
        return Answer::Native;
    }
    let target = Target::path(&*guest, call.word(1), Trailing::Follow);
    let bound = target.and_then(|target| guest.find(&target.place())?.cover_with_tree(tree));
    match bound {
        Ok(()) => Answer::Ret(0),
        Err(_) => Answer::Native,
    }
}

/// fsopen(2) for proc and sysfs does not exist here, so that mount(8) falls back to mount(2): what is refused would be
/// refused only at the end of the newer way, where it is too late to do something else.
pub fn fsopen(guest: &dyn Guest, call: &Call) -> Answer {
    match fresh_tree(guest, call.word(0)) {
        Some(_) => Answer::Err(Errno::ENOSYS),
        None => Answer::Native,
    }
}

/// Where the present instance of a file system is that is named at `addr`.
fn fresh_tree(guest: &dyn Guest, addr: u64) -> Option<&'static CStr> {
    match guest.read_str(addr, NAME_MAX).ok()?.to_bytes() {
        b"proc" => Some(c"/proc"),
        b"sysfs" => Some(c"/sys"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::mock::{Mock, call, run};

    fn mounting(mock: &Rc<Mock>, kind: &str, reply: Result<u64, Errno>) -> Answer {
        mock.file("/t", 0o040755);
        let made = call(mock, &["none", "/t", kind], &[0]);
        run(mock, |guest| mount(guest, made), |_, _| reply)
    }

    #[test]
    fn a_refused_proc_becomes_a_bind() {
        let mock = Rc::new(Mock::new());
        assert_eq!(mounting(&mock, "proc", Ok(0)), Answer::Native);
        assert_eq!((mounting(&mock, "proc", Err(Errno::EBUSY)), mock.cover("/t")), (Answer::Native, None));
        assert_eq!(mounting(&mock, "sysfs", Err(Errno::EPERM)), Answer::Ret(0));
        assert_eq!(mock.cover("/t").as_deref(), Some(c"/sys"));
        assert_eq!(mounting(&mock, "tmpfs", Err(Errno::EPERM)), Answer::Native);
    }
}
