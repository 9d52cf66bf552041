//! Owner stores: what is known of inodes in memory ([`Kept`]), the [`Index`] in which it outlasts a run, and what files
//! carry themselves ([`Format`]).

mod cache;
mod changes;
mod entry;
#[cfg(test)]
mod fake;
mod fault;
mod file;
#[allow(dead_code, reason = "`owners` is about to use all of it")]
mod index;
mod keeper;
mod kept;
mod late;
mod merge;
mod mirror;
mod news;
mod place;
mod row;
mod system;

#[allow(unused_imports, reason = "see index")]
pub use fault::Fault;
pub use file::File;
#[allow(unused_imports, reason = "see index")]
pub use index::{Index, Mode, Stats};
pub use kept::Kept;
pub use mirror::Format;
pub use place::{Choice, Opened, directory, open, open_existing, rows, set_aside};
#[allow(unused_imports, reason = "see index")]
pub use row::{Row, Traits};
