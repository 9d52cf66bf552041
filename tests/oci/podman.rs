//! podman, with a link to remainroot as its runtime.

use crate::{Site, installed, text};

const PRINTED: &str = "\
uid=0(root) gid=0(root) groups=0(root)
status 4
uid=33(www-data) gid=33(www-data) groups=33(www-data)
/var/www
33:33
uid=33(www-data) gid=33(www-data) groups=33(www-data)
uid=0(root) gid=0(root) groups=0(root)
uid=33(www-data) gid=33(www-data) groups=33(www-data)
33:4
status 6
status 127
loop
got TERM
5
loop
33:4
loop
";

#[test]
fn containers_of_podmans_are_other_users() {
    let test = "containers_of_podmans_are_other_users";
    if !installed(test, "podman") || !installed(test, "runc") {
        return;
    }
    let site = Site::new();
    let runtime = site.lab.path().join("remainroot-runc");
    std::os::unix::fs::symlink(site.lab.remainroot(), &runtime).expect("a link");
    let script = site.lab.copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oci/podman.sh"), "podman.sh");
    let mut command = site.user(&["sh".as_ref(), &script, &site.tree, &runtime]);
    let (out, err, status) = text(&command.output().expect("sh starts"));
    assert_eq!((out.as_str(), status), (PRINTED, Some(0)), "{err}");
}
