//! podman, with a link to remainroot as its runtime, over runc and over crun.

use crate::{Site, installed, text};

const PRINTED: &str = "\
uid=0(root) gid=0(root) groups=0(root)
status 4
uid=33(www-data) gid=33(www-data) groups=33(www-data)
/var/www
33:33
uid=33(www-data) gid=33(www-data) groups=33(www-data)
uid=0(root) gid=33(www-data) groups=33(www-data),4(adm)
33
status 137
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
loop
137
33:4
unhealthy
status 1
healthy
health
33
/dev/pts/0
24 80
resized to 50 132
interrupted: 130
detached: 0
attached: 33
4
/dev/pts/1
24 80
resized to 50 132
interrupted: 130
exec: 9
3
";

fn containers_are_other_users(test: &str, runtime: &str) {
    if !["podman", "python3", runtime].iter().all(|program| installed(test, program)) {
        return;
    }
    let site = Site::new();
    let link = site.lab.path().join(format!("remainroot-{runtime}"));
    std::os::unix::fs::symlink(site.lab.remainroot(), &link).expect("a link");
    let [script, terminal] = ["containers.sh", "terminal.py"]
        .map(|name| site.lab.copy(&format!("{}/tests/oci/{name}", env!("CARGO_MANIFEST_DIR")), name));
    let mut command = site.user(&["sh".as_ref(), &script, &site.tree, &link, &terminal]);
    let (out, err, status) = text(&command.output().expect("sh starts"));
    assert_eq!((out.as_str(), status), (PRINTED, Some(0)), "{err}");
}

#[test]
fn containers_of_podmans_are_other_users_by_runc() {
    containers_are_other_users("containers_of_podmans_are_other_users_by_runc", "runc");
}

#[test]
fn containers_of_podmans_are_other_users_by_crun() {
    containers_are_other_users("containers_of_podmans_are_other_users_by_crun", "crun");
}
