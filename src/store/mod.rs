//! Owner stores.

mod memory;

pub use memory::Memory;
