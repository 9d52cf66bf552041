//! Owners that last: in the next run, for others at the same time, after a kill, in copies; and what happens where they
//! cannot be kept. Everything runs as an unprivileged user.

mod carried;
mod disks;
mod full;
mod overlay;
mod prune;
#[path = "../support/mod.rs"]
mod support;
mod trouble;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::{Lab, Machine, can_compile, skipped};

/// A lab with a directory of the user's, in which a store is and a tree.
struct Home {
    lab: Lab,
    dir: PathBuf,
}

impl Home {
    fn new() -> Home {
        let lab = Lab::new();
        let dir = lab.home("home");
        Home { lab, dir }
    }

    /// remainroot with a store in the directory, which is also where it starts.
    fn command(&self) -> Command {
        let mut command = self.lab.command();
        command.current_dir(&self.dir).arg("--store").arg(self.dir.join("store"));
        command
    }

    /// Runs a script as root: what it printed.
    fn run(&self, script: &str) -> String {
        succeeds(self.command().args(["--", "sh", "-c", script]))
    }

    /// Runs a script as the user that is not root.
    fn natively(&self, script: &str) -> String {
        succeeds(self.lab.unprivileged("sh").current_dir(&self.dir).args(["-c", script]))
    }
}

/// What a command prints that must succeed and say nothing on stderr.
fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && err.is_empty(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

#[test]
fn the_next_run_sees_it() {
    let home = Home::new();
    home.run(
        "touch f; chown 33:44 f; chmod 4755 f; ln -s f l; chown -h 5:6 l; mkfifo p; chown 7:8 p; mknod b b 8 1; \
         mkdir d; chown 1:2 d",
    );
    let shown = "stat -c '%n %u %g %a %F %t:%T' f l p b d";
    let expected = "f 33 44 755 regular empty file 0:0\nl 5 6 777 symbolic link 0:0\np 7 8 644 fifo 0:0\n\
                    b 0 0 644 block special file 8:1\nd 1 2 755 directory 0:0\n"
        .replace("f 33 44 755", "f 33 44 4755");
    assert_eq!(home.run(shown), expected);
    assert_eq!(home.run(shown), expected);
    home.run("chown -h 0:0 f l p b d");
    assert_eq!(home.run("stat -c %u:%g f l p b d"), "0:0\n".repeat(5));
}

#[test]
fn a_device_of_an_earlier_run_opens_as_one() {
    let home = Home::new();
    home.run(
        "mkdir -p r/dev; for d in d r/dev; do mkdir -p $d; mknod $d/null c 1 3; mknod $d/zero c 1 5; done",
    );
    // Made by open, after a look, listed before, and removed again.
    assert_eq!(home.run("echo text >d/null; cat d/null"), "");
    assert_eq!(home.run("test -c d/null; echo text 1<>d/null; cat d/null"), "");
    assert_eq!(home.run("ls d >/dev/null; test -c d/zero; head -c 3 d/zero | od -An -tx1"), " 00 00 00\n");
    assert_eq!(
        home.run("stat -c %F d/null; mv d/null d/old; echo text >d/old; rm d/old; ls d"),
        "character special file\nzero\n"
    );
    assert_eq!(home.natively("stat -c %s r/dev/null r/dev/zero d/zero"), "0\n0\n0\n");
    // In a root of its own there is no look before.
    home.natively("cd r; mkdir usr; for n in bin sbin lib lib64; do ln -s usr/$n $n; done");
    home.run("mount --rbind /usr r/usr && chroot r /bin/sh -c 'echo text 1<>/dev/null; cat /dev/null'");
    assert_eq!(home.natively("stat -c %s r/dev/null"), "0\n");
}

#[test]
fn a_reused_inode_is_nobodys() {
    let home = Home::new();
    home.run("for i in 1 2 3 4 5 6 7 8; do ln -s x l$i; chown -h 5:6 l$i; touch f$i; chown 5:6 f$i; done");
    home.natively("rm l* f*; for i in 1 2 3 4 5 6 7 8; do ln -s x l$i; touch f$i; done");
    assert_eq!(home.run("stat -c %u:%g l* f*"), "0:0\n".repeat(16));
}

#[test]
fn records_go_with_their_files() {
    let home = Home::new();
    // What `owners WORD tree` says, and its exit status.
    let owners = |words: &[&str]| {
        let mut command = home.lab.command();
        command.current_dir(&home.dir).arg("owners").args(words).args(["--store", "store", "tree"]);
        let output = command.output().expect("it starts");
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
    };
    // In a run at once, however many there are.
    home.run(
        "mkdir tree; cd tree; for round in 1 2 3; do touch $(seq -f f%g 300); chown 5:6 f*; mkdir d; chown 7 d; \
         ln -s x l; chown -h 8 l; mknod b b 8 1; mkfifo p; chown 1 p; chmod 4755 f3; ln f4 f5000; mv f1 f2; \
         mkfifo q; chown 2 q; mv q p; rm -r f* l b p d; done; ln -s x kept; chown -h 9:9 kept",
    );
    let found = "remainroot: 1 files are in the index, 0 have an attribute alone; 0 are wrong\n";
    assert_eq!(owners(&["verify"]), (found.to_owned(), Some(0)));
    // Of those that others have removed when somebody says so.
    home.run("cd tree; for n in 1 2 3; do ln -s x l$n; mkfifo p$n; done; chown -h 5 l? p?");
    home.natively("cd tree; rm l2 l3 p1");
    let left = "remainroot: 3 records on its file system are of other trees or mounts, or of files that are gone (owners prune)\n";
    let found = found.replacen('1', "4", 1);
    assert_eq!(owners(&["verify"]), (format!("{found}{left}"), Some(0)));
    if owners(&["prune", "--dry-run"]).0.contains("nothing tells the overlay from others") {
        return skipped("records_go_with_their_files", "/tmp is on an overlay that has no id of its own");
    }
    let dry = "remainroot: 3 records are of files that are gone\n";
    assert_eq!(owners(&["prune", "--dry-run"]), (dry.to_owned(), Some(0)));
    // Not while a run may move them about.
    let mut run = home.command();
    run.args(["--", "sh", "-c", "echo; read line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut run = run.spawn().expect("it starts");
    run.stdout.take().expect("a pipe").read_exact(&mut [0]).expect("it runs");
    let refused = owners(&["prune"]);
    drop(run.stdin.take());
    run.wait().expect("it ends");
    let why = "store/index.db: a run has it open, in which files may move: do this when that has ended\n";
    assert!(refused.0.ends_with(why) && refused.1 == Some(125), "{refused:?}");
    let pruned = "remainroot: 3 records of files that are gone were removed\n";
    assert_eq!(owners(&["prune"]), (pruned.to_owned(), Some(0)));
    assert_eq!(owners(&["verify"]), (found, Some(0)));
    assert_eq!(home.run("cd tree; stat -c '%n %u' *"), "kept 9\nl1 5\np2 5\np3 5\n");
}

#[test]
fn who_reads_the_index_in_a_run_takes_no_lock_from_it() {
    let home = Home::new();
    let mut run = home.command();
    // As a copy of the home directory would. The tracer looks at what is open by descriptors that it borrows.
    let script =
        "for n in 1 2 3; do ln -s x l$n; done; chown -h 5:6 l1; cat store/* >/dev/null; chown -h 7:8 l2; echo
        read line; chown -h 9:10 l3; kill -KILL $PPID";
    run.args(["--", "sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut run = run.spawn().expect("it starts");
    run.stdout.take().expect("a pipe").read_exact(&mut [0]).expect("it runs");
    // One that ends, and finds that another has the index open still.
    assert_eq!(home.run("stat -c %u:%g l1 l2"), "5:6\n7:8\n");
    drop(run.stdin.take());
    run.wait().expect("it ends");
    assert_eq!(home.run("stat -c %u:%g l1 l2 l3"), "5:6\n7:8\n9:10\n");
}

#[test]
fn a_run_in_another_root_has_the_same_store() {
    let home = Home::new();
    home.natively(
        "mkdir -p r/usr r/etc r/t; cd r; for n in bin sbin lib lib64; do ln -s usr/$n $n; done; ln -s x t/l",
    );
    let mut inside = home.command();
    inside.arg("--rootfs").arg(home.dir.join("r")).args(["--bind", "/usr:/usr:ro", "--", "sh", "-c"]);
    succeeds(inside.arg("chown -h 5:6 /t/l; mkdir /t/d; chroot / chown 7:8 /t/d; stat -c %u:%g /t/l"));
    assert_eq!(home.run("stat -c %u:%g r/t/l r/t/d"), "5:6\n7:8\n");
}

/// Owner and group of links and files of a storm.
fn storm_left(home: &Home, tree: &Path) -> Vec<String> {
    let script = format!("cd {} && find . -name '[lf]*' -printf '%f %U %G\\n'", tree.display());
    home.run(&script).lines().map(str::to_owned).collect()
}

/// Starts a storm in `tree` under remainroot.
fn storm(
    home: &Home,
    guest: &Path,
    tree: &Path,
    first: u32,
    count: u32,
    progress: &Path,
) -> std::process::Child {
    let mut command = home.command();
    command.arg("--").arg(guest).arg(tree).args([first.to_string(), count.to_string()]).arg(progress);
    command.stdout(Stdio::null()).spawn().expect("remainroot starts")
}

fn answered(progress: &Path) -> u32 {
    fs::read_to_string(progress).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn wait_for(progress: &Path, count: u32) {
    let start = Instant::now();
    while answered(progress) < count {
        assert!(start.elapsed() < Duration::from_secs(60), "the storm does not get on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The children of a process.
fn children(pid: u32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn all_there(left: &[String], first: u32, count: u32) {
    for number in first..first + count {
        for kind in ["l", "f"] {
            let line = format!("{kind}{number} {0} {0}", number + 1000);
            assert!(left.contains(&line), "{line} is lost, of {count} answered");
        }
    }
}

#[test]
fn nothing_answered_is_lost_by_a_kill() {
    if !can_compile("nothing_answered_is_lost_by_a_kill", Machine::X86_64) {
        return;
    }
    let home = Home::new();
    let guest = home.lab.guest("storm", Machine::X86_64);
    let tree = home.dir.join("tree");
    home.natively("mkdir tree");
    for round in 0..4 {
        let progress = home.dir.join(format!("progress{round}"));
        let first = round * 100_000;
        let mut run = storm(&home, &guest, &tree, first, 90_000, &progress);
        wait_for(&progress, 100 + 150 * round);
        // The tracer itself in every other round, else the process that the user sees.
        let victim = match children(run.id())[..] {
            [tracer, ..] if round % 2 == 0 => tracer,
            _ => run.id() as i32,
        };
        kill(Pid::from_raw(victim), Signal::SIGKILL).expect("kill");
        run.wait().expect("it ends");
        // The guest dies with its tracer, which may take a moment.
        std::thread::sleep(Duration::from_millis(200));
        let count = answered(&progress);
        all_there(&storm_left(&home, &tree), first, count);
    }
}

#[test]
fn several_at_once_lose_nothing() {
    if !can_compile("several_at_once_lose_nothing", Machine::X86_64) {
        return;
    }
    let home = Home::new();
    let guest = home.lab.guest("storm", Machine::X86_64);
    let tree = home.dir.join("tree");
    home.natively("mkdir tree");
    const EACH: u32 = 200;
    let progress = |number| home.dir.join(format!("progress{number}"));
    let runs: Vec<_> =
        (0..3).map(|number| storm(&home, &guest, &tree, number * 1000, EACH, &progress(number))).collect();
    for mut run in runs {
        assert!(run.wait().expect("it ends").success());
    }
    let left = storm_left(&home, &tree);
    (0..3).for_each(|number| all_there(&left, number * 1000, EACH));
}

#[test]
fn a_run_sees_what_another_records() {
    let home = Home::new();
    home.natively("ln -s x l; touch f; mkfifo asked answer");
    let mut watcher = home.command();
    let script = "stat -c %u l f; echo >asked; read x <answer; stat -c %u l f";
    let watcher = watcher.args(["--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().expect("it starts");
    home.natively("read x <asked");
    home.run("chown -h 5 l; chown 6 f");
    home.natively("echo >answer");
    let output = watcher.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n0\n5\n6\n");
}

#[test]
fn halves_of_an_owner_that_two_runs_set_at_once_are_both_there() {
    if !can_compile("halves_of_an_owner_that_two_runs_set_at_once_are_both_there", Machine::X86_64) {
        return;
    }
    let home = Home::new();
    let guest = home.lab.guest("halves", Machine::X86_64);
    home.natively("touch file; ln -s x link");
    for name in ["file", "link"] {
        let start = |half: &str| {
            let mut command = home.command();
            command.arg("--").arg(&guest).args([name, half, "1500"]).stdout(Stdio::piped());
            command.spawn().expect("remainroot starts")
        };
        for run in [start("u"), start("g")] {
            let output = run.wait_with_output().expect("it ends");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "lost 0\n", "{name}");
        }
    }
}

#[test]
fn a_run_hears_of_what_another_brings() {
    let home = Home::new();
    // Neither shell nor `read` makes a call that is looked at between the answer and the open: root's own calls are
    // left alone until somebody says otherwise.
    home.natively("mkdir d; mkfifo asked answer");
    let mut watcher = home.command();
    let script = "echo >asked; read x <answer; echo text >d/f; stat -c %g d/f";
    let watcher = watcher.args(["--", "bash", "-c", script]);
    let watcher = watcher.stdout(Stdio::piped()).spawn().expect("it starts");
    home.natively("read x <asked");
    home.run("chown 0:44 d; chmod 2775 d");
    // An idle run needs no more than a moment.
    std::thread::sleep(Duration::from_millis(200));
    home.natively("echo >answer");
    let output = watcher.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "44\n");
}

#[test]
fn what_writes_the_index_takes_no_time_of_the_tracers_cpu() {
    const SCRIPT: &str = r#"
        touch f; chown 1 f
        tracer=$(sed -n 's/^TracerPid:\t//p' /proc/self/status)
        for _ in $(seq 600); do
            for thread in /proc/$tracer/task/*; do
                [ "$(cat $thread/comm)" != store ] || found=$(grep ^Cpus_allowed_list $thread/status)
            done
            [ "$found" != "$1" ] || break
            sleep 0.1
        done
        echo "$found"
    "#;
    let home = Home::new();
    let all = home.natively("grep ^Cpus_allowed_list /proc/self/status");
    let found = succeeds(home.command().args(["--", "sh", "-c", SCRIPT, "sh", all.trim_end()]));
    assert_eq!(found, all);
}
