//! What exec does to credentials: execve(2), execveat(2), and the moment after.

use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};

use super::file::Seen;
use super::{SUID_DUMP_DISABLE, SUID_DUMP_USER};
use crate::abi::{Call, Errno, Gid, Uid};
use crate::cred::{ExecFile, FileCaps};
use crate::guest::{Answer, Dir, Guest, Place, Trailing};
use crate::owner::Access;

const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;

/// Mounted nosuid (`ST_NOSUID` of statvfs(3)).
const ST_NOSUID: u64 = 2;

/// What a new program's auxiliary vector must say of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuxIds {
    /// AT_UID.
    pub uid: Uid,
    /// AT_EUID.
    pub euid: Uid,
    /// AT_GID.
    pub gid: Gid,
    /// AT_EGID.
    pub egid: Gid,
    /// AT_SECURE.
    pub secure: bool,
}

/// execve(2): refused where file capabilities ask for more than the bounding set allows, which the real bounding set
/// does not know. Everything else about exec is the kernel's, and [`after_exec`]'s.
pub fn execve(guest: &dyn Guest, call: &Call) -> Answer {
    check(guest, Dir::Cwd, call.word(0), 0)
}

/// execveat(2), likewise.
pub fn execveat(guest: &dyn Guest, call: &Call) -> Answer {
    check(guest, Dir::from_raw(call.int(0)), call.word(1), call.uint(4))
}

/// Nothing is looked at unless the bounding set is reduced: with all of it, no exec can fail. Whatever cannot be found
/// or executed is left to the kernel to refuse, in its own order. The interpreter of a script is not looked at.
fn check(guest: &dyn Guest, dir: Dir, path: u64, flags: u32) -> Answer {
    let cred = guest.cred();
    if cred.caps.bounding.is_all() {
        return Answer::Native;
    }
    let file = guest.read_path(path).and_then(|path| {
        let trailing = if flags & AT_SYMLINK_NOFOLLOW == 0 { Trailing::Follow } else { Trailing::Keep };
        let node = match dir {
            Dir::Fd(fd) if path.is_empty() && flags & AT_EMPTY_PATH != 0 => guest.find(&Place::Fd(fd))?,
            _ if path.is_empty() => return Err(Errno::ENOENT),
            dir => guest.find(&Place::Path { dir, path: &path, trailing })?,
        };
        let mode = node.stat()?.mode;
        if mode & S_IFMT == S_IFREG && mode & 0o111 != 0 {
            Seen::hold(guest, node)
        } else {
            Err(Errno::EACCES)
        }
    });
    match file.and_then(|seen| exec_file(&seen)).map(|file| cred.exec(&file)) {
        Ok(Err(errno)) => Answer::Err(errno),
        _ => Answer::Native,
    }
}

impl AuxIds {
    /// Root who executes an ordinary program.
    pub const ROOT: AuxIds =
        AuxIds { uid: Uid::ROOT, euid: Uid::ROOT, gid: Gid::ROOT, egid: Gid::ROOT, secure: false };
}

/// Gives a task the credentials of the program that it has just become. For the engine, at the exec event.
///
/// The program is the file that the kernel opened last, so that of a script it is the interpreter, as in the kernel. A
/// file that cannot be looked at any more counts as plain. File capabilities that should have made the exec fail (it
/// is too late now; [`execve`] has refused those that it could see) are left out.
pub fn after_exec(guest: &dyn Guest) -> AuxIds {
    let old = guest.cred();
    let program = guest.find(&Place::Exe).and_then(|node| Seen::hold(guest, node));
    // would_dump: who may not read the program shall not read its memory either.
    let is_secret = program.as_ref().is_ok_and(|seen| seen.permits(&old, Access::READ).is_err());
    let exec = program
        .and_then(|seen| exec_file(&seen))
        .and_then(|file| old.exec(&file).or_else(|_| old.exec(&ExecFile { caps: None, ..file })));
    let (cred, secure) = match exec.or_else(|_| old.exec(&ExecFile::PLAIN)) {
        Ok(exec) => (exec.cred, exec.secure),
        // A plain file has no capabilities to be refused for.
        Err(_) => ((*old).clone(), false),
    };
    let ids = AuxIds {
        uid: cred.uid.real,
        euid: cred.uid.effective,
        gid: cred.gid.real,
        egid: cred.gid.effective,
        secure,
    };
    // begin_new_exec looks at the old credentials, then commit_creds at what has changed.
    let is_itself = old.uid.effective == old.uid.real && old.gid.effective == old.gid.real;
    let dumpable = is_itself && !is_secret && !cred.raises_suspicion(&old);
    guest.set_dumpable(if dumpable { SUID_DUMP_USER } else { SUID_DUMP_DISABLE });
    if cred != *old {
        guest.set_cred(cred.into());
    }
    ids
}

/// What an executable says about credentials: by its virtual owner, mode and capabilities, and nothing at all on a
/// nosuid mount. EINVAL for malformed capabilities.
fn exec_file(seen: &Seen) -> Result<ExecFile, Errno> {
    let attr = seen.attr();
    let recorded = seen.record.as_ref().and_then(|record| record.xattrs.get(&b"security.capability"[..]));
    let caps = match recorded {
        Some(value) => FileCaps::parse(value)?,
        None => match seen.node.xattr(c"security.capability") {
            Ok(value) => FileCaps::parse(&value)?,
            // No attribute, or a file system without any: either way there are none.
            Err(_) => None,
        },
    };
    let file = ExecFile::new(attr.mode, attr.uid, attr.gid, caps);
    if file == ExecFile::PLAIN || seen.node.mount_flags()? & ST_NOSUID == 0 {
        Ok(file)
    } else {
        Ok(ExecFile::PLAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::cred::{CapSet, Cred};
    use crate::owner::Record;
    use crate::testing::Fake;

    fn id(raw: u32) -> (Uid, Gid) {
        (Uid::new(raw).unwrap(), Gid::new(raw).unwrap())
    }

    fn user() -> Fake {
        Fake::new(Abi::X86_64, Cred::login(id(1000).0, id(1000).1, vec![]))
    }

    /// `cap_net_raw=ep`.
    fn net_raw() -> Vec<u8> {
        [0x0200_0001, 1 << 13, 0, 0, 0u32].map(u32::to_le_bytes).concat()
    }

    #[test]
    fn a_plain_program_changes_nothing() {
        let guest = user();
        let ids = after_exec(&guest);
        assert_eq!((ids.uid, ids.euid, ids.secure), (id(1000).0, id(1000).0, false));
        let root = Fake::root(Abi::X86_64);
        assert!(!after_exec(&root).secure);
        assert_eq!(root.cred_now(), Cred::root());
    }

    #[test]
    fn the_memory_of_a_program_is_as_secret_as_its_file() {
        for (cred, mode, dumpable) in [
            (user().cred_now(), 0o755, SUID_DUMP_USER),
            (user().cred_now(), 0o711, SUID_DUMP_DISABLE),
            (Cred::root(), 0o711, SUID_DUMP_USER),
        ] {
            let mut guest = Fake::new(Abi::X86_64, cred);
            guest.program.native.0 = 0o100_000 | mode;
            after_exec(&guest);
            assert_eq!(guest.dumpable(), dumpable, "{mode:o}");
        }
    }

    #[test]
    fn set_user_id_by_the_virtual_owner() {
        let guest = user();
        let record = Record { mode: Some(0o4755), ..Record::owned(id(33).0, id(33).1) };
        guest.records.borrow_mut().insert(1, record);
        let ids = after_exec(&guest);
        assert_eq!((ids.uid, ids.euid, ids.egid, ids.secure), (id(1000).0, id(33).0, id(1000).1, true));
        assert_eq!(guest.cred_now().uid.saved, id(33).0);
    }

    #[test]
    fn an_unmapped_native_owner_is_root() {
        let mut guest = user();
        guest.program.native = (0o104_755, 65534, 65534);
        assert_eq!(after_exec(&guest).euid, Uid::ROOT);
        assert_eq!(guest.cred_now().caps.effective, CapSet::all());
    }

    #[test]
    fn nosuid_mounts_give_nothing() {
        let mut guest = user();
        guest.program.native.0 = 0o104_755;
        guest.program.caps = Some(net_raw());
        guest.program.mount_flags = ST_NOSUID;
        assert!(!after_exec(&guest).secure);
        assert!(guest.cred_now().caps.permitted.is_empty());
    }

    #[test]
    fn recorded_capabilities_come_before_native_ones() {
        let mut guest = user();
        guest.program.caps = Some(net_raw());
        after_exec(&guest);
        assert_eq!(guest.cred_now().caps.effective, CapSet::NET_RAW);
        let mut record = Record::owned(Uid::ROOT, Gid::ROOT);
        let value = [0x0200_0001, 1 << 10, 0, 0, 0u32].map(u32::to_le_bytes).concat();
        record.xattrs.insert(b"security.capability"[..].into(), value.into());
        guest.records.borrow_mut().insert(1, record);
        assert!(after_exec(&guest).secure);
        assert_eq!(guest.cred_now().caps.permitted, CapSet::NET_BIND_SERVICE);
    }

    #[test]
    fn capabilities_held_back_refuse_the_exec() {
        let cred = Cred::root().bounding_drop(13).unwrap();
        let mut guest = Fake::new(Abi::X86_64, cred);
        guest.put(0x100, b"/bin/ping\0");
        assert_eq!(guest.run(execve, &[0x100]), Answer::Native);
        guest.program.caps = Some(net_raw());
        assert_eq!(guest.run(execve, &[0x100]), Answer::Err(Errno::EPERM));
        assert_eq!(guest.run(execveat, &[3, 0x109, 0, 0, AT_EMPTY_PATH.into()]), Answer::Err(Errno::EPERM));
        assert_eq!(guest.run(execveat, &[3, 0x109]), Answer::Native, "ENOENT is the kernel's to say");
        guest.program.native.0 = 0o100_644;
        assert_eq!(guest.run(execve, &[0x100]), Answer::Native, "EACCES comes first");
    }

    #[test]
    fn capabilities_seen_too_late_are_left_out() {
        let mut guest = Fake::new(Abi::X86_64, Cred::root().bounding_drop(13).unwrap());
        guest.program.caps = Some(net_raw());
        guest.program.native.0 = 0o104_755;
        assert!(!after_exec(&guest).secure);
        assert_eq!(guest.cred_now().caps.effective, CapSet::all() - CapSet::NET_RAW);
    }
}
