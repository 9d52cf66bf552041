//! The shims, one file per family. Each reads like the man page of its calls.

mod acl;
pub mod bind;
pub mod caps;
pub mod chmod;
pub mod chown;
pub mod create;
pub mod dirent;
pub mod exec;
pub mod file;
pub mod gid;
pub mod groups;
pub mod message;
pub mod mknod;
#[cfg(test)]
mod mock;
pub mod mount;
mod names;
pub mod prctl;
pub mod priority;
pub mod proc;
pub mod process;
pub mod sched;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod stat;
pub mod uid;
pub mod unlink;
pub mod utime;
pub mod view;
pub mod write;
pub mod xattr;

use std::rc::Rc;

use crate::abi::{Call, Errno};
use crate::cred::Cred;
use crate::guest::{Answer, Guest, Host, Peer, Whom, host};

/// A number that no task has (`PID_MAX_LIMIT`).
const NO_TASK: u64 = i32::MAX as u64;

/// prctl(2): nobody but root may look into the process. What the machine's own root set `fs.suid_dumpable` to
/// (0, unless it collects the core dumps of such processes) is not asked.
const SUID_DUMP_DISABLE: u8 = 0;
/// prctl(2): the process's own user may.
const SUID_DUMP_USER: u8 = 1;

/// Gives the task the credentials that a rule makes of its present ones, or the rule's error. Success is 0.
fn change(guest: &dyn Guest, rule: impl FnOnce(&Cred) -> Result<Cred, Errno>) -> Answer {
    let old = guest.cred();
    let new = match rule(&old) {
        Ok(new) => new,
        Err(errno) => return Answer::Err(errno),
    };
    if new != *old {
        if new.raises_suspicion(&old) {
            guest.set_dumpable(SUID_DUMP_DISABLE);
        }
        guest.set_cred(Rc::new(new));
    }
    Answer::Ret(0)
}

/// Writes the three results of getresuid(2) and getresgid(2) to where the arguments point, one after the other, so
/// that those before a bad pointer arrive.
fn give_three<const N: usize>(guest: &dyn Guest, call: &Call, ids: [[u8; N]; 3]) -> Answer {
    let write = |(n, id): (usize, &[u8; N])| guest.write(call.word(n), id);
    ids.iter().enumerate().try_for_each(write).into()
}

/// Reads an `unsigned int`.
fn read_u32(guest: &dyn Guest, addr: u64) -> Result<u32, Errno> {
    let mut bytes = [0; 4];
    guest.read(addr, &mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// EPERM if the task that a call means may not be touched. What else is wrong with the call, the kernel says.
fn allowed(guest: &dyn Guest, whom: Whom, may: impl Fn(&Peer) -> bool) -> Answer {
    if guest.peers(whom).iter().all(may) { Answer::Native } else { Answer::Err(Errno::EPERM) }
}

/// A task that must not be touched: EPERM, unless something is wrong with the call that the kernel sees before it looks
/// for the task, whose number is argument `arg`.
async fn refuse(guest: &Rc<dyn Guest>, call: &Call, arg: usize) -> Answer {
    match host(guest, Host::With(call.with(arg, NO_TASK).args)).await {
        Err(Errno::ESRCH) => Answer::Err(Errno::EPERM),
        other => other.into(),
    }
}
