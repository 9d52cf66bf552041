//! All that a shim may ask and say.
//!
//! A shim sees one stopped guest through [`Guest`]. What it can do at once (read memory, look at credentials, find a
//! file) are plain methods, carried out by the engine on the guest's behalf. What the guest itself must do is a
//! [`Host`] call, which is awaited: the engine lets the guest run it and wakes the shim with the result. No shim
//! knows registers, stops or file descriptors of the engine, so that another engine can serve the same shims.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::abi::{Call, Errno, STATX_SIZE};
use crate::cred::{Cred, Login};
use crate::owner::{Attributes, FileId, Inode, Store, Time, World};

/// What the guest gets to see as the result of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This value. It is put into the return register unchanged.
    Ret(u64),
    /// This error.
    Err(Errno),
    /// Whatever the kernel says to the call as the guest made it. Before any host call this lets the call run and
    /// forgets about it; after one, the result of the last host call stands.
    Native,
}

impl From<Result<u64, Errno>> for Answer {
    fn from(result: Result<u64, Errno>) -> Answer {
        match result {
            Ok(value) => Answer::Ret(value),
            Err(errno) => Answer::Err(errno),
        }
    }
}

impl From<Result<(), Errno>> for Answer {
    fn from(result: Result<(), Errno>) -> Answer {
        result.map(|()| 0u64).into()
    }
}

/// A call that the guest's own kernel task has to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The guest's own call, as it made it.
    Native,
    /// The guest's own call with other arguments. The guest's registers are put back afterwards.
    With([u64; 6]),
    /// `close` of a descriptor of the guest's, behind another host call. A filter of the guest's own may refuse it (whoever
    /// may open files may close them, though, in all that are known), and then it stays open.
    Close(i32),
}

/// The directory that a relative path starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dir {
    /// The task's working directory (`AT_FDCWD`, or a call without a directory argument).
    Cwd,
    /// A descriptor of the guest's.
    Fd(i32),
}

impl Dir {
    /// Reads a `dirfd` argument.
    pub fn from_raw(fd: i32) -> Dir {
        if fd == linux_raw_sys::general::AT_FDCWD { Dir::Cwd } else { Dir::Fd(fd) }
    }
}

/// What a trailing symbolic link in a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailing {
    /// The file that it points at.
    Follow,
    /// The link itself (`lchown`, `AT_SYMLINK_NOFOLLOW`).
    Keep,
}

/// Which tasks a call means, in the caller's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The task of this thread id; 0 is the caller itself.
    Task(i32),
    /// The process that a pidfd stands for.
    Handle(i32),
    /// The processes of this process group, by their leading threads; 0 is the caller's group.
    Group(i32),
    /// All processes that the caller can name, by their leading threads.
    Processes,
    /// All threads of all processes that the caller can name.
    Threads,
}

/// A task that a call means.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its thread id, as the caller would name it.
    pub tid: i32,
    /// Its credentials. Who is none of ours belongs to whoever started us: to virtual root.
    pub cred: Rc<Cred>,
    /// Whether it is of the caller's own process.
    pub is_own: bool,
    /// Whether it is in the caller's session.
    pub in_session: bool,
    /// Whether its process is dumpable ([`Guest::dumpable`]).
    pub dumpable: bool,
}

/// A file of /proc that is about a task.
#[derive(Clone, Debug)]
pub struct TaskFile {
    /// The task, as the engine sees it.
    pub tid: i32,
    /// The file's name in the task's directory; empty for that itself.
    pub name: String,
    /// Whose the task is.
    pub cred: Rc<Cred>,
    /// Whether its process is dumpable ([`Guest::dumpable`]).
    pub dumpable: bool,
    /// How many of its seccomp filters are the engine's.
    pub filters: u32,
}

/// A text that a guest shall open in the place of a file of /proc.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// What the file is called.
    pub name: &'a str,
    /// Its permissions, for those who ask the descriptor. Its owner is who opens it.
    pub mode: u32,
    /// What it says.
    pub bytes: &'a [u8],
    /// What becomes of what is written to it.
    pub writes: Writes,
    /// What the guest shall find in its memory besides the path.
    pub beside: &'a [u8],
}

/// What becomes of what a guest writes to a text that it has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// There are none: it is opened for reading.
    None,
    /// They fail with EPERM.
    Refused,
    /// They set the task's login ([`Guest::login`]); each must go to the end of the text.
    Login,
}

/// Where a text is while the guest opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf<'a> {
    /// With the engine.
    Engine,
    /// In this directory of the guest's, under a name that nobody else has.
    Dir(&'a CStr),
}

/// A text that a guest may open, until this is dropped.
pub trait Loan {
    /// The address in the guest's memory of a path of it.
    fn path(&self) -> u64;

    /// The address of what stands [beside](Text::beside) it.
    fn beside(&self) -> u64;

    /// The guest has opened it.
    fn opened(&self);
}

/// The most bytes of a [`Room`]. It is below a stack that may be small, with other data of the guest's under its end, which
/// others use while a call waits. Programs have to leave this much free, and more: for the frame of a signal (`MINSIGSTKSZ`),
/// or, if they handle those elsewhere, as Go does, for functions that do not look how much is left.
pub const MOST_ROOM: usize = 256;

/// Bytes of the guest's memory that it does not miss until this is dropped; then they are what they were.
pub trait Room {
    /// Their address, aligned as a stack is.
    fn at(&self) -> u64;
}

/// Which file a call means, in the guest's terms.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// An open descriptor of any kind, `O_PATH` included; also (dirfd, "", `AT_EMPTY_PATH`).
    Fd(i32),
    /// A descriptor for a call that takes no `O_PATH` ones (`fsetxattr`): EBADF for those.
    OpenFd(i32),
    /// The same for a call that changes owner or mode, and tells soon: EBADF may come from there, or from whatever else
    /// is asked of the file but [`Node::stat`] (`fchown`, `fchmod`).
    ChangedFd(i32),
    /// A path, looked up as the guest's kernel task would: in its root, from its directory.
    Path {
        /// Where a relative path starts.
        dir: Dir,
        /// The path. Never empty: the kernel answers ENOENT to that.
        path: &'a CStr,
        /// What to do with a trailing link.
        trailing: Trailing,
    },
    /// The task's working directory itself (`AT_FDCWD`, "", `AT_EMPTY_PATH`).
    Cwd,
    /// The program that the task runs (`/proc/PID/exe`).
    Exe,
}

/// One file of the guest's, found and held by the engine in the guest's stead. Operations are the kernel's own, made
/// with the real credentials that guest and engine share; the file is never opened. They return when they are done, and
/// hold nobody else up: an engine that must wait for a file system serves other guests meanwhile.
pub trait Node: Attributes {
    /// Identity, type, mode and native owner (`statx`). Leaves [`Inode::generation`] open.
    fn stat(&self) -> Result<Inode, Errno>;

    /// Removes a name from this directory, if it still is that of this file ([`Inode::is_same`]), and nobody has used that
    /// yet ([`Inode::is_unused`]). ENOENT if not.
    fn remove_unused(&self, _name: &CStr, _file: &Inode) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }

    /// The text of a symbolic link (readlink(2)). An error for all else.
    fn read_link(&self) -> Result<CString, Errno> {
        Err(Errno::EINVAL)
    }

    /// Whether its first change may make another inode of it: it is on an overlay, which copies it up then.
    fn copies_up(&self) -> bool;

    /// `fchownat(…, -1, -1, AT_EMPTY_PATH)`: changes no owner, but does all else that a chown does: fails on a
    /// read-only file system or an immutable file, clears set-id bits and file capabilities, moves ctime.
    fn touch_owner(&self) -> Result<(), Errno>;

    /// `chmod`, following nothing. `mode` holds the twelve bits 07777.
    fn set_mode(&self, mode: u32) -> Result<(), Errno>;

    /// `utimensat`, following nothing: times of access and of change, with UTIME_NOW and UTIME_OMIT for nanoseconds.
    fn set_times(&self, times: [Time; 2]) -> Result<(), Errno>;

    /// Takes note from now on of the first write to the file, or truncation, by whomever. `drops` are the mode bits that
    /// it will take away; none where only capabilities are at stake. Where the machine cannot, nothing is noted.
    fn watch(&self, _id: FileId, _drops: u32) {}

    /// The bits that were announced for the write that has happened since [`Node::watch`]; `None` if there was none. It
    /// is told once, and ends the watch.
    fn written(&self, _id: FileId) -> Option<u32> {
        None
    }

    /// Flags of the mount it was found on (`ST_RDONLY`, `ST_NOSUID`, … of statvfs(3)).
    fn mount_flags(&self) -> Result<u64, Errno>;

    /// Mounts the machine's own device `name` (as in /dev) over this file, in the guest's mount namespace.
    /// From then on, looking that name up finds this file all the same. EPERM where the guest's namespace does not allow
    /// mounts; EBUSY for a file that was found beneath such a mount, or by no path.
    fn cover_with_device(&self, name: &CStr) -> Result<(), Errno>;

    /// Takes away again the mount that [`Node::cover_with_device`] put here. EINVAL if this file was not found beneath
    /// one: mounts that are not ours stay.
    fn uncover(&self) -> Result<(), Errno>;

    /// Binds the tree that the engine itself sees at `path` (`/proc`, `/sys`), with all that is mounted in it, over
    /// this directory, in the guest's mount namespace.
    fn cover_with_tree(&self, path: &CStr) -> Result<(), Errno>;
}

/// One guest task, stopped in a system call.
pub trait Guest {
    /// The call that it made.
    fn call(&self) -> Call;

    /// Its thread id, as the engine sees it.
    fn tid(&self) -> i32;

    /// Whether the task, asked for its own thread id, would give this one. In a pid namespace of its own it has another
    /// number than the engine sees.
    fn is_self(&self, pid: i32) -> bool {
        pid == self.tid()
    }

    /// Fills `buf` from the guest's memory. EFAULT unless all of it could be read.
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Errno>;

    /// Writes all of `data` into the guest's memory, or EFAULT.
    fn write(&self, addr: u64, data: &[u8]) -> Result<(), Errno>;

    /// Reads a path as the kernel's `getname` does: EFAULT, or ENAMETOOLONG for 4096 bytes without a NUL.
    fn read_path(&self, addr: u64) -> Result<std::ffi::CString, Errno>;

    /// Reads a NUL-terminated string of at most `max` bytes with its NUL; ERANGE if it is longer.
    fn read_str(&self, addr: u64, max: usize) -> Result<std::ffi::CString, Errno>;

    /// Its virtual credentials.
    fn cred(&self) -> Rc<Cred>;

    /// Replaces its virtual credentials (the kernel's `commit_creds`).
    fn set_cred(&self, cred: Rc<Cred>);

    /// Whether the process counts as dumpable: `SUID_DUMP_*` of prctl(2), 0 to 2. Virtual, because an engine without
    /// CAP_SYS_PTRACE cannot read the memory of a process that the kernel itself thinks undumpable.
    fn dumpable(&self) -> u8;

    /// Sets that, for all threads of the process.
    fn set_dumpable(&self, value: u8);

    /// The virtual credentials of another task, by the pid or tid that the caller would name it by. ESRCH if there
    /// is none, or none of ours.
    fn cred_of(&self, pid: i32) -> Result<Rc<Cred>, Errno>;

    /// The tasks that a call means. Of a group and of all processes, only those of this run; a single one may be
    /// another's. Empty if there are none. The caller itself comes last: it may not outlive what is done to it.
    fn peers(&self, _: Whom) -> Vec<Peer> {
        Vec::new()
    }

    /// The credentials of whoever is at the other end of a descriptor of the guest's that is a socket of AF_UNIX
    /// (`SO_PEERCRED`), as they were when it connected, listened, or made the pair. `None` where the kernel knows best.
    fn socket_peer(&self, _: i32) -> Option<Rc<Cred>> {
        None
    }

    /// Tells the engine that the task is about to connect a socket, whose other end will see its ids. A number of the
    /// socket's, if [`Guest::connected`] is to be told what came of it.
    fn connects(&self, _fd: i32) -> Option<u64> {
        None
    }

    /// What came of it: whether it is connected.
    fn connected(&self, _fd: i32, _socket: u64, _done: bool) {}

    /// Tells the engine that the task is about to let a socket listen: those who connect will see its ids.
    fn listens(&self, _fd: i32) {}

    /// Tells the engine that the task has made a pair of sockets, which show its ids to each other.
    fn pairs(&self, _fds: [i32; 2]) {}

    /// Tells the engine that somebody wants to know who sends messages.
    fn wants_senders(&self) {}

    /// Whether somebody does, and not all senders are root.
    fn tells_senders(&self) -> bool {
        false
    }

    /// Whether files on this device may be about tasks that are not root's.
    fn shows_tasks(&self, _dev: u64) -> bool {
        false
    }

    /// The task that a file of /proc is about, if it is one of this run. Which numbers another /proc than the engine's own
    /// shows is taken to be as the guest's pid namespace has them.
    fn task_file(&self, _: &Place<'_>) -> Option<TaskFile> {
        None
    }

    /// What such a file says, with the numbers of the /proc that it is on.
    fn read_task_file(&self, _: &Place<'_>) -> Option<Vec<u8>> {
        None
    }

    /// Whether what the task opens to read is looked at, so that all files of tasks tell it the same, whichever call it
    /// makes.
    fn sees_views(&self) -> bool {
        false
    }

    /// Whether a task lives in the user namespace in which the run began.
    fn lives_at_home(&self, _tid: i32) -> bool {
        false
    }

    /// How an id of the namespace in which the run began reads in the one that this task lives in; `map` is `uid_map` or
    /// `gid_map`. All ones if it has none there (`from_kuid`).
    fn id_at_home(&self, _map: &CStr, id: u32) -> u32 {
        id
    }

    /// Whom a task of this run has logged in as. `None` if it has ended, or the kernel knows no logins.
    fn login(&self, _tid: i32) -> Option<Login> {
        None
    }

    /// Whether a descriptor is one by which this task may [set its login](Writes::Login), and open for writing.
    fn sets_login(&self, _fd: i32) -> bool {
        false
    }

    /// Whether openat2(2) would find this path under these rules (`RESOLVE_*`).
    fn may_resolve(&self, _dir: Dir, _path: &CStr, _resolve: u64) -> bool {
        false
    }

    /// Lets the guest open a text by a path that it finds in its memory. ENOSYS where that cannot be on this shelf.
    fn lend(&self, _text: &Text<'_>, _shelf: Shelf<'_>) -> Result<Box<dyn Loan>, Errno> {
        Err(Errno::ENOSYS)
    }

    /// Tells the engine that the task lists a directory. If that is /proc, it may want to know of others' tasks.
    fn lists(&self, _fd: i32) {}

    /// So many bytes of its memory, for what the kernel shall read. An error where there are not so many, or more than
    /// [`MOST_ROOM`] are asked for.
    fn room(&self, _size: usize) -> Result<Box<dyn Room>, Errno> {
        Err(Errno::ENOSYS)
    }

    /// The owners of this run.
    fn store(&self) -> &dyn Store;

    /// How native ids read in the world that the guest lives in.
    fn world(&self) -> World;

    /// From here to its end, the call looks its paths up with these restrictions (`resolve` of openat2(2)).
    fn resolves(&self, _resolve: u64) {}

    /// Looks a file up as the guest would.
    fn find(&self, place: &Place<'_>) -> Result<Box<dyn Node>, Errno>;

    /// `struct statx` of a file with what `mask` asks for, where the engine can have it at once, without waiting for
    /// any file system, and be sure that the guest's own call would say the same. `None` where it cannot: then the
    /// guest has to make its call.
    fn quick_stat(&self, place: &Place<'_>, mask: u32) -> Option<[u8; STATX_SIZE]>;

    /// A setting of the machine's, by its name in /proc/sys (`fs/protected_hardlinks`); 0 where it cannot be read.
    fn sysctl(&self, name: &CStr) -> u32;

    /// What was announced for the next write to a file, if it is being [watched](Node::watch).
    fn watched(&self, _id: FileId) -> Option<u32> {
        None
    }

    /// The file mode creation mask of the task.
    fn umask(&self) -> Result<u32, Errno>;

    /// Tells the engine that the task may get another root directory or other mounts than it has (chroot(2),
    /// unshare(2), …), so that paths must be looked up with more care from now on.
    fn root_changes(&self);

    /// Tells the engine that the task is about to install a filter of its own, which will judge all calls that the
    /// engine makes it do from then on.
    fn filter_comes(&self) {}

    /// Tells the engine that the task is about to mount a file system of the type `kind`. It may be one that the task
    /// itself serves.
    fn mounts(&self, kind: &CStr);

    /// Gives a task (0: this one) the CPUs that it believes to have: an engine may have moved it for a while.
    fn own_cpus(&self, pid: i32);

    /// Hands a host call to the engine. For [`host`] alone.
    fn submit(&self, host: Host);

    /// Takes the result of the host call, once the engine has it. For [`host`] alone.
    fn take_reply(&self) -> Option<Result<u64, Errno>>;
}

/// Lets the guest make a call, and waits for its result.
pub fn host(guest: &Rc<dyn Guest>, call: Host) -> HostCall {
    HostCall { guest: guest.clone(), call: Cell::new(Some(call)) }
}

/// The future of a host call: pending until the engine has resumed the guest and seen the call's end.
pub struct HostCall {
    guest: Rc<dyn Guest>,
    call: Cell<Option<Host>>,
}

impl Future for HostCall {
    type Output = Result<u64, Errno>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(call) = self.call.take() {
            self.guest.submit(call);
            return Poll::Pending;
        }
        match self.guest.take_reply() {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        }
    }
}

/// A shim that waits for host calls, on its way.
pub type Coroutine = Pin<Box<dyn Future<Output = Answer>>>;
