//! chown(2): `fs/open.c`.
//!
//! The kernel cannot hold the new owner, so it is recorded; all else that a chown does is done natively: errors of
//! the file system, ctime, set-id bits.

use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};

use super::file::{Seen, Target};
use crate::abi::{Call, Errno, KeepGid, KeepUid};
use crate::guest::{Answer, Guest, Trailing};
use crate::owner::{CAPABILITY, rules};

/// chown(2).
pub fn chown(guest: &dyn Guest, call: &Call) -> Answer {
    by_path(guest, call, Trailing::Follow, ids)
}

/// chown(2) with 16-bit ids.
pub fn chown16(guest: &dyn Guest, call: &Call) -> Answer {
    by_path(guest, call, Trailing::Follow, ids16)
}

/// lchown(2).
pub fn lchown(guest: &dyn Guest, call: &Call) -> Answer {
    by_path(guest, call, Trailing::Keep, ids)
}

/// lchown(2) with 16-bit ids.
pub fn lchown16(guest: &dyn Guest, call: &Call) -> Answer {
    by_path(guest, call, Trailing::Keep, ids16)
}

/// fchown(2).
pub fn fchown(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, &Target::OpenFd(call.int(0)), ids(call)).into()
}

/// fchown(2) with 16-bit ids.
pub fn fchown16(guest: &dyn Guest, call: &Call) -> Answer {
    change(guest, &Target::OpenFd(call.int(0)), ids16(call)).into()
}

/// fchownat(2).
pub fn fchownat(guest: &dyn Guest, call: &Call) -> Answer {
    let flags = call.uint(4);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Answer::Err(Errno::EINVAL);
    }
    let ids = (call.keep_uid(2), call.keep_gid(3));
    Target::at(guest, call.int(0), call.word(1), flags).and_then(|target| change(guest, &target, ids)).into()
}

type Ids = (KeepUid, KeepGid);

fn ids(call: &Call) -> Ids {
    (call.keep_uid(1), call.keep_gid(2))
}

fn ids16(call: &Call) -> Ids {
    (KeepUid::from_16(call.uint(1) as u16), KeepGid::from_16(call.uint(2) as u16))
}

fn by_path(guest: &dyn Guest, call: &Call, trailing: Trailing, ids: fn(&Call) -> Ids) -> Answer {
    Target::path(guest, call.word(0), trailing).and_then(|target| change(guest, &target, ids(call))).into()
}

/// `chown_common`, then what changed is written down.
fn change(guest: &dyn Guest, target: &Target, (uid, gid): Ids) -> Result<(), Errno> {
    let mut seen = Seen::hold(guest, guest.find(&target.place_of_change())?)?;
    let old = seen.attr();
    let new = rules::chown_common(&guest.cred(), &old, uid, gid).map_err(|errno| seen.denied(errno))?;
    seen.touch(new.mode)?;
    let mut record = seen.edit();
    if !old.is_dir() {
        record.xattrs.remove(CAPABILITY);
    }
    seen.save(guest, record, &new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::family::mock::{Mock, call};
    use crate::owner::tests_support::user;

    #[test]
    fn minus_one_keeps_and_zero_is_forgotten() {
        let mock = Mock::new();
        mock.file("/f", 0o100644);
        assert_eq!(chown(&mock, &call(&mock, &["/f"], &[33, 44])), Answer::Ret(0));
        assert_eq!(mock.owner("/f"), (33, 44));
        let keep = u64::from(u32::MAX);
        assert_eq!(chown(&mock, &call(&mock, &["/f"], &[keep, 5])), Answer::Ret(0));
        assert_eq!(mock.owner("/f"), (33, 5));
        assert_eq!(chown16(&mock, &call(&mock, &["/f"], &[0xFFFF, 0x1_0006])), Answer::Ret(0));
        assert_eq!(mock.owner("/f"), (33, 6));
        assert_eq!(chown(&mock, &call(&mock, &["/f"], &[0, 0])), Answer::Ret(0));
        assert_eq!(mock.records(), 0);
    }

    #[test]
    fn a_store_without_room_says_so_and_keeps_what_it_has() {
        let mock = Mock::new();
        mock.file("/f", 0o100644);
        assert_eq!(chown(&mock, &call(&mock, &["/f"], &[33, 44])), Answer::Ret(0));
        mock.fill_store();
        assert_eq!(chown(&mock, &call(&mock, &["/f"], &[5, 5])), Answer::Err(Errno::ENOSPC));
        assert_eq!(chown(&mock, &call(&mock, &["/f"], &[0, 0])), Answer::Err(Errno::ENOSPC));
        assert_eq!(mock.owner("/f"), (33, 44));
    }

    #[test]
    fn the_record_is_of_the_copy_that_an_overlay_makes() {
        let mock = Mock::new();
        mock.file("/f", 0o100644);
        mock.copy_up(crate::owner::Time { sec: 99, nsec: 0 });
        assert_eq!(chown(&mock, &call(&mock, &["/f"], &[33, 44])), Answer::Ret(0));
        assert_eq!(mock.owner("/f"), (33, 44));
    }

    #[test]
    fn set_id_bits_and_capabilities_go() {
        let mock = Mock::new();
        mock.file("/f", 0o106755);
        mock.record("/f", |record| {
            record.mode = Some(0o6755);
            record.xattrs.insert(CAPABILITY.into(), [1].into());
        });
        assert_eq!(chown(&mock, &call(&mock, &["/f"], &[1, 1])), Answer::Ret(0));
        assert_eq!((mock.mode("/f"), mock.native_mode("/f")), (0o100755, 0o100755));
        mock.record("/f", |record| assert!(record.xattrs.is_empty()));
    }

    #[test]
    fn errors_come_in_the_kernels_order() {
        let mock = Mock::new();
        mock.file("/f", 0o100644);
        mock.be(user(1000, 1000, &[]));
        assert_eq!(chown(&mock, &call(&mock, &["/f"], &[5, 5])), Answer::Err(Errno::EPERM));
        assert_eq!(chown(&mock, &call(&mock, &["/none"], &[5, 5])), Answer::Err(Errno::ENOENT));
        assert_eq!(chown(&mock, &call(&mock, &[""], &[5, 5])), Answer::Err(Errno::ENOENT));
        mock.read_only(true);
        assert_eq!(chown(&mock, &call(&mock, &["/f"], &[5, 5])), Answer::Err(Errno::EROFS));
        let bad = Call { abi: Abi::X86_64, nr: 0, args: [0, 0, 0, 0, 0x8000, 0] };
        assert_eq!(fchownat(&mock, &bad), Answer::Err(Errno::EINVAL));
    }
}
