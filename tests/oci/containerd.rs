//! containerd, with remainroot as what its shim calls: the daemon is real root's, its containers have one id.

use std::path::Path;

use crate::{Site, installed, support, text};

const PRINTED: &str = "\
all ids: uid=33(www-data) gid=33(www-data) groups=33(www-data)
pod: uid=0(root) gid=0(root) groups=0(root)
4:5
one id: uid=33(www-data) gid=33(www-data) groups=33(www-data)
33:33
exec: uid=0(root) gid=4(adm) groups=4(adm)
exec: uid=33(www-data) gid=4(adm) groups=4(adm)
33:4
task c3 exit with non-zero exit code 137
";

#[test]
fn containerd_runs_containers_with_one_id() {
    let test = "containerd_runs_containers_with_one_id";
    if !["containerd", "runc", "umoci"].iter().all(|program| installed(test, program)) {
        return;
    }
    if !support::is_root() {
        return support::skipped(test, "containerd is a daemon of root's");
    }
    let site = Site::new();
    let image = site.home.join("image");
    let words = ["owners", "export", "--format", "oci", "--output"].map(Path::new);
    let ours = site.lab.remainroot();
    let mut export = site.user(&[&[ours.as_path()], &words[..], &[&image, &site.tree]].concat());
    let (out, err, status) = text(&export.output().expect("remainroot starts"));
    assert_eq!(status, Some(0), "{out}{err}");
    let script =
        site.lab.copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oci/containerd.sh"), "containerd.sh");
    let mut command = site.lab.natively("unshare");
    // All that the daemon starts ends with it.
    command.args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["timeout", "--kill-after=5", crate::PATIENCE, "sh"]).arg(script);
    command.arg(site.lab.path()).arg(&image).arg(support::NOBODY_WE_KNOW.to_string());
    command.env("PATH", crate::PATH).stdin(std::process::Stdio::null());
    let (out, err, status) = text(&command.output().expect("unshare starts"));
    assert_eq!((out.as_str(), status), (PRINTED, Some(0)), "{err}");
}
