//! What each call's arguments are, and the kernel's function that its shim follows.

use std::fmt::Write;

use linux_raw_sys::general as kernel;

use crate::abi::{Errno, major, minor};

/// What an argument is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A descriptor; also where a path starts.
    Fd,
    /// A path.
    Path,
    /// Another text: the name of an attribute, a type of file system.
    Text,
    /// A uid, or -1.
    Uid,
    /// A gid, or -1.
    Gid,
    /// Where a uid is put.
    UidOut,
    /// Where a gid is put.
    GidOut,
    /// A list of groups, whose length is the argument before.
    Groups,
    /// Where a list of groups is put; its length is the result.
    GroupsOut,
    /// Where a stat structure is put.
    Stat,
    /// A list of texts that a null pointer ends: the arguments of a program.
    Texts,
    /// A `struct open_how`.
    OpenHow,
    /// A socket's address, whose length is the argument behind.
    Address,
    /// Sets of capabilities, as capset(2) takes them.
    Caps,
    /// Where capget(2) puts such sets.
    CapsOut,
    /// A mode.
    Mode,
    /// A device number (`new_encode_dev`).
    Dev,
    /// A number.
    Int,
    /// A number if it is a small one, else an address.
    Small,
    /// An address, or something that is best read in hexadecimal.
    Hex,
    /// Bits with names.
    Flags(&'static [(u32, &'static str)]),
    /// A number with a name.
    OneOf(&'static [(u32, &'static str)]),
}

impl Kind {
    /// Whether reading it takes the guest's memory.
    pub const fn is_in_memory(self) -> bool {
        matches!(
            self,
            Kind::Path | Kind::Text | Kind::Texts | Kind::Groups | Kind::Caps | Kind::OpenHow | Kind::Address
        )
    }

    /// For those that are a matter of the number alone.
    pub fn plain(self, value: u64) -> String {
        match self {
            Kind::Int => (value as i32).to_string(),
            Kind::Small if value < 0x1_0000 => value.to_string(),
            Kind::Mode => format!("0{:o}", value as u32),
            Kind::Dev => format!("{}:{}", major(value), minor(value)),
            Kind::Flags(names) => flags(value as u32, names),
            Kind::OneOf(names) => match names.iter().find(|(number, _)| *number == value as u32) {
                Some((_, name)) => (*name).to_owned(),
                None => (value as i32).to_string(),
            },
            _ if value == 0 => "NULL".to_owned(),
            _ => format!("{value:#x}"),
        }
    }
}

fn flags(value: u32, names: &[(u32, &str)]) -> String {
    let mut left = value;
    let mut text = String::new();
    for (bits, name) in names.iter().filter(|(bits, _)| *bits != 0 && value & bits == *bits) {
        if left & bits != 0 {
            let _ = write!(text, "{}{name}", if text.is_empty() { "" } else { "|" });
            left &= !bits;
        }
    }
    match (left, text.is_empty()) {
        (0, true) => "0".to_owned(),
        (0, false) => text,
        (_, true) => format!("{left:#x}"),
        (_, false) => format!("{text}|{left:#x}"),
    }
}

/// What there is to say of a call.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Its arguments.
    pub args: &'static [Kind],
    /// The kernel's function that its shim follows.
    pub rule: &'static str,
}

const AT: Kind = Kind::Flags(&[
    (kernel::AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"),
    (kernel::AT_SYMLINK_FOLLOW, "AT_SYMLINK_FOLLOW"),
    (kernel::AT_EMPTY_PATH, "AT_EMPTY_PATH"),
    (kernel::AT_NO_AUTOMOUNT, "AT_NO_AUTOMOUNT"),
    (kernel::AT_STATX_FORCE_SYNC, "AT_STATX_FORCE_SYNC"),
    (kernel::AT_STATX_DONT_SYNC, "AT_STATX_DONT_SYNC"),
]);
const UNLINK: Kind = Kind::Flags(&[(kernel::AT_REMOVEDIR, "AT_REMOVEDIR")]);
/// O_TMPFILE holds the bit of O_DIRECTORY, O_SYNC that of O_DSYNC: the wider ones come first.
pub const OPEN: Kind = Kind::Flags(&[
    (kernel::O_TMPFILE, "O_TMPFILE"),
    (kernel::O_SYNC, "O_SYNC"),
    (kernel::O_RDWR, "O_RDWR"),
    (kernel::O_WRONLY, "O_WRONLY"),
    (kernel::O_CREAT, "O_CREAT"),
    (kernel::O_EXCL, "O_EXCL"),
    (kernel::O_TRUNC, "O_TRUNC"),
    (kernel::O_APPEND, "O_APPEND"),
    (kernel::O_NONBLOCK, "O_NONBLOCK"),
    (kernel::O_NOCTTY, "O_NOCTTY"),
    (kernel::O_DSYNC, "O_DSYNC"),
    (kernel::O_DIRECT, "O_DIRECT"),
    (kernel::O_LARGEFILE, "O_LARGEFILE"),
    (kernel::O_DIRECTORY, "O_DIRECTORY"),
    (kernel::O_NOFOLLOW, "O_NOFOLLOW"),
    (kernel::O_NOATIME, "O_NOATIME"),
    (kernel::O_CLOEXEC, "O_CLOEXEC"),
    (kernel::O_PATH, "O_PATH"),
]);
const MOUNT: Kind = Kind::Flags(&[
    (kernel::MS_RDONLY, "MS_RDONLY"),
    (kernel::MS_NOSUID, "MS_NOSUID"),
    (kernel::MS_NODEV, "MS_NODEV"),
    (kernel::MS_NOEXEC, "MS_NOEXEC"),
    (kernel::MS_REMOUNT, "MS_REMOUNT"),
    (kernel::MS_BIND, "MS_BIND"),
    (kernel::MS_MOVE, "MS_MOVE"),
    (kernel::MS_REC, "MS_REC"),
    (kernel::MS_PRIVATE, "MS_PRIVATE"),
    (kernel::MS_SLAVE, "MS_SLAVE"),
    (kernel::MS_SHARED, "MS_SHARED"),
    (kernel::MS_RELATIME, "MS_RELATIME"),
]);
const RENAME: Kind = Kind::Flags(&[
    (kernel::RENAME_NOREPLACE, "RENAME_NOREPLACE"),
    (kernel::RENAME_EXCHANGE, "RENAME_EXCHANGE"),
    (kernel::RENAME_WHITEOUT, "RENAME_WHITEOUT"),
]);
const XATTR: Kind =
    Kind::Flags(&[(kernel::XATTR_CREATE, "XATTR_CREATE"), (kernel::XATTR_REPLACE, "XATTR_REPLACE")]);
const CLONE: Kind = Kind::Flags(&[
    (kernel::CLONE_NEWUSER, "CLONE_NEWUSER"),
    (kernel::CLONE_NEWNS, "CLONE_NEWNS"),
    (kernel::CLONE_NEWPID, "CLONE_NEWPID"),
    (kernel::CLONE_NEWNET, "CLONE_NEWNET"),
    (kernel::CLONE_NEWUTS, "CLONE_NEWUTS"),
    (kernel::CLONE_NEWIPC, "CLONE_NEWIPC"),
    (kernel::CLONE_NEWCGROUP, "CLONE_NEWCGROUP"),
    (kernel::CLONE_VM, "CLONE_VM"),
    (kernel::CLONE_FS, "CLONE_FS"),
    (kernel::CLONE_FILES, "CLONE_FILES"),
    (kernel::CLONE_THREAD, "CLONE_THREAD"),
    (kernel::CLONE_UNTRACED, "CLONE_UNTRACED"),
]);
const PRCTL: Kind = Kind::OneOf(&[
    (3, "PR_GET_DUMPABLE"),
    (4, "PR_SET_DUMPABLE"),
    (7, "PR_GET_KEEPCAPS"),
    (8, "PR_SET_KEEPCAPS"),
    (22, "PR_SET_SECCOMP"),
    (23, "PR_CAPBSET_READ"),
    (24, "PR_CAPBSET_DROP"),
    (27, "PR_GET_SECUREBITS"),
    (28, "PR_SET_SECUREBITS"),
    (38, "PR_SET_NO_NEW_PRIVS"),
    (39, "PR_GET_NO_NEW_PRIVS"),
    (47, "PR_CAP_AMBIENT"),
]);

/// Arguments and rule of a call that has a shim, or whose use is reported, by the kernel's name for it.
#[rustfmt::skip]
pub fn of(name: &str) -> Option<Signature> {
    use Kind::{Address, Caps, CapsOut, Dev, Fd, Gid, GidOut, Groups, GroupsOut, Hex, Int, Mode, OpenHow, Path, Small, Stat, Text, Texts, Uid, UidOut};
    let (args, rule): (&'static [Kind], &'static str) = match name {
        "getuid" | "getuid32" | "geteuid" | "geteuid32" | "getgid" | "getgid32" | "getegid" | "getegid32" => (&[], "current_cred"),
        "getresuid" | "getresuid32" => (&[UidOut, UidOut, UidOut], "current_cred"),
        "getresgid" | "getresgid32" => (&[GidOut, GidOut, GidOut], "current_cred"),
        "setuid" | "setuid32" => (&[Uid], "__sys_setuid"),
        "setreuid" | "setreuid32" => (&[Uid, Uid], "__sys_setreuid"),
        "setresuid" | "setresuid32" => (&[Uid, Uid, Uid], "__sys_setresuid"),
        "setfsuid" | "setfsuid32" => (&[Uid], "__sys_setfsuid"),
        "setgid" | "setgid32" => (&[Gid], "__sys_setgid"),
        "setregid" | "setregid32" => (&[Gid, Gid], "__sys_setregid"),
        "setresgid" | "setresgid32" => (&[Gid, Gid, Gid], "__sys_setresgid"),
        "setfsgid" | "setfsgid32" => (&[Gid], "__sys_setfsgid"),
        "getgroups" | "getgroups32" => (&[Int, GroupsOut], "groups_to_user"),
        "setgroups" | "setgroups32" => (&[Int, Groups], "may_setgroups, set_groups"),
        "capget" => (&[Hex, CapsOut], "cap_capget"),
        "capset" => (&[Hex, Caps], "cap_capset"),
        "prctl" => (&[PRCTL, Small, Small], "cap_task_prctl"),
        "execve" => (&[Path, Texts, Hex], "cap_bprm_creds_from_file"),
        "execveat" => (&[Fd, Path, Texts, Hex, AT], "cap_bprm_creds_from_file"),
        "chown" | "lchown" | "chown32" | "lchown32" => (&[Path, Uid, Gid], "chown_common, setattr_prepare"),
        "fchown" | "fchown32" => (&[Fd, Uid, Gid], "chown_common, setattr_prepare"),
        "fchownat" => (&[Fd, Path, Uid, Gid, AT], "chown_common, setattr_prepare"),
        "chmod" => (&[Path, Mode], "chmod_common, setattr_prepare"),
        "fchmod" => (&[Fd, Mode], "chmod_common, setattr_prepare"),
        "fchmodat" => (&[Fd, Path, Mode], "chmod_common, setattr_prepare"),
        "fchmodat2" => (&[Fd, Path, Mode, AT], "chmod_common, setattr_prepare"),
        "utime" | "utimes" => (&[Path, Hex], "vfs_utimes"),
        "futimesat" => (&[Fd, Path, Hex], "vfs_utimes"),
        "utimensat" | "utimensat_time64" => (&[Fd, Path, Hex, AT], "vfs_utimes"),
        "stat" | "lstat" | "stat64" | "lstat64" | "oldstat" | "oldlstat" => (&[Path, Stat], "vfs_statx"),
        "fstat" | "fstat64" | "oldfstat" => (&[Fd, Stat], "vfs_fstat"),
        "newfstatat" | "fstatat64" => (&[Fd, Path, Stat, AT], "vfs_statx"),
        "statx" => (&[Fd, Path, AT, Hex, Stat], "vfs_statx"),
        "open" => (&[Path, OPEN, Mode], "path_openat, inode_init_owner"),
        "openat" => (&[Fd, Path, OPEN, Mode], "path_openat, inode_init_owner"),
        "openat2" => (&[Fd, Path, OpenHow, Int], "path_openat, inode_init_owner"),
        "creat" => (&[Path, Mode], "path_openat, inode_init_owner"),
        "truncate" | "truncate64" => (&[Path, Int], "do_truncate, file_remove_privs"),
        "ftruncate" | "ftruncate64" => (&[Fd, Int], "do_truncate, file_remove_privs"),
        "mkdir" => (&[Path, Mode], "vfs_mkdir, inode_init_owner"),
        "mkdirat" => (&[Fd, Path, Mode], "vfs_mkdir, inode_init_owner"),
        "symlink" => (&[Path, Path], "vfs_symlink, inode_init_owner"),
        "symlinkat" => (&[Path, Fd, Path], "vfs_symlink, inode_init_owner"),
        "mknod" => (&[Path, Mode, Dev], "vfs_mknod"),
        "mknodat" => (&[Fd, Path, Mode, Dev], "vfs_mknod"),
        "bind" => (&[Fd, Address, Int], "unix_bind"),
        "socketcall" => (&[Int, Hex], "unix_bind, sk_getsockopt"),
        "unlink" => (&[Path], "vfs_unlink, may_delete"),
        "unlinkat" => (&[Fd, Path, UNLINK], "vfs_unlink, may_delete"),
        "rmdir" => (&[Path], "vfs_rmdir, may_delete"),
        "rename" => (&[Path, Path], "vfs_rename, may_delete"),
        "renameat" => (&[Fd, Path, Fd, Path], "vfs_rename, may_delete"),
        "renameat2" => (&[Fd, Path, Fd, Path, RENAME], "vfs_rename, may_delete"),
        "link" => (&[Path, Path], "may_linkat"),
        "linkat" => (&[Fd, Path, Fd, Path, AT], "may_linkat"),
        "getdents" | "getdents64" => (&[Fd, Hex, Int], "iterate_dir"),
        "mount" => (&[Path, Path, Text, MOUNT, Hex], "path_mount"),
        "fsopen" => (&[Text, Hex], "fs_context_for_mount"),
        "setxattr" | "lsetxattr" => (&[Path, Text, Hex, Int, XATTR], "vfs_setxattr, xattr_permission"),
        "fsetxattr" => (&[Fd, Text, Hex, Int, XATTR], "vfs_setxattr, xattr_permission"),
        "setxattrat" => (&[Fd, Path, AT, Text, Hex, Int], "vfs_setxattr, xattr_permission"),
        "getxattr" | "lgetxattr" => (&[Path, Text, Hex, Int], "vfs_getxattr, xattr_permission"),
        "fgetxattr" => (&[Fd, Text, Hex, Int], "vfs_getxattr, xattr_permission"),
        "getxattrat" => (&[Fd, Path, AT, Text, Hex, Int], "vfs_getxattr, xattr_permission"),
        "listxattr" | "llistxattr" => (&[Path, Hex, Int], "vfs_listxattr"),
        "flistxattr" => (&[Fd, Hex, Int], "vfs_listxattr"),
        "listxattrat" => (&[Fd, Path, AT, Hex, Int], "vfs_listxattr"),
        "removexattr" | "lremovexattr" => (&[Path, Text], "vfs_removexattr, xattr_permission"),
        "fremovexattr" => (&[Fd, Text], "vfs_removexattr, xattr_permission"),
        "removexattrat" => (&[Fd, Path, AT, Text], "vfs_removexattr, xattr_permission"),
        "clone" => (&[CLONE, Hex, Hex, Hex, Hex], "kernel_clone"),
        "clone3" => (&[Hex, Int], "kernel_clone"),
        "seccomp" => (&[Int, Hex, Hex], "seccomp_set_mode_filter"),
        "chroot" => (&[Path], "set_fs_root"),
        "pivot_root" => (&[Path, Path], "path_pivot_root"),
        "unshare" => (&[CLONE], "ksys_unshare"),
        "setns" => (&[Fd, CLONE], "validate_nsset"),
        "sched_getaffinity" => (&[Int, Int, Hex], "sched_getaffinity"),
        "sched_setaffinity" => (&[Int, Int, Hex], "sched_setaffinity"),
        "io_uring_setup" => (&[Int, Hex], "io_uring_setup"),
        "kill" | "tkill" => (&[Int, Int], "check_kill_permission"),
        "tgkill" => (&[Int, Int, Int], "check_kill_permission"),
        "rt_sigqueueinfo" => (&[Int, Int, Hex], "check_kill_permission"),
        "rt_tgsigqueueinfo" => (&[Int, Int, Int, Hex], "check_kill_permission"),
        "pidfd_send_signal" => (&[Fd, Int, Hex, Hex], "check_kill_permission"),
        "setpriority" => (&[Int, Int, Int], "set_one_prio_perm"),
        "getpriority" => (&[Int, Int], "find_user"),
        "ioprio_set" => (&[Int, Int, Hex], "set_task_ioprio"),
        "sched_setscheduler" => (&[Int, Int, Hex], "check_same_owner"),
        "sched_setparam" => (&[Int, Hex], "check_same_owner"),
        "sched_setattr" => (&[Int, Hex, Hex], "check_same_owner"),
        "prlimit64" => (&[Int, Int, Hex, Hex], "check_prlimit_permission"),
        "process_vm_readv" | "process_vm_writev" => (&[Int, Hex, Int, Hex, Int, Hex], "ptrace_may_access"),
        "kcmp" => (&[Int, Int, Int, Hex, Hex], "ptrace_may_access"),
        "pidfd_getfd" => (&[Fd, Int, Hex], "ptrace_may_access"),
        "setsockopt" => (&[Fd, Int, Int, Hex, Int], "sk_setsockopt"),
        "sendmsg" => (&[Fd, Hex, Hex], "scm_check_creds"),
        "recvmsg" => (&[Fd, Hex, Hex], "scm_recv_unix"),
        "sendmmsg" => (&[Fd, Hex, Int, Hex], "scm_check_creds"),
        "recvmmsg" | "recvmmsg_time64" => (&[Fd, Hex, Int, Hex, Hex], "scm_recv_unix"),
        "connect" => (&[Fd, Address, Int], "prepare_peercred"),
        "listen" => (&[Fd, Int], "prepare_peercred"),
        "socketpair" => (&[Int, Hex, Int, Hex], "prepare_peercred"),
        "getsockopt" => (&[Fd, Int, Int, Hex, Hex], "sk_getsockopt"),
        // Without a shim, and told of all the same.
        "ptrace" | "quotactl" | "quotactl_fd" | "keyctl" | "bpf" => (&[Int, Hex, Hex, Hex], ""),
        "setrlimit" | "semget" | "shmget" | "msgget" => (&[Int, Hex, Hex], ""),
        "add_key" | "request_key" => (&[Text, Text, Hex, Hex], ""),
        "sethostname" | "setdomainname" => (&[Text, Int], ""),
        "acct" | "swapon" => (&[Path], ""),
        _ => return None,
    };
    Some(Signature { args, rule })
}

/// Why a call may be refused with this error by our own rules, in words.
pub fn reason(name: &str, errno: Errno) -> Option<&'static str> {
    if errno == Errno::EFAULT {
        return Some("an address that cannot be reached");
    }
    let plain = name.trim_end_matches("32").trim_start_matches(['l', 'f']);
    Some(match (errno, plain) {
        (Errno::EPERM, "setuid" | "setreuid" | "setresuid") => {
            "none of the task's own ids, and no CAP_SETUID"
        }
        (Errno::EPERM, "setgid" | "setregid" | "setresgid") => {
            "none of the task's own ids, and no CAP_SETGID"
        }
        (Errno::EINVAL, _) if plain.starts_with("set") && plain.ends_with("id") => "-1 is no id",
        (Errno::EPERM, "setgroups") => "no CAP_SETGID",
        (Errno::EINVAL, "setgroups") => "too many groups, or -1 among them",
        (Errno::EPERM, "capset") => "a capability that the task may not give itself, or another task",
        (Errno::EPERM, "prctl") => "a capability or secure bit that the task may not change",
        (Errno::EPERM, "chown" | "chownat") => {
            "not the owner, or not to one of its own groups, and no CAP_CHOWN"
        }
        (Errno::EPERM, "chmod" | "chmodat" | "chmodat2") => "not the owner, and no CAP_FOWNER",
        (Errno::EPERM | Errno::EACCES, "utime" | "utimes" | "utimesat" | "utimensat") => {
            "not the owner, and no CAP_FOWNER"
        }
        (Errno::EPERM, "mknod" | "mknodat") => "no CAP_MKNOD",
        (Errno::EPERM, "unlink" | "unlinkat" | "rmdir" | "rename" | "renameat" | "renameat2") => {
            "neither the file nor its sticky directory is the task's own"
        }
        (Errno::EPERM, _) if name.starts_with("link") => {
            "a file of others that the task may not both read and write (fs.protected_hardlinks)"
        }
        (Errno::EACCES, _) if name.starts_with("open") || name == "creat" => {
            "in a sticky directory, O_CREAT opens no file that others have left there"
        }
        (Errno::EACCES, _) if plain.contains("xattr") => "the file's mode does not let the task",
        (
            Errno::EPERM,
            "kill" | "tkill" | "tgkill" | "rt_sigqueueinfo" | "rt_tgsigqueueinfo" | "pidfd_send_signal",
        ) => "another user's process, and no CAP_KILL",
        (Errno::EPERM, "prlimit64") => "another user's process, and no CAP_SYS_RESOURCE",
        (Errno::EPERM, "process_vm_readv" | "process_vm_writev" | "kcmp" | "pidfd_getfd") => {
            "another user's process, or one that is not dumpable, and no CAP_SYS_PTRACE"
        }
        (
            Errno::EPERM,
            "setpriority" | "ioprio_set" | "sched_setscheduler" | "sched_setparam" | "sched_setattr"
            | "sched_setaffinity",
        ) => "another user's task, and no CAP_SYS_NICE",
        (Errno::EPERM, _) if plain.contains("xattr") => {
            "an attribute that takes the file's owner, or CAP_SYS_ADMIN, or CAP_SETFCAP"
        }
        (Errno::ENODATA, _) if plain.contains("xattr") => "the file has no such attribute",
        (Errno::ENOSYS, "io_uring_setup") => "its operations would pass no filter",
        (Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG, _) => {
            "the path leads to nothing"
        }
        (Errno::EBADF, _) => "no such descriptor",
        (Errno::EACCES, _) => "the kernel does not let the real user there",
        (Errno::EROFS, _) => "a read-only file system",
        _ => return None,
    })
}
