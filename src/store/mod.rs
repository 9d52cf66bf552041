//! Owner stores.

#[cfg(test)]
mod fake;
mod file;
mod memory;

pub use file::File;
pub use memory::Memory;
