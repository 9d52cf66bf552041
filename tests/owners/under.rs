//! Programs that pack trees, run under remainroot, write the owners that they see there.

use super::support::Lab;
use super::{PATH, can, run, sh};

/// Makes a tree of many owners, as virtual root.
const MAKE: &str = "umask 022; mkdir tree; cd tree; mkdir d; echo a > d/f; chown 33:34 d/f; chmod 6755 d/f; chown 5:6 d
    ln -s f d/l; chown -h 7:8 d/l; mknod tun c 10 200; chmod 666 tun; mknod disk b 8 1; chown 0:6 disk; mkfifo pipe
    chown 70000:70001 pipe; setcap cap_net_raw+ep d/f; touch -hd @1000000000 d/f d/l tun disk pipe d .; cd ..";

/// The same, by real root.
fn native(lab: &Lab) {
    sh(lab.path(), &format!("mkdir native; cd native; {MAKE}"));
}

/// What `pack` prints, run as real root natively and as a user under remainroot.
fn both(test: &str, programs: &[&str], pack: &str) {
    if !can(test, &[programs, &["setcap"]].concat()) {
        return;
    }
    let lab = Lab::new();
    native(&lab);
    let expected = sh(&lab.path().join("native"), pack);
    let mut command = lab.command();
    command.current_dir(lab.home("home")).env("PATH", PATH);
    let found = run(command.args(["--", "sh", "-euc", &format!("{MAKE}; {pack}")]));
    assert!(expected.contains("70000"), "{expected}");
    assert_eq!(found, expected);
}

#[test]
fn tar() {
    both(
        "tar",
        &["tar", "getfattr"],
        "tar -C tree --sort=name --xattrs --xattrs-include='*' -cf t.tar . && tar -tvf t.tar --numeric-owner --xattrs -vv
        mkdir new && tar -C new -xpf t.tar --numeric-owner --xattrs --xattrs-include='*' && cd new
        find . -printf '%p %y %m %U:%G %l\\n' | sort && getcap d/f",
    );
}

#[test]
fn cpio() {
    both(
        "cpio",
        &["cpio"],
        "cd tree && find . | sort | cpio -o -H newc --quiet > ../c.cpio && cpio -itvn --quiet < ../c.cpio",
    );
}

#[test]
fn rsync() {
    both(
        "rsync",
        &["rsync"],
        "rsync -aX tree/ new/ && cd new && find . -printf '%p %y %m %U:%G %l\\n' | sort && getcap d/f && stat -c %t,%T tun disk",
    );
}

#[test]
fn cp() {
    both("cp", &[], "cp -a tree new && cd new && find . -printf '%p %y %m %U:%G %l\\n' | sort && getcap d/f");
}

#[test]
fn mksquashfs() {
    both(
        "mksquashfs",
        &["mksquashfs", "unsquashfs"],
        "mksquashfs tree t.squashfs -quiet -no-progress > /dev/null && unsquashfs -lln t.squashfs | sort",
    );
}
