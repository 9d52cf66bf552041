//! Where the guest lives: the user namespace that makes it root, and the root directory it sees.

mod dev;
mod mounts;
mod rootfs;
mod target;
mod trouble;
mod userns;

use std::path::PathBuf;

use remainroot_shims::owner::World;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside {
    /// How native ids read there.
    pub world: World,
    /// Whether installing a filter takes no_new_privs there.
    pub set_no_new_privs: bool,
}

impl Sandbox {
    /// Moves this process, which must have one thread, into the sandbox.
    pub fn enter(&self) -> Result<Inside, Trouble> {
        let inside = userns::enter(self.userns, self.mounts())?;
        if self.mounts() {
            rootfs::build(self.rootfs.as_deref(), &self.binds)?;
        }
        if let Some(dir) = &self.workdir {
            std::env::set_current_dir(dir)
                .map_err(|error| Trouble::new(format!("--workdir {}: {}", dir.display(), why_io(&error))))?;
        }
        Ok(inside)
    }

    /// Whether anything is to be mounted.
    fn mounts(&self) -> bool {
        self.rootfs.is_some() || !self.binds.is_empty()
    }
}
