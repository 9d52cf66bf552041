//! What writing does to a file besides its contents: set-id bits and capabilities go, `file_remove_privs` in `fs/inode.c`.
//!
//! Nobody stops at each write. A file with capabilities is watched as soon as it is known to have some. Set-id bits go
//! only by the hand of a task without CAP_FSETID, and those are seen as they open such a file, or truncate it: from then
//! on the next write counts as theirs.

use super::file::{Seen, Target};
use crate::abi::{Abi, Call, Errno};
use crate::cred::CapSet;
use crate::guest::{Answer, Guest, Trailing};
use crate::owner::{Access, rules};

/// truncate(2).
pub fn truncate(guest: &dyn Guest, call: &Call) -> Answer {
    if let Ok(target) = Target::path(guest, call.word(0), Trailing::Follow) {
        foresee(guest, &target);
    }
    Answer::Native
}

/// No file of /proc is longer (`MAX_NON_LFS`, the default of `s_maxbytes`).
const LONGEST: i64 = i32::MAX as i64;

/// ftruncate(2).
pub fn ftruncate(guest: &dyn Guest, call: &Call) -> Answer {
    let length = match call.abi {
        Abi::X86_64 => call.word(1) as i64,
        Abi::I386 => call.int(1).into(),
    };
    truncate_open(guest, call, length)
}

/// ftruncate64(2), whose length is in two arguments.
pub fn ftruncate64(guest: &dyn Guest, call: &Call) -> Answer {
    truncate_open(guest, call, i64::from(call.int(2)) << 32 | i64::from(call.uint(1)))
}

fn truncate_open(guest: &dyn Guest, call: &Call, length: i64) -> Answer {
    // A length below 0 the kernel refuses itself, whatever the file.
    if length >= 0 && guest.sets_login(call.int(0)) {
        // As any file of /proc (`proc_setattr`, `inode_newsize_ok`).
        return if length > LONGEST { Answer::Err(Errno::EFBIG) } else { Answer::Ret(0) };
    }
    foresee(guest, &Target::OpenFd(call.int(0)));
    Answer::Native
}

/// The task is about to get the means to write to a file.
pub(super) fn foresee(guest: &dyn Guest, target: &Target) {
    let cred = guest.cred();
    if cred.capable(CapSet::FSETID) {
        return;
    }
    let Ok(seen) = Seen::find(guest, target) else { return };
    let drops = rules::dropped_by_write(&cred, &seen.attr());
    // What is not recorded, the kernel takes away itself.
    let recorded = seen.record.as_ref().is_some_and(|record| record.mode.is_some());
    let is_open = matches!(target, Target::OpenFd(_));
    if drops != 0 && recorded && (is_open || seen.permits(&cred, Access::WRITE).is_ok()) {
        seen.node.watch(seen.inode.id, drops);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::mock::{Mock, call};
    use crate::owner::tests_support::{uid, user};
    use crate::owner::{CAPABILITY, Record};

    fn with_program() -> Mock {
        let mock = Mock::new();
        mock.file("/f", 0o104755);
        mock.record("/f", |record| (record.uid, record.mode) = (uid(1000), Some(0o4755)));
        mock
    }

    fn look(mock: &Mock) -> Result<Option<Record>, Errno> {
        Seen::find(
            mock,
            &Target::Path { dir: crate::guest::Dir::Cwd, path: c"/f".into(), trailing: Trailing::Keep },
        )
        .map(|seen| seen.record)
    }

    #[test]
    fn a_write_by_its_user_takes_set_id_bits() {
        let mock = with_program();
        mock.be(user(1000, 1000, &[]));
        assert_eq!(truncate(&mock, &call(&mock, &["/f"], &[0])), Answer::Native);
        look(&mock).unwrap();
        assert_eq!(mock.mode("/f"), 0o104755, "it failed, so nothing was written");
        mock.write_to("/f");
        assert_eq!(look(&mock).unwrap().unwrap().mode, None);
        assert_eq!((mock.mode("/f"), mock.native_mode("/f")), (0o100755, 0o100755));
    }

    #[test]
    fn a_write_by_root_takes_capabilities_alone() {
        let mock = with_program();
        mock.record("/f", |record| drop(record.xattrs.insert(CAPABILITY.into(), [1].into())));
        look(&mock).unwrap();
        assert_eq!(truncate(&mock, &call(&mock, &["/f"], &[0])), Answer::Native);
        mock.write_to("/f");
        assert_eq!(look(&mock).unwrap().unwrap().xattrs.len(), 0);
        assert_eq!(mock.mode("/f"), 0o104755);
    }

    #[test]
    fn a_store_without_room_does_not_give_them_back_at_once() {
        let mock = with_program();
        mock.be(user(1000, 1000, &[]));
        truncate(&mock, &call(&mock, &["/f"], &[0]));
        mock.write_to("/f");
        mock.fill_store();
        assert_eq!(look(&mock).unwrap().unwrap().mode, Some(0o755));
    }

    #[test]
    fn who_may_not_write_announces_nothing() {
        let mock = with_program();
        mock.be(user(33, 33, &[]));
        truncate(&mock, &call(&mock, &["/f"], &[0]));
        assert_eq!(mock.watched(mock.inode("/f").id), None);
    }
}
