//! Bad days: tasks killed at random moments, many at once, many in a row. Nothing hangs, nobody is left behind, nothing
//! is told on stderr, the store is intact, and the tracer has no more in the end than it had before.
//!
//! Short by default. `REMAINROOT_STRESS_KILLS`, `_TASKS` and `_PROCESSES` say how many, `REMAINROOT_STRESS_SEED`
//! repeats a run.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::{fs, thread, time};

use support::{Lab, Machine, can_compile, chance};

/// Seconds that a scenario may take at the most.
const LIMIT: &str = "1800";

/// A scenario on its way.
struct Scenario {
    lab: Lab,
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

/// What a tracer has.
#[derive(Debug)]
struct Holdings {
    /// Kilobytes of memory of its own.
    memory: i64,
    descriptors: usize,
}

impl Scenario {
    fn start(test: &str, args: &[&str]) -> Option<Scenario> {
        if !can_compile(test, Machine::X86_64) {
            return None;
        }
        let lab = Lab::new();
        let guest = lab.guest("stress", Machine::X86_64);
        let mut command = lab.unprivileged("timeout");
        command.current_dir(lab.home("home")).args(["--kill-after=5", LIMIT]).arg(lab.remainroot());
        command.args(["--store", "../state", "--"]).arg(guest).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("timeout runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Some(Scenario { lab, child, lines })
    }

    fn line(&mut self) -> String {
        self.lines.next().map(|line| line.expect("text")).unwrap_or_default()
    }

    /// Where the guest says "look": what its tracer has then. The guest goes on.
    fn look(&mut self) -> Holdings {
        assert_eq!(self.line(), "look");
        let holdings = self.holdings();
        self.child.stdin.as_mut().expect("a pipe").write_all(b"\n").expect("the guest reads");
        holdings
    }

    /// The tracer is the one process from the lab that traces; the guest's TracerPid names it.
    fn holdings(&self) -> Holdings {
        let guest = self.lab.path().join("stress-X86_64");
        let output = Command::new("pgrep").arg("-of").arg(format!("^{}", guest.display())).output();
        let guest = String::from_utf8(output.expect("pgrep runs").stdout).expect("a number");
        let tracer = field(
            &fs::read_to_string(format!("/proc/{}/status", guest.trim())).expect("status"),
            "TracerPid:",
        );
        // Threads that help with slow files end by themselves; the allocator returns nothing before they have.
        thread::sleep(time::Duration::from_millis(50));
        let status = fs::read_to_string(format!("/proc/{tracer}/status")).expect("the tracer's status");
        let descriptors =
            fs::read_dir(format!("/proc/{tracer}/fd")).expect("the tracer's descriptors").count();
        Holdings { memory: field(&status, "RssAnon:"), descriptors }
    }

    /// The last line, and nothing else: no word on stderr, nobody left behind, a good store.
    fn ends(mut self, last: &str) {
        let line = self.line();
        let output = self.child.wait_with_output().expect("it ends");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((line.as_str(), error.as_str(), output.status.code()), (last, "", Some(0)));
        nobody_is_left(&self.lab);
        verify(&self.lab);
    }
}

/// Waits until no process runs a program from the lab any more.
fn nobody_is_left(lab: &Lab) {
    for patience in (0..600).rev() {
        let output = Command::new("pgrep").arg("-af").arg(lab.path()).output().expect("pgrep runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let left: Vec<&str> = text.lines().filter(|line| !line.contains("pgrep")).collect();
        if left.is_empty() {
            return;
        }
        assert!(patience > 0, "left behind: {left:?}");
        thread::sleep(time::Duration::from_millis(50));
    }
}

/// A store that is intact.
fn verify(lab: &Lab) {
    owners(lab, "verify");
}

fn owners(lab: &Lab, what: &str) {
    let output = lab.command().args(["owners", what, "--store", "state", "home"]).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn field(status: &str, name: &str) -> i64 {
    let value = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    value.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn guests_killed_at_any_moment() {
    let seed = chance::seed("REMAINROOT_STRESS_SEED");
    let kills = chance::number("REMAINROOT_STRESS_KILLS").unwrap_or(300);
    eprintln!("REMAINROOT_STRESS_SEED={seed}");
    let args = ["kills", &seed.to_string(), &kills.to_string()];
    let Some(scenario) = Scenario::start("guests_killed_at_any_moment", &args) else { return };
    scenario.ends(&format!("killed {kills}"));
}

/// remainroot itself killed, its front or its tracer, while guests die and are born: the tree dies with it.
#[test]
fn remainroot_killed_at_any_moment() {
    if !can_compile("remainroot_killed_at_any_moment", Machine::X86_64) {
        return;
    }
    let seed = chance::seed("REMAINROOT_STRESS_SEED");
    let rounds = chance::number("REMAINROOT_STRESS_OWN_KILLS").unwrap_or(20);
    eprintln!("REMAINROOT_STRESS_SEED={seed}");
    let lab = Lab::new();
    let guest = lab.guest("stress", Machine::X86_64);
    let home = lab.home("home");
    for round in 0..rounds {
        let number = seed.wrapping_add(round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut command = lab.command();
        command.current_dir(&home).args(["--store", "../state", "--"]).arg(&guest);
        command.args(["kills", &number.to_string(), "1000000"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut front = command.spawn().expect("it starts");
        thread::sleep(time::Duration::from_micros(number >> 32 & 0xffff));
        let tracer =
            Command::new("pgrep").args(["-P", &front.id().to_string()]).output().expect("pgrep runs");
        let tracer = String::from_utf8_lossy(&tracer.stdout).lines().next().and_then(|pid| pid.parse().ok());
        let victim = match tracer {
            Some(tracer) if number >> 63 == 1 => tracer,
            _ => front.id() as i32,
        };
        // It may have gone by itself only if it never came to run anything.
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(victim), nix::sys::signal::Signal::SIGKILL)
            .expect("the victim is there");
        front.wait().expect("it ends");
        nobody_is_left(&lab);
        // The last change of a file may be in one of index and attribute alone. The next makes it whole.
        owners(&lab, "repair");
        let mut command = lab.command();
        command.args(["--store", "state", "--", "chown", "-hR", "5:6", "home"]);
        let output = command.output().expect("it runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        verify(&lab);
    }
}

#[test]
fn many_tasks_at_once() {
    let tasks = chance::number("REMAINROOT_STRESS_TASKS").unwrap_or(2000);
    let Some(mut scenario) = Scenario::start("many_tasks_at_once", &["crowd", &tasks.to_string()]) else {
        return;
    };
    let (before, during) = (scenario.look(), scenario.look());
    let each = (during.memory - before.memory) as f64 / tasks as f64;
    eprintln!("before {before:?}, with {tasks} tasks {during:?}: {each:.2} KiB each");
    assert!(each <= 2.0, "{each} KiB for each task");
    scenario.ends(&format!("crowd {tasks}"));
}

#[test]
fn many_processes_in_a_row() {
    let processes = chance::number("REMAINROOT_STRESS_PROCESSES").unwrap_or(4000);
    let args = ["short", &processes.to_string()];
    let Some(mut scenario) = Scenario::start("many_processes_in_a_row", &args) else { return };
    let (early, late) = (scenario.look(), scenario.look());
    eprintln!("after {}: {early:?}, after {processes}: {late:?}", processes / 4);
    assert!(late.memory - early.memory <= 256, "{} KiB more", late.memory - early.memory);
    assert_eq!(late.descriptors, early.descriptors);
    scenario.ends(&format!("ended {processes}"));
}
