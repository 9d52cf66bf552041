//! What programs inside of a run can mount: not needed by us, and often asked for.

use std::fs::OpenOptions;

use nix::mount::{MsFlags, mount};

use super::Finding;
use super::attempt::attempt;
use crate::sandbox::{Sandbox, Trouble, UserNs};

/// tmpfs, overlay, and FUSE.
pub fn look() -> Finding {
    let id = "file-systems-inside";
    let (mut can, mut cannot) = (Vec::new(), Vec::new());
    for kind in ["tmpfs", "overlay"] {
        let list = if attempt(|| mounts(kind)).is_ok() { &mut can } else { &mut cannot };
        list.push(kind);
    }
    let fuse = OpenOptions::new().read(true).write(true).open("/dev/fuse").is_ok();
    if fuse {
        can.push("FUSE")
    } else {
        cannot.push("FUSE (/dev/fuse)")
    }
    let list = |kinds: &[&str]| if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") };
    Finding::ok(id, format!("programs can mount: {}; not: {}", list(&can), list(&cannot)))
}

fn mounts(kind: &str) -> Result<String, Trouble> {
    let sandbox = Sandbox { userns: UserNs::Auto, rootfs: None, binds: Vec::new(), workdir: None };
    sandbox.enter(&[]).map_err(Trouble::from)?;
    let failed = |errno: nix::errno::Errno| Trouble::new(errno.desc());
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).map_err(failed)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(failed)?;
    // Whatever is there is hidden in this child's mount namespace alone.
    let at = std::env::temp_dir();
    mount(Some(kind), &at, Some("tmpfs"), MsFlags::empty(), None::<&str>).map_err(failed)?;
    if kind == "overlay" {
        for name in ["lower", "upper", "work", "all"] {
            std::fs::create_dir(at.join(name)).map_err(|error| Trouble::new(error.to_string()))?;
        }
        let dir = |name: &str| at.join(name).display().to_string();
        let options = format!("lowerdir={},upperdir={},workdir={}", dir("lower"), dir("upper"), dir("work"));
        mount(Some(kind), &at.join("all"), Some(kind), MsFlags::empty(), Some(options.as_str()))
            .map_err(failed)?;
    }
    Ok(String::new())
}
