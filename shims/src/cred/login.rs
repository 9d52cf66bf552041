//! Whom somebody has logged in as, for the audit subsystem: the login uid, `kernel/auditsc.c`. A task hands it to its
//! children, and no change of credentials touches it.

use super::{CapSet, Cred};

/// What /proc/PID/loginuid and /proc/PID/sessionid say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user; all ones before anybody has logged in (`AUDIT_UID_UNSET`).
    pub uid: u32,
    /// A number that each login has of its own; all ones before the first (`AUDIT_SID_UNSET`).
    pub session: u32,
}

impl Login {
    /// Nobody has logged in.
    pub const UNSET: Login = Login { uid: u32::MAX, session: u32::MAX };

    /// Whether a task of these credentials may change its own (`audit_set_loginuid_perm`). Natively EPERM if not.
    pub fn may_be_set_by(&self, cred: &Cred) -> bool {
        self.uid == Login::UNSET.uid || cred.capable(CapSet::AUDIT_CONTROL)
    }

    /// After `uid` was written (`audit_set_loginuid`). The session is the next that `number` gives, if it is one.
    pub fn set(uid: u32, number: impl FnOnce() -> u32) -> Login {
        if uid == Login::UNSET.uid { Login::UNSET } else { Login { uid, session: number() } }
    }
}

/// A login uid as it is written to /proc (`kstrtou32_from_user` in base 10). `None` is the kernel's EINVAL or ERANGE.
pub fn parse(text: &[u8]) -> Option<u32> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// What was written to a file that held `before`, each write at its end, and holds `now`. A writer that has emptied it
/// first has left nothing of that. `None` if nothing was, or nothing that the kernel would have taken.
pub fn written(before: &[u8], now: &[u8]) -> Option<u32> {
    if now == before {
        return None;
    }
    now.strip_prefix(before).and_then(parse).or_else(|| parse(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Gid, Uid};

    #[test]
    fn an_unset_one_is_anybodys_and_a_set_one_takes_a_capability() {
        let user = Cred::login(Uid::new(33).unwrap(), Gid::new(33).unwrap(), vec![]);
        let (root, set) = (Cred::root(), Login { uid: 1000, session: 1 });
        assert!(Login::UNSET.may_be_set_by(&user) && Login::UNSET.may_be_set_by(&root));
        assert!(set.may_be_set_by(&root) && !set.may_be_set_by(&user));
    }

    #[test]
    fn sessions_are_counted_and_an_unset_login_has_none() {
        assert_eq!(Login::set(1000, || 7), Login { uid: 1000, session: 7 });
        assert_eq!(Login::set(u32::MAX, || 7), Login::UNSET);
    }

    #[test]
    fn numbers_are_read_as_the_kernel_reads_them() {
        let all = [("1000", 1000), ("0", 0), ("+33\n", 33), ("0033", 33), ("4294967295", u32::MAX)];
        for (text, uid) in all {
            assert_eq!(parse(text.as_bytes()), Some(uid), "{text}");
        }
        for text in ["", "\n", "+", "++1", "-1", "0x10", "10 ", " 10", "1\n\n", "4294967296", "abc"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_was_written_stands_behind_what_was_there() {
        assert_eq!(written(b"4294967295", b"4294967295"), None);
        assert_eq!(written(b"4294967295", b"42949672951000"), Some(1000));
        assert_eq!(written(b"4294967295", b"42949672951000\n"), Some(1000));
        assert_eq!(written(b"4294967295", b"4294967295nobody"), None);
        assert_eq!(written(b"33", b"3333"), Some(33));
        // Emptied before.
        assert_eq!(written(b"4294967295", b"1000"), Some(1000));
        assert_eq!(written(b"4294967295", b""), None);
    }
}
