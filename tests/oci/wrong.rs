//! What is wrong with a bundle is told with file and field, and the bundle is left as it was.

use serde_json::{Value, json};

use crate::{Bundle, Site, installed, support};

#[test]
fn what_is_wrong_is_named() {
    if !installed("what_is_wrong_is_named", "runc") {
        return;
    }
    let site = Site::new();
    let cases: [(&str, Value, &str); 5] = [
        ("/process/user/uid", json!("root"), "process.user.uid: "),
        ("/process/args", json!([]), "process.args: "),
        ("/root/path", json!("not-there"), "root.path: "),
        ("/annotations", json!({ "org.remainroot.enable": "maybe" }), "annotations.org.remainroot.enable: "),
        (
            "/linux/seccomp",
            json!({ "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{ "names": ["ptrace"], "action": "SCMP_ACT_KILL_PROCESS" }] }),
            "linux.seccomp.syscalls[0] answers ptrace with SCMP_ACT_KILL_PROCESS",
        ),
    ];
    for (at, value, told) in cases {
        let bundle = Bundle::new(&site, "runc", |spec| {
            let (parent, name) = at.rsplit_once('/').expect("a pointer");
            spec.pointer_mut(parent).expect("there")[name] = value.clone();
        });
        let (before, files) = (bundle.text(), bundle.files());
        let log = site.home.join("log");
        let (out, err, status) =
            bundle.finish(&["--log", log.to_str().expect("UTF-8"), "--log-format", "json", "create", "c1"]);
        let expected = format!("remainroot: {}: {told}", bundle.config().display());
        assert!(err.starts_with(&expected), "{err}");
        assert_eq!((out.as_str(), status), ("", Some(1)));
        assert_eq!((bundle.text(), bundle.files()), (before, files));
        let logged = std::fs::read_to_string(&log).expect("a log");
        let last: Value = serde_json::from_str(logged.lines().last().expect("a line")).expect("JSON");
        assert_eq!(last["level"], "error");
        assert!(last["msg"].as_str().is_some_and(|text| text.starts_with(&expected)), "{last}");
    }
}

#[test]
fn files_and_runtimes_that_are_missing_are_named() {
    if !installed("files_and_runtimes_that_are_missing_are_named", "runc") {
        return;
    }
    let site = Site::new();
    let bundle = Bundle::new(&site, "runc", |_| ());
    std::fs::write(bundle.config(), "{ \"process\": ").expect("config.json");
    let (_, err, status) = bundle.finish(&["run", "c1"]);
    assert!(err.starts_with(&format!("remainroot: {}: no valid JSON: ", bundle.config().display())), "{err}");
    assert_eq!(status, Some(1));
    std::fs::remove_file(bundle.config()).expect("a file");
    let (_, err, _) = bundle.finish(&["run", "c1"]);
    let expected = format!("remainroot: {}: No such file or directory\n", bundle.config().display());
    assert_eq!(err, expected);
    let missing = Bundle::new(&site, "runk", |_| ());
    let (_, err, status) = missing.finish(&["run", "c1"]);
    assert!(err.contains("the container runtime runk (from --runtime-path) is not there"), "{err}");
    assert_eq!(status, Some(1));
}

/// A failure of the runtime is passed on, and its own words are; then the bundle is as it was.
#[test]
fn a_runtime_that_fails_leaves_the_bundle_as_it_was() {
    if !installed("a_runtime_that_fails_leaves_the_bundle_as_it_was", "runc") {
        return;
    }
    let site = Site::new();
    let bundle = Bundle::new(&site, "runc", |spec| spec["process"]["cwd"] = json!("not/absolute"));
    let (before, files) = (bundle.text(), bundle.files());
    let (_, err, status) = bundle.finish(&["create", "c1"]);
    assert!(status == Some(1) && err.contains("Cwd"), "{status:?} {err}");
    assert_eq!((bundle.text(), bundle.files()), (before, files));
}

/// A root that is read-only for the container is no hindrance: owners are kept outside, and we are mounted on /dev.
#[test]
fn a_read_only_root_works() {
    if !installed("a_read_only_root_works", "runc") {
        return;
    }
    let site = Site::new();
    let bundle = Bundle::new(&site, "runc", |spec| {
        spec["root"]["readonly"] = json!(true);
        spec["process"]["args"] = json!(["sh", "-c", "id -u; touch /x || exit 4"]);
    });
    let (out, err, status) = bundle.finish(&["run", "c1"]);
    assert_eq!((out.as_str(), status), ("33\n", Some(4)), "{err}");
    assert!(err.contains("Read-only file system"), "{err}");
}

/// Without a tmpfs on /dev or /run, we are mounted on a directory of the root's. Where none can be made, the runtime says
/// so, and the bundle is as it was.
#[test]
fn a_root_without_a_place_for_us_is_told() {
    const NAME: &str = "a_root_without_a_place_for_us_is_told";
    if !installed(NAME, "runc") {
        return;
    }
    let site = Site::new();
    let bundle = Bundle::new(&site, "runc", |spec| {
        let mounts = spec["mounts"].as_array_mut().expect("a list");
        mounts.retain(|mount| mount["destination"] == "/proc");
        spec["process"]["args"] = json!(["sh", "-c", "id -u"]);
    });
    // But for runc's own directory.
    let left = || bundle.files().into_iter().filter(|name| name != "state").collect::<Vec<_>>();
    let (before, files) = (bundle.text(), left());
    let refused = |what: &str| {
        let (out, err, status) = bundle.finish(&["run", "c1"]);
        assert_eq!((out.as_str(), status), ("", Some(1)), "{what}: {err}");
        assert!(err.contains("/.remainroot"), "{what}: {err}");
        assert_eq!((bundle.text(), left()), (before.clone(), files.clone()), "{what}");
    };
    let place = site.tree.join(".remainroot");
    std::fs::write(&place, "a file").expect("a file");
    refused("a file is there");
    std::fs::remove_file(&place).expect("a file");
    if support::is_root() {
        let mount = |words: &[&str]| {
            let status = std::process::Command::new(words[0]).args(&words[1..]).arg(&site.tree).status();
            assert!(status.expect("starts").success(), "{words:?}");
        };
        let tree = site.tree.to_str().expect("UTF-8");
        mount(&["mount", "--bind", tree]);
        mount(&["mount", "-o", "remount,bind,ro"]);
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| refused("read-only")));
        mount(&["umount"]);
        told.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    } else {
        support::skipped(NAME, "a root that can only be read takes real root");
    }
    let (out, err, status) = bundle.finish(&["run", "c1"]);
    assert_eq!((out.as_str(), status), ("33\n", Some(0)), "{err}");
}

/// What it says, and its exit status, are the runtime's own.
#[test]
fn a_runtime_that_is_too_old_speaks_for_itself() {
    let site = Site::new();
    let old = site.home.join("old/runc");
    std::fs::create_dir(site.home.join("old")).expect("a directory");
    std::fs::write(&old, "#!/bin/sh\necho \"runc: No help topic for '$1'\" >&2\nexit 3\n").expect("a script");
    std::fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let bundle = Bundle::new(&site, "runc", |_| ());
    let (before, files) = (bundle.text(), bundle.files());
    for name in ["create", "exec", "features"] {
        let ours = site.lab.remainroot();
        let words = ["oci", "runtime", "--runtime-path"].map(std::path::Path::new);
        let mut command =
            site.user(&[&[&*ours][..], &words, &[&*old, name.as_ref(), "c1".as_ref()]].concat());
        let (out, err, status) = crate::text(&command.current_dir(&bundle.dir).output().expect("it starts"));
        let expected = format!("runc: No help topic for '{name}'\n");
        assert_eq!((out.as_str(), err, status), ("", expected, Some(3)), "{name}");
        assert_eq!((bundle.text(), bundle.files()), (before.clone(), files.clone()), "{name}");
    }
}

/// A link with a runtime's name is that runtime, with all of its words.
#[test]
fn a_link_is_a_runtime() {
    if !installed("a_link_is_a_runtime", "runc") {
        return;
    }
    let site = Site::new();
    let link = site.lab.path().join("remainroot-runc");
    std::os::unix::fs::symlink(site.lab.remainroot(), &link).expect("a link");
    let of = |program: &std::path::Path| {
        crate::text(&site.user(&[program, "--version".as_ref()]).output().expect("starts"))
    };
    let (ours, theirs) = (of(&link), of("runc".as_ref()));
    assert_eq!(ours, theirs);
    assert!(ours.0.starts_with("runc version "), "{}", ours.0);
    assert!(support::is_root() || theirs.2 == Some(0));
}
