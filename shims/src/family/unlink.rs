//! Calls that take names away or give new ones: unlink(2), rmdir(2), rename(2), link(2). `fs/namei.c`.
//!
//! The kernel does it all, for those whom the owner lets (`names`). But a placeholder that is covered with the
//! machine's device is a mount point, which no namespace lets go of, so the cover is lifted first; and an inode whose
//! last name went is forgotten.

use std::rc::Rc;

use linux_raw_sys::general::{AT_FDCWD, AT_REMOVEDIR, S_IFMT};

use super::file::{Seen, Target};
use super::mknod;
use super::names::{self, Victim};
use crate::abi::{Call, Errno};
use crate::guest::{Answer, Dir, Guest, Host, Trailing, host};

/// unlink(2).
pub async fn unlink(guest: Rc<dyn Guest>, call: Call) -> Answer {
    gone(guest, (AT_FDCWD, call.word(0)), Victim::File).await
}

/// rmdir(2).
pub async fn rmdir(guest: Rc<dyn Guest>, call: Call) -> Answer {
    gone(guest, (AT_FDCWD, call.word(0)), Victim::Any).await
}

/// unlinkat(2).
pub async fn unlinkat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let name = (call.int(0), call.word(1));
    match call.uint(2) {
        0 => gone(guest, name, Victim::File).await,
        AT_REMOVEDIR => gone(guest, name, Victim::Any).await,
        _ => Answer::Native,
    }
}

/// rename(2).
pub async fn rename(guest: Rc<dyn Guest>, call: Call) -> Answer {
    renamed(guest, [(AT_FDCWD, call.word(0)), (AT_FDCWD, call.word(1))], 0).await
}

/// renameat(2).
pub async fn renameat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    renamed(guest, pair(&call), 0).await
}

/// renameat2(2).
pub async fn renameat2(guest: Rc<dyn Guest>, call: Call) -> Answer {
    renamed(guest, pair(&call), call.uint(4)).await
}

/// link(2).
pub async fn link(guest: Rc<dyn Guest>, call: Call) -> Answer {
    linked(guest, [(AT_FDCWD, call.word(0)), (AT_FDCWD, call.word(1))], 0).await
}

/// linkat(2).
pub async fn linkat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    linked(guest, pair(&call), call.uint(4)).await
}

/// A directory's descriptor and the address of a path.
type Name = (i32, u64);

fn pair(call: &Call) -> [Name; 2] {
    [(call.int(0), call.word(1)), (call.int(2), call.word(3))]
}

/// A name that cannot be read is `None`: the kernel says why.
fn read(guest: &dyn Guest, (dir, addr): Name) -> Option<Target> {
    Target::path_at(guest, Dir::from_raw(dir), addr, Trailing::Keep).ok()
}

async fn gone(guest: Rc<dyn Guest>, name: Name, victim: Victim) -> Answer {
    let target = read(&*guest, name);
    let verdict = target.as_ref().map_or(Ok(()), |target| names::may_unlink(&*guest, target, victim));
    changing(guest, &[target], Some(0), verdict).await
}

async fn renamed(guest: Rc<dyn Guest>, [from, to]: [Name; 2], flags: u32) -> Answer {
    let targets = [read(&*guest, from), read(&*guest, to)];
    let verdict = match &targets {
        [Some(from), Some(to)] => names::may_rename(&*guest, from, to, flags),
        _ => Ok(()),
    };
    changing(guest, &targets, Some(1), verdict).await
}

async fn linked(guest: Rc<dyn Guest>, [from, to]: [Name; 2], flags: u32) -> Answer {
    let targets = [read(&*guest, from), read(&*guest, to)];
    let verdict = targets[1].as_ref().map_or(Ok(()), |to| names::may_link(&*guest, from, to, flags));
    let source = if verdict.is_ok() { renumbered(&*guest, from, flags) } else { None };
    let (Some(source), Some(to)) = (source, targets[1].clone()) else {
        return changing(guest, &targets, None, verdict).await;
    };
    let _ = host(&guest, Host::Native).await;
    record_again(&*guest, &source, &to)
}

/// A file with a record on an overlay, whose next name may have another inode number.
fn renumbered(guest: &dyn Guest, from: Name, flags: u32) -> Option<Seen> {
    if !guest.store().has_overlays() {
        return None;
    }
    let source = Seen::find(guest, &names::link_source(guest, from, flags)?).ok()?;
    let is_recorded = source.record.as_ref().is_some_and(|record| record.device.is_none());
    (is_recorded && source.node.file_system().is_ok_and(|on| on.overlay)).then_some(source)
}

/// What is known of a file under one name is recorded for its new name `to` as well, if that has a number of its own: the
/// file may carry its owner, but not all that there is. If that cannot be, the file is there, and is root's, and the
/// call must not seem to have succeeded.
fn record_again(guest: &dyn Guest, source: &Seen, to: &Target) -> Answer {
    let Ok(linked) = Seen::find(guest, to) else { return Answer::Native };
    let kind = |seen: &Seen| seen.attr().mode & S_IFMT;
    let is_told = linked.inode.id == source.inode.id || linked.record == source.record;
    let Some(record) = source.record.clone().filter(|_| !is_told && kind(&linked) == kind(source)) else {
        return Answer::Native;
    };
    match guest.store().put(&*linked.node, &linked.inode, record) {
        Ok(()) => Answer::Native,
        Err(errno) => Answer::Err(errno),
    }
}

/// Runs a call that changes what is found under `targets`, unless it is refused; what is under the one numbered `going`
/// may lose it.
async fn changing(
    guest: Rc<dyn Guest>,
    targets: &[Option<Target>],
    going: Option<usize>,
    verdict: Result<(), Errno>,
) -> Answer {
    if let Err(errno) = verdict {
        return Answer::Err(errno);
    }
    let store = guest.store();
    if !store.has_devices() && (going.is_none() || !store.awaits_unlink()) {
        return Answer::Native;
    }
    let mut lifted = false;
    let mut last = None;
    for (at, target) in targets.iter().enumerate() {
        if Some(at) != going && !store.has_devices() {
            continue;
        }
        let Some(seen) = target.as_ref().and_then(|target| Seen::find(&*guest, target).ok()) else {
            continue;
        };
        lifted |= seen.node.uncover().is_ok();
        // A directory has but one name, whatever its links are.
        let one_name = seen.inode.nlink <= 1 || seen.attr().is_dir();
        if Some(at) == going && one_name && seen.record.is_some() {
            last = Some(seen);
        }
    }
    if !lifted && last.is_none() {
        return Answer::Native;
    }
    // Whether it worked or not, what matters is what is there afterwards.
    let _ = host(&guest, Host::Native).await;
    if let Some(seen) = last
        && seen.node.stat().is_ok_and(|inode| inode.nlink == 0)
    {
        guest.store().unlinked(&*seen.node, &seen.inode);
    }
    if lifted {
        for target in targets.iter().flatten() {
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
