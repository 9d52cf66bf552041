//! The command line of a runtime, as far as runc, crun and youki have it in common.

use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Options before the command that take a value. `--rootless` is runc's and crun's.
const GLOBAL: &[&str] = &["cgroup-manager", "criu", "log", "log-format", "log-level", "root", "rootless"];

/// Options of `create`, `run` and `restore` that take a value.
const CREATE: &[&str] = &[
    "b",
    "bundle",
    "config",
    "console-socket",
    "empty-ns",
    "f",
    "image-path",
    "lsm-mount-context",
    "lsm-profile",
    "manage-cgroups-mode",
    "parent-path",
    "pid-file",
    "pidfd-socket",
    "preserve-fds",
    "status-fd",
    "work-path",
];

/// Options of `exec` that take a value.
const EXEC: &[&str] = &[
    "additional-gids",
    "apparmor",
    "c",
    "cap",
    "cgroup",
    "console-socket",
    "cwd",
    "e",
    "env",
    "g",
    "p",
    "pid-file",
    "preserve-fds",
    "process",
    "process-label",
    "seccomp-label",
    "u",
    "user",
];

/// An option with its value, and which words it takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// Its name, without dashes.
    pub name: String,
    /// Its value.
    pub value: Option<OsString>,
    /// Where it is.
    pub words: Range<usize>,
}

/// A command line in parts.
#[derive(Debug)]
pub struct Words {
    /// All of it.
    all: Vec<OsString>,
    /// Where the command is.
    command: Option<usize>,
    /// Options in front of the command, then its own.
    said: Vec<Said>,
    /// What comes behind the options of the command.
    operands: usize,
}

impl Words {
    /// Takes the words behind a runtime's name apart.
    pub fn new(all: Vec<OsString>) -> Words {
        let mut said = Vec::new();
        let command = options(&all, 0, GLOBAL, &mut said);
        let operands = match all.get(command).and_then(|word| word.to_str()) {
            // crun's may stand behind the container's name, too.
            Some("create" | "run" | "restore") => mixed(&all, command + 1, &mut said),
            Some("exec") => options(&all, command + 1, EXEC, &mut said),
            Some("delete") => options(&all, command + 1, &[], &mut said),
            _ => all.len(),
        };
        let command = (command < all.len()).then_some(command);
        Words { all, command, said, operands }
    }

    /// All words.
    pub fn all(&self) -> &[OsString] {
        &self.all
    }

    /// What the runtime shall do.
    pub fn command(&self) -> Option<&str> {
        self.all.get(self.command?)?.to_str()
    }

    /// What stands before the command.
    pub fn globals(&self) -> &[OsString] {
        &self.all[..self.command.unwrap_or(0)]
    }

    /// The last value that an option was given, under any of its names.
    pub fn value(&self, names: &[&str]) -> Option<&OsStr> {
        self.said.iter().rfind(|said| names.contains(&said.name.as_str()))?.value.as_deref()
    }

    /// Each time that an option was given.
    pub fn options<'a>(&'a self, names: &'a [&str]) -> impl DoubleEndedIterator<Item = &'a Said> {
        self.said.iter().filter(|said| names.contains(&said.name.as_str()))
    }

    /// The words behind the options, and where they begin.
    pub fn operands(&self) -> (usize, &[OsString]) {
        (self.operands, &self.all[self.operands.min(self.all.len())..])
    }
}

/// Reads options from the word `at` on. Returns where they end.
fn options(all: &[OsString], mut at: usize, with_value: &[&str], said: &mut Vec<Said>) -> usize {
    while let Some(word) = all.get(at) {
        if word == "--" {
            return at + 1;
        }
        match option(all, at, with_value) {
            Some(option) => {
                at = option.words.end;
                said.push(option);
            }
            None => break,
        }
    }
    at
}

/// Reads options from the word `at` on that may stand between others. Returns the number of words.
fn mixed(all: &[OsString], mut at: usize, said: &mut Vec<Said>) -> usize {
    while at < all.len() && all[at] != "--" {
        match option(all, at, CREATE) {
            Some(option) => {
                at = option.words.end;
                said.push(option);
            }
            None => at += 1,
        }
    }
    all.len()
}

/// The option that is the word `at`, if it is one: `--name value`, `--name=value`, or `-n value`; runc knows `-name`.
fn option(all: &[OsString], at: usize, with_value: &[&str]) -> Option<Said> {
    let bytes = all.get(at)?.as_bytes();
    let bare = bytes.strip_prefix(b"--").or(bytes.strip_prefix(b"-")).filter(|bare| !bare.is_empty())?;
    let (name, glued) = match bare.iter().position(|&byte| byte == b'=') {
        Some(equals) => (&bare[..equals], Some(OsString::from_vec(bare[equals + 1..].to_vec()))),
        None => (bare, None),
    };
    let name = String::from_utf8_lossy(name).into_owned();
    // crun's short options may have their value in the same word.
    let short = bytes[1] != b'-' && name.len() > 1 && !with_value.contains(&name.as_str());
    if short && let Some(first) = name.get(..1).filter(|first| with_value.contains(first)) {
        let value = Some(OsString::from_vec(bare[1..].to_vec()));
        return Some(Said { name: first.to_owned(), value, words: at..at + 1 });
    }
    if glued.is_none() && with_value.contains(&name.as_str()) {
        return Some(Said { name, value: all.get(at + 1).cloned(), words: at..(at + 2).min(all.len()) });
    }
    Some(Said { name, value: glued, words: at..at + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Words {
        Words::new(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn the_command_is_found_behind_global_options() {
        for line in [
            "create --bundle b c1",
            "--root /r --log /l --log-format=json --systemd-cgroup create -b b c1",
            "-root /r --debug create c1 --bundle=b",
            "--root create create -bb c1",
        ] {
            let words = words(line);
            assert_eq!(words.command(), Some("create"), "{line}");
            assert_eq!(words.value(&["b", "bundle"]), Some(OsStr::new("b")), "{line}");
        }
        assert_eq!(words("--root /r create c1").globals(), ["--root", "/r"]);
        assert_eq!(words("--version").command(), None);
        assert_eq!(words("run --pid-file --bundle c1").value(&["b", "bundle"]), None);
    }

    #[test]
    fn what_is_executed_follows_the_options() {
        let words = words("exec -u 33:33 -t --env A=b -g 4 -g 5 c1 ls -u 5");
        assert_eq!(words.value(&["u", "user"]), Some(OsStr::new("33:33")));
        assert_eq!(words.operands(), (10, &["c1", "ls", "-u", "5"].map(OsString::from)[..]));
        assert_eq!(words.options(&["g", "additional-gids"]).count(), 2);
    }
}
