//! `--explain` and `--summary`: what they tell, where, and that guests notice nothing of it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::finish;
use crate::support::{Lab, Machine, can_compile};

/// Runs a shell script in `home` with these options.
fn sh(lab: &Lab, home: &Path, options: &[&str], script: &str) -> (String, String, Option<i32>) {
    let mut command = lab.command();
    finish(command.current_dir(home).args(options).args(["--store", "memory", "--", "sh", "-c", script]))
}

#[test]
fn a_line_for_each_call() {
    let lab = Lab::new();
    let home = lab.home("home");
    let script = "touch f && chown 33:44 f && mknod n c 1 3 && stat -c %u:%g f; \
                  setpriv --reuid 33 --clear-groups sh -c 'chown 0 f 2>/dev/null'";
    let (out, err, status) = sh(&lab, &home, &["--explain=lines"], script);
    assert_eq!((out.as_str(), err.as_str(), status), ("33:44\n", "", Some(1)));
    let lines = fs::read_to_string(home.join("lines")).unwrap();
    for expected in [
        " chown 0:0 fchownat(AT_FDCWD, \"f\", 33, 44, 0) = 0  [chown_common",
        " mknod 0:0 mknodat(AT_FDCWD, \"n\", 020666, 1:3) = 0  [vfs_mknod",
        " setpriv 33:0 setgroups(0, []) = 0  [",
        " setpriv 0:0 setresuid(33, 33, 33) = 0  [__sys_setresuid: answered here]",
        " chown 33:0 fchownat(AT_FDCWD, \"f\", 0, -1, 0) = -1 EPERM (Operation not permitted)  [chown_common, setattr_prepare: not the owner",
        "mode=0100644, uid=33, gid=44",
        " execve(\"",
    ] {
        assert!(lines.contains(expected), "{expected}\n{lines}");
    }
    for line in lines.lines() {
        assert!(line.split(' ').next().is_some_and(|tid| tid.parse::<u32>().is_ok()), "{line}");
        assert!(line.contains(") = ") && line.ends_with(']'), "{line}");
    }
}

#[test]
fn lines_of_some_calls_alone() {
    let lab = Lab::new();
    let home = lab.home("home");
    let script = "mkdir -p etc other; touch etc/f other/f; chown 33 etc/f other/f; cd etc; \
                  setpriv --reuid 5 --clear-groups chown 0 f; stat none; true";
    let told = |words: &[&str]| {
        let words = words.iter().flat_map(|word| ["--explain-only", word]);
        let (_, err, status) = sh(&lab, &home, &words.collect::<Vec<_>>(), script);
        assert_eq!(status, Some(0), "{err}");
        let lines = err.lines().filter_map(|line| line.strip_prefix("remainroot: "));
        // `TID NAME UID:GID CALL(…) = …`.
        lines.map(|line| line.split(' ').skip(3).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let calls = |lines: &[String]| {
        lines.iter().map(|line| line.split('(').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(calls(&told(&["fchownat"])), ["fchownat", "fchownat", "fchownat"]);
    assert_eq!(calls(&told(&["setres,chown", "EPERM"])), ["fchownat"]);
    let ids = told(&["ids"]);
    assert!(ids.iter().any(|line| line.starts_with("setresuid(5, 5, 5) = 0")), "{ids:#?}");
    assert!(ids.iter().all(|line| !line.contains("stat") && !line.contains("chown")), "{ids:#?}");
    let failed = told(&["failed,owners"]);
    for expected in ["fchownat(AT_FDCWD, \"f\", 0, -1, 0) = -1 EPERM", "\"none\"", "ENOENT"] {
        assert!(failed.iter().any(|line| line.contains(expected)), "{expected}: {failed:#?}");
    }
    assert!(failed.iter().all(|line| line.contains(" = -1 E")), "{failed:#?}");
    // Named from above, and from within.
    let place = home.join("etc");
    assert_eq!(calls(&told(&["chown", place.to_str().unwrap()])), ["fchownat", "fchownat"]);
    for wrong in ["onwers", "ids,", "mmap"] {
        let (out, err, status) = sh(&lab, &home, &["--explain-only", wrong], "echo ran");
        assert_eq!((out.as_str(), status), ("", Some(125)), "{err}");
        assert!(err.starts_with("remainroot: --explain-only "), "{err}");
    }
}

#[test]
fn on_stderr_with_our_name() {
    let lab = Lab::new();
    let home = lab.home("home");
    let (out, err, status) =
        sh(&lab, &home, &["--explain"], "id -u; printf '\\033[2J' >f; chown 1 \"$(cat f)\"");
    assert_eq!((out.as_str(), status), ("0\n", Some(1)));
    let of_ours: Vec<_> = err.lines().filter(|line| line.starts_with("remainroot: ")).collect();
    assert!(of_ours.iter().any(|line| line.contains(" id 0:0 geteuid() = 0")), "{err}");
    let chown = of_ours.iter().find(|line| line.contains("chown 0:0")).unwrap();
    assert!(of_ours.iter().all(|line| !line.contains('\u{1b}')), "{chown}");
    assert!(of_ours.iter().any(|line| line.contains("\"\\u{1b}[2J\"")), "{err}");
}

#[test]
fn calls_that_are_left_to_the_kernel() {
    let lab = Lab::new();
    let home = lab.home("home");
    // 250 is keyctl.
    let (_, err, status) =
        sh(&lab, &home, &["--explain=lines"], "perl -e 'syscall(250, 0, -3, 0)'; kill -9 $$");
    assert_eq!((err.as_str(), status), ("", None));
    let lines = fs::read_to_string(home.join("lines")).unwrap();
    let is_told =
        |line: &str| line.contains(" perl 0:0 keyctl(") && line.contains(") = ?  [left to the kernel: ");
    assert!(lines.lines().any(is_told), "{lines}");
}

fn family<'a>(summary: &'a Value, title: &str) -> &'a Value {
    let families = summary["families"].as_array().unwrap();
    families.iter().find(|family| family["title"] == title).unwrap_or_else(|| panic!("{title}: {summary:#}"))
}

fn call<'a>(family: &'a Value, name: &str) -> &'a Value {
    let calls = family["by_call"].as_array().unwrap();
    calls.iter().find(|call| call["name"] == name).unwrap_or_else(|| panic!("{name}: {family:#}"))
}

#[test]
fn numbers_at_the_end() {
    let lab = Lab::new();
    let home = lab.home("home");
    // 425 is io_uring_setup.
    let script = "touch f; chown 33:44 f; mknod n c 1 3; setpriv --reuid 33 --regid 44 --clear-groups chown 0 f; \
                  perl -e 'syscall(425, 1, 0) == -1 && $!{ENOSYS} or exit 9' || exit 9; exit 7";
    let (_, err, status) = sh(&lab, &home, &["--summary=json", "--summary-file", "numbers"], script);
    assert_eq!(status, Some(7), "{err}");
    assert!(!err.contains("remainroot"), "{err}");
    let summary: Value = serde_json::from_str(&fs::read_to_string(home.join("numbers")).unwrap()).unwrap();
    let owners = family(&summary, "Owners and modes of files");
    let chown = call(owners, "fchownat");
    assert_eq!((&chown["calls"], &chown["errors"]["EPERM"]), (&2.into(), &1.into()), "{chown:#}");
    assert!(chown["stopped_ns"].as_u64().unwrap() > 0 && owners["failed"].as_u64().unwrap() > 0);
    assert!(owners["calls"].as_u64().unwrap() > 10, "{owners:#}");
    let ring = call(family(&summary, "Processes"), "io_uring_setup");
    assert_eq!((&ring["calls"], &ring["errors"]["ENOSYS"]), (&1.into(), &1.into()));
    assert!(ring["note"].as_str().unwrap().contains("filter"));
    assert_eq!((&summary["recorded"]["files"], &summary["recorded"]["devices"]), (&2.into(), &1.into()));
    let ids = summary["ids"].as_array().unwrap();
    assert!(ids.contains(&serde_json::json!({ "uid": 33, "gid": 44 })), "{ids:?}");
    assert_eq!((&summary["goes_on"], &summary["unknown_abi"]), (&false.into(), &0.into()));
    let documented = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/WATCHING.md")).unwrap();
    for object in [&summary, owners, chown, &summary["recorded"]] {
        for member in object.as_object().unwrap().keys() {
            assert!(documented.contains(&format!("`{member}`")), "{member} is not documented");
        }
    }
}

#[test]
fn a_table_on_stderr_behind_what_the_command_says() {
    let lab = Lab::new();
    let home = lab.home("home");
    let (out, err, status) = sh(&lab, &home, &["--summary"], "chown 1 . && echo mine >&2");
    assert_eq!((out.as_str(), status), ("", Some(0)));
    assert!(err.starts_with("mine\nremainroot: "), "{err}");
    for word in [
        " calls were stopped for",
        "    fchownat\n",
        "programs ran as: 0:0\n",
        "files with owners of their own, known in the end: 1",
    ] {
        assert!(err.contains(word), "{word}\n{err}");
    }
}

#[test]
fn a_run_whose_programs_go_on_is_told_of_when_its_command_ends() {
    let lab = Lab::new();
    let home = lab.home("home");
    let start = std::time::Instant::now();
    let (_, err, status) = sh(&lab, &home, &["--summary"], "sleep 3 >/dev/null 2>&1 & exit 3");
    assert_eq!(status, Some(3));
    assert!(err.contains("left behind go on"), "{err}");
    assert!(start.elapsed().as_millis() < 2500, "waited for the daemon");
}

#[test]
fn whoever_does_not_ask_is_told_nothing_and_no_guest_gets_a_descriptor() {
    let lab = Lab::new();
    let home = lab.home("home");
    let script = "ls /proc/self/fd | tr '\\n' ' '";
    let plain = sh(&lab, &home, &[], script);
    assert_eq!(plain.1, "");
    let watched = sh(&lab, &home, &["--explain=lines", "--summary-file=numbers"], script);
    assert_eq!((&watched.0, &watched.1), (&plain.0, &plain.1));
    assert!(fs::read_to_string(home.join("numbers")).unwrap().starts_with("remainroot: "));
}

#[test]
fn files_that_cannot_be_made_are_told_before_anything_runs() {
    let lab = Lab::new();
    let home = lab.home("home");
    for option in ["--explain=/no/such/file", "--summary-file=/no/such/file"] {
        let (out, err, status) = sh(&lab, &home, &[option], "echo ran");
        assert_eq!((out.as_str(), status), ("", Some(125)), "{err}");
        assert!(err.contains("/no/such/file: No such file or directory"), "{err}");
    }
    let (_, err, status) = sh(&lab, &home, &["--explain=/dev/full", "--summary-file=/dev/full"], "exit 4");
    let told =
        |option| format!("remainroot: {option} /dev/full: not all of it is there: No space left on device\n");
    assert_eq!((err, status), (told("--explain") + &told("--summary-file"), Some(4)));
}

#[test]
fn the_same_answers_with_and_without() {
    if !can_compile("watching::the_same_answers_with_and_without", Machine::X86_64) {
        return;
    }
    let lab = Lab::new();
    let home = lab.home("home");
    let guest = lab.guest("cred", Machine::X86_64);
    let script = "setuid 5\nsetreuid 5 0\nsetgroups 1 2 3\n";
    let run = |options: &[&str]| {
        let command = format!("printf '{}' | {}", script.replace('\n', "\\n"), guest.display());
        sh(&lab, &home, options, &command)
    };
    assert_eq!(run(&[]), run(&["--explain=lines", "--summary-file=numbers"]));
}
