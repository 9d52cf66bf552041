//! Images by podman and buildah, with the whole engine under remainroot: their layers have the owners that programs saw.

use crate::{Site, installed, text};

const LAYERS: &str = "\
-rwxr-sr-x 0/101 data/agent
drwxr-xr-x 33/0 data/cache/
-rw-r--r-- 33/33 data/file
lrwxrwxrwx 5/6 data/link
prw-r--r-- 5/6 data/pipe
-rw-r----- 0/42 data/shadow
-rw-r--r-- 33/33 tmp/theirs
";

#[test]
fn images_are_built_with_their_owners() {
    let test = "images_are_built_with_their_owners";
    if !["podman", "buildah", "crun", "runc"].iter().all(|program| installed(test, program)) {
        return;
    }
    let site = Site::new();
    let script = site.lab.copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oci/build.sh"), "build.sh");
    let mut command = site.user(&["sh".as_ref(), &script, &site.tree, &site.lab.remainroot()]);
    let (out, err, status) = text(&command.output().expect("sh starts"));
    let printed = format!(
        "by podman and crun:\n{LAYERS}33:0\n5:6\nby buildah, in a chroot:\n{LAYERS}\
         from outside:\n4\n33:0 755\n33:33 644\n0:101 2755\n"
    );
    assert_eq!((out, status), (printed, Some(0)), "{err}");
}
