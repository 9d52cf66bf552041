//! /dev of a new root. A namespace's root cannot make device nodes, so the machine's own are mounted.

use std::path::Path;

use nix::mount::{MsFlags, mount};

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
    // The present pseudo-terminals rather than an instance of our own: the terminal that the guest was started from
    // is one of them, and ttyname(3) must find it.
    let (pts, ptmx) = (Path::new("/dev/pts"), Path::new("/dev/ptmx"));
    if pts.join("ptmx").exists() && ptmx.exists() {
        bind(root, pts, pts)?;
        bind(root, ptmx, ptmx)?;
    } else {
        let point =
            root.find_or_make(pts, Kind::Dir).map_err(|errno| failed("cannot make /dev/pts", errno))?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        // No gid=5, as elsewhere: only one group is mapped.
        let options = Some("newinstance,ptmxmode=0666,mode=0620");
        // Without it there are no new terminals in the guest, which most programs never ask for.
        if mount(Some("devpts"), &path_of(&point), Some("devpts"), flags, options).is_ok() {
            link("pts/ptmx", "ptmx")?;
        }
    }
    tmpfs(root, Path::new("/dev/shm"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777")
}
