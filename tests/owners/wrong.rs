//! What is wrong with what is read, and what goes wrong with what is written: each is told, with where, and nothing is
//! half done.

use std::fs;
use std::process::{Command, Stdio};

use super::home::Home;
use super::support::{Lab, NOBODY_WE_KNOW, skipped};
use super::{EPOCH, can, run, sh};

/// A tree with a file `f` and a directory `d`.
fn tree<'a>(lab: &'a Lab) -> Home<'a> {
    let home = Home::new(lab);
    home.by(&["env"], "mkdir -p tree/d; echo a > tree/f; chmod 644 tree/f; chmod 755 tree tree/d");
    home
}

/// What an import of `list` says, and its exit status.
fn import(home: &Home<'_>, format: &str, list: &str) -> (String, Option<i32>) {
    let (stdout, stderr, status) =
        home.ask(&["import", "--store", "store", "--format", format, "tree", list]);
    assert_eq!(stdout, "");
    (stderr, status)
}

/// Fails if anything is in the index, or on the files.
fn nothing_was_taken(home: &Home<'_>, of: &str) {
    assert_eq!(home.shown(), "drwxr-xr-x 0 0 tree\ndrwxr-xr-x 0 0 tree/d\n-rw-r--r-- 0 0 tree/f\n", "{of}");
}

#[test]
fn an_archive_that_is_damaged_where_it_is_packed() {
    if !can("an_archive_that_is_damaged_where_it_is_packed", &["tar"]) {
        return;
    }
    let lab = Lab::new();
    let home = tree(&lab);
    // The first entry is good, and read before the damage: an owner, and content that packs badly.
    sh(
        lab.path(),
        "mkdir t; head -c 60000 /dev/urandom > t/f; head -c 60000 /dev/urandom > t/g; chown 33:34 t/f
        tar -C t --sort=name -czf home/good.tar.gz f g; cd home; size=$(stat -c %s good.tar.gz)
        head -c 90000 good.tar.gz > short.tar.gz; cp good.tar.gz spoilt.tar.gz; cp good.tar.gz sum.tar.gz
        printf 'XXXXXXXX' | dd of=spoilt.tar.gz bs=1 seek=30000 conv=notrunc status=none
        printf '\\0\\0\\0\\0' | dd of=sum.tar.gz bs=1 seek=$((size - 8)) conv=notrunc status=none",
    );
    for (list, expected) in [
        ("short.tar.gz", "short.tar.gz, entry at byte 61440: "),
        ("spoilt.tar.gz", "spoilt.tar.gz, entry at byte "),
        ("sum.tar.gz", "sum.tar.gz, entry at byte "),
    ] {
        let (said, status) = import(&home, "tar", list);
        assert_eq!(status, Some(125), "{list}: {said}");
        assert!(said.starts_with(&format!("remainroot: {expected}")), "{said}");
        assert!(
            said.ends_with("nothing was imported; the archive has to be fetched or made again\n"),
            "{said}"
        );
        nothing_was_taken(&home, list);
    }
    let (said, status) = import(&home, "tar", "good.tar.gz");
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("remainroot: g: not in the tree\n") && said.contains("\nremainroot: 1 recorded"),
        "{said}"
    );
}

#[test]
fn a_list_with_one_wrong_line_is_refused_as_a_whole() {
    let lab = Lab::new();
    let home = tree(&lab);
    for (what, line, expected) in [
        ("negative", "./d uid=-1", "uid=-1: expected a number to the base 10"),
        ("huge", "./d gid=99999999999999999999", "gid=99999999999999999999: the number is too large"),
        ("nobody", "./d uid=4294967295", "-1 is no uid"),
        ("up", "./../d uid=1", "a path with \"..\" in it"),
        ("type", "./d type=whiteout", "type=whiteout: there is no such type"),
        ("words", "./d mode=u+s", "mode=u+s: expected a number to the base 8"),
        ("device", "./d type=char", "a device without device="),
        ("open", "./d uid=1 \\", "the last line goes on, but there is no more"),
    ] {
        fs::write(home.path.join(what), format!("#mtree\n./f uid=33 gid=34\n{line}\n")).unwrap();
        let (said, status) = import(&home, "mtree", what);
        let expected = format!(
            "remainroot: {what}, line 3: {expected}\nremainroot: nothing was imported; mend or remove the line\n"
        );
        assert_eq!((said, status), (expected, Some(125)));
    }
    fs::write(home.path.join("torn"), "./f uid=33 gid=34\n./d uid=3").unwrap();
    let (said, _) = import(&home, "mtree", "torn");
    assert!(said.starts_with("remainroot: torn, line 2: it has no end: the file is truncated\n"), "{said}");
    nothing_was_taken(&home, "mtree");
}

#[test]
fn what_is_wrong_is_told_briefly() {
    let lab = Lab::new();
    let home = tree(&lab);
    fs::write(home.path.join("garbage"), format!("/{}\n", "x".repeat(1_000_000))).unwrap();
    for format in ["fakeroot", "mtree"] {
        let (said, status) = import(&home, format, "garbage");
        assert_eq!(status, Some(125), "{said}");
        assert!(said.starts_with("remainroot: garbage, line 1: ") && said.len() < 400, "{format}: {said}");
    }
    for format in ["fakeroot", "pseudo", "tar", "mtree"] {
        let said = "remainroot: cannot read nothing: No such file or directory\n".to_owned();
        assert_eq!(import(&home, format, "nothing"), (said, Some(125)), "{format}");
    }
}

#[test]
fn one_that_fails_keeps_no_other_from_it() {
    let lab = Lab::new();
    let home = tree(&lab);
    let failed = "remainroot: cannot open gone: No such file or directory\n".to_owned();
    let set = home.ask(&["set", "--store", "store", "3:4", "tree/f", "gone", "tree/d"]);
    assert_eq!(set, (String::new(), failed.clone(), Some(1)));
    assert_eq!(home.shown(), "drwxr-xr-x 0 0 tree\ndrwxr-xr-x 3 4 tree/d\n-rw-r--r-- 3 4 tree/f\n");
    let (out, err, status) = home.ask(&["show", "--store", "store", "gone", "tree/f"]);
    assert_eq!((err, status), (failed, Some(1)));
    assert!(out.ends_with(" tree/f\n"), "{out}");
}

#[test]
fn an_attribute_that_makes_no_sense_is_told_once() {
    const NAME: &str = "an_attribute_that_makes_no_sense_is_told_once";
    if !can(NAME, &["setfattr", "tar"]) {
        return;
    }
    let lab = Lab::new();
    let home = tree(&lab);
    home.by(&["env"], "setfattr -n user.rootlesscontainers -v nonsense tree/f; ln tree/f tree/g");
    for (words, status) in [
        (&["show", "-r", "--store", "memory", "tree", "tree/f"][..], Some(0)),
        (&["export", "-o", "t.tar", "tree"], Some(0)),
        (&["diff", "tree", "tree"], Some(0)),
        (&["verify", "tree"], Some(1)),
        (&["repair", "tree"], Some(1)),
        (&["import", "--format", "attributes", "tree"], Some(1)),
    ] {
        let (out, err, ended) = home.ask(words);
        let all = format!("{out}{err}");
        let told = all.lines().filter(|line| line.contains("wire type")).count();
        assert!(told == 1 && ended == status && all.contains("tree/f"), "{words:?}: {ended:?}: {all}");
    }
    let mut run = lab.command();
    run.current_dir(&home.path).args(["--", "sh", "-c", "ls -l tree; tar -cf - tree | wc -c; ls -l tree/f"]);
    let err = String::from_utf8(run.output().unwrap().stderr).unwrap();
    assert_eq!(err.matches("is malformed").count(), 1, "{err}");
}

#[test]
fn what_is_strange_but_clear_is_taken() {
    let lab = Lab::new();
    let home = tree(&lab);
    // Keywords of others, a line in two parts, a name that is no text, and what is said later of the same file.
    let list = b"#mtree\n/set type=file nlink=1\n./f uid=33 gid=34 sha512=0 flags=none nochange xyz=1\n\
        ./d type=dir \\\n    uid=5\n./n\\377 uid=1\n./n\xFF\x1B[2J uid=1\n./f gid=35\n";
    fs::write(home.path.join("list"), list).unwrap();
    let (said, status) = import(&home, "mtree", "list");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("2 recorded") && said.contains("not in the tree: 2"), "{said}");
    assert!(said.bytes().all(|byte| byte != 0x1B), "a command for a terminal: {said:?}");
    assert_eq!(home.shown(), "drwxr-xr-x 0 0 tree\ndrwxr-xr-x 5 0 tree/d\n-rw-r--r-- 33 35 tree/f\n");
}

#[test]
fn a_list_that_is_about_something_else() {
    let lab = Lab::new();
    let home = tree(&lab);
    for (format, list) in [("mtree", "#mtree\n"), ("mtree", ""), ("fakeroot", "")] {
        fs::write(home.path.join("empty"), list).unwrap();
        let (said, status) = import(&home, format, "empty");
        assert_eq!(status, Some(125), "{said}");
        assert!(
            said.starts_with("remainroot: the list names no file\nremainroot: nothing was imported"),
            "{said}"
        );
    }
    fs::write(home.path.join("paths"), "./ uid=1\n./x uid=1\n./y uid=1\n").unwrap();
    let (said, status) = import(&home, "mtree", "paths");
    assert_eq!(status, Some(125), "{said}");
    assert!(said.starts_with("remainroot: none of the 2 files in the list is in tree\n"), "{said}");
    let line = |uid: u32| format!("dev=1,ino=2,mode=100644,uid={uid},gid=0,nlink=1,rdev=0\n");
    fs::write(home.path.join("inodes"), [line(1), line(1), line(2)].concat()).unwrap();
    let (said, status) = import(&home, "fakeroot", "inodes");
    assert_eq!(status, Some(125), "{said}");
    let expected = "remainroot: device 1, inode 2: twice in the list, and not the same; the last holds\n\
        remainroot: none of the 1 files in the list is in tree\n";
    assert!(said.starts_with(expected), "{said}");
    nothing_was_taken(&home, "lists of others");
    // Right but for one file: the others are taken, and the exit status tells.
    fs::write(home.path.join("mixed"), "./f uid=33\n./d uid=34 type=file\n").unwrap();
    let (said, status) = import(&home, "mtree", "mixed");
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.starts_with("remainroot: tree/d: left as it is: it is a directory, not a regular file\n"),
        "{said}"
    );
    assert!(said.contains("\nremainroot: tree: not in the list, and left as it is\n"), "{said}");
    assert_eq!(home.shown(), "drwxr-xr-x 0 0 tree\ndrwxr-xr-x 0 0 tree/d\n-rw-r--r-- 33 0 tree/f\n");
}

#[test]
fn what_is_written_does_not_hold_itself() {
    let lab = Lab::new();
    let home = tree(&lab);
    let export = |words: &[&str]| run(home.owners(&["export", "--store", "memory"]).args(words));
    export(&["-o", "expected.tar", "tree"]);
    for words in [&["-o", "tree/in.tar", "tree"][..], &["--format", "oci", "-o", "tree/image", "tree"]] {
        export(words);
    }
    sh(&home.path, "touch -d @5 tree; rm -r tree/image");
    let redirected = "\"$REMAINROOT\" owners export --store memory tree > tree/out.tar; rm tree/in.tar";
    let mut shell = lab.unprivileged("sh");
    shell.current_dir(&home.path).env("HOME", &home.path).env("REMAINROOT", lab.remainroot());
    run(shell.env("SOURCE_DATE_EPOCH", EPOCH).args(["-euc", redirected]));
    let names = sh(&home.path, "tar -tf tree/out.tar");
    assert_eq!(names, "./\nd/\nf\nin.tar\n");
    assert_eq!(sh(&home.path, "tar -tf expected.tar"), "./\nd/\nf\n");
}

#[test]
fn no_room_for_what_is_written() {
    const NAME: &str = "no_room_for_what_is_written";
    if !can(NAME, &["unshare", "mount"]) {
        return;
    }
    let lab = Lab::new();
    sh(lab.path(), "mkdir small tree; head -c 3000000 /dev/urandom > tree/f");
    let script = "mount -t tmpfs -o size=1M none small || exit 77; echo before > small/t.tar
        for words in '-o small/t.tar' '-o small/new.tar' '--format oci -o small/image' '--format oci -o small/i.tar'; do
            \"$REMAINROOT\" owners export --store memory $words tree && exit 1; [ \"$(ls -A small)\" = t.tar ]
        done
        grep -qx before small/t.tar; \"$REMAINROOT\" owners export --store memory tree > small/rest && exit 1; true";
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-euc", script]).current_dir(lab.path());
    let output = unshare.env("REMAINROOT", env!("CARGO_BIN_EXE_remainroot")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    if output.status.code() == Some(77) {
        return skipped(NAME, "no tmpfs can be mounted here");
    }
    assert!(output.status.success(), "{stderr}");
    for expected in [
        "remainroot: cannot write the archive: No space left on device; small/t.tar is what it was before\n",
        "remainroot: cannot write the archive: No space left on device; small/new.tar was not made\n",
    ] {
        assert!(stderr.contains(expected), "{stderr}");
    }
    assert_eq!(stderr.matches("No space left on device").count(), 5, "{stderr}");
}

#[test]
fn a_tree_that_can_only_be_read() {
    const NAME: &str = "a_tree_that_can_only_be_read";
    if !can(NAME, &["unshare", "mount", "setpriv"]) {
        return;
    }
    let lab = Lab::new();
    let home = tree(&lab);
    fs::write(home.path.join("list"), "./f uid=33\n").unwrap();
    let script = "mount --bind tree tree && mount -o remount,bind,ro tree || exit 77
        user() { setpriv --reuid $USER_ID --regid $USER_ID --clear-groups \"$REMAINROOT\" owners \"$@\" --store store; }
        user import --format mtree tree list || echo $?; user set 3:4 tree/f || echo $?; user show tree/f";
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-euc", script]).current_dir(&home.path).env("HOME", &home.path);
    unshare.env("REMAINROOT", lab.remainroot()).env("USER_ID", NOBODY_WE_KNOW.to_string());
    let output = unshare.output().unwrap();
    if output.status.code() == Some(77) {
        return skipped(NAME, "nothing can be mounted here");
    }
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(out.starts_with("125\n1\n-rw-r--r--  1      0      0 "), "{out}{err}");
    assert_eq!(
        err.matches("remainroot: cannot record the owner of tree/f: Read-only file system\n").count(),
        2,
        "{err}"
    );
}

#[test]
fn an_index_that_can_only_be_read_is_read() {
    const NAME: &str = "an_index_that_can_only_be_read_is_read";
    if !can(NAME, &["unshare", "mount", "setpriv"]) {
        return;
    }
    let lab = Lab::new();
    let home = tree(&lab);
    let run = |script: &str| {
        let mut command = lab.command();
        command.current_dir(&home.path).args(["--store", "store", "--", "sh", "-c", script]).output().unwrap()
    };
    assert!(run("ln -s x tree/l; chown -h 5:6 tree/l").status.success());
    let script = "mount --bind store store && mount -o remount,bind,ro store || exit 77
        user() { setpriv --reuid $USER_ID --regid $USER_ID --clear-groups \"$REMAINROOT\" \"$@\"; }
        user owners show --store store tree/l; user owners verify --store store tree
        user owners diff --store store tree tree; user owners export --store store tree | tar -tvf - ./l l 2>/dev/null
        user owners set --store store 1:1 tree/f && exit 1; user --store store -- true && exit 1; true";
    let read_only = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-uc", script]).current_dir(&home.path).env("HOME", &home.path);
        unshare.env("REMAINROOT", lab.remainroot()).env("USER_ID", NOBODY_WE_KNOW.to_string());
        let output = unshare.output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (out, err, output.status.code())
    };
    let (out, err, status) = read_only();
    if status == Some(77) {
        return skipped(NAME, "nothing can be mounted here");
    }
    // With a log, too, that whoever was killed has left.
    assert!(!run("ln -s x tree/m; chown -h 7:8 tree/m; kill -9 $PPID").status.success());
    let with_log = read_only();
    for (out, err, status, records) in [(out, err, status, 1), (with_log.0, with_log.1, with_log.2, 2)] {
        assert_eq!(status, Some(0), "{out}{err}");
        assert!(out.starts_with("lrwxrwxrwx  1      5      6 ") && out.contains(" 5/6 "), "{out}{err}");
        assert!(err.starts_with(&format!("remainroot: {records} files are in the index, ")), "{err}");
        assert_eq!(err.matches("index.db: this index can only be read: owners show, ").count(), 2, "{err}");
    }
    // A copy without the shared memory, which only a writer could make anew.
    home.by(&["env"], "rm store/index.db-shm");
    let (out, err, _) = read_only();
    assert_eq!(out, "", "{err}");
    assert!(err.contains("its log (index.db-wal) is not of use without index.db-shm"), "{err}");
}

#[test]
fn nobody_reads_what_is_written() {
    let lab = Lab::new();
    let home = tree(&lab);
    home.by(&["env"], "head -c 3000000 /dev/zero | tr '\\0' x > tree/large");
    for (words, status) in [
        (&["export", "--store", "memory", "tree"][..], Some(125)),
        (&["export", "--store", "memory", "--format", "mtree", "tree"], Some(125)),
        // What is listed for people may end where they have seen enough.
        (&["show", "-r", "--store", "memory", "tree"], Some(0)),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = home.owners(words).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), status, "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_tree_is_a_directory() {
    let lab = Lab::new();
    let home = tree(&lab);
    let (stdout, stderr, status) = home.ask(&["export", "--store", "memory", "tree/f"]);
    let expected = "remainroot: tree/f: a tree begins with a directory\n";
    assert_eq!((stdout.as_str(), stderr.as_str(), status), ("", expected, Some(125)));
}
