//! The real runtime: which one it is, and running it.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{AccessFlags, Pid, access};

use crate::sandbox::{Trouble, why_io};
use crate::sys::process::{self, Fork, exec, exit_now, fork};
use crate::sys::{inherit, signal};

/// The variable that names the runtime.
pub const VARIABLE: &str = "REMAINROOT_RUNTIME";

/// Those that are known.
pub const KNOWN: [&str; 3] = ["crun", "runc", "youki"];

/// How control groups are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroups {
    /// Those of one version, or none.
    OneKind,
    /// Those of version 1, and of version 2 beside them: crun refuses to start ("cgroups in hybrid mode not supported",
    /// its `libcrun_get_cgroup_mode`).
    Hybrid,
}

/// How they are mounted here: where systemd, and crun after it, look for them.
pub fn cgroups() -> Cgroups {
    let is_second =
        |place: &str| statfs(place).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC);
    match (is_second("/sys/fs/cgroup"), is_second("/sys/fs/cgroup/unified")) {
        (false, true) => Cgroups::Hybrid,
        _ => Cgroups::OneKind,
    }
}

/// Those that are looked for, in order: one that would refuse to start comes last.
const fn in_order(cgroups: Cgroups) -> [&'static str; 3] {
    match cgroups {
        Cgroups::OneKind => KNOWN,
        Cgroups::Hybrid => ["runc", "youki", "crun"],
    }
}

/// How a runtime ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an exit status.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

/// The runtime that was named: on the command line, by the environment, or by the link that we were called as; else the
/// first known one, and crun last where it would refuse to start.
///
/// # Errors
/// What was looked for, and where.
pub fn find(said: Option<&OsStr>, link: Option<&str>) -> Result<PathBuf, Trouble> {
    let variable = env::var_os(VARIABLE).filter(|value| !value.is_empty());
    let ours = env::current_exe().and_then(fs::canonicalize).ok();
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> =
        env::split_paths(&path).chain(["/usr/sbin", "/usr/bin", "/sbin"].map(PathBuf::from)).collect();
    let (names, how): (Vec<&OsStr>, _) = match (said, &variable, link) {
        (Some(said), ..) => (vec![said], "--runtime-path"),
        (None, Some(said), _) => (vec![said], VARIABLE),
        (None, None, Some(link)) => (vec![OsStr::new(link)], "the name that this was called by"),
        (None, None, None) => (in_order(cgroups()).into_iter().map(OsStr::new).collect(), ""),
    };
    let can_run = |path: &PathBuf| access(path, AccessFlags::X_OK).is_ok() && path.is_file();
    for name in &names {
        let in_path = dirs.iter().map(|dir| dir.join(name));
        let mut places: Box<dyn Iterator<Item = PathBuf>> = if name.as_bytes().contains(&b'/') {
            Box::new([PathBuf::from(name)].into_iter())
        } else {
            Box::new(in_path)
        };
        // A link to us would call itself for ever.
        let is_other = |path: &PathBuf| fs::canonicalize(path).ok() != ours;
        if let Some(found) = places.find(|path| can_run(path) && is_other(path)) {
            return Ok(found);
        }
    }
    let names = names.join(OsStr::new(", ")).display().to_string();
    let what = match how {
        "" => format!("no container runtime found: none of {names} is in PATH"),
        how => format!("the container runtime {names} (from {how}) is not there or cannot be executed"),
    };
    Err(Trouble::new(what)
        .mended_by(format!("install one, or name it: --runtime-path PATH, or the variable {VARIABLE}")))
}

/// Becomes the runtime. Returns only if that fails.
pub fn replace(runtime: &Path, words: &[OsString]) -> Trouble {
    let (path, argv) = strings(runtime, words);
    inherit::restore();
    failed(runtime, exec(&path, &argv, &environment()))
}

/// Runs it, and waits. Signals that somebody sends to us are meant for it.
///
/// # Errors
/// Why it could not be run.
pub fn and_wait(runtime: &Path, words: &[OsString]) -> Result<End, Trouble> {
    let (path, argv) = strings(runtime, words);
    let mask = signal::set_mask(&signal::all());
    inherit::wait_for_children();
    let signals = signal::descriptor().map_err(|errno| failed(runtime, errno))?;
    let child = match fork() {
        Ok(Fork::Child) => {
            signal::set_mask(&mask);
            inherit::restore();
            let errno = exec(&path, &argv, &environment());
            crate::tell!("{}", failed(runtime, errno));
            exit_now(127)
        }
        Ok(Fork::Parent(child)) => child,
        Err(errno) => return Err(failed(runtime, errno)),
    };
    loop {
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        // Nothing but EINTR and a lack of memory can fail here, and both pass.
        let _ = poll(&mut fds, PollTimeout::NONE);
        while let Some(info) = signal::next(signals.as_fd()) {
            // Those that the terminal sends reach it by themselves.
            if info.ssi_signo as i32 != libc::SIGCHLD && info.ssi_code <= 0 {
                let _ = signal::kill(child, info.ssi_signo as i32);
            }
        }
        let end = match waitpid(Pid::from_raw(child), Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(_, code)) => End::Code(code),
            Ok(WaitStatus::Signaled(_, killer, _)) => End::Signal(killer as i32),
            // As one job: who continues us does so with it, for the terminal's signals go to both.
            Ok(WaitStatus::Stopped(..)) => {
                let _ = signal::kill(process::id(), libc::SIGSTOP);
                let _ = signal::kill(child, libc::SIGCONT);
                continue;
            }
            Ok(_) => continue,
            Err(errno) => return Err(failed(runtime, errno as i32)),
        };
        signal::set_mask(&mask);
        return Ok(end);
    }
}

/// What it prints on standard output, if it succeeds.
pub fn ask(runtime: &Path, words: &[OsString]) -> Option<Vec<u8>> {
    let output =
        std::process::Command::new(runtime).args(words).stdin(std::process::Stdio::null()).output().ok()?;
    output.status.success().then_some(output.stdout)
}

fn strings(runtime: &Path, words: &[OsString]) -> (CString, Vec<CString>) {
    // Words of a command line and paths that were found cannot hold a NUL.
    let string = |word: &OsStr| CString::new(word.as_bytes()).unwrap_or_default();
    let argv = [runtime.as_os_str()].into_iter().chain(words.iter().map(OsString::as_os_str));
    (string(runtime.as_os_str()), argv.map(string).collect())
}

/// The present environment. `LISTEN_PID` (sd_listen_fds(3)) names the process that sockets are meant for: it goes to the
/// process that calls this.
fn environment() -> Vec<CString> {
    let variable = |(name, value): (OsString, OsString)| {
        let value = if name == "LISTEN_PID" { process::id().to_string().into() } else { value };
        CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
    };
    env::vars_os().filter_map(variable).collect()
}

fn failed(runtime: &Path, errno: i32) -> Trouble {
    let why = why_io(&std::io::Error::from_raw_os_error(errno));
    Trouble::new(format!("cannot run the container runtime {}: {why}", runtime.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_would_refuse_comes_last() {
        for cgroups in [Cgroups::OneKind, Cgroups::Hybrid] {
            let mut all = in_order(cgroups);
            assert_eq!(
                all.iter().position(|name| *name == "crun"),
                Some(if cgroups == Cgroups::Hybrid { 2 } else { 0 })
            );
            all.sort_unstable();
            let mut known = KNOWN;
            known.sort_unstable();
            assert_eq!(all, known);
        }
    }
}
