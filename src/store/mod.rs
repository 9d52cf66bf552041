//! Owner stores.

#[cfg(test)]
mod fake;
mod memory;

pub use memory::Memory;
