//! Where the guest lives: the user namespace that makes it root, and the root directory it sees.

mod dev;
mod mounts;
mod names;
mod points;
mod rootfs;
mod target;
mod trouble;
mod userns;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use remainroot_shims::owner::World;

pub use points::Points;
pub use trouble::{Trouble, why, why_io};

/// Which user namespace to run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserNs {
    /// The present one, if this process is its root and the kernel lets it act as such; else a new one.
    Auto,
    /// A new one.
    New,
    /// The present one.
    Keep,
    /// None: the guest is root in name only, over the files of its own user.
    None,
}

/// A bind mount.
#[derive(Debug, PartialEq, Eq)]
pub struct Bind {
    /// What to show: a path outside.
    pub source: PathBuf,
    /// Where: an absolute path inside. It is made if it is missing.
    pub target: PathBuf,
    /// Whether to refuse writes.
    pub read_only: bool,
}

/// What to make.
#[derive(Debug)]
pub struct Sandbox {
    /// The user namespace.
    pub userns: UserNs,
    /// The directory that becomes the root.
    pub rootfs: Option<PathBuf>,
    /// Bind mounts, in order.
    pub binds: Vec<Bind>,
    /// Where to start, inside. Default: the present directory, or the root of a new root.
    pub workdir: Option<PathBuf>,
}

/// What has been made.
pub struct Inside {
    /// What was made to mount on; to be dropped when the last task of the run is gone.
    pub points: Points,
    /// What the guest's tasks need to know.
    pub terms: Terms,
}

/// The terms that a guest lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How native ids read there.
    pub world: World,
    /// Whether installing a filter takes no_new_privs there.
    pub set_no_new_privs: bool,
}

/// Why there is no sandbox.
pub enum Refused {
    /// The program to run is not in the root.
    NoProgram(Trouble),
    /// Anything else.
    Trouble(Trouble),
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Refused {
        Refused::Trouble(trouble)
    }
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Trouble {
        let (Refused::NoProgram(trouble) | Refused::Trouble(trouble)) = refused;
        trouble
    }
}

impl Sandbox {
    /// Moves this process, which must have one thread, into the sandbox. `programs` are the paths of which one shall be
    /// run in it: a root in which none of them can be is refused before anything is mounted in it.
    pub fn enter(&self, programs: &[OsString]) -> Result<Inside, Refused> {
        let terms = userns::enter(self.userns, self.mounts())?;
        let points = match &self.rootfs {
            Some(rootfs) => rootfs::build(rootfs, &self.binds, &self.inside(programs))?,
            None if self.mounts() => rootfs::bind_in_place(&self.binds)?,
            None => Points::default(),
        };
        if let Some(dir) = &self.workdir {
            std::env::set_current_dir(dir)
                .map_err(|error| Trouble::new(format!("--workdir {}: {}", dir.display(), why_io(&error))))?;
        }
        Ok(Inside { points, terms })
    }

    /// Absolute paths for those that may start from the working directory.
    fn inside(&self, programs: &[OsString]) -> Vec<PathBuf> {
        let start = Path::new("/").join(self.workdir.as_deref().unwrap_or(Path::new("")));
        programs.iter().map(|program| start.join(program)).collect()
    }

    /// Whether anything is to be mounted.
    fn mounts(&self) -> bool {
        self.rootfs.is_some() || !self.binds.is_empty()
    }
}
