//! The command line: what was said ([`args`]), and what it means ([`plan`]).

mod args;
mod doctor;
mod hint;
mod owners;
mod owners_args;
mod plan;
#[cfg(test)]
mod printed;
#[cfg(test)]
mod shipped;
mod summary;
mod syscalls;

use std::io::Write;

use anyhow::{Result, bail};
use clap::Parser;
use clap::error::ErrorKind;

use crate::oci::install::{Mode, Task};
use crate::sandbox::why_io;
use crate::{oci, run};
use args::{Cli, Oci, RuntimeArg, Sub};

/// Exit status for failures of our own.
const OUR_FAILURE: i32 = 125;

/// Does what the command line says. Returns the exit status, unless the process has died of its guest's signal.
pub fn main() -> i32 {
    // No word of the command line's: for runs that the doctor makes alone.
    if std::env::args_os().skip(1).eq(crate::doctor::GUEST) {
        return crate::doctor::be_guest();
    }
    // A link to us that is named like a runtime is one: its words are not ours.
    let mut words = std::env::args_os();
    if let Some(name) = words.next()
        && let Some(runtime) = oci::called_as(&name)
    {
        return oci::execute(None, Some(runtime), words.collect());
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return say(&error),
    };
    match execute(cli) {
        Ok(status) => status,
        Err(error) => {
            crate::tell!("{error:#}");
            OUR_FAILURE
        }
    }
}

fn execute(cli: Cli) -> Result<i32> {
    let run = match cli.sub {
        Some(Sub::Run(run)) => run,
        Some(Sub::Doctor { json, path }) => return doctor::execute(&path, json),
        Some(Sub::Syscalls { format }) => return print(&syscalls::render(format)),
        Some(Sub::Owners { what }) => return owners::execute(what),
        Some(Sub::Oci { what: Oci::Runtime { runtime_path, words } }) => {
            return Ok(oci::execute(runtime_path.as_deref().map(std::path::Path::as_os_str), None, words));
        }
        Some(Sub::Oci { what: Oci::Hook { store } }) => {
            oci::hook(store.as_deref()).map_err(anyhow::Error::new)?;
            return Ok(0);
        }
        Some(Sub::Oci { what: Oci::Install { engine, runtime, remove, dry_run } }) => {
            let task = if remove { Task::Remove } else { Task::Install };
            let mode = if dry_run { Mode::Say } else { Mode::Do };
            let told = oci::install::execute(engine.into(), runtime.map(RuntimeArg::name), task, mode);
            return print(&told.map_err(anyhow::Error::new)?);
        }
        None => cli.run,
    };
    Ok(run::execute(plan::resolve(run)?))
}

/// Prints what was asked for. A reader that has seen enough is no failure.
fn print(text: &str) -> Result<i32> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            bail!("cannot write to standard output: {}", why_io(&error))
        }
        _ => Ok(0),
    }
}

/// Prints help or a version on stdout, and anything else on stderr with our name before it. A reader that is gone
/// is no failure.
fn say(error: &clap::Error) -> i32 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                crate::tell!("cannot write to standard output: {}", why_io(&error));
                OUR_FAILURE
            }
            _ => 0,
        },
        // Help that nobody asked for goes to stderr.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            OUR_FAILURE
        }
        _ => {
            let text = error.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            // That an option may be meant as the command's name is true, and never what somebody wants.
            let useful = |line: &&str| !line.trim().is_empty() && !line.contains("tip: to pass '");
            crate::tell!("{}", text.lines().filter(useful).collect::<Vec<_>>().join("\n"));
            OUR_FAILURE
        }
    }
}
