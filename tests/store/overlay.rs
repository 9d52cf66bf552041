//! Files of an overlay's lower layer, which are copied up when they change, and whose names may then have inode numbers
//! of their own.

use super::{Home, succeeds};
use crate::support::skipped;

/// The overlay is the user's, in a user namespace and a mount namespace of its own.
fn on_overlay(home: &Home, script: &str) -> String {
    let mount = "mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work,userxattr ov merged";
    let script = format!("{mount} && cd merged && {script}");
    let mut command = home.lab.unprivileged("unshare");
    command
        .current_dir(&home.dir)
        .args(["-Urm", "sh", "-ec", &script])
        .env("remainroot", home.lab.remainroot());
    succeeds(&mut command)
}

fn a_further_name_keeps_the_owner(test: &str, store: &str) {
    let home = Home::new();
    home.natively(
        "mkdir lower upper work merged; for f in a b s; do echo $f >lower/$f; done; ln lower/b lower/b2; ln -s x lower/l",
    );
    let probe =
        "unshare -Urm mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work,userxattr ov merged";
    if !home
        .lab
        .unprivileged("sh")
        .current_dir(&home.dir)
        .args(["-c", probe])
        .status()
        .expect("sh runs")
        .success()
    {
        return skipped(test, "no overlay can be mounted in a user namespace");
    }
    let script = "chown 33:44 a b; chown -h 5:6 l; chmod 4755 a; setfattr -n trusted.x -v y s; chown 7:8 s; \
                  ln a a-new; ln b b-new; ln l l-new; ln -L s s-new; echo >>a; ln a-new a-newer; mv l-new l-newer; \
                  stat -c '%n %u:%g %a' a a-* b b-* l l-* s s-*; getfattr --only-values -n trusted.x s-new";
    let expected = "a 33:44 4755\na-new 33:44 4755\na-newer 33:44 4755\nb 33:44 644\nb-new 33:44 644\nl 5:6 777\n\
                    l-newer 5:6 777\ns 7:8 644\ns-new 7:8 644\ny";
    let run = format!("\"$remainroot\" --userns keep --store {store} -- sh -ec \"{script}\"");
    // As root, what is written to a file keeps its set-id bits.
    assert_eq!(on_overlay(&home, &run), expected);
}

#[test]
fn a_further_name_keeps_the_owner_in_memory() {
    a_further_name_keeps_the_owner("a_further_name_keeps_the_owner_in_memory", "memory");
}

#[test]
fn a_further_name_keeps_the_owner_in_a_store_that_lasts() {
    a_further_name_keeps_the_owner("a_further_name_keeps_the_owner_in_a_store_that_lasts", "../store");
}
