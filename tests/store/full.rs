//! No room left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{self, Machine, NOBODY_WE_KNOW, can_compile, is_root};
use crate::{Home, answered, succeeds};

/// A small file system of the user's own.
struct Small(PathBuf);

impl Small {
    /// Mounted at `path`, with room for so many bytes.
    fn new(path: &Path, size: &str) -> Small {
        fs::create_dir(path).expect("a mount point");
        let options = format!("size={size},uid={NOBODY_WE_KNOW},gid={NOBODY_WE_KNOW},mode=755");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(path).status();
        assert!(status.expect("mount runs").success());
        Small(path.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_enospc_and_loses_nothing() {
    const NAME: &str = "a_full_disk_is_enospc_and_loses_nothing";
    if !can_compile(NAME, Machine::X86_64) {
        return;
    }
    if !is_root() {
        return support::skipped(NAME, "a file system of a certain size takes real root");
    }
    let home = Home::new();
    let guest = home.lab.guest("storm", Machine::X86_64);
    let small = Small::new(&home.lab.path().join("small"), "320k");
    home.natively("mkdir tree");
    let (tree, progress) = (home.dir.join("tree"), home.dir.join("progress"));
    let run = |script: &str| {
        let mut command = home.lab.command();
        command.current_dir(&home.dir).arg("--store").arg(small.0.join("store"));
        command.args(["--", "sh", "-c", script]).output().expect("it starts")
    };
    let storm = format!("{} {} 0 100000 {}", guest.display(), tree.display(), progress.display());
    let output = run(&storm);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("chown {}\n", libc::ENOSPC), "{err}");
    assert!(err.contains("small/store/index.db: cannot record an owner: no room is left"), "{err}");
    let count = answered(&progress);
    assert!(count > 50, "{count}");
    let left = run(&format!("cd {} && find . -name '[lf]*' -printf '%f %U %G\\n'", tree.display()));
    let left: Vec<String> = String::from_utf8_lossy(&left.stdout).lines().map(str::to_owned).collect();
    crate::all_there(&left, 0, count);
    // What failed is not half there: neither in the index nor in the file.
    let failed = [format!("l{count} 0 0"), format!("l{count} {0} {0}", count + 1000)];
    let found = left.iter().find(|line| line.starts_with(&format!("l{count} "))).expect("the link was made");
    assert_eq!(found, &failed[0]);
}

#[test]
fn what_cannot_be_recorded_leaves_no_file_and_no_descriptor() {
    const NAME: &str = "what_cannot_be_recorded_leaves_no_file_and_no_descriptor";
    if !is_root() {
        return support::skipped(NAME, "a file system of a certain size takes real root");
    }
    let home = Home::new();
    let small = Small::new(&home.lab.path().join("small"), "320k");
    home.natively("mkdir tree");
    // Whatever makes files, as a user that is not root, until there is no room for the owner of one more.
    let script = format!(
        "touch tree/f0; chown 33 tree/f0; cat /dev/zero 2>/dev/null >{0}/filler; cd tree
        setpriv --reuid 33 --regid 33 --clear-groups sh -c '
            n=1; while [ $n -lt 5000 ] && command : 2>/dev/null >f$n; do n=$((n+1)); done
            full=; for make in \"exec 7>x\" \"mkdir d\" \"ln -s a l\" \"mkfifo p\" \"ln f0 h\"; do
                command eval \"$make\" 2>&1 | grep -q \"No space left\" || full=\"$full [$make]\"
            done
            command exec 7>x; command exec 8>>y; cd .
            ls -A | grep -v ^f; for fd in /proc/$$/fd/*; do readlink $fd; done | grep tree/
            [ -e f$n ] && echo f$n is there; echo \"made:$full\"'; rm {0}/filler",
        small.0.display()
    );
    let mut command = home.lab.command();
    command.current_dir(&home.dir).arg("--store").arg(small.0.join("store")).args(["--owner-xattr", "none"]);
    let output = command.args(["--", "sh", "-c", &script]).output().expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Another name of a file needs no record.
    assert_eq!(out, "h\nmade: [ln f0 h]\n", "{err}");
    assert!(err.contains("cannot record an owner: no room is left"), "{err}");
}

#[test]
fn a_disk_that_is_full_from_the_start_is_said_to_be_so() {
    const NAME: &str = "a_disk_that_is_full_from_the_start_is_said_to_be_so";
    if !is_root() {
        return support::skipped(NAME, "a file system of a certain size takes real root");
    }
    let home = Home::new();
    let small = Small::new(&home.lab.path().join("small"), "320k");
    let run = |script: &str| {
        let mut command = home.lab.command();
        command.current_dir(&home.dir).env("XDG_STATE_HOME", &small.0);
        command.args(["--", "sh", "-c", script]).output().expect("it starts")
    };
    let fill = || {
        // A last page may be left by a write that is cut short.
        for size in ["4096", "1"] {
            let file = small.0.join(format!("filler-{size}"));
            let _ = Command::new("dd")
                .arg("if=/dev/zero")
                .arg(format!("of={}", file.display()))
                .arg(format!("bs={size}"))
                .output();
        }
    };
    let empty = || {
        for size in ["4096", "1"] {
            let _ = fs::remove_file(small.0.join(format!("filler-{size}")));
        }
    };
    let refused = |what: &str| {
        let output = run("ln -s x late && chown -h 5:5 late");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{what}: {err}");
        assert!(err.contains("no room is left") && err.contains("--store"), "{what}: {err}");
        let mut doctor = home.lab.command();
        doctor.current_dir(&home.dir).env("XDG_STATE_HOME", &small.0).arg("doctor");
        let output = doctor.output().expect("it starts");
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.code() == Some(1) && out.contains("remainroot --store memory"),
            "{what}: {out}"
        );
    };
    fill();
    refused("no index");
    empty();
    let made = run("ln -s x link && chown -h 9:9 link");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fill();
    refused("an index");
    // To look at it takes no room.
    let mut show = home.lab.command();
    show.current_dir(&home.dir).env("XDG_STATE_HOME", &small.0).args(["owners", "show", "link"]);
    assert!(succeeds(&mut show).starts_with("lrwxrwxrwx  1      9      9 "));
    empty();
    let output = run("stat -c '%u %g' link");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "9 9\n");
}

#[test]
fn a_full_disk_beneath_the_tree_is_enospc() {
    const NAME: &str = "a_full_disk_beneath_the_tree_is_enospc";
    if !is_root() {
        return support::skipped(NAME, "a file system of a certain size takes real root");
    }
    let home = Home::new();
    let small = Small::new(&home.lab.path().join("small"), "64k");
    let script = format!(
        "cd {} && touch f && chown 5:6 f && {{ cat /dev/zero >zeros 2>/dev/null; chown 33:44 f; stat -c %u:%g f; }}",
        small.0.display()
    );
    let output = home.command().args(["--", "sh", "-c", &script]).output().expect("it starts");
    // tmpfs takes attributes from another account: either it works, or nothing has changed.
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        out == "33:44\n" && err.is_empty() || out == "5:6\n" && err.contains("No space left"),
        "{out}{err}"
    );
    assert_eq!(succeeds(home.command().args(["--", "stat", "-c", "%u:%g"]).arg(small.0.join("f"))), out);
}

#[test]
fn on_tmpfs_a_number_tells_a_file_and_another_tmpfs_has_other_files() {
    const NAME: &str = "on_tmpfs_a_number_tells_a_file_and_another_tmpfs_has_other_files";
    if !is_root() {
        return support::skipped(NAME, "a file system of its own takes real root");
    }
    let home = Home::new();
    let place = home.lab.path().join("small");
    let run = |script: &str| {
        let script = format!("cd {} && {script}", place.display());
        succeeds(home.command().args(["--", "sh", "-c", &script]))
    };
    let verify = || {
        let mut command = home.lab.command();
        command.current_dir(&home.dir).args(["owners", "verify", "--store", "store"]).arg(&place);
        command.output().expect("it starts").status.code()
    };
    let small = Small::new(&place, "4m");
    run("for i in 1 2 3 4; do ln -s x l$i; chown -h 5:6 l$i; mkfifo p$i; chown 7:8 p$i; done");
    assert_eq!(run("stat -c %u:%g l? p?"), "5:6\n".repeat(4) + &"7:8\n".repeat(4));
    assert_eq!(verify(), Some(0));
    home.natively(&format!(
        "cd {}; rm l? p?; for i in 1 2 3 4; do ln -s x l$i; mkfifo p$i; done",
        place.display()
    ));
    assert_eq!(run("stat -c %u:%g l? p?"), "0:0\n".repeat(8));
    run("chown -h 5:6 l? p?");
    drop(small);
    fs::remove_dir(&place).expect("it is empty");
    let _small = Small::new(&place, "4m");
    assert_eq!(
        run("for i in 1 2 3 4; do ln -s x l$i; mkfifo p$i; done; stat -c %u:%g l? p?"),
        "0:0\n".repeat(8)
    );
}
