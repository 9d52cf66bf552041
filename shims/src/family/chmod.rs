//! chmod(2): `fs/open.c`.

use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, S_IFMT, S_IFREG, S_ISGID, S_ISUID};

use super::acl;
use super::file::{Seen, Target};
use crate::abi::{Call, Errno};
use crate::cred::CapSet;
use crate::guest::{Answer, Dir, Guest, Node, Trailing};
use crate::owner::{Inode, PERMISSIONS, rules};

/// chmod(2).
pub fn chmod(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, Target::path(guest, call.word(0), Trailing::Follow), call.uint(1))
}

/// fchmod(2).
pub fn fchmod(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, Ok(Target::OpenFd(call.int(0))), call.uint(1))
}

/// fchmodat(2): three arguments, no flags.
pub fn fchmodat(guest: &dyn Guest, call: &Call) -> Answer {
    let dir = Dir::from_raw(call.int(0));
    change(guest, Target::path_at(guest, dir, call.word(1), Trailing::Follow), call.uint(2))
}

/// fchmodat2(2).
pub fn fchmodat2(guest: &dyn Guest, call: &Call) -> Answer {
    let flags = call.uint(3);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Answer::Err(Errno::EINVAL);
    }
    change(guest, Target::at(guest, call.int(0), call.word(1), flags), call.uint(2))
}

/// `chmod_common`: the mode is set natively as far as it will stay there, and recorded as far as it will not.
fn change(guest: &dyn Guest, target: Result<Target, Errno>, mode: u32) -> Answer {
    let change = |target: Target| {
        let node = guest.find(&target.place_of_change())?;
        let inode = node.stat()?;
        if is_native(guest, &*node, &inode, mode) {
            return Ok(Answer::Native);
        }
        let mut seen = Seen::of(guest, node, inode)?;
        let new =
            rules::chmod_common(&guest.cred(), &seen.attr(), mode).map_err(|errno| seen.denied(errno))?;
        seen.set_mode(new.mode)?;
        let mut record = seen.edit();
        acl::chmod(&mut record, new.mode);
        seen.save(guest, record, &new).map(|()| Answer::Ret(0))
    };
    target.and_then(change).unwrap_or_else(Answer::Err)
}

/// Whether the kernel's own chmod does all that there is to do, as for most files that an archiver makes: root's, with
/// neither old nor new mode in need of a record.
fn is_native(guest: &dyn Guest, node: &dyn Node, inode: &Inode, mode: u32) -> bool {
    let (new, world) = (S_IFREG | mode & PERMISSIONS, guest.world());
    inode.mode & S_IFMT == S_IFREG
        && (inode.mode | new) & (S_ISUID | S_ISGID) == 0
        && guest.cred().capable(CapSet::FOWNER)
        && world.owns(inode)
        && world.native_mode(new) == new
        && !node.copies_up()
        && !guest.store().minds_mode(inode.id, inode.ctime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::mock::{Mock, call};
    use crate::owner::tests_support::user;

    /// What comes of chmod(2), with the kernel's part in it.
    fn chmod(mock: &Mock, path: &str, mode: u32) -> Answer {
        match super::chmod(mock, &call(mock, &[path], &[mode.into()])) {
            Answer::Native => {
                mock.set_native_mode(path, mock.native_mode(path) & !PERMISSIONS | mode);
                Answer::Ret(0)
            }
            answer => answer,
        }
    }

    #[test]
    fn a_plain_mode_leaves_no_record() {
        let mock = Mock::new();
        mock.file("/f", 0o100644);
        assert_eq!(chmod(&mock, "/f", 0o4711), Answer::Ret(0));
        assert_eq!((mock.mode("/f"), mock.records()), (0o104711, 1));
        mock.set_native_mode("/f", 0o100711); // as a write by root does
        assert_eq!(mock.mode("/f"), 0o104711);
        assert_eq!(chmod(&mock, "/f", 0o600), Answer::Ret(0));
        assert_eq!((mock.mode("/f"), mock.records()), (0o100600, 0));
    }

    #[test]
    fn what_needs_no_record_is_left_to_the_kernel() {
        let mock = Mock::new();
        mock.file("/f", 0o100644);
        let chmod = |mode: u64| super::chmod(&mock, &call(&mock, &["/f"], &[mode]));
        assert_eq!(chmod(0o1640), Answer::Native);
        assert_eq!(chmod(0o4755), Answer::Ret(0));
        assert_eq!(chmod(0o755), Answer::Ret(0), "a recorded mode must go");
        assert_eq!(chmod(0o700), Answer::Native);
        let mut cred = user(0, 0, &[]);
        cred.caps.effective.remove(CapSet::FOWNER);
        mock.be(cred);
        assert_eq!(chmod(0o755), Answer::Ret(0));
    }

    #[test]
    fn a_file_that_may_be_copied_up_is_looked_at_again() {
        let mock = Mock::new();
        mock.file("/f", 0o100644);
        mock.copy_up(crate::owner::Time { sec: 99, nsec: 0 });
        assert_eq!(super::chmod(&mock, &call(&mock, &["/f"], &[0o600])), Answer::Ret(0));
    }

    #[test]
    fn only_the_virtual_owner_may() {
        let mock = Mock::new();
        mock.file("/f", 0o100644);
        mock.be(user(1000, 1000, &[]));
        assert_eq!(chmod(&mock, "/f", 0o600), Answer::Err(Errno::EPERM));
        mock.record("/f", |record| record.uid = crate::owner::tests_support::uid(1000));
        assert_eq!(chmod(&mock, "/f", 0o2670), Answer::Ret(0));
        assert_eq!(mock.mode("/f"), 0o100670);
    }

    #[test]
    fn without_dac_override_virtual_root_is_not_locked_out() {
        let mock = Mock::new();
        mock.without_dac_override();
        mock.file("/f", 0o100644);
        assert_eq!(chmod(&mock, "/f", 0), Answer::Ret(0));
        assert_eq!((mock.mode("/f"), mock.native_mode("/f")), (0o100000, 0o100600));
    }

    #[test]
    fn files_of_others_change_in_the_record_alone() {
        let mock = Mock::new();
        mock.file("/null", 0o020666);
        mock.file("/f", 0o100644);
        mock.make_foreign("/null");
        mock.make_foreign("/f");
        assert_eq!(chmod(&mock, "/f", 0o600), Answer::Ret(0));
        assert_eq!((mock.mode("/f"), mock.native_mode("/f")), (0o100600, 0o100644));
        assert_eq!(chmod(&mock, "/f", 0o644), Answer::Ret(0));
        assert_eq!(chmod(&mock, "/null", 0o600), Answer::Ret(0));
        assert_eq!((mock.mode("/null"), mock.native_mode("/null")), (0o020600, 0o020666));
        assert_eq!(chmod(&mock, "/null", 0o666), Answer::Ret(0));
        assert_eq!(mock.records(), 0);
    }
}
