//! remainroot.
fn main() {}
