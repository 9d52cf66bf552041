//! Owner stores: what is known of inodes in memory ([`Kept`]), the [`Index`] in which it outlasts a run, and what files
//! carry themselves ([`Format`]).
//!
//! A change goes to the file first and then to the index, and is answered after both. A kill in between leaves the last
//! change of one file, which was not answered, half done: a new owner stands (the file is believed) beside the mode and
//! attributes of before, and what was to be forgotten is as it was. `owners verify` tells such a file, and `owners repair`
//! makes the index say what the file says; where the file says nothing, the index is left as it is.

mod cache;
mod changes;
mod database;
mod disk;
mod entry;
#[cfg(test)]
mod fake;
mod fault;
mod file;
mod filter;
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

pub use file::{Descriptors, File};
pub use index::{Index, Mode};
pub use kept::Kept;
pub use mirror::Format;
pub use place::{Choice, Opened, directory, is_full, open, open_existing, quiet, rows, set_aside};
pub use row::Row;
#[cfg(test)]
pub use row::Traits;
pub use system::{System, Systems};
