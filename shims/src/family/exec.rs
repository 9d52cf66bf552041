//! What exec does to credentials: execve(2), execveat(2), and the moment after.

use crate::abi::{Errno, Gid, Uid};
use crate::cred::{ExecFile, FileCaps};
use crate::guest::{Guest, Node, Place};

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

/// Gives a task the credentials of the program that it has just become. For the engine, at the exec event.
///
/// The program is the file that the kernel opened last, so that of a script it is the interpreter, as in the kernel. A
/// file that cannot be looked at any more counts as plain. File capabilities that should have made the exec fail (it
/// is too late now; [`execve`] has refused those that it could see) are left out.
pub fn after_exec(guest: &dyn Guest) -> AuxIds {
    let old = guest.cred();
    let file = guest.find(&Place::Exe).and_then(|node| exec_file(guest, node.as_ref()));
    let exec = file.and_then(|file| old.exec(&file).or_else(|_| old.exec(&ExecFile { caps: None, ..file })));
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
    if cred != *old {
        guest.set_cred(cred.into());
    }
    ids
}

/// What an executable says about credentials: by its virtual owner, mode and capabilities, and nothing at all on a
/// nosuid mount. EINVAL for malformed capabilities.
fn exec_file(guest: &dyn Guest, node: &dyn Node) -> Result<ExecFile, Errno> {
    let inode = node.stat()?;
    let record = guest.store().get(&inode);
    let (uid, gid) = match &record {
        Some(record) => (record.uid, record.gid),
        None => guest.world().owner(inode.uid, inode.gid),
    };
    let mode = record.as_ref().and_then(|record| record.mode).map_or(inode.mode, u32::from);
    let recorded = record.as_ref().and_then(|record| record.xattrs.get(&b"security.capability"[..]));
    let caps = match recorded {
        Some(value) => FileCaps::parse(value)?,
        None => match node.xattr(c"security.capability") {
            Ok(value) => FileCaps::parse(&value)?,
            // No attribute, or a file system without any: either way there are none.
            Err(_) => None,
        },
    };
    let file = ExecFile::new(mode, uid, gid, caps);
    if file == ExecFile::PLAIN || node.mount_flags()? & ST_NOSUID == 0 {
        Ok(file)
    } else {
        Ok(ExecFile::PLAIN)
    }
}
