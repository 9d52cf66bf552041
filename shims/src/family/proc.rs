//! What /proc says of tasks: `fs/proc/array.c`, `task_dump_owner` in `fs/proc/base.c`. The kernel tells real ids and
//! capabilities, and a map of one id. Whoever is to see others (a task that has dropped root, or that has listed /proc in
//! a run where one has; everybody, if that was asked for) opens a text of ours in the place of such a file.
//!
//! Nobody stops at a write. What may not be written to fails by itself; what is written to a login uid is found later, by
//! whoever wants to know it.

mod texts;

use std::ffi::CStr;
use std::rc::Rc;

use linux_raw_sys::general::{
    __O_TMPFILE, O_ACCMODE, O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_TRUNC,
    O_WRONLY, RESOLVE_BENEATH, RESOLVE_CACHED, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
};

use super::file::Target;
use crate::abi::{Call, Errno, Gid, Uid};
use crate::cred::CapSet;
use crate::guest::{Answer, Guest, Host, Shelf, TaskFile, Text, Writes, host};
use crate::owner::{Access, Attr, permits};

/// With these, no file is read or written.
const OTHERWISE: u32 = O_PATH | O_DIRECTORY | __O_TMPFILE;

/// The mode of a directory that shows whose the task is even if it is not dumpable.
const PLAIN_DIRECTORY: u32 = 0o040_555;

/// Owner and group of a file on /proc of a task (`task_dump_owner`).
pub fn owner(file: &TaskFile, mode: u32) -> (Uid, Gid) {
    if file.dumpable || mode == PLAIN_DIRECTORY {
        (file.cred.uid.effective, file.cred.gid.effective)
    } else {
        (Uid::ROOT, Gid::ROOT)
    }
}

/// A file of which we have something to say (`tgid_base_stuff` and `tid_base_stuff` in `fs/proc/base.c`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Status,
    /// `uid_map`, `gid_map`: which.
    Map(&'static CStr),
    Setgroups,
    Loginuid,
    Sessionid,
}

impl View {
    /// The file of this name in a task's directory.
    fn of(name: &[u8]) -> Option<View> {
        Some(match name {
            b"status" => View::Status,
            b"uid_map" => View::Map(c"uid_map"),
            b"gid_map" => View::Map(c"gid_map"),
            b"setgroups" => View::Setgroups,
            b"loginuid" => View::Loginuid,
            b"sessionid" => View::Sessionid,
            _ => return None,
        })
    }

    /// Its type and mode.
    fn mode(self) -> u32 {
        match self {
            View::Status | View::Sessionid => 0o100_444,
            View::Map(_) | View::Setgroups | View::Loginuid => 0o100_644,
        }
    }

    /// What it says. `None` where the kernel says it right: of a namespace that the guest has made itself.
    fn text(self, guest: &dyn Guest, target: &Target, file: &TaskFile) -> Option<Vec<u8>> {
        match self {
            View::Status => {
                let native = guest.read_task_file(&target.place())?;
                Some(texts::status(&native, &file.cred, file.filters))
            }
            View::Map(map) => {
                guest.lives_at_home(file.tid).then(|| texts::full_map(guest.id_at_home(map, 0)).into())
            }
            View::Setgroups => guest.lives_at_home(file.tid).then(|| texts::SETGROUPS.into()),
            View::Loginuid => {
                let number = |uid| texts::number(guest.id_at_home(c"uid_map", uid)).into();
                guest.login(file.tid).map(|login| number(login.uid))
            }
            View::Sessionid => guest.login(file.tid).map(|login| texts::number(login.session).into()),
        }
    }

    /// What becomes of writes by a task that may open it for them. `None`: the kernel's own file will do.
    fn writes(self, guest: &dyn Guest, file: &TaskFile, flags: u32) -> Result<Option<Writes>, Errno> {
        let cred = guest.cred();
        match self {
            // Nothing takes them; who may open it all the same reads the kernel's text.
            View::Status | View::Sessionid => Ok(None),
            // `proc_setgroups_open`.
            View::Setgroups if !cred.capable(CapSet::SYS_ADMIN) => Err(Errno::EACCES),
            // Those of the first namespace are set for good, as are the real ones.
            View::Setgroups | View::Map(_) if flags & O_ACCMODE == O_WRONLY => Ok(None),
            View::Setgroups | View::Map(_) => Ok(Some(Writes::Refused)),
            // `proc_loginuid_write`: a task's own alone.
            View::Loginuid => {
                let is_own = file.tid == guest.tid() && guest.lives_at_home(file.tid);
                let may = is_own && guest.login(file.tid).is_some_and(|login| login.may_be_set_by(&cred));
                Ok(Some(if may { Writes::Login } else { Writes::Refused }))
            }
        }
    }
}

/// Where the arguments of a call say what to open.
#[derive(Clone, Copy)]
pub enum Form {
    /// The path is this one, and the flags are the next.
    Plain(usize),
    /// All but the path is in this.
    How(How),
}

/// `struct open_how` of openat2(2).
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// `O_*`.
    pub flags: u64,
    /// The mode of a new file.
    pub mode: u64,
    /// `RESOLVE_*`: rules for finding the path.
    pub resolve: u64,
}

impl How {
    /// Bytes in it.
    const SIZE: usize = 24;
    /// No program's is larger (`copy_struct_from_user`: E2BIG).
    const LARGEST: u64 = 4096;
    /// Rules of which at most one can hold.
    const SCOPES: u32 = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
    const RULES: u32 =
        How::SCOPES | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_CACHED;

    /// That of a program, which may know more of it than we do. `None` if the kernel will not take it.
    pub fn read(guest: &dyn Guest, addr: u64, size: u64) -> Option<How> {
        if !(How::SIZE as u64..=How::LARGEST).contains(&size) {
            return None;
        }
        let mut bytes = vec![0; size as usize];
        guest.read(addr, &mut bytes).ok()?;
        let (known, later) = bytes.split_at(How::SIZE);
        let words = known.as_chunks().0;
        let [flags, mode, resolve] = [0, 1, 2].map(|at| u64::from_le_bytes(words[at]));
        later.iter().all(|byte| *byte == 0).then_some(How { flags, mode, resolve })
    }

    /// Whether all but its path and the lower half of its flags is as it must be (`build_open_flags`).
    pub fn is_sound(&self) -> bool {
        let makes = self.flags as u32 & O_CREAT != 0;
        let both = self.resolve & u64::from(How::SCOPES) == How::SCOPES.into();
        self.flags >> 32 == 0
            && (self.mode == 0 || makes && self.mode <= 0o7777)
            && self.resolve & !u64::from(How::RULES) == 0
            && !both
    }
}

/// A call of the open family with the flags `flags`. `None`: it is about something else.
pub async fn open(
    guest: &Rc<dyn Guest>,
    call: &Call,
    form: Form,
    flags: u32,
    target: &Result<Target, Errno>,
) -> Option<Answer> {
    let Ok(target @ Target::Path { dir, path, .. }) = target else { return None };
    if flags & OTHERWISE != 0 || flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL {
        return None;
    }
    View::of(path.to_bytes().rsplit(|&byte| byte == b'/').next()?)?;
    if !guest.sees_views() {
        return None;
    }
    let file = guest.task_file(&target.place())?;
    let view = View::of(file.name.as_bytes())?;
    let text = view.text(&**guest, target, &file)?;
    if let Form::How(how) = form {
        let has_rules = how.resolve & !u64::from(RESOLVE_IN_ROOT) != 0;
        if !how.is_sound() || has_rules && !guest.may_resolve(*dir, path, how.resolve) {
            return None;
        }
    }
    let writes = match judge(&**guest, view, &file, flags) {
        Ok(writes) => writes?,
        Err(errno) => return Some(Answer::Err(errno)),
    };
    let text = Text { name: &file.name, mode: view.mode() & 0o777, bytes: &text, writes, beside: &[] };
    Some(open_text(guest, call, form, flags, text).await.map_or_else(Answer::Err, |()| Answer::Native))
}

/// Whether the task may open it with these flags, and what becomes of its writes. `None`: the kernel's own file will do.
fn judge(guest: &dyn Guest, view: View, file: &TaskFile, flags: u32) -> Result<Option<Writes>, Errno> {
    if flags & O_ACCMODE == O_RDONLY && flags & O_TRUNC == 0 {
        return Ok(Some(Writes::None));
    }
    let (uid, gid) = owner(file, view.mode());
    permits(&guest.cred(), &Attr { uid, gid, mode: view.mode(), rdev: 0 }, Access::WRITE)?;
    view.writes(guest, file, flags)
}

/// Directories in which a file can be made for a moment: whichever the guest has.
const SCRATCH: [&CStr; 3] = [c"/dev/shm", c"/tmp", c"/var/tmp"];

/// Opens a text in the place of the file that a call names: natively that is the guest's for as long as it is open, and
/// so is this one. If nothing leads there, the guest has what the kernel says.
async fn open_text(
    guest: &Rc<dyn Guest>,
    call: &Call,
    form: Form,
    flags: u32,
    text: Text<'_>,
) -> Result<(), Errno> {
    // There is a link on the way to it, and nothing to be made or emptied.
    let mut flags = flags & !(O_NOFOLLOW | O_CREAT | O_TRUNC);
    if text.writes == Writes::Login {
        flags |= O_APPEND;
    }
    let how = [u64::from(flags), 0, 0].map(u64::to_ne_bytes).concat();
    let text = Text { beside: if let Form::How(_) = form { &how } else { &[] }, ..text };
    for shelf in [Shelf::Engine].into_iter().chain(SCRATCH.map(Shelf::Dir)) {
        let Ok(loan) = guest.lend(&text, shelf) else { continue };
        let changed = match form {
            Form::Plain(first) => call.with(first, loan.path()).with(first + 1, flags.into()),
            Form::How(_) => call.with(1, loan.path()).with(2, loan.beside()).with(3, How::SIZE as u64),
        };
        match host(guest, Host::With(changed.args)).await {
            Err(Errno::ENOENT | Errno::EACCES | Errno::EPERM | Errno::ELOOP | Errno::ENOTDIR) => {}
            result => {
                if result.is_ok() {
                    loan.opened();
                }
                return result.map(drop);
            }
        }
    }
    host(guest, Host::Native).await.map(drop)
}

#[cfg(test)]
#[path = "proc_tests.rs"]
mod tests;
