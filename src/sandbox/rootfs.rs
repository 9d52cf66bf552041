//! A directory as the guest's root, and bind mounts.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, chroot, pivot_root};

use super::Bind;
use super::dev;
use super::mounts::{bind, failed, protect};
use super::target::{Kind, Root, path_of};
use super::trouble::{Trouble, why_io};

const NONE: Option<&str> = None;

/// Mounts what is asked for, in the present mount namespace, which must be ours alone; with `rootfs`, makes that the
/// root directory of this process and goes there.
pub fn build(rootfs: Option<&Path>, binds: &[Bind]) -> Result<(), Trouble> {
    make_mounts_private().map_err(|errno| failed("cannot make mounts private", errno))?;
    let Some(rootfs) = rootfs else {
        return bind_all(&open(Path::new("/"))?, binds);
    };
    let dir = checked(rootfs)?;
    let failed = |errno| failed(&format!("--rootfs {}", dir.display()), errno);
    mount(Some(&dir), &dir, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE).map_err(failed)?;
    let root = open(&dir)?;
    let (proc, sys) = (Path::new("/proc"), Path::new("/sys"));
    // A new proc would need a pid namespace of its own.
    bind(&root, proc, proc)?;
    if sys.exists() {
        bind(&root, sys, sys)?;
        // Only against accidents: what root of this namespace may not write stays closed to it anyway.
        let _ = protect(&root, sys);
    }
    dev::populate(&root)?;
    resolv_conf(&root)?;
    bind_all(&root, binds)?;
    change_root(&dir).map_err(failed)
}

/// Has no mount made here show elsewhere, or the other way round.
pub fn make_mounts_private() -> Result<(), Errno> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
}

fn open(dir: &Path) -> Result<Root, Trouble> {
    Root::open(dir).map_err(|errno| failed(&dir.display().to_string(), errno))
}

/// The real path of the directory that `--rootfs` names.
fn checked(rootfs: &Path) -> Result<PathBuf, Trouble> {
    let said = rootfs.display();
    let dir = rootfs.canonicalize().map_err(|error| {
        let trouble = Trouble::new(format!("--rootfs {said}: {}", why_io(&error)));
        if error.raw_os_error() == Some(libc::ENOENT) {
            trouble.mended_by(format!(
                "to make a root file system: remainroot -- debootstrap --variant=minbase bookworm {said}"
            ))
        } else {
            trouble
        }
    })?;
    if !dir.is_dir() {
        return Err(Trouble::new(format!("--rootfs {said}: not a directory"))
            .mended_by("an archive or image must be unpacked first"));
    }
    if dir == Path::new("/") {
        return Err(Trouble::new(format!("--rootfs {said}: this is the present root"))
            .mended_by("leave --rootfs out to run in it"));
    }
    Ok(dir)
}

fn bind_all(root: &Root, binds: &[Bind]) -> Result<(), Trouble> {
    for Bind { source, target, read_only } in binds {
        bind(root, source, target)?;
        if *read_only {
            protect(root, target)?;
        }
    }
    Ok(())
}

/// Shows the machine's resolv.conf inside, read-only, if the root has an /etc for it.
fn resolv_conf(root: &Root) -> Result<(), Trouble> {
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
    if root.find_or_make(target, Kind::File).is_err() {
        // No name service, then: a root that cannot be written may still be used.
        return Ok(());
    }
    bind(root, &source, target)?;
    protect(root, target)
}

/// Makes `dir`, a mount point, the root, and leaves nothing of the old one in sight.
fn change_root(dir: &Path) -> Result<(), Errno> {
    chdir(dir)?;
    // Old and new root at one place, then the old one, on top, taken away: pivot_root(2), "pivot_root(".", ".")".
    match pivot_root(".", ".") {
        Ok(()) => umount2(".", MntFlags::MNT_DETACH)?,
        // The old root is no mount that can be moved: a boot image, or we are in a chroot.
        Err(Errno::EINVAL) => {
            mount(Some("."), "/", NONE, MsFlags::MS_MOVE, NONE).or_else(|errno| match errno {
                Errno::EINVAL => Ok(()),
                errno => Err(errno),
            })?;
            chroot(".")?;
        }
        Err(errno) => return Err(errno),
    }
    chdir("/")
}
