//! Who may signal whom: `kernel/signal.c`. In the kernel's eyes all guests are of one user, so it would let everyone.
//! Whoever the caller may not signal by its virtual ids is refused here; the signal itself is sent by the guest.

use std::rc::Rc;

use super::{allowed, refuse};
use crate::abi::{Call, Errno};
use crate::cred::CapSet;
use crate::guest::{Answer, Guest, Host, Peer, Whom, host};

/// Signals have numbers up to this (`_NSIG`).
const LAST: i32 = 64;
/// The same number in every architecture that we know.
const SIGCONT: i32 = 18;

/// `check_kill_permission`.
fn may_signal(guest: &dyn Guest, peer: &Peer, signal: i32) -> bool {
    peer.is_own || guest.cred().may_signal(&peer.cred) || (signal == SIGCONT && peer.in_session)
}

fn to_one(guest: &dyn Guest, whom: Whom, signal: i32) -> Answer {
    if !(0..=LAST).contains(&signal) {
        return Answer::Native;
    }
    allowed(guest, whom, |peer| may_signal(guest, peer, signal))
}

/// kill(2). Of many, those are left out who may not be signalled.
pub async fn kill(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let (pid, signal) = (call.int(0), call.int(1));
    let whom = match pid {
        1.. => return to_one(&*guest, Whom::Task(pid), signal),
        i32::MIN => return Answer::Native,
        -1 => Whom::Processes,
        _ => Whom::Group(-pid),
    };
    if guest.cred().capable(CapSet::KILL) || !(0..=LAST).contains(&signal) {
        return Answer::Native;
    }
    // `kill_something_info`, `__kill_pgrp_info`: one that was reached is enough.
    let mut result = Err(Errno::ESRCH);
    for peer in guest.peers(whom) {
        if whom == Whom::Processes {
            if peer.is_own || peer.tid == 1 {
                continue;
            }
            // Here those who must not be signalled are no failures.
            result = result.or(Ok(0));
        }
        if !may_signal(&*guest, &peer, signal) {
            if whom != Whom::Processes {
                result = result.or(Err(Errno::EPERM));
            }
            continue;
        }
        let args = call.with(0, peer.tid as u64).args;
        match host(&guest, Host::With(args)).await {
            Ok(_) => result = Ok(0),
            Err(errno) => result = result.or(Err(errno)),
        }
    }
    result.into()
}

/// tkill(2).
pub fn tkill(guest: &dyn Guest, call: &Call) -> Answer {
    match call.int(0) {
        1.. => to_one(guest, Whom::Task(call.int(0)), call.int(1)),
        _ => Answer::Native,
    }
}

/// tgkill(2). A thread that is not of that process is not found (ESRCH), whose ever it is.
pub async fn tgkill(guest: Rc<dyn Guest>, call: Call) -> Answer {
    match to_thread(&*guest, &call) {
        Answer::Native => Answer::Native,
        refused => with_nothing(&guest, &call, 2).await.unwrap_or(refused),
    }
}

/// rt_tgsigqueueinfo(2). Likewise, once what comes with the signal was read.
pub async fn queue_to_thread(guest: Rc<dyn Guest>, call: Call) -> Answer {
    if to_thread(&*guest, &call) == Answer::Native {
        return Answer::Native;
    }
    match refuse(&guest, &call, 1).await {
        Answer::Err(Errno::EPERM) => match host(&guest, Host::With(call.with(2, 0).args)).await {
            Err(Errno::ESRCH) => Answer::Err(Errno::ESRCH),
            _ => Answer::Err(Errno::EPERM),
        },
        refused => refused,
    }
}

fn to_thread(guest: &dyn Guest, call: &Call) -> Answer {
    let (process, thread) = (call.int(0), call.int(1));
    if process <= 0 || thread <= 0 {
        return Answer::Native;
    }
    to_one(guest, Whom::Task(thread), call.int(2))
}

/// rt_sigqueueinfo(2): to a process.
pub async fn queue(guest: Rc<dyn Guest>, call: Call) -> Answer {
    match tkill(&*guest, &call) {
        Answer::Native => Answer::Native,
        _ => refuse(&guest, &call, 0).await,
    }
}

/// pidfd_send_signal(2).
pub async fn by_handle(guest: Rc<dyn Guest>, call: Call) -> Answer {
    match to_one(&*guest, Whom::Handle(call.int(0)), call.int(1)) {
        refused @ Answer::Err(_) if call.word(2) == 0 => {
            with_nothing(&guest, &call, 1).await.unwrap_or(refused)
        }
        other => other,
    }
}

/// What is wrong with a call besides whom it is to signal: it is made with the signal, argument `arg`, that is none.
async fn with_nothing(guest: &Rc<dyn Guest>, call: &Call, arg: usize) -> Option<Answer> {
    host(guest, Host::With(call.with(arg, 0).args)).await.err().map(Answer::Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Abi, Gid, Uid};
    use crate::cred::Cred;
    use crate::testing::Fake;

    fn user(id: u32) -> Cred {
        Cred::login(Uid::new(id).unwrap(), Gid::new(id).unwrap(), vec![])
    }

    fn guest(me: Cred, other: Cred) -> Fake {
        let guest = Fake::new(Abi::X86_64, me);
        guest.know(Fake::OTHER, Rc::new(other));
        guest
    }

    #[test]
    fn a_dropped_task_signals_its_own_kind() {
        let args = [Fake::OTHER as u64, 15];
        assert_eq!(guest(user(33), user(33)).run(tkill, &args), Answer::Native);
        assert_eq!(guest(Cred::root(), user(33)).run(tkill, &args), Answer::Native);
        assert_eq!(guest(user(33), Cred::root()).run(tkill, &args), Answer::Err(Errno::EPERM));
    }

    #[test]
    fn sigcont_goes_to_the_session_and_bad_numbers_to_the_kernel() {
        let guest = guest(user(33), Cred::root());
        assert_eq!(guest.run(tkill, &[Fake::OTHER as u64, 18]), Answer::Native);
        assert_eq!(guest.run(tkill, &[Fake::OTHER as u64, 65]), Answer::Native);
        assert_eq!(guest.run(tkill, &[Fake::OTHER as u64, u64::MAX]), Answer::Native);
        assert_eq!(guest.run(tkill, &[77, 15]), Answer::Native, "ESRCH is the kernel's to say");
        let thread = [1, Fake::OTHER as u64, 0];
        assert_eq!(guest.run(to_thread, &thread), Answer::Err(Errno::EPERM));
    }
}
