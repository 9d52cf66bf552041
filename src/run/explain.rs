//! Why a guest could not be started, and what would mend it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use nix::errno::Errno;

use super::forward::tracer_of;
use super::{CANNOT_RUN, NOT_FOUND};
use crate::engine::EngineError;
use crate::sandbox::{Trouble, why};
use crate::sys::process;

/// Nothing that could be `command` exists; the word may have had an `other_meaning`.
pub fn not_found(command: &OsStr, path: Option<&OsStr>, other_meaning: Option<String>) -> Trouble {
    let command = if command.is_empty() { OsStr::new("''") } else { command }.display();
    let what = match path {
        None => format!("{command}: not found"),
        Some(path) => format!("{command}: not found in PATH ({})", path.display()),
    };
    Trouble { what, mend: other_meaning }
}

/// Nothing that could be `command` was found, and `closed`, a part of the path, could not be looked into.
pub fn not_all_searched(
    command: &OsStr,
    path: &OsStr,
    closed: Option<&Path>,
    other_meaning: Option<String>,
) -> Trouble {
    let mut trouble = not_found(command, Some(path), other_meaning);
    if let Some(closed) = closed {
        trouble.what.push_str(&format!("; {} cannot be searched: Permission denied", closed.display()));
    }
    trouble
}

/// All that could be `command` is directories.
pub fn is_directory(command: &OsStr) -> Trouble {
    let command = command.display();
    Trouble::new(format!("{command}: cannot be run: it is a directory"))
        .mended_by(format!("to have it as the root directory: remainroot --rootfs {command} -- CMD"))
}

/// The exit status, and the reason, when an existing `command` could not be executed.
pub fn exec(command: &OsStr, errno: i32) -> (i32, Trouble) {
    let command = command.display();
    let errno = Errno::from_raw(errno);
    let trouble = |what: &str| Trouble::new(format!("{command}: cannot be run: {what}"));
    match errno {
        Errno::ENOENT => (
            NOT_FOUND,
            trouble(
                "it is there, but not the interpreter that it names (its #! line, or its dynamic loader)",
            ),
        ),
        Errno::EACCES => (
            CANNOT_RUN,
            trouble("Permission denied").mended_by(format!(
                "it must be a file with execute permission (chmod +x {command}), and not on a noexec mount"
            )),
        ),
        Errno::ENOEXEC => (
            CANNOT_RUN,
            trouble("not a program that this machine can run: made for another architecture, or damaged"),
        ),
        errno => (CANNOT_RUN, trouble(why(errno))),
    }
}

/// Why the tracer could not do its work.
pub fn engine(error: EngineError) -> Trouble {
    let trouble = Trouble::new(error.to_string());
    let mend = match error {
        EngineError::Seize(libc::EPERM | libc::ENOSYS | libc::EACCES) => return ptrace_forbidden(trouble),
        EngineError::Fork(libc::EAGAIN) => {
            "the limit of processes is reached: see ulimit -u, and pids.max of the control group"
        }
        EngineError::Filter(libc::EINVAL | libc::ENOSYS) => {
            "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER), or a container forbids them"
        }
        EngineError::Filter(libc::EACCES | libc::EPERM) => {
            "a container's seccomp profile forbids it: podman run --security-opt seccomp=unconfined …"
        }
        EngineError::Proc(_) => "remainroot needs /proc: mount -t proc proc /proc",
        _ => return trouble,
    };
    trouble.mended_by(mend)
}

fn ptrace_forbidden(trouble: Trouble) -> Trouble {
    let tracer = tracer_of(process::id());
    if tracer != 0 {
        let name = fs::read_to_string(format!("/proc/{tracer}/comm")).unwrap_or_default();
        return Trouble::new(format!("{} (process {tracer}, {}, traces us)", trouble.what, name.trim()))
            .mended_by(
                "a program that is traced cannot trace others: run it outside of remainroot, strace -f or gdb; inside \
                 of remainroot, programs are root already",
            );
    }
    const SCOPE: &str = "/proc/sys/kernel/yama/ptrace_scope";
    match fs::read_to_string(SCOPE).unwrap_or_default().trim() {
        scope @ ("2" | "3") => {
            let mend = if scope == "3" {
                "this can only be undone by a restart: set kernel.yama.ptrace_scope = 1 in /etc/sysctl.d, and reboot"
            } else {
                "let an administrator allow it: sysctl -w kernel.yama.ptrace_scope=1"
            };
            Trouble::new(format!("{} (forbidden by the sysctl kernel.yama.ptrace_scope = {scope})", trouble.what))
                .mended_by(mend)
        }
        _ => trouble.mended_by(
            "a container's seccomp profile or a security module forbids ptrace: podman run --cap-add SYS_PTRACE … \
             allows it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_are_those_of_env() {
        let status = |errno| exec(OsStr::new("x"), errno).0;
        assert_eq!(status(libc::ENOENT), 127);
        for errno in [libc::EACCES, libc::ENOEXEC, libc::ETXTBSY, libc::ENOMEM] {
            assert_eq!(status(errno), 126);
        }
    }

    #[test]
    fn common_failures_say_what_mends_them() {
        for error in [
            EngineError::Seize(libc::EPERM),
            EngineError::Filter(libc::ENOSYS),
            EngineError::Fork(libc::EAGAIN),
            EngineError::Proc(libc::ENOENT),
        ] {
            assert!(engine(error).mend.is_some(), "{error}");
        }
    }
}
