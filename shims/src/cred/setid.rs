//! The set*id calls: `kernel/sys.c`, and what they do to capabilities: `cap_task_fix_setuid` in
//! `security/commoncap.c`.
//!
//! User and group ids follow the same rules; only a change of user ids touches capabilities.

use crate::abi::{Errno, Gid, KeepGid, KeepUid, Uid};

use super::{CapSet, Cred, Ids, SecureBits};

/// Which ids a caller may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Any: the caller has CAP_SETUID or CAP_SETGID.
    Any,
    /// Those it has, by the rule of each call.
    Own,
}

impl Reach {
    /// EPERM unless `id` is within reach, being one of those the call lets everyone take.
    fn check<T: PartialEq>(self, id: T, own: &[T]) -> Result<(), Errno> {
        if self == Reach::Any || own.contains(&id) { Ok(()) } else { Err(Errno::EPERM) }
    }
}

impl<T: Copy + PartialEq> Ids<T> {
    /// Rule "setid": the privileged set real, effective and saved; others take on their real or saved id as the
    /// effective one.
    fn set(self, id: T, reach: Reach) -> Result<Ids<T>, Errno> {
        match reach {
            Reach::Any => Ok(Ids::all(id)),
            Reach::Own => {
                reach.check(id, &[self.real, self.saved])?;
                Ok(Ids { effective: id, fs: id, ..self })
            }
        }
    }

    /// Rule "setreid": the real id comes from the old real or effective one, the effective id from any of the three;
    /// the saved id follows the effective one if the real id was given, or the effective id is given and is not the
    /// old real id.
    fn set_re(self, real: Option<T>, effective: Option<T>, reach: Reach) -> Result<Ids<T>, Errno> {
        let mut new = self;
        if let Some(id) = real {
            reach.check(id, &[self.real, self.effective])?;
            new.real = id;
        }
        if let Some(id) = effective {
            reach.check(id, &[self.real, self.effective, self.saved])?;
            new.effective = id;
        }
        if real.is_some() || effective.is_some_and(|id| id != self.real) {
            new.saved = new.effective;
        }
        new.fs = new.effective;
        Ok(new)
    }

    /// Rule "setresid": each id comes from any of the three. Rule "setresid no-op": a call that would change
    /// nothing changes nothing, so that an fsid that strayed from the effective id stays astray.
    fn set_res(
        self,
        real: Option<T>,
        effective: Option<T>,
        saved: Option<T>,
        reach: Reach,
    ) -> Result<Ids<T>, Errno> {
        let no_op = real.is_none_or(|id| id == self.real)
            && effective.is_none_or(|id| id == self.effective && id == self.fs)
            && saved.is_none_or(|id| id == self.saved);
        if no_op {
            return Ok(self);
        }
        for id in [real, effective, saved].into_iter().flatten() {
            reach.check(id, &[self.real, self.effective, self.saved])?;
        }
        let effective = effective.unwrap_or(self.effective);
        Ok(Ids {
            real: real.unwrap_or(self.real),
            effective,
            saved: saved.unwrap_or(self.saved),
            fs: effective,
        })
    }

    /// Rule "setfsid": the fsid becomes any of the four; anything else is ignored without a word.
    fn set_fs(self, id: Option<T>, reach: Reach) -> Ids<T> {
        match id {
            Some(id) if reach.check(id, &[self.real, self.effective, self.saved, self.fs]).is_ok() => {
                Ids { fs: id, ..self }
            }
            _ => self,
        }
    }
}

impl Cred {
    fn uid_reach(&self) -> Reach {
        if self.capable(CapSet::SETUID) { Reach::Any } else { Reach::Own }
    }

    fn gid_reach(&self) -> Reach {
        if self.capable(CapSet::SETGID) { Reach::Any } else { Reach::Own }
    }

    fn with_gid(&self, gid: Ids<Gid>) -> Cred {
        Cred { gid, ..self.clone() }
    }

    /// setuid(2). EINVAL for -1; EPERM for an id out of reach.
    pub fn setuid(&self, uid: KeepUid) -> Result<Cred, Errno> {
        let uid = uid.id().ok_or(Errno::EINVAL)?;
        Ok(self.fix_setuid(self.uid.set(uid, self.uid_reach())?))
    }

    /// setgid(2). EINVAL for -1; EPERM for an id out of reach.
    pub fn setgid(&self, gid: KeepGid) -> Result<Cred, Errno> {
        let gid = gid.id().ok_or(Errno::EINVAL)?;
        Ok(self.with_gid(self.gid.set(gid, self.gid_reach())?))
    }

    /// setreuid(2). EPERM for an id out of reach.
    pub fn setreuid(&self, real: KeepUid, effective: KeepUid) -> Result<Cred, Errno> {
        Ok(self.fix_setuid(self.uid.set_re(real.id(), effective.id(), self.uid_reach())?))
    }

    /// setregid(2). EPERM for an id out of reach.
    pub fn setregid(&self, real: KeepGid, effective: KeepGid) -> Result<Cred, Errno> {
        Ok(self.with_gid(self.gid.set_re(real.id(), effective.id(), self.gid_reach())?))
    }

    /// setresuid(2). EPERM for an id out of reach.
    pub fn setresuid(&self, real: KeepUid, effective: KeepUid, saved: KeepUid) -> Result<Cred, Errno> {
        Ok(self.fix_setuid(self.uid.set_res(real.id(), effective.id(), saved.id(), self.uid_reach())?))
    }

    /// setresgid(2). EPERM for an id out of reach.
    pub fn setresgid(&self, real: KeepGid, effective: KeepGid, saved: KeepGid) -> Result<Cred, Errno> {
        Ok(self.with_gid(self.gid.set_res(real.id(), effective.id(), saved.id(), self.gid_reach())?))
    }

    /// setfsuid(2), which cannot fail. The old fsuid is what the call returns.
    ///
    /// Rule "fsuid capabilities": leaving fsuid 0 takes the file capabilities ([`CapSet::FS`]) from the effective
    /// set, coming back raises those that are permitted.
    pub fn setfsuid(&self, uid: KeepUid) -> Cred {
        let mut new = Cred { uid: self.uid.set_fs(uid.id(), self.uid_reach()), ..self.clone() };
        if !self.securebits.contains(SecureBits::NO_SETUID_FIXUP) {
            match (self.uid.fs == Uid::ROOT, new.uid.fs == Uid::ROOT) {
                (true, false) => new.caps.effective -= CapSet::FS,
                (false, true) => new.caps.effective |= new.caps.permitted & CapSet::FS,
                _ => {}
            }
        }
        new
    }

    /// setfsgid(2), which cannot fail. The old fsgid is what the call returns.
    pub fn setfsgid(&self, gid: KeepGid) -> Cred {
        self.with_gid(self.gid.set_fs(gid.id(), self.gid_reach()))
    }

    /// Takes on new user ids, and lets the capabilities follow them (`cap_emulate_setxuid`), unless
    /// SECBIT_NO_SETUID_FIXUP is set.
    ///
    /// Rule "last root id": when none of real, effective and saved is 0 any more, permitted and effective are
    /// cleared (not with KEEP_CAPS), and ambient always. Rule "effective root id": leaving euid 0 clears the
    /// effective set, coming to it makes all that is permitted effective.
    fn fix_setuid(&self, uid: Ids<Uid>) -> Cred {
        let mut new = Cred { uid, ..self.clone() };
        if self.securebits.contains(SecureBits::NO_SETUID_FIXUP) {
            return new;
        }
        let has_root = |ids: &Ids<Uid>| [ids.real, ids.effective, ids.saved].contains(&Uid::ROOT);
        if has_root(&self.uid) && !has_root(&uid) {
            if !self.securebits.contains(SecureBits::KEEP_CAPS) {
                new.caps.permitted = CapSet::empty();
                new.caps.effective = CapSet::empty();
            }
            new.caps.ambient = CapSet::empty();
        }
        match (self.uid.effective == Uid::ROOT, uid.effective == Uid::ROOT) {
            (true, false) => new.caps.effective = CapSet::empty(),
            (false, true) => new.caps.effective = new.caps.permitted,
            _ => {}
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cred::Caps;

    fn uid(raw: u32) -> KeepUid {
        KeepUid::from_raw(raw)
    }

    const KEEP: KeepUid = KeepUid::Keep;

    fn ids(real: u32, effective: u32, saved: u32, fs: u32) -> Ids<Uid> {
        let id = |raw| Uid::new(raw).unwrap();
        Ids { real: id(real), effective: id(effective), saved: id(saved), fs: id(fs) }
    }

    fn user() -> Cred {
        Cred::login(Uid::new(1000).unwrap(), Gid::new(1000).unwrap(), vec![])
    }

    #[test]
    fn setid_is_irreversible_for_the_privileged() {
        let dropped = Cred::root().setuid(uid(1000)).unwrap();
        assert_eq!(dropped.uid, ids(1000, 1000, 1000, 1000));
        assert_eq!(dropped.setuid(uid(0)), Err(Errno::EPERM));
        assert_eq!(Cred::root().setuid(KEEP), Err(Errno::EINVAL));
        assert_eq!(Cred::root().setuid(uid(0x8000_0000)).unwrap().uid.real.raw(), 0x8000_0000);
    }

    #[test]
    fn setid_takes_real_or_saved_for_others() {
        let mut cred = user();
        cred.uid = ids(1000, 33, 0, 33);
        assert_eq!(cred.setuid(uid(1000)).unwrap().uid, ids(1000, 1000, 0, 1000));
        assert_eq!(cred.setuid(uid(0)).unwrap().uid, ids(1000, 0, 0, 0));
        assert_eq!(cred.setuid(uid(33)), Err(Errno::EPERM));
    }

    #[test]
    fn setreid_swaps() {
        let mut atd = user();
        atd.uid = ids(0, 1, 1, 1);
        let swapped = atd.setreuid(uid(1), uid(0)).unwrap();
        assert_eq!(swapped.uid, ids(1, 0, 0, 0));
        assert_eq!(swapped.setreuid(uid(0), uid(1)).unwrap().uid, ids(0, 1, 1, 1));
    }

    #[test]
    fn setreid_saved_follows_only_a_new_identity() {
        let mut cred = user();
        cred.uid = ids(1000, 33, 0, 33);
        assert_eq!(cred.setreuid(KEEP, uid(1000)).unwrap().uid, ids(1000, 1000, 0, 1000));
        assert_eq!(cred.setreuid(KEEP, uid(0)).unwrap().uid, ids(1000, 0, 0, 0));
        assert_eq!(cred.setreuid(uid(0), KEEP), Err(Errno::EPERM), "the saved id cannot become the real one");
    }

    #[test]
    fn setresid_takes_any_of_the_three() {
        let mut cred = user();
        cred.uid = ids(1, 2, 3, 2);
        assert_eq!(cred.setresuid(uid(3), uid(1), uid(2)).unwrap().uid, ids(3, 1, 2, 1));
        assert_eq!(cred.setresuid(KEEP, KEEP, uid(4)), Err(Errno::EPERM));
    }

    #[test]
    fn setresid_no_op_leaves_fsid_astray() {
        let mut cred = user();
        cred.uid = ids(1, 2, 3, 1);
        assert_eq!(cred.setresuid(KEEP, KEEP, KEEP).unwrap(), cred);
        assert_eq!(cred.setresuid(uid(1), KEEP, uid(3)).unwrap(), cred);
        assert_eq!(cred.setresuid(KEEP, uid(2), KEEP).unwrap().uid.fs.raw(), 2);
    }

    #[test]
    fn setfsid_never_fails() {
        assert_eq!(user().setfsuid(uid(0)), user());
        assert_eq!(Cred::root().setfsuid(KEEP), Cred::root());
        assert_eq!(Cred::root().setfsuid(uid(33)).uid, ids(0, 0, 0, 33));
        assert_eq!(user().setfsgid(KeepGid::from_raw(0)), user());
    }

    #[test]
    fn fsuid_capabilities_go_and_come_back() {
        let out = Cred::root().setfsuid(uid(33));
        assert_eq!(out.caps.effective, CapSet::all() - CapSet::FS);
        assert_eq!(out.setfsuid(uid(0)), Cred::root());
        let fixed = Cred::root().set_securebits(1 << 2).unwrap();
        assert_eq!(fixed.setfsuid(uid(33)).caps, Caps::FULL);
    }

    #[test]
    fn last_root_id_takes_the_capabilities() {
        let gone = Cred::root().setresuid(uid(33), uid(33), uid(33)).unwrap();
        assert_eq!(gone.caps, Caps::NONE);
        let saved = Cred::root().setresuid(uid(33), uid(33), uid(0)).unwrap();
        assert_eq!((saved.caps.permitted, saved.caps.effective), (CapSet::all(), CapSet::empty()));
        assert_eq!(saved.setresuid(KEEP, KEEP, uid(33)).unwrap().caps, Caps::NONE);
    }

    #[test]
    fn last_root_id_with_keepcaps_keeps_permitted() {
        let kept = Cred::root().set_keepcaps(1).unwrap().setresuid(uid(33), uid(33), uid(33)).unwrap();
        assert_eq!((kept.caps.permitted, kept.caps.effective), (CapSet::all(), CapSet::empty()));
        assert_eq!(kept.setgid(KeepGid::from_raw(33)), Err(Errno::EPERM), "effective is empty until capset");
    }

    #[test]
    fn effective_root_id_regains_what_is_permitted() {
        let saved = Cred::root().setresuid(KEEP, uid(33), uid(0)).unwrap();
        assert!(saved.caps.effective.is_empty());
        assert_eq!(saved.setresuid(KEEP, uid(0), KEEP).unwrap(), Cred::root());
    }
}
