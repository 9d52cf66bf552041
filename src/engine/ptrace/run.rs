//! What all tasks of a run share.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use ahash::AHashMap;
use remainroot_shims::cred::Cred;
use remainroot_shims::guest::Coroutine;
use remainroot_shims::owner::{Store, World};
use remainroot_shims::table::Needs;

use super::aside::{Aside, Ticket};
use super::calls::{At, Turn};
use super::mounts::Mounts;
use super::peers::Departed;
use super::pin::{Pin, Pins};
use super::sockets::Sockets;
use super::strict::{self, Addition, Filters};
use super::tracee::Tracee;
use super::views;
use super::watch::Watch;
use super::writes::Writes;
use crate::bpf::Scope;
use crate::engine::{EngineError, Launch, Watching};
use crate::store::Descriptors;
use crate::sys::fiber::Fiber;
use crate::sys::ptrace::SignalMask;
use crate::sys::{fd, process};
use crate::task::Tasks;

/// What a task is about, between two stops.
pub(super) enum Phase {
    /// It runs freely, or stands at a stop that is being served.
    Free,
    /// It makes a host call for its shim.
    Calling {
        /// The shim.
        shim: Coroutine,
        /// The arguments in the registers, which may not be the guest's own.
        args: [u64; 6],
    },
    /// It was set back to make a further host call for its shim, and has not entered it yet. Signals wait
    /// (`Stopped::hold_signals`): the frame of a handler that ran now would remember the call as the guest's own.
    Repeating {
        /// The shim.
        shim: Coroutine,
        /// The arguments in the registers.
        args: [u64; 6],
    },
    /// It makes calls by which it gets a filter, before one of its own.
    Adding(Box<Addition>),
    /// It stands at its stop, while its shim waits for what a helper does.
    Waiting(Waiting),
}

/// A shim that waits for a helper.
pub(super) struct Waiting {
    /// The shim.
    pub fiber: Fiber<Turn>,
    /// Where its guest stands.
    pub at: At,
    /// What it waits for.
    pub ticket: Ticket,
    /// For leading it to its end.
    pub run: Rc<Run>,
}

impl Drop for Waiting {
    /// Its task is lost.
    fn drop(&mut self) {
        let Waiting { fiber, run, ticket, .. } = self;
        run.aside.forget(*ticket);
        run.aside.abandon(|| {
            while !fiber.has_ended() {
                drop(fiber.resume());
            }
        });
    }
}

/// How many mounts that are gone are remembered, with a descriptor each.
const FORMER_COVERS: usize = 64;

/// One task's slot.
pub(super) struct Slot {
    /// What shims see of it.
    pub tracee: Rc<Tracee>,
    /// What it is about.
    pub phase: Phase,
    /// Its signal mask, while signals wait for it to enter its next host call.
    pub mask: Option<SignalMask>,
    /// How often it stops, and whether it is held beside the tracer for that.
    pub pin: Pin,
    /// Its filters.
    pub filters: Filters,
    /// In a group stop, under `PTRACE_LISTEN`.
    pub listening: bool,
    /// It has been stopped, and the SIGCONT that ended that is still to come, if it comes to this task.
    pub expects_continue: bool,
}

impl Slot {
    /// For a task that is about to run.
    pub fn new(tracee: Rc<Tracee>, filters: Filters) -> Slot {
        let pin = Pin::default();
        Slot {
            tracee,
            phase: Phase::Free,
            mask: None,
            pin,
            filters,
            listening: false,
            expects_continue: false,
        }
    }
}

/// What all tasks of a run share.
pub(super) struct Run {
    /// The tasks.
    pub tasks: RefCell<Tasks<Slot>>,
    /// The owners.
    pub store: Box<dyn Store>,
    /// How native ids read.
    pub world: World,
    /// The circumstances that all tasks live under by now, whoever they are.
    pub needs: Cell<Needs>,
    /// Circumstances that have arisen by what tasks are, and that not everybody knows of yet.
    pub arisen: Cell<Needs>,
    /// Whether somebody wants to know who sends messages.
    pub wants_senders: Cell<bool>,
    /// Who has ended.
    pub departed: RefCell<Departed>,
    /// What others than root did with sockets.
    pub sockets: RefCell<Sockets>,
    /// Root, as it was at first.
    pub root: Rc<Cred>,
    /// Those that the first filter, which all tasks have, cares for.
    pub first: Needs,
    /// How many filters a task has that has only that one; `None` if the kernel does not tell.
    pub filters_at_start: Option<i32>,
    /// Programs that were needed so far.
    pub programs: RefCell<AHashMap<Scope, Rc<[u8]>>>,
    /// Which tasks are held beside the tracer.
    pub pins: RefCell<Pins>,
    /// /proc of the tracer's pid namespace, which is also its working directory: `PID/fd/N` is a relative path for
    /// it even where the guest's root has no /proc.
    pub proc: OwnedFd,
    /// Its device.
    pub proc_device: u64,
    /// The tracer's own descriptors.
    pub descriptors: Arc<Descriptors>,
    /// Whether a guest has mounted another.
    pub has_other_procs: Cell<bool>,
    /// The user namespace in which the run began, once somebody asks.
    pub home: OnceCell<Option<u64>>,
    /// How many have logged in.
    sessions: Cell<u32>,
    /// How many texts have been made by a name.
    texts: Cell<u32>,
    /// How many tasks may still have a handle for borrowing their descriptors: each is a descriptor of the tracer's,
    /// which needs others to work with.
    pub spare_handles: Cell<u64>,
    /// The placeholders that are hidden behind the machine's own devices, by the ids of the mounts that hide them.
    pub covers: RefCell<BTreeMap<u64, Arc<OwnedFd>>>,
    /// Mounts that hid some of them and are gone. A device that was opened before is found by them.
    former_covers: RefCell<VecDeque<u64>>,
    /// Files whose next write matters.
    pub writes: Writes,
    /// Which file systems answer without waiting.
    pub mounts: Mounts,
    /// Who makes operations that may have to wait.
    pub aside: Aside,
    /// Whether a call of an unknown ABI was reported already.
    pub unknown_abi_told: Cell<bool>,
    /// Who wants to know what is done.
    pub watch: Option<Box<Watch>>,
}

/// Counts.
fn next(count: &Cell<u32>) -> u32 {
    count.set(count.get().wrapping_add(1));
    count.get()
}

impl Run {
    /// A task has stopped. False: it is none that we know.
    pub fn note_stop(&self, tid: i32) -> bool {
        let mut tasks = self.tasks.borrow_mut();
        let Some(slot) = tasks.get_mut(tid) else { return false };
        self.pins.borrow_mut().note_stop(tid, &mut slot.pin);
        true
    }

    /// Whether messages have to be looked at may have changed.
    pub fn note_senders(&self) {
        let arisen = self.arisen.get();
        if self.wants_senders.get() && arisen.contains(Needs::USERS) {
            self.arisen.set(arisen | Needs::SENDERS);
        }
    }

    /// A handle for borrowing a task's descriptors; `None` where the kernel has none, or too many are out.
    pub fn lend_handle(&self, tid: i32) -> Option<OwnedFd> {
        let handle = if self.take_descriptor() { fd::open_task(tid).ok() } else { return None };
        if handle.is_none() {
            self.return_descriptor();
        }
        handle
    }

    /// Takes one of the descriptors that are kept for single tasks, if there are any left.
    pub fn take_descriptor(&self) -> bool {
        let spare = self.spare_handles.get().checked_sub(1);
        spare.map(|spare| self.spare_handles.set(spare)).is_some()
    }

    /// It was closed.
    pub fn return_descriptor(&self) {
        self.spare_handles.set(self.spare_handles.get() + 1);
    }

    /// The number of the next login.
    pub fn next_session(&self) -> u32 {
        next(&self.sessions)
    }

    /// The number of the next text that has a name.
    pub fn next_text(&self) -> u32 {
        next(&self.texts)
    }

    /// Takes such a handle back.
    pub fn return_handle(&self, handle: OwnedFd) {
        drop(handle);
        self.return_descriptor();
    }

    /// Closes a guest's open file that may be on a file system which wants to be asked (`FUSE_FLUSH`): only regular
    /// files are.
    pub fn close(&self, file: OwnedFd) {
        let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
        let stat = fd::statx(file.as_raw_fd(), c"", flags, libc::STATX_TYPE);
        if stat.is_ok_and(|stat| u32::from(stat.stx_mode) & libc::S_IFMT != libc::S_IFREG) {
            return;
        }
        self.aside.close(Arc::new(file));
    }

    /// A mount that hid a placeholder is gone, but for those who have opened the device. Its id is never used again.
    pub fn outlive_cover(&self, id: u64) {
        let mut former = self.former_covers.borrow_mut();
        former.push_back(id);
        if former.len() > FORMER_COVERS
            && let Some(oldest) = former.pop_front()
        {
            self.covers.borrow_mut().remove(&oldest);
        }
    }

    /// Gives a task its own CPUs back, if it was held beside the tracer.
    pub fn release_cpus(&self, tid: i32) {
        if let Some(slot) = self.tasks.borrow_mut().get_mut(tid) {
            self.pins.borrow_mut().release(tid, &mut slot.pin);
        }
    }

    /// Opens /proc and makes it the working directory.
    pub fn new(
        launch: &Launch,
        store: Box<dyn Store>,
        first: Needs,
        watching: Option<Watching>,
    ) -> Result<Rc<Run>, EngineError> {
        let proc = fd::open_path(libc::AT_FDCWD, c"/proc", libc::O_DIRECTORY).map_err(EngineError::Proc)?;
        fd::change_dir(proc.as_fd()).map_err(EngineError::Proc)?;
        let (mounts, world) = (Mounts::new(&proc), launch.world);
        let mut run = Run {
            tasks: RefCell::default(),
            needs: Cell::new(Needs::of_world(&world) | Needs::of_store(&*store) | first & Needs::VIEWS),
            arisen: Cell::new(first & Needs::USERS),
            wants_senders: Cell::default(),
            departed: RefCell::default(),
            sockets: RefCell::default(),
            root: Rc::new(if launch.cred.is_plain_root() { launch.cred.clone() } else { Cred::root() }),
            first,
            filters_at_start: None,
            programs: RefCell::default(),
            store,
            world,
            pins: RefCell::new(Pins::new()),
            has_other_procs: Cell::default(),
            home: OnceCell::new(),
            sessions: Cell::default(),
            texts: Cell::default(),
            proc_device: views::device_of(&proc),
            proc,
            descriptors: Arc::new(Descriptors::beside_proc()),
            // Half of the descriptors that we may have, which are more than the guest may: it was started already.
            spare_handles: Cell::new(fd::raise_limit() / 2),
            covers: RefCell::default(),
            former_covers: RefCell::default(),
            writes: Writes::default(),
            mounts,
            aside: Aside::new(),
            unknown_abi_told: Cell::new(false),
            watch: watching.map(|watching| Box::new(Watch::new(watching))),
        };
        run.filters_at_start = strict::count(&run, process::id()).map(|ours| ours + 1);
        Ok(Rc::new(run))
    }
}
