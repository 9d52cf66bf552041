//! What is recorded from outside a run lasts, and comes from where other programs have left it.

use std::fs;

use super::home::Home;
use super::support::Lab;
use super::{can, run, sh};

/// Makes a small tree as somebody who believes to be root.
const MAKE: &str =
    "umask 022; mkdir -p tree/d; cd tree; echo a > d/f; chown 33:34 d/f; chmod 4755 d/f; ln d/f d/g
    ln -s f d/l; chown -h 7:8 d/l; mknod null c 1 3; chmod 666 null; chown 5:6 d; cd ..";

/// What `owners show` must say of it: mode, owner, and device or size.
const SHOWN: &str = "drwxr-xr-x 0 0 tree\ndrwxr-xr-x 5 6 tree/d\n-rwsr-xr-x 33 34 tree/d/f\n-rwsr-xr-x 33 34 tree/d/g\n\
    lrwxrwxrwx 7 8 tree/d/l\ncrw-rw-rw- 0 0 tree/null\n";

#[test]
fn from_fakeroot() {
    if !can("from_fakeroot", &["fakeroot"]) {
        return;
    }
    let lab = Lab::new();
    let home = Home::new(&lab);
    home.by(&["fakeroot", "-s", "saved", "--"], MAKE);
    let (_, stderr, status) =
        home.ask(&["import", "--store", "store", "--format", "fakeroot", "tree", "saved"]);
    assert_eq!((status, home.shown().as_str()), (Some(0), SHOWN), "{stderr}");
}

#[test]
fn from_pseudo() {
    if !can("from_pseudo", &["pseudo"]) {
        return;
    }
    let lab = Lab::new();
    let home = Home::new(&lab);
    let pseudo = |words: &[&str]| {
        let mut command = lab.unprivileged("pseudo");
        command.current_dir(&home.path).env("HOME", &home.path).env("PSEUDO_PREFIX", "/usr");
        run(command.env("PSEUDO_LOCALSTATEDIR", home.path.join("pseudo")).args(words));
    };
    pseudo(&["sh", "-euc", MAKE]);
    pseudo(&["-S"]);
    let (_, stderr, status) =
        home.ask(&["import", "--store", "store", "--format", "pseudo", "tree", "pseudo/files.db"]);
    assert_eq!((status, home.shown().as_str()), (Some(0), SHOWN), "{stderr}");
}

#[test]
fn from_an_archive_and_from_an_mtree() {
    if !can("from_an_archive_and_from_an_mtree", &["tar"]) {
        return;
    }
    let lab = Lab::new();
    sh(lab.path(), &format!("{MAKE}; tar -czf t.tar.gz --xattrs -C tree .; chmod 644 t.tar.gz"));
    run(lab
        .natively(lab.remainroot())
        .current_dir(lab.path())
        .args(["owners", "export", "--format", "mtree", "-o", "t.mtree", "tree"]));
    sh(lab.path(), "chmod 644 t.mtree");
    for (format, list) in [("tar", "../t.tar.gz"), ("mtree", "../t.mtree")] {
        let home = Home::named(&lab, format);
        let unpack =
            "mkdir tree; tar -C tree -xf ../t.tar.gz --no-same-owner --exclude=./null; : > tree/null";
        home.by(&["env"], unpack);
        let words = ["import", "--store", "store", "--format", format, "tree", list];
        let (_, stderr, status) = home.ask(&words);
        assert_eq!((status, home.shown().as_str()), (Some(0), SHOWN), "{format}: {stderr}");
        let (_, again, _) = home.ask(&words);
        assert!(again.contains("0 recorded"), "{again}");
    }
}

#[test]
fn a_run_sees_what_was_set_and_shows_what_it_has_done() {
    let lab = Lab::new();
    let home = Home::new(&lab);
    home.by(&["env"], "mkdir tree; echo a > tree/f; ln -s f tree/l");
    let (_, stderr, status) = home.ask(&["set", "--store", "store", "33:34:4750", "tree/f"]);
    assert_eq!(status, Some(0), "{stderr}");
    let mut inside = lab.command();
    inside.current_dir(&home.path).env("HOME", &home.path);
    inside.args(["--store", "store", "--", "sh", "-euc", "stat -c '%u:%g %a' tree/f; chown -h 7:8 tree/l"]);
    assert_eq!(run(&mut inside), "33:34 4750\n");
    let expected = "drwxr-xr-x 0 0 tree\n-rwsr-x--- 33 34 tree/f\nlrwxrwxrwx 7 8 tree/l\n";
    assert_eq!(home.shown(), expected);
    let (stdout, stderr, status) = home.ask(&["verify", "--store", "store", "tree"]);
    assert_eq!(status, Some(0), "{stdout}{stderr}");
}

#[test]
fn a_lost_index_is_made_anew() {
    if !can("a_lost_index_is_made_anew", &["setfattr"]) {
        return;
    }
    let lab = Lab::new();
    let home = Home::new(&lab);
    home.by(&["env"], "mkdir tree; echo a > tree/f; ln -s f tree/l");
    run(&mut home.owners(&["set", "--store", "store", "33:34", "tree/f", "tree/l"]));
    fs::remove_dir_all(home.path.join("store")).unwrap();
    let (stdout, stderr, status) = home.ask(&["repair", "--store", "store", "tree"]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.contains("tree/l: a symbolic link, which cannot carry an attribute"), "{stdout}");
    assert_eq!(home.shown(), "drwxr-xr-x 0 0 tree\n-rw-r--r-- 33 34 tree/f\nlrwxrwxrwx 0 0 tree/l\n");
    home.by(&["env"], "setfattr -n user.rootlesscontainers -v 0x08051006 tree/f");
    let (stdout, _, status) = home.ask(&["verify", "--store", "store", "tree"]);
    assert_eq!(status, Some(1), "{stdout}");
    assert!(stdout.contains("tree/f: 33:34 by the index, 5:6 by its attribute"), "{stdout}");
}

#[test]
fn what_is_wrong_with_a_list_is_told() {
    let lab = Lab::new();
    let home = Home::new(&lab);
    home.by(&["env"], "mkdir tree; echo 'dev=1,ino=1' > saved; : > empty; head -c 700 /dev/zero > zeros");
    let import = |format, list| home.ask(&["import", "--store", "store", "--format", format, "tree", list]);
    let wrong = |format, list, expected: &str| {
        let (_, stderr, status) = import(format, list);
        assert_eq!(status, Some(125), "{stderr}");
        assert!(stderr.starts_with(&format!("remainroot: {expected}")), "{stderr}");
    };
    wrong("fakeroot", "saved", "saved, line 1: it ends before mode=\nremainroot: nothing was imported");
    wrong("tar", "empty", "empty, entry at byte 0: this is no tar archive");
    wrong("pseudo", "zeros", "zeros: not a database of pseudo's");
    wrong("mtree", "nowhere", "cannot read nowhere: No such file or directory");
    let (_, stderr, _) = home.ask(&["verify", "--store", "store", "tree"]);
    assert!(stderr.starts_with("remainroot: 0 files are in the index"), "{stderr}");
}
