//! Priorities and limits of other tasks, and looking into them: `kernel/sys.c`, `kernel/sched/syscalls.c`,
//! `block/ioprio.c`, `kernel/ptrace.c`. Whose a task is, is a matter of virtual ids; the rest is the kernel's.

use std::rc::Rc;

use linux_raw_sys::general::{
    SCHED_BATCH, SCHED_EXT, SCHED_FIFO, SCHED_FLAG_ALL, SCHED_FLAG_KEEP_POLICY, SCHED_IDLE, SCHED_NORMAL,
    SCHED_RESET_ON_FORK, SCHED_RR,
};

use super::{allowed, read_u32, refuse};
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
        if !peers.iter().all(may) {
            // What is wrong with the priority itself is said first (`ioprio_check_cap`).
            match refuse(&guest, &call.with(0, self.task.into()), 1).await {
                Answer::Err(Errno::EPERM) => {}
                refused => return refused,
            }
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

/// sched_setscheduler(2): the policy is looked at before whose the task is.
pub async fn set_scheduler(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let settings = |guest: &dyn Guest| {
        let policy = call.uint(1) & !SCHED_RESET_ON_FORK;
        read_u32(guest, call.word(2)).is_ok_and(|priority| is_policy(policy, priority))
    };
    schedule(guest, call, settings).await
}

/// sched_setparam(2). Whose policy is another than the usual has no other user.
pub async fn set_parameters(guest: Rc<dyn Guest>, call: Call) -> Answer {
    schedule(guest, call, |guest| read_u32(guest, call.word(1)) == Ok(0)).await
}

/// sched_setattr(2).
pub async fn set_attributes(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let settings = |guest: &dyn Guest| {
        let mut attributes = [0; 24];
        if guest.read(call.word(1), &mut attributes).is_err() {
            return false;
        }
        let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| attributes[at + byte]));
        let flags = word(8);
        let keeps_policy = flags & SCHED_FLAG_KEEP_POLICY != 0;
        flags & !SCHED_FLAG_ALL == 0 && word(12) == 0 && (keeps_policy || is_policy(word(4), word(20)))
    };
    schedule(guest, call, settings).await
}

/// `are_good`: whether the settings are such that the kernel goes on to ask whose the task is
/// (`__sched_setscheduler`). If not, it says so of any task that there is, and changes none.
async fn schedule(guest: Rc<dyn Guest>, call: Call, are_good: impl Fn(&dyn Guest) -> bool) -> Answer {
    let may = |me: &Cred, peer: &Peer| me.may_schedule(&peer.cred);
    if may_do(&*guest, call.int(0), may) {
        return Answer::Native;
    }
    match refuse(&guest, &call, 0).await {
        Answer::Err(Errno::EPERM) if !are_good(&*guest) => Answer::Err(Errno::EINVAL),
        refused => refused,
    }
}

/// Whether a policy is one, with such a priority: those of real time have 1 to 99, and the others none. SCHED_DEADLINE is
/// for sched_setattr(2), and has a rule of its own.
fn is_policy(policy: u32, priority: u32) -> bool {
    match policy {
        SCHED_FIFO | SCHED_RR => (1..100).contains(&priority),
        SCHED_NORMAL | SCHED_BATCH | SCHED_IDLE | SCHED_EXT => priority == 0,
        _ => false,
    }
}

/// prlimit64(2).
pub async fn prlimit(guest: Rc<dyn Guest>, call: Call) -> Answer {
    // `check_prlimit_permission` lets a task do with itself what it likes; its other threads share its limits.
    let may = |me: &Cred, peer: &Peer| guest.is_self(peer.tid) || me.may_limit(&peer.cred);
    if may_do(&*guest, call.int(0), may) { Answer::Native } else { refuse(&guest, &call, 0).await }
}

/// process_vm_readv(2), process_vm_writev(2): the pid comes first. Nobody is looked for if nothing is asked for.
pub async fn look_into(guest: Rc<dyn Guest>, call: Call) -> Answer {
    if may_do(&*guest, call.int(0), may_look) { Answer::Native } else { refuse(&guest, &call, 0).await }
}

/// kcmp(2), which compares two. Both must be there before it is asked whose they are.
pub fn compare(guest: &dyn Guest, call: &Call) -> Answer {
    let both = [call.int(0), call.int(1)];
    let is_there = |pid: &i32| *pid > 0 && !guest.peers(Whom::Task(*pid)).is_empty();
    if both.iter().all(is_there) && !both.iter().all(|pid| may_do(guest, *pid, may_look)) {
        return Answer::Err(Errno::EPERM);
    }
    Answer::Native
}

/// pidfd_getfd(2).
pub fn take_descriptor(guest: &dyn Guest, call: &Call) -> Answer {
    let cred = guest.cred();
    match call.uint(2) {
        0 => allowed(guest, Whom::Handle(call.int(0)), |peer| may_look(&cred, peer)),
        _ => Answer::Native,
    }
}

fn may_look(me: &Cred, peer: &Peer) -> bool {
    peer.is_own || me.may_trace(&peer.cred, peer.dumpable)
}

/// Whether a rule lets the caller do something to a task, if there is one.
fn may_do(guest: &dyn Guest, pid: i32, may: impl Fn(&Cred, &Peer) -> bool) -> bool {
    let cred = guest.cred();
    pid < 0 || guest.peers(Whom::Task(pid)).iter().all(|peer| may(&cred, peer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Abi, Gid};
    use crate::guest::Coroutine;
    use crate::testing::Fake;

    fn user(id: u32) -> Cred {
        Cred::login(Uid::new(id).unwrap(), Gid::new(id).unwrap(), vec![])
    }

    fn guest(other: Cred) -> Fake {
        let guest = Fake::new(Abi::X86_64, user(33));
        guest.know(Fake::OTHER, Rc::new(other));
        guest
    }

    #[test]
    fn what_is_anothers_is_refused() {
        type Shim = fn(Rc<dyn Guest>, Call) -> Coroutine;
        let shims: [Shim; 3] = [
            |guest, call| Box::pin(set_parameters(guest, call)),
            |guest, call| Box::pin(prlimit(guest, call)),
            |guest, call| Box::pin(look_into(guest, call)),
        ];
        let (nobody, other) = (Err(Errno::ESRCH), [Fake::OTHER as u64, 0x1000]);
        for (n, shim) in shims.into_iter().enumerate() {
            let answer = guest(Cred::root()).serve(shim, &other, nobody);
            assert_eq!(answer, Answer::Err(Errno::EPERM), "{n}");
            let answer = guest(Cred::root()).serve(shim, &other, Err(Errno::EFAULT));
            assert_eq!(answer, Answer::Err(Errno::EFAULT), "{n}: the kernel sees that before");
            assert_eq!(guest(Cred::root()).serve(shim, &[0], nobody), Answer::Native, "{n}");
            assert_eq!(guest(user(33)).serve(shim, &other, nobody), Answer::Native, "{n}");
        }
    }

    #[test]
    fn both_must_be_there_to_be_compared() {
        let (me, other) = (Fake::TID as u64, Fake::OTHER as u64);
        assert_eq!(guest(Cred::root()).run(compare, &[me, other]), Answer::Err(Errno::EPERM));
        assert_eq!(guest(Cred::root()).run(compare, &[other, 77]), Answer::Native, "ESRCH");
        assert_eq!(guest(user(33)).run(compare, &[me, other]), Answer::Native);
    }

    #[test]
    fn settings_that_are_none_are_refused_of_everybody() {
        let other = [Fake::OTHER as u64, SCHED_FIFO.into(), 0x1000];
        for (priority, expected) in [(0, Errno::EINVAL), (1, Errno::EPERM), (100, Errno::EINVAL)] {
            let guest = guest(Cred::root());
            guest.put(0x1000, &u32::to_ne_bytes(priority));
            let answer = guest.serve(set_scheduler, &other, Err(Errno::ESRCH));
            assert_eq!(answer, Answer::Err(expected), "{priority}");
        }
        assert!(is_policy(SCHED_IDLE, 0) && !is_policy(SCHED_IDLE, 1) && !is_policy(4, 0));
    }
}
