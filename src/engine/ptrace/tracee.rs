//! One task, as its shims see it.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use remainroot_shims::abi::{Abi, Call, Errno, STATX_SIZE};
use remainroot_shims::cred::{Cred, Login};
use remainroot_shims::guest::{self, Dir, Guest, Host, Loan, Node, Peer, Place, Shelf, TaskFile, Text, Whom};
use remainroot_shims::owner::{FileId, Store, World};
use remainroot_shims::table::Needs;

use super::room::Room;
use super::run::Run;
use super::{files, login, peers, pids, quick, sockets, views};
use crate::sys::{fd, mem, process};

/// A host call on its way.
#[derive(Clone, Copy)]
enum Mail {
    Empty,
    Request(Host),
    Reply(Result<u64, Errno>),
}

/// One task. Its slot in the run holds it, and so does a shim that waits for a host call.
pub(super) struct Tracee {
    run: Rc<Run>,
    tid: i32,
    /// The process that it is a thread of, once known.
    process: OnceCell<i32>,
    call: Cell<Call>,
    cred: RefCell<Rc<Cred>>,
    mail: Cell<Mail>,
    resolve: Cell<u64>,
    /// Whether the task may see another root directory or other mounts than the tracer. Shared by tasks that may
    /// share a root (`CLONE_FS`), copied by fork. True where unsure: it only costs time.
    foreign_root: Rc<Cell<bool>>,
    /// Whether it has asked for a filter of its own, before which it must have all of ours.
    expects_filter: Cell<bool>,
    /// Whether it has listed /proc, and so may look at tasks of others.
    looks_at_tasks: Cell<bool>,
    /// Whether pages of its memory may have to be fetched from a file system that lets us wait: its program is on one.
    slow_memory: Cell<bool>,
    /// What prctl(PR_GET_DUMPABLE) says. Shared by tasks that share their memory.
    dumpable: RefCell<Rc<Cell<u8>>>,
    /// For borrowing its descriptors; made when first needed, `None` where it cannot be had.
    handle: OnceCell<Option<OwnedFd>>,
    /// See [`Tracee::inner`].
    inner: Cell<Option<pids::Inner>>,
    login: Rc<login::State>,
}

const NO_CALL: Call = Call { abi: Abi::X86_64, nr: 0, args: [0; 6] };

/// The longest path that the kernel takes, with its NUL (`PATH_MAX`).
const PATH_MAX: usize = 4096;
const PAGE: u64 = 4096;

impl Tracee {
    /// The run's first task.
    pub fn first(run: Rc<Run>, tid: i32, cred: Cred) -> Rc<Tracee> {
        Rc::new(Tracee {
            run,
            tid,
            process: OnceCell::from(tid),
            call: Cell::new(NO_CALL),
            cred: RefCell::new(Rc::new(cred)),
            mail: Cell::new(Mail::Empty),
            resolve: Cell::default(),
            foreign_root: Rc::default(),
            expects_filter: Cell::new(false),
            looks_at_tasks: Cell::new(false),
            slow_memory: Cell::default(),
            dumpable: RefCell::new(Rc::new(Cell::new(1))),
            handle: OnceCell::new(),
            inner: Cell::default(),
            login: login::State::new(Login::UNSET),
        })
    }

    /// A task made by this one that may share its root directory, or this one under another tid.
    pub fn heir(&self, tid: i32) -> Rc<Tracee> {
        self.copy(tid, OnceCell::new(), self.foreign_root.clone(), self.dumpable_of(tid, true))
    }

    /// A task in a process of its own: what it does to its root is its own affair.
    pub fn forked(&self, tid: i32) -> Rc<Tracee> {
        let root = Rc::new(Cell::new(self.foreign_root.get()));
        self.copy(tid, OnceCell::from(tid), root, self.dumpable_of(tid, false))
    }

    /// What a task made by this one has of it, which is a matter of whose memory it has (`mm_flags`). `is_shared` where
    /// the kernel does not say.
    fn dumpable_of(&self, tid: i32, is_shared: bool) -> Rc<Cell<u8>> {
        let ours = self.dumpable.borrow();
        if tid == self.tid || process::share_memory(self.tid, tid).unwrap_or(is_shared) {
            ours.clone()
        } else {
            Rc::new(Cell::new(ours.get()))
        }
    }

    /// Notes that it has executed a program, whose memory is its own.
    pub fn has_new_memory(&self) {
        let value = self.dumpable.borrow().get();
        self.dumpable.replace(Rc::new(Cell::new(value)));
    }

    fn copy(
        &self,
        tid: i32,
        process: OnceCell<i32>,
        foreign_root: Rc<Cell<bool>>,
        dumpable: Rc<Cell<u8>>,
    ) -> Rc<Tracee> {
        Rc::new(Tracee {
            run: self.run.clone(),
            tid,
            process,
            call: Cell::new(NO_CALL),
            cred: RefCell::new(self.cred.borrow().clone()),
            mail: Cell::new(Mail::Empty),
            resolve: Cell::default(),
            foreign_root,
            expects_filter: Cell::new(false),
            looks_at_tasks: Cell::new(false),
            slow_memory: self.slow_memory.clone(),
            dumpable: RefCell::new(dumpable),
            handle: OnceCell::new(),
            inner: Cell::default(),
            login: login::State::new(self.login_now()),
        })
    }

    /// The process that it is a thread of.
    pub fn process(&self) -> i32 {
        *self.process.get_or_init(|| files::process_of(&self.run, self.tid))
    }

    /// What it is called in its own pid namespace, if that was noted.
    pub fn inner(&self) -> Option<pids::Inner> {
        self.inner.get()
    }

    /// Notes that.
    pub fn set_inner(&self, inner: Option<pids::Inner>) {
        self.inner.set(inner);
    }

    /// Whom it has logged in as.
    pub fn login_now(&self) -> Login {
        self.login.now()
    }

    /// The same, for one who is going to write it.
    pub fn login_state(&self) -> Rc<login::State> {
        self.login.clone()
    }

    /// Notes the call that it stopped for.
    pub fn enter(&self, call: Call) {
        self.call.set(call);
        self.mail.set(Mail::Empty);
        self.resolve.set(0);
    }

    /// How its present call looks paths up ([`Guest::resolves`]).
    pub fn resolve(&self) -> u64 {
        self.resolve.get()
    }

    /// The host call that a shim has just asked for.
    pub fn take_request(&self) -> Option<Host> {
        match self.mail.replace(Mail::Empty) {
            Mail::Request(host) => Some(host),
            other => {
                self.mail.set(other);
                None
            }
        }
    }

    /// Hands a host call's result to the shim.
    pub fn reply(&self, result: Result<u64, Errno>) {
        self.mail.set(Mail::Reply(result));
    }

    /// Whether paths must be looked up in the task's own root.
    pub fn has_foreign_root(&self) -> bool {
        self.foreign_root.get()
    }

    /// Whether it is about to install a filter of its own, or has done so.
    pub fn expects_filter(&self) -> bool {
        self.expects_filter.get()
    }

    /// The circumstances that it lives under by itself.
    pub fn needs(&self) -> Needs {
        let looks = if self.looks_at_tasks.get() { Needs::VIEWS } else { Needs::empty() };
        if self.expects_filter.get() { Needs::all() } else { Needs::of_task(&self.cred.borrow()) | looks }
    }

    /// Notes whether its program's pages may have to be waited for.
    pub fn set_slow_memory(&self, slow: bool) {
        self.slow_memory.set(slow);
    }

    /// Whether touching its memory may have to wait for a file that is mapped there.
    pub fn memory_may_wait(&self) -> bool {
        self.slow_memory.get() || self.run.mounts.are_served() || self.run.aside.is_abandoning()
    }

    /// One of its descriptors, as one of ours. `None` where the kernel does not lend them: an old one, or a container's
    /// filter. EBADF if it has no such descriptor.
    pub fn borrow_fd(&self, fd: i32) -> Option<Result<OwnedFd, Errno>> {
        let handle = self.handle.get_or_init(|| self.run.lend_handle(self.tid)).as_ref()?;
        match fd::borrow(handle.as_fd(), fd) {
            Err(libc::EBADF) => Some(Err(Errno::EBADF)),
            other => other.ok().map(Ok),
        }
    }

    /// Reads up to `max` bytes and stops behind the first NUL. `None`: no NUL in them.
    fn read_until_nul(&self, addr: u64, max: usize) -> Result<Option<CString>, Errno> {
        let mut bytes = Vec::with_capacity(256);
        while bytes.len() < max {
            let from = addr.wrapping_add(bytes.len() as u64);
            // Never across a page boundary: the next page need not exist.
            let chunk = ((PAGE - from % PAGE) as usize).min(256).min(max - bytes.len());
            let start = bytes.len();
            bytes.resize(start + chunk, 0);
            Guest::read(self, from, &mut bytes[start..])?;
            if let Some(nul) = bytes[start..].iter().position(|byte| *byte == 0) {
                bytes.truncate(start + nul);
                return Ok(CString::new(bytes).ok());
            }
        }
        Ok(None)
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take().flatten() {
            self.run.return_handle(handle);
        }
    }
}

impl Guest for Tracee {
    fn call(&self) -> Call {
        self.call.get()
    }

    fn tid(&self) -> i32 {
        self.tid
    }

    fn is_self(&self, pid: i32) -> bool {
        pid == self.tid || pids::own_number(&self.run, self.tid) == Some(pid)
    }

    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Errno> {
        if self.memory_may_wait() {
            let (tid, mut bytes) = (self.tid, vec![0; buf.len()]);
            let read = move || match mem::read(tid, addr, &mut bytes) {
                Ok(count) if count == bytes.len() => Ok(bytes),
                _ => Err(Errno::EFAULT),
            };
            return self.run.aside.wait(read).map(|bytes| buf.copy_from_slice(&bytes));
        }
        match mem::read(self.tid, addr, buf) {
            Ok(count) if count == buf.len() => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }

    fn write(&self, addr: u64, data: &[u8]) -> Result<(), Errno> {
        if self.memory_may_wait() {
            let (tid, data) = (self.tid, data.to_owned());
            return self.run.aside.wait(move || match mem::write(tid, addr, &data) {
                Ok(count) if count == data.len() => Ok(()),
                _ => Err(Errno::EFAULT),
            });
        }
        match mem::write(self.tid, addr, data) {
            Ok(count) if count == data.len() => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }

    fn read_path(&self, addr: u64) -> Result<CString, Errno> {
        self.read_until_nul(addr, PATH_MAX)?.ok_or(Errno::ENAMETOOLONG)
    }

    fn read_str(&self, addr: u64, max: usize) -> Result<CString, Errno> {
        self.read_until_nul(addr, max)?.ok_or(Errno::ERANGE)
    }

    fn cred(&self) -> Rc<Cred> {
        self.cred.borrow().clone()
    }

    fn set_cred(&self, cred: Rc<Cred>) {
        self.run.arisen.set(self.run.arisen.get() | Needs::of_ids(&cred));
        self.run.note_senders();
        self.cred.replace(cred);
    }

    fn dumpable(&self) -> u8 {
        self.dumpable.borrow().get()
    }

    fn set_dumpable(&self, value: u8) {
        self.dumpable.borrow().set(value);
    }

    fn cred_of(&self, pid: i32) -> Result<Rc<Cred>, Errno> {
        let tid = pids::named_by(&self.run, self, pid).ok_or(Errno::ESRCH)?;
        let tasks = self.run.tasks.borrow();
        tasks.get(tid).map(|slot| slot.tracee.cred()).ok_or(Errno::ESRCH)
    }

    fn peers(&self, whom: Whom) -> Vec<Peer> {
        peers::peers(&self.run, self, whom)
    }

    fn wants_senders(&self) {
        self.run.wants_senders.set(true);
        self.run.note_senders();
    }

    fn tells_senders(&self) -> bool {
        self.run.arisen.get().contains(Needs::SENDERS)
    }

    fn shows_tasks(&self, dev: u64) -> bool {
        views::shows_tasks(&self.run, dev)
    }

    fn task_file(&self, place: &Place<'_>) -> Option<TaskFile> {
        views::task_file(&self.run, self, place)
    }

    fn read_task_file(&self, place: &Place<'_>) -> Option<Vec<u8>> {
        views::read(&self.run, self, place)
    }

    fn sees_views(&self) -> bool {
        views::sees_views(&self.run, self)
    }

    fn lives_at_home(&self, tid: i32) -> bool {
        views::lives_at_home(&self.run, tid)
    }

    fn id_at_home(&self, map: &CStr, id: u32) -> u32 {
        views::id_at_home(&self.run, self.tid, map, id)
    }

    fn login(&self, tid: i32) -> Option<Login> {
        login::of(&self.run, tid)
    }

    fn sets_login(&self, fd: i32) -> bool {
        self.login.is_file(self, fd)
    }

    fn may_resolve(&self, dir: Dir, path: &CStr, resolve: u64) -> bool {
        files::may_resolve(&self.run, self, dir, path, resolve)
    }

    fn lend(&self, text: &Text<'_>, shelf: Shelf<'_>) -> Result<Box<dyn Loan>, Errno> {
        views::lend(&self.run, self, text, shelf)
    }

    fn lists(&self, fd: i32) {
        let may_differ = self.run.arisen.get().contains(Needs::USERS);
        if may_differ && !self.looks_at_tasks.get() && views::is_list(&self.run, self, fd) {
            self.looks_at_tasks.set(true);
        }
    }

    fn room(&self, size: usize) -> Result<Box<dyn guest::Room>, Errno> {
        Ok(Box::new(Room::on_stack(self, size)?))
    }

    fn socket_peer(&self, fd: i32) -> Option<Rc<Cred>> {
        sockets::socket_peer(&self.run, self, fd)
    }

    fn connects(&self, fd: i32) -> Option<u64> {
        sockets::connects(&self.run, self, fd)
    }

    fn connected(&self, fd: i32, socket: u64, done: bool) {
        sockets::connected(&self.run, self, fd, socket, done);
    }

    fn listens(&self, fd: i32) {
        sockets::listens(&self.run, self, fd);
    }

    fn pairs(&self, fds: [i32; 2]) {
        sockets::pairs(&self.run, self, fds);
    }

    fn store(&self) -> &dyn Store {
        &*self.run.store
    }

    fn world(&self) -> World {
        self.run.world
    }

    fn resolves(&self, resolve: u64) {
        self.resolve.set(resolve);
    }

    fn find(&self, place: &Place<'_>) -> Result<Box<dyn Node>, Errno> {
        files::find(&self.run, self, place)
    }

    fn quick_stat(&self, place: &Place<'_>, mask: u32) -> Option<[u8; STATX_SIZE]> {
        quick::stat(&self.run, self, place, mask)
    }

    fn sysctl(&self, name: &CStr) -> u32 {
        files::sysctl(&self.run, name)
    }

    fn watched(&self, id: FileId) -> Option<u32> {
        self.run.writes.announced(id)
    }

    fn umask(&self) -> Result<u32, Errno> {
        files::umask(&self.run, self.tid)
    }

    fn root_changes(&self) {
        self.foreign_root.set(true);
    }

    fn filter_comes(&self) {
        self.expects_filter.set(true);
    }

    fn mounts(&self, kind: &CStr) {
        if kind.to_bytes() == b"proc" {
            self.run.has_other_procs.set(true);
        }
        self.run.mounts.expect(&kind.to_string_lossy());
    }

    fn own_cpus(&self, pid: i32) {
        let tid = if pid == 0 { Some(self.tid) } else { pids::named_by(&self.run, self, pid) };
        if let Some(tid) = tid {
            self.run.release_cpus(tid);
        }
    }

    fn submit(&self, host: Host) {
        self.mail.set(Mail::Request(host));
    }

    fn take_reply(&self) -> Option<Result<u64, Errno>> {
        match self.mail.replace(Mail::Empty) {
            Mail::Reply(result) => Some(result),
            other => {
                self.mail.set(other);
                None
            }
        }
    }
}
