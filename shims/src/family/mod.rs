//! The shims, one file per family. Each reads like the man page of its calls.

pub mod exec;
pub mod gid;
pub mod uid;
