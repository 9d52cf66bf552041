//! What files of /proc that are about a task say: `fs/proc/array.c`, `fs/proc/base.c`, `kernel/user_namespace.c`.

use std::io::Write;

use crate::abi::{Gid, Uid};
use crate::cred::Cred;

/// What real root finds in /proc/PID/setgroups: that of the machine's first user namespace cannot be forbidden.
pub const SETGROUPS: &str = "allow\n";

/// /proc/PID/uid_map or gid_map of the machine's first user namespace, which maps every id (`uid_m_show`). `first` is what
/// the reader's own namespace calls id 0: 0 in the first, where it is its own parent.
pub fn full_map(first: u32) -> String {
    format!("{:>10} {:>10} {:>10}\n", 0, first, u32::MAX)
}

/// /proc/PID/loginuid or sessionid: no newline (`proc_loginuid_read`).
pub fn number(value: u32) -> String {
    value.to_string()
}

/// The kernel's /proc/PID/status with other credentials, and without the tracer and the `ours` filters that come with them. All other bytes stay:
/// the name of a task may be any (`proc_task_name`), but that a newline is written as `\n`.
pub fn status(native: &[u8], cred: &Cred, ours: u32) -> Vec<u8> {
    let four = |ids: [u32; 4]| ids.map(|id| id.to_string()).join("\t");
    let (uid, gid, caps) = (&cred.uid, &cred.gid, &cred.caps);
    let filters = filters_of(native).map(|all| all.saturating_sub(ours));
    let mut text = Vec::with_capacity(native.len() + 64);
    for line in native.split_inclusive(|&byte| byte == b'\n') {
        let name = line.split(|&byte| byte == b':').next().and_then(|name| std::str::from_utf8(name).ok());
        let name = name.unwrap_or_default();
        let value = match (name, filters) {
            ("Seccomp", Some(0)) => "0".to_owned(),
            ("Seccomp_filters", Some(left)) => left.to_string(),
            ("Uid", _) => four([uid.real, uid.effective, uid.saved, uid.fs].map(Uid::raw)),
            ("Gid", _) => four([gid.real, gid.effective, gid.saved, gid.fs].map(Gid::raw)),
            ("Groups", _) => groups(cred),
            ("CapInh", _) => format!("{:016x}", caps.inheritable.bits()),
            ("CapPrm", _) => format!("{:016x}", caps.permitted.bits()),
            ("CapEff", _) => format!("{:016x}", caps.effective.bits()),
            ("CapBnd", _) => format!("{:016x}", caps.bounding.bits()),
            ("CapAmb", _) => format!("{:016x}", caps.ambient.bits()),
            ("NoNewPrivs", _) => u8::from(cred.no_new_privs).to_string(),
            ("TracerPid", _) => "0".to_owned(),
            _ => {
                text.extend_from_slice(line);
                continue;
            }
        };
        let _ = writeln!(text, "{name}:\t{value}");
    }
    text
}

/// How many filters a status tells of (`Seccomp_filters`, Linux 5.10).
fn filters_of(native: &[u8]) -> Option<u32> {
    let mut lines = native.split(|&byte| byte == b'\n');
    let number = lines.find_map(|line| line.strip_prefix(b"Seccomp_filters:"))?;
    std::str::from_utf8(number).ok()?.trim().parse().ok()
}

/// With a space behind the last, and also where there is none: `task_state` in `fs/proc/array.c`.
fn groups(cred: &Cred) -> String {
    let groups: Vec<String> = cred.groups.iter().map(|gid| gid.raw().to_string()).collect();
    groups.join(" ") + " "
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_virtual_credentials() {
        let native = "Name:\tsh\nTracerPid:\t7\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t65534 \nNStgid:\t9\n\
                      CapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\n";
        let ids = [33, 4].map(|id| Gid::new(id).unwrap());
        let cred = Cred::login(Uid::new(33).unwrap(), ids[0], ids.to_vec());
        let expected = "Name:\tsh\nTracerPid:\t0\nUid:\t33\t33\t33\t33\nGid:\t33\t33\t33\t33\nGroups:\t4 33 \nNStgid:\t9\n\
                        CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t0\n";
        assert_eq!(status(native.as_bytes(), &cred, 1), expected.as_bytes());
        let alone = Cred::login(Uid::new(33).unwrap(), ids[0], vec![]);
        let alone = status(native.as_bytes(), &alone, 1);
        assert!(String::from_utf8(alone).unwrap().contains("\nGroups:\t \n"));
    }

    #[test]
    fn a_name_of_any_bytes_stays_what_it_is() {
        let native = b"Name:\ta\xff\xfe\rTracerPid:\t3\r\nUmask:\t0022\nTracerPid:\t7\n";
        let expected = b"Name:\ta\xff\xfe\rTracerPid:\t3\r\nUmask:\t0022\nTracerPid:\t0\n";
        assert_eq!(status(native, &Cred::root(), 1), expected);
    }

    #[test]
    fn the_engines_filters_are_not_told_of() {
        let of = |mode: u32, filters: u32, ours| {
            let native = format!("Seccomp:\t{mode}\nSeccomp_filters:\t{filters}\nThreads:\t1\n");
            String::from_utf8(status(native.as_bytes(), &Cred::root(), ours)).unwrap()
        };
        assert_eq!(of(2, 1, 1), "Seccomp:\t0\nSeccomp_filters:\t0\nThreads:\t1\n");
        assert_eq!(of(2, 3, 2), "Seccomp:\t2\nSeccomp_filters:\t1\nThreads:\t1\n");
        assert_eq!(of(0, 0, 1), "Seccomp:\t0\nSeccomp_filters:\t0\nThreads:\t1\n");
        // Before Linux 5.10.
        let old = b"Seccomp:\t2\n";
        assert_eq!(status(old, &Cred::root(), 1), old);
    }

    #[test]
    fn a_full_map_is_that_of_the_first_namespace() {
        // As pam_loginuid and umoci compare it.
        assert_eq!(full_map(0), "         0          0 4294967295\n");
        assert_eq!(full_map(5), "         0          5 4294967295\n");
        assert_eq!(full_map(u32::MAX), "         0 4294967295 4294967295\n");
    }
}
