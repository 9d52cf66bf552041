//! Securebits, the bounding and the ambient set: what prctl(2) changes of a task's credentials
//! (`cap_task_prctl` in `security/commoncap.c`).

use crate::abi::Errno;

use super::{CapSet, Cred};

bitflags::bitflags! {
    /// How far uid 0 is special to a task: the flags of capabilities(7), each with its lock.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct SecureBits: u32 {
        /// Root gets no capabilities from exec.
        const NOROOT = 1 << 0;
        /// Lock of the above.
        const NOROOT_LOCKED = 1 << 1;
        /// Changes of uid change no capabilities.
        const NO_SETUID_FIXUP = 1 << 2;
        /// Lock of the above.
        const NO_SETUID_FIXUP_LOCKED = 1 << 3;
        /// Permitted capabilities survive the loss of the last uid 0, until exec.
        const KEEP_CAPS = 1 << 4;
        /// Lock of the above.
        const KEEP_CAPS_LOCKED = 1 << 5;
        /// The ambient set cannot grow.
        const NO_CAP_AMBIENT_RAISE = 1 << 6;
        /// Lock of the above.
        const NO_CAP_AMBIENT_RAISE_LOCKED = 1 << 7;
        /// Interpreters should execute only files that exec would (Linux 6.14).
        const EXEC_RESTRICT_FILE = 1 << 8;
        /// Lock of the above.
        const EXEC_RESTRICT_FILE_LOCKED = 1 << 9;
        /// Interpreters should take no commands from users (Linux 6.14).
        const EXEC_DENY_INTERACTIVE = 1 << 10;
        /// Lock of the above.
        const EXEC_DENY_INTERACTIVE_LOCKED = 1 << 11;
    }
}

impl SecureBits {
    /// Every lock (`SECURE_ALL_LOCKS`).
    pub const LOCKS: SecureBits = SecureBits::from_bits_truncate(0xAAA);

    /// What a task without CAP_SETPCAP may change, locks included: programs restrict themselves by these, the
    /// kernel does not enforce them (`SECURE_ALL_UNPRIVILEGED`).
    pub const UNPRIVILEGED: SecureBits = SecureBits::EXEC_RESTRICT_FILE
        .union(SecureBits::EXEC_RESTRICT_FILE_LOCKED)
        .union(SecureBits::EXEC_DENY_INTERACTIVE)
        .union(SecureBits::EXEC_DENY_INTERACTIVE_LOCKED);

    /// The bits whose locks are set.
    fn locked(self) -> SecureBits {
        SecureBits::from_bits_truncate((self & SecureBits::LOCKS).bits() >> 1)
    }
}

impl Cred {
    fn with_securebits(&self, securebits: SecureBits) -> Cred {
        Cred { securebits, ..self.clone() }
    }

    fn with_ambient(&self, ambient: CapSet) -> Cred {
        let mut cred = self.clone();
        cred.caps.ambient = ambient;
        cred
    }

    /// PR_SET_SECUREBITS. Rule "securebits": locked bits and locks stay, unknown bits are refused, and all but the
    /// unprivileged bits need CAP_SETPCAP, even to set what is set already. Follows Linux 6.14 and later; earlier
    /// kernels know no unprivileged bits.
    ///
    /// EPERM for all of these.
    pub fn set_securebits(&self, raw: u64) -> Result<Cred, Errno> {
        let old = self.securebits;
        let new = u32::try_from(raw)
            .ok()
            .and_then(SecureBits::from_bits)
            .filter(|new| !old.locked().intersects(old ^ *new) && new.contains(old & SecureBits::LOCKS));
        let new = new.ok_or(Errno::EPERM)?;
        let changed = old ^ new;
        if !self.capable(CapSet::SETPCAP)
            && (changed.is_empty() || !SecureBits::UNPRIVILEGED.contains(changed))
        {
            return Err(Errno::EPERM);
        }
        Ok(self.with_securebits(new))
    }

    /// PR_SET_KEEPCAPS. Rule "keepcaps": 0 or 1 (else EINVAL), unless locked (EPERM); needs no privilege.
    pub fn set_keepcaps(&self, raw: u64) -> Result<Cred, Errno> {
        if raw > 1 {
            return Err(Errno::EINVAL);
        }
        if self.securebits.contains(SecureBits::KEEP_CAPS_LOCKED) {
            return Err(Errno::EPERM);
        }
        let mut securebits = self.securebits;
        securebits.set(SecureBits::KEEP_CAPS, raw == 1);
        Ok(self.with_securebits(securebits))
    }

    /// PR_CAPBSET_READ: whether capability `number` is in the bounding set. EINVAL for an unknown one.
    pub fn bounding_has(&self, number: u64) -> Result<bool, Errno> {
        let cap = CapSet::number(number).ok_or(Errno::EINVAL)?;
        Ok(self.caps.bounding.contains(cap))
    }

    /// PR_CAPBSET_DROP. Rule "bounding drop": needs CAP_SETPCAP (EPERM, before EINVAL for an unknown number), and
    /// leaves the other sets alone.
    pub fn bounding_drop(&self, number: u64) -> Result<Cred, Errno> {
        if !self.capable(CapSet::SETPCAP) {
            return Err(Errno::EPERM);
        }
        let cap = CapSet::number(number).ok_or(Errno::EINVAL)?;
        let mut cred = self.clone();
        cred.caps.bounding -= cap;
        Ok(cred)
    }

    /// PR_CAP_AMBIENT_IS_SET. EINVAL for an unknown number.
    pub fn ambient_has(&self, number: u64) -> Result<bool, Errno> {
        let cap = CapSet::number(number).ok_or(Errno::EINVAL)?;
        Ok(self.caps.ambient.contains(cap))
    }

    /// PR_CAP_AMBIENT_RAISE. Rule "ambient raise": only what is both permitted and inheritable, and not under
    /// SECBIT_NO_CAP_AMBIENT_RAISE (EPERM); EINVAL for an unknown number.
    pub fn ambient_raise(&self, number: u64) -> Result<Cred, Errno> {
        let cap = CapSet::number(number).ok_or(Errno::EINVAL)?;
        if !(self.caps.permitted & self.caps.inheritable).contains(cap)
            || self.securebits.contains(SecureBits::NO_CAP_AMBIENT_RAISE)
        {
            return Err(Errno::EPERM);
        }
        Ok(self.with_ambient(self.caps.ambient | cap))
    }

    /// PR_CAP_AMBIENT_LOWER. EINVAL for an unknown number.
    pub fn ambient_lower(&self, number: u64) -> Result<Cred, Errno> {
        let cap = CapSet::number(number).ok_or(Errno::EINVAL)?;
        Ok(self.with_ambient(self.caps.ambient - cap))
    }

    /// PR_CAP_AMBIENT_CLEAR_ALL.
    pub fn ambient_clear(&self) -> Cred {
        self.with_ambient(CapSet::empty())
    }

    /// PR_SET_NO_NEW_PRIVS, which cannot be taken back.
    pub fn without_new_privs(&self) -> Cred {
        Cred { no_new_privs: true, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cred::CapChange;

    fn powerless() -> Cred {
        let none = CapSet::empty();
        Cred::root().capset(CapChange { effective: none, permitted: none, inheritable: none }).unwrap()
    }

    #[test]
    fn securebits_locked_bits_and_locks_stay() {
        let locked = Cred::root().set_securebits(0b11).unwrap();
        assert_eq!(locked.set_securebits(0b10), Err(Errno::EPERM));
        assert_eq!(locked.set_securebits(0b01), Err(Errno::EPERM));
        assert!(locked.set_securebits(0b0111).is_ok());
    }

    #[test]
    fn securebits_unknown_bits_are_refused() {
        assert_eq!(Cred::root().set_securebits(1 << 12), Err(Errno::EPERM));
        assert_eq!(Cred::root().set_securebits(1 << 32), Err(Errno::EPERM));
    }

    #[test]
    fn securebits_need_setpcap_but_for_the_unprivileged_ones() {
        assert_eq!(powerless().set_securebits(0), Err(Errno::EPERM));
        assert_eq!(powerless().set_securebits(1), Err(Errno::EPERM));
        assert_eq!(powerless().set_securebits(0x300).unwrap().securebits.bits(), 0x300);
        assert!(Cred::root().set_securebits(0).is_ok());
    }

    #[test]
    fn keepcaps_is_free_unless_locked() {
        assert!(powerless().set_keepcaps(1).unwrap().securebits.contains(SecureBits::KEEP_CAPS));
        assert_eq!(powerless().set_keepcaps(2), Err(Errno::EINVAL));
        let locked = Cred::root().set_securebits(1 << 5).unwrap();
        assert_eq!(locked.set_keepcaps(0), Err(Errno::EPERM));
        assert_eq!(locked.set_keepcaps(2), Err(Errno::EINVAL));
    }

    #[test]
    fn bounding_drop_asks_for_setpcap_first() {
        assert_eq!(powerless().bounding_drop(99), Err(Errno::EPERM));
        assert_eq!(Cred::root().bounding_drop(41), Err(Errno::EINVAL));
        let dropped = Cred::root().bounding_drop(0).unwrap();
        assert_eq!(dropped.bounding_has(0), Ok(false));
        assert!(dropped.capable(CapSet::CHOWN), "the other sets stay");
    }

    #[test]
    fn ambient_raise_needs_permitted_and_inheritable() {
        assert_eq!(Cred::root().ambient_raise(0), Err(Errno::EPERM));
        let all = CapSet::all();
        let change = CapChange { effective: all, permitted: all, inheritable: CapSet::CHOWN };
        let cred = Cred::root().capset(change).unwrap();
        let raised = cred.ambient_raise(0).unwrap();
        assert_eq!(raised.ambient_has(0), Ok(true));
        assert_eq!(raised.ambient_lower(0).unwrap().ambient_has(0), Ok(false));
        assert_eq!(raised.ambient_clear(), cred);
        assert_eq!(cred.set_securebits(1 << 6).unwrap().ambient_raise(0), Err(Errno::EPERM));
    }
}
