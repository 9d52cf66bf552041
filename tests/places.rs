//! Roots, mounts and the rarer calls, natively as real root and under remainroot: both must print the same. And the
//! rule that this test and the oracles serve: a call with a shim is made by a guest program.

mod support;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use remainroot_shims::table::{ROWS, Shim};
use support::{Lab, Machine, can_compile, is_root, skipped};

/// Lines that differ, in their order: the kernel's, and remainroot's.
const KNOWN: &[&str] = &[
    // Calls that need a capability and no file are not refused to tasks that have dropped it.
    "chroot without rights: EPERM / chroot without rights: done",
    // Where the guest has left the engine's mount namespace, the engine cannot put the present proc in its place.
    "proc: done / proc: EPERM",
    "proc is there: done / proc is there: ENOENT",
    "fsopen without rights: EPERM / fsopen without rights: done",
];

fn same_as_real_root(test: &str, machine: Machine) {
    if !is_root() {
        return skipped(test, "the kernel's half of the comparison needs real root");
    }
    if !can_compile(test, machine) {
        return;
    }
    let lab = Lab::new();
    let guest = lab.guest("places", machine);
    let bounded = ["--kill-after=5", "60"];
    let native_home = lab.path().join("native");
    fs::create_dir(&native_home).expect("a new directory");
    let mut native = Command::new("timeout");
    native.args(bounded).arg(&guest).current_dir(native_home);
    let mut ours = lab.unprivileged("timeout");
    ours.args(bounded).arg(lab.remainroot()).arg("--").arg(&guest).current_dir(lab.home("ours"));
    let [native, ours] =
        [native, ours].map(|mut command| command.output().expect("timeout runs")).map(|output| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (text(&output.stdout), text(&output.stderr), output.status.code())
        });
    assert_eq!(native.2, Some(0), "natively: {}{}", native.0, native.1);
    assert_eq!((ours.2, ours.1.as_str()), (Some(0), ""), "{}", ours.0);
    let mut differences = Vec::new();
    for pair in native.0.lines().zip(ours.0.lines()).filter(|(kernel, remainroot)| kernel != remainroot) {
        differences.push(format!("{} / {}", pair.0, pair.1));
    }
    assert_eq!(native.0.lines().count(), ours.0.lines().count(), "{}", ours.0);
    assert_eq!(differences, KNOWN, "the kernel's line / remainroot's, in\n{}", ours.0);
}

#[test]
fn roots_mounts_and_rare_calls() {
    same_as_real_root("roots_mounts_and_rare_calls", Machine::X86_64);
}

#[test]
fn roots_mounts_and_rare_calls_of_i386() {
    same_as_real_root("roots_mounts_and_rare_calls_of_i386", Machine::I386);
}

/// The words of all programs and scripts in `dir`, but for this one.
fn words(dir: &Path, found: &mut HashSet<String>) {
    for entry in fs::read_dir(dir).expect("tests").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            words(&entry, found);
        } else if entry.file_name() != Path::new(file!()).file_name() {
            let text = fs::read_to_string(&entry).expect("a text");
            let other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            found.extend(
                text.split(other)
                    .map(|word| word.trim_start_matches("SYS_").trim_end_matches('_').to_owned()),
            );
        }
    }
}

#[test]
fn every_shim_is_called_by_a_guest_program() {
    let mut named = HashSet::new();
    words(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut named);
    let has_shim = |shim: Shim| matches!(shim, Shim::Entry(_) | Shim::Coroutine(_));
    // The guests' macros add the 32 of i386.
    let is_named = |name: &str| named.contains(name) || named.contains(name.trim_end_matches("32"));
    let missing: Vec<_> = ROWS
        .iter()
        .filter(|row| [row.x86_64, row.i386].into_iter().flatten().any(|entry| has_shim(entry.shim)))
        .map(|row| row.name)
        .filter(|name| !is_named(name))
        .collect();
    assert!(missing.is_empty(), "call them from a program in tests/guests: {missing:?}");
}
