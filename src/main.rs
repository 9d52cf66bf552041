//! Run programs as root of a whole system, inside a user namespace that maps one uid and one gid.

mod arch;
mod bpf;
mod cli;
mod engine;
mod owners;
mod run;
mod sandbox;
mod store;
mod sys;
mod task;

fn main() {
    std::process::exit(cli::main())
}
