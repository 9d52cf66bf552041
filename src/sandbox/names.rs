//! What name service needs inside: the machine's servers, and the machine's own name.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::fstat;

use super::mounts::{bind, failed, protect, tmpfs};
use super::target::{Kind, Root, path_of};
use super::trouble::{Trouble, why_io};

const NONE: Option<&str> = None;

/// Shows the machine's resolv.conf inside, read-only, if the root has an /etc for it.
pub fn resolv_conf(root: &Root) -> Result<(), Trouble> {
    let target = Path::new("/etc/resolv.conf");
    // It may be a link into /run, which means something else inside.
    let Ok(source) = target.canonicalize() else {
        return Ok(());
    };
    if root.find(Path::new("/etc"), libc::O_DIRECTORY).is_err() {
        return Ok(());
    }
    // A link that leads nowhere inside is itself mounted over, so that no file is left behind where it points.
    if root.find(target, 0).err() == Some(Errno::ENOENT)
        && let Ok(link) = root.find(target, libc::O_NOFOLLOW)
        && mount(Some(&source), &path_of(&link), NONE, MsFlags::MS_BIND, NONE).is_ok()
    {
        return protect(root, target);
    }
    if root.mount_point(target, Kind::File).is_err() {
        // No name service, then: a root that cannot be written may still be used.
        return Ok(());
    }
    bind(root, &source, target)?;
    protect(root, target)
}

/// Gives a root whose /etc/hosts is missing or empty one for the time of the run, in which localhost and the machine's
/// name are known. To be called before anything is mounted at /dev.
pub fn hosts(root: &Root) -> Result<(), Trouble> {
    let target = Path::new("/etc/hosts");
    if root.find(Path::new("/etc"), libc::O_DIRECTORY).is_err() {
        return Ok(());
    }
    match root.find(target, libc::O_NOFOLLOW).and_then(|file| fstat(&file)) {
        Ok(stat) if stat.st_mode & libc::S_IFMT != libc::S_IFREG || stat.st_size != 0 => return Ok(()),
        _ => {}
    }
    let Ok(point) = root.mount_point(target, Kind::File) else {
        // A root that cannot be written may still be used.
        return Ok(());
    };
    // Only what is in a file system can be mounted: one that is made for this file, and seen nowhere else.
    let dev = Path::new("/dev");
    tmpfs(root, dev, MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=0755")?;
    let scratch = root.find(dev, 0).map_err(|errno| failed("/dev", errno))?;
    let file = path_of(&scratch).join("hosts");
    let name = nix::unistd::gethostname().unwrap_or_default();
    fs::write(&file, known(&name))
        .map_err(|error| Trouble::new(format!("cannot write a hosts file: {}", why_io(&error))))?;
    mount(Some(&file), &path_of(&point), NONE, MsFlags::MS_BIND, NONE)
        .and_then(|()| umount2(&path_of(&scratch), MntFlags::MNT_DETACH))
        .map_err(|errno| failed("cannot make /etc/hosts", errno))
}

/// hosts(5): addresses that every machine has, and 127.0.1.1 for its own name, as Debian does it.
fn known(name: &OsStr) -> String {
    let mut text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    if let Some(name) = name.to_str().filter(|name| !name.is_empty() && *name != "localhost") {
        // The name in full first, then what it is called for short.
        let short = name.split_once('.').map_or(String::new(), |(short, _)| format!(" {short}"));
        text.push_str(&format!("127.0.1.1\t{name}{short}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_knows_its_name() {
        let lines =
            |name: &str| known(OsStr::new(name)).lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines("box"), ["127.0.1.1\tbox"]);
        assert_eq!(lines("box.example.org"), ["127.0.1.1\tbox.example.org box"]);
        assert_eq!(lines("localhost"), [""; 0]);
        assert_eq!(lines(""), [""; 0]);
    }
}
