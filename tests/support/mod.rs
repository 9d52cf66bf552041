//! What the integration tests share: a place that an unprivileged user can reach, guest programs built from C, and
//! running things as that user or natively as real root.

#![allow(dead_code)] // each test binary uses its own part

pub mod chance;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A kernel uid and gid that no passwd, subuid or subgid file knows.
pub const NOBODY_WE_KNOW: u32 = 54_321;

/// Which machine code a guest is compiled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// `cc`.
    X86_64,
    /// `cc -m32`.
    I386,
}

/// A directory that everybody can reach, with a copy of the binary under test: the build directory may be closed to
/// other users. Removed with everything in it when dropped.
pub struct Lab {
    dir: TempDir,
}

impl Lab {
    /// Makes one.
    pub fn new() -> Lab {
        // Who starts the tests in the background (`cargo test &` in a script, nohup) has them ignore these, and an
        // ignored signal is inherited: by guests whose interrupts are tested, too.
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
            // SAFETY: the default action is no handler of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        let dir = tempfile::Builder::new()
            .prefix("remainroot-test-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in("/tmp")
            .expect("a temporary directory");
        let lab = Lab { dir };
        lab.home("state");
        lab.copy(env!("CARGO_BIN_EXE_remainroot"), "remainroot");
        lab
    }

    /// Copies a program into it. By another process: a descriptor of ours that the file is written through could be
    /// inherited by a child of another test's, and keep the copy from being executed (ETXTBSY).
    pub fn copy(&self, program: &str, name: &str) -> PathBuf {
        let to = self.path().join(name);
        let status = Command::new("cp").arg(program).arg(&to).status().expect("cp runs");
        assert!(status.success(), "cannot copy {program}");
        to
    }

    /// The directory itself; only real root can write here.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The binary under test.
    pub fn remainroot(&self) -> PathBuf {
        self.path().join("remainroot")
    }

    /// A new directory that the unprivileged user owns.
    pub fn home(&self, name: &str) -> PathBuf {
        let home = self.path().join(name);
        fs::create_dir(&home).expect("a new directory");
        if is_root() {
            std::os::unix::fs::chown(&home, Some(NOBODY_WE_KNOW), Some(NOBODY_WE_KNOW)).expect("chown");
        }
        home
    }

    /// Compiles `tests/guests/NAME.c`, statically.
    pub fn guest(&self, name: &str, machine: Machine) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(format!("{name}.c"));
        let out = self.path().join(format!("{name}-{machine:?}"));
        let mut cc = Command::new("cc");
        cc.args(["-static", "-O1", "-Wall", "-Werror", "-pthread", "-o"]).arg(&out).arg(source);
        if machine == Machine::I386 {
            cc.arg("-m32");
        }
        let status = cc.status().expect("cc runs");
        assert!(status.success(), "cc cannot build {name} for {machine:?}");
        out
    }

    /// `program`, to be run by real root (or whoever runs the tests), with a store that goes with the lab.
    pub fn natively(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("XDG_STATE_HOME", self.path().join("state-of-root")).env_remove("REMAINROOT_STORE");
        command
    }

    /// `program`, to be run by the unprivileged user: by an uid without a name, without groups, with a store that goes
    /// with the lab.
    pub fn unprivileged(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.path().join("state")).env_remove("REMAINROOT_STORE");
        if is_root() {
            command.uid(NOBODY_WE_KNOW).gid(NOBODY_WE_KNOW);
        }
        command
    }

    /// `remainroot`, to be run by the unprivileged user.
    pub fn command(&self) -> Command {
        self.unprivileged(self.remainroot())
    }
}

/// Whether these tests run as real root, who can be somebody else.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// For a test that needs more than this machine has: says so by name, and fails where nothing may be skipped.
pub fn skipped(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} cannot run here: {why}");
    eprintln!("skipped: {test}: {why}");
}

/// Whether a C compiler for this machine code is there; otherwise the test is skipped by name.
pub fn can_compile(test: &str, machine: Machine) -> bool {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let source = dir.path().join("probe.c");
    fs::write(&source, "#include <stdio.h>\nint main(void) { puts(\"\"); return 0; }\n")
        .expect("a small file");
    let mut cc = Command::new("cc");
    cc.arg("-static").arg("-o").arg(dir.path().join("probe")).arg(source).stderr(Stdio::null());
    if machine == Machine::I386 {
        cc.arg("-m32");
    }
    let works = cc.status().is_ok_and(|status| status.success());
    if !works {
        skipped(test, &format!("no C compiler for static {machine:?} programs (Debian: gcc, gcc-multilib)"));
    }
    works
}
