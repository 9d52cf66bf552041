//! Other tasks, as a guest means them: who they are, and whose.

use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use ahash::AHashMap;
use remainroot_shims::cred::Cred;
use remainroot_shims::guest::{Guest, Peer, Whom};

use super::files::status_field;
use super::pids::{self, Inner, Names};
use super::run::Run;
use super::tracee::Tracee;
use crate::sys::{fd, peer};

/// Processes that have ended, and who they were, if they were not root: what they have sent, and the sockets that they
/// have connected, are still there to be asked about.
#[derive(Default)]
pub(super) struct Departed {
    who: AHashMap<i32, (Rc<Cred>, Option<Inner>)>,
    order: VecDeque<i32>,
}

/// How many of them are remembered.
const REMEMBERED: usize = 1024;

impl Departed {
    /// A process has ended. `inner`: what its like may call it, where that is known and not `pid`.
    pub fn note(&mut self, pid: i32, cred: Rc<Cred>, inner: Option<Inner>) {
        if cred.is_plain_root() {
            self.forget(pid);
        } else if self.who.insert(pid, (cred, inner)).is_none() {
            self.order.push_back(pid);
        }
        while self.order.len() > REMEMBERED {
            let oldest = self.order.pop_front();
            oldest.and_then(|oldest| self.who.remove(&oldest));
        }
    }

    /// The last one that was called so.
    pub fn named(&self, inner: Inner) -> Option<i32> {
        self.order.iter().rev().copied().find(|pid| self.inner(*pid) == Some(inner))
    }

    /// What this one was called.
    pub fn inner(&self, pid: i32) -> Option<Inner> {
        self.who.get(&pid).and_then(|(_, inner)| *inner)
    }

    /// A new task has this number.
    pub fn forget(&mut self, pid: i32) {
        if self.who.remove(&pid).is_some() {
            self.order.retain(|other| *other != pid);
        }
    }
}

/// The virtual credentials of a task, alive or not. `None` for one that is none of ours, or was root.
pub(super) fn cred_of(run: &Run, tid: i32) -> Option<Rc<Cred>> {
    let alive = run.tasks.borrow().get(tid).map(|slot| slot.tracee.cred());
    alive.or_else(|| run.departed.borrow().who.get(&tid).map(|(cred, _)| cred.clone()))
}

/// See [`Guest::peers`].
pub(super) fn peers(run: &Run, caller: &Tracee, whom: Whom) -> Vec<Peer> {
    let me = caller.tid();
    let names = pids::names_of(run, caller);
    let tids = match whom {
        Whom::Task(0) => vec![me],
        Whom::Task(pid) => pids::named_by(run, caller, pid).into_iter().collect(),
        Whom::Handle(fd) => by_handle(run, me, fd).into_iter().collect(),
        Whom::Group(group) => {
            let group = if group == 0 {
                peer::group_of(me)
            } else {
                pids::named_by(run, caller, group).or(Some(group))
            };
            let is_in = |tid: &i32| group.is_some() && peer::group_of(*tid) == group;
            leaders(run).into_iter().filter(is_in).collect()
        }
        Whom::Processes => leaders(run),
        Whom::Threads => run.tasks.borrow().iter().map(|slot| slot.tracee.tid()).collect(),
    };
    let mut peers: Vec<Peer> =
        tids.into_iter().filter_map(|tid| describe(run, &names, caller, tid)).collect();
    peers.sort_by_key(|peer| peer.is_own);
    peers
}

/// The first threads of all processes.
fn leaders(run: &Run) -> Vec<i32> {
    let tasks = run.tasks.borrow();
    tasks.iter().map(|slot| &slot.tracee).filter(|it| it.process() == it.tid()).map(|it| it.tid()).collect()
}

fn describe(run: &Run, names: &Names, caller: &Tracee, tid: i32) -> Option<Peer> {
    let found = run.tasks.borrow().get(tid).map(|slot| slot.tracee.clone());
    let cred = match cred_of(run, tid) {
        Some(cred) => cred,
        // Somebody else's, but there.
        None => status_field(run, tid, "Tgid:").map(|_| Rc::new(Cred::root()))?,
    };
    let session = peer::session_of(tid);
    Some(Peer {
        tid: names.name(run, tid)?,
        cred,
        is_own: found.as_ref().is_some_and(|found| found.process() == caller.process()),
        in_session: session.is_some() && session == peer::session_of(caller.tid()),
        dumpable: found.is_none_or(|found| found.dumpable() == 1),
    })
}

/// The process that a descriptor of `tid` stands for, a pidfd.
fn by_handle(run: &Run, tid: i32, fd: i32) -> Option<i32> {
    let path = CString::new(format!("{tid}/fdinfo/{fd}")).ok()?;
    let text = fd::read_file(run.proc.as_raw_fd(), &path).ok()?;
    let text = String::from_utf8_lossy(&text);
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    pid.trim().parse().ok().filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remainroot_shims::abi::{Gid, Uid};

    #[test]
    fn who_was_not_root_is_remembered_until_the_number_is_used_again() {
        let user = Rc::new(Cred::login(Uid::new(33).unwrap(), Gid::new(33).unwrap(), vec![]));
        let mut departed = Departed::default();
        for pid in 1..=3000 {
            departed.note(pid, user.clone(), None);
        }
        assert_eq!((departed.who.len(), departed.order.len()), (REMEMBERED, REMEMBERED));
        assert!(departed.who.contains_key(&3000) && !departed.who.contains_key(&1));
        departed.forget(3000);
        departed.note(2999, Rc::new(Cred::root()), None);
        assert!(!departed.who.contains_key(&3000) && !departed.who.contains_key(&2999));
    }
}
