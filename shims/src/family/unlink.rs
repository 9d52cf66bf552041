//! Calls that take names away or give new ones: unlink(2), rmdir(2), rename(2), link(2). `fs/namei.c`.
//!
//! The kernel does it all. But a placeholder that is covered with the machine's device is a mount point, which no
//! namespace lets go of, so the cover is lifted first; and where nothing tells a reused inode number, an inode whose
//! last name went is forgotten.

use std::rc::Rc;

use linux_raw_sys::general::AT_FDCWD;

use super::file::{Seen, Target};
use super::mknod;
use crate::abi::Call;
use crate::guest::{Answer, Dir, Guest, Host, Trailing, host};

/// unlink(2), rmdir(2).
pub async fn unlink(guest: Rc<dyn Guest>, call: Call) -> Answer {
    changing(guest, &[(AT_FDCWD, call.word(0))]).await
}

/// unlinkat(2).
pub async fn unlinkat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    changing(guest, &[(call.int(0), call.word(1))]).await
}

/// rename(2), link(2).
pub async fn rename(guest: Rc<dyn Guest>, call: Call) -> Answer {
    changing(guest, &[(AT_FDCWD, call.word(0)), (AT_FDCWD, call.word(1))]).await
}

/// renameat(2), renameat2(2), linkat(2).
pub async fn renameat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    changing(guest, &[(call.int(0), call.word(1)), (call.int(2), call.word(3))]).await
}

/// Runs a call that changes what is found under `names`.
async fn changing(guest: Rc<dyn Guest>, names: &[(i32, u64)]) -> Answer {
    if !guest.store().awaits_unlink() {
        return Answer::Native;
    }
    let read =
        |&(dir, addr): &(i32, u64)| Target::path_at(&*guest, Dir::from_raw(dir), addr, Trailing::Keep).ok();
    let targets: Vec<Target> = names.iter().filter_map(read).collect();
    let mut lifted = false;
    let look = |target| {
        let seen = Seen::find(&*guest, target).ok()?;
        lifted |= seen.node.uncover().is_ok();
        seen.record.is_some().then_some(seen)
    };
    let recorded: Vec<Seen> = targets.iter().filter_map(look).collect();
    if recorded.is_empty() {
        return Answer::Native;
    }
    // Whether it worked or not, what matters is what is there afterwards.
    let _ = host(&guest, Host::Native).await;
    for seen in &recorded {
        if seen.node.stat().is_ok_and(|inode| inode.nlink == 0) {
            guest.store().unlinked(&*seen.node, &seen.inode);
        }
    }
    if lifted {
        for target in &targets {
            if let Ok(seen) = Seen::find(&*guest, target) {
                mknod::cover(&seen);
            }
        }
    }
    Answer::Native
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::mock::{Mock, call, run};
    use crate::owner::Device;

    fn device() -> Rc<Mock> {
        let mock = Rc::new(Mock::new());
        mock.file("/null", 0o100666);
        mock.record("/null", |record| record.device = Some(Device::Char(0x103)));
        mock
    }

    #[test]
    fn a_device_is_forgotten_with_its_last_name() {
        let mock = device();
        let made = call(&mock, &["/null"], &[]);
        let kernel = |mock: &Mock, _| {
            mock.remove("/null");
            Ok(0)
        };
        assert_eq!(run(&mock, |guest| unlink(guest, made), kernel), Answer::Native);
        assert_eq!(mock.records(), 0);
    }

    #[test]
    fn a_device_with_a_name_left_is_kept() {
        let mock = device();
        let made = call(&mock, &["/null"], &[]);
        run(&mock, |guest| unlink(guest, made), |_, _| Err(crate::abi::Errno::EBUSY));
        assert_eq!(mock.records(), 1);
    }

    #[test]
    fn what_has_no_record_runs_unseen() {
        let mock = device();
        mock.file("/f", 0o100644);
        let made = call(&mock, &["/f"], &[]);
        assert_eq!(run(&mock, |guest| unlink(guest, made), |_, host| panic!("{host:?}")), Answer::Native);
    }
}
