//! A person at a terminal: a pseudo-terminal, something typed, something awaited.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;

use crate::LIMIT;

/// A terminal with a session in it.
pub struct Terminal {
    master: Option<File>,
    /// The path of the terminal.
    pub name: String,
    seen: Arc<Mutex<String>>,
    /// Up to where it was looked at.
    read: usize,
    child: Child,
    /// Who collects what is seen, and how to stop that.
    reader: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Terminal {
    /// Runs `command` as the leader of a new session on a new terminal.
    pub fn run(command: &Command) -> Terminal {
        // Closed on exec from the start: a program of another test's that held the terminal would keep it alive.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).expect("a terminal");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname_r(&master).expect("its name");
        let slave_end = nix::fcntl::open(name.as_str(), flags, Mode::empty()).expect("the terminal");
        let master = File::from(OwnedFd::from(master));
        // The unprivileged user opens it by name, too.
        std::os::unix::fs::chown(&name, Some(crate::support::NOBODY_WE_KNOW), None).expect("chown");
        let slave = || slave_end.try_clone().expect("a descriptor");
        let mut session = copy(command);
        session.stdin(slave()).stdout(slave()).stderr(slave());
        session.env("TERM", "dumb").env("PS1", "outer$ ").env("PATH", "/usr/bin:/bin").env_remove("HISTFILE");
        let child = session.spawn().expect("setsid runs");
        drop(session);
        let seen = Arc::new(Mutex::new(String::new()));
        let reader = master.try_clone().expect("a descriptor");
        let stop = Arc::new(AtomicBool::new(false));
        let reader = Some((stop.clone(), collect(reader, seen.clone(), stop)));
        Terminal { master: Some(master), name, seen, read: 0, child, reader }
    }

    /// Types, without a newline.
    pub fn keys(&mut self, keys: &str) {
        self.master.as_mut().expect("not hung up").write_all(keys.as_bytes()).expect("typing");
    }

    /// Types a line.
    pub fn line(&mut self, text: &str) {
        self.keys(&format!("{text}\n"));
    }

    /// Waits until `text` appears after what was awaited before, and returns what came until then.
    pub fn expect(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let seen = self.seen.lock().expect("a reader that lives").clone();
            if let Some(at) = seen[self.read..].find(text) {
                let until = seen[self.read..self.read + at].to_owned();
                self.read += at + text.len();
                return until;
            }
            assert!(start.elapsed() < LIMIT, "no {text:?} in {:?}", &seen[self.read..]);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Types a command at the outer prompt, and returns what it printed.
    pub fn outer(&mut self, command: &str) -> String {
        self.line(command);
        self.expect("\n");
        self.expect("outer$ ").replace("\r\n", "\n")
    }

    /// Takes the terminal away.
    pub fn hang_up(&mut self) {
        self.master = None;
        if let Some((stop, reader)) = self.reader.take() {
            stop.store(true, Ordering::Relaxed);
            reader.join().expect("a reader that lives");
        }
    }

    /// Waits for the session's leader. Bounded by its own doings.
    pub fn end(mut self) -> std::process::ExitStatus {
        self.child.wait().expect("a child")
    }
}

/// `setsid --ctty` before the command, with its user, directory and environment.
fn copy(command: &Command) -> Command {
    use std::os::unix::process::CommandExt;
    let mut copy = Command::new("setsid");
    copy.arg("--ctty").arg(command.get_program()).args(command.get_args());
    if crate::support::is_root() {
        copy.uid(crate::support::NOBODY_WE_KNOW).gid(crate::support::NOBODY_WE_KNOW);
    }
    if let Some(dir) = command.get_current_dir() {
        copy.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    copy
}

fn collect(mut master: File, seen: Arc<Mutex<String>>, stop: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while !stop.load(Ordering::Relaxed) {
            let mut fds = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, 20u16) == Ok(0) {
                continue;
            }
            let Ok(length @ 1..) = master.read(&mut buffer) else { return };
            seen.lock().expect("a reader that lives").push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    })
}
