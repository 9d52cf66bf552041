//! `remainroot oci install`: one command, and podman runs containers of a user with one id, without more options.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Site, installed, text};

/// `remainroot oci install`, by the user of a site.
fn install(site: &Site, words: &[&str]) -> (String, String, Option<i32>) {
    let ours = site.lab.remainroot();
    let front = [ours.as_path(), "oci".as_ref(), "install".as_ref()];
    let words: Vec<&Path> = front.into_iter().chain(words.iter().map(Path::new)).collect();
    text(&site.user(&words).output().expect("remainroot starts"))
}

/// The user's settings of engines, and what is there for remainroot.
fn files(site: &Site) -> Vec<PathBuf> {
    fn look(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry")) {
            match entry.file_type().expect("a type").is_dir() {
                true => look(&entry.path(), found),
                false => found.push(entry.path()),
            }
        }
    }
    let mut found = Vec::new();
    for dir in [".config/containers", ".local/share/remainroot"].map(|dir| site.home.join(dir)) {
        if dir.exists() {
            look(&dir, &mut found);
        }
    }
    found.sort();
    found
}

#[test]
fn podman_runs_other_users_after_one_command() {
    let test = "podman_runs_other_users_after_one_command";
    if !installed(test, "podman") || !installed(test, "runc") {
        return;
    }
    let site = Site::new();
    let script = site.lab.copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oci/install.sh"), "install.sh");
    let mut command = site.user(&["sh".as_ref(), &script, &site.tree, &site.lab.remainroot()]);
    let (out, err, status) = text(&command.output().expect("sh starts"));
    let printed = "\
uid=33(www-data) gid=33(www-data) groups=33(www-data)
uid=33(www-data) gid=33(www-data) groups=33(www-data)
uid=33(www-data) gid=33(www-data) groups=33(www-data)
uid=33(www-data) gid=33(www-data) groups=33(www-data)
removed: as any other user without ranges of ids
";
    assert_eq!((out.as_str(), status), (printed, Some(0)), "{err}");
    assert_eq!(files(&site), Vec::<PathBuf>::new());
}

#[test]
fn an_installation_is_said_made_and_undone() {
    let test = "an_installation_is_said_made_and_undone";
    if !installed(test, "runc") {
        return;
    }
    let site = Site::new();
    let podman = site.home.join(".config/containers/containers.conf.d/50-remainroot-podman.conf");
    let buildah = podman.with_file_name("50-remainroot-buildah.conf");
    let link = site.home.join(".local/share/remainroot/remainroot-runc");
    let storage = site.home.join(".config/containers/storage.conf");
    // The user's own, which lets owners go, so that none is written.
    fs::create_dir_all(storage.parent().expect("a directory")).expect("a directory");
    fs::write(
        &storage,
        "[storage]\ndriver = \"vfs\"\n[storage.options.vfs]\nignore_chown_errors = \"true\"\n",
    )
    .expect("a file");
    site.owned_by_user(&site.home.join(".config"));
    let for_podman = ["--engine", "podman", "--runtime", "runc"];

    let (out, err, status) = install(&site, &[&for_podman[..], &["--dry-run"]].concat());
    assert!(out.contains(&format!("would write {}:\n", podman.display())), "{out}{err}");
    assert_eq!((files(&site), status), (vec![storage.clone()], Some(0)));

    let (out, err, status) = install(&site, &for_podman);
    assert!(out.contains(&format!("wrote {}:\n", podman.display())), "{out}{err}");
    assert_eq!((err.as_str(), status), ("", Some(0)));
    assert_eq!(files(&site), [&podman, &storage, &link].map(Clone::clone));
    assert_eq!(fs::read_link(&link).expect("a link"), site.lab.remainroot());
    let written = fs::read_to_string(&podman).expect("settings");
    assert!(written.contains(&format!("\nruntime = \"{}\"\n", link.display())), "{written}");

    let (out, ..) = install(&site, &for_podman);
    assert!(out.contains(&format!("there already: {}:\n", podman.display())), "{out}");
    assert_eq!(install(&site, &["--engine", "buildah", "--runtime", "runc"]).2, Some(0));
    assert_eq!(files(&site), [&buildah, &podman, &storage, &link].map(Clone::clone));

    // What somebody has changed is theirs.
    fs::write(&podman, format!("{written}# mine\n")).expect("settings");
    for words in [&for_podman[..], &["--engine", "podman", "--remove"]] {
        let (out, err, status) = install(&site, words);
        assert!(err.starts_with(&format!("remainroot: {}: is ", podman.display())), "{err}");
        assert_eq!((out.as_str(), status), ("", Some(125)));
    }
    assert_eq!(files(&site), [&buildah, &podman, &storage, &link].map(Clone::clone));
    fs::write(&podman, written).expect("settings");

    let (out, ..) = install(&site, &["--engine", "podman", "--remove", "--dry-run"]);
    assert_eq!(out, format!("would remove {}\n", podman.display()));
    let (out, ..) = install(&site, &["--engine", "podman", "--remove"]);
    assert_eq!(out, format!("removed {}\n", podman.display()));
    let (out, ..) = install(&site, &["--engine", "buildah", "--remove"]);
    let left = format!("left {}: not by this command, or changed since\n", storage.display());
    let gone = [&buildah, &link].map(|path| format!("removed {}\n", path.display())).concat();
    assert_eq!(out, gone + &left);
    assert_eq!(files(&site), [storage]);
    let (out, _, status) = install(&site, &["--engine", "buildah", "--remove"]);
    assert_eq!((out.starts_with("left "), status), (true, Some(0)), "{out}");
}
