//! Calls that make files: open(2), mkdir(2), symlink(2), mknod(2). `fs/namei.c`, `inode_init_owner` in `fs/inode.c`.
//!
//! The guest makes the file itself; afterwards its owner is recorded. As long as no directory passes a group or a list
//! on, what virtual root makes needs no attention at all.
//!
//! If the owner cannot be recorded (the disk is full), the call fails as the kernel's would have, and what it has made is
//! taken back: the descriptor is closed, and the file removed. In doubt it is left, and is root's: by creat(2), openat2(2)
//! without O_EXCL and links to nothing, which do not tell whether the file was there; and once anybody has written to it or
//! given it another name. A socket's file is removed alike, but nothing unbinds the socket: another bind(2) of the same one
//! gives EINVAL.
//!
//! What a call has made under a name (mkdir, symlink, mknod, bind) is looked up by that name afterwards. Who removes or
//! renames it in between and puts something else there is told by what that is: another type, bytes, more names. It is then
//! neither recorded nor removed. The same type, unused, is nothing to tell it by: a second directory, link, FIFO or socket,
//! or an empty regular file, made by somebody else in these microseconds, becomes the caller's; without room in the store,
//! it is removed (of a directory, only an empty one). No call makes a file and says which one it is, and none removes a name
//! only while it is that of one file: what takes the name, or writes, between the last look and unlink(2) is lost, too.

use std::ffi::CString;
use std::rc::Rc;

use linux_raw_sys::general::{
    __O_TMPFILE, AT_FDCWD, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDWR, O_TRUNC, O_WRONLY,
    PATH_MAX, RESOLVE_CACHED, RESOLVE_IN_ROOT, RESOLVE_NO_XDEV, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK,
    S_ISGID, S_ISUID,
};

use super::acl;
use super::file::{Seen, Target};
use super::{mknod, names, proc, write};
use crate::abi::{Call, Errno, Gid, Uid};
use crate::cred::Cred;
use crate::guest::{Answer, Dir, Guest, Host, Node, Place, Trailing, host};
use crate::owner::{ACL_DEFAULT, Device, Inode, rules};

/// The flags of open(2) with which it may make a file.
pub const MAKES: u32 = O_CREAT | __O_TMPFILE;

/// The mode bits that a namespace's kernel would clear at the next write, so that they must be recorded.
pub const FRAGILE: u32 = S_ISUID | S_ISGID;

/// The flags of open(2) with which a file can be written to.
pub const WRITES: u32 = O_WRONLY | O_RDWR | O_TRUNC;

/// open(2) with O_CREAT or O_TMPFILE, and by those who may not keep set-id bits or who look at tasks.
pub async fn open(guest: Rc<dyn Guest>, call: Call) -> Answer {
    opened(guest, AT_FDCWD, call, 0).await
}

/// creat(2).
pub async fn creat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let target = path_of(&*guest, AT_FDCWD, call.word(0), O_CREAT);
    foresee_write(&*guest, &target, WRITES);
    open_target(guest, target, O_CREAT, call.uint(1), None).await
}

/// openat(2), likewise.
pub async fn openat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    opened(guest, call.int(0), call, 1).await
}

/// openat2(2).
pub async fn openat2(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let Some(how) = proc::How::read(&*guest, call.word(2), call.word(3)) else { return Answer::Native };
    let (flags, mode, resolve) = (how.flags as u32, how.mode as u32, how.resolve as u32);
    let may_be_device = resolve & RESOLVE_NO_XDEV != 0 && guest.store().has_devices();
    if flags & (MAKES | WRITES) == 0 && !guest.sees_views() && !may_be_device {
        return Answer::Native;
    }
    // What need not be walked again is found all the same, and what cannot be made so neither.
    guest.resolves((resolve & !RESOLVE_CACHED).into());
    let mut target = path_of(&*guest, call.int(0), call.word(1), flags);
    if let (Ok(Target::Path { path, .. }), true) = (&mut target, resolve & RESOLVE_IN_ROOT != 0) {
        // The directory is the root of this path.
        let relative =
            path.to_bytes().iter().position(|&byte| byte != b'/').map(|start| &path.as_bytes()[start..]);
        let Some(Ok(relative)) = relative.map(CString::new) else { return Answer::Native };
        *path = relative;
    }
    if let Some(answer) = proc::open(&guest, &call, proc::Form::How(how), flags, &target).await {
        return answer;
    }
    if let Some(answer) = open_device(&guest, &call, how, &target).await {
        return answer;
    }
    foresee_write(&*guest, &target, flags);
    if flags & MAKES == 0 { Answer::Native } else { open_target(guest, target, flags, mode, None).await }
}

/// mkdir(2).
pub async fn mkdir(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let mode = S_IFDIR | call.uint(1) & 0o1777;
    named(guest, AT_FDCWD, call.word(0), mode).await
}

/// mkdirat(2).
pub async fn mkdirat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let mode = S_IFDIR | call.uint(2) & 0o1777;
    named(guest, call.int(0), call.word(1), mode).await
}

/// symlink(2).
pub async fn symlink(guest: Rc<dyn Guest>, call: Call) -> Answer {
    named(guest, AT_FDCWD, call.word(1), S_IFLNK | 0o777).await
}

/// symlinkat(2).
pub async fn symlinkat(guest: Rc<dyn Guest>, call: Call) -> Answer {
    named(guest, call.int(1), call.word(2), S_IFLNK | 0o777).await
}

/// Makes a file with a name that must not exist yet. `mode` has the type.
pub(super) async fn named(guest: Rc<dyn Guest>, dir: i32, addr: u64, mode: u32) -> Answer {
    let plan = Plan::new(&*guest, mode);
    if plan.is_plain(&*guest) {
        return Answer::Native;
    }
    let target = Target::path_at(&*guest, Dir::from_raw(dir), addr, Trailing::Keep);
    make(guest, plan, target).await
}

/// Makes a socket's file, by a path of at most `length` bytes that need not end in a NUL.
pub(super) async fn socket(guest: Rc<dyn Guest>, addr: u64, length: u64) -> Answer {
    let mut plan = Plan::new(&*guest, S_IFSOCK | 0o777);
    plan.umask = Umask::First;
    if plan.is_plain(&*guest) || length > PATH_MAX.into() {
        return Answer::Native;
    }
    let mut path = vec![0; length as usize];
    if guest.read(addr, &mut path).is_err() {
        return Answer::Native;
    }
    path.truncate(path.iter().position(|&byte| byte == 0).unwrap_or(path.len()));
    let path = CString::new(path).map_err(|_| Errno::EINVAL);
    let target = path.map(|path| Target::Path { dir: Dir::Cwd, path, trailing: Trailing::Keep });
    make(guest, plan, target).await
}

async fn make(guest: Rc<dyn Guest>, plan: Plan, target: Result<Target, Errno>) -> Answer {
    let Ok((target, parent)) = target.and_then(|target| Ok((target.clone(), plan.parent(&*guest, &target)?)))
    else {
        return Answer::Native;
    };
    let Some(parent) = parent else { return Answer::Native };
    if host(&guest, Host::Native).await.is_ok()
        && let Err(errno) = record(&*guest, &plan, &parent, &Made::At(&target))
    {
        return Answer::Err(errno);
    }
    Answer::Native
}

/// Path, flags and mode are the three arguments from `first` on.
async fn opened(guest: Rc<dyn Guest>, dir: i32, call: Call, first: usize) -> Answer {
    let (flags, mode) = (meant(call.uint(first + 1)), call.uint(first + 2));
    let target = path_of(&*guest, dir, call.word(first), flags);
    if let Some(answer) = proc::open(&guest, &call, proc::Form::Plain(first), flags, &target).await {
        return answer;
    }
    foresee_write(&*guest, &target, flags);
    if flags & MAKES == 0 {
        return Answer::Native;
    }
    // With others than these O_CREAT does not open what exists (EEXIST, EINVAL), or means nothing.
    if flags & (O_CREAT | O_EXCL | O_DIRECTORY | O_PATH) == O_CREAT
        && guest.store().has_devices()
        && let Ok(target) = &target
        && let Some(verdict) = judge_device(&*guest, target)
    {
        if let Err(errno) = verdict {
            return Answer::Err(errno);
        }
        let plain = call.with(first + 1, (flags & !O_CREAT).into());
        if host(&guest, Host::With(plain.args)).await == Err(Errno::ENOENT) {
            // Gone meanwhile.
            let _ = host(&guest, Host::Native).await;
        }
        return Answer::Native;
    }
    let exclusive = call.with(first + 1, (call.uint(first + 1) | O_EXCL).into());
    open_target(guest, target, flags, mode, Some(Host::With(exclusive.args))).await
}

/// Opens a device that is recorded, by openat2(2). The kernel sees another file there, of another mount and owner, and is
/// not asked about these. `None` for all that it may be asked about.
async fn open_device(
    guest: &Rc<dyn Guest>,
    call: &Call,
    mut how: proc::How,
    target: &Result<Target, Errno>,
) -> Option<Answer> {
    let (flags, resolve) = (how.flags as u32, how.resolve as u32);
    // With others than these O_CREAT does not open what exists (EEXIST, EINVAL), or means nothing.
    let makes = flags & (O_CREAT | O_EXCL | O_DIRECTORY | O_PATH | __O_TMPFILE) == O_CREAT;
    if !how.is_sound()
        || !guest.store().has_devices()
        || !(makes || flags & MAKES == 0 && resolve & RESOLVE_NO_XDEV != 0)
    {
        return None;
    }
    let Ok(target @ Target::Path { dir, path, .. }) = target else { return None };
    let restrictions = u64::from(resolve & !RESOLVE_CACHED);
    // As far as its directory, the kernel's word holds. A link may lead anywhere.
    Seen::find(&**guest, &target.parent()).ok()?;
    guest.resolves(restrictions & !u64::from(RESOLVE_NO_XDEV));
    let name = Target::Path { dir: *dir, path: path.clone(), trailing: Trailing::Keep };
    let verdict = judge_device(&**guest, &name);
    guest.resolves(restrictions);
    if let (Err(errno), true) = (verdict?, makes) {
        return Some(Answer::Err(errno));
    }
    how.resolve &= !u64::from(RESOLVE_NO_XDEV);
    if makes {
        how.flags &= !u64::from(O_CREAT);
        how.mode = 0;
    }
    let bytes = [how.flags, how.mode, how.resolve].map(u64::to_le_bytes).concat();
    let room = guest.room(bytes.len()).ok()?;
    guest.write(room.at(), &bytes).ok()?;
    let call = call.with(2, room.at()).with(3, bytes.len() as u64);
    let _ = host(guest, Host::With(call.args)).await;
    Some(Answer::Native)
}

/// Flags of open(2), without those that mean nothing beside O_PATH (`build_open_how`). openat2(2) refuses them.
const fn meant(flags: u32) -> u32 {
    if flags & O_PATH != 0 { flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW) } else { flags }
}

fn foresee_write(guest: &dyn Guest, target: &Result<Target, Errno>, flags: u32) {
    if let Ok(target) = target
        && flags & WRITES != 0
        && flags & O_PATH == 0
    {
        write::foresee(guest, target);
    }
}

/// Whether O_CREAT may open a device that is recorded; `None` for all else. The kernel sees the machine's device, of
/// an owner that the namespace does not know, and would refuse it in any sticky directory such as /tmp.
fn judge_device(guest: &dyn Guest, target: &Target) -> Option<Result<(), Errno>> {
    let seen = Seen::find(guest, target).ok()?;
    seen.record.as_ref()?.device?;
    mknod::cover(&seen);
    Some(names::may_open(guest, target))
}

fn path_of(guest: &dyn Guest, dir: i32, addr: u64, flags: u32) -> Result<Target, Errno> {
    let keep = flags & (O_EXCL | O_NOFOLLOW) != 0;
    let trailing = if keep { Trailing::Keep } else { Trailing::Follow };
    Target::path_at(guest, Dir::from_raw(dir), addr, trailing)
}

/// Opens, and records the file if it was not there before. `exclusive` is the same call with O_EXCL.
async fn open_target(
    guest: Rc<dyn Guest>,
    target: Result<Target, Errno>,
    flags: u32,
    mode: u32,
    exclusive: Option<Host>,
) -> Answer {
    let plan = Plan::new(&*guest, S_IFREG | mode & 0o7777);
    if plan.is_plain(&*guest) {
        return Answer::Native;
    }
    let Ok(target) = target else { return Answer::Native };
    let unnamed = flags & __O_TMPFILE != 0;
    // Without a name, the path is that of the directory.
    let parent = match unnamed {
        true => Seen::find(&*guest, &target).map(Some),
        false => plan.parent(&*guest, &behind_links(&*guest, &target)),
    };
    let Ok(Some(parent)) = parent else { return Answer::Native };
    match guest.find(&target.place()) {
        _ if unnamed => {}
        Err(Errno::ENOENT) => {}
        Ok(_) if flags & (O_EXCL | O_PATH) == 0 => {
            return names::may_open(&*guest, &target).err().map_or(Answer::Native, Answer::Err);
        }
        _ => return Answer::Native,
    }
    // Whether it was this call that made the file, only O_EXCL tells.
    let mut is_new = flags & O_EXCL != 0 && !unnamed;
    let mut opened = match exclusive.filter(|_| !is_new && !unnamed) {
        Some(exclusive) => {
            is_new = true;
            host(&guest, exclusive).await
        }
        None => host(&guest, Host::Native).await,
    };
    if opened == Err(Errno::EEXIST) && flags & O_EXCL == 0 {
        // There is a link to nothing, or somebody else was faster.
        is_new = false;
        opened = host(&guest, Host::Native).await;
    }
    let Ok(fd) = opened.map(|fd| fd as i32) else { return Answer::Native };
    let made = match is_new {
        _ if unnamed => Made::Unnamed(fd),
        true => Made::New(fd, &target),
        false => Made::Opened(fd),
    };
    if let Err(errno) = record(&*guest, &plan, &parent, &made) {
        let _ = host(&guest, Host::Close(fd)).await;
        return Answer::Err(errno);
    }
    Answer::Native
}

/// How many links one after another a path may lead through (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// Where a new file will be, for a path that ends in a link to nothing.
fn behind_links(guest: &dyn Guest, target: &Target) -> Target {
    let mut behind = target.clone();
    for _ in 0..MOST_LINKS {
        let Target::Path { dir, path, trailing: Trailing::Follow } = &behind else { break };
        let itself = Place::Path { dir: *dir, path, trailing: Trailing::Keep };
        let Ok(link) = guest.find(&itself).and_then(|node| node.read_link()) else { break };
        let front = match path.to_bytes().iter().rposition(|&byte| byte == b'/') {
            Some(slash) if !link.to_bytes().starts_with(b"/") => &path.to_bytes()[..=slash],
            _ => &[],
        };
        let Ok(path) = CString::new([front, link.to_bytes()].concat()) else { break };
        behind = Target::Path { dir: *dir, path, trailing: Trailing::Follow };
    }
    behind
}

/// When the umask is applied to the mode of a new file.
enum Umask {
    /// Unless the directory has a default list (`vfs_prepare_mode`).
    UnlessInherited,
    /// Before anybody asks whether it has one (`unix_bind_bsd`).
    First,
}

/// What is going to be made, and by whom.
pub(super) struct Plan {
    cred: Rc<Cred>,
    /// Type and mode as the caller asked for them.
    mode: u32,
    /// When the kernel applies the umask.
    umask: Umask,
    /// The native type of what is made.
    pub(super) kind: u32,
    /// The device that a placeholder stands for.
    pub(super) device: Option<Device>,
}

impl Plan {
    pub(super) fn new(guest: &dyn Guest, mode: u32) -> Plan {
        let umask = Umask::UnlessInherited;
        Plan { cred: guest.cred(), mode, umask, kind: mode & S_IFMT, device: None }
    }

    /// Whether the native file will be right as it is, whatever the directory.
    fn is_plain_mode(&self, guest: &dyn Guest) -> bool {
        let is_dir = self.mode & S_IFMT == S_IFDIR;
        let fragile = !is_dir && self.mode & FRAGILE != 0;
        let plain_creator = self.cred.uid.fs == Uid::ROOT && self.cred.gid.fs == Gid::ROOT;
        // Without capabilities, an umask may leave root without its own bits.
        plain_creator && !fragile && self.device.is_none() && guest.world().dac_override
    }

    /// Whether nothing at all has to be recorded, so that the call may run unseen.
    fn is_plain(&self, guest: &dyn Guest) -> bool {
        self.is_plain_mode(guest) && !guest.store().directories_pass_on()
    }

    /// The directory that the file will be in; `None` if that need not be known, because it hands nothing on.
    pub(super) fn parent(&self, guest: &dyn Guest, target: &Target) -> Result<Option<Seen>, Errno> {
        let parent = Seen::find(guest, &target.parent())?;
        let attr = parent.attr();
        let has_default =
            parent.record.as_ref().is_some_and(|record| record.xattrs.contains_key(ACL_DEFAULT));
        let passes_on = has_default || (attr.mode & S_ISGID != 0 && attr.gid != Gid::ROOT);
        Ok((passes_on || !self.is_plain_mode(guest)).then_some(parent))
    }
}

/// How what a call has made is found.
pub(super) enum Made<'a> {
    /// Under this path, where it may be something else by now.
    At(&'a Target),
    /// Open as this descriptor, and under this path: the call would not have opened what was there.
    New(i32, &'a Target),
    /// Open as this descriptor, and without a name.
    Unnamed(i32),
    /// Open as this descriptor, but somebody else may have made it.
    Opened(i32),
}

impl Made<'_> {
    fn find(&self, guest: &dyn Guest) -> Result<Box<dyn Node>, Errno> {
        match self {
            Made::At(target) => guest.find(&target.place()),
            Made::New(fd, _) | Made::Unnamed(fd) | Made::Opened(fd) => guest.find(&Place::Fd(*fd)),
        }
    }

    /// Whether this file may be what the call has made.
    fn may_be(&self, plan: &Plan, inode: &Inode) -> bool {
        match self {
            Made::New(..) | Made::Unnamed(_) => true,
            Made::At(_) | Made::Opened(_) => inode.mode & S_IFMT == plan.kind && inode.is_unused(),
        }
    }

    /// The path under which it is removed again.
    const fn removable(&self) -> Option<&Target> {
        match self {
            Made::At(target) | Made::New(_, target) => Some(target),
            Made::Unnamed(_) | Made::Opened(_) => None,
        }
    }
}

/// Gives a file that was just made its owner. Returns it, unless it is gone again or somebody else's. An error is the
/// store's: the call that made the file must not seem to have succeeded. It is removed from the directory `parent` then, if
/// this call is sure to have made it and nobody has used it; else it stays, and is root's. So does what cannot be removed:
/// there is nobody to tell.
pub(super) fn record(
    guest: &dyn Guest,
    plan: &Plan,
    parent: &Seen,
    made: &Made<'_>,
) -> Result<Option<Seen>, Errno> {
    let Ok(node) = made.find(guest) else { return Ok(None) };
    let inode = node.stat()?;
    if !made.may_be(plan, &inode) {
        return Ok(None);
    }
    let recorded = Seen::of(guest, node, inode).and_then(|child| give(guest, plan, parent, child));
    if recorded.is_err()
        && let Some(target) = made.removable()
    {
        let _ = parent.node.remove_unused(&target.name(), &inode);
    }
    recorded
}

fn give(guest: &dyn Guest, plan: &Plan, parent: &Seen, mut child: Seen) -> Result<Option<Seen>, Errno> {
    if child.record.is_some() {
        // Another task was faster: it made the file, and recorded it.
        return Ok(None);
    }
    let dir = parent.attr();
    let mut attr = child.attr();
    let mut record = child.edit();
    record.device = plan.device;
    (attr.uid, attr.gid) = rules::inode_init_owner(&plan.cred, &dir);
    attr.mode = rules::mode_strip_sgid(&plan.cred, &dir, attr.mode);
    let requested = match plan.umask {
        Umask::UnlessInherited => plan.mode,
        Umask::First => child.inode.mode,
    };
    acl::inherit(&mut record, parent, &mut attr, requested);
    if !attr.is_link() && child.world.native_mode(attr.mode) != child.inode.mode {
        // A file that the kernel will not change keeps the mode that it has.
        if child.set_mode(attr.mode).is_err() {
            return Ok(None);
        }
    }
    child.save(guest, record, &attr)?;
    Ok(Some(child))
}

#[cfg(test)]
#[path = "create_tests.rs"]
mod tests;
