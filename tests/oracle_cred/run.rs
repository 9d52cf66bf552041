//! Runs the guest program (tests/guests/cred.c) in its worlds.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use remainroot_shims::abi::Abi;

use super::script::{Op, script};
use super::support::{Lab, Machine, can_compile, is_root, skipped};

/// What a sequence prints, a line for each operation.
pub type Lines = Vec<String>;

/// Where sequences run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Natively, as real root.
    Kernel,
    /// By remainroot, as a user without privileges.
    Remainroot,
}

impl Display for World {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            World::Kernel => "kernel",
            World::Remainroot => "remainroot",
        })
    }
}

/// What comes while a guest program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Nothing.
    Calm,
    /// SIGALRM, every millisecond.
    Alarms,
}

/// The guest program, built, with a directory in each world.
pub struct Bench {
    /// The interface that the guest program calls the kernel by.
    pub abi: Abi,
    /// The worlds to compare.
    pub worlds: Vec<World>,
    /// The capabilities of real root here, who may have fewer than all (in a container): sequences start with these
    /// in every world.
    pub mask: u64,
    /// What comes meanwhile.
    pub weather: Weather,
    lab: Lab,
    guest: PathBuf,
    homes: [PathBuf; 2],
}

impl Bench {
    /// Builds the guest program; `None` if this machine cannot, which has been said.
    pub fn new(test: &str, abi: Abi, worlds: &[World], weather: Weather) -> Option<Bench> {
        if !is_root() {
            skipped(test, "only real root can ask the kernel what it does for real root");
            return None;
        }
        let machine = match abi {
            Abi::X86_64 => Machine::X86_64,
            Abi::I386 => Machine::I386,
        };
        if !can_compile(test, machine) {
            return None;
        }
        let lab = Lab::new();
        let guest = lab.guest("cred", machine);
        let native = lab.path().join("native");
        fs::create_dir(&native).expect("a new directory");
        let homes = [native, lab.home("home")];
        Some(Bench { abi, worlds: worlds.to_vec(), mask: own_caps(), weather, lab, guest, homes })
    }

    /// Runs sequences, and gives what each printed.
    pub fn run(&self, world: World, sequences: &[Vec<Op>]) -> Vec<Lines> {
        let home = &self.homes[world as usize];
        let path = home.join("script");
        fs::write(&path, script(self.abi, self.mask, sequences)).expect("a script");
        let mut command = match world {
            World::Kernel => Command::new("timeout"),
            World::Remainroot => self.lab.unprivileged("timeout"),
        };
        if self.weather == Weather::Alarms {
            command.env("ALARMS", "1");
        }
        // A guest that hangs is a difference too.
        command.args(["--kill-after=5", "300"]);
        if world == World::Remainroot {
            command.arg(self.lab.remainroot()).arg("--");
        }
        let output = command.arg(&self.guest).arg(&path).current_dir(home).stdin(Stdio::null()).output();
        let output = output.expect("timeout runs");
        let mut found: Vec<Lines> = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            match (line, found.last_mut()) {
                ("s", _) => found.push(Lines::new()),
                (line, Some(lines)) => lines.push(line.to_owned()),
                (line, None) => panic!("the guest printed {line:?} before its first sequence"),
            }
        }
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            found.len() == sequences.len() && output.status.success(),
            "{world}: {} of {} sequences, {}: {told}\nthe last one: {:#?}",
            found.len(),
            sequences.len(),
            output.status,
            found.last().zip(sequences.get(found.len().saturating_sub(1))),
        );
        found
    }
}

/// The effective capabilities of this process.
fn own_caps() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("a CapEff line");
    u64::from_str_radix(line.trim(), 16).expect("a number in hex")
}
