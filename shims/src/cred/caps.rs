//! Capability sets and capset(2): `kernel/capability.c` and `security/commoncap.c`.

use crate::abi::Errno;

use super::Cred;

bitflags::bitflags! {
    /// A set of capabilities, bit n for capability n of capabilities(7).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct CapSet: u64 {
        /// Change any file's owner.
        const CHOWN = 1 << 0;
        /// Read, write and execute whatever the mode says.
        const DAC_OVERRIDE = 1 << 1;
        /// Read files and search directories whatever the mode says.
        const DAC_READ_SEARCH = 1 << 2;
        /// Do what is left to a file's owner.
        const FOWNER = 1 << 3;
        /// Keep and give set-id bits where others lose them.
        const FSETID = 1 << 4;
        /// Signal any process.
        const KILL = 1 << 5;
        /// Change group ids at will.
        const SETGID = 1 << 6;
        /// Change user ids at will.
        const SETUID = 1 << 7;
        /// Change capability sets and securebits.
        const SETPCAP = 1 << 8;
        /// Set the immutable and append-only attributes.
        const LINUX_IMMUTABLE = 1 << 9;
        /// Bind ports below 1024.
        const NET_BIND_SERVICE = 1 << 10;
        /// Broadcast; unused.
        const NET_BROADCAST = 1 << 11;
        /// Configure networks.
        const NET_ADMIN = 1 << 12;
        /// Open raw and packet sockets.
        const NET_RAW = 1 << 13;
        /// Lock memory.
        const IPC_LOCK = 1 << 14;
        /// Ignore owners of System V IPC.
        const IPC_OWNER = 1 << 15;
        /// Load modules.
        const SYS_MODULE = 1 << 16;
        /// Raw I/O.
        const SYS_RAWIO = 1 << 17;
        /// chroot(2).
        const SYS_CHROOT = 1 << 18;
        /// Trace any process.
        const SYS_PTRACE = 1 << 19;
        /// Process accounting.
        const SYS_PACCT = 1 << 20;
        /// Everything that has no capability of its own.
        const SYS_ADMIN = 1 << 21;
        /// reboot(2).
        const SYS_BOOT = 1 << 22;
        /// Raise priorities.
        const SYS_NICE = 1 << 23;
        /// Exceed resource limits.
        const SYS_RESOURCE = 1 << 24;
        /// Set the clock.
        const SYS_TIME = 1 << 25;
        /// Configure terminals.
        const SYS_TTY_CONFIG = 1 << 26;
        /// Make device nodes.
        const MKNOD = 1 << 27;
        /// Take leases on any file.
        const LEASE = 1 << 28;
        /// Write the audit log.
        const AUDIT_WRITE = 1 << 29;
        /// Configure the audit log.
        const AUDIT_CONTROL = 1 << 30;
        /// Set file capabilities.
        const SETFCAP = 1 << 31;
        /// Override mandatory access control.
        const MAC_OVERRIDE = 1 << 32;
        /// Configure mandatory access control.
        const MAC_ADMIN = 1 << 33;
        /// Configure the kernel's log.
        const SYSLOG = 1 << 34;
        /// Wake the machine.
        const WAKE_ALARM = 1 << 35;
        /// Block its suspension.
        const BLOCK_SUSPEND = 1 << 36;
        /// Read the audit log.
        const AUDIT_READ = 1 << 37;
        /// Performance counters.
        const PERFMON = 1 << 38;
        /// BPF programs.
        const BPF = 1 << 39;
        /// Checkpoint and restore.
        const CHECKPOINT_RESTORE = 1 << 40;
    }
}

impl CapSet {
    /// What a task loses while its file system uid is not root's (`CAP_FS_SET`).
    pub const FS: CapSet = CapSet::CHOWN
        .union(CapSet::MKNOD)
        .union(CapSet::DAC_OVERRIDE)
        .union(CapSet::DAC_READ_SEARCH)
        .union(CapSet::FOWNER)
        .union(CapSet::FSETID)
        .union(CapSet::MAC_OVERRIDE)
        .union(CapSet::LINUX_IMMUTABLE);

    /// The capability of a number, or `None` above `CAP_LAST_CAP` (40, the same since Linux 5.9; `cap_valid`).
    pub const fn number(number: u64) -> Option<CapSet> {
        if number < 64 { CapSet::from_bits(1 << number) } else { None }
    }

    /// The set that two words of the guest's spell; bits without a capability are dropped, as the kernel drops
    /// them (`mk_kernel_cap`).
    pub const fn from_words(low: u32, high: u32) -> CapSet {
        CapSet::from_bits_truncate(low as u64 | (high as u64) << 32)
    }

    /// Capabilities 0 to 31.
    pub const fn low(self) -> u32 {
        self.bits() as u32
    }

    /// Capabilities 32 to 63.
    pub const fn high(self) -> u32 {
        (self.bits() >> 32) as u32
    }
}

/// The five capability sets of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caps {
    /// Kept across exec for files that list them as inheritable (pI).
    pub inheritable: CapSet,
    /// What may be made effective (pP).
    pub permitted: CapSet,
    /// What permission checks look at (pE).
    pub effective: CapSet,
    /// What a file may give at exec (X).
    pub bounding: CapSet,
    /// Kept across exec of files without privileges of their own (pA).
    pub ambient: CapSet,
}

impl Caps {
    /// What the kernel gives the first process: all, nothing inheritable.
    pub const FULL: Caps = Caps {
        inheritable: CapSet::empty(),
        permitted: CapSet::all(),
        effective: CapSet::all(),
        bounding: CapSet::all(),
        ambient: CapSet::empty(),
    };

    /// None, but all may come back through a file.
    pub const NONE: Caps = Caps { permitted: CapSet::empty(), effective: CapSet::empty(), ..Caps::FULL };

    /// Whether every ambient capability is permitted and inheritable (`cap_ambient_invariant_ok`).
    pub fn ambient_invariant(&self) -> bool {
        (self.permitted & self.inheritable).contains(self.ambient)
    }
}

/// The three sets that capset(2) replaces together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapChange {
    /// The new effective set.
    pub effective: CapSet,
    /// The new permitted set.
    pub permitted: CapSet,
    /// The new inheritable set.
    pub inheritable: CapSet,
}

impl Cred {
    /// Whether permission checks find these capabilities (`cap_capable`).
    pub fn capable(&self, caps: CapSet) -> bool {
        self.caps.effective.contains(caps)
    }

    /// capset(2) on the caller itself (`cap_capset`). Rule "capset": permitted only shrinks, effective lies within
    /// it, inheritable grows by permitted capabilities (by any with CAP_SETPCAP) and never beyond the bounding set;
    /// ambient capabilities go with the permitted or inheritable ones they stand on.
    ///
    /// EPERM where a set is too large.
    pub fn capset(&self, to: CapChange) -> Result<Cred, Errno> {
        let old = &self.caps;
        let inheritable_is_capped = !self.capable(CapSet::SETPCAP);
        if inheritable_is_capped && !(old.inheritable | old.permitted).contains(to.inheritable) {
            return Err(Errno::EPERM);
        }
        if !(old.inheritable | old.bounding).contains(to.inheritable)
            || !old.permitted.contains(to.permitted)
            || !to.permitted.contains(to.effective)
        {
            return Err(Errno::EPERM);
        }
        let caps = Caps {
            inheritable: to.inheritable,
            permitted: to.permitted,
            effective: to.effective,
            bounding: old.bounding,
            ambient: old.ambient & to.permitted & to.inheritable,
        };
        Ok(Cred { caps, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(effective: CapSet, permitted: CapSet, inheritable: CapSet) -> CapChange {
        CapChange { effective, permitted, inheritable }
    }

    #[test]
    fn unknown_capabilities_have_no_number() {
        assert_eq!(CapSet::number(40), Some(CapSet::CHECKPOINT_RESTORE));
        assert_eq!(CapSet::number(41), None);
        assert_eq!(CapSet::number(64), None);
        assert_eq!(CapSet::number(1 << 32), None);
        assert_eq!(CapSet::from_words(u32::MAX, u32::MAX), CapSet::all());
    }

    #[test]
    fn capset_permitted_only_shrinks() {
        let some = CapSet::KILL | CapSet::CHOWN;
        let less = Cred::root().capset(change(some, some, CapSet::empty())).unwrap();
        assert_eq!(less.caps.permitted, some);
        let more = change(CapSet::empty(), some | CapSet::FOWNER, CapSet::empty());
        assert_eq!(less.capset(more), Err(Errno::EPERM));
        let effective_beyond_permitted = change(some, CapSet::KILL, CapSet::empty());
        assert_eq!(less.capset(effective_beyond_permitted), Err(Errno::EPERM));
    }

    #[test]
    fn capset_inheritable_is_capped_without_setpcap() {
        let some = CapSet::KILL;
        let without = Cred::root().capset(change(some, some, CapSet::empty())).unwrap();
        assert!(without.capset(change(some, some, some)).is_ok());
        assert_eq!(without.capset(change(some, some, CapSet::CHOWN)), Err(Errno::EPERM));
        let with = CapSet::SETPCAP;
        let with = Cred::root().capset(change(with, with, CapSet::empty())).unwrap();
        assert!(with.capset(change(CapSet::SETPCAP, CapSet::SETPCAP, CapSet::CHOWN)).is_ok());
    }

    #[test]
    fn capset_inheritable_stays_within_bounding() {
        let bounded = Cred::root().bounding_drop(8).unwrap();
        let all = CapSet::all();
        assert_eq!(bounded.capset(change(all, all, CapSet::SETPCAP)), Err(Errno::EPERM));
        assert!(bounded.capset(change(all, all, CapSet::KILL)).is_ok());
    }

    #[test]
    fn capset_takes_ambient_along() {
        let all = CapSet::all();
        let cred = Cred::root().capset(change(all, all, CapSet::KILL)).unwrap().ambient_raise(5).unwrap();
        assert_eq!(cred.caps.ambient, CapSet::KILL);
        assert!(cred.capset(change(all, all, CapSet::empty())).unwrap().caps.ambient.is_empty());
        let without = all - CapSet::KILL;
        assert!(cred.capset(change(without, without, CapSet::KILL)).unwrap().caps.ambient.is_empty());
    }
}
