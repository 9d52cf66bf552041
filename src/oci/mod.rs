//! In containers: an OCI runtime that puts remainroot before the container's program, and hands everything on to the
//! real one.
//!
//! A runtime is called once for each step of a container's life (`create`, `start`, `kill`, …). Only the steps that
//! describe a process are changed: `create`, `run` and `restore` by the bundle's config.json, `exec` by the description
//! or the words that it is given.

mod bundle;
mod exec;
mod hand_on;
mod hook;
mod ids;
pub mod install;
mod profile;
mod runtime;
mod spec;
mod wanted;
mod words;

pub use hook::execute as hook;
pub use runtime::{called_as, execute};
