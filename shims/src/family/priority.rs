//! Priorities and limits of other tasks, and looking into them: `kernel/sys.c`, `kernel/sched/syscalls.c`,
//! `block/ioprio.c`, `kernel/ptrace.c`. Whose a task is, is a matter of virtual ids; the rest is the kernel's.

use std::rc::Rc;

use super::allowed;
use crate::abi::{Call, Errno, Uid};
use crate::cred::Cred;
use crate::guest::{Answer, Guest, Host, Peer, Whom, host};

/// The kinds of a priority's first argument.
const PRIO_PROCESS: u32 = 0;
/// All tasks of a user.
pub const PRIO_USER: u32 = 2;
/// The same of ioprio_set(2), which counts from one.
pub const IOPRIO_WHO_USER: u32 = 3;

/// A priority's target: the kind in argument 0, the number in argument 1.
struct Target {
    /// The number by which the kernel calls a single task.
    task: u32,
    /// Whose priority may be changed.
    may: fn(&Cred, &Cred) -> bool,
}

impl Target {
    /// Tasks of the caller's (`who` 0) or a virtual user; `None` for what the kernel has to say something of.
    fn peers(&self, guest: &dyn Guest, call: &Call) -> Option<Vec<Peer>> {
        let (kind, who) = (call.uint(0).wrapping_sub(self.task), call.int(1));
        match kind {
            0 if who >= 0 => Some(guest.peers(Whom::Task(who))),
            1 if who >= 0 => Some(guest.peers(Whom::Group(who))),
            2 => {
                let uid = if who == 0 { guest.cred().uid.real } else { Uid::new(who as u32)? };
                let mut peers = guest.peers(Whom::Threads);
                peers.retain(|peer| peer.cred.uid.real == uid);
                Some(peers)
            }
            _ => None,
        }
    }

    /// Sets the priority of each that may be changed (`set_one_prio`, `set_task_ioprio`). One error is the call's.
    async fn set(&self, guest: Rc<dyn Guest>, call: Call) -> Answer {
        let Some(peers) = self.peers(&*guest, &call) else { return Answer::Native };
        let may = |peer: &Peer| (self.may)(&guest.cred(), &peer.cred);
        let is_user = call.uint(0).wrapping_sub(self.task) == 2;
        if !is_user && peers.iter().all(may) {
            return Answer::Native;
        }
        let mut result = Err(Errno::ESRCH);
        for peer in &peers {
            let args = call.with(0, self.task.into()).with(1, peer.tid as u64).args;
            let one = if may(peer) { host(&guest, Host::With(args)).await } else { Err(Errno::EPERM) };
            match (one, result) {
                // Gone meanwhile.
                (Err(Errno::ESRCH), _) => {}
                (Ok(_), Err(Errno::ESRCH)) => result = Ok(0u64),
                (Ok(_), _) => {}
                (Err(errno), _) => result = Err(errno),
            }
        }
        result.into()
    }
}

const NICE: Target = Target { task: PRIO_PROCESS, may: Cred::may_renice };
const IO: Target = Target { task: 1, may: Cred::may_set_io_priority };

/// setpriority(2).
pub async fn setpriority(guest: Rc<dyn Guest>, call: Call) -> Answer {
    NICE.set(guest, call).await
}

/// getpriority(2) of a user: the highest of its tasks' (a system call's result is 20 less the nice value).
pub async fn getpriority(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let peers = match call.uint(0) {
        PRIO_USER => NICE.peers(&*guest, &call),
        _ => None,
    };
    let Some(peers) = peers else { return Answer::Native };
    let mut result = Err(Errno::ESRCH);
    for peer in &peers {
        let args = call.with(0, PRIO_PROCESS.into()).with(1, peer.tid as u64).args;
        if let Ok(value) = host(&guest, Host::With(args)).await {
            result = Ok(result.map_or(value, |most: u64| most.max(value)));
        }
    }
    result.into()
}

/// ioprio_set(2).
pub async fn ioprio_set(guest: Rc<dyn Guest>, call: Call) -> Answer {
    IO.set(guest, call).await
}

/// sched_setscheduler(2), sched_setparam(2), sched_setattr(2).
pub fn schedule(guest: &dyn Guest, call: &Call) -> Answer {
    one(guest, call.int(0), |me, peer| me.may_schedule(&peer.cred))
}

/// prlimit64(2).
pub fn prlimit(guest: &dyn Guest, call: &Call) -> Answer {
    // `check_prlimit_permission` lets a task do with itself what it likes; its other threads share its limits.
    one(guest, call.int(0), |me, peer| guest.is_self(peer.tid) || me.may_limit(&peer.cred))
}

/// process_vm_readv(2), process_vm_writev(2): the pid comes first. Everything is an error of permission only if
/// something is asked for.
pub fn look_into(guest: &dyn Guest, call: &Call) -> Answer {
    one(guest, call.int(0), may_look)
}

/// kcmp(2), which compares two.
pub fn compare(guest: &dyn Guest, call: &Call) -> Answer {
    match one(guest, call.int(0), may_look) {
        Answer::Native => one(guest, call.int(1), may_look),
        refused => refused,
    }
}

/// pidfd_getfd(2).
pub fn take_descriptor(guest: &dyn Guest, call: &Call) -> Answer {
    let cred = guest.cred();
    allowed(guest, Whom::Handle(call.int(0)), |peer| may_look(&cred, peer))
}

fn may_look(me: &Cred, peer: &Peer) -> bool {
    peer.is_own || me.may_trace(&peer.cred, peer.dumpable)
}

fn one(guest: &dyn Guest, pid: i32, may: impl Fn(&Cred, &Peer) -> bool) -> Answer {
    if pid < 0 {
        return Answer::Native;
    }
    let cred = guest.cred();
    allowed(guest, Whom::Task(pid), |peer| may(&cred, peer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Abi, Gid};
    use crate::testing::Fake;

    fn user(id: u32) -> Cred {
        Cred::login(Uid::new(id).unwrap(), Gid::new(id).unwrap(), vec![])
    }

    #[test]
    fn what_is_anothers_is_refused() {
        let shims: [fn(&dyn Guest, &Call) -> Answer; 4] = [schedule, prlimit, look_into, compare];
        for (n, shim) in shims.into_iter().enumerate() {
            let guest = Fake::new(Abi::X86_64, user(33));
            guest.know(Fake::OTHER, Rc::new(Cred::root()));
            assert_eq!(guest.run(shim, &[Fake::OTHER as u64]), Answer::Err(Errno::EPERM), "{n}");
            assert_eq!(guest.run(shim, &[0]), Answer::Native, "{n}");
            guest.know(Fake::OTHER, Rc::new(user(33)));
            assert_eq!(guest.run(shim, &[Fake::OTHER as u64]), Answer::Native, "{n}");
        }
    }
}
