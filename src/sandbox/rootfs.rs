//! A directory as the guest's root, and bind mounts.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{AccessFlags, access, chdir, chroot, pivot_root};

use super::mounts::{bind, failed, protect};
use super::points::Points;
use super::target::Root;
use super::trouble::{Trouble, why, why_io};
use super::{Bind, Refused, dev, names};

const NONE: Option<&str> = None;

/// Directories of which every root file system has one.
const USUAL: [&str; 4] = ["/usr", "/bin", "/etc", "/lib"];

/// Mounts `binds` in the present root, in the present mount namespace, which must be ours alone.
pub fn bind_in_place(binds: &[Bind]) -> Result<Points, Trouble> {
    separate()?;
    let root = open(Path::new("/"))?;
    bind_all(&root, binds)?;
    Ok(root.into_points())
}

/// Mounts what a root needs in `rootfs`, and `binds`, in the present mount namespace, which must be ours alone; makes
/// it the root directory of this process and goes there. Refused if none of `programs` can be in it.
pub fn build(rootfs: &Path, binds: &[Bind], programs: &[PathBuf]) -> Result<Points, Refused> {
    let dir = checked(rootfs)?;
    separate()?;
    let failed = |errno| failed(&format!("--rootfs {}", dir.display()), errno);
    mount(Some(&dir), &dir, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE).map_err(failed)?;
    let root = open(&dir)?;
    if !binds.iter().any(|bind| bind.source.exists()) && !programs.iter().any(|path| may_have(&root, path)) {
        return Err(Refused::NoProgram(no_program(rootfs, &root, programs)));
    }
    let (proc, sys) = (Path::new("/proc"), Path::new("/sys"));
    // A new proc would need a pid namespace of its own.
    bind(&root, proc, proc)?;
    if sys.exists() {
        bind(&root, sys, sys)?;
        // Only against accidents: what root of this namespace may not write stays closed to it anyway.
        let _ = protect(&root, sys);
    }
    names::hosts(&root)?;
    dev::populate(&root)?;
    names::resolv_conf(&root)?;
    bind_all(&root, binds)?;
    change_root(&dir).map_err(failed)?;
    Ok(root.into_points())
}

fn separate() -> Result<(), Trouble> {
    make_mounts_private().map_err(|errno| failed("cannot make mounts private", errno))
}

/// Whether there may be a program at `path`: where that cannot be told, exec will find out.
fn may_have(root: &Root, path: &Path) -> bool {
    let is_mounted = ["/proc", "/sys", "/dev"].iter().any(|point| path.starts_with(point));
    is_mounted || !matches!(root.find(path, 0), Err(Errno::ENOENT | Errno::ENOTDIR))
}

/// None of the programs is there. A directory that has nothing of a root file system was probably meant otherwise.
fn no_program(rootfs: &Path, root: &Root, programs: &[PathBuf]) -> Trouble {
    let said = rootfs.display();
    let program = programs.last().and_then(|path| path.file_name()).unwrap_or_default().display();
    if USUAL.iter().any(|dir| root.find(Path::new(dir), libc::O_DIRECTORY).is_ok()) {
        if let [one] = programs {
            return Trouble::new(format!("{}: not found in {said}", one.display()));
        }
        let dirs: Vec<_> = programs.iter().filter_map(|path| path.parent()?.to_str()).collect();
        return Trouble::new(format!("{program}: not found in {said} (looked in {})", dirs.join(", ")));
    }
    Trouble::new(format!(
        "--rootfs {said}: does not look like a root file system: no {program} in it, and neither {}",
        USUAL.join(" nor ")
    ))
    .mended_by(format!("to make one: {}", make_one("./rootfs")))
}

/// The command that makes a root file system.
fn make_one(dir: impl std::fmt::Display) -> String {
    format!("remainroot -- debootstrap --variant=minbase bookworm {dir}")
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
    let said = &rootfs.display();
    let dir = rootfs.canonicalize().map_err(|error| {
        let trouble = Trouble::new(format!("--rootfs {said}: {}", why_io(&error)));
        if error.raw_os_error() == Some(libc::ENOENT) {
            trouble.mended_by(format!("to make a root file system: {}", make_one(said)))
        } else {
            trouble
        }
    })?;
    if !dir.is_dir() {
        return Err(Trouble::new(format!("--rootfs {said}: not a directory"))
            .mended_by("an archive or image must be unpacked first"));
    }
    if let Err(errno) = access(&dir, AccessFlags::X_OK) {
        return Err(Trouble::new(format!("--rootfs {said}: {}", why(errno)))
            .mended_by("it must be a directory of your own, or one that everybody may search"));
    }
    if dir == Path::new("/") {
        return Err(Trouble::new(format!("--rootfs {said}: this is the present root"))
            .mended_by("leave --rootfs out to run in it"));
    }
    Ok(dir)
}

fn bind_all(root: &Root, binds: &[Bind]) -> Result<(), Trouble> {
    for Bind { source, target, read_only } in binds {
        if let Err(error) = source.metadata() {
            let trouble = Trouble::new(format!("--bind {}: {}", source.display(), why_io(&error)));
            // As in --bind=~/src, and in quotes.
            let has_tilde = source.starts_with("~");
            let mend = "the shell replaces ~ only at the start of a word: write $HOME";
            return Err(if has_tilde { trouble.mended_by(mend) } else { trouble });
        }
        bind(root, source, target)?;
        if *read_only {
            protect(root, target)?;
        }
    }
    Ok(())
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
