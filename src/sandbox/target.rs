//! Looking up and making mount points inside a directory that will be a root: its symbolic links mean what they will
//! mean then, and never lead out of it.

use std::cell::RefCell;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, mkdirat, mknodat};

use super::points::Points;
use crate::sys::fd::open_path_resolving;

/// A directory that will be a root.
pub struct Root {
    dir: OwnedFd,
    points: RefCell<Points>,
}

/// What a mount point is made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// An empty file.
    File,
}

impl Root {
    /// Takes `path` as a root.
    pub fn open(path: &Path) -> Result<Root, Errno> {
        nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .map(|dir| Root { dir, points: RefCell::default() })
    }

    /// What was made inside, to be removed at the end.
    pub fn into_points(self) -> Points {
        self.points.into_inner()
    }

    /// Does `work` in a file system that lasts no longer than the run: nothing in there has to be removed.
    pub fn in_passing<T>(&self, work: impl FnOnce() -> T) -> T {
        let mark = self.points.borrow().mark();
        let done = work();
        self.points.borrow_mut().forget_since(mark);
        done
    }

    /// Finds what `path` names inside; a trailing symbolic link is followed unless `flags` has `O_NOFOLLOW`.
    pub fn find(&self, path: &Path, flags: i32) -> Result<OwnedFd, Errno> {
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
        let resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
        // Any rename or mount on the machine meanwhile has the kernel give up on a path with "..", which it then
        // cannot vouch for (openat2(2), EAGAIN). Somewhere there is always one; so often in a row there is not.
        for _ in 0..1000 {
            match open_path_resolving(self.dir.as_raw_fd(), &path, flags, resolve) {
                Err(libc::EAGAIN) => {}
                found => return found.map_err(Errno::from_raw),
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Finds `path` inside, or makes it, with the directories on the way, in order to mount on it.
    pub fn mount_point(&self, path: &Path, kind: Kind) -> Result<OwnedFd, Errno> {
        // A run that ends just now may remove it between the two steps.
        for _ in 0..100 {
            self.adopt(path);
            let locked = self.find_or_make(path, kind).and_then(|point| {
                self.points.borrow_mut().lock(&point)?;
                Ok(point)
            });
            match locked {
                Err(Errno::ENOENT) => {}
                locked => return locked,
            }
        }
        Err(Errno::ENOENT)
    }

    /// Takes over what other runs have made of the way to `path`, from the top.
    fn adopt(&self, path: &Path) {
        let way: Vec<_> = path.ancestors().collect();
        for path in way.into_iter().rev() {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            if let Ok(point) = self.find(path, libc::O_NOFOLLOW)
                && let Ok(parent) = self.find(parent, libc::O_DIRECTORY)
            {
                self.points.borrow_mut().adopt(parent, name, &point);
            }
        }
    }

    fn find_or_make(&self, path: &Path, kind: Kind) -> Result<OwnedFd, Errno> {
        match self.find(path, 0) {
            Err(Errno::ENOENT) => {}
            found => return found,
        }
        let Some(name) = path.file_name() else {
            return Err(Errno::ENOENT);
        };
        let parent = self.find_or_make(path.parent().unwrap_or(Path::new("/")), Kind::Dir)?;
        match make(&parent, name, kind) {
            // Something is there that could not be followed: a dangling link, where a mount point is made where it
            // points; or what another run was faster to make.
            Err(Errno::EEXIST) => {
                let aim = match self.read_link(path) {
                    Err(Errno::EINVAL) => return self.find(path, 0),
                    aim => path.parent().unwrap_or(Path::new("/")).join(aim?),
                };
                if self.find(&aim, libc::O_NOFOLLOW).is_ok() {
                    // A link to a dangling link: a chain that is not worth following.
                    return Err(Errno::ELOOP);
                }
                self.find_or_make(&aim, kind)
            }
            Err(errno) => Err(errno),
            Ok(()) => {
                let point = self.find(path, 0)?;
                self.points.borrow_mut().note(parent, name, kind, &point);
                Ok(point)
            }
        }
    }

    /// Makes a symbolic link inside, in a directory that exists.
    pub fn link(&self, aim: &str, path: &str) -> Result<(), Errno> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.find(&Path::new("/").join(parent), libc::O_DIRECTORY)?;
        nix::unistd::symlinkat(aim, parent.as_fd(), name)
    }

    /// What a symbolic link inside says.
    pub fn read_link(&self, path: &Path) -> Result<PathBuf, Errno> {
        let link = self.find(path, libc::O_NOFOLLOW)?;
        nix::fcntl::readlinkat(link.as_fd(), "").map(PathBuf::from)
    }
}

fn make(parent: &OwnedFd, name: &OsStr, kind: Kind) -> Result<(), Errno> {
    match kind {
        Kind::Dir => mkdirat(parent, name, Mode::from_bits_truncate(0o755)),
        Kind::File => mknodat(parent, name, SFlag::S_IFREG, Mode::from_bits_truncate(0o644), 0),
    }
}

/// The kind of mount point that `source` fits on.
pub fn kind_of(source: &Path) -> std::io::Result<Kind> {
    Ok(if std::fs::metadata(source)?.is_dir() { Kind::Dir } else { Kind::File })
}

/// The path by which this process can name an open file to mount(2).
pub fn path_of(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        symlink("/../../etc", dir.path().join("out")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        root.mount_point(Path::new("/out/made"), Kind::File).unwrap();
        assert!(dir.path().join("etc/made").is_file());
        assert!(!Path::new("/etc/made").exists());
    }

    #[test]
    fn missing_directories_are_made() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        root.mount_point(Path::new("/a/b/c"), Kind::Dir).unwrap();
        root.mount_point(Path::new("/a/b/f"), Kind::File).unwrap();
        assert!(dir.path().join("a/b/c").is_dir());
        assert!(dir.path().join("a/b/f").is_file());
        assert_eq!(root.mount_point(Path::new("/a/b/f/g"), Kind::Dir).unwrap_err(), Errno::ENOTDIR);
    }

    #[test]
    fn what_was_made_goes_with_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let there = |name: &str| dir.path().join(name).exists();
        fs::create_dir(dir.path().join("old")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        for path in ["/old", "/a/b/c", "/a/d", "/old/e", "/full/f", "/shared/g"] {
            root.mount_point(Path::new(path), Kind::Dir).unwrap();
        }
        for path in ["/file", "/old/written"] {
            root.mount_point(Path::new(path), Kind::File).unwrap();
        }
        // Somebody else has come to use them.
        fs::write(dir.path().join("full/other"), "").unwrap();
        fs::write(dir.path().join("old/written"), "text").unwrap();
        let other = Root::open(dir.path()).unwrap();
        other.mount_point(Path::new("/shared/g"), Kind::Dir).unwrap();
        drop(root.into_points());
        for gone in ["a", "old/e", "full/f", "file"] {
            assert!(!there(gone), "{gone}");
        }
        for left in ["old", "full/other", "old/written", "shared/g"] {
            assert!(there(left), "{left}");
        }
        // The last one removes them.
        drop(other.into_points());
        assert!(!there("shared"));
    }

    #[test]
    fn what_a_killed_run_left_goes_with_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let root = |path, kind| {
            let root = Root::open(dir.path()).unwrap();
            root.mount_point(Path::new(path), kind).unwrap();
            root.into_points()
        };
        let there = |name: &str| dir.path().join(name).exists();
        fs::create_dir(dir.path().join("old")).unwrap();
        for (path, kind) in [("/a/b", Kind::Dir), ("/old/c", Kind::Dir), ("/old/file", Kind::File)] {
            root(path, kind).abandon();
        }
        assert!(there("a/b") && there("old/c") && there("old/file"));
        drop(root("/old/c", Kind::Dir));
        drop(root("/old/file", Kind::File));
        assert_eq!(fs::read_dir(dir.path().join("old")).unwrap().count(), 0);
        // What another run mounts on is not on the way to anything.
        let other = root("/a/b", Kind::Dir);
        drop(root("/a/b/more", Kind::Dir));
        assert!(there("a/b") && !there("a/b/more"));
        drop(other);
        assert!(!there("a") && there("old"));
    }

    #[test]
    fn a_dangling_link_is_made_good_where_it_points() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        root.mount_point(Path::new("/etc"), Kind::Dir).unwrap();
        symlink("../run/r/stub.conf", dir.path().join("etc/resolv.conf")).unwrap();
        root.mount_point(Path::new("/etc/resolv.conf"), Kind::File).unwrap();
        assert!(dir.path().join("run/r/stub.conf").is_file());
        symlink("chain2", dir.path().join("chain1")).unwrap();
        symlink("chain1", dir.path().join("chain2")).unwrap();
        assert_eq!(root.mount_point(Path::new("/chain1"), Kind::File).unwrap_err(), Errno::ELOOP);
    }
}
