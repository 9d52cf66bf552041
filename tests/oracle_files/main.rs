//! Files against the kernel: generated sequences of operations by several users, run natively as real root and by
//! remainroot as an unprivileged user. Both must print the same: results, errnos, owners, modes, devices, attributes.
//! A difference is shrunk to the shortest sequence that shows it.
//!
//! `REMAINROOT_ORACLE_CASES` sets the number of sequences of each test, `REMAINROOT_ORACLE_SEED` (a number that a
//! failing run prints) repeats a run.

mod differences;
mod generate;
mod grid;
#[path = "../support/mod.rs"]
mod support;

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree};

use generate::{Devices, Op};
use support::{Lab, Machine, can_compile, chance, is_root, skipped};

/// Sequences of one start of the guest program.
const BATCH: usize = 50;

/// Seconds after which a start counts as hung.
const PATIENCE: &str = "120";

/// The guest program, built, and a way to run it in both worlds.
struct Bench {
    lab: Lab,
    guest: PathBuf,
    /// Where remainroot is started.
    place: Place,
    /// What comes meanwhile.
    weather: Weather,
    /// Where a store that lasts is kept.
    store: PathBuf,
    starts: Cell<u32>,
}

/// What comes while the guest program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// Nothing.
    Calm,
    /// SIGALRM, every millisecond.
    Alarms,
}

/// Where remainroot is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On the host, so that it makes a namespace.
    Host,
    /// On the host, and told to make none.
    NoNamespace,
    /// In a namespace of one id, as its root, but without any capability.
    NoCapabilities,
    /// On the host, with a store that lasts, so that files carry their owners in attributes that nobody sees.
    Lasting,
}

impl Place {
    /// Whether the guest may mount.
    fn devices(self) -> Devices {
        match self {
            Place::Host | Place::Lasting => Devices::Covered,
            Place::NoNamespace | Place::NoCapabilities => Devices::Placeholders,
        }
    }

    /// The words that come before the guest program.
    fn words<'a>(self, remainroot: &'a str, store: &'a str) -> Vec<&'a str> {
        match self {
            Place::Host => vec![remainroot, "--store", "memory", "--"],
            Place::Lasting => vec![remainroot, "--store", store, "--"],
            Place::NoNamespace => vec![remainroot, "--userns", "none", "--"],
            Place::NoCapabilities => {
                let mut words =
                    vec!["unshare", "--user", "--map-root-user", "setpriv", "--bounding-set=-all"];
                words.extend(["--inh-caps=-all", remainroot, "--"]);
                words
            }
        }
    }
}

/// What one world printed.
type Printed = Vec<String>;

impl Bench {
    /// `None` if this machine cannot, which has been said.
    fn new(test: &str, guest: &str, machine: Machine, place: Place) -> Option<Bench> {
        if !is_root() {
            skipped(test, "the kernel's half of the comparison needs real root");
            return None;
        }
        if !can_compile(test, machine) {
            return None;
        }
        let lab = Lab::new();
        let guest = lab.guest(guest, machine);
        let store = lab.home("store");
        Some(Bench { lab, guest, place, weather: Weather::Calm, store, starts: Cell::new(0) })
    }

    /// Runs a script in a new directory of the world's. What a hung or failed start printed stands, with how it ended.
    fn run(&self, mut command: Command, world: &str, script: &str) -> String {
        let name = format!("{world}{}", self.starts.replace(self.starts.get() + 1));
        let home = if world == "native" {
            let home = self.lab.path().join(&name);
            fs::create_dir(&home).expect("a new directory");
            home
        } else {
            self.lab.home(&name)
        };
        let input = self.lab.path().join(format!("{name}.script"));
        fs::write(&input, script).expect("a script");
        if self.weather == Weather::Alarms {
            command.env("ALARMS", "1");
        }
        command.current_dir(&home).stdin(fs::File::open(&input).expect("the script")).stderr(Stdio::piped());
        let output = command.output().expect("timeout runs");
        fs::remove_dir_all(&home).expect("the directory goes");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            assert_ne!(
                world, "native",
                "the guest program failed natively: {}, script:\n{script}",
                output.status
            );
            text += &format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        text
    }

    /// What the kernel and remainroot print about a script.
    fn both(&self, script: &str) -> (String, String) {
        self.both_with(&[], script)
    }

    /// The same, of a guest program with arguments. It has mounts of its own.
    fn both_with(&self, arguments: &[&str], script: &str) -> (String, String) {
        let mut native = Command::new("timeout");
        native.args(["--kill-after=5", PATIENCE, "unshare", "--mount"]).arg(&self.guest).args(arguments);
        let mut ours = self.lab.unprivileged("timeout");
        let (remainroot, store) = (self.lab.remainroot(), self.store.to_str().expect("a plain path"));
        let words = self.place.words(remainroot.to_str().expect("a plain path"), store);
        ours.args(["--kill-after=5", PATIENCE]).args(words).arg(&self.guest).args(arguments);
        (self.run(native, "native", script), self.run(ours, "ours", script))
    }
}

/// The lines of each sequence.
fn split(text: &str) -> Vec<Printed> {
    text.split_inclusive("E\n").map(|part| part.lines().map(str::to_owned).collect()).collect()
}

/// The first line in which the two differ, beside what led there.
fn difference(script: &str, native: &Printed, ours: &Printed) -> Option<String> {
    let n = (0..native.len().max(ours.len())).find(|&n| native.get(n) != ours.get(n))?;
    let steps: Vec<&str> = script.lines().collect();
    let mark = |step: usize| if step == n.min(steps.len() - 1) { ">" } else { " " };
    let mut text: String =
        steps.iter().enumerate().map(|(step, line)| format!("  {} {line}\n", mark(step))).collect();
    let show = |lines: &Printed| lines.get(n).map_or("nothing", |line| line).to_owned();
    text += &format!("kernel:     {}\nremainroot: {}\n", show(native), show(ours));
    Some(text)
}

/// Runs one sequence in both worlds.
fn differs(bench: &Bench, script: &str) -> Option<String> {
    let (native, ours) = bench.both(script);
    difference(
        script,
        &native.lines().map(str::to_owned).collect(),
        &ours.lines().map(str::to_owned).collect(),
    )
}

/// The shortest sequence like this one that differs: proptest's simplest values, then every operation left out that
/// can be.
fn shrink(bench: &Bench, mut tree: impl ValueTree<Value = Vec<Op>>) -> String {
    let script = |ops: &[Op]| generate::script(ops, bench.place.devices());
    let test = |ops: &[Op]| differs(bench, &script(ops));
    let mut worst = tree.current();
    let Some(mut text) = test(&worst) else {
        return format!("{}(alone it did not differ again)\n", script(&worst));
    };
    let mut goes_on = tree.simplify();
    for _ in 0..200 {
        if !goes_on {
            break;
        }
        let candidate = tree.current();
        goes_on = match test(&candidate) {
            Some(difference) => {
                (worst, text) = (candidate, difference);
                tree.simplify()
            }
            None => tree.complicate(),
        };
    }
    for n in (0..worst.len()).rev() {
        let mut shorter = worst.clone();
        shorter.remove(n);
        if let Some(difference) = test(&shorter) {
            (worst, text) = (shorter, difference);
        }
    }
    text
}

/// Generated sequences agree.
fn agree(test: &str, machine: Machine, place: Place, cases: u64) {
    agree_in(Weather::Calm, test, machine, place, cases);
}

fn agree_in(weather: Weather, test: &str, machine: Machine, place: Place, cases: u64) {
    let Some(bench) = Bench::new(test, "files", machine, place) else { return };
    let bench = Bench { weather, ..bench };
    let cases = chance::number("REMAINROOT_ORACLE_CASES").unwrap_or(cases) as usize;
    let seed = chance::seed("REMAINROOT_ORACLE_SEED");
    let mut runner = chance::runner(seed);
    let strategy = generate::sequences();

    let mut done = 0;
    while done < cases {
        let count = BATCH.min(cases - done);
        let new = |_| strategy.new_tree(&mut runner).expect("the strategy filters nothing");
        let trees: Vec<_> = (0..count).map(new).collect();
        let scripts: Vec<String> =
            trees.iter().map(|tree| generate::script(&tree.current(), place.devices())).collect();
        let (native, ours) = bench.both(&scripts.concat());
        let (native, ours) = (split(&native), split(&ours));
        let nothing = Printed::new();
        for (n, (tree, script)) in trees.into_iter().zip(&scripts).enumerate() {
            let (native, ours) = (native.get(n).unwrap_or(&nothing), ours.get(n).unwrap_or(&nothing));
            if let Some(first) = difference(script, native, ours) {
                let text = shrink(&bench, tree);
                panic!("files differ (REMAINROOT_ORACLE_SEED={seed}):\n{text}\nat first sight:\n{first}");
            }
        }
        done += count;
    }
    eprintln!("{test}: {done} sequences agree (REMAINROOT_ORACLE_SEED={seed})");
}

#[test]
fn files_agree_with_the_kernel_on_x86_64() {
    agree("files_agree_with_the_kernel_on_x86_64", Machine::X86_64, Place::Host, 1000);
}

#[test]
fn files_agree_with_the_kernel_on_i386() {
    agree("files_agree_with_the_kernel_on_i386", Machine::I386, Place::Host, 1000);
}

#[test]
fn files_agree_without_a_namespace() {
    agree("files_agree_without_a_namespace", Machine::X86_64, Place::NoNamespace, 300);
}

#[test]
fn files_agree_without_capabilities() {
    agree("files_agree_without_capabilities", Machine::X86_64, Place::NoCapabilities, 300);
}

#[test]
fn files_agree_with_a_store_that_lasts() {
    agree("files_agree_with_a_store_that_lasts", Machine::X86_64, Place::Lasting, 500);
}

#[test]
fn files_agree_while_alarms_ring() {
    for machine in [Machine::X86_64, Machine::I386] {
        agree_in(Weather::Alarms, "files_agree_while_alarms_ring", machine, Place::Host, 250);
    }
    agree_in(Weather::Alarms, "files_agree_while_alarms_ring", Machine::X86_64, Place::Lasting, 250);
}

/// A listed difference that is none any more must be struck off the list.
#[test]
fn known_differences_still_differ() {
    let Some(bench) = Bench::new("known_differences_still_differ", "files", Machine::X86_64, Place::Host)
    else {
        return;
    };
    for (why, ops) in differences::KNOWN {
        let script = format!("S\n{ops}E\n");
        assert!(differs(&bench, &script).is_some(), "this agrees now, so it need not be listed: {why}");
    }
}

/// What programs rely on, once each.
#[test]
fn fixed_sequences_agree() {
    for machine in [Machine::X86_64, Machine::I386] {
        let Some(bench) = Bench::new("fixed_sequences_agree", "files", machine, Place::Host) else {
            continue;
        };
        for (what, ops) in differences::FIXED {
            if let Some(difference) = differs(&bench, &format!("S\n{ops}E\n")) {
                panic!("{what} ({machine:?}):\n{difference}");
            }
        }
    }
}

/// A change makes an overlay copy a file of its lower layer: another inode, with the same number and another birth
/// time. The owner must be that of the copy.
#[test]
fn files_of_a_lower_layer_keep_their_owners() {
    let test = "files_of_a_lower_layer_keep_their_owners";
    let lab = Lab::new();
    let home = lab.home("layers");
    let script = r#"
        mkdir lower lower/d upper work merged && echo f > lower/f && echo g > lower/g && sleep 0.05
        mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,userxattr merged || exit 77
        cd merged
        exec "$0" --userns keep -- sh -c '
            chown 33:44 f d && chmod 4755 f && chmod 2755 d && echo more >> f && touch d/x && mv g h && chown 1:2 h
            stat -c "%n %u:%g %a" d d/x f h'
    "#;
    let mut command = lab.unprivileged("timeout");
    command.args(["60", "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]);
    let output = command.arg(lab.remainroot()).current_dir(home).output().expect("timeout runs");
    if output.status.code() == Some(77) {
        return skipped(test, "no overlays in user namespaces (Linux 5.11)");
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out, "d 33:44 2755\nd/x 0:44 644\nf 33:44 4755\nh 1:2 644\n", "{err}");
}
