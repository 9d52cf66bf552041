//! Run programs as root of a whole system, inside a user namespace that maps one uid and one gid.

// They panic where stderr or stdout is gone or full: see sys::tell.
#![cfg_attr(not(test), deny(clippy::print_stderr, clippy::print_stdout))]

mod arch;
mod bpf;
mod cli;
mod doctor;
mod engine;
mod oci;
mod owners;
mod run;
mod sandbox;
mod store;
mod sys;
mod task;

fn main() {
    std::process::exit(cli::main())
}
