//! stat(2) and statx(2): `fs/stat.c`.
//!
//! This is the hottest path of all. Where the engine can look at the file by itself, the guest is answered at the
//! call's entry. Else its own call fills the buffer, and then the few bytes that hold owner, mode and device are put
//! right: one read and at most one write of guest memory. Either way the file is not looked up again unless the store
//! says that its record may be an earlier inode's.

use std::ops::Range;
use std::rc::Rc;

use linux_raw_sys::general::{
    AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_STATX_DONT_SYNC, AT_SYMLINK_NOFOLLOW, S_IFCHR, S_IFMT,
    STATX_BASIC_STATS,
};

use super::file::{Seen, Target};
use super::{mknod, proc};
use crate::abi::{
    Call, Errno, FromStatx, OLDSTAT_I386, STAT_I386, STAT_MAX, STAT_X86_64, STAT64_I386, STATX, StatFields,
    StatLayout, stat_from_statx,
};
use crate::guest::{Answer, Guest, Host, Trailing, host};
use crate::owner::{Attr, Device, FileId, Inode, Time, harmless_device};

/// The flags of statx(2) that only say which file is meant, or that its attributes may be old.
const STATX_FLAGS: u32 = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW;

/// Which argument of fstatat(2) says where the structure goes. The flags are behind it.
const FSTATAT_BUFFER: usize = 2;

/// Which file a call asks about.
type Which = fn(&dyn Guest, &Call) -> Result<Target, Errno>;

/// stat(2).
pub async fn stat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT_X86_64, 1, by_path).await
}

/// lstat(2).
pub async fn lstat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT_X86_64, 1, by_link).await
}

/// fstat(2).
pub async fn fstat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT_X86_64, 1, by_fd).await
}

/// newfstatat(2).
pub async fn fstatat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT_X86_64, FSTATAT_BUFFER, by_dir).await
}

/// stat(2) of i386 with 16-bit ids.
pub async fn stat32(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT_I386, 1, by_path).await
}

/// lstat(2) of i386 with 16-bit ids.
pub async fn lstat32(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT_I386, 1, by_link).await
}

/// fstat(2) of i386 with 16-bit ids.
pub async fn fstat32(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT_I386, 1, by_fd).await
}

/// oldstat(2) of i386.
pub async fn oldstat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &OLDSTAT_I386, 1, by_path).await
}

/// oldlstat(2) of i386.
pub async fn oldlstat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &OLDSTAT_I386, 1, by_link).await
}

/// oldfstat(2) of i386.
pub async fn oldfstat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &OLDSTAT_I386, 1, by_fd).await
}

/// stat64(2) of i386.
pub async fn stat64(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT64_I386, 1, by_path).await
}

/// lstat64(2) of i386.
pub async fn lstat64(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT64_I386, 1, by_link).await
}

/// fstat64(2) of i386.
pub async fn fstat64(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT64_I386, 1, by_fd).await
}

/// fstatat64(2) of i386.
pub async fn fstatat64(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STAT64_I386, FSTATAT_BUFFER, by_dir).await
}

/// statx(2).
pub async fn statx(guest: Rc<dyn Guest>, call: Call) -> Answer {
    patched(guest, call, &STATX, 4, by_statx).await
}

fn by_path(guest: &dyn Guest, call: &Call) -> Result<Target, Errno> {
    Target::path(guest, call.word(0), Trailing::Follow)
}

fn by_link(guest: &dyn Guest, call: &Call) -> Result<Target, Errno> {
    Target::path(guest, call.word(0), Trailing::Keep)
}

fn by_fd(_: &dyn Guest, call: &Call) -> Result<Target, Errno> {
    Ok(Target::Fd(call.int(0)))
}

fn by_dir(guest: &dyn Guest, call: &Call) -> Result<Target, Errno> {
    Target::at_or_null(guest, call.int(0), call.word(1), call.uint(3))
}

fn by_statx(guest: &dyn Guest, call: &Call) -> Result<Target, Errno> {
    Target::at_or_null(guest, call.int(0), call.word(1), call.uint(2))
}

/// How often a file that is replaced under our eyes is looked at again.
const TRIES: usize = 4;

/// Lets the guest make its call and patches the structure at argument `buffer`.
async fn patched(
    guest: Rc<dyn Guest>,
    call: Call,
    layout: &'static StatLayout,
    buffer: usize,
    which: Which,
) -> Answer {
    if let Some(answer) = at_once(&*guest, &call, layout, buffer, which) {
        return answer;
    }
    // Where the kernel may fill what we refuse, for the number of another inode.
    let mut former = if layout.tells_identity() { Vec::new() } else { vec![0; layout.extent()] };
    let is_kept = guest.read(call.word(buffer), &mut former).is_ok();
    for _ in 0..TRIES {
        if host(&guest, Host::Native).await.is_err() {
            break;
        }
        match patch(&*guest, &call, layout, call.word(buffer), which) {
            Ok(Patched::Done(_)) => break,
            Ok(Patched::Replaced) => continue,
            Err(errno) => {
                if errno == Errno::EOVERFLOW && is_kept {
                    // The kernel has just written there.
                    let _ = guest.write(call.word(buffer), &former);
                }
                return Answer::Err(errno);
            }
        }
    }
    Answer::Native
}

/// What came of an attempt.
enum Patched {
    /// The structure is right; these bytes of it were changed.
    Done(Option<Range<usize>>),
    /// Another file is there now than the one that the kernel looked at.
    Replaced,
}

/// Answers without the guest's call, if the engine can look at the file as well as the guest could.
fn at_once(
    guest: &dyn Guest,
    call: &Call,
    layout: &StatLayout,
    buffer: usize,
    which: Which,
) -> Option<Answer> {
    let mask = match layout.from_statx {
        // What else statx can be asked for, and how, is the kernel's affair.
        FromStatx::Same if call.uint(2) & !STATX_FLAGS != 0 => return None,
        FromStatx::Same => call.uint(3),
        // So are flags that fstatat(2) may or may not know.
        FromStatx::Converted if buffer == FSTATAT_BUFFER && call.uint(3) & !STATX_FLAGS != 0 => return None,
        FromStatx::Converted => STATX_BASIC_STATS,
        FromStatx::Never => return None,
    };
    let target = which(guest, call).ok()?;
    let mut statx = guest.quick_stat(&target.place(), mask)?;
    let mut stat;
    let bytes = if layout.from_statx == FromStatx::Same {
        &mut statx[..]
    } else {
        stat = stat_from_statx(&statx);
        &mut stat[..]
    };
    match put_right(guest, call, layout, bytes, which) {
        Ok(Patched::Done(_)) => Some(guest.write(call.word(buffer), bytes).into()),
        Ok(Patched::Replaced) => None,
        Err(errno) => Some(Answer::Err(errno)),
    }
}

/// Puts right what the kernel wrote to the guest's memory.
fn patch(
    guest: &dyn Guest,
    call: &Call,
    layout: &StatLayout,
    addr: u64,
    which: Which,
) -> Result<Patched, Errno> {
    let mut space = [0; STAT_MAX];
    let bytes = &mut space[..layout.extent()];
    guest.read(addr, bytes)?;
    let patched = put_right(guest, call, layout, bytes, which)?;
    if let Patched::Done(Some(range)) = &patched {
        guest.write(addr + range.start as u64, &bytes[range.clone()])?;
    }
    Ok(patched)
}

/// Puts right a structure that the kernel has filled. EIO where nobody can tell whose the file is, EOVERFLOW where its
/// inode number does not fit.
fn put_right(
    guest: &dyn Guest,
    call: &Call,
    layout: &StatLayout,
    bytes: &mut [u8],
    which: Which,
) -> Result<Patched, Errno> {
    let native = layout.decode(bytes);
    let id = FileId { dev: native.dev, ino: native.ino };
    let time = Time { sec: native.ctime.0, nsec: native.ctime.1 };
    let cover = may_be_cover(guest, &native);
    // A write that takes capabilities alone changes nothing that is shown here.
    let may_lose_bits = guest.watched(id).is_some_and(|drops| drops != 0);
    let unsure = cover || !layout.tells_identity() || may_lose_bits;
    let known = if unsure { Err(true) } else { guest.store().suspect(id, time) };
    let (file, attr) = match known {
        Ok(record) => {
            if record.device.and_then(harmless_device).is_some()
                && let Ok(seen) = look(guest, call, which)
            {
                mknod::cover(&seen);
            }
            (id, Attr::of(&inode(&native, id, time), Some(&record), &guest.world()))
        }
        Err(false) => (id, Attr::of(&inode(&native, id, time), None, &guest.world())),
        Err(true) => match look(guest, call, which) {
            Ok(seen) if cover => (seen.inode.id, seen.attr()),
            Ok(seen) if !layout.tells_identity() || seen.inode.id == id => {
                mknod::cover(&seen);
                (id, seen.attr())
            }
            Err(Errno::EIO) => return Err(Errno::EIO),
            _ => return Ok(Patched::Replaced),
        },
    };
    // A device's own did fit (`cp_old_stat`).
    if !layout.holds(file.ino) {
        return Err(Errno::EOVERFLOW);
    }
    let (mut uid, mut gid) = (attr.uid, attr.gid);
    if guest.shows_tasks(native.dev)
        && let Ok(target) = which(guest, call)
        && let Some(file) = guest.task_file(&target.place())
    {
        (uid, gid) = proc::owner(&file, attr.mode);
    }
    let wanted = StatFields {
        dev: file.dev,
        ino: file.ino,
        mode: attr.mode,
        uid: uid.raw(),
        gid: gid.raw(),
        rdev: attr.rdev,
        ctime: native.ctime,
    };
    Ok(Patched::Done(layout.patch(bytes, &native, &wanted)))
}

/// Whether the kernel may have looked at the machine's device where it covers a placeholder, whose file is another.
fn may_be_cover(guest: &dyn Guest, native: &StatFields) -> bool {
    native.mode & S_IFMT == S_IFCHR
        && guest.store().has_devices()
        && harmless_device(Device::Char(native.rdev)).is_some()
}

fn look(guest: &dyn Guest, call: &Call, which: Which) -> Result<Seen, Errno> {
    which(guest, call).and_then(|target| Seen::find(guest, &target))
}

/// The inode as far as a stat structure tells of it.
fn inode(fields: &StatFields, id: FileId, ctime: Time) -> Inode {
    let StatFields { mode, uid, gid, rdev, .. } = *fields;
    Inode { id, btime: None, generation: None, ctime, mode, nlink: 1, size: 0, uid, gid, rdev }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::mock::{Mock, call, run};
    use crate::owner::tests_support::uid;

    /// Fills a `struct stat` as the kernel would for `/f`.
    fn fill(mock: &Mock, addr: u64) -> Result<u64, Errno> {
        let inode = mock.inode("/f");
        let mut bytes = [0x55; 144];
        bytes[0..8].copy_from_slice(&inode.id.dev.to_le_bytes());
        bytes[8..16].copy_from_slice(&inode.id.ino.to_le_bytes());
        bytes[24..28].copy_from_slice(&inode.mode.to_le_bytes());
        bytes[28..32].copy_from_slice(&inode.uid.to_le_bytes());
        bytes[32..36].copy_from_slice(&inode.gid.to_le_bytes());
        mock.write(addr, &bytes).map(|()| 0)
    }

    #[test]
    fn the_buffer_shows_the_record() {
        let mock = Rc::new(Mock::new());
        mock.file("/f", 0o100644);
        mock.record("/f", |record| (record.uid, record.mode) = (uid(33), Some(0o4755)));
        let buffer = mock.poke(&[0; 144]);
        let made = call(&mock, &["/f"], &[buffer]);
        assert_eq!(run(&mock, |guest| stat(guest, made), |mock, _| fill(mock, buffer)), Answer::Native);
        let seen = STAT_X86_64.decode(&mock.peek(buffer, 144));
        assert_eq!((seen.uid, seen.gid, seen.mode), (33, 0, 0o104755));
        assert_eq!(mock.submitted(), [Host::Native]);
    }

    #[test]
    fn nobodys_file_is_shown_as_roots() {
        let mock = Rc::new(Mock::new());
        mock.file("/f", 0o100644);
        mock.make_foreign("/f");
        let buffer = mock.poke(&[0; 144]);
        let made = call(&mock, &["/f"], &[buffer]);
        run(&mock, |guest| stat(guest, made), |mock, _| fill(mock, buffer));
        let seen = STAT_X86_64.decode(&mock.peek(buffer, 144));
        assert_eq!((seen.uid, seen.gid, seen.mode), (0, 0, 0o100644));
    }

    #[test]
    fn what_nobody_can_read_is_an_error() {
        let mock = Rc::new(Mock::new());
        mock.file("/f", 0o100644);
        mock.record("/f", |record| record.uid = uid(33));
        mock.damage_store();
        let buffer = mock.poke(&[0; 144]);
        let made = call(&mock, &["/f"], &[buffer]);
        let answer = run(&mock, |guest| stat(guest, made), |mock, _| fill(mock, buffer));
        assert_eq!(answer, Answer::Err(Errno::EIO));
    }

    #[test]
    fn the_kernels_error_stands() {
        let mock = Rc::new(Mock::new());
        let made = call(&mock, &["/none"], &[0]);
        assert_eq!(run(&mock, |guest| stat(guest, made), |_, _| Err(Errno::ENOENT)), Answer::Native);
    }
}
