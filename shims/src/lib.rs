//! What the kernel would have answered, had the guest been real root of a whole system.
//!
//! This package is pure: it decodes calls, applies the kernel's credential and ownership rules, and says what
//! should happen. It cannot stop, read or change a process by itself; an engine does that through [`guest::Guest`].
//! Layers, left never importing right: `abi ← cred ← owner ← guest ← family ← table ← explain`.
#![forbid(unsafe_code)]

pub mod abi;
pub mod cred;
pub mod explain;
pub mod family;
pub mod guest;
pub mod owner;
pub mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
