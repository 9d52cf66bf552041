//! What a task may do to another one, by the ids of both.

use super::{CapSet, Cred};

impl Cred {
    /// Whether a signal may be sent to a task with these credentials (`kill_ok_by_cred`), but for what the caller's own
    /// process and SIGCONT in its session are allowed besides.
    pub fn may_signal(&self, target: &Cred) -> bool {
        let (me, it) = (&self.uid, &target.uid);
        me.effective == it.saved
            || me.effective == it.real
            || me.real == it.saved
            || me.real == it.real
            || self.capable(CapSet::KILL)
    }

    /// Whether that task's nice value may be set (`set_one_prio_perm`, `cap_safe_nice`).
    pub fn may_renice(&self, target: &Cred) -> bool {
        let me = self.uid.effective;
        self.is_safe_to_renice(target, target.uid.real == me || target.uid.effective == me)
    }

    /// Rule "the more capable": who lacks a capability of the target's needs one for this, whosever the target is.
    fn is_safe_to_renice(&self, target: &Cred, is_own: bool) -> bool {
        (is_own && self.caps.permitted.contains(target.caps.permitted)) || self.capable(CapSet::SYS_NICE)
    }

    /// Whether its scheduling policy and CPUs may be set (`check_same_owner`, `cap_safe_nice`).
    pub fn may_schedule(&self, target: &Cred) -> bool {
        self.may_renice(target)
    }

    /// Whether its I/O priority may be set (`set_task_ioprio`, `cap_safe_nice`).
    pub fn may_set_io_priority(&self, target: &Cred) -> bool {
        let owner = target.uid.real;
        self.is_safe_to_renice(target, owner == self.uid.effective || owner == self.uid.real)
    }

    /// Whether all ids of that task's user and group, but those for files, are the caller's real ones.
    fn is_all_of(&self, target: &Cred) -> bool {
        let (uid, gid) = (&target.uid, &target.gid);
        [uid.real, uid.effective, uid.saved] == [self.uid.real; 3]
            && [gid.real, gid.effective, gid.saved] == [self.gid.real; 3]
    }

    /// Whether its limits may be seen and set (`check_prlimit_permission`).
    pub fn may_limit(&self, target: &Cred) -> bool {
        self.is_all_of(target) || self.capable(CapSet::SYS_RESOURCE)
    }

    /// Whether the memory and the descriptors of another process may be looked at (`__ptrace_may_access` with
    /// `PTRACE_MODE_REALCREDS`, and `cap_ptrace_access_check`). `dumpable`: whether that process is.
    pub fn may_trace(&self, target: &Cred, dumpable: bool) -> bool {
        let fits = self.is_all_of(target) && dumpable;
        (fits && self.caps.permitted.contains(target.caps.permitted)) || self.capable(CapSet::SYS_PTRACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Gid, KeepUid, Uid};

    fn user(id: u32) -> Cred {
        Cred::login(Uid::new(id).unwrap(), Gid::new(id).unwrap(), vec![])
    }

    #[test]
    fn root_may_and_others_may_with_their_own() {
        let rules = [
            Cred::may_signal,
            Cred::may_renice,
            Cred::may_set_io_priority,
            Cred::may_limit,
            |me: &Cred, it: &Cred| me.may_trace(it, true),
        ];
        for (n, may) in rules.iter().enumerate() {
            assert!(may(&Cred::root(), &user(33)), "{n}");
            assert!(may(&user(33), &user(33)), "{n}");
            assert!(!may(&user(33), &user(34)), "{n}");
            assert!(!may(&user(33), &Cred::root()), "{n}");
        }
        assert!(!user(33).may_trace(&user(33), false));
    }

    #[test]
    fn each_rule_has_ids_of_its_own() {
        // A set-user-ID program of 34's that 33 runs: real 33, effective and saved 34.
        let mut program = user(33);
        (program.uid.effective, program.uid.saved) = (Uid::new(34).unwrap(), Uid::new(34).unwrap());
        assert!(user(33).may_signal(&program), "real against real");
        assert!(user(34).may_signal(&program), "effective against saved");
        assert!(user(33).may_renice(&program), "effective against real");
        assert!(user(34).may_renice(&program), "effective against effective");
        program.caps.permitted = CapSet::CHOWN;
        assert!(!user(33).may_renice(&program), "it is more capable");
        program.caps.permitted = CapSet::empty();
        assert!(program.may_set_io_priority(&user(33)) && program.may_set_io_priority(&user(34)));
        assert!(!user(34).may_set_io_priority(&program), "the real id alone counts");
        assert!(!user(33).may_limit(&program), "all ids count");
        let mut back = Cred::root().setresuid(KeepUid::Keep, KeepUid::from_raw(33), KeepUid::Keep).unwrap();
        back.caps.permitted = CapSet::empty();
        assert!(
            user(33).may_renice(&back) && !user(33).may_signal(&back),
            "effective ids are no targets of signals"
        );
    }
}
