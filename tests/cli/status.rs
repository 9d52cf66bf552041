//! Exit status, and what is said when there is none of the guest's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;

use crate::support::Lab;
use crate::{eventually, finish, pids_with};

fn sh(lab: &Lab, script: &str) -> (String, String, Option<i32>) {
    finish(lab.command().args(["--", "sh", "-c", script]))
}

#[test]
fn the_guests_exit_status_is_ours() {
    let lab = Lab::new();
    for status in [0, 1, 3, 125, 255] {
        assert_eq!(sh(&lab, &format!("exit {status}")), (String::new(), String::new(), Some(status)));
    }
}

#[test]
fn a_guest_killed_by_a_signal_has_us_die_of_it() {
    let lab = Lab::new();
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGSEGV, libc::SIGPIPE, libc::SIGINT, 40] {
        let status =
            lab.command().args(["--", "bash", "-c", &format!("kill -{signal} $$")]).status().unwrap();
        assert_eq!((status.signal(), status.core_dumped()), (Some(signal), false));
    }
}

#[test]
fn a_program_that_is_not_found() {
    let lab = Lab::new();
    for command in ["remainroot-no-such-program", "./none", "/etc/passwd/none"] {
        let (out, err, status) = finish(lab.command().env("PATH", "/usr/bin:/bin").arg(command));
        assert_eq!((out.as_str(), status), ("", Some(127)), "{command}");
        assert!(err.starts_with(&format!("remainroot: {command}: not found")), "{err}");
    }
}

#[test]
fn a_program_for_another_machine_is_no_script() {
    let lab = Lab::new();
    let home = lab.home("home");
    let program = |name: &str, content: &[u8]| {
        let path = home.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    // e_type and e_machine: ET_EXEC, EM_AARCH64.
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0".to_vec();
    header.resize(64, 0);
    let other = program("other", &header);
    let (out, err, status) = finish(lab.command().arg(&other));
    assert_eq!((out.as_str(), status), ("", Some(126)), "{err}");
    let told =
        format!("remainroot: {}: cannot be run: not a program that this machine can run", other.display());
    assert!(err.starts_with(&told), "{err}");
    let script = program("script", b"echo $1\n");
    assert_eq!(finish(lab.command().arg(&script).arg("x")), ("x\n".to_owned(), String::new(), Some(0)));
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let lab = Lab::new();
    for words in [&["--version"][..], &["--help"], &["syscalls"], &["doctor"], &["owners", "show", "/"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = lab.command().args(words).stdout(full).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{words:?}: {err}");
        assert_eq!(
            err, "remainroot: cannot write to standard output: No space left on device\n",
            "{words:?}"
        );
    }
}

#[test]
fn mistyped_words_get_a_hint() {
    let lab = Lab::new();
    for (words, expected, hint) in [
        (&["syscall", "--format", "json"][..], 127, "remainroot syscalls"),
        (&["onwers", "show", "/"], 127, "remainroot owners"),
        (&["--", "syscalls"], 127, "remainroot syscalls"),
        (&["help"], 127, "remainroot --help"),
        (&["--", ""], 127, "'': not found"),
        (&["--rotfs", "/", "true"], 125, "--rootfs"),
        (&["syscalls", "--fromat", "json"], 125, "--format"),
    ] {
        let (out, err, status) = finish(lab.command().env("PATH", "/usr/bin:/bin").args(words));
        assert_eq!((out.as_str(), status), ("", Some(expected)), "{words:?}: {err}");
        assert!(err.contains(hint) && !err.contains("as a value"), "{words:?}: {err}");
        assert!(err.lines().all(|line| line.len() > "remainroot: ".len()), "{words:?}: {err}");
    }
    let (_, err, _) = finish(lab.command().env("PATH", "/usr/bin").arg("remainroot-no-such-program"));
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn one_inside_of_another() {
    let lab = Lab::new();
    let inner = lab.remainroot();
    let (out, err, status) = finish(lab.command().arg("--").arg(inner).args(["--", "true"]));
    assert_eq!((out.as_str(), status), ("", Some(125)), "{err}");
    assert!(err.contains("remainroot, traces us") && err.contains("root already"), "{err}");
}

#[test]
fn a_path_that_is_closed_in_part() {
    let lab = Lab::new();
    let closed = lab.home("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let path = format!("{}:/usr/bin", lab.path().join("closed/in").display());
    let run = |word: &str| finish(lab.command().args(["--userns", "none"]).env("PATH", &path).arg(word));
    assert_eq!(run("true"), (String::new(), String::new(), Some(0)));
    let (_, err, status) = run("remainroot-no-such-program");
    // As env(1): it may be there.
    assert_eq!(status, Some(126), "{err}");
    assert!(err.contains("not found in PATH") && err.contains("closed/in cannot be searched"), "{err}");
}

#[test]
fn a_program_that_cannot_be_run() {
    let lab = Lab::new();
    let file = |name: &str, text: &str, mode| {
        fs::write(lab.path().join(name), text).unwrap();
        fs::set_permissions(lab.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    file("closed", "#!/bin/sh\n", 0o644);
    file("lost", "#!/no/such/interpreter\n", 0o755);
    fs::create_dir(lab.path().join("bin")).unwrap();
    for (command, expected, word) in [
        ("./closed", 126, "Permission denied"),
        ("/", 126, "it is a directory"),
        ("./bin", 126, "remainroot --rootfs ./bin -- CMD"),
        ("bin", 126, "it is a directory"),
        ("./lost", 127, "interpreter"),
    ] {
        let (out, err, status) = finish(lab.command().env("PATH", lab.path()).arg(command));
        assert_eq!((out.as_str(), status), ("", Some(expected)), "{command}: {err}");
        assert!(err.contains(word), "{command}: {err}");
    }
}

#[test]
fn the_path_is_searched_past_what_cannot_be_run() {
    let lab = Lab::new();
    let (first, second) = (lab.home("first"), lab.home("second"));
    fs::write(first.join("tool"), "#!/bin/sh\necho first\n").unwrap();
    fs::write(second.join("tool"), "echo \"second $1\"\n").unwrap();
    fs::set_permissions(second.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}:/usr/bin:/bin", first.display(), second.display());
    // No #! line either: execvp(3), and so env(1), gives it to sh.
    let (out, err, status) = finish(lab.command().env("PATH", path).args(["tool", "x"]));
    assert_eq!((out.as_str(), err.as_str(), status), ("second x\n", "", Some(0)));
}

#[test]
fn our_own_failures_are_125() {
    let lab = Lab::new();
    let file = lab.path().join("remainroot");
    let file = file.to_str().unwrap();
    for (options, word) in [
        (&["--no-such-option", "true"][..], "--no-such-option"),
        (&[], "CMD"),
        (&["--userns", "some", "true"], "some"),
        (&["--user", "no-such-user", "true"], "no-such-user"),
        (&["--user", "root:no-such-group", "true"], "no-such-group"),
        (&["--env", "novalue", "true"], "novalue"),
        (&["--bind", "a", "true"], "--bind a"),
        (&["--bind", "/no/such/source", "true"], "--bind /no/such/source"),
        (&["--bind", "~/src:/src", "true"], "$HOME"),
        (&["--bind", "/usr:/etc/passwd", "true"], "the first is a directory"),
        (&["--bind", "/etc/passwd:/usr", "true"], "the second is a directory"),
        (&["--workdir", "/no/such/dir", "true"], "/no/such/dir"),
        (&["--rootfs", "/no/such/dir", "true"], "debootstrap"),
        (&["--rootfs", file, "true"], "not a directory"),
        (&["--rootfs", "/", "true"], "present root"),
        (&["--userns", "none", "--rootfs", "/tmp", "true"], "--userns none"),
    ] {
        let (out, err, status) = finish(lab.command().args(options));
        assert_eq!((out.as_str(), status), ("", Some(125)), "{options:?}: {err}");
        assert!(err.contains(word), "{options:?}: {err}");
        assert!(err.lines().all(|line| line.starts_with("remainroot:")), "{options:?}: {err}");
        assert!(!err.contains("os error"), "{options:?}: {err}");
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    let lab = Lab::new();
    let (out, err, status) = finish(lab.command().arg("--version"));
    assert_eq!(
        (out, err, status),
        (format!("remainroot {}\n", env!("CARGO_PKG_VERSION")), String::new(), Some(0))
    );
    for words in [&["--help"][..], &["run", "--help"], &["-h"]] {
        let (out, err, status) = finish(lab.command().args(words));
        assert_eq!((err.as_str(), status), ("", Some(0)));
        assert!(out.contains("--rootfs") && out.contains("Examples:"), "{out}");
    }
}

#[test]
fn a_command_may_be_named_like_a_subcommand() {
    let lab = Lab::new();
    let tools = lab.home("tools");
    fs::write(tools.join("run"), "#!/bin/sh\necho ran \"$@\"\n").unwrap();
    fs::set_permissions(tools.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", tools.display());
    let (out, err, status) = finish(lab.command().env("PATH", path).args(["--", "run", "--", "-x"]));
    assert_eq!((out.as_str(), err.as_str(), status), ("ran -- -x\n", "", Some(0)));
}

#[test]
fn nothing_is_left_behind() {
    let lab = Lab::new();
    assert_eq!(sh(&lab, "true & (true &) ; exec true").2, Some(0));
    eventually("the tracer goes", || pids_with(lab.path().to_str().unwrap()).is_empty());
}

#[test]
fn daemons_outlive_the_guest_and_hold_nobody_up() {
    let lab = Lab::new();
    let sleep = lab.copy("/bin/sleep", "sleep");
    let script = format!("{} 3 >/dev/null 2>&1 </dev/null & exit 4", sleep.display());
    let start = std::time::Instant::now();
    // `output` reads to the end of both pipes: nobody but the guest may hold them.
    assert_eq!(sh(&lab, &script), (String::new(), String::new(), Some(4)));
    assert!(start.elapsed().as_millis() < 2500, "waited for the daemon");
    let daemon = || pids_with(&format!("^{} 3", sleep.display()));
    assert_eq!(daemon().len(), 1, "the daemon lives");
    eventually("the daemon's end, and the tracer's", || pids_with(lab.path().to_str().unwrap()).is_empty());
}
