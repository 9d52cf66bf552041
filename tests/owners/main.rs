//! `remainroot owners` beside the programs whose formats it reads and writes: GNU tar, bsdtar, skopeo, umoci, podman,
//! mksquashfs, fakeroot, pseudo.
//!
//! Needed (Debian): acl, attr, cpio, fakeroot, libarchive-tools, libcap2-bin, podman, pseudo, python3, rsync, skopeo,
//! squashfs-tools, tar, umoci; and root, who makes a tree of many owners for comparison.

mod exports;
mod home;
mod images;
mod kept;
mod lasting;
#[path = "../support/mod.rs"]
mod support;
mod under;
mod wrong;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{is_root, skipped};

/// Where programs are, for those who have no sbin in their PATH.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `SOURCE_DATE_EPOCH` for all: long before anything is made here.
const EPOCH: &str = "1000000000";

/// Whether programs are installed and this is root; otherwise the test is skipped by name.
fn can(test: &str, programs: &[&str]) -> bool {
    let there = |program: &str| PATH.split(':').any(|dir| Path::new(dir).join(program).exists());
    if !is_root() {
        skipped(test, "only root can make a tree of many owners");
        return false;
    }
    match programs.iter().find(|program| !there(program)) {
        Some(program) => {
            skipped(test, &format!("{program} is not installed (Debian packages: tests/debian-packages)"));
            false
        }
        None => true,
    }
}

/// Runs a command that must succeed. Returns what it printed.
fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status}\n{stderr}");
    String::from_utf8_lossy(&stdout).into_owned()
}

/// `sh -euc SCRIPT`, in a directory.
fn sh(dir: &Path, script: &str) -> String {
    run(Command::new("sh").arg("-euc").arg(script).current_dir(dir))
}

/// `remainroot` itself, as root: it sees all owners as they are.
fn remainroot(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remainroot"));
    command.current_dir(dir).env("SOURCE_DATE_EPOCH", EPOCH);
    // Not whoever's it is that runs the tests.
    command.env("REMAINROOT_STORE", dir.join("store"));
    command
}

/// A tree of everything that there is, made by root: owners, set-id bits, devices, a pipe, links, ACLs, capabilities,
/// names of all kinds, and a file with holes.
fn everything(dir: &Path) -> PathBuf {
    sh(
        dir,
        r#"umask 022; mkdir tree; cd tree; mkdir -p d/e bin; chown 33:33 d; chmod 2775 d
        echo hello > bin/ping; chown 1000:3000000 bin/ping; chmod 6755 bin/ping; setcap cap_net_raw+ep bin/ping
        ln bin/ping d/hard; ln -s ../bin/ping d/link; chown -h 7:8 d/link
        mknod null c 1 3; mknod disk b 259 70000; chown 0:6 disk; chmod 660 disk; mkfifo pipe; chown 1:2 pipe
        setfacl -m u:33:rw d/hard; setfacl -d -m g:44:rx d/e; setfattr -n user.x -v 'y=z' d/hard
        setfattr -n trusted.t -v 1 d/e; echo x > 'a name with "quotes" \ and spaces'
        echo y > "$(printf 'n%.0s' $(seq 200))"; printf 'not \377 text' > "$(printf 'not\377text')"
        mkdir -p "$(printf 'long%.0s' $(seq 30))/below"; ln -s "$(printf 'z%.0s' $(seq 150))" d/far
        printf begin > holes; printf middle | dd of=holes seek=5000000 bs=1 conv=notrunc status=none
        truncate -s 50M holes; seq 400000 > large; find . -newermt 2001-09-09T01:46:40Z -exec touch -hd @1000000000 {} +"#,
    );
    dir.join("tree")
}

/// Type, mode, owner, links, device or size, time, aim and attributes of every file below `root`.
fn listing(root: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    list(root, root, &mut inodes, &mut all);
    all
}

fn list(root: &Path, path: &Path, inodes: &mut BTreeMap<u64, String>, all: &mut BTreeMap<String, String>) {
    let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
    let stat = fs::symlink_metadata(path).unwrap();
    let kind = stat.file_type();
    let inode = inodes.entry(stat.ino()).or_insert_with(|| name.clone()).clone();
    let mut line = format!("{:o} {}:{} {} as {inode}", stat.mode(), stat.uid(), stat.gid(), stat.mtime());
    if kind.is_file() {
        line += &format!(" {} {:?}", stat.size(), sha(path));
    } else if kind.is_block_device() || kind.is_char_device() {
        line += &format!(" device {:x}", stat.rdev());
    } else if kind.is_symlink() {
        line += &format!(" -> {}", fs::read_link(path).unwrap().as_os_str().as_bytes().escape_ascii());
    }
    if !kind.is_symlink() {
        let attributes = run(Command::new("getfattr").args(["-hdm-", "-ehex", "--absolute-names"]).arg(path));
        for attribute in attributes.lines().filter(|line| line.contains('=') && !line.starts_with('#')) {
            line += &format!(" {attribute}");
        }
    }
    all.insert(name, line);
    if kind.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        for path in names {
            list(root, &path, inodes, all);
        }
    }
}

fn sha(path: &Path) -> String {
    run(Command::new("sha256sum").stdin(fs::File::open(path).unwrap())).split(' ').next().unwrap().to_owned()
}

/// The same, but for the root directory itself, to which some give a time of their own.
fn below(root: &Path) -> BTreeMap<String, String> {
    let mut all = listing(root);
    all.remove("");
    all
}

/// Fails with the lines that differ.
fn same(expected: &BTreeMap<String, String>, found: &BTreeMap<String, String>) {
    let differ = |name: &&String| expected.get(*name) != found.get(*name);
    let names: Vec<_> = expected.keys().chain(found.keys()).filter(differ).collect();
    let lines =
        names.iter().map(|name| format!("{name}:\n  {:?}\n  {:?}", expected.get(*name), found.get(*name)));
    assert!(names.is_empty(), "expected, and found:\n{}", lines.collect::<Vec<_>>().join("\n"));
}

/// The same, for lines in an order of their own.
fn same_lines(what: &str, expected: Vec<String>, found: Vec<String>) {
    let only = |one: &[String], other: &[String], sign: char| {
        let other: BTreeSet<_> = other.iter().collect();
        one.iter()
            .filter(|line| !other.contains(line))
            .map(|line| format!("{sign} {line}\n"))
            .collect::<String>()
    };
    if expected == found {
        return;
    }
    let differences = only(&expected, &found, '-') + &only(&found, &expected, '+');
    panic!("{what}, expected and found:\n{differences}");
}
