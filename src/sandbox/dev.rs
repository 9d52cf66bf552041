//! /dev of a new root. A namespace's root cannot make device nodes, so the machine's own are mounted.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::unistd::ttyname;

use super::mounts::{bind, failed, tmpfs};
use super::target::{Kind, Root, path_of};
use super::trouble::Trouble;

/// Devices that every program may count on.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
];

/// Mounts a /dev inside `root`.
pub fn populate(root: &Root) -> Result<(), Trouble> {
    tmpfs(root, Path::new("/dev"), MsFlags::MS_NOSUID, "mode=0755")?;
    root.in_passing(|| fill(root))
}

/// Puts into the new /dev what belongs there.
fn fill(root: &Root) -> Result<(), Trouble> {
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        if path.exists() {
            bind(root, &path, &path)?;
        }
    }
    let link = |aim, name: &str| {
        root.link(aim, &format!("/dev/{name}"))
            .map_err(|errno| failed(&format!("cannot make /dev/{name}"), errno))
    };
    for (aim, name) in LINKS {
        link(aim, name)?;
    }
    terminals(root)?;
    tmpfs(root, Path::new("/dev/shm"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777")
}

/// Mounts what pseudo-terminals need.
fn terminals(root: &Root) -> Result<(), Trouble> {
    let cannot = |errno| failed("cannot make /dev/pts", errno);
    let pts = Path::new("/dev/pts");
    let point = root.mount_point(pts, Kind::Dir).map_err(cannot)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    // An instance of our own: /dev/ptmx opens only beside the devpts that it belongs to, and the present one may be
    // closed to us. No gid=5, as elsewhere: only one group is mapped.
    let options = Some("newinstance,ptmxmode=0666,mode=0620");
    match mount(Some("devpts"), &path_of(&point), Some("devpts"), flags, options) {
        Ok(()) => {}
        Err(_) if pts.is_dir() => bind(root, pts, pts)?,
        // No new terminals, then; most programs never ask for one.
        Err(_) => return Ok(()),
    }
    root.link("pts/ptmx", "/dev/ptmx").map_err(cannot)?;
    // The terminal that we were started from is not in that instance; ttyname(3) looks for it all over /dev.
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    match ttyname(stdin).or_else(|_| ttyname(stdout)).or_else(|_| ttyname(stderr)).ok() {
        Some(name) => bind(root, &name, Path::new("/dev/console")),
        None => Ok(()),
    }
}
