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

/// What the flags of mount(2) once had to begin with, and where: the kernel takes it away (`path_mount`).
const MS_MGC_VAL: u32 = 0xC0ED_0000;
const MS_MGC_MSK: u32 = 0xFFFF_0000;

/// The longest name of a file system that we read. Those that we know are shorter.
const NAME_MAX: usize = 64;

/// mount(2). A new instance of proc or sysfs that a namespace is refused (`mount_too_revealing`) becomes a bind of the
/// present one, with all that is mounted in it.
pub async fn mount(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let flags = match call.uint(3) {
        old if old & MS_MGC_MSK == MS_MGC_VAL => old & !MS_MGC_MSK,
        flags => flags,
    };
    if flags & OTHER_OPERATIONS != 0 {
        return Answer::Native;
    }
    let Some(tree) = fresh_tree(&*guest, call.word(2)) else { return Answer::Native };
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

/// Where the present instance of a file system is that is named at `addr`. The engine hears the name, too.
fn fresh_tree(guest: &dyn Guest, addr: u64) -> Option<&'static CStr> {
    let kind = match guest.read_str(addr, NAME_MAX) {
        Err(Errno::ERANGE) => c"?".to_owned(),
        read => read.ok()?,
    };
    guest.mounts(&kind);
    match kind.to_bytes() {
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
