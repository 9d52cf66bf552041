//! Containers of a user without subuid ranges, whose programs are other users: by Debian's runc and crun, called through
//! `remainroot oci runtime`, and by podman with it as its runtime.

mod build;
mod bundle;
mod containerd;
mod hook;
mod install;
mod podman;
#[path = "../support/mod.rs"]
mod support;
mod wrong;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::Lab;

/// Seconds after which a step is taken for hung.
const PATIENCE: &str = "120";

/// Where programs are, those that are in sbin included.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether a program is there; otherwise the test is skipped by name.
fn installed(test: &str, program: &str) -> bool {
    let found = PATH.split(':').any(|dir| Path::new(dir).join(program).exists());
    if !found {
        support::skipped(
            test,
            &format!("{program} is not installed (Debian packages: tests/debian-packages)"),
        );
    }
    found
}

/// What a command has come to: (standard output, standard error, exit status or none).
fn text(output: &Output) -> (String, String, Option<i32>) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (lossy(&output.stdout), lossy(&output.stderr), output.status.code())
}

/// A user's home with a small tree.
struct Site {
    lab: Lab,
    home: PathBuf,
    tree: PathBuf,
}

impl Site {
    fn new() -> Site {
        let lab = Lab::new();
        let home = lab.home("home");
        let tree = home.join("tree");
        let script = lab.copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oci/tree.sh"), "tree.sh");
        lab.copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/podman.sh"), "podman.sh");
        let site = Site { lab, home, tree };
        site.known_by_name();
        let (out, err, status) =
            text(&site.user(&["sh".as_ref(), &script, &site.tree]).output().expect("sh starts"));
        assert_eq!(status, Some(0), "{out}{err}");
        site
    }

    /// Users have names; the one that these tests become has none, and buildah asks for it.
    fn known_by_name(&self) {
        let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let id = support::NOBODY_WE_KNOW;
        let somebody = format!("somebody:x:{id}:{id}::{}:/bin/sh\n", self.home.display());
        std::fs::write(self.lab.path().join("passwd"), known + &somebody).expect("a passwd");
    }

    /// Gives the user a directory with all in it, as if they had made it.
    fn owned_by_user(&self, dir: &Path) {
        if support::is_root() {
            let id = support::NOBODY_WE_KNOW;
            let status = Command::new("chown").args(["-R", &format!("{id}:{id}")]).arg(dir).status();
            assert!(status.is_ok_and(|status| status.success()), "chown of {}", dir.display());
        }
    }

    /// A command, by the user who has one id. crun refuses to start where there are both kinds of cgroups: where these
    /// tests are root, they take the newer one out of its sight.
    fn user(&self, words: &[&Path]) -> Command {
        let timeout: [&str; 3] = ["timeout", "--kill-after=5", PATIENCE];
        let mut command = if support::is_root() {
            let id = support::NOBODY_WE_KNOW;
            let passwd = self.lab.path().join("passwd").display().to_string();
            let script = format!(
                "if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi; \
                 mount --bind {passwd} /etc/passwd && \
                 exec setpriv --reuid {id} --regid {id} --clear-groups \"$@\""
            );
            let mut command = self.lab.natively("unshare");
            command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
            command
        } else {
            Command::new("env")
        };
        command.args(timeout).args(words).current_dir(&self.home).stdin(std::process::Stdio::null());
        command.env_clear().env("PATH", PATH).env("HOME", &self.home).env("XDG_RUNTIME_DIR", &self.home);
        command
    }
}

/// A bundle with a container that may do what podman's may.
struct Bundle<'a> {
    site: &'a Site,
    runtime: &'static str,
    dir: PathBuf,
}

impl Bundle<'_> {
    /// Makes one as `spec --rootless` does, and changes it.
    fn new<'a>(site: &'a Site, runtime: &'static str, change: impl Fn(&mut Value)) -> Bundle<'a> {
        let dir = site.home.join(runtime);
        // crun says where its program is only there; both write the same kind of file.
        let mut spec = site.user(&[
            "sh".as_ref(),
            "-c".as_ref(),
            "rm -rf \"$0\" && mkdir \"$0\" && cd \"$0\" && runc spec --rootless".as_ref(),
            &dir,
        ]);
        let (out, err, status) = text(&spec.output().expect("runc starts"));
        assert_eq!(status, Some(0), "{out}{err}");
        let bundle = Bundle { site, runtime, dir };
        let mut value: Value = serde_json::from_str(&bundle.text()).expect("JSON");
        value["root"] = serde_json::json!({ "path": site.tree });
        value["process"]["terminal"] = false.into();
        value["process"]["user"] = serde_json::json!({ "uid": 33, "gid": 33, "additionalGids": [4, 44] });
        change(&mut value);
        std::fs::write(bundle.config(), value.to_string()).expect("config.json");
        bundle
    }

    fn config(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.config()).expect("config.json")
    }

    /// The runtime, through ours.
    fn command(&self, words: &[&str]) -> Command {
        let ours = self.site.lab.remainroot();
        let state = self.dir.join("state");
        let front: [&Path; 7] = [
            &ours,
            "oci".as_ref(),
            "runtime".as_ref(),
            "--runtime-path".as_ref(),
            self.runtime.as_ref(),
            "--root".as_ref(),
            &state,
        ];
        let words: Vec<&Path> = front.into_iter().chain(words.iter().map(Path::new)).collect();
        let mut command = self.site.user(&words);
        command.current_dir(if self.dir.is_dir() { &self.dir } else { &self.site.home });
        command
    }

    fn finish(&self, words: &[&str]) -> (String, String, Option<i32>) {
        text(&self.command(words).output().expect("the runtime starts"))
    }

    /// The names of the files in it.
    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.dir).expect("a bundle").flatten();
        let mut names: Vec<_> = names.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
