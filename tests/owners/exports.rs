//! What is exported is what other programs read.

use std::fs;
use std::process::{Command, Output};

use super::support::{Lab, skipped};
use super::{below, can, everything, listing, remainroot, run, same, sh};

const ATTR: &[&str] = &["getfattr", "setfattr", "setfacl", "setcap"];

fn with<'a>(programs: &[&'a str]) -> Vec<&'a str> {
    [ATTR, programs].concat()
}

#[test]
fn gnu_tar_unpacks_the_same_tree() {
    if !can("gnu_tar_unpacks_the_same_tree", &with(&["tar"])) {
        return;
    }
    let lab = Lab::new();
    let tree = everything(lab.path());
    run(remainroot(lab.path()).args(["owners", "export", "-o", "t.tar", "tree"]));
    sh(lab.path(), "mkdir new; tar -C new -xpf t.tar --numeric-owner --xattrs --xattrs-include='*'");
    same(&listing(&tree), &listing(&lab.path().join("new")));
    assert!(fs::metadata(lab.path().join("t.tar")).unwrap().len() < 4_000_000, "holes were written");
    let blocks = sh(lab.path(), "stat -c %b new/holes").trim().parse::<u64>().unwrap();
    assert!(blocks < 1000, "holes were unpacked: {blocks} blocks");
}

#[test]
fn bsdtar_unpacks_the_same_tree() {
    if !can("bsdtar_unpacks_the_same_tree", &with(&["bsdtar"])) {
        return;
    }
    let lab = Lab::new();
    let tree = everything(lab.path());
    // It leaves ACLs out that are not in its own form.
    sh(lab.path(), "setfacl -bk tree/d/e tree/bin/ping; touch -hd @1000000000 tree/d/e tree/bin/ping");
    let tar = remainroot(lab.path()).args(["owners", "export", "tree"]).output().unwrap().stdout;
    fs::write(lab.path().join("t.tar"), tar).unwrap();
    sh(lab.path(), "mkdir new; bsdtar --numeric-owner -C new -xpf t.tar");
    same(&below(&tree), &below(&lab.path().join("new")));
}

#[test]
fn the_same_tree_elsewhere_gives_the_same_archive() {
    if !can("the_same_tree_elsewhere_gives_the_same_archive", &with(&["tar"])) {
        return;
    }
    let lab = Lab::new();
    everything(lab.path());
    // Another order in the directories, no holes, and a time that is after the epoch.
    sh(
        lab.path(),
        "mkdir else; cp -a --sparse=never tree else/; cd else/tree; mv pipe x; mv x pipe; touch null; touch .",
    );
    let digest = |dir: &str| {
        let to = lab.path().join(dir);
        run(remainroot(&to).args(["owners", "export", "-o", "t.tar", "tree"]));
        sh(&to, "sha256sum t.tar")
    };
    assert_eq!(digest("."), digest("else"));
}

#[test]
fn mksquashfs_takes_the_owners() {
    if !can("mksquashfs_takes_the_owners", &with(&["mksquashfs", "unsquashfs"])) {
        return;
    }
    let lab = Lab::new();
    everything(lab.path());
    run(remainroot(lab.path()).args([
        "owners",
        "export",
        "--format",
        "squashfs-pseudo",
        "-o",
        "pseudo",
        "tree",
    ]));
    // The same names and contents, all root's, as a user would have them; the devices are ordinary files.
    sh(
        lab.path(),
        "cp -a tree plain; cd plain; rm null disk; touch null disk; chown -hR 0:0 .; find . ! -type l -exec chmod 700 {} +",
    );
    let image = "mksquashfs $TREE i.$TREE -no-xattrs -noappend -no-progress -quiet";
    sh(
        lab.path(),
        &format!("TREE=tree; {image}; TREE=plain; {image} -pf pseudo -root-mode 755 -e null disk"),
    );
    // Times of devices are those of mksquashfs.
    let list = "unsquashfs -lln i.$TREE | sed -E 's/ (20|19)[0-9-]+ [0-9:]+ / /' | sort";
    let [tree, plain] = ["tree", "plain"].map(|name| sh(lab.path(), &format!("TREE={name}; {list}")));
    assert!(tree.contains("1000/3000000"), "{tree}");
    assert_eq!(tree, plain);
}

#[test]
fn fakeroot_takes_the_owners() {
    if !can("fakeroot_takes_the_owners", &with(&["fakeroot"])) {
        return;
    }
    let lab = Lab::new();
    everything(lab.path());
    run(remainroot(lab.path()).args(["owners", "export", "--format", "fakeroot", "-o", "saved", "tree"]));
    sh(lab.path(), "chmod 644 saved");
    let find = ["find", "tree", "-printf", "%p %y %m %U:%G %n %l\\n"];
    let expected = run(Command::new(find[0]).args(&find[1..]).current_dir(lab.path()));
    let found = run(lab.unprivileged("fakeroot").args(["-i", "saved", "--"]).args(find));
    assert_eq!(found, expected);
}

#[test]
fn bsdtar_reads_the_mtree() {
    if !can("bsdtar_reads_the_mtree", &with(&["bsdtar"])) {
        return;
    }
    let lab = Lab::new();
    everything(lab.path());
    run(remainroot(lab.path()).args([
        "owners",
        "export",
        "--format",
        "mtree",
        "-o",
        "tree/all.mtree",
        "tree",
    ]));
    run(remainroot(lab.path()).args(["owners", "export", "-o", "t.tar", "tree"]));
    let list = |what: &str| {
        sh(
            lab.path(),
            &format!(
                "cd tree; {what} | sed -E 's/ -> .*| link to .*//; s:\\./::' | awk '{{$2 = \"\"; print}}' | sort"
            ),
        )
    };
    let (mtree, tar) = (list("bsdtar -tvf all.mtree"), list("bsdtar --numeric-owner -tvf ../t.tar"));
    // A directory ends in a slash there; other names of an inode have neither a type nor a size of their own.
    let pick =
        |text: &str, name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    for name in ["pipe", "null", "bin/ping", "a name", "holes", "not"] {
        assert_eq!(pick(&mtree, name), pick(&tar, name), "{mtree}\n{tar}");
    }
}

#[test]
fn a_user_owns_the_tree_as_root_and_can_read_all_of_it() {
    let lab = Lab::new();
    let home = lab.home("home");
    run(lab.unprivileged("sh").current_dir(&home).args([
        "-euc",
        "mkdir -p tree/closed; echo a > tree/secret; echo b > tree/closed/file; chmod 0 tree/secret tree/closed",
    ]));
    let mut export = lab.command();
    export.current_dir(&home).args(["owners", "export", "-o", "t.tar", "tree"]);
    run(&mut export);
    let list = sh(&home, "chmod 755 tree/closed; tar -tvf t.tar --numeric-owner | awk '{print $1, $2, $NF}'");
    let expected =
        "drwxr-xr-x 0/0 ./\nd--------- 0/0 closed/\n-rw-r--r-- 0/0 closed/file\n---------- 0/0 secret\n";
    assert_eq!(list, expected);
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let lab = Lab::new();
    let home = lab.home("home");
    let export = |words: &[&str]| {
        let output =
            lab.command().current_dir(&home).args(["owners", "export"]).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, stderr) = export(&["-o", "t.tar", "missing"]);
    assert_eq!(status, Some(125));
    assert!(stderr.contains("cannot open missing: No such file or directory"), "{stderr}");
    let (status, stderr) = export(&["-o", "/nowhere/t.tar", "."]);
    assert_eq!(status, Some(125));
    assert!(stderr.contains("/nowhere/"), "{stderr}");
    let (status, stderr) = export(&["--format", "oci", "."]);
    assert_eq!(status, Some(125));
    assert!(stderr.contains("--output DIR"), "{stderr}");
    let (status, stderr) = export(&["--format", "oci", "-o", "image", "missing"]);
    assert_eq!(status, Some(125), "{stderr}");
    if std::path::Path::new("/dev/full").exists() {
        let (status, stderr) = export(&["-o", "/dev/full", "/proc/self/fd"]);
        assert_eq!(status, Some(125));
        assert!(stderr.contains("No space left on device"), "{stderr}");
    }
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "something was left behind");
}

#[test]
fn blocks_of_a_file_system_may_be_smaller_than_ours() {
    const NAME: &str = "blocks_of_a_file_system_may_be_smaller_than_ours";
    if !can(NAME, &["mkfs.ext4", "tar", "timeout", "unshare"]) {
        return;
    }
    let lab = Lab::new();
    sh(lab.path(), "truncate -s 16M image; mkfs.ext4 -qb 1024 image; mkdir mnt new");
    let mounted = |script: &str| {
        let script = format!("mount -o loop image mnt || exit 77; {script}");
        Command::new("unshare")
            .args(["--mount", "sh", "-euc", &script])
            .current_dir(lab.path())
            .env("REMAINROOT", env!("CARGO_BIN_EXE_remainroot"))
            .output()
            .unwrap()
    };
    // What is there begins and ends within a block of ours.
    let Output { status, stderr, .. } = mounted(
        "mkdir mnt/t; truncate -s 3M mnt/t/f; printf begin | dd of=mnt/t/f bs=1024 seek=5 conv=notrunc status=none
        printf end | dd of=mnt/t/f bs=1024 seek=2001 conv=notrunc status=none
        timeout 20 \"$REMAINROOT\" owners export --format tar mnt/t > t.tar; tar -xf t.tar -C new; cmp new/f mnt/t/f",
    );
    if status.code() == Some(77) {
        return skipped(NAME, "no loop device can be mounted here");
    }
    assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
}

#[test]
fn large_deep_precise_and_binary() {
    if !can("large_deep_precise_and_binary", &with(&["tar"])) {
        return;
    }
    let lab = Lab::new();
    sh(
        lab.path(),
        "mkdir tree; cd tree; truncate -s 10G large; mkdir -p a/b c; echo x > a/b/first; ln a/b/first c/second
        printf end | dd of=large bs=1 seek=9999999990 conv=notrunc status=none
        printf middle | dd of=large bs=1 seek=5000000000 conv=notrunc status=none
        setfattr -n user.bin -v 0x000a3d0a00ff31320a c/second; setfattr -n user.long -v 0x$(printf %03000d 0) c
        name=$(printf 'n%.0s' $(seq 250)); deep=.; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do deep=$deep/$name; done
        mkdir -p $deep; echo deep > $deep/f; ln -s $deep d; touch -d @1700000001.25 large
        touch -d '1999-05-05 05:05:05.123456789 UTC' c/second; touch -hd @0.5 d; touch -d @1000000000.75 c",
    );
    run(remainroot(lab.path()).args(["owners", "export", "--nanoseconds", "-o", "t.tar", "tree"]));
    assert!(fs::metadata(lab.path().join("t.tar")).unwrap().len() < 300_000, "holes were written");
    sh(lab.path(), "mkdir new; tar -C new -xpf t.tar --numeric-owner --xattrs --xattrs-include='*'");
    // No time is later than the epoch, and none that is earlier loses anything.
    let times = "find . -printf '%T@ %p\\n' | cut -c 1-100 | sort";
    let list = |dir: &str| sh(&lab.path().join(dir), times);
    let clamped = |line: &str| {
        let (time, name) = line.split_once(' ').unwrap();
        let is_late = time.parse::<f64>().unwrap() >= 1e9;
        format!("{} {name}\n", if is_late { "1000000000.0000000000" } else { time })
    };
    let mut expected: Vec<_> = list("tree").lines().map(clamped).collect();
    expected.sort();
    assert_eq!(list("new"), expected.concat());
    assert!(expected.concat().contains("925880705.1234567890 ./c/second"), "{expected:?}");
    sh(
        lab.path(),
        "cmp -n 20 -i 9999999980 tree/large new/large; cmp -n 20 -i 5000000000 tree/large new/large
        [ $(stat -c %s new/large) = 10737418240 ]; [ new/a/b/first -ef new/c/second ]
        (cd tree; find . -type f -size -1M -print0 | sort -z | xargs -0 sha256sum; getfattr -Rdm- -ehex a c) > expected
        (cd new; find . -type f -size -1M -print0 | sort -z | xargs -0 sha256sum; getfattr -Rdm- -ehex a c) > found
        cmp expected found; grep -q 'user.bin=0x000a3d0a00ff31320a' found",
    );
}
