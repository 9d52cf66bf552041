//! Following the tree: new tasks, new programs.

use remainroot_shims::family::exec::{self, AuxIds};

use super::calls::{At, Turn};
use super::run::Slot;
use super::stop::Stopped;
use super::strict::Filters;
use super::{Engine, auxv};
use crate::arch;
use crate::sys::ptrace::{self, Lost};

impl Engine {
    /// The parent's event of a fork, vfork or clone. The child may have stopped already.
    pub(super) fn on_new_task(&mut self, stopped: Stopped, own_process: bool) -> Result<(), Lost> {
        let child = stopped.event_message()?;
        let parent = self.run.tasks.borrow().get(stopped.tid()).map(|slot| slot.tracee.clone());
        // A child that was killed before it could stop has been waited for already; one that has a slot may be in the
        // midst of a call.
        if let Some(parent) = parent
            && self.run.tasks.borrow().get(child).is_none()
            && (self.nursery.has(child) || ptrace::is_tracee(child))
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
