//! Owner stores: what is known of inodes in memory, and the [`Index`] in which it outlasts a run.

#[cfg(test)]
mod fake;
#[allow(dead_code, reason = "see index")]
mod fault;
mod file;
#[allow(dead_code, reason = "the lasting store and `owners` are about to use it")]
mod index;
mod memory;
#[allow(dead_code, reason = "see index")]
mod row;

#[allow(unused_imports, reason = "see index")]
pub use fault::Fault;
pub use file::File;
#[allow(unused_imports, reason = "see index")]
pub use index::{Index, Mode, Stats};
pub use memory::Memory;
#[allow(unused_imports, reason = "see index")]
pub use row::{Row, Traits};
