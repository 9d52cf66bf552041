//! Bundles as `spec --rootless` describes them.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Bundle, Site, installed};

/// What the container runs.
fn runs(script: &str) -> impl Fn(&mut Value) {
    let args = json!(["bash", "-c", script]);
    move |spec| spec["process"]["args"] = args.clone()
}

fn waits_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const ID: &str = "uid=33(www-data) gid=33(www-data) groups=33(www-data),4(adm),44\n";

fn run_is_another_user(runtime: &'static str) {
    if !installed("run_is_another_user", runtime) || !installed("run_is_another_user", "runc") {
        return;
    }
    let site = Site::new();
    let bundle = Bundle::new(&site, runtime, |spec| {
        runs("id; [ -e /dev/.remainroot/remainroot ] && exit 7")(spec);
        spec["x-unknown"] = json!({ "kept": [null, 1.5] });
    });
    let before = bundle.text();
    let (out, err, status) = bundle.finish(&["run", "c1"]);
    assert_eq!((out.as_str(), status), (ID, Some(7)), "{err}");
    assert_eq!(bundle.text(), before, "the bundle is as it was");
    assert!(!bundle.files().contains(&"config.json.before-remainroot".to_owned()));
    // In the image, nothing was made to mount on.
    assert!(!site.tree.join("dev/.remainroot").exists() && !site.tree.join(".remainroot").exists());
}

#[test]
fn run_is_another_user_by_runc() {
    run_is_another_user("runc");
}

#[test]
fn run_is_another_user_by_crun() {
    run_is_another_user("crun");
}

/// Capabilities and no_new_privs are those of the description: with `spec --rootless`'s three, chown is refused, and with
/// CAP_CHOWN it is not.
#[test]
fn the_guest_has_what_the_description_says() {
    if !installed("the_guest_has_what_the_description_says", "runc") {
        return;
    }
    let site = Site::new();
    let with = |more: &'static [&str]| {
        Bundle::new(&site, "runc", move |spec| {
            spec["process"]["user"] = json!({ "uid": 0, "gid": 0 });
            spec["process"]["noNewPrivileges"] = json!(more.is_empty());
            runs("touch /tmp/f; chown 5:6 /tmp/f; stat -c %u:%g /tmp/f; rm /tmp/f")(spec);
            for set in ["bounding", "permitted", "effective"] {
                let names = spec["process"]["capabilities"][set].as_array_mut().expect("a list");
                names.extend(more.iter().map(|name| json!(name)));
            }
        })
    };
    let (out, err, status) = with(&[]).finish(&["run", "c1"]);
    assert_eq!((out.as_str(), status), ("0:0\n", Some(0)), "{err}");
    assert!(err.contains("Operation not permitted"), "{err}");
    let (out, err, status) = with(&["CAP_CHOWN"]).finish(&["run", "c2"]);
    assert_eq!((out.as_str(), err.as_str(), status), ("5:6\n", "", Some(0)));
}

fn exec_and_signals(runtime: &'static str) {
    if !installed("exec_and_signals", runtime) || !installed("exec_and_signals", "runc") {
        return;
    }
    let site = Site::new();
    let script = "trap 'echo got TERM; exit 5' TERM; touch /tmp/ready; while :; do sleep 0.02; done";
    let bundle = Bundle::new(&site, runtime, runs(script));
    let child = bundle.command(&["run", "c1"]).stdout(Stdio::piped()).spawn().expect("the runtime starts");
    waits_for("the container is ready", || site.tree.join("tmp/ready").exists());

    let exec = |words: &[&str]| bundle.finish(&[&["exec"], words].concat());
    let (out, err, status) = exec(&["c1", "sh", "-c", "id; exit 9"]);
    assert_eq!((out.as_str(), status), (ID, Some(9)), "{err}");
    let (out, err, status) = exec(&["--user", "0:4", "c1", "sh", "-c", "id -u; id -g"]);
    assert_eq!((out.as_str(), status), ("0\n4\n", Some(0)), "{err}");
    // The engine's form. The user gains nothing from what is bounding.
    let process = json!({
        "args": ["sh", "-c", "id; echo $A; exit 3"], "cwd": "/", "env": ["PATH=/bin", "A=b"],
        "user": { "uid": 33, "gid": 0, "additionalGids": [4] },
        "capabilities": { "bounding": ["CAP_CHOWN", "CAP_KILL"] },
    });
    let file = bundle.dir.join("process.json");
    std::fs::write(&file, process.to_string()).expect("process.json");
    let (out, err, status) = exec(&["--process", file.to_str().expect("UTF-8"), "c1"]);
    let id = "uid=33(www-data) gid=0(root) groups=0(root),4(adm)\nb\n";
    assert_eq!((out.as_str(), status), (id, Some(3)), "{err}");
    assert_eq!(std::fs::read_to_string(&file).expect("process.json"), process.to_string());
    // Owners that one process has recorded are seen by the next.
    let (_, err, status) = exec(&["--process", file.to_str().expect("UTF-8"), "c1-is-not-there"]);
    assert_ne!(status, Some(0), "{err}");

    assert_eq!(bundle.finish(&["kill", "c1", "TERM"]).2, Some(0));
    let output = child.wait_with_output().expect("an end");
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"got TERM\n"[..], Some(5)));
    assert!(!bundle.files().iter().any(|name| name.contains("before") || name.contains("process.json.")));
}

#[test]
fn exec_and_signals_by_runc() {
    exec_and_signals("runc");
}

#[test]
fn exec_and_signals_by_crun() {
    exec_and_signals("crun");
}

#[test]
fn annotations_are_followed() {
    if !installed("annotations_are_followed", "runc") {
        return;
    }
    let site = Site::new();
    let with = |annotations: Value| {
        Bundle::new(&site, "runc", move |spec| {
            spec["annotations"] = annotations.clone();
            runs("id -u; ls /dev/.remainroot")(spec);
        })
    };
    // Without the shim, the user is one that the namespace does not know: the runtime says so, and its exit status is ours.
    let (out, err, status) = with(json!({ "org.remainroot.enable": "false" })).finish(&["run", "c1"]);
    assert_eq!((out.as_str(), status), ("", Some(1)), "{err}");
    let memory = with(json!({ "org.remainroot.store": "memory" }));
    assert_eq!(memory.finish(&["run", "c2"]), ("33\nremainroot\n".into(), String::new(), Some(0)));
    assert!(!memory.files().contains(&"remainroot-store".to_owned()));
    let explain = with(json!({ "org.remainroot.args": "--summary" })).finish(&["run", "c3"]);
    assert!(explain.1.contains("getuid") || explain.1.contains("geteuid"), "{}", explain.1);
    let looking = Bundle::new(&site, "runc", |spec| {
        spec["annotations"] = json!({ "org.remainroot.args": "--proc full" });
        spec["process"]["user"] = json!({ "uid": 0, "gid": 0 });
        runs("cat /proc/self/uid_map /proc/self/setgroups")(spec);
    });
    let (out, err, status) = looking.finish(&["run", "c4"]);
    assert_eq!((out.as_str(), status), ("         0          0 4294967295\nallow\n", Some(0)), "{err}");
}

fn delete_leaves_the_bundle_as_it_was(runtime: &'static str) {
    let test = "delete_leaves_the_bundle_as_it_was";
    if !installed(test, runtime) || !installed(test, "runc") {
        return;
    }
    let site = Site::new();
    let bundle = Bundle::new(&site, runtime, |spec| {
        runs("touch /tmp/ready; while :; do sleep 0.02; done")(spec);
    });
    let before = bundle.text();
    // Its output is the container's, too.
    let quietly = |words: &[&str]| {
        let mut command = bundle.command(words);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the runtime starts").code()
    };
    assert_eq!(quietly(&["create", "c1"]), Some(0));
    assert_ne!(bundle.text(), before);
    assert_eq!(quietly(&["start", "c1"]), Some(0));
    waits_for("the container is ready", || site.tree.join("tmp/ready").exists());
    // The group of a user who is named without one is the runtime's own choice.
    let (out, err, status) = bundle.finish(&["exec", "--user", "5", "c1", "sh", "-c", "id -g; id -G"]);
    let expected = if runtime == "crun" { "0\n0\n" } else { "33\n33 4 44\n" };
    assert_eq!((out.as_str(), status), (expected, Some(0)), "{err}");
    assert_eq!(quietly(&["delete", "--force", "c1"]), Some(0));
    assert_eq!(bundle.text(), before);
    assert!(!bundle.files().contains(&"config.json.before-remainroot".to_owned()));
}

#[test]
fn delete_leaves_the_bundle_as_it_was_by_runc() {
    delete_leaves_the_bundle_as_it_was("runc");
}

#[test]
fn delete_leaves_the_bundle_as_it_was_by_crun() {
    delete_leaves_the_bundle_as_it_was("crun");
}

/// The keyboard stops a container in front, if the runtime lets it, and the shell hears of it.
#[test]
fn a_job_is_stopped_and_continued() {
    let test = "a_job_is_stopped_and_continued";
    if !["crun", "runc", "python3"].iter().all(|program| installed(test, program)) {
        return;
    }
    let site = Site::new();
    let runtime = site.lab.path().join("stops");
    // A runtime that does not ignore it.
    let script = "#!/bin/sh\ncase \"$*\" in *run*) kill -STOP $$; echo continued; exit 5;; esac\n";
    std::fs::write(&runtime, script).expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&runtime, mode).expect("a mode");
    let bundle = Bundle::new(&site, "runc", |_| ());
    let job = "import os, signal, sys\n\
               pid = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])\n\
               print(os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]), flush=True)\n\
               os.kill(pid, signal.SIGCONT)\n\
               sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let ours = site.lab.remainroot();
    let words = ["oci", "runtime", "--runtime-path"].map(std::path::Path::new);
    let front = ["python3", "-c", job].map(std::path::Path::new);
    let line = [&front[..], &[&ours], &words, &[&runtime, "run".as_ref(), "c1".as_ref()]].concat();
    let (out, err, status) =
        crate::text(&site.user(&line).current_dir(&bundle.dir).output().expect("python3 starts"));
    assert_eq!((out.as_str(), status), ("True\ncontinued\n", Some(5)), "{err}");
}
