//! Registers ↔ ABI, one file per host architecture. The only place with `cfg(target_arch)`.

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub use x86_64::*;
