//! Images go to and come from the programs that others use for them: skopeo, umoci, podman.

use super::home::Home;
use super::support::Lab;
use super::{below, can, everything, listing, remainroot, run, same, same_lines, sh};

const ATTR: &[&str] = &["getfattr", "setfattr", "setfacl", "setcap"];

fn with<'a>(programs: &[&'a str]) -> Vec<&'a str> {
    [ATTR, programs].concat()
}

#[test]
fn an_image_is_accepted_and_unpacked_as_the_same_tree() {
    if !can("an_image_is_accepted_and_unpacked_as_the_same_tree", &with(&["skopeo", "umoci"])) {
        return;
    }
    let lab = Lab::new();
    let tree = everything(lab.path());
    for packed in ["none", "gzip", "zstd"] {
        let words =
            ["owners", "export", "--format", "oci", "--tag", "here", "-o", packed, "--compression", packed];
        run(remainroot(lab.path()).args(words).arg("tree"));
        // skopeo packs the layer anew for umoci, which knows no zstd.
        sh(
            lab.path(),
            &format!(
                "skopeo --insecure-policy copy --dest-compress-format gzip oci:{packed}:here oci:{packed}-2:here"
            ),
        );
        sh(lab.path(), &format!("umoci unpack --image {packed}-2:here {packed}-bundle"));
        same(&listing(&tree), &listing(&lab.path().join(format!("{packed}-bundle/rootfs"))));
    }
    let again =
        remainroot(lab.path()).args(["owners", "export", "--format", "oci", "-o", "gzip", "tree"]).output();
    let stderr = String::from_utf8(again.unwrap().stderr).unwrap();
    assert!(stderr.starts_with("remainroot: gzip exists\n"), "{stderr}");
}

#[test]
fn podman_loads_an_archived_image() {
    if !can("podman_loads_an_archived_image", &with(&["podman"])) {
        return;
    }
    let lab = Lab::new();
    let tree = everything(lab.path());
    run(remainroot(lab.path()).args(["owners", "export", "--format", "oci", "-o", "image.tar", "tree"]));
    let podman = "podman --root $PWD/podman --runroot $PWD/podman-run --storage-driver vfs";
    let loaded = sh(lab.path(), &format!("{podman} load --quiet --input image.tar"));
    let image = loaded.trim().rsplit(' ').next().unwrap();
    let mounted = sh(lab.path(), &format!("{podman} image mount {image}"));
    let (expected, found) = (below(&tree), below(mounted.trim().as_ref()));
    sh(lab.path(), &format!("{podman} image umount {image}; {podman} rmi {image}"));
    same(&expected, &found);
}

#[test]
fn skopeo_carries_an_image_anywhere() {
    if !can("skopeo_carries_an_image_anywhere", &with(&["skopeo", "umoci"])) {
        return;
    }
    let lab = Lab::new();
    let tree = everything(lab.path());
    run(remainroot(lab.path()).args(["owners", "export", "--format", "oci", "-o", "image", "tree"]));
    // Debian's names of architectures are Go's for those that we have.
    let said = sh(lab.path(), "skopeo inspect --format '{{.Os}} {{.Architecture}}' oci:image:latest");
    assert_eq!(said, format!("linux {}", sh(lab.path(), "dpkg --print-architecture")));
    let copy = |from: &str, to: &str| {
        sh(lab.path(), &format!("skopeo --insecure-policy copy --quiet {from} {to}"));
    };
    for (to, back) in
        [("docker-archive:a.tar:here/image:1", "oci:from-archive:x"), ("dir:d", "oci:from-dir:x")]
    {
        copy("oci:image:latest", to);
        let to = to.trim_end_matches(":here/image:1");
        copy(to, back);
        let bundle = back.replace([':'], "-");
        sh(lab.path(), &format!("umoci unpack --image {} {bundle}", back.trim_start_matches("oci:")));
        same(&listing(&tree), &listing(&lab.path().join(bundle).join("rootfs")));
    }
}

/// An image of what a user's umoci can unpack without help: it can make no devices, and put no attribute on links,
/// pipes, and what is closed.
fn modest_image(lab: &Lab, home: &Home<'_>) {
    everything(lab.path());
    sh(
        lab.path(),
        "cd tree; rm null disk pipe; find . -type l -delete; setfacl -bR .; setcap -r bin/ping; setfattr -x trusted.t d/e",
    );
    run(remainroot(lab.path()).args(["owners", "export", "--format", "oci", "-o", "image", "tree"]));
    home.by(&["env"], "cp -r ../image image");
}

/// Type, mode, owner, content and aim of each file, by an mtree. Times of directories are those of the unpacking.
fn without_times(mtree: &str) -> Vec<String> {
    let line =
        |line: &str| line.split(' ').filter(|word| !word.starts_with("time=")).collect::<Vec<_>>().join(" ");
    mtree.lines().map(line).collect()
}

#[test]
fn what_umoci_unpacks_for_a_user_has_its_owners() {
    if !can("what_umoci_unpacks_for_a_user_has_its_owners", &with(&["umoci", "tar"])) {
        return;
    }
    let lab = Lab::new();
    let home = Home::new(&lab);
    modest_image(&lab, &home);
    home.by(&["env"], "umoci unpack --rootless --image image:latest bundle");
    let expected = run(remainroot(lab.path()).args(["owners", "export", "--format", "mtree", "tree"]));
    assert!(expected.contains("mode=6755 uid=1000 gid=3000000"), "{expected}");
    let found = run(&mut home.owners(&["export", "--format", "mtree", "--store", "memory", "bundle/rootfs"]));
    same_lines("mtree", without_times(&expected), without_times(&found));
    // From the inside, too.
    let seen = home.as_root("cd bundle/rootfs; find . -printf '%P %m %U:%G\\n' | sort");
    assert_eq!(seen, sh(&lab.path().join("tree"), "find . -printf '%P %m %U:%G\\n' | sort"));
}

/// What is done to an unpacked image: to what there was, to what was named twice, and to what is new.
const CHANGE: &str = "cd bundle/rootfs; chown 44:45 bin/ping; chmod 4711 bin/ping; chown 0:0 d; mkdir new
    chown 66:67 new; echo n > new/f; chown 68:69 new/f; chmod 600 new/f; echo 2 > new/2; chmod 2755 new/2
    chown 1:70000 'a name with \"quotes\" \\ and spaces'";

#[test]
fn umoci_repacks_a_users_tree_with_its_owners() {
    if !can("umoci_repacks_a_users_tree_with_its_owners", &with(&["umoci"])) {
        return;
    }
    let lab = Lab::new();
    let home = Home::new(&lab);
    modest_image(&lab, &home);
    home.by(&["env"], "umoci unpack --rootless --image image:latest bundle");
    home.as_root(CHANGE);
    home.by(&["env"], "umoci repack --image image:changed bundle");
    // By real root, who unpacks it as it is.
    sh(lab.path(), "umoci unpack --image home/image:changed again");
    let expected =
        run(&mut home.owners(&["export", "--format", "mtree", "--store", "store", "bundle/rootfs"]));
    let found = run(remainroot(lab.path()).args(["owners", "export", "--format", "mtree", "again/rootfs"]));
    same_lines("mtree", without_times(&expected), without_times(&found));
    for owner in ["mode=4711 uid=44 gid=45", "mode=0600 uid=68 gid=69", "uid=1 gid=70000"] {
        assert!(found.contains(owner), "{owner}: {found}");
    }
}

#[test]
fn umoci_under_remainroot_keeps_all() {
    if !can("umoci_under_remainroot_keeps_all", &with(&["umoci"])) {
        return;
    }
    let lab = Lab::new();
    let home = Home::new(&lab);
    everything(lab.path());
    run(remainroot(lab.path()).args(["owners", "export", "--format", "oci", "-o", "image", "tree"]));
    home.by(&["env"], "cp -r ../image image");
    // umoci makes no devices where /proc/self/uid_map has a single line of one id.
    home.as_root_with(&["--proc", "full"], "umoci unpack --image image:latest bundle");
    let words = ["export", "--format", "tar", "--store", "store", "-o"];
    run(home.owners(&words).args(["unpacked.tar", "bundle/rootfs"]));
    run(remainroot(lab.path()).args(["owners", "export", "-o", "tree.tar", "tree"]));
    assert_eq!(sh(&home.path, "cmp ../tree.tar unpacked.tar"), "");
    home.as_root_with(
        &["--proc", "full"],
        &format!(
            "({CHANGE}; ln -s f new/l; chown -h 3:4 new/l d/link; mkfifo new/p; chown 5:6 new/p
        setcap cap_chown+ep new/f; setfacl -m u:33:rw new/f)
        umoci repack --image image:changed bundle"
        ),
    );
    run(home.owners(&words).args(["changed.tar", "bundle/rootfs"]));
    sh(lab.path(), "umoci unpack --image home/image:changed again");
    run(remainroot(lab.path()).args(["owners", "export", "-o", "again.tar", "again/rootfs"]));
    assert_eq!(sh(&home.path, "cmp ../again.tar changed.tar"), "");
}
