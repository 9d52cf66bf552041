use super::*;
use crate::cred::Cred;
use crate::table::{self, ROWS, Support};
use crate::testing::Fake;

struct Nothing;

impl Besides for Nothing {
    fn place(&self, descriptor: i32) -> Option<Vec<u8>> {
        (descriptor == 3).then(|| b"/srv/a \"b\"".to_vec())
    }

    fn has_memory(&self) -> bool {
        true
    }
}

/// The line for a call by its name.
fn line(guest: &Fake, abi: Abi, name: &str, args: &[u64], outcome: Outcome) -> String {
    let row = ROWS.iter().find(|row| row.name == name).expect("a row");
    let mut call = Call { abi, nr: row.entry(abi).expect("an entry").nr, args: [0; 6] };
    call.args[..args.len()].copy_from_slice(args);
    assert_eq!(table::row_of(abi, call.nr).map(|row| row.name), Some(name));
    finish(begin(guest, &call, row, &Nothing), guest, &call, row, outcome, true)
}

#[test]
fn every_call_with_a_shim_has_a_signature() {
    let served = |row: &&Row| !matches!(row.support, Support::Passed(_));
    let without: Vec<_> =
        ROWS.iter().filter(served).filter(|row| of(row.name).is_none()).map(|row| row.name).collect();
    assert!(without.is_empty(), "say in explain/signature.rs what their arguments are: {without:?}");
}

#[test]
fn ids_paths_and_errors_are_readable() {
    let guest = Fake::new(Abi::X86_64, Cred::root());
    guest.put(0x1000, b"/var/lib/\xc3\xa4\n\xff\0");
    let keep = u64::from(u32::MAX);
    assert_eq!(
        line(&guest, Abi::X86_64, "lchown", &[0x1000, 33, keep], Outcome::Here(Err(Errno::EPERM))),
        "lchown(\"/var/lib/ä\\n\\xff\", 33, -1) = -1 EPERM (Operation not permitted)  \
         [chown_common, setattr_prepare: not the owner, or not to one of its own groups, and no CAP_CHOWN]"
    );
    assert_eq!(
        line(&guest, Abi::X86_64, "fchown", &[3, keep, 5], Outcome::Here(Ok(0))),
        "fchown(3</srv/a \\\"b\\\">, -1, 5) = 0  [chown_common, setattr_prepare: answered here]"
    );
    assert_eq!(
        line(&guest, Abi::I386, "setresuid", &[0xFFFF, 0x1_0007, 7], Outcome::Here(Ok(0))),
        "setresuid(-1, 7, 7) = 0  [__sys_setresuid: answered here]"
    );
    assert_eq!(
        line(&guest, Abi::X86_64, "openat", &[0xFFFF_FF9C, Fake::BAD, 0o1101, 0o644], Outcome::Passed),
        format!(
            "openat(AT_FDCWD, {:#x}, O_WRONLY|O_CREAT|O_TRUNC, 0644) = ?  \
             [path_openat, inode_init_owner: left to the kernel]",
            Fake::BAD
        )
    );
    assert_eq!(
        line(&guest, Abi::X86_64, "chmod", &[0, 0o6755], Outcome::Kernel(Err(Errno::EFAULT))),
        "chmod(NULL, 06755) = -1 EFAULT (Bad address)  [chmod_common, setattr_prepare: by the kernel]"
    );
}

#[test]
fn what_a_call_fills_in_is_shown() {
    let guest = Fake::new(Abi::X86_64, Cred::root());
    let mut stat = [0; 144];
    stat[24..28].copy_from_slice(&0o020_644u32.to_le_bytes());
    stat[28..32].copy_from_slice(&42u32.to_le_bytes());
    stat[40..48].copy_from_slice(&0x103u64.to_le_bytes());
    guest.put(0x2000, &stat);
    assert_eq!(
        line(&guest, Abi::X86_64, "fstat", &[3, 0x2000], Outcome::Kernel(Ok(0))),
        "fstat(3</srv/a \\\"b\\\">, {mode=020644, uid=42, gid=0, rdev=1:3}) = 0  [vfs_fstat: by the kernel; nothing is recorded]"
    );
    assert!(
        line(&guest, Abi::X86_64, "fstat", &[4, 0x2000], Outcome::Kernel(Err(Errno::EBADF)))
            .starts_with("fstat(4, 0x2000)")
    );
    guest.put(0x3000, &[7, 0, 0, 0, 0xFE, 0xFF, 0, 0]);
    assert!(
        line(&guest, Abi::X86_64, "getgroups", &[2, 0x3000], Outcome::Here(Ok(2)))
            .starts_with("getgroups(2, [7, 65534]) = 2")
    );
    assert!(
        line(&guest, Abi::X86_64, "setgroups", &[2, 0x3000], Outcome::Here(Ok(0)))
            .starts_with("setgroups(2, [7, 65534]) = 0")
    );
    assert!(
        line(&guest, Abi::I386, "setgroups", &[2, 0x3000], Outcome::Here(Ok(0)))
            .starts_with("setgroups(2, [7, 0]) = 0")
    );
    assert!(
        line(&guest, Abi::X86_64, "setgroups", &[0, 0], Outcome::Interrupted)
            .ends_with("setgroups(0, []) = ? interrupted")
    );
    guest.put(0x4000, &[0xC0, 0, 0, 0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        line(&guest, Abi::X86_64, "capset", &[0x5000, 0x4000], Outcome::Here(Err(Errno::EPERM))),
        "capset(0x5000, {effective=0x1000000c0, permitted=0x1000000ff, inheritable=0x0}) = -1 EPERM (Operation not \
         permitted)  [cap_capset: a capability that the task may not give itself, or another task]"
    );
}

#[test]
fn structures_and_lists_are_taken_apart() {
    let guest = Fake::new(Abi::X86_64, Cred::root());
    guest.put(0x1000, b"true\0");
    guest.put(0x2000, &[0, 0x10, 0, 0, 0, 0, 0, 0, 0x00, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let begins = |abi, name, args: &[u64], expected: &str| {
        let line = line(&guest, abi, name, args, Outcome::Passed);
        assert!(line.starts_with(expected), "{line}\n{expected}");
    };
    begins(Abi::X86_64, "execve", &[0x1000, 0x2000, 0], "execve(\"true\", [\"true\", \"true\"], NULL) = ?");
    begins(Abi::I386, "execve", &[0x1000, 0x2000, 0], "execve(\"true\", [\"true\"], NULL) = ?");
    begins(Abi::X86_64, "execve", &[0x1000, Fake::BAD, 0], "execve(\"true\", 0x101000, NULL) = ?");
    guest.put(0x3000, &[0x41, 0, 0, 0, 0, 0, 0, 0, 0xA4, 1, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
    begins(
        Abi::X86_64,
        "openat2",
        &[3, 0x1000, 0x3000, 24],
        "openat2(3</srv/a \\\"b\\\">, \"true\", {flags=O_WRONLY|O_CREAT, mode=0644, resolve=0x8}, 24) = ?",
    );
    guest.put(0x4000, b"\x01\0/run/s\0rest");
    begins(Abi::X86_64, "bind", &[4, 0x4000, 13], "bind(4, {AF_UNIX, \"/run/s\"}, 13) = ?");
    begins(Abi::X86_64, "bind", &[4, 0x4000, 1], "bind(4, 0x4000, 1) = ?");
    begins(
        Abi::X86_64,
        "mount",
        &[0x1000, 0x1000, 0, 0x5000, 0],
        "mount(\"true\", \"true\", NULL, MS_BIND|MS_REC, NULL) = ?",
    );
}

#[test]
fn whatever_a_guest_says_makes_a_line() {
    let guest = Fake::new(Abi::X86_64, Cred::root());
    for (abi, row) in Abi::ALL.into_iter().flat_map(|abi| ROWS.iter().map(move |row| (abi, row))) {
        if row.entry(abi).is_none() {
            continue;
        }
        for value in [0, 1, 0x1000, Fake::END - 1, Fake::BAD, u64::from(u32::MAX), i64::MIN as u64, u64::MAX]
        {
            for outcome in [Outcome::Here(Ok(value)), Outcome::Kernel(Err(Errno::new(4095))), Outcome::Killed]
            {
                let line = line(&guest, abi, row.name, &[value; 6], outcome);
                assert!(
                    line.starts_with(row.name) && line.contains(") = ") && !line.contains('\n'),
                    "{line}"
                );
            }
        }
    }
}
