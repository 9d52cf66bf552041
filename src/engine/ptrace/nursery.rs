//! New tasks that stop before their parent's event, and whose they are if that never comes.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use remainroot_shims::guest::Guest;

use super::Engine;
use super::files::{is_dead, kin_of};
use super::pids;
use super::run::Slot;
use super::stop::Stopped;
use super::strict::Filters;
use super::tracee::Tracee;
use crate::sys::process;
use crate::sys::ptrace::{self, Lost, Status, Stop, Wait};

/// How long a child waits for its parent's event, which is underway unless the parent was killed.
const PATIENCE: Duration = Duration::from_millis(200);

/// What /proc says of a new task.
#[derive(Clone, Copy)]
pub(super) struct Kin {
    /// The process that it belongs to.
    pub process: i32,
    /// The process whose event is to come: its own if it is a thread.
    pub parent: i32,
}

/// A new task at its first stop.
struct Newborn {
    stop: Stop,
    /// When that was reported.
    since: Instant,
    /// Asked only if the parent's event is not the next thing that is heard: it mostly is.
    kin: Option<Kin>,
}

/// The new tasks that wait, by tid.
#[derive(Default)]
pub(super) struct Nursery {
    newborns: BTreeMap<i32, Newborn>,
    /// The task that ended last: a child that it made while it was killed may still be to come.
    last: Option<Rc<Tracee>>,
}

impl Nursery {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.newborns.is_empty()
    }

    /// Whether this task waits.
    pub fn has(&self, tid: i32) -> bool {
        self.newborns.contains_key(&tid)
    }

    /// A task has ended: it waits no longer.
    pub fn ended(&mut self, tid: i32) {
        self.newborns.remove(&tid);
    }

    /// Those of whom it was asked whose they are, if `is_meant`.
    fn known(&self, is_meant: impl Fn(&Newborn, Kin) -> bool) -> Vec<(i32, Kin)> {
        let meant =
            |(tid, it): (&i32, &Newborn)| it.kin.filter(|kin| is_meant(it, *kin)).map(|kin| (*tid, kin));
        self.newborns.iter().filter_map(meant).collect()
    }
}

impl Engine {
    /// Waits for the next report, and not for ever if somebody waits for it.
    pub(super) fn wait(&mut self) -> Wait {
        if self.nursery.is_empty() && !self.run.aside.is_awaited() {
            return ptrace::wait();
        }
        self.adopt_abandoned();
        let next = match ptrace::poll() {
            Wait::Interrupted => {
                self.ask_for_kin();
                ptrace::wait_for(PATIENCE)
            }
            next => next,
        };
        // Before an end or an exec is heeded, after which /proc may name others.
        if !matches!(next, Wait::Task(_, Status::Stopped(Stop::Fork | Stop::Clone))) {
            self.ask_for_kin();
        }
        next
    }

    /// Gives a new task its slot, and lets it go on if it waits for that.
    ///
    /// `filters` are those that its parent had when it made it, where the parent itself has said so.
    pub(super) fn adopt(&mut self, parent: &Tracee, child: i32, own_process: bool, filters: Option<Filters>) {
        let tracee = if own_process { parent.forked(child) } else { parent.heir(child) };
        if own_process && self.run.wants_senders.get() && self.run.has_other_procs.get() {
            // It may have sent something and be gone before anybody asks.
            tracee.set_inner(pids::inner(&self.run, child));
        }
        {
            let filters = filters.unwrap_or_else(|| Filters::of_stranger(&self.run, child));
            let mut tasks = self.run.tasks.borrow_mut();
            let pin = tasks.get(parent.tid()).map(|parent| self.run.pins.borrow_mut().inherited(&parent.pin));
            self.run.departed.borrow_mut().forget(child);
            self.run.sockets.borrow_mut().forget(child);
            tasks.insert(child, Slot { pin: pin.unwrap_or_default(), ..Slot::new(tracee, filters) });
        }
        if let Some(newborn) = self.nursery.newborns.remove(&child) {
            // A thread that is born into a group stop stays in it. Gone already: its end will be reported.
            let _: Result<(), Lost> = self.on_stop(Stopped::new(child), newborn.stop);
        }
    }

    /// A stop of a task that we do not know yet: it is new, and its parent's event is still to come.
    pub(super) fn on_unknown(&mut self, stopped: Stopped, stop: Stop) -> Result<(), Lost> {
        if stop == Stop::Exec {
            // An exec by a thread whose leader was reported as ended: the former tid is the one that we know.
            return self.on_exec(stopped);
        }
        let newborn = Newborn { stop, since: Instant::now(), kin: None };
        self.nursery.newborns.insert(stopped.park(), newborn);
        Ok(())
    }

    /// Looks up whose the new tasks are. One whose parent has ended before it could report goes to whoever is left.
    fn ask_for_kin(&mut self) {
        let nameless = |(tid, it): (&i32, &Newborn)| it.kin.is_none().then_some(*tid);
        let tids: Vec<i32> = self.nursery.newborns.iter().filter_map(nameless).collect();
        for tid in tids {
            let mut kin = kin_of(&self.run, tid);
            if kin.parent == process::id() {
                // What the first guest makes by CLONE_PARENT is our child, too.
                kin.parent = self.main;
            }
            if let Some(newborn) = self.nursery.newborns.get_mut(&tid) {
                newborn.kin = Some(kin);
            }
            if self.survivor_of(kin.parent).is_some() {
                continue;
            }
            let anyone = self.anyone();
            let is_alone = anyone.is_none();
            // Its parent has ended: as it seems without our having heard of it, or else as the last that we heard of.
            let heir = self.unreported().or_else(|| self.nursery.last.clone()).or(anyone);
            if let Some(heir) = heir {
                self.adopt(&heir, tid, kin.process == tid, None);
                if is_alone {
                    // The front was told that nobody is left, and waits for us.
                    self.stay_behind();
                }
            }
        }
    }

    /// Children that waited for so long that no event of their parent's can be on its way: it was killed, and what
    /// /proc calls their parent is a reaper of orphans, or the program that another thread executed.
    fn adopt_abandoned(&mut self) {
        for (tid, kin) in self.nursery.known(|newborn, _| newborn.since.elapsed() >= PATIENCE) {
            if let Some(heir) = self.survivor_of(kin.parent).or_else(|| self.nursery.last.clone()) {
                self.adopt(&heir, tid, kin.process == tid, None);
            }
        }
    }

    /// Children that wait for an event of a process that has no task left never get it.
    pub(super) fn adopt_orphans_of(&mut self, dead: Rc<Tracee>) {
        if !self.nursery.is_empty() && self.survivor_of(dead.process()).is_none() {
            self.adopt_children_of(&dead);
        }
        self.nursery.last = Some(dead);
    }

    /// Whoever of this task's process made these children cannot report them any more.
    pub(super) fn adopt_children_of(&mut self, parent: &Tracee) {
        for (tid, _) in self.nursery.known(|_, kin| kin.parent == parent.process()) {
            self.adopt(parent, tid, true, None);
        }
    }

    /// A task of this process that we still follow.
    fn survivor_of(&self, process: i32) -> Option<Rc<Tracee>> {
        let tasks = self.run.tasks.borrow();
        let leader = tasks.get(process);
        let found = leader.or_else(|| tasks.iter().find(|slot| slot.tracee.process() == process));
        found.map(|slot| slot.tracee.clone())
    }

    /// A task that has ended and whose end is still to be reported.
    fn unreported(&self) -> Option<Rc<Tracee>> {
        let tasks = self.run.tasks.borrow();
        let found = tasks.iter().find(|slot| is_dead(&self.run, slot.tracee.tid()));
        found.map(|slot| slot.tracee.clone())
    }

    fn anyone(&self) -> Option<Rc<Tracee>> {
        self.run.tasks.borrow().iter().next().map(|slot| slot.tracee.clone())
    }
}
