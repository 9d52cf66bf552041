//! Following the tree: new tasks, new programs.

use std::rc::Rc;
use std::time::Instant;

use remainroot_shims::family::exec::{self, AuxIds};
use remainroot_shims::guest::Guest;

use super::calls::{At, Turn};
use super::files::{is_dead, process_of, status_number};
use super::run::Slot;
use super::stop::Stopped;
use super::strict::Filters;
use super::tracee::Tracee;
use super::{Engine, PATIENCE, Parked, auxv};
use crate::arch;
use crate::sys::process;
use crate::sys::ptrace::{self, Lost, Stop};

impl Engine {
    /// The parent's event of a fork, vfork or clone. The child may have stopped already.
    pub(super) fn on_new_task(&mut self, stopped: Stopped, own_process: bool) -> Result<(), Lost> {
        let child = stopped.event_message()?;
        let parent = self.run.tasks.borrow().get(stopped.tid()).map(|slot| slot.tracee.clone());
        // A child that was killed before it could stop has been waited for already; one that has a slot may be in the
        // midst of a call.
        if let Some(parent) = parent
            && self.run.tasks.borrow().get(child).is_none()
            && (self.parked.contains_key(&child) || ptrace::is_tracee(child))
        {
            let filters = self
                .run
                .tasks
                .borrow()
                .get(stopped.tid())
                .map(|slot| Filters::of_child(&self.run, slot, child));
            self.adopt(&parent, child, own_process, filters);
        }
        self.go_on(stopped, 0)
    }

    /// Gives a new task its slot, and lets it go on if it waits for that.
    ///
    /// `filters` are those that its parent had when it made it, where the parent itself has said so.
    fn adopt(&mut self, parent: &Tracee, child: i32, own_process: bool, filters: Option<Filters>) {
        let tracee = if own_process { parent.forked(child) } else { parent.heir(child) };
        {
            let filters = filters.unwrap_or_else(|| Filters::of_stranger(&self.run, child));
            let mut tasks = self.run.tasks.borrow_mut();
            let pin = tasks.get(parent.tid()).map(|parent| self.run.pins.borrow_mut().inherited(&parent.pin));
            tasks.insert(child, Slot { pin: pin.unwrap_or_default(), ..Slot::new(tracee, filters) });
        }
        if let Some(parked) = self.parked.remove(&child) {
            // A thread that is born into a group stop stays in it. Gone already: its end will be reported.
            let _: Result<(), Lost> = self.on_stop(Stopped::new(child), parked.stop);
        }
    }

    /// A stop of a task that we do not know yet: it is new, and its parent's event is still to come. Unless the
    /// parent was killed before it could report: then the child goes to whoever is left of its process.
    pub(super) fn on_unknown(&mut self, stopped: Stopped, stop: Stop) -> Result<(), Lost> {
        let tid = stopped.tid();
        if stop == Stop::Exec {
            // An exec by a thread whose leader was reported as ended: the former tid is the one that we know.
            return self.on_exec(stopped);
        }
        let tgid = process_of(&self.run, tid);
        let parent = if tgid == tid { status_number(&self.run, tid, "PPid:").unwrap_or(0) } else { tgid };
        // What the first guest makes by CLONE_PARENT is our child, too.
        let parent = if parent == process::id() { self.main } else { parent };
        self.parked.insert(stopped.park(), Parked { parent, stop, since: Instant::now() });
        if self.survivor_of(parent).is_some() {
            return Ok(());
        }
        let anyone = self.anyone();
        let is_alone = anyone.is_none();
        // Its parent has ended: as it seems without our having heard of it, or else as the last that we heard of.
        let heir = self.unreported().or_else(|| self.last.clone()).or(anyone);
        if let Some(heir) = heir {
            self.adopt(&heir, tid, tgid == tid, None);
            if is_alone {
                // The front was told that nobody is left, and waits for us.
                self.stay_behind();
            }
        }
        Ok(())
    }

    /// Children that waited for so long that no event of their parent's can be on its way: it was killed, and what
    /// /proc calls their parent is a reaper of orphans, or the program that another thread executed.
    pub(super) fn adopt_abandoned(&mut self) {
        let waits = |(_, parked): &(&i32, &Parked)| parked.since.elapsed() >= PATIENCE;
        let children: Vec<_> = self.parked.iter().filter(waits).map(|(tid, it)| (*tid, it.parent)).collect();
        for (tid, parent) in children {
            if let Some(heir) = self.survivor_of(parent).or_else(|| self.last.clone()) {
                self.adopt(&heir, tid, process_of(&self.run, tid) == tid, None);
            }
        }
    }

    /// Children that wait for an event of a process that has no task left never get it.
    pub(super) fn adopt_orphans_of(&mut self, dead: &Tracee) {
        if !self.parked.is_empty() && self.survivor_of(dead.process()).is_none() {
            self.adopt_children_of(dead);
        }
    }

    /// Whoever of this task's process made these children cannot report them any more.
    fn adopt_children_of(&mut self, parent: &Tracee) {
        let waits = |(_, parked): &(&i32, &Parked)| parked.parent == parent.process();
        let children: Vec<i32> = self.parked.iter().filter(waits).map(|(tid, _)| *tid).collect();
        for child in children {
            self.adopt(parent, child, true, None);
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

    /// `PTRACE_EVENT_EXEC`: the task runs a new program. If a thread other than the leader called execve, it has
    /// taken over the leader's tid, and all other threads are gone.
    pub(super) fn on_exec(&mut self, stopped: Stopped) -> Result<(), Lost> {
        let tid = stopped.tid();
        let former = stopped.event_message()?;
        // Whose shims are led to their ends, which may look at the tasks that there are.
        let lost;
        let tracee = {
            let mut tasks = self.run.tasks.borrow_mut();
            let Some(slot) = tasks.remove(former).or_else(|| tasks.remove(tid)) else {
                drop(tasks);
                return self.go_on(stopped, 0);
            };
            let tracee = if former == tid { slot.tracee } else { slot.tracee.heir(tid) };
            let leader = tasks.remove(tid);
            if let Some(leader) = &leader {
                self.run.pins.borrow_mut().ended(&leader.pin);
            }
            lost = (leader, slot.phase);
            tasks.insert(tid, Slot { pin: slot.pin, ..Slot::new(tracee.clone(), slot.filters) });
            tracee
        };
        drop(lost);
        tracee.has_new_memory();
        if let Some(watch) = &self.run.watch {
            watch.executes(&tracee, former);
        }
        if tid == self.main {
            self.started = None;
        }
        // All other threads are gone, and with them what they had to say of their children.
        self.adopt_children_of(&tracee);
        self.start(stopped, At::Exec, move || Turn::Became(exec::after_exec(&*tracee)))
    }

    /// The end of an exec: the new program's auxiliary vector says whose it is.
    pub(super) fn on_become(&mut self, stopped: Stopped, ids: &AuxIds) -> Result<(), Lost> {
        // What root of a namespace finds there is right for virtual root, too.
        let native = (self.run.world.root_uid, self.run.world.root_gid) == (0, 0);
        let tracee = self.run.tasks.borrow().get(stopped.tid()).map(|slot| slot.tracee.clone());
        if let Some(tracee) = tracee
            && !(native && *ids == AuxIds::ROOT)
        {
            let sp = arch::stack_pointer(stopped.tid())?;
            // Memory that cannot be reached belongs to a task that is being killed: it will not read its vector.
            let _ = auxv::patch(&*tracee, sp, ids);
        }
        self.go_on(stopped, 0)
    }
}
