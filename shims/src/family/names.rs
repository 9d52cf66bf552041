//! Who may take names away or give new ones, as far as that depends on whose the file is: the sticky bit of directories
//! (`may_delete`, `may_create_in_sticky`), and links to files of others (`may_linkat`). `fs/namei.c`.
//!
//! Each function says what the kernel would refuse a virtual user. Whatever it refuses before it comes to ask this, and
//! what cannot be found, is left to the kernel's own answer.

use std::ffi::CString;

use linux_raw_sys::general::{
    AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT, S_IFIFO, S_IFMT,
    S_IFREG,
};

use super::file::{Seen, Target};
use crate::abi::Errno;
use crate::cred::CapSet;
use crate::guest::{Dir, Guest, Trailing};
use crate::owner::{Access, rules};

/// What names shall be taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// Anything but a directory (unlink).
    File,
    /// A directory (rmdir), or anything (rename): for these, a path may end in a slash.
    Any,
}

/// `may_delete` for the last name of a path. EPERM, EROFS.
pub fn may_unlink(guest: &dyn Guest, target: &Target, victim: Victim) -> Result<(), Errno> {
    if guest.cred().capable(CapSet::FOWNER) || !is_name(target, victim) {
        return Ok(());
    }
    let Some((dir, file)) = entry(guest, target) else { return Ok(()) };
    if is_protected(guest, &dir, &file) { Err(dir.denied(Errno::EPERM)) } else { Ok(()) }
}

/// `may_delete` for the file that gets another name, and for the one whose name it gets. EPERM, EROFS.
pub fn may_rename(guest: &dyn Guest, from: &Target, to: &Target, flags: u32) -> Result<(), Errno> {
    if guest.cred().capable(CapSet::FOWNER)
        || !is_name(from, Victim::Any)
        || !is_name(to, Victim::Any)
        || flags & !(RENAME_EXCHANGE | RENAME_NOREPLACE | RENAME_WHITEOUT) != 0
        || (flags & RENAME_EXCHANGE != 0 && flags != RENAME_EXCHANGE)
    {
        return Ok(());
    }
    let (Some((dir, file)), Ok(new_dir)) = (entry(guest, from), Seen::find(guest, &to.parent())) else {
        return Ok(());
    };
    let replaced = match Seen::find(guest, &entry_of(to)) {
        Ok(replaced) => Some(replaced),
        Err(Errno::ENOENT) => None,
        // No name to give (ENAMETOOLONG).
        Err(_) => return Ok(()),
    };
    let refused_before = match &replaced {
        Some(old) => flags & RENAME_NOREPLACE != 0 || old.inode.id == file.inode.id,
        None => flags & RENAME_EXCHANGE != 0,
    };
    let is_file = |seen: &Seen| !seen.attr().is_dir();
    let ends_in_slash = |target| !is_name(target, Victim::File);
    let moved = if flags & RENAME_EXCHANGE == 0 { Some(&file) } else { replaced.as_ref() };
    let not_a_directory =
        (ends_in_slash(from) && is_file(&file)) || (ends_in_slash(to) && moved.is_some_and(is_file));
    // A descriptor that a path starts from may be of anything.
    let are_in_directories = dir.attr().is_dir() && new_dir.attr().is_dir();
    if refused_before || not_a_directory || !are_in_directories || dir.inode.id.dev != new_dir.inode.id.dev {
        return Ok(());
    }
    let refused = is_protected(guest, &dir, &file)
        || replaced.is_some_and(|replaced| is_protected(guest, &new_dir, &replaced));
    if refused { Err(dir.denied(Errno::EPERM)) } else { Ok(()) }
}

/// `may_linkat`: with fs.protected_hardlinks, a link to a file of somebody else's is for those who may read and write
/// it, and no link to what may be more than its contents. EPERM, EROFS. (Of two mounts of one file system only such
/// The file that linkat(2) gives a further name: where its first two arguments and these flags lead.
pub fn link_source(guest: &dyn Guest, from: (i32, u64), flags: u32) -> Option<Target> {
    let trailing = if flags & AT_SYMLINK_FOLLOW == 0 { Trailing::Keep } else { Trailing::Follow };
    let dir = Dir::from_raw(from.0);
    match guest.read_path(from.1) {
        Ok(path) if !path.is_empty() => Some(Target::Path { dir, path, trailing }),
        Ok(_) if flags & AT_EMPTY_PATH != 0 => Some(match dir {
            Dir::Cwd => Target::Cwd,
            Dir::Fd(fd) => Target::Fd(fd),
        }),
        _ => None,
    }
}

/// with other flags are known for two, so that EXDEV comes first.)
pub fn may_link(guest: &dyn Guest, from: (i32, u64), to: &Target, flags: u32) -> Result<(), Errno> {
    let cred = guest.cred();
    if cred.capable(CapSet::FOWNER)
        || flags & !(AT_EMPTY_PATH | AT_SYMLINK_FOLLOW) != 0
        || !is_name(to, Victim::File)
        || guest.sysctl(c"fs/protected_hardlinks") == 0
    {
        return Ok(());
    }
    let Some(source) = link_source(guest, from, flags) else { return Ok(()) };
    let (Ok(file), Ok(new_dir)) = (Seen::find(guest, &source), Seen::find(guest, &to.parent())) else {
        return Ok(());
    };
    let attr = file.attr();
    let harmless = rules::is_plain_file(&attr) && file.permits(&cred, Access::READ | Access::WRITE).is_ok();
    if harmless
        || rules::inode_owner_or_capable(&cred, &attr)
        || !matches!(Seen::find(guest, to), Err(Errno::ENOENT))
        || file.inode.id.dev != new_dir.inode.id.dev
        || file.node.mount_flags()? != new_dir.node.mount_flags()?
    {
        return Ok(());
    }
    Err(new_dir.denied(Errno::EPERM))
}

/// `may_create_in_sticky` for a file that O_CREAT finds. EACCES.
pub fn may_open(guest: &dyn Guest, target: &Target) -> Result<(), Errno> {
    let Target::Path { dir, path, .. } = target else { return Ok(()) };
    // A link's own directory has no say about the file that it leads to.
    let name = Target::Path { dir: *dir, path: path.clone(), trailing: Trailing::Keep };
    let Some((dir, file)) = entry(guest, &name).filter(|(_, file)| !file.attr().is_link()) else {
        return Ok(());
    };
    let attr = file.attr();
    let protected = match attr.mode & S_IFMT {
        S_IFREG => guest.sysctl(c"fs/protected_regular"),
        S_IFIFO => guest.sysctl(c"fs/protected_fifos"),
        _ => 1,
    };
    let allowed = attr.is_dir() || rules::may_create_in_sticky(&guest.cred(), &dir.attr(), &attr, protected);
    if allowed { Ok(()) } else { Err(Errno::EACCES) }
}

/// Whether a path ends in a name of the kind that the call may take: not `.` or `..`, and a slash only behind
/// directories.
fn is_name(target: &Target, victim: Victim) -> bool {
    let Target::Path { path, .. } = target else { return false };
    let path = path.to_bytes();
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    let name = path[..end].rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    !matches!(name, b"" | b"." | b"..") && (victim == Victim::Any || end == path.len())
}

/// A directory and what it has under the last name of a path.
fn entry(guest: &dyn Guest, target: &Target) -> Option<(Seen, Seen)> {
    Some((Seen::find(guest, &target.parent()).ok()?, Seen::find(guest, &entry_of(target)).ok()?))
}

/// What the last name of a path stands for, whether a slash follows it or not.
fn entry_of(target: &Target) -> Target {
    let mut entry = target.clone();
    if let Target::Path { path, .. } = &mut entry {
        let mut bytes = path.to_bytes().to_vec();
        while bytes.len() > 1 && bytes.ends_with(b"/") {
            bytes.pop();
        }
        *path = CString::new(bytes).unwrap_or_default();
    }
    entry
}

fn is_protected(guest: &dyn Guest, dir: &Seen, file: &Seen) -> bool {
    !rules::check_sticky(&guest.cred(), &dir.attr(), &file.attr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::mock::Mock;
    use crate::owner::tests_support::{gid, uid, user};

    fn path(path: &str) -> Target {
        let path = CString::new(path).unwrap();
        Target::Path { dir: Dir::Cwd, path, trailing: Trailing::Keep }
    }

    /// A directory like /tmp with a file of user 33's, and user 1000.
    fn shared() -> Mock {
        let mock = Mock::new();
        mock.file("/t", 0o041777);
        mock.file("/t/f", 0o100666);
        mock.record("/t/f", |record| (record.uid, record.gid) = (uid(33), gid(33)));
        mock.be(user(1000, 1000, &[]));
        mock
    }

    #[test]
    fn names_in_sticky_directories_are_their_owners() {
        let mock = shared();
        assert_eq!(may_unlink(&mock, &path("/t/f"), Victim::File), Err(Errno::EPERM));
        assert_eq!(may_unlink(&mock, &path("/t/f/"), Victim::File), Ok(()), "ENOTDIR is the kernel's to say");
        assert_eq!(may_unlink(&mock, &path("/t/x"), Victim::File), Ok(()));
        assert_eq!(may_rename(&mock, &path("/t/f"), &path("/t/g"), 0), Err(Errno::EPERM));
        mock.file("/mine", 0o100600);
        assert_eq!(may_rename(&mock, &path("/mine"), &path("/t/f"), 0), Err(Errno::EPERM));
        assert_eq!(may_rename(&mock, &path("/mine"), &path("/t/f"), RENAME_NOREPLACE), Ok(()));
        mock.be(user(33, 33, &[]));
        assert_eq!(may_unlink(&mock, &path("/t/f"), Victim::File), Ok(()));
        assert_eq!(may_rename(&mock, &path("/t/f"), &path("/t/g"), 0), Ok(()));
    }

    #[test]
    fn links_are_for_those_who_may_read_and_write() {
        let mock = shared();
        mock.protect(c"fs/protected_hardlinks", 1);
        let text = mock.poke(b"/t/f\0");
        let link = |mock: &Mock| may_link(mock, (-100, text), &path("/l"), 0);
        assert_eq!(link(&mock), Ok(()));
        mock.set_native_mode("/t/f", 0o100664);
        assert_eq!(link(&mock), Err(Errno::EPERM));
        mock.protect(c"fs/protected_hardlinks", 0);
        assert_eq!(link(&mock), Ok(()));
    }

    #[test]
    fn o_creat_does_not_open_what_others_left() {
        let mock = shared();
        assert_eq!(may_open(&mock, &path("/t/f")), Ok(()));
        mock.protect(c"fs/protected_regular", 1);
        assert_eq!(may_open(&mock, &path("/t/f")), Err(Errno::EACCES));
        mock.be(user(33, 33, &[]));
        assert_eq!(may_open(&mock, &path("/t/f")), Ok(()));
    }
}
