//! Standard descriptors, and all others: the guest's are those that we were given.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::finish;
use crate::support::Lab;

/// What `script` prints when its last step, `exec $RR PROGRAM…`, runs under remainroot, and natively.
fn under_and_natively(lab: &Lab, script: &str) -> [(String, String, Option<i32>); 2] {
    let wrapper = format!("{} --", lab.remainroot().display());
    [wrapper.as_str(), "env"].map(|rr| finish(lab.unprivileged("bash").env("RR", rr).args(["-c", script])))
}

#[test]
fn no_descriptor_of_ours_leaks() {
    let lab = Lab::new();
    let [under, natively] = under_and_natively(&lab, "exec 7</dev/zero; exec $RR ls /proc/self/fd");
    assert_eq!(under, natively);
    assert!(natively.0.contains("\n7\n"), "{natively:?}");
}

#[test]
fn closed_descriptors_are_closed_for_the_guest() {
    let lab = Lab::new();
    let out = lab.home("out").join("open");
    for closed in ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- 2>&-", "<&- >&- 2>&-"] {
        // sh looks at its own descriptors, before the redirection that takes the result.
        let look =
            "o=; for f in 0 1 2; do [ -e /proc/self/fd/$f ] && o=$o$f; done; echo \"[$o]\" >\"$OUT\"; exit 5";
        let mut seen = Vec::new();
        for rr in [format!("{} --", lab.remainroot().display()), "env".to_owned()] {
            let script = format!("exec $RR sh -c \"$LOOK\" {closed}");
            let mut command = lab.unprivileged("bash");
            command.env("RR", rr).env("LOOK", look).env("OUT", &out).args(["-c", &script]);
            assert_eq!(finish(&mut command).2, Some(5), "{closed}");
            seen.push(std::fs::read_to_string(&out).unwrap());
        }
        assert_eq!(seen[0], seen[1], "{closed}");
    }
}

#[test]
fn signal_mask_and_ignored_signals_are_the_guests_own() {
    let lab = Lab::new();
    let show = "exec $RR grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status";
    for setting in [
        "",
        "trap '' HUP;",
        "trap '' PIPE CHLD;",
        "RR=\"env --block-signal=USR1,TERM,CHLD $RR\";",
        "RR=\"env --ignore-signal=TSTP,SEGV,INT --default-signal=PIPE $RR\";",
    ] {
        let [under, natively] = under_and_natively(&lab, &format!("{setting} {show}"));
        assert_eq!(under, natively, "{setting}");
        assert_eq!(natively.2, Some(0), "{natively:?}");
    }
}

#[test]
fn a_pipe_ends_when_the_guest_closes_it() {
    let lab = Lab::new();
    let mut guest = lab
        .command()
        .args(["--", "sh", "-c", "echo out; exec >&-; exec sleep 5"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let mut out = String::new();
    guest.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(out, "out\n");
    assert!(start.elapsed() < Duration::from_secs(4), "somebody else held the pipe");
    guest.kill().unwrap();
    guest.wait().unwrap();
}

#[test]
fn a_writer_learns_that_the_guest_reads_no_more() {
    let lab = Lab::new();
    let script = format!(
        "yes | {} -- sh -c 'exec <&-; sleep 0.5'; echo ${{PIPESTATUS[*]}}",
        lab.remainroot().display()
    );
    assert_eq!(finish(lab.unprivileged("bash").args(["-c", &script])).0, "141 0\n");
}

#[test]
fn output_that_nobody_takes_is_no_panic() {
    let lab = Lab::new();
    let rr = lab.remainroot();
    let rr = rr.display();
    for (script, status) in [
        (format!("{rr} --help >/dev/full"), 125),
        (format!("{rr} -- no-such-program 2>/dev/full"), 127),
        (format!("{rr} -- no-such-program 2>&-"), 127),
        (format!("{rr} --no-such-option >&- 2>&-"), 125),
        (format!("{rr} -- echo x >/dev/full"), 1),
    ] {
        let (_, err, got) =
            finish(lab.unprivileged("bash").env("PATH", "/usr/bin:/bin").args(["-c", &script]));
        assert_eq!(got, Some(status), "{script}: {err}");
        assert!(!err.contains("panicked"), "{script}: {err}");
    }
}

#[test]
fn stdin_reaches_the_guest() {
    let lab = Lab::new();
    let script = format!("echo one; echo two | {} -- cat", lab.remainroot().display());
    assert_eq!(finish(lab.unprivileged("sh").args(["-c", &script])).0, "one\ntwo\n");
}

#[test]
fn the_working_directory_and_environment_are_kept() {
    let lab = Lab::new();
    let home = lab.home("here");
    let mut command: Command = lab.command();
    command.current_dir(&home).env_clear().env("A", "b").env("PATH", "/usr/bin:/bin").env("HOME", "/home/me");
    assert_eq!(
        finish(command.args(["--store", "memory", "--", "/bin/pwd"])).0,
        format!("{}\n", home.display())
    );
    let mut command: Command = lab.command();
    command.env_clear().env("A", "b").env("PATH", "/usr/bin:/bin").env("HOME", "/home/me");
    let (out, ..) = finish(command.args(["--store", "memory", "--env", "C=d", "--env", "A=e", "--", "env"]));
    // Root finds its own programs, behind all others.
    assert_eq!(out, "A=e\nHOME=/home/me\nPATH=/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\nC=d\n");
}
