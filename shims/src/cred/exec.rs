//! What exec does to credentials: `bprm_fill_uid` in `fs/exec.c`, `cap_bprm_creds_from_file` in
//! `security/commoncap.c`.

use crate::abi::{Errno, Gid, Uid};

use super::{CapSet, Cred, SecureBits};

const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o0010;

/// The value of a `security.capability` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCaps {
    /// What the file gives, within the bounding set (fP).
    pub permitted: CapSet,
    /// What the file lets the caller's inheritable set give (fI).
    pub inheritable: CapSet,
    /// What becomes of the new permitted set.
    pub effect: FileEffect,
}

/// The "effective" bit of file capabilities (fE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEffect {
    /// Set: all become effective at once, and exec fails if the bounding set holds one back.
    Raised,
    /// Not set: the program raises them itself.
    Left,
}

impl FileCaps {
    /// Decodes the attribute (`get_vfs_caps_from_disk`), in all three versions. `None` for one that belongs to the
    /// root of some other user namespace. EINVAL, with which exec then fails, for anything malformed.
    pub fn parse(value: &[u8]) -> Result<Option<FileCaps>, Errno> {
        let mut words =
            value.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        let magic = words.next().ok_or(Errno::EINVAL)?;
        let (size, sets) = match magic & 0xFF00_0000 {
            0x0100_0000 => (12, 1),
            0x0200_0000 => (20, 2),
            0x0300_0000 => (24, 2),
            _ => return Err(Errno::EINVAL),
        };
        if value.len() != size {
            return Err(Errno::EINVAL);
        }
        let (mut permitted, mut inheritable) = ([0; 2], [0; 2]);
        for set in 0..sets {
            permitted[set] = words.next().ok_or(Errno::EINVAL)?;
            inheritable[set] = words.next().ok_or(Errno::EINVAL)?;
        }
        if words.next().is_some_and(|root| root != 0) {
            return Ok(None);
        }
        Ok(Some(FileCaps {
            permitted: CapSet::from_words(permitted[0], permitted[1]),
            inheritable: CapSet::from_words(inheritable[0], inheritable[1]),
            effect: if magic & 1 == 1 { FileEffect::Raised } else { FileEffect::Left },
        }))
    }
}

/// What an executable has to say about the credentials of those who run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecFile {
    /// Its owner, if it is set-user-ID.
    pub set_uid: Option<Uid>,
    /// Its group, if it is set-group-ID.
    pub set_gid: Option<Gid>,
    /// Its capabilities.
    pub caps: Option<FileCaps>,
}

impl ExecFile {
    /// Nothing: a plain file, or any file on a nosuid mount.
    pub const PLAIN: ExecFile = ExecFile { set_uid: None, set_gid: None, caps: None };

    /// What mode and owner say. Rule "set-group-ID needs group execute": without it the bit marks mandatory locking,
    /// not a program.
    pub fn new(mode: u32, uid: Uid, gid: Gid, caps: Option<FileCaps>) -> ExecFile {
        let group = S_ISGID | S_IXGRP;
        ExecFile {
            set_uid: (mode & S_ISUID != 0).then_some(uid),
            set_gid: (mode & group == group).then_some(gid),
            caps,
        }
    }
}

/// The outcome of an exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The new credentials.
    pub cred: Cred,
    /// Whether the program is told to distrust its environment (AT_SECURE).
    pub secure: bool,
}

impl Cred {
    /// Executes a file. Follows Linux 6.17 and later, whose notion of a changed identity is a new effective uid or a
    /// group that the task was not in; earlier kernels compared with the real ids, which shows only in ambient sets
    /// and in downgrades under no_new_privs.
    ///
    /// EPERM where file capabilities that must be effective are held back by the bounding set.
    pub fn exec(&self, file: &ExecFile) -> Result<Exec, Errno> {
        let mut new = self.clone();
        // Rule "no_new_privs ignores set-id bits".
        if !self.no_new_privs {
            new.uid.effective = file.set_uid.unwrap_or(self.uid.effective);
            new.gid.effective = file.set_gid.unwrap_or(self.gid.effective);
        }
        let mut raised = new.take_file_caps(file.caps.as_ref())?;
        raised |= new.take_root_caps(file.caps.is_some());

        let id_changed = new.uid.effective != self.uid.effective || !self.in_group(new.gid.effective);
        let gained = !self.caps.permitted.contains(new.caps.permitted);
        // Rule "no_new_privs downgrades": what would be gained is not.
        if self.no_new_privs && (id_changed || gained) {
            new.uid.effective = new.uid.real;
            new.gid.effective = new.gid.real;
            new.caps.permitted &= self.caps.permitted;
        }
        // Rule "saved and fs ids follow".
        new.uid.saved = new.uid.effective;
        new.uid.fs = new.uid.effective;
        new.gid.saved = new.gid.effective;
        new.gid.fs = new.gid.effective;

        // Rule "privileged files cancel ambient".
        if file.caps.is_some() || id_changed {
            new.caps.ambient = CapSet::empty();
        }
        new.caps.permitted |= new.caps.ambient;
        new.caps.effective = if raised { new.caps.permitted } else { new.caps.ambient };
        // Rule "keepcaps ends at exec".
        new.securebits -= SecureBits::KEEP_CAPS;

        // Rule "secure exec": identity or capabilities beyond what the real ids stand for.
        let secure = id_changed
            || new.uid.effective != self.uid.real
            || new.gid.effective != self.gid.real
            || (new.uid.real != Uid::ROOT && (raised || !new.caps.ambient.contains(new.caps.permitted)));
        Ok(Exec { cred: new, secure })
    }

    /// Rule "file capabilities": pP' = (X & fP) | (pI & fI) (`bprm_caps_from_vfs_caps`). Says whether they become
    /// effective. Rule "held back": EPERM if they must and some of fP cannot be had.
    fn take_file_caps(&mut self, caps: Option<&FileCaps>) -> Result<bool, Errno> {
        self.caps.permitted = CapSet::empty();
        let Some(file) = caps else { return Ok(false) };
        self.caps.permitted =
            (self.caps.bounding & file.permitted) | (self.caps.inheritable & file.inheritable);
        match file.effect {
            FileEffect::Left => Ok(false),
            FileEffect::Raised if self.caps.permitted.contains(file.permitted) => Ok(true),
            FileEffect::Raised => Err(Errno::EPERM),
        }
    }

    /// Rule "root fixup": root by real or effective uid gets X | pI, effective if by the effective one, unless
    /// SECBIT_NOROOT (`handle_privileged_root`). A set-user-ID-root file with capabilities of its own gives those
    /// alone. Says whether they become effective.
    fn take_root_caps(&mut self, has_file_caps: bool) -> bool {
        let (real, effective) = (self.uid.real == Uid::ROOT, self.uid.effective == Uid::ROOT);
        if self.securebits.contains(SecureBits::NOROOT) || (has_file_caps && effective && !real) {
            return false;
        }
        if real || effective {
            self.caps.permitted = self.caps.bounding | self.caps.inheritable;
        }
        effective
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::KeepUid;
    use crate::cred::{CapChange, Caps};

    fn uid(raw: u32) -> Uid {
        Uid::new(raw).unwrap()
    }

    fn gid(raw: u32) -> Gid {
        Gid::new(raw).unwrap()
    }

    fn user() -> Cred {
        Cred::login(uid(1000), gid(1000), vec![gid(44)])
    }

    fn with_caps(permitted: CapSet, inheritable: CapSet, effect: FileEffect) -> ExecFile {
        ExecFile { caps: Some(FileCaps { permitted, inheritable, effect }), ..ExecFile::PLAIN }
    }

    fn set_uid(owner: u32) -> ExecFile {
        ExecFile { set_uid: Some(uid(owner)), ..ExecFile::PLAIN }
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn attributes_of_all_versions() {
        let caps = |bytes: &[u32]| FileCaps::parse(&words(bytes));
        let one = caps(&[0x0100_0001, 1, 2]).unwrap().unwrap();
        assert_eq!((one.permitted, one.inheritable), (CapSet::CHOWN, CapSet::DAC_OVERRIDE));
        assert_eq!(one.effect, FileEffect::Raised);
        let two = caps(&[0x0200_0000, 1, 0, 0x100, !0]).unwrap().unwrap();
        assert_eq!(two.permitted, CapSet::CHOWN | CapSet::CHECKPOINT_RESTORE);
        assert_eq!((two.inheritable.high(), two.effect), (0x1FF, FileEffect::Left));
        assert_eq!(caps(&[0x0300_0000, 1, 0, 0, 0, 0]).unwrap().unwrap().permitted, CapSet::CHOWN);
        assert_eq!(caps(&[0x0300_0000, 1, 0, 0, 0, 1000]), Ok(None), "another namespace's");
        assert_eq!(caps(&[0x0400_0000, 1, 0, 0, 0]), Err(Errno::EINVAL));
        assert_eq!(caps(&[0x0200_0000, 1, 0]), Err(Errno::EINVAL));
        assert_eq!(FileCaps::parse(&[]), Err(Errno::EINVAL));
    }

    #[test]
    fn set_group_id_needs_group_execute() {
        assert_eq!(ExecFile::new(0o2745, uid(0), gid(33), None), ExecFile::PLAIN);
        assert_eq!(ExecFile::new(0o2755, uid(0), gid(33), None).set_gid, Some(gid(33)));
        assert_eq!(ExecFile::new(0o4700, uid(33), gid(33), None), set_uid(33));
    }

    #[test]
    fn saved_and_fs_ids_follow() {
        let exec = user().exec(&set_uid(33)).unwrap();
        let ids = exec.cred.uid;
        assert_eq!([ids.real, ids.effective, ids.saved, ids.fs], [1000, 33, 33, 33].map(uid));
        assert!(exec.secure);
    }

    #[test]
    fn root_fixup_gives_what_is_bounding() {
        let exec = user().exec(&set_uid(0)).unwrap();
        assert_eq!(exec.cred.caps, Caps::FULL);
        let noroot = Cred::root().set_securebits(1).unwrap();
        assert_eq!(noroot.exec(&ExecFile::PLAIN).unwrap().cred.caps, Caps::NONE);
        let real_only = Cred::root().setresuid(KeepUid::Keep, KeepUid::Set(uid(33)), KeepUid::Set(uid(33)));
        let caps = real_only.unwrap().exec(&ExecFile::PLAIN).unwrap().cred.caps;
        assert_eq!((caps.permitted, caps.effective), (CapSet::all(), CapSet::empty()));
    }

    #[test]
    fn root_fixup_leaves_set_user_id_files_their_own_capabilities() {
        let file = ExecFile {
            set_uid: Some(uid(0)),
            ..with_caps(CapSet::NET_RAW, CapSet::empty(), FileEffect::Raised)
        };
        assert_eq!(user().exec(&file).unwrap().cred.caps.effective, CapSet::NET_RAW);
        assert_eq!(Cred::root().exec(&file).unwrap().cred.caps.effective, CapSet::all());
    }

    #[test]
    fn file_capabilities_within_bounding_or_inheritable() {
        let left = with_caps(CapSet::NET_RAW | CapSet::KILL, CapSet::empty(), FileEffect::Left);
        let mut cred = user();
        cred.caps.bounding -= CapSet::KILL;
        let exec = cred.exec(&left).unwrap();
        assert_eq!((exec.cred.caps.permitted, exec.cred.caps.effective), (CapSet::NET_RAW, CapSet::empty()));
        assert!(exec.secure);
        cred.caps.inheritable = CapSet::KILL;
        let both = with_caps(CapSet::KILL, CapSet::KILL, FileEffect::Raised);
        assert_eq!(cred.exec(&both).unwrap().cred.caps.effective, CapSet::KILL);
    }

    #[test]
    fn held_back_capabilities_fail_the_exec() {
        let mut cred = user();
        cred.caps.bounding -= CapSet::NET_RAW;
        let file = with_caps(CapSet::NET_RAW, CapSet::empty(), FileEffect::Raised);
        assert_eq!(cred.exec(&file), Err(Errno::EPERM));
    }

    #[test]
    fn no_new_privs_ignores_set_id_bits() {
        let exec = user().without_new_privs().exec(&set_uid(0)).unwrap();
        assert_eq!(exec.cred, user().without_new_privs());
        assert!(!exec.secure);
    }

    #[test]
    fn no_new_privs_downgrades_file_capabilities() {
        let file = with_caps(CapSet::NET_RAW, CapSet::empty(), FileEffect::Raised);
        let exec = user().without_new_privs().exec(&file).unwrap();
        assert!(exec.cred.caps.permitted.is_empty());
    }

    #[test]
    fn privileged_files_cancel_ambient() {
        let all = CapSet::all();
        let change = CapChange { effective: all, permitted: all, inheritable: CapSet::NET_RAW };
        let keep = Cred::root().set_keepcaps(1).unwrap().capset(change).unwrap();
        let dropped = keep.setuid(KeepUid::Set(uid(1000))).unwrap().ambient_raise(13).unwrap();
        let plain = dropped.exec(&ExecFile::PLAIN).unwrap();
        assert_eq!(plain.cred.caps.effective, CapSet::NET_RAW);
        assert!(!plain.secure, "ambient capabilities are no reason for distrust");
        assert!(dropped.exec(&set_uid(33)).unwrap().cred.caps.effective.is_empty());
        let file = with_caps(CapSet::empty(), CapSet::empty(), FileEffect::Left);
        assert!(dropped.exec(&file).unwrap().cred.caps.ambient.is_empty());
    }

    #[test]
    fn keepcaps_ends_at_exec() {
        let exec = Cred::root().set_keepcaps(1).unwrap().exec(&ExecFile::PLAIN).unwrap();
        assert_eq!(exec.cred, Cred::root());
    }

    #[test]
    fn secure_exec_where_ids_differ_beforehand() {
        let mut cred = user();
        cred.gid.effective = gid(33);
        cred.gid.fs = gid(33);
        assert!(cred.exec(&ExecFile::PLAIN).unwrap().secure);
        let member = ExecFile { set_gid: Some(gid(1000)), ..ExecFile::PLAIN };
        assert!(!user().exec(&member).unwrap().secure, "a group that it is in already");
    }
}
