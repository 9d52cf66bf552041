//! `remainroot oci hook`: by itself, and called by podman.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::{Site, installed, text};

/// What comes of a description.
fn hook(site: &Site, words: &[&str], input: &[u8]) -> Output {
    let ours = site.lab.remainroot();
    let front = [ours.as_path(), "oci".as_ref(), "hook".as_ref()];
    let words: Vec<&Path> = front.into_iter().chain(words.iter().map(Path::new)).collect();
    let mut command = site.user(&words);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("remainroot starts");
    // One that has no need of it does not read it.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_description_is_changed_once() {
    let site = Site::new();
    let spec = json!({
        "ociVersion": "1.0.2", "x-unknown": [18_446_744_073_709_551_615u64, { "deep": 0.5 }],
        "process": { "args": ["id"], "user": { "uid": 33, "gid": 34, "x": 1 } },
        "mounts": [{ "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }],
    });
    let first = hook(&site, &["--store", "memory"], spec.to_string().as_bytes());
    let (out, err, status) = text(&first);
    assert_eq!((err.as_str(), status), ("", Some(0)), "{out}");
    let value: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(value["x-unknown"], spec["x-unknown"]);
    assert_eq!(value["process"]["user"], json!({ "uid": 0, "gid": 0, "x": 1 }));
    let args = value["process"]["args"].as_array().expect("args");
    assert_eq!((&args[0], args.last()), (&json!("/dev/.remainroot/remainroot"), Some(&json!("id"))));
    assert_eq!(text(&hook(&site, &["--store", "memory"], &first.stdout)).0, out);
}

#[test]
fn what_is_wrong_with_a_description_is_named() {
    let site = Site::new();
    let process = r#"{"process":{"args":["id"],"user":{"uid":33,"gid":33}}}"#;
    for (words, input, told) in [
        (&[][..], "", "standard input: no valid JSON, as a container's config.json is: "),
        (&[], "{", "standard input: no valid JSON"),
        (&[], "[]", "the whole: not an object"),
        (&[], "{}", "standard input: process is missing"),
        (&[], r#"{"id":"c","pid":7,"bundle":"/b"}"#, "standard input: id is there and process is not"),
        (&["--store", "memory"], r#"{"process":{"args":[]}}"#, "process.args: "),
        (&["--store", "a/b"], process, "--store a/b: neither an absolute path"),
        (&["--store", "/not/there"], process, "/not/there: no directory for owners: "),
        (&[], process, "nothing tells where the container has its own directory"),
    ] {
        let (out, err, status) = text(&hook(&site, words, input.as_bytes()));
        assert!(err.starts_with(&format!("remainroot: {told}")), "{input}: {err}");
        assert_eq!((out.as_str(), status), ("", Some(125)), "{input}");
    }
}

const PRINTED: &str = "\
uid=33(www-data) gid=33(www-data) groups=33(www-data)
33:4
uid=33(www-data) gid=33(www-data) groups=33(www-data)
remainroot: annotations.org.remainroot.enable: \"maybe\" is neither true nor false
33:4
";

#[test]
fn podman_calls_it_before_a_container_is_made() {
    let test = "podman_calls_it_before_a_container_is_made";
    if !installed(test, "podman") || !installed(test, "runc") {
        return;
    }
    let site = Site::new();
    let script = site.lab.copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oci/hook.sh"), "hook.sh");
    let hooks = site.lab.home("hooks.d");
    // As it comes, but for the place of the program.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/oci/hooks.d/remainroot.json");
    let mut described: Value =
        serde_json::from_str(&std::fs::read_to_string(file).expect("a hook")).expect("JSON");
    described["hook"]["path"] = json!(site.lab.remainroot());
    std::fs::write(hooks.join("remainroot.json"), described.to_string()).expect("a hook");
    let (out, err, status) =
        text(&site.user(&["sh".as_ref(), &script, &site.tree, &hooks]).output().expect("sh starts"));
    assert_eq!((out.as_str(), status), (PRINTED, Some(0)), "{err}");
}
