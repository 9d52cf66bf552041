//! `precreate`, podman's stage for hooks that may change a container's description: it comes on standard input, and what
//! they write to standard output takes its place (podman(1), --hooks-dir; schema 1.0.0 of oci-hooks(5)).
//!
//! The change is the runtime's. It is made before the runtime is called, and so needs no other one; but `exec` calls no
//! hook, and who comes by it has no shim.

use std::env;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::linux::fs::MetadataExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};

use nix::sys::stat::makedev;
use serde_json::Value;

use super::runtime::our_program;
use super::spec::{self, Edited, Outside, Store};
use super::{bundle, ids};
use crate::sandbox::{Trouble, why_io};
use crate::sys::{fd, tell};

/// What containers/storage calls a container's own directory, below `DRIVER-containers/ID`.
const USERDATA: &str = "userdata";

/// Reads a description, and writes the changed one. `store` is where owners are kept if no annotation says otherwise: a
/// directory or "memory"; else it is the container's own directory.
///
/// # Errors
/// The field that is wrong, or what cannot be read or written. Nothing has been written then.
pub fn execute(store: Option<&Path>) -> Result<(), Trouble> {
    let done = filter(store);
    if let Err(trouble) = &done {
        tell_podman(trouble);
    }
    done
}

fn filter(store: Option<&Path>) -> Result<(), Trouble> {
    let mut stdin = io::stdin().lock();
    if stdin.is_terminal() {
        return Err(Trouble::new(
            "standard input is a terminal: a container's config.json is expected there",
        )
        .mended_by("this is for podman to call: see contrib/oci/README.md"));
    }
    let mut text = Vec::new();
    stdin
        .read_to_end(&mut text)
        .map_err(|error| Trouble::new(format!("standard input: {}", why_io(&error))))?;
    let mut value: Value = serde_json::from_slice(&text).map_err(|error| {
        Trouble::new(format!("standard input: no valid JSON, as a container's config.json is: {error}"))
    })?;
    if edit(&mut value, store)? {
        text = value.to_string().into_bytes();
    }
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(&text).and_then(|()| stdout.flush());
    written.map_err(|error| Trouble::new(format!("standard output: {}", why_io(&error))))
}

/// What a hook of podman's precreate gets describes a process. Hooks of all other stages get the container's state instead
/// (OCI runtime specification, runtime.md), and whatever they print is lost: without this one, nobody would notice.
///
/// # Errors
/// What is missing.
fn is_description(value: &Value) -> Result<(), Trouble> {
    let Some(fields) = value.as_object() else { return Ok(()) };
    if fields.get("process").is_some_and(|process| !process.is_null()) {
        return Ok(());
    }
    let trouble = match ["id", "pid", "bundle"].iter().find(|name| fields.contains_key(**name)) {
        Some(name) => format!(
            "standard input: {name} is there and process is not: this is a container's state, which cannot be changed any \
             more, and not its config.json"
        ),
        None => "standard input: process is missing, which a container's config.json has: what it runs, and as whom".to_owned(),
    };
    Err(Trouble::new(trouble).mended_by(
        "this is for podman's stage precreate alone (\"stages\": [\"precreate\"]): see contrib/oci/README.md",
    ))
}

/// Returns whether anything was changed.
fn edit(value: &mut Value, store: Option<&Path>) -> Result<bool, Trouble> {
    is_description(value)?;
    if ids::are_real(value) {
        return Ok(false);
    }
    let own = own_directory(value).map(|dir| dir.join(bundle::STORE));
    let store = match (store, &own) {
        (Some(said), _) if said == Path::new("memory") => Store::Memory,
        (Some(said), _) if said.is_absolute() => Store::In(said),
        (Some(said), _) => {
            return Err(Trouble::new(format!(
                "--store {}: neither an absolute path of a directory nor \"memory\"",
                said.display()
            )));
        }
        (None, Some(own)) => Store::In(own),
        (None, None) => Store::Unknown,
    };
    match spec::edit(value, &Outside { program: &our_program()?, store })? {
        Edited::Not => Ok(false),
        Edited::Yes(dir) => {
            dir.map_or(Ok(()), |dir| bundle::make_store(&dir, value).map(drop))?;
            Ok(true)
        }
    }
}

/// The container's own directory, where podman is going to write config.json. The description does not name it, but mounts
/// files from it (/dev/shm), or from its sister that is gone after the next start of the machine (/run/.containerenv).
fn own_directory(spec: &Value) -> Option<PathBuf> {
    let mounts = spec.get("mounts")?.as_array()?;
    let source = |mount: &Value| mount.get("source")?.as_str().map(PathBuf::from);
    let found: Vec<(PathBuf, PathBuf)> =
        mounts.iter().filter_map(source).filter_map(|path| split(&path)).collect();
    let (_, tail) = found.first()?;
    // The image is beside it, if there is one: STORAGE/overlay/LAYER/merged.
    let root = spec.pointer("/root/path").and_then(Value::as_str).map(PathBuf::from).unwrap_or_default();
    let home = |name: &str| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let data = home("XDG_DATA_HOME").or_else(|| home("HOME").map(|home| home.join(".local/share")));
    let usual = data.map(|data| data.join("containers/storage"));
    let beside_image = root.ancestors().map(Path::to_owned).chain(usual).map(|dir| dir.join(tail));
    let is_lasting = |dir: &PathBuf| dir.is_dir();
    beside_image.into_iter().find(is_lasting).or_else(|| {
        let shm = mounts.iter().find(|mount| mount.get("destination").is_some_and(|to| to == "/dev/shm"))?;
        let (dir, tail) = split(&source(shm)?)?;
        Some(dir.join(tail)).filter(is_lasting)
    })
}

/// `/ANYWHERE/DRIVER-containers/ID/userdata/FILE` in two, before `DRIVER` and behind `userdata`.
fn split(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let data = path.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == USERDATA))?;
    let id = data.parent()?;
    let driver = id.parent()?;
    let is_containers = driver.file_name()?.to_str()?.ends_with("-containers");
    let above = driver.parent()?;
    let tail = data.strip_prefix(above).ok()?;
    is_containers.then(|| (above.to_owned(), tail.to_owned()))
}

/// podman shows the exit status of a hook that fails, and nothing of what it says: stderr is /dev/null. Then it is said on
/// podman's own.
fn tell_podman(trouble: &Trouble) {
    let is_null = |data: fs::Metadata| data.st_rdev() == makedev(1, 3) && data.file_type().is_char_device();
    if !fs::metadata("/proc/self/fd/2").is_ok_and(is_null) {
        return;
    }
    // By its descriptor and not by its name: the file may be a log that has a position, or belong to somebody else.
    let theirs = fd::open_task(parent_id() as i32).and_then(|podman| fd::borrow(podman.as_fd(), 2));
    if let Ok(theirs) = theirs {
        let _ = File::from(theirs).write_all(tell::lines(&trouble.to_string()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_is_no_description() {
        let told = |value: Value| is_description(&value).err().map(|trouble| trouble.what);
        assert_eq!(told(json!({ "process": { "args": ["id"] } })), None);
        for (value, word) in [
            (json!({}), "process is missing"),
            (json!({ "ociVersion": "1.0.2", "process": null }), "process is missing"),
            (
                json!({ "ociVersion": "1.0.2", "id": "c", "status": "creating", "bundle": "/b" }),
                "a container's state",
            ),
            (json!({ "pid": 7 }), "pid is there"),
        ] {
            let told = told(value.clone()).unwrap_or_default();
            assert!(told.contains(word), "{value}: {told}");
        }
    }

    #[test]
    fn the_containers_directory_is_found_by_its_mounts() {
        let dir = tempfile::tempdir().unwrap();
        let storage = dir.path().join("storage");
        let own = storage.join("overlay-containers/0123/userdata");
        let run = dir.path().join("run/overlay-containers/0123/userdata");
        for dir in [&own, &run] {
            fs::create_dir_all(dir).unwrap();
        }
        let hosts = json!({ "destination": "/etc/hosts", "source": run.join("hosts") });
        let shm = json!({ "destination": "/dev/shm", "source": own.join("shm") });
        let other = json!({ "destination": "/x", "source": "/home/userdata/x" });
        let spec = |root: &str, mounts: &[&Value]| {
            own_directory(&json!({ "root": { "path": storage.join(root) }, "mounts": mounts }))
        };
        assert_eq!(spec("overlay/5/merged", &[&other, &hosts]), Some(own.clone()));
        assert_eq!(spec("/srv/tree", &[&other, &hosts, &shm]), Some(own));
        assert_eq!(spec("/srv/tree", &[&other, &hosts]), None);
        assert_eq!(spec("overlay/5/merged", &[&other]), None);
        assert_eq!(own_directory(&json!({})), None);
    }
}
