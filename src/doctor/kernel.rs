//! What the kernel, and whoever stands before it, lets us do.

use std::io::{Read, Write};

use nix::errno::Errno;
use nix::sys::utsname::uname;
use remainroot_shims::table::{Needs, ROWS};

use super::attempt::attempt;
use super::{Finding, Level};
use crate::bpf;
use crate::engine::EngineError;
use crate::run::engine_trouble;
use crate::sandbox::{Sandbox, Trouble, UserNs, why};
use crate::sys::process::{Fork, exit_now, fork};
use crate::sys::ptrace::{self, Lost, Resume, Status, Stop, SyscallStop, Wait};
use crate::sys::{fd, mem, seccomp, signal};

/// The kernel that first has all that the engine needs: `PTRACE_GET_SYSCALL_INFO`.
const NEEDED: (u32, u32) = (5, 3);
/// The one that has what `--rootfs` needs: openat2.
const FOR_ROOTFS: (u32, u32) = (5, 6);

/// Release and architecture.
pub fn release() -> (String, String) {
    uname().map_or_else(
        |_| ("unknown".to_owned(), "unknown".to_owned()),
        |name| (name.release().to_string_lossy().into_owned(), name.machine().to_string_lossy().into_owned()),
    )
}

/// The first two numbers of a release.
fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Whether the kernel is new enough.
pub fn version(release: &str, machine: &str) -> Finding {
    let what = format!("Linux {release}, {machine}");
    let finding = match numbers(release) {
        Some(now) if now < NEEDED => Finding::new("kernel", Level::Fail, format!("{what}: too old")),
        Some(now) if now < FOR_ROOTFS => Finding::warn("kernel", format!("{what}: too old for --rootfs")),
        _ => return Finding::ok("kernel", what),
    };
    finding.fixed_by("Linux 5.6 or newer")
}

/// Whether /proc is there, and shows us.
pub fn proc() -> Finding {
    let id = "proc";
    match std::fs::read_link("/proc/self").ok().and_then(|link| link.to_str()?.parse::<i32>().ok()) {
        Some(shown) if shown == crate::sys::process::id() => Finding::ok(id, "/proc is mounted"),
        Some(_) => Finding::new(id, Level::Fail, "/proc is that of another pid namespace")
            .fixed_by("mount the namespace's own: mount -t proc proc /proc"),
        None => Finding::new(id, Level::Fail, "/proc is not mounted").fixed_by("mount -t proc proc /proc"),
    }
}

fn sandbox(rootfs: Option<&std::path::Path>) -> Sandbox {
    Sandbox { userns: UserNs::Auto, rootfs: rootfs.map(Into::into), binds: Vec::new(), workdir: None }
}

/// Which user namespace we are in.
fn own_namespace() -> Option<std::path::PathBuf> {
    std::fs::read_link("/proc/self/ns/user").ok()
}

/// Whether a run gets a user namespace.
pub fn namespace() -> Finding {
    let before = own_namespace();
    let tried = attempt(|| {
        let terms = sandbox(None).enter(&[]).map_err(Trouble::from)?.terms;
        let what = if own_namespace() != before {
            "one can be made, with one uid and one gid"
        } else if terms.world.dac_override {
            "the present one is kept: we are its root"
        } else {
            "the present one is kept: we are its root in name, without capabilities; chroot(2) is refused in it"
        };
        Ok(what.to_owned())
    });
    const NO_NEED: &str = "subordinate ids (/etc/subuid, newuidmap) are not needed";
    match tried {
        Ok(what) => Finding::ok("user-namespaces", format!("{what}; {NO_NEED}")),
        Err(Trouble { what, mend }) => {
            let mend = mend.map(|mend| mend.strip_prefix("or ").map(str::to_owned).unwrap_or(mend));
            Finding::trouble("user-namespaces", Level::Fail, Trouble { what, mend })
        }
    }
}

/// A new directory, in one that can be written to where /tmp cannot. `Err` is the first that was tried, and why not there.
fn new_directory() -> Result<std::path::PathBuf, (std::path::PathBuf, Errno)> {
    let place = std::env::temp_dir();
    let make = |place: &std::path::Path| nix::unistd::mkdtemp(&place.join("remainroot-doctor-XXXXXX"));
    make(&place).or_else(|errno| {
        let others = ["/dev/shm", "/var/tmp"].into_iter().map(std::path::Path::new);
        others.into_iter().find_map(|place| make(place).ok()).ok_or((place, errno))
    })
}

/// Whether a root directory can be set up as `--rootfs` does it: in a new directory, which is removed.
/// It takes `namespace`, as tried.
pub fn mounts(namespace: Level) -> Finding {
    let id = "mounts";
    if namespace == Level::Fail {
        return Finding::new(
            id,
            Level::Fail,
            "--rootfs and --bind need the user namespace that cannot be made",
        )
        .fixed_by("what mends user-namespaces");
    }
    let dir = match new_directory() {
        Ok(dir) => dir,
        Err((place, errno)) => {
            return Finding::warn(id, format!("not tried: {}: {}", place.display(), why(errno)))
                .fixed_by("TMPDIR=DIR remainroot doctor, with a directory that can be written to");
        }
    };
    let tried = std::fs::write(dir.join("program"), "")
        .map_err(|error| Trouble::new(error.to_string()))
        .and_then(|()| {
            attempt(|| {
                let inside = sandbox(Some(&dir)).enter(&["/program".into()]).map_err(Trouble::from)?;
                match std::fs::metadata("/proc/self/status") {
                    Ok(_) => {
                        drop(inside);
                        Ok(String::new())
                    }
                    Err(error) => Err(Trouble::new(format!("/proc in a new root is empty: {error}"))),
                }
            })
        });
    // It is ours alone, and all mounts in it have gone with the child.
    let _ = std::fs::remove_dir_all(&dir);
    match tried {
        Ok(_) => {
            Finding::ok(id, "a directory can be made the root, with /proc, /sys and /dev (--rootfs, --bind)")
        }
        Err(trouble) => {
            let mend =
                trouble.mend.unwrap_or_else(|| "without --rootfs and --bind, programs can be run".to_owned());
            Finding::new(id, Level::Fail, format!("--rootfs and --bind cannot work: {}", trouble.what))
                .fixed_by(mend)
        }
    }
}

/// Whether a run's own filter can be installed, and be given to threads later.
pub fn filters() -> Vec<Finding> {
    let id = "seccomp";
    let tried = attempt(|| {
        ready_for_filter()?;
        // The filter stops a second call by which one is installed: this one must be the first.
        let Err(errno) = seccomp::install_for_all_threads(&program()) else { return Ok(String::new()) };
        seccomp::install(&program()).map_err(|errno| engine_trouble(EngineError::Filter(errno)))?;
        Ok(why(Errno::from_raw(errno)).to_owned())
    });
    vec![match tried {
        Ok(sync) if sync.is_empty() => {
            Finding::ok(id, "filters can be installed, and given to all threads (TSYNC)")
        }
        Ok(why) => Finding::warn(
            id,
            format!(
                "filters can be installed, but not be given to all threads (TSYNC: {why}): where a thread of many drops \
                 root, its process is slow from then on"
            ),
        )
        .fixed_by("Linux 3.17 or newer, and a container profile that lets seccomp(2) through"),
        Err(trouble) => Finding::trouble(id, Level::Fail, trouble),
    }]
}

/// As a run: in its namespace, where that is possible, or with no_new_privs.
fn ready_for_filter() -> Result<(), Trouble> {
    let has_right = sandbox(None).enter(&[]).is_ok_and(|inside| !inside.terms.set_no_new_privs);
    if has_right {
        return Ok(());
    }
    seccomp::set_no_new_privs().map_err(|errno| engine_trouble(EngineError::NoNewPrivs(errno)))
}

fn program() -> Vec<seccomp::Insn> {
    let insns = bpf::program(&ROWS, bpf::Scope::first(Needs::ALWAYS));
    insns
        .into_iter()
        .map(|insn| seccomp::Insn { code: insn.code, jt: insn.jt, jf: insn.jf, k: insn.k })
        .collect()
}

/// What a traced child tells by its exit status.
const ANSWERED: i32 = 0;

/// What the tracer answers in the kernel's stead.
const ANSWER: u64 = 4242;

/// Whether a child that has the filter can be traced, stops at its calls, and can be answered.
pub fn tracing() -> Finding {
    let id = "ptrace";
    let tried = attempt(|| {
        // Whether that works is another finding.
        let _ = ready_for_filter();
        let (child, mut go) = traced_child(|| {
            seccomp::install(&program()).is_ok() && nix::unistd::getuid().as_raw() == ANSWER as u32
        })?;
        ptrace::seize(child).map_err(|lost| {
            let _ = signal::kill(child, libc::SIGKILL);
            engine_trouble(EngineError::Seize(errno_of(lost)))
        })?;
        let _ = go.write_all(&[1]);
        serve(child).map_err(|what| Trouble::new(format!("a traced process did not stop as it should: {what}")).mended_by(
            "a filter of the container's answers before ours (seccomp), or the kernel is too old (Linux 5.3 is needed)",
        ))?;
        Ok(String::new())
    });
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let yama = match scope.trim() {
        "" => "no Yama".to_owned(),
        scope => format!("kernel.yama.ptrace_scope = {scope}"),
    };
    match tried {
        Ok(_) => Finding::ok(id, format!("calls of programs that we start can be answered ({yama})")),
        Err(trouble) => Finding::trouble(id, Level::Fail, trouble),
    }
}

fn errno_of(lost: Lost) -> i32 {
    match lost {
        Lost::Gone => libc::ESRCH,
        Lost::Errno(errno) => errno,
    }
}

/// A child that does `work` when told to go; its exit status says whether that came out as it should.
fn traced_child(work: impl FnOnce() -> bool) -> Result<(i32, std::io::PipeWriter), Trouble> {
    let (mut wait, go) = std::io::pipe().map_err(|error| Trouble::new(error.to_string()))?;
    match fork().map_err(|errno| engine_trouble(EngineError::Fork(errno)))? {
        Fork::Child => {
            drop(go);
            crate::sys::process::die_with_parent();
            let told = wait.read_exact(&mut [0]).is_ok();
            exit_now(if told && work() { ANSWERED } else { 1 })
        }
        Fork::Parent(child) => Ok((child, go)),
    }
}

/// Answers the child's getuid, and lets it come to its end.
fn serve(child: i32) -> Result<(), String> {
    let ptrace = |lost: Lost| why(Errno::from_raw(errno_of(lost))).to_owned();
    let mut answered = false;
    loop {
        match ptrace::wait() {
            Wait::Task(tid, Status::Stopped(stop)) if tid == child => {
                if stop == Stop::Seccomp {
                    let info = ptrace::syscall_info(child).map_err(ptrace)?;
                    let SyscallStop::Seccomp { nr, .. } = info else {
                        return Err("PTRACE_GET_SYSCALL_INFO knows nothing of the filter's stop".to_owned());
                    };
                    if nr == libc::SYS_getuid as u64 {
                        crate::arch::skip_call(child, ANSWER).map_err(ptrace)?;
                        answered = true;
                    }
                }
                let signal = if let Stop::Signal(signal) = stop { signal } else { 0 };
                ptrace::resume(child, Resume::Cont, signal).map_err(ptrace)?;
            }
            Wait::Task(_, Status::Exited(ANSWERED)) if answered => return Ok(()),
            Wait::Task(_, Status::Exited(_)) if answered => {
                return Err("the answer did not reach it".to_owned());
            }
            Wait::Task(_, Status::Exited(_)) => return Err("the filter did not stop it".to_owned()),
            Wait::Task(_, Status::Signaled(signal)) => {
                return Err(format!("it was killed by signal {signal}"));
            }
            Wait::Task(..) | Wait::Interrupted => {}
            Wait::Nobody => return Err("it was lost".to_owned()),
        }
    }
}

/// Whether the memory of a child can be read and written.
pub fn memory() -> Finding {
    let id = "memory";
    let tried = attempt(|| {
        let word = Box::new([7u8; 8]);
        let at = word.as_ptr() as u64;
        let (child, mut go) = traced_child(|| true)?;
        let failed = |call: &str, errno| {
            let _ = signal::kill(child, libc::SIGKILL);
            Trouble::new(format!("{call}: {}", why(Errno::from_raw(errno)))).mended_by(
                "the container's seccomp profile forbids it: podman run --cap-add SYS_PTRACE …, or a wider profile",
            )
        };
        // Yama lets the one who traces.
        let _ = ptrace::seize(child);
        let mut seen = [0; 8];
        mem::read(child, at, &mut seen).map_err(|errno| failed("process_vm_readv", errno))?;
        mem::write(child, at, &[9; 8]).map_err(|errno| failed("process_vm_writev", errno))?;
        mem::read(child, at, &mut seen).map_err(|errno| failed("process_vm_readv", errno))?;
        if seen != [9; 8] {
            return Err(Trouble::new("what was written to a child's memory is not there"));
        }
        let _ = go.write_all(&[1]);
        Ok(String::new())
    });
    match tried {
        Ok(_) if !mem::calls_are_allowed() => Finding::warn(
            id,
            "process_vm_readv or process_vm_writev is forbidden: that of programs is read and written by /proc/PID/mem, \
             which takes longer, and writes what programs have made read-only",
        )
        .fixed_by("a container profile that lets both through: podman or docker run --cap-add SYS_PTRACE …"),
        Ok(_) => Finding::ok(id, "that of programs that we start can be read and written (process_vm_readv)"),
        Err(trouble) => Finding::trouble(id, Level::Fail, trouble),
    }
}

/// Whether descriptors can be borrowed, which saves stops.
pub fn descriptors() -> Finding {
    let id = "descriptors";
    let tried = attempt(|| {
        let (child, mut go) = traced_child(|| true)?;
        let _ = ptrace::seize(child);
        let trouble = |errno| Trouble::new(why(Errno::from_raw(errno)));
        use std::os::fd::AsFd;
        let handle = fd::open_task(child).map_err(trouble)?;
        fd::borrow(handle.as_fd(), 0).map_err(trouble)?;
        let _ = go.write_all(&[1]);
        Ok(String::new())
    });
    match tried {
        Ok(_) => Finding::ok(id, "those of programs can be borrowed (pidfd_getfd)"),
        Err(trouble) => Finding::warn(
            id,
            format!("pidfd_getfd: {}: fstat and its like stop a program twice instead of once", trouble.what),
        )
        .fixed_by("Linux 5.6 or newer, and a container profile that lets pidfd_getfd(2) through"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_as_numbers() {
        assert_eq!(numbers("6.18.0-custom"), Some((6, 18)));
        assert_eq!(numbers("5.3-rc1"), Some((5, 3)));
        assert_eq!(numbers("next"), None);
        let level = |release| version(release, "x86_64").level;
        assert_eq!(
            [level("4.18.0-553.el8"), level("5.3.1"), level("5.10.0"), level("odd")],
            [Level::Fail, Level::Warn, Level::Ok, Level::Ok]
        );
    }
}
