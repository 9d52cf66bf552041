//! mount(2): `fs/namespace.c`.

use std::ffi::{CStr, CString};
use std::rc::Rc;

use linux_raw_sys::general::{MS_BIND, MS_MOVE, MS_PRIVATE, MS_REMOUNT, MS_SHARED, MS_SLAVE, MS_UNBINDABLE};

use super::file::{Seen, Target};
use crate::abi::{Call, Errno, Gid, Uid};
use crate::guest::{Answer, Guest, Host, Trailing, host};

/// Flags with which mount(2) makes no new instance of a file system.
const OTHER_OPERATIONS: u32 =
    MS_REMOUNT | MS_BIND | MS_MOVE | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

/// What the flags of mount(2) once had to begin with, and where: the kernel takes it away (`path_mount`).
const MS_MGC_VAL: u32 = 0xC0ED_0000;
const MS_MGC_MSK: u32 = 0xFFFF_0000;

/// The longest name of a file system that we read. Those that we know are shorter.
const NAME_MAX: usize = 64;

/// The most of its options that the kernel reads (`copy_mount_options`).
const OPTIONS_MAX: usize = 4096;

/// mount(2). A new instance of proc or sysfs that a namespace is refused (`mount_too_revealing`) becomes a bind of the
/// present one, with all that is mounted in it. One of tmpfs or devpts is made without the owners that its options name,
/// where the namespace does not have them.
pub async fn mount(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let flags = match call.uint(3) {
        old if old & MS_MGC_MSK == MS_MGC_VAL => old & !MS_MGC_MSK,
        flags => flags,
    };
    if flags & OTHER_OPERATIONS != 0 {
        return Answer::Native;
    }
    let kind = kind(&*guest, call.word(2));
    if let Some(owners) = Owners::of(&*guest, kind.as_deref(), call.word(4)) {
        return match host(&guest, Host::Native).await {
            Err(Errno::EINVAL) => without(&guest, &call, &owners).await.into(),
            _ => Answer::Native,
        };
    }
    let Some(tree) = kind.as_deref().and_then(fresh_tree) else { return Answer::Native };
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
    match kind(guest, call.word(0)).as_deref().and_then(fresh_tree) {
        Some(_) => Answer::Err(Errno::ENOSYS),
        None => Answer::Native,
    }
}

/// Which file system is named at `addr`. The engine hears the name, too.
fn kind(guest: &dyn Guest, addr: u64) -> Option<CString> {
    let kind = match guest.read_str(addr, NAME_MAX) {
        Err(Errno::ERANGE) => c"?".to_owned(),
        read => read.ok()?,
    };
    guest.mounts(&kind);
    Some(kind)
}

/// Where the present instance of a file system is.
fn fresh_tree(kind: &CStr) -> Option<&'static CStr> {
    match kind.to_bytes() {
        b"proc" => Some(c"/proc"),
        b"sysfs" => Some(c"/sys"),
        _ => None,
    }
}

/// Options of a mount that give what is in it to others than root (`shmem_parse_one`, `parse_mount_options` of devpts).
#[derive(Debug, PartialEq, Eq)]
struct Owners {
    uid: Option<Uid>,
    gid: Option<Gid>,
    /// Whether they are those of the mount's root. A devpts gives them to terminals only, and their users give those to
    /// themselves.
    of_root: bool,
    /// All other options.
    rest: CString,
}

impl Owners {
    /// Those in the options at `addr`. `None`: there are none, or the kernel is to say what is wrong with them.
    fn of(guest: &dyn Guest, kind: Option<&CStr>, addr: u64) -> Option<Owners> {
        let kind = kind?.to_bytes();
        if addr == 0 || !matches!(kind, b"tmpfs" | b"devpts") {
            return None;
        }
        let options = guest.read_str(addr, OPTIONS_MAX).ok()?.into_string().ok()?;
        let (mut uid, mut gid, mut rest) = (None, None, vec![]);
        for option in options.split(',') {
            let owner = option.split_once('=').and_then(|(name, id)| Some((name, id.parse().ok()?)));
            match owner {
                Some(("uid", id)) if id != u32::MAX => uid = Uid::new(id),
                Some(("gid", id)) if id != u32::MAX => gid = Gid::new(id),
                _ => rest.push(option),
            }
        }
        let rest = CString::new(rest.join(",")).ok()?;
        (uid.is_some() || gid.is_some()).then_some(Owners { uid, gid, of_root: kind == b"tmpfs", rest })
    }

    /// Writes down whose the root of a mount is.
    fn record(&self, guest: &dyn Guest, root: &Target) -> Result<(), Errno> {
        let mut seen = Seen::find(guest, root)?;
        let mut attr = seen.attr();
        attr.uid = self.uid.unwrap_or(attr.uid);
        attr.gid = self.gid.unwrap_or(attr.gid);
        let record = seen.edit();
        seen.save(guest, record, &attr)
    }
}

/// Makes the mount with the other options alone. What cannot be recorded is reported, though the mount is there.
async fn without(guest: &Rc<dyn Guest>, call: &Call, owners: &Owners) -> Result<(), Errno> {
    let text = owners.rest.to_bytes_with_nul();
    let room = guest.room(text.len()).map_err(|_| Errno::EINVAL)?;
    guest.write(room.at(), text)?;
    host(guest, Host::With(call.with(4, room.at()).args)).await?;
    if owners.of_root {
        owners.record(&**guest, &Target::path(&**guest, call.word(1), Trailing::Follow)?)?;
    }
    Ok(())
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

    #[test]
    fn owners_that_the_namespace_has_not_are_taken_out_and_recorded() {
        let mounting = |kind, options| {
            let mock = Rc::new(Mock::new());
            mock.file("/t", 0o040755);
            let mut made = call(&mock, &["none", "/t", kind], &[0]);
            made.args[4] = mock.poke(options);
            let mut asked = vec![];
            let answer = run(
                &mock,
                |guest| mount(guest, made),
                |mock, host| match host {
                    Host::With(args) => {
                        asked = mock.read_str(args[4], 64)?.into_bytes();
                        Ok(0)
                    }
                    _ => Err(Errno::EINVAL),
                },
            );
            (answer, String::from_utf8_lossy(&asked).into_owned(), mock.owner("/t"))
        };
        let done = Answer::Ret(0);
        assert_eq!(mounting("tmpfs", b"uid=33,mode=711,gid=44\0"), (done, "mode=711".to_owned(), (33, 44)));
        assert_eq!(mounting("devpts", b"gid=5\0"), (done, String::new(), (0, 0)));
        // What is wrong for every root, and what is not known to be an owner, is the kernel's to judge.
        for (kind, options) in
            [("tmpfs", &b"uid=x\0"[..]), ("tmpfs", b"uid=4294967295\0"), ("fuse", b"uid=33\0")]
        {
            assert_eq!(mounting(kind, options), (Answer::Native, String::new(), (0, 0)), "{kind}");
        }
    }
}
