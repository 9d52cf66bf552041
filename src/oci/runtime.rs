//! The runtime that engines call.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::bundle::{self, Change, Config};
use super::exec;
use super::hand_on::{self, End};
use super::ids;
use super::spec::{self, Edited, Outside, Store};
use super::words::Words;
use crate::sandbox::{Trouble, why_io};
use crate::sys::signal;

/// Exit status for failures of our own: the one that runtimes have.
const FAILURE: i32 = 1;

/// The runtime that a link to us stands for, by its name: `remainroot-runc` is runc.
pub fn called_as(name: &OsStr) -> Option<&str> {
    let name = Path::new(name).file_name()?.to_str()?;
    name.strip_prefix("remainroot-").filter(|runtime| ["crun", "runc", "youki"].contains(runtime))
}

/// Does what an engine asks of a runtime. Returns the exit status, or dies of the runtime's signal.
pub fn execute(said: Option<&OsStr>, link: Option<&str>, words: Vec<OsString>) -> i32 {
    let words = Words::new(words);
    match carry_out(said, link, &words) {
        Ok(End::Code(code)) => code,
        Ok(End::Signal(signal)) => signal::die_of(signal),
        Err(trouble) => {
            crate::tell!("{trouble}");
            log(&words, &trouble);
            FAILURE
        }
    }
}

fn carry_out(said: Option<&OsStr>, link: Option<&str>, words: &Words) -> Result<End, Trouble> {
    let runtime = hand_on::find(said, link)?;
    match words.command() {
        Some("create" | "run" | "restore") => start(&runtime, words),
        Some("exec") => exec::execute(&runtime, words),
        Some("delete") => delete(&runtime, words),
        _ => Err(hand_on::replace(&runtime, words.all())),
    }
}

/// `create`, `run` and `restore`.
fn start(runtime: &Path, words: &Words) -> Result<End, Trouble> {
    let bundle = fs::canonicalize(words.value(&["b", "bundle"]).unwrap_or(OsStr::new(".")));
    let bundle = bundle.map_err(|error| {
        let said = words.value(&["b", "bundle"]).unwrap_or(OsStr::new("."));
        Trouble::new(format!("--bundle {}: {}", said.display(), why_io(&error)))
    })?;
    // crun's --config.
    let file = bundle.join(words.value(&["f", "config"]).unwrap_or(OsStr::new("config.json")));
    let config = Config::read(&file)?;
    let Some(change) = change(&config, &bundle)? else {
        return Err(hand_on::replace(runtime, words.all()));
    };
    let end = hand_on::and_wait(runtime, words.all());
    // `create` leaves a container, for which `exec` has to find out what it started as.
    if words.command() == Some("run") || end != Ok(End::Code(0)) {
        change.undo()?;
    }
    end
}

/// `delete`: the bundle becomes what it was before `create`.
fn delete(runtime: &Path, words: &Words) -> Result<End, Trouble> {
    let id = words.operands().1.first();
    let Some(config) = id.and_then(|id| exec::config_of(runtime, words, id)) else {
        return Err(hand_on::replace(runtime, words.all()));
    };
    let end = hand_on::and_wait(runtime, words.all());
    if end == Ok(End::Code(0)) {
        bundle::restore(&config)?;
    }
    end
}

/// Changes a bundle, unless it is to stay as it is.
fn change(config: &Config, bundle: &Path) -> Result<Option<Change>, Trouble> {
    if ids::are_real(&config.value) {
        return Ok(None);
    }
    let program = our_program()?;
    let outside = Outside { program: &program, store: Store::In(&bundle.join(bundle::STORE)) };
    let mut value = config.value.clone();
    let edited = spec::edit(&mut value, &outside).map_err(|trouble| config.wrong(&trouble))?;
    let Edited::Yes(store) = edited else { return Ok(None) };
    let root = config.value.pointer("/root/path").and_then(Value::as_str).map(|root| bundle.join(root));
    if let Some(root) = root.filter(|root| !root.is_dir()) {
        return Err(config.wrong(&Trouble::new(format!("root.path: {} is no directory", root.display()))));
    }
    let mut change = config.replace(&value)?;
    if let Some(dir) = store
        && let Err(trouble) = change.make_store(&dir, &config.value)
    {
        change.undo()?;
        return Err(trouble);
    }
    Ok(Some(change))
}

/// The file that we are.
///
/// # Errors
/// Why it cannot be found.
pub fn our_program() -> Result<PathBuf, Trouble> {
    env::current_exe().and_then(fs::canonicalize).map_err(|error| {
        Trouble::new(format!("cannot find remainroot's own program (/proc/self/exe): {}", why_io(&error)))
    })
}

/// Engines read a runtime's errors in the file that they name. That it cannot be written has no place to be told.
fn log(words: &Words, trouble: &Trouble) {
    let Some(file) = words.value(&["log"]).map(PathBuf::from) else { return };
    let text = trouble.to_string();
    let line = if words.value(&["log-format"]) == Some(OsStr::new("json")) {
        json!({ "level": "error", "msg": format!("remainroot: {text}") }).to_string()
    } else {
        format!("level=error msg={:?}", format!("remainroot: {text}"))
    };
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(file) {
        let _ = writeln!(file, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_a_runtime() {
        assert_eq!(called_as(OsStr::new("/usr/bin/remainroot-runc")), Some("runc"));
        assert_eq!(called_as(OsStr::new("remainroot-crun")), Some("crun"));
        for other in ["remainroot", "remainroot-1.0", "runc", "/"] {
            assert_eq!(called_as(OsStr::new(other)), None);
        }
    }
}
