//! Disks that come back under another device number, as they do after a restart of the machine.

use std::fs;
use std::process::Command;

use crate::Home;
use crate::support::{NOBODY_WE_KNOW, is_root, skipped};

/// What a script prints that has an image mounted at `m` as a file system of the type $0, the user's, by two numbers in
/// turn: those of two loop devices, of which the second is made while there is the first.
const SCRIPT: &str = r#"
    user() { setpriv --reuid $USER_ID --regid $USER_ID --clear-groups "$@"; }
    run() { user "$REMAINROOT" --store home/store -- sh -ec "$1"; }
    mkdir -p m; truncate -s 320M $0.image
    mkfs.$0 -q $0.image; mount -o loop $0.image m || exit 77; chown $USER_ID m; first=$(stat -c %d m)
    run 'cd m; mkdir d; cd d; ln -s x l; chown -h 5:6 l; mkfifo p; chown 7:8 p; touch f; chown 1:2 f; chmod 4755 f'
    second=$(losetup --find --show $0.image) || exit 77; umount m
    mount $second m; losetup --detach $second; [ $first != $(stat -c %d m) ]
    run 'cd m/d; stat -c "%n %u:%g %a" f l p'
    user "$REMAINROOT" owners verify --store home/store m/d
"#;

#[test]
fn a_disk_is_known_under_another_number() {
    const NAME: &str = "a_disk_is_known_under_another_number";
    if !is_root() {
        return skipped(NAME, "a disk of its own takes real root");
    }
    let kernel = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let mut tried = false;
    for kind in ["ext4", "xfs"] {
        if !kernel.contains(kind) {
            // The machine's kernel is no matter of what was installed for the tests.
            eprintln!("{NAME}: this kernel has no {kind}");
            continue;
        }
        let home = Home::new();
        let mut script = Command::new("unshare");
        script.args(["--mount", "sh", "-euc", SCRIPT, kind]).current_dir(home.lab.path());
        script.env("REMAINROOT", home.lab.remainroot()).env("USER_ID", NOBODY_WE_KNOW.to_string());
        let output = script.output().expect("unshare runs");
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
        if output.status.code() == Some(77) {
            // As little as that the machine lends out no loop devices.
            eprintln!("{NAME}: no {kind} can be mounted here: {err}");
            continue;
        }
        tried = true;
        assert_eq!(out, "f 1:2 4755\nl 5:6 777\np 7:8 644\n", "{kind}: {err}");
        let said = "remainroot: 3 files are in the index, 0 have an attribute alone; 0 are wrong\n";
        assert!(output.status.success() && err.ends_with(said), "{kind}: {err}");
    }
    if !tried {
        // A machine that lends out no loop devices lacks nothing that could be installed.
        eprintln!("skipped: {NAME}: no disk of any kind can be mounted here");
    }
}
