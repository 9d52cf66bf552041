//! What `owners prune` must leave alone: records of files that it did not come to.

use super::{Home, succeeds};
use crate::support::skipped;

/// Runs a script with mounts of its own, in a user namespace of the user's: what it prints to both. In it, `run SCRIPT` is a
/// run, and `prune TREE…` what it says.
fn with_mounts(home: &Home, script: &str) -> String {
    const WORDS: &str = "run() { \"$remainroot\" --userns keep --store store -- sh -ec \"$1\"; }
        prune() { \"$remainroot\" owners prune --store store \"$@\" 2>&1 | sed 's/^remainroot: //'; }";
    let mut command = home.lab.unprivileged("unshare");
    command.current_dir(&home.dir).args(["-Urm", "sh", "-euc", &format!("{WORDS}\n{script}")]);
    succeeds(command.env("remainroot", home.lab.remainroot()))
}

#[test]
fn what_is_mounted_in_a_tree_and_what_it_hides_is_kept() {
    let home = Home::new();
    // Tmpfs, so that nothing depends on what the directory is on.
    let script = "mkdir home; mount -t tmpfs t home; cd home; mkdir -p tree/mnt tree/dir tree/bind other
        run 'cd tree; for f in mnt/hidden dir/kept dir/gone ../other/l; do ln -s x $f; chown -h 5:6 $f; done'
        rm tree/dir/gone; mount -t tmpfs t tree/mnt
        run 'ln -s x tree/mnt/l; chown -h 33:34 tree/mnt/l; mkfifo tree/mnt/p; chown 7 tree/mnt/p'
        echo a mount; prune tree; prune tree tree/mnt; rm tree/mnt/l; prune tree/mnt
        mount --bind other tree/bind; run 'stat -c %u tree/mnt/p tree/bind/l tree/dir/kept'; umount tree/mnt
        echo a bind mount; prune tree; prune tree/bind
        umount tree/bind; mount --bind tree/mnt tree/dir
        echo the tree itself; prune tree/dir; umount tree/dir
        echo none; prune --dry-run tree other; prune tree other
        run 'stat -c %u tree/mnt/hidden other/l tree/dir/kept'";
    let hides = "records are kept: a mount hides what may be below it, unmount it first";
    let expected = format!(
        "a mount\n0 records of files that are gone were removed\n3 {hides}: tree/mnt\n\
         2 records are kept: mounts are not gone into, name them as trees, too: tree/mnt\n\
         0 records of files that are gone were removed\n3 {hides}: tree/mnt\n\
         1 records of files that are gone were removed\n7\n5\n5\n\
         a bind mount\n0 records of files that are gone were removed\n2 {hides}: tree/bind\n\
         0 records of files that are gone were removed\n3 {hides}: tree/bind\n\
         the tree itself\n0 records of files that are gone were removed\n3 {hides}: tree/dir\n\
         none\n1 records are of files that are gone\n1 records of files that are gone were removed\n5\n5\n5\n"
    );
    assert_eq!(with_mounts(&home, script), expected);
}

#[test]
fn records_of_an_overlay_go_with_files_of_that_overlay_alone() {
    const NAME: &str = "records_of_an_overlay_go_with_files_of_that_overlay_alone";
    let home = Home::new();
    let mount = "overlay() { mount -t overlay -o userxattr,lowerdir=lower,upperdir=$1,workdir=work,$2 ov merged; }
        mkdir -p home; mount -t tmpfs t home; cd home; mkdir lower null on work merged; ln -s x lower/l; ln -s x lower/m
        overlay null uuid=null 2>/dev/null || exit 0; umount merged; overlay on uuid=on || exit 0; umount merged";
    if with_mounts(&home, &format!("{mount}; echo mounted")) != "mounted\n" {
        return skipped(NAME, "no overlay with an id of its own, or without one, can be mounted (Linux 6.6)");
    }
    let script = "for id in null on; do
            overlay $id uuid=$id; run 'cd merged; chown -h 33:44 l m; ln -s x n; chown -h 5 n'; rm merged/m
            echo $id; prune lower $id; prune merged; run 'stat -c %u merged/l merged/n'; umount merged
        done";
    let none = "0 records of files that are gone were removed\n";
    let expected = format!(
        "null\n{none}{none}1 records are kept: nothing tells the overlay from others on its file system (uuid=on \
         does)\n33\n5\non\n{none}1{}33\n5\n",
        &none[1..]
    );
    assert_eq!(with_mounts(&home, &format!("{mount}\n{script}")), expected);
}
